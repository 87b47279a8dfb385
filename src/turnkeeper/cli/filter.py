"""``turnkeeper turns`` without the options: the work, and the short way to it.

Starting up is most of what a small file costs, so a plain command line is read here by a table and loads nothing that a
local file does not need. Whatever the table does not know (``--help``, a mistake, an option of the platform) goes the
long way, which knows everything; a test holds the two together.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from turnkeeper.errors import Misconfigured
from turnkeeper.runs.turns import open_transcripts, spooled
from turnkeeper.transcript.dialect import Mode
from turnkeeper.transcript.lines import FORMATS, Format, TurnWriter, turn_writer
from turnkeeper.transcript.select import Selection

if TYPE_CHECKING:
    from turnkeeper.settings import PlatformSettings, StoreSettings
    from turnkeeper.transcript.assembly import Assembly

__all__ = ["PLAIN", "Request", "plain_request", "write_turns"]


@dataclass
class Request:
    """What a command line asks for."""

    place: str = "-"
    format: Format = "jsonl"
    fields: str = ""
    head: int | None = None
    sample_rate: int | None = None
    role: list[str] = field(default_factory=list)
    interaction: list[str] = field(default_factory=list)

    def selection(self) -> Selection:
        """Which turns; raises ``Misconfigured`` naming the known roles."""
        return Selection.from_options(roles=_split(self.role), interactions=_split(self.interaction))


PLAIN: dict[str, Callable[[str], Any]] = {
    "--format": str,
    "--fields": str,
    "--head": int,
    "--sample-rate": int,
    "--role": str,
    "--interaction": str,
}
"""The options of the short way. Those whose field is a list may be repeated."""


def plain_request(arguments: Sequence[str]) -> Request | None:
    """The request of a plain command line behind ``turns``; None where it takes more than the table to understand."""
    request, places = Request(), list[str]()
    rest = iter(arguments)
    for word in rest:
        if not word.startswith("--"):
            places.append(word)
            continue
        name, has_value, value = word.partition("=")
        value = value if has_value else next(rest, "--")
        if name not in PLAIN or (not has_value and value.startswith("-")) or not _set(request, name, value):
            return None
    if len(places) > 1 or any(place.startswith("-") and place != "-" for place in places):
        return None
    request.place = places[0] if places else "-"
    return request if request.format in FORMATS else None


def _split(values: list[str]) -> list[str]:
    return [name.strip() for value in values for name in value.split(",") if name.strip()]


def _set(request: Request, name: str, value: str) -> bool:
    name, kind = name.removeprefix("--").replace("-", "_"), PLAIN[name]
    try:
        if isinstance(known := getattr(request, name), list):
            known.append(kind(value))
        else:
            setattr(request, name, kind(value))
    except ValueError:
        return False
    return True


def write_turns(
    request: Request,
    chosen: Selection,
    platform: PlatformSettings | None = None,
    store: StoreSettings | None = None,
) -> int:
    """Read, choose and print; the exit code. ``platform`` and ``store`` are taken from the environment where absent."""
    fields = [name.strip() for name in request.fields.split(",") if name.strip()] or None
    writer = turn_writer(request.format, sys.stdout, fields=fields, span=_spans(request.sample_rate))
    # Words are most of a file, and only JSON lines have room for them.
    words = "words" in fields if fields else request.format == "jsonl"
    if request.head is not None and request.head < 0:
        raise Misconfigured("cannot be negative", key="--head")
    count, seen = 0, set[str]()
    with _watched(request.place) as place:
        mode = Mode(strict=False, words=words)
        for transcript in open_transcripts(
            place, interactions=chosen.interactions, platform=platform, store=store, mode=mode
        ):
            seen.add(transcript.header.conversation)
            rest = None if request.head is None else request.head - count
            count += _write(transcript, chosen, writer, rest)
            if request.head is not None and count >= request.head:
                break
    writer.finish()
    if writer.left_out:
        _say(f"left out, because {request.format} needs times: {writer.left_out} of {count} turns")
    if not count and chosen:
        _explain(chosen, seen)
    return 0


def _write(transcript: Assembly, chosen: Selection, writer: TurnWriter, most: int | None) -> int:
    count = 0
    for turn in islice(chosen.apply(transcript.turns(), transcript.header.conversation), most):
        writer.write(turn, transcript.header)
        count += 1
    return count


def _explain(chosen: Selection, seen: set[str]) -> None:
    """Why nothing was printed: silence alone would look like an empty call."""
    missed = sorted(chosen.interactions - seen)
    if missed:
        found = f" (found: {', '.join(sorted(seen))})" if seen else ""
        _say(f"nothing here of interaction {', '.join(missed)}{found}")
    else:
        _say(f"no turn matches {chosen.sentence()}")


def _say(line: str) -> None:
    from turnkeeper.cli.console import say

    say(line)


@contextmanager
def _watched(place: str) -> Iterator[Any]:
    """The place to read, standard input kept aside for a second look, with progress where a person watches."""
    if place == "-":
        with spooled(sys.stdin.buffer) as body:
            yield body
    elif sys.stderr.isatty() and not sys.stdout.isatty():
        from turnkeeper.cli.progress import Progress

        with Progress(place) as seen:
            yield seen
    else:
        yield place


def _spans(rate: int | None) -> Callable[[int, int], tuple[int, int]] | None:
    if rate is None:
        return None
    from turnkeeper.audio.timeline import span

    span(0, 0, rate)  # refuse an impossible rate before anything is read

    def samples(start_ms: int, end_ms: int) -> tuple[int, int]:
        mapped = span(start_ms, end_ms, rate)
        return mapped.start, mapped.end

    return samples
