"""The work of ``turnkeeper turns``, and a fast reader of its plain options.

For a small file, start-up takes most of the time. So plain options are read here from a table, without importing the
option parser or anything that a local file does not need. Everything else (``--help``, mistakes, options of the
platform) goes through the parser. A test checks that both read the same options alike.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from turnkeeper.calls.transcripts import Findings, is_archive, open_transcripts, refuse_unready, spool_stream
from turnkeeper.errors import Misconfigured, NotReady, TurnkeeperError, UnknownShape
from turnkeeper.payloads.dialect import Mode
from turnkeeper.transcript.select import Selection
from turnkeeper.transcript.turn_lines import FORMATS, Format, TurnWriter, turn_writer

if TYPE_CHECKING:
    from turnkeeper.model import Turn
    from turnkeeper.settings import PlatformSettings, StoreSettings
    from turnkeeper.transcript.assemble import Assembly

__all__ = ["PLAIN", "Request", "plain_request", "split_names", "write_turns"]


@dataclass
class Request:
    """The plain options of ``turns``."""

    place: str = "-"
    format: Format = "jsonl"
    fields: str = ""
    head: int | None = None
    sample_rate: int | None = None
    role: list[str] = field(default_factory=list)
    conversation: list[str] = field(default_factory=list)
    strict: bool = False

    def selection(self) -> Selection:
        """Build the selection of turns. Raises ``Misconfigured`` naming the known roles."""
        return Selection.from_options(
            roles=split_names(self.role, "--role"), interactions=split_names(self.conversation, "--conversation")
        )


PLAIN: dict[str, Callable[[str], Any]] = {
    "--format": str,
    "--fields": str,
    "--head": int,
    "--sample-rate": int,
    "--role": str,
    "--conversation": str,
}
"""The options that the fast reader knows. Those whose field is a list may be repeated."""


def plain_request(arguments: Sequence[str]) -> Request | None:
    """Read the arguments after ``turns``. Return None if they need the option parser."""
    request, places = Request(), list[str]()
    rest = iter(arguments)
    for word in rest:
        if not word.startswith("--"):
            places.append(word)
            continue
        name, has_value, value = word.partition("=")
        value = value if has_value else next(rest, "--")
        if name not in PLAIN or (not has_value and value.startswith("-")) or not _set_option(request, name, value):
            return None
    if len(places) > 1 or any(place.startswith("-") and place != "-" for place in places):
        return None
    request.place = places[0] if places else "-"
    return request if request.format in FORMATS else None


def split_names(values: Sequence[str], option: str) -> list[str]:
    """Split the values of a repeatable option at commas.

    Raises ``Misconfigured`` if the option was given and names nothing: an empty variable would select everything.
    """
    names = [name.strip() for value in values for name in value.split(",") if name.strip()]
    if values and not names:
        raise Misconfigured("is empty", key=option, hint="Leave it out for all, or look whether a variable is empty.")
    return names


def _set_option(request: Request, name: str, value: str) -> bool:
    name, kind = name.removeprefix("--").replace("-", "_"), PLAIN[name]
    try:
        converted = kind(value)
    except ValueError:
        return False
    if isinstance(known := getattr(request, name), list):
        known.append(converted)
    else:
        setattr(request, name, converted)
    # The parser refuses absurd numbers with an error message.
    return not isinstance(converted, int) or abs(converted) <= 2**53


def write_turns(
    request: Request,
    chosen: Selection,
    platform: PlatformSettings | None = None,
    store: StoreSettings | None = None,
) -> int:
    """Read, select and print turns. Return the exit code. ``platform`` and ``store`` default to the environment."""
    fields = [name.strip() for name in request.fields.split(",") if name.strip()] or None
    writer = turn_writer(request.format, sys.stdout, fields=fields, span=_sample_spans(request.sample_rate))
    # Words are most of a file's size, so they are decoded only for formats that use them.
    words = "words" in fields if fields else request.format in ("jsonl", "vtt", "srt")
    if request.head is not None and request.head < 0:
        raise Misconfigured("cannot be negative", key="--head")
    printed = _TurnPrinter(chosen, writer, request.head)
    with _open_place(request.place) as place:
        several = isinstance(place, str) and is_archive(place)
        for transcript in open_transcripts(
            place,
            interactions=chosen.interactions,
            platform=platform,
            store=store,
            mode=Mode(strict=False, words=words, exact=request.strict),
            findings=printed.findings,
        ):
            printed.add(transcript, several=several)
            if printed.is_full:
                break
    writer.finish()
    if writer.left_out:
        _print_note(f"left out, because {request.format} needs times: {writer.left_out} of {printed.count} turns")
    if writer.speed_warning:
        _print_note(writer.speed_warning)
    return printed.conclude(request.place)


class _TurnPrinter:
    """Prints turns, collects errors, and determines the exit code."""

    def __init__(self, chosen: Selection, writer: TurnWriter, head: int | None) -> None:
        self._chosen, self._writer, self._head = chosen, writer, head
        self.findings = Findings(self._report_finding)
        self.count = self._read = 0
        self._seen: set[str] = set()
        self._code = 0

    @property
    def is_full(self) -> bool:
        """Whether ``--head`` turns were printed."""
        return self._head is not None and self.count >= self._head

    def add(self, transcript: Assembly, *, several: bool) -> None:
        """Print one transcript. If there are ``several``, an error about it is reported and the others are printed."""
        self._seen.add(transcript.conversation)
        if several:
            with self.findings.item(transcript.conversation):
                self._print_turns(transcript)
        else:
            refuse_unready(transcript)
            self._print_turns(transcript)
            if not self._read and not self.is_full and transcript.is_empty:
                self._report_finding(transcript.absence())

    def _print_turns(self, transcript: Assembly) -> None:
        for turn in self._counted_turns(transcript):
            self._writer.write(turn, transcript.header)
            self.count += 1
            if self.is_full:
                break
        for note in transcript.notes:
            _print_note(f"turnkeeper: read transcript {transcript.conversation}: {note}")
        for note in transcript.left_out:
            self._report_finding(UnknownShape(note, operation="read transcript", key=transcript.conversation))
        if unfinished := transcript.unfinished():
            self._report_finding(unfinished)

    def _counted_turns(self, transcript: Assembly) -> Iterator[Turn]:
        def seen() -> Iterator[Turn]:
            for turn in transcript.turns():
                self._read += 1
                yield turn

        return iter(()) if self.is_full else self._chosen.apply(seen(), transcript.conversation)

    def conclude(self, place: str) -> int:
        """Explain why nothing was printed, since no output would look like an empty call. Return the exit code."""
        missing = {one.casefold() for one in self._chosen.interactions} - {one.casefold() for one in self._seen}
        if missing and not self._code:
            present = f" (found: {', '.join(sorted(self._seen))})" if self._seen else ""
            _print_note(f"nothing here of conversation {', '.join(sorted(missing))}{present}")
            return 3
        if not self.count and not self._code and self._head != 0:
            if self._read:
                _print_note(f"no turn matches {self._chosen.sentence()}")
            else:
                _print_note(f"read {place}: holds no turns")
                return 3
        return self._code

    def _report_finding(self, error: TurnkeeperError) -> None:
        from turnkeeper.cli.console import print_error

        print_error(error)
        self._code = NotReady.exit_code if isinstance(error, NotReady) and self._code in (0, 5) else 3


def _print_note(line: str) -> None:
    from turnkeeper.cli.console import print_note

    print_note(line)


@contextmanager
def _open_place(place: str) -> Iterator[Any]:
    """Open the place to read. Standard input is copied, to be read twice; large files show progress on a terminal."""
    if place == "-":
        if sys.stdin is None:
            hint = "Name a file, or send one to standard input."
            raise Misconfigured("standard input is closed", operation="read", key="-", hint=hint)
        with spool_stream(sys.stdin.buffer) as body:
            yield body
    elif sys.stderr.isatty() and not sys.stdout.isatty():
        from turnkeeper.cli.read_progress import ReadProgress

        with ReadProgress(place) as seen:
            yield seen
    else:
        yield place


def _sample_spans(rate: int | None) -> Callable[[int, int], tuple[int, int]] | None:
    if rate is None:
        return None
    from turnkeeper.audio.timeline import span

    span(0, 0, rate)  # refuse an impossible rate before anything is read

    def samples(start_ms: int, end_ms: int) -> tuple[int, int]:
        mapped = span(start_ms, end_ms, rate)
        return mapped.start, mapped.end

    return samples
