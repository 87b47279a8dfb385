"""Make a conversation's entry in the index from its manifest and its details. Pure.

Only an export knows when and how often a leg was requested, and when it is due again. That stays as the index has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import msgspec

from turnkeeper.archive import inputs
from turnkeeper.archive.index import AUDIO, UNDATED, WHOLE, CallState, LegState, State, relevant_legs
from turnkeeper.archive.manifest import Manifest
from turnkeeper.clock import rfc3339_ms
from turnkeeper.payloads.details import Details

__all__ = ["apply_commit", "correct_entry", "day_of", "entry_from_manifest", "with_details"]

_ARCHIVED = ("done", "unread")
_MISSING = ("waiting", "archived", "failed")
"""The states of recordings that the platform may still give."""
_YEAR_2200 = 7_258_118_400_000


def with_details(call: CallState, details: Details) -> CallState:
    """The call with the times, queues, media type and direction of its analytics details."""
    return msgspec.structs.replace(
        call,
        started_at=_plausible_time(details.start) or call.started_at,
        ended_at=_plausible_time(details.end) or call.ended_at,
        queues=details.queue_ids or call.queues,
        media_type=next(iter(details.media_types), call.media_type),
        direction=details.direction or call.direction,
    )


def _plausible_time(ms: int | None) -> str:
    """RFC 3339; empty for no time and for one that no call can have.

    The platform has sent the year 10000. An export would go on asking about a call until it has ended.
    """
    return rfc3339_ms(ms) if ms is not None and 0 < ms < _YEAR_2200 else ""


def entry_from_manifest(manifest: Manifest, details: Details | None) -> CallState:
    """The entry that one generation gives. A leg that it names without a transcript is due to be requested again."""
    unread = manifest.unread
    entry = CallState(
        conversation=manifest.conversation,
        state=manifest.state,
        generation=manifest.generation,
        reason=f"{unread.error}: {unread.message}" if unread else "",
        legs=relevant_legs({leg.id: leg for leg in _legs_of(manifest)}),
        defects=manifest.defects,
    )
    return with_details(entry, details) if details else entry


def day_of(call: CallState) -> str:
    """The UTC day of the index that the call belongs to."""
    try:
        return date.fromisoformat(call.started_at[:10]).isoformat()
    except ValueError:
        return UNDATED


def apply_commit(known: CallState, entry: CallState) -> CallState:
    """Update the index's call by the entry of a generation that was just committed. A newer generation in the index
    stays, and so does ``erased``."""
    if known.state == "erased" or known.generation > entry.generation:
        return known
    return correct_entry(known, entry)


def correct_entry(known: CallState, entry: CallState) -> CallState:
    """Correct the index's call by the entry of the current manifest."""
    legs = {leg.id: leg for leg in known.legs}
    for leg in entry.legs:
        legs[leg.id] = _correct_leg(legs[leg.id], leg) if leg.id in legs else leg
    return msgspec.structs.replace(
        entry,
        started_at=entry.started_at or known.started_at,
        ended_at=entry.ended_at or known.ended_at,
        queues=entry.queues or known.queues,
        media_type=entry.media_type or known.media_type,
        direction=entry.direction or known.direction,
        legs=relevant_legs(legs),
    )


def _correct_leg(known: LegState, entry: LegState) -> LegState:
    """The index's leg, corrected by the manifest's.

    A leg with a transcript is not requested again. Of one without, the index knows more than the manifest. ``unread``
    in a manifest is about the legs that were fetched last, and only the index knows which those are.
    """
    if entry.state == "done" or (entry.state == "unread" and known.state not in _ARCHIVED):
        return msgspec.structs.replace(known, state=entry.state, reason=entry.reason, next_ask="", final=True)
    return known


def _legs_of(manifest: Manifest) -> Iterator[LegState]:
    unread = manifest.unread
    state: State = "unread" if unread else "done"
    reason = f"{unread.error}: {unread.message}" if unread else ""
    transcripts = [body for body in manifest.inputs if inputs.is_transcript(body.source)]
    archived = dict.fromkeys(inputs.communication_of(body) or WHOLE for body in transcripts)
    yield from (LegState(id=name, state=state, reason=reason, final=True) for name in archived)
    for communication in manifest.communications:
        if communication.id not in archived:
            yield _absent_leg(communication.id, communication.reason or communication.state, manifest.archived_at)
    has_list = any(body.source == inputs.RECORDINGS for body in manifest.inputs)
    # Without a sync mode no recordings were ever requested.
    if manifest.sync_mode is not None and (has_list or manifest.recordings):
        yield _recordings_leg(manifest)


def _recordings_leg(manifest: Manifest) -> LegState:
    """The leg that stands for all recordings. One that is missing or unread decides for all."""
    missing = [recording for recording in manifest.recordings if recording.state in _MISSING]
    if missing:
        return _absent_leg(AUDIO, missing[0].reason or missing[0].state, manifest.archived_at)
    unread = [recording for recording in manifest.recordings if recording.state == "unread"]
    if unread:
        return LegState(id=AUDIO, state="unread", reason=f"recording {unread[0].id}: {unread[0].reason}", final=True)
    return LegState(id=AUDIO, state="done", final=True)


def _absent_leg(name: str, reason: str, at: str) -> LegState:
    """A leg that was requested once without a result, and is due again."""
    return LegState(id=name, state="absent", reason=reason, first_asked=at, last_asked=at, next_ask=at, asks=1)
