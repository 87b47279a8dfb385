"""turnkeeper's own view document, read back with everything kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from turnkeeper.model import Communication, Dialect, Participant, Role, TimeBase, TranscriptHeader, Turn, Word
from turnkeeper.transcript.dialects.reading import read_part
from turnkeeper.transcript.document import Context, Facts, Survey, WrongTurn
from turnkeeper.transcript.skeleton import Path
from turnkeeper.transcript.stream import Batch

__all__ = ["FORMAT", "Own"]

FORMAT = "turnkeeper.transcript/1"


class _Probe(msgspec.Struct, gc=False):
    start_time: float | None = None


class _Turn(msgspec.Struct, kw_only=True):
    text: str
    role: Role
    start_time: float | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    speaker_id: str | None = None
    confidence: float | None = None
    channel: str | None = None
    communication: str | None = None
    language: str | None = None
    sentiment: float | None = None
    duplicate_of: str | None = None
    index: int = 0
    words: tuple[Word, ...] = ()


class _Document(msgspec.Struct, kw_only=True):
    conversation: str
    dialect: Dialect
    status: str = "completed"
    started_at: str | None = None
    time_base: TimeBase = TimeBase(kind="none")
    media_type: str | None = None
    communications: tuple[Communication, ...] = ()
    participants: tuple[Participant, ...] = ()


class Own:
    """``{format: "turnkeeper.transcript/1", ...}``: header and turns as they were written."""

    name: Dialect = "media"
    targets: Mapping[Path, tuple[Any, Any]] = {("transcript",): (_Probe, _Turn)}
    record = None

    def survey(self, survey: Survey, batch: Batch) -> None:
        survey.starts(batch, [turn.start_time for turn in batch.items])

    def matches(self, survey: Survey) -> bool:
        return isinstance(survey.skeleton, dict) and survey.skeleton.get("format") == FORMAT

    def facts(self, survey: Survey) -> Facts:
        document = read_part(survey.skeleton, _Document)
        header = TranscriptHeader(**{name: getattr(document, name) for name in document.__struct_fields__})
        return Facts(dialect=header.dialect, conversation=header.conversation, header=header, relative=True)

    def turns(self, batch: Batch, context: Context) -> list[Turn]:  # noqa: ARG002 - all is in the document
        turns = []
        for index, raw in enumerate(batch.items):
            if raw.start_ms is not None and raw.end_ms is not None and raw.end_ms < raw.start_ms:
                raise WrongTurn(index, "end_ms", "ends before it starts")
            turns.append(Turn(**{name: getattr(raw, name) for name in raw.__struct_fields__ if name != "start_time"}))
        return turns
