"""turnkeeper's own view document, which is read back without any loss."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from turnkeeper.jsonstream.outline import Path
from turnkeeper.jsonstream.stream import Batch, ElementType
from turnkeeper.model import Communication, Dialect, Participant, Role, TimeBase, TranscriptHeader, Turn
from turnkeeper.payloads.dialect import Context, Defects, DocumentFacts, Mode, Survey
from turnkeeper.payloads.dialects.fields import bounds, read_part
from turnkeeper.payloads.whole_document import WholeType

__all__ = ["FORMAT", "OwnDialect"]

FORMAT = "turnkeeper.transcript/1"
_PATH: Path = ("transcript",)
_NAME = re.compile(r"turnkeeper\.[a-z]{1,32}/[0-9]{1,4}")
_MARKS = {"conversation", "dialect", "time_base", "communications", "participants"}


class _Probe(msgspec.Struct, gc=False):
    start_ms: int | None = None


class _Damaged(Turn, frozen=True, kw_only=True, gc=False):
    """A turn whose fields may be missing."""

    text: str = ""
    role: Role = "unknown"


class _Document(msgspec.Struct, kw_only=True):
    conversation: str = "unknown"
    dialect: Dialect = "media"
    status: str = "completed"
    started_at: str | None = None
    time_base: TimeBase = TimeBase(kind="none")
    media_type: str | None = None
    communications: tuple[Communication, ...] = ()
    participants: tuple[Participant, ...] = ()


class _Whole(_Document, kw_only=True):
    """A small document in one piece."""

    format: str
    transcript: list[Turn] | None = None


class OwnDialect:
    """``{format: "turnkeeper.transcript/1", ...}``: header and turns as they were written."""

    name: Dialect = "media"
    targets: Mapping[Path, tuple[Any, Any]] = {_PATH: (ElementType(_Probe), ElementType(Turn, _Damaged))}
    record = None

    def whole(self, mode: Mode) -> WholeType:  # noqa: ARG002 - there are none, or they are part of a turn
        return _WHOLE

    def survey(self, survey: Survey, batch: Batch) -> None:
        survey.starts(batch, [getattr(turn, "start_ms", None) for turn in batch.items])

    def matches(self, survey: Survey) -> bool:
        skeleton = survey.skeleton
        if not isinstance(skeleton, dict) or not isinstance(skeleton.get("transcript"), list | None):
            return False
        name = skeleton.get("format")
        # Where the name is damaged, a set of keys that no other document has identifies it. The name of another version
        # is not damage.
        damaged = not (isinstance(name, str) and _NAME.fullmatch(name))
        return name == FORMAT or (damaged and skeleton.keys() >= _MARKS)

    def facts(self, survey: Survey) -> DocumentFacts:
        return _facts_of(read_part(survey.skeleton, _Document, exact=survey.exact))

    def turns(self, batch: Batch, context: Context) -> list[Turn]:
        return [_checked_turn(turn, number, batch, context) for number, turn in enumerate(batch.items)]


def _checked_turn(turn: Turn, number: int, batch: Batch, context: Context) -> Turn:
    times, flaws = (turn.start_ms, turn.end_ms), batch.flaws.get(number, ())
    in_order = times[0] is None or times[1] is None or times[0] <= times[1]
    if in_order and not flaws and type(turn) is Turn:
        # The decoder has just made this turn, and nobody else has it, so its absent field is set in place. That is
        # faster than a copy.
        msgspec.structs.force_setattr(turn, "conversation", context.conversation)
        return turn
    defects = Defects(number, exact=context.exact)
    defects.take(flaws, {name: name for name in Turn.__struct_fields__})
    start, end = times if in_order else bounds(*times, defects, "start_ms", "end_ms")
    facts = {name: getattr(turn, name) for name in Turn.__struct_fields__}
    marks = tuple(dict.fromkeys((*turn.defects, *defects.names)))
    return Turn(**facts | {"start_ms": start, "end_ms": end, "defects": marks, "conversation": context.conversation})


def _facts_of(document: _Document) -> DocumentFacts:
    header = TranscriptHeader(**{name: getattr(document, name) for name in TranscriptHeader.__struct_fields__})
    return DocumentFacts(dialect=header.dialect, conversation=header.conversation, header=header, relative=True)


def _whole_batches(document: _Whole, _: object) -> list[Batch] | None:
    if document.format != FORMAT:
        return None
    # A document without turns is left to the streamed way, which tells an empty array from a missing one.
    return [Batch(_PATH, (), 0, -1, document.transcript)] if document.transcript else None


_WHOLE = WholeType(_Whole, b'"turnkeeper.transcript/1"', _whole_batches, lambda document, _: _facts_of(document))
