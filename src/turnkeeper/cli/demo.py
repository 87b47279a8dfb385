"""``turnkeeper demo``: the whole job on this machine, with no account and no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import anyio
from cyclopts import Parameter

from turnkeeper.archive import keys
from turnkeeper.archive.archive import Archive, CommitResult
from turnkeeper.cli.console import event_listener, print_error, print_note
from turnkeeper.cli.demo_folder import DemoFolder
from turnkeeper.cli.demo_screen import show_demo
from turnkeeper.cli.local_s3 import LocalS3
from turnkeeper.clock import Clock, RemoteClock
from turnkeeper.environment import environment
from turnkeeper.errors import Misconfigured, NotReady, TurnkeeperError
from turnkeeper.events import Listener
from turnkeeper.exporter.get import export_conversation
from turnkeeper.exporter.recordings import RecordingOptions
from turnkeeper.genesys.client import Genesys
from turnkeeper.installation import install_hint
from turnkeeper.pages.report import report
from turnkeeper.portal import run
from turnkeeper.settings import PlatformSettings, StoreSettings

__all__ = ["demo"]

CONVERSATIONS = 25
WITH_AUDIO = RecordingOptions(sync="correct", wait_seconds=120)
FAULTS = frozenset({"expired-link", "throttle", "redirect", "cut-body", "token-expiry=20"})
BUCKET = "calls"
SHOWN = "ivr-hold"
"""The sample call whose page is opened first: a menu, a queue, a hold and two agents."""
THREE_DAYS = 3 * 86_400.0
DAY_AFTER = datetime(2026, 10, 10, 12, 0, tzinfo=UTC)
"""A time after the simulated conversations, so that none is recent enough to wait for its transcript."""


@dataclass(frozen=True)
class DemoResult:
    """The result of one conversation: a ``commit``, or the ``error`` that prevented it."""

    conversation: str
    commit: CommitResult | None = None
    error: TurnkeeperError | None = None


def demo(
    *,
    folder: Path = Path("turnkeeper-demo"),
    seed: int = 7,
    open_page: Annotated[bool, Parameter(name="--open", negative="")] = False,
    verbose: Annotated[bool, Parameter(alias="-v", negative="")] = False,
) -> int:
    """The whole job on this machine: no account, no network.

    Starts a simulated platform (with links that expire, throttling, cut downloads and dying tokens) and a real object
    store, exports 25 conversations and 8 spoken sample calls with their recordings, comes back three days later for the
    late ones, and prints what they amount to. The archive is left in `./turnkeeper-demo`, and pages to look at it in
    `./turnkeeper-demo-report`.

    Parameters
    ----------
    folder
        Where the archive is left, with its pages beside it. An earlier demo there is replaced, and nothing else.
    seed
        What the simulated conversations are made from.
    open_page
        Open the page of one call in a browser when it is done.
    verbose
        Say what happens underneath: every retry, renewal and wait.
    """
    try:
        from turnkeeper.simulator import Simulation, serve
    except ImportError as cause:
        raise Misconfigured(
            "the demo's packages are not installed", operation="demo", hint=install_hint("demo")
        ) from cause
    demo_folder = DemoFolder(folder)
    demo_folder.refuse_strangers()
    print_note("starting a simulated platform and an object store on this machine ...")
    simulation = Simulation(seed=seed, conversations=CONVERSATIONS, faults=FAULTS, now=DAY_AFTER, calls=True)
    with serve(simulation, port=0) as platform, LocalS3(buckets=[BUCKET]) as s3:
        store = StoreSettings.from_environment({**environment(), **s3.environment()})
        settings = PlatformSettings(
            client_id=platform.client_id,
            client_secret=platform.client_secret,
            base_url=platform.base_url,
            api="speech",
            wait_seconds=0,
        )
        clock = RemoteClock(platform.clock_url)
        archive = Archive(f"s3://{BUCKET}/demo", store, clock=clock)
        ids = [simulation.id_of(index) for index in range(CONVERSATIONS)]
        listener = event_listener(quiet=not verbose)
        calls = list(simulation.call_ids.values())
        first = run(partial(_export_all, ids, settings, archive, clock, listener))
        first += run(partial(_export_all, calls, settings, archive, clock, listener, WITH_AUDIO))
        not_ready = [line.conversation for line in first if isinstance(line.error, NotReady)]
        print_note(f"exported; {len(not_ready)} not ready yet. Three days later, by the simulated clock ...")
        run(partial(clock.sleep, THREE_DAYS))
        retried = {
            line.conversation: line for line in run(partial(_export_all, not_ready, settings, archive, clock, listener))
        }
        lines = [retried.get(line.conversation, line) for line in first]
        demo_folder.leave(archive, [line.conversation for line in lines])
    for line in lines:
        if line.error is not None and not isinstance(line.error, NotReady):
            print_error(line.error)
    pages = report(str(folder), out=demo_folder.report)
    demo_folder.mark_report()
    counts, first_page = _count_states(lines), _first_page(lines, pages.path, simulation.call_ids[SHOWN])
    show_demo(counts, folder, pages.path, first_page)
    if open_page:
        _open_in_browser(first_page)
    return 1 if counts["failed"] else 0


async def _export_all(
    ids: Sequence[str],
    settings: PlatformSettings,
    archive: Archive,
    clock: Clock,
    listener: Listener,
    audio: RecordingOptions | None = None,
) -> list[DemoResult]:
    """Export conversations, four at a time. Return the results in the order of ``ids``."""
    lines: dict[str, DemoResult] = {}
    limit = anyio.CapacityLimiter(4)

    async with Genesys(settings, clock=clock, listener=listener) as door, anyio.create_task_group() as group:

        async def one(conversation: str) -> None:
            async with limit:
                try:
                    commit = await export_conversation(door, archive, conversation, audio=audio, listener=listener)
                    lines[conversation] = DemoResult(conversation, commit)
                except TurnkeeperError as error:
                    lines[conversation] = DemoResult(conversation, error=error)

        for conversation in ids:
            group.start_soon(one, conversation)
    return [lines[conversation] for conversation in ids]


def _count_states(lines: Sequence[DemoResult]) -> dict[str, int]:
    """How many calls are in which state."""
    return {
        "done": sum(bool(line.commit and line.commit.summary) for line in lines),
        "unread": sum(bool(line.commit and not line.commit.summary) for line in lines),
        "absent": sum(isinstance(line.error, NotReady) for line in lines),
        "failed": sum(line.error is not None and not isinstance(line.error, NotReady) for line in lines),
    }


def _first_page(lines: Sequence[DemoResult], index: Path, shown: str) -> Path:
    """Return the page to open first: the sample call's, or if that failed another one with audio."""
    readable = {line.conversation: line.commit for line in lines if line.commit and line.commit.summary}
    heard = [name for name, commit in readable.items() if commit.manifest.view(keys.alignment(name))]
    name = shown if shown in heard else next(iter([*heard, *readable]), "")
    return index.parent / f"calls/{name}.html" if name else index


def _open_in_browser(page: Path) -> None:
    import webbrowser

    if not webbrowser.open(page.absolute().as_uri()):
        print_note("no browser could be opened here: open the file yourself")
