"""Views of the audio that need not be made again: most of a second look at a call would be decoding it again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from turnkeeper.archive import inputs, keys
from turnkeeper.archive.manifest import Input, Manifest, SyncMode, View
from turnkeeper.archive.views.builder import Built, Reading, build
from turnkeeper.errors import Unread
from turnkeeper.spool import Source
from turnkeeper.transcript.select import Selection

__all__ = ["Made", "carried", "chosen", "make"]

_OF_AUDIO = ("alignment/", "peaks/")


@dataclass(frozen=True)
class Made:
    """What views are made from: the inputs, how each is opened, and how to read them."""

    conversation: str
    inputs: Sequence[Input]
    body: Callable[[Input], Source]
    selections: Sequence[Selection]
    reading: Reading
    mode: SyncMode


def make(made: Made, carry: Sequence[View], current: Manifest | None) -> Built:
    """Build all views. Those of ``carry`` are taken over instead where the transcript is ``current``'s, byte for byte:
    the audio is then not even opened.

    A transcript may differ although its inputs do not: somebody read it with shapes of his own (``reread``).
    """
    if carry and current is not None:
        built = _built(made, audio=False)
        spool = built.spools.get(keys.transcript(made.conversation))
        known = current.view(keys.transcript(made.conversation))
        if spool is not None and known is not None and spool.sha256 == known.sha256:
            built.carried, built.sync = tuple(carry), dict(current.sync or {})
            return built
        built.close()
    return _built(made, audio=True)


def chosen(current: Manifest | None, asked: Sequence[Selection]) -> list[Selection]:
    """The selections whose views are made: those asked for now, and those that ``current`` has, as long as it lives."""
    slugs = {slug: Selection.parse(slug) for slug in (current.selections if current else ())}
    slugs |= {selection.slug: selection for selection in asked}
    return [slugs[slug] for slug in sorted(slugs)]


def carried(
    is_whole: Callable[[View], bool],
    current: Manifest | None,
    composed: Sequence[Input],
    mode: SyncMode,
    producer: str,
) -> tuple[View, ...]:
    """The views of ``current``'s audio that another build would repeat: the same inputs, mode and version, every
    recording read without a remark, and the objects still there, byte for byte, under keys of this version. Else none,
    never some.
    """
    if current is None or not any(inputs.recording_of(taken.source) for taken in composed):
        return ()
    same = current.inputs == tuple(composed) and current.producer == producer
    if not same or (current.sync_mode or "report") != mode or inputs.has_remarks(current.recordings, composed):
        return ()
    found = tuple(view for view in current.views if view.key.startswith(_OF_AUDIO))
    there = all(not view.has_legacy_key and is_whole(view) for view in found)
    return found if there else ()


def _built(made: Made, *, audio: bool) -> Built:
    wanted = [taken for taken in made.inputs if audio or inputs.recording_of(taken.source) is None]
    bodies: dict[Input, Source] = {}
    notes: list[str] = []
    for taken in wanted:
        try:
            bodies[taken] = made.body(taken)
        except Unread as cause:
            if not inputs.is_directory(taken.source):
                raise
            # A list that is lost costs the names, not the transcript.
            notes.append(f"{taken.source} cannot be read: {cause.message}")
    built = build(made.conversation, bodies, made.selections, made.reading, made.mode)
    built.notes[:0] = notes
    return built
