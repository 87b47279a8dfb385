"""turnkeeper's own view document, read back with everything kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from turnkeeper.model import Communication, Dialect, Participant, TimeBase, TranscriptHeader, Turn
from turnkeeper.transcript.dialect import Context, Facts, Mode, Survey, WrongTurn
from turnkeeper.transcript.dialects.reading import read_part
from turnkeeper.transcript.skeleton import Path
from turnkeeper.transcript.small import Small
from turnkeeper.transcript.stream import Batch

__all__ = ["FORMAT", "Own"]

FORMAT = "turnkeeper.transcript/1"
_PATH: Path = ("transcript",)


class _Probe(msgspec.Struct, gc=False):
    start_ms: int | None = None


class _Document(msgspec.Struct, kw_only=True):
    conversation: str
    dialect: Dialect
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


class Own:
    """``{format: "turnkeeper.transcript/1", ...}``: header and turns as they were written."""

    name: Dialect = "media"
    targets: Mapping[Path, tuple[Any, Any]] = {_PATH: (_Probe, Turn)}
    record = None

    def small(self, mode: Mode) -> Small:  # noqa: ARG002 - there are none, or they are part of a turn
        return _SMALL

    def survey(self, survey: Survey, batch: Batch) -> None:
        survey.starts(batch, [turn.start_ms for turn in batch.items])

    def matches(self, survey: Survey) -> bool:
        return isinstance(survey.skeleton, dict) and survey.skeleton.get("format") == FORMAT

    def facts(self, survey: Survey) -> Facts:
        return _facts(read_part(survey.skeleton, _Document))

    def ready(self, survey: Survey) -> bool:
        """Whether what stands before the turns is all that they need: they hold everything themselves."""
        return "participants" in survey.skeleton

    def turns(self, batch: Batch, context: Context) -> list[Turn]:  # noqa: ARG002 - all is in the document
        turns: list[Turn] = list(batch.items)
        for index, turn in enumerate(turns):
            if turn.start_ms is not None and turn.end_ms is not None and turn.end_ms < turn.start_ms:
                raise WrongTurn(index, "end_ms", "ends before it starts")
        return turns


def _facts(document: _Document) -> Facts:
    header = TranscriptHeader(**{name: getattr(document, name) for name in TranscriptHeader.__struct_fields__})
    return Facts(dialect=header.dialect, conversation=header.conversation, header=header, relative=True)


def _batches(document: _Whole) -> list[Batch] | None:
    if document.format != FORMAT:
        return None
    return [Batch(_PATH, (), 0, -1, document.transcript)] if document.transcript else []


_SMALL = Small(_Whole, b'"turnkeeper.transcript/1"', _batches, lambda document, _: _facts(document))
