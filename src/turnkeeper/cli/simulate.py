"""``turnkeeper simulate``: the platform on loopback."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from turnkeeper.cli.console import print_note
from turnkeeper.errors import Misconfigured
from turnkeeper.installation import install_hint

__all__ = ["simulate"]


def simulate(
    *,
    port: int = 0,
    seed: int = 7,
    conversations: int = 200,
    per_day: int = 144,
    start: str = "",
    faults: str = "",
    giant_mb: int = 0,
    now: str = "",
    rate_limit: int = 300,
    calls: Annotated[bool, Parameter(negative="")] = False,
    rate_window: float = 60.0,
    key_out: Path | None = None,
    list_faults: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """The platform on loopback, from a seed: same seed, same bytes.

    Prints one JSON line when it is ready (`base_url`, `client_id`, `client_secret`, `conversation_ids`, `truth_url`,
    `clock_url`) and serves until it is interrupted. The secret is a throw-away one.

        turnkeeper simulate --port 8080 --faults expired-link,throttle

    Parameters
    ----------
    port
        Port on 127.0.0.1; 0 takes a free one.
    seed
        What everything is made from.
    conversations
        How many conversations the platform knows; a million is fine.
    per_day
        How many conversations begin on a working day.
    start
        When the first one begins (RFC 3339; a fixed Monday without it).
    faults
        Faults to switch on, separated by commas; some take a value (`throttle=3`).
    giant_mb
        Adds one conversation whose transcript is about this many megabytes.
    now
        Freeze the clock at this time (RFC 3339); it then moves only through `/_sim/clock`.
    rate_limit
        Requests a token may make per minute.
    calls
        Add the spoken sample calls, whose recordings hold real (synthetic) speech.
    rate_window
        Seconds a window of the rate limit lasts.
    key_out
        Write the private key of the client `private_key_client_id` to this new file, to try signed assertions.
    list_faults
        Print the faults with one sentence each, and stop.
    """
    try:
        from turnkeeper.simulator import FAULTS, FIRST, Simulation, run
    except ImportError as cause:
        raise Misconfigured(
            "the simulator's packages are not installed", operation="simulate", hint=install_hint("demo")
        ) from cause
    if list_faults:
        sys.stdout.writelines(f"{name:22} {sentence}\n" for name, sentence in sorted(FAULTS.items()))
        return 0
    chosen = frozenset(name.strip() for name in faults.split(",") if name.strip())
    try:
        simulation = Simulation(
            seed=seed,
            conversations=conversations,
            per_day=per_day,
            start=_read_time(start) or FIRST,
            faults=chosen,
            giant_mb=giant_mb,
            now=_read_time(now),
            rate_limit=rate_limit,
            calls=calls,
            rate_window=rate_window,
        )
    except ValueError as cause:
        raise Misconfigured(str(cause), operation="simulate", hint="See: turnkeeper simulate --list-faults") from None
    _serve(partial(run, simulation, port, sys.stdout, key_out), key_out)
    return 0


def _serve(run: Callable[[], object], key_out: Path | None) -> None:
    try:
        run()
    except KeyboardInterrupt:
        print_note("simulator stopped")
    except OSError as cause:
        raise _not_written(key_out, cause) from None


def _not_written(path: Path | None, cause: OSError) -> Misconfigured:
    if path is None:
        hint = "Choose another --port, or 0 for a free one."
        return Misconfigured(f"cannot listen ({cause.strerror})", operation="simulate", hint=hint)
    hint = "Name a new file in a folder that can be written."
    return Misconfigured(f"cannot write the key ({cause.strerror})", operation="simulate", key=str(path), hint=hint)


def _read_time(text: str) -> datetime | None:
    """An RFC 3339 time; a naive one is UTC."""
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
