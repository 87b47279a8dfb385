"""Reuse stored views of the audio where building them again would give the same: most of that would be decoding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from turnkeeper.archive import inputs, keys
from turnkeeper.archive.manifest import Input, Manifest, SyncMode, View
from turnkeeper.archive.views.builder import BuiltViews, ReadOptions, build_views
from turnkeeper.errors import Unread
from turnkeeper.spool import Source
from turnkeeper.transcript.select import Selection

__all__ = ["BuildRequest", "build_or_reuse", "reusable_views", "selections_to_build"]

_OF_AUDIO = ("alignment/", "peaks/")


@dataclass(frozen=True)
class BuildRequest:
    """What to build views from: the inputs, how each is opened, and how to read them."""

    conversation: str
    inputs: Sequence[Input]
    open_input: Callable[[Input], Source]
    selections: Sequence[Selection]
    reading: ReadOptions
    mode: SyncMode


def build_or_reuse(request: BuildRequest, reusable: Sequence[View], current: Manifest | None) -> BuiltViews:
    """Build all views. If the transcript is ``current``'s, byte for byte, ``reusable`` replaces the views of the audio,
    and the audio is not even opened.

    The transcript may differ although the inputs do not: ``reread`` can read them with shapes of its own.
    """
    if reusable and current is not None:
        built = _build(request, with_audio=False)
        spool = built.spools.get(keys.transcript(request.conversation))
        known = current.view(keys.transcript(request.conversation))
        if spool is not None and known is not None and spool.sha256 == known.sha256:
            built.reused, built.sync = tuple(reusable), dict(current.sync or {})
            return built
        built.close()
    return _build(request, with_audio=True)


def selections_to_build(current: Manifest | None, requested: Sequence[Selection]) -> list[Selection]:
    """The selections that are requested now, and those of ``current``: a selection is built with every generation."""
    by_slug = {slug: Selection.parse(slug) for slug in (current.selections if current else ())}
    by_slug |= {selection.slug: selection for selection in requested}
    return [by_slug[slug] for slug in sorted(by_slug)]


def reusable_views(
    is_whole: Callable[[View], bool],
    current: Manifest | None,
    composed: Sequence[Input],
    mode: SyncMode,
    producer: str,
) -> tuple[View, ...]:
    """The views of ``current``'s audio, if building them again would give the same; otherwise none of them.

    That needs the same inputs, mode and version, that every recording was read without a remark (a remark is only found
    by reading it), and that the objects are there, byte for byte, under keys of this version.
    """
    if current is None or not any(inputs.recording_of(body.source) for body in composed):
        return ()
    is_same = current.inputs == tuple(composed) and current.producer == producer
    if not is_same or (current.sync_mode or "report") != mode or inputs.has_remarks(current.recordings, composed):
        return ()
    views = tuple(view for view in current.views if view.key.startswith(_OF_AUDIO))
    return views if all(not view.has_legacy_key and is_whole(view) for view in views) else ()


def _build(request: BuildRequest, *, with_audio: bool) -> BuiltViews:
    bodies: dict[Input, Source] = {}
    notes: list[str] = []
    for body in request.inputs:
        if not with_audio and inputs.recording_of(body.source) is not None:
            continue
        try:
            bodies[body] = request.open_input(body)
        except Unread as cause:
            if not inputs.is_directory(body.source):
                raise
            # A list that is lost costs the names, not the transcript.
            notes.append(f"{body.source} cannot be read: {cause.message}")
    built = build_views(request.conversation, bodies, request.selections, request.reading, request.mode)
    built.notes[:0] = notes
    return built
