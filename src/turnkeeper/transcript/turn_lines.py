"""Write one turn per line, for people and pipes: JSON lines, CSV, plain text. Text from a call is not trusted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, Protocol, TextIO, get_args

import msgspec

from turnkeeper.errors import Misconfigured
from turnkeeper.model import TranscriptHeader, Turn
from turnkeeper.transcript.escape import plain

__all__ = ["FIELDS", "FORMATS", "Format", "TurnWriter", "cell", "clock", "turn_record", "turn_writer"]

Span = Callable[[int, int], tuple[int, int]]
"""(start_ms, end_ms) -> (first sample, sample behind the last)."""

Format = Literal["jsonl", "csv", "txt", "vtt", "srt", "textgrid", "rttm", "audacity"]
"""The formats that turns can be written in. The last five are labels on a time line (see ``labels``)."""

FORMATS: Final[tuple[str, ...]] = get_args(Format)

FIELDS: Final = (
    "conversation",
    "index",
    "start_time",
    "end_time",
    "role",
    "speaker_id",
    "speaker_name",
    "text",
    "confidence",
    "start_ms",
    "end_ms",
    "start_sample",
    "end_sample",
    "channel",
    "communication",
    "language",
    "sentiment",
    "duplicate_of",
    "defects",
    "words",
)
"""Every field of a line, in order. Absent fields are left out of JSON lines and are empty in CSV."""

_TABLE: Final = tuple(name for name in FIELDS if name not in ("words", "defects", "start_sample", "end_sample"))
# Spreadsheets take a cell that begins so for a formula (OWASP, "CSV Injection").
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


class TurnWriter(Protocol):
    """Writes turns of any number of transcripts to one stream. ``finish`` flushes what is buffered.

    ``left_out`` counts the turns that the format cannot express, because they have no times.
    """

    left_out: int

    @property
    def speed_warning(self) -> str:
        """What users should know about the reading speed of captions. Empty where there is nothing."""

    def write(self, turn: Turn, header: TranscriptHeader) -> None: ...

    def finish(self) -> None: ...


def turn_record(
    turn: Turn,
    header: TranscriptHeader | None = None,
    span: Span | None = None,
    names: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A turn as plain data, the keys of ``FIELDS`` in their order, absent ones left out. Times in seconds and ms.

    ``names`` maps participant ids to names; without it the header's participants are looked through.
    """
    known = names if names is not None else _Names().of(header) if header else {}
    record: dict[str, Any] = {
        "conversation": header.conversation if header else turn.conversation,
        "index": turn.index,
        "start_time": None if turn.start_ms is None else turn.start_ms / 1000,
        "end_time": None if turn.end_ms is None else turn.end_ms / 1000,
        "role": turn.role,
        "speaker_id": turn.speaker_id,
        "speaker_name": known.get(turn.speaker_id or ""),
        "text": turn.text,
        "confidence": turn.confidence,
        "start_ms": turn.start_ms,
        "end_ms": turn.end_ms,
    }
    if span is not None and turn.start_ms is not None and turn.end_ms is not None:
        record["start_sample"], record["end_sample"] = span(turn.start_ms, turn.end_ms)
    for name in ("channel", "communication", "language", "sentiment", "duplicate_of"):
        record[name] = getattr(turn, name)
    if turn.defects:
        record["defects"] = list(turn.defects)
    if turn.words:
        record["words"] = msgspec.to_builtins(turn.words)
    return {name: value for name, value in record.items() if value is not None}


def turn_writer(
    format: Format,  # noqa: A002 - called so everywhere
    out: TextIO,
    *,
    fields: Sequence[str] | None = None,
    span: Span | None = None,
) -> TurnWriter:
    """A writer of one format. ``fields`` chooses and orders fields; ``span`` maps milliseconds to samples.

    Raises ``Misconfigured`` for an unknown field or format, and for ``fields`` with a format that has none.
    """
    for name in fields or ():
        if name not in FIELDS:
            raise Misconfigured(f"{name!r} is not a field", key="fields", hint=f"The fields are {', '.join(FIELDS)}.")
    if format == "jsonl":
        return _JsonLines(out, fields, span)
    if format == "csv":
        return _Csv(out, fields, span)
    if format == "txt":
        return _Text(out, fields, span)
    if format not in FORMATS:
        raise Misconfigured(f"{format!r} is not a format", key="format", hint=f"The formats are {', '.join(FORMATS)}.")
    if fields is not None:
        raise Misconfigured(f"{format} has no fields to choose", key="fields", hint="Use jsonl, csv or txt.")
    return _label_writer(format, out)


def _label_writer(name: str, out: TextIO) -> TurnWriter:
    # Loaded when they are asked for, because reading turns as text must start quickly.
    if name in ("vtt", "srt"):
        from turnkeeper.transcript.captions import SubRip, WebVtt

        return WebVtt(out) if name == "vtt" else SubRip(out)
    from turnkeeper.transcript.labels import Audacity, Rttm, TextGrid

    if name == "textgrid":
        return TextGrid(out)
    return Rttm(out) if name == "rttm" else Audacity(out)


class _Names:
    """The participants' names by id, built once per transcript and not once per turn."""

    def __init__(self) -> None:
        self._header: TranscriptHeader | None = None
        self._names: dict[str, str] = {}

    def of(self, header: TranscriptHeader) -> Mapping[str, str]:
        if header is not self._header:
            self._header = header
            self._names = {person.id: person.name for person in header.participants if person.name}
        return self._names


class _JsonLines:
    """One JSON object a line."""

    left_out, speed_warning = 0, ""

    def __init__(self, out: TextIO, fields: Sequence[str] | None, span: Span | None) -> None:
        self._out, self._fields, self._span = out, fields, span
        self._names = _Names()
        self._encode = msgspec.json.Encoder().encode

    def write(self, turn: Turn, header: TranscriptHeader) -> None:
        record = turn_record(turn, header, self._span, self._names.of(header))
        if self._fields is not None:
            record = {name: record[name] for name in self._fields if name in record}
        self._out.write(self._encode(record).decode() + "\n")

    def finish(self) -> None:
        self._out.flush()


class _Csv:
    """CSV as in RFC 4180, with a header line. A cell that a spreadsheet would evaluate gets an apostrophe in front."""

    left_out, speed_warning = 0, ""

    def __init__(self, out: TextIO, fields: Sequence[str] | None, span: Span | None) -> None:
        self._out, self._span, self._names = out, span, _Names()
        samples = ("start_sample", "end_sample") if span else ()
        self._fields = tuple(fields) if fields is not None else (*_TABLE, *samples)
        import csv  # here and not above: the command starts sooner

        self._rows = csv.writer(out, lineterminator="\r\n")
        self._rows.writerow(self._fields)

    def write(self, turn: Turn, header: TranscriptHeader) -> None:
        record = turn_record(turn, header, self._span, self._names.of(header))
        self._rows.writerow([cell(record.get(name)) for name in self._fields])

    def finish(self) -> None:
        self._out.flush()


class _Text:
    """``[mm:ss.mmm] role name: text``, or the chosen fields separated by tabs. Control characters are escaped."""

    left_out, speed_warning = 0, ""

    def __init__(self, out: TextIO, fields: Sequence[str] | None, span: Span | None) -> None:
        self._out, self._fields, self._span = out, fields, span
        self._names = _Names()

    def write(self, turn: Turn, header: TranscriptHeader) -> None:
        record = turn_record(turn, header, self._span, self._names.of(header))
        if self._fields is not None:
            cells = [plain(_cell_text(record.get(name))) for name in self._fields]
            self._out.write("\t".join(cells) + "\n")
            return
        when = f"[{clock(turn.start_ms)}] " if turn.start_ms is not None else ""
        name = f" {plain(record['speaker_name'])}" if "speaker_name" in record else ""
        self._out.write(f"{when}{turn.role}{name}: {plain(turn.text)}\n")

    def finish(self) -> None:
        self._out.flush()


def clock(ms: int) -> str:
    """Milliseconds as ``mm:ss.mmm``. Minutes continue past 59; negative times have a sign."""
    minutes, rest = divmod(abs(ms), 60_000)
    return f"{'-' if ms < 0 else ''}{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def _cell_text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def cell(value: object) -> str:
    """A value as a cell of a CSV file that may be opened in a spreadsheet, an editor or a terminal.

    Control characters (NUL, BEL, ESC) and direction overrides become escapes. Line breaks and tabs stay, as RFC 4180
    quotes them. A text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    text = _cell_text(value)
    if not isinstance(value, str):
        return text
    if not text.isprintable():
        text = "".join([char if char in "\r\n\t" else plain(char) for char in text])
    return "'" + text if text.startswith(_FORMULA) else text
