"""The platform's list of recordings as an input: which answer is worth keeping. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from turnkeeper.archive import inputs
from turnkeeper.archive.manifest import Input
from turnkeeper.errors import Unread
from turnkeeper.model import Recording
from turnkeeper.payloads.recordings import read_recordings
from turnkeeper.spool import Source

__all__ = ["without_known_recordings"]


def without_known_recordings(
    arrived: Mapping[Input, Source], earlier: Sequence[Input], back: inputs.Back
) -> dict[Input, Source]:
    """What arrived, less a list of recordings that says nothing new.

    Annotations get a new id at every ask, so answers are compared by what they say. An answer that no longer knows a
    recording whose audio is archived does not replace the one that did: when the audio starts would be lost.
    """
    now = next((taken for taken in arrived if taken.source == inputs.RECORDINGS), None)
    known = next((taken for taken in earlier if taken.source == inputs.RECORDINGS), None)
    if now is None or known is None:
        return dict(arrived)
    held = {recording for taken in earlier if (recording := inputs.recording_of(taken.source))}
    if now.sha256 == known.sha256 or _tells_more(arrived[now], known, held, back):
        return dict(arrived)
    return {taken: body for taken, body in arrived.items() if taken is not now}


def _tells_more(now: Source, known: Input, held: set[str], back: inputs.Back) -> bool:
    try:
        new = {one.id: one for one in _read(now)}
        old = {one.id: one for one in _read(back(known))}
    except Unread:
        return True
    if (held & old.keys()) - new.keys():
        return False
    return {name: _as_known(one, old.get(name)) for name, one in new.items()} != old


def _as_known(now: Recording, before: Recording | None) -> Recording:
    """The list without media does not tell the length of the audio: that is no news."""
    if before is None or now.duration_ms is not None:
        return now
    return msgspec.structs.replace(now, duration_ms=before.duration_ms)


def _read(source: Source) -> tuple[Recording, ...]:
    with source.open() as body:
        return read_recordings(body.read())
