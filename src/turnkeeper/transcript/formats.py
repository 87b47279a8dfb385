"""Write turns as documents: the archived view, a selection of it, the summary. The bytes depend on the input alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, BinaryIO

import msgspec

from turnkeeper.model import Summary, TranscriptHeader, Turn, Word
from turnkeeper.payloads.dialects.own import FORMAT
from turnkeeper.transcript.assemble import Assembly
from turnkeeper.transcript.merge import turn_batches
from turnkeeper.transcript.select import Selection
from turnkeeper.transcript.summary import SummaryTally
from turnkeeper.transcript.turn_lines import TurnWriter, turn_record, turn_writer

__all__ = ["TurnWriter", "summary_document", "turn_record", "turn_writer", "write_selection", "write_transcript"]

SUMMARY_FORMAT = "turnkeeper.summary/1"


class _TurnDocument(msgspec.Struct, omit_defaults=True, gc=False):
    """A turn in the order of the document's fields, without absent values.

    Built by position, which is twice as fast as by name.
    """

    start_time: float | None = None
    end_time: float | None = None
    text: Any = msgspec.UNSET  # never the default, so that an empty text is written too
    speaker_id: str | None = None
    confidence: float | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    role: Any = msgspec.UNSET
    channel: str | None = None
    communication: str | None = None
    language: str | None = None
    sentiment: float | None = None
    duplicate_of: str | None = None
    index: int = 0
    words: tuple[Word, ...] = ()
    defects: tuple[str, ...] = ()


def write_transcript(assembly: Assembly, out: BinaryIO) -> Summary:
    """Write the view document ``turnkeeper.transcript/1`` in one pass and constant memory, and return its summary.

    The output is UTF-8 on one line, with a newline at its end. Raises what ``Assembly.turns`` raises; the bytes written
    so far are then void.
    """
    tally = SummaryTally(assembly.header.conversation, assembly.header.dialect)
    _write_document(assembly.header, assembly.batches(), tally, out, {})
    return tally.summary()


def write_selection(assembly: Assembly, selection: Selection, out: BinaryIO) -> int:
    """Write the turns that ``selection`` matches in the same format, with ``selection`` added.

    Returns how many there are.
    """
    tally = SummaryTally(assembly.header.conversation, assembly.header.dialect)
    chosen = turn_batches(selection.apply(assembly.turns(), assembly.header.conversation))
    _write_document(assembly.header, chosen, tally, out, {"selection": selection.slug})
    return tally.summary().total_turns


def summary_document(summary: Summary) -> bytes:
    """The stored summary. It contains neither clock nor location, so the same turns give the same bytes."""
    facts = msgspec.to_builtins(summary)
    if not summary.defects:
        # Absent where there are none: summaries of older versions and of whole transcripts keep their bytes.
        del facts["defects"]
    return msgspec.json.encode({"format": SUMMARY_FORMAT, **facts}) + b"\n"


def _write_document(
    header: TranscriptHeader, batches: Iterable[list[Turn]], tally: SummaryTally, out: BinaryIO, more: dict[str, Any]
) -> None:
    encode = msgspec.json.Encoder().encode
    head = encode(_document_head(header) | more | {"participants": header.participants})
    out.write(head[:-1] + b',"transcript":[')
    between = b""
    for turns in batches:
        tally.add_all(turns)
        if turns:
            # One call of the encoder per batch; its brackets are cut off, because the array goes on.
            out.write(between + encode([_turn_view(turn) for turn in turns])[1:-1])
            between = b","
    out.write(b"]}\n")


def _document_head(header: TranscriptHeader) -> dict[str, Any]:
    base = {name: value for name, value in msgspec.to_builtins(header.time_base).items() if value is not None}
    head = {
        "format": FORMAT,
        "conversation": header.conversation,
        "status": header.status,
        "dialect": header.dialect,
        "started_at": header.started_at,
        "time_base": base,
        "media_type": header.media_type,
        "communications": header.communications,
    }
    return {name: value for name, value in head.items() if value is not None}


def _turn_view(turn: Turn) -> _TurnDocument:
    start, end = turn.start_ms, turn.end_ms
    return _TurnDocument(
        None if start is None else start / 1000,
        None if end is None else end / 1000,
        turn.text,
        turn.speaker_id,
        turn.confidence,
        start,
        end,
        turn.role,
        turn.channel,
        turn.communication,
        turn.language,
        turn.sentiment,
        turn.duplicate_of,
        turn.index,
        turn.words,
        turn.defects,
    )
