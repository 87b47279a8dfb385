"""A conversation's entry in the index, as far as its manifest and its details tell it. Pure.

What only a run knows (when a leg was asked for, how often, and when it is asked for again) stays as the index has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import msgspec

from turnkeeper.archive import inputs
from turnkeeper.archive.index import AUDIO, UNDATED, WHOLE, CallState, LegState, State, counting
from turnkeeper.archive.manifest import Manifest
from turnkeeper.clock import rfc3339_ms
from turnkeeper.payloads.details import Details

__all__ = ["day_of", "described", "entry_of", "restated", "with_manifest"]

_HELD = ("done", "unread")
_LACKING = ("waiting", "archived", "failed")
_YEAR_2200 = 7_258_118_400_000


def described(call: CallState, details: Details) -> CallState:
    """The call with what analytics says of it."""
    return msgspec.structs.replace(
        call,
        started_at=_moment(details.start) or call.started_at,
        ended_at=_moment(details.end) or call.ended_at,
        queues=details.queue_ids or call.queues,
        media_type=next(iter(details.media_types), call.media_type),
        direction=details.direction or call.direction,
    )


def _moment(ms: int | None) -> str:
    """RFC 3339; empty for no time and for one that no call has had (the platform has sent the year 10000): a call that
    ends in thousands of years would be asked about for as long."""
    return rfc3339_ms(ms) if ms is not None and 0 < ms < _YEAR_2200 else ""


def entry_of(manifest: Manifest, details: Details | None) -> CallState:
    """What one generation says of its conversation. A leg that it names and does not hold is to be asked for again."""
    unread = manifest.unread
    entry = CallState(
        conversation=manifest.conversation,
        state=manifest.state,
        generation=manifest.generation,
        reason=f"{unread.error}: {unread.message}" if unread else "",
        legs=counting({leg.id: leg for leg in _legs(manifest)}),
        defects=manifest.defects,
    )
    return described(entry, details) if details else entry


def day_of(call: CallState) -> str:
    """The UTC day that the call belongs to in the index."""
    try:
        return date.fromisoformat(call.started_at[:10]).isoformat()
    except ValueError:
        return UNDATED


def with_manifest(known: CallState, entry: CallState) -> CallState:
    """The entry of a generation that was just committed, over what the index says: a newer generation there stays, and
    what is erased is erased."""
    if known.state == "erased" or known.generation > entry.generation:
        return known
    return restated(known, entry)


def restated(known: CallState, entry: CallState) -> CallState:
    """What the index says, corrected by what the current manifest says."""
    legs = {leg.id: leg for leg in known.legs}
    for leg in entry.legs:
        legs[leg.id] = _leg(legs[leg.id], leg) if leg.id in legs else leg
    return msgspec.structs.replace(
        entry,
        started_at=entry.started_at or known.started_at,
        ended_at=entry.ended_at or known.ended_at,
        queues=entry.queues or known.queues,
        media_type=entry.media_type or known.media_type,
        direction=entry.direction or known.direction,
        legs=counting(legs),
    )


def _leg(known: LegState, found: LegState) -> LegState:
    """A leg that is held is not asked for again. Of one that is not, the index knows more than the manifest. That a
    conversation cannot be read is the state of those of its legs that arrived last, which only the index knows."""
    if found.state == "done" or (found.state == "unread" and known.state not in _HELD):
        return msgspec.structs.replace(known, state=found.state, reason=found.reason, next_ask="", final=True)
    return known


def _legs(manifest: Manifest) -> Iterator[LegState]:
    unread = manifest.unread
    state: State = "unread" if unread else "done"
    reason = f"{unread.error}: {unread.message}" if unread else ""
    named = (inputs.communication_of(one) or WHOLE for one in manifest.inputs if inputs.is_transcript(one.source))
    held = dict.fromkeys(named)
    yield from (LegState(id=name, state=state, reason=reason, final=True) for name in held)
    for one in manifest.communications:
        if one.id not in held:
            yield _lacking(one.id, one.reason or one.state, manifest.archived_at)
    listed = any(one.source == inputs.RECORDINGS for one in manifest.inputs)
    if manifest.sync_mode is not None and (listed or manifest.recordings):
        yield _recordings(manifest)


def _recordings(manifest: Manifest) -> LegState:
    """The leg that stands for all recordings."""
    lacking = [one for one in manifest.recordings if one.state in _LACKING]
    if lacking:
        return _lacking(AUDIO, lacking[0].reason or lacking[0].state, manifest.archived_at)
    unread = [one for one in manifest.recordings if one.state == "unread"]
    if unread:
        return LegState(id=AUDIO, state="unread", reason=f"recording {unread[0].id}: {unread[0].reason}", final=True)
    return LegState(id=AUDIO, state="done", final=True)


def _lacking(name: str, reason: str, at: str) -> LegState:
    """One that was asked for once, in vain, and is due."""
    return LegState(id=name, state="absent", reason=reason, first_asked=at, last_asked=at, next_ask=at, asks=1)
