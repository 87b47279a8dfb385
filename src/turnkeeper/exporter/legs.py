"""What an answer means for a conversation's legs, and when each leg is asked for again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from turnkeeper.archive.index import AUDIO, WHOLE, CallState, LegState, State, relevant_legs
from turnkeeper.archive.manifest import Manifest
from turnkeeper.clock import rfc3339_ms
from turnkeeper.exporter.index_sync import epoch_ms
from turnkeeper.exporter.schedule import Schedule
from turnkeeper.genesys.endpoints.speech_transcripts import candidates
from turnkeeper.genesys.results import FoundTranscripts
from turnkeeper.model import RecordingState
from turnkeeper.payloads.details import Details

__all__ = ["Legs", "archived_legs", "next_ask", "open_legs"]

_UNLISTED = "not listed among the transcripts"
_ARCHIVED = ("done", "unread")
_UNREAD_DOUBLINGS = 4
"""An unread transcript is asked for again at distances sixteen times as long as those of an absent one."""


@dataclass(frozen=True)
class Legs:
    """The bookkeeping of one answer at ``now`` (epoch ms). Each method returns the call as it stands after the answer.

    ``listed`` are the communications that the platform lists as transcribed. None of these is a fallback, whatever the
    details say.
    """

    schedule: Schedule
    now: int
    listed: frozenset[str] = frozenset()

    def with_transcripts(
        self, call: CallState, found: FoundTranscripts, manifest: Manifest, details: Details | None
    ) -> CallState:
        """Transcripts were found and are committed with ``manifest``."""
        unread = manifest.unread
        state: State = "unread" if unread else "done"
        reason = f"{unread.error}: {unread.message}" if unread else ""
        # A transcript of the whole conversation answers for the legs that were asked for one by one before.
        whole = found.dialect == "media"
        legs = {leg.id: leg for leg in call.legs if not whole or leg.state in _ARCHIVED or leg.id == AUDIO}
        likely = _likely_legs(details)
        for body in found.bodies:
            name = body.communication or WHOLE
            if body.metadata:
                continue
            if state == "unread":
                legs[name] = self._unread_leg(call, legs.get(name), name, reason, likely)
            else:
                legs[name] = self._answered_leg(legs.get(name), name, state, reason, likely)
        failed = [(name, f"{type(cause).__name__}: {cause.message}") for name, cause in found.failed]
        self._note_absences(call, legs, [*found.absent, *failed], likely)
        if not whole:
            # Whether a list was asked must not change which legs are waited for.
            for name in likely or ():
                if name not in legs:
                    legs[name] = self._absent_leg(call, None, name, _UNLISTED, likely, asked=False)
        return msgspec.structs.replace(
            call,
            state=state,
            reason=reason,
            generation=manifest.generation,
            legs=relevant_legs(legs),
            defects=manifest.summary.defects if manifest.summary else 0,
        )

    def without_transcripts(
        self, call: CallState, absent: Sequence[tuple[str, str]], details: Details | None
    ) -> CallState:
        """No transcript was found. ``absent`` gives the reason for each leg that was asked for."""
        legs = {leg.id: leg for leg in call.legs}
        self._note_absences(call, legs, absent, _likely_legs(details))
        # A call that is archived stays so: only its open legs were asked for.
        if not call.generation:
            call = msgspec.structs.replace(call, state="absent", reason=absent[0][1])
        return msgspec.structs.replace(call, legs=relevant_legs(legs))

    def unlisted(self, call: CallState) -> CallState:
        """The platform's list holds nothing new. That is as good as asking for each leg, and much cheaper."""
        legs = {leg.id: leg for leg in call.legs}
        self._note_absences(call, legs, (), None)
        return msgspec.structs.replace(call, legs=relevant_legs(legs))

    def with_recordings(self, call: CallState, states: Iterable[RecordingState], notes: Sequence[str]) -> CallState:
        """The recordings were asked for. They are asked for again while any of them may still come; one that arrived
        and cannot be read, or lacks sound, is not, and the leg says so."""
        legs = {leg.id: leg for leg in call.legs}
        states = list(states)
        lacking = [recording for recording in states if recording.state in ("waiting", "archived", "failed")]
        unread = [recording for recording in states if recording.state in ("unread", "incomplete")]
        if notes or lacking:
            why = notes[0] if notes else lacking[0].reason or lacking[0].state
            legs[AUDIO] = self._absent_leg(call, legs.get(AUDIO), AUDIO, why, None)
        elif unread:
            prefix = "incomplete: " if unread[0].state == "incomplete" else ""
            why = f"recording {unread[0].id}: {prefix}{unread[0].reason}"
            legs[AUDIO] = self._answered_leg(legs.get(AUDIO), AUDIO, "unread", why, None)
        else:
            legs[AUDIO] = self._answered_leg(legs.get(AUDIO), AUDIO, "done", "", None)
        return msgspec.structs.replace(call, legs=relevant_legs(legs))

    def due(self, call: CallState) -> int | None:
        """When to process the call again: never at once, or one call would be processed for ever."""
        due = next_ask(call)
        if due is not None and due <= self.now:
            # A leg that was not asked for this time waits for the next ask of the others.
            asks = max((leg.asks for leg in call.legs), default=1)
            due = self.schedule.absent(self.now, self.deadline(call) - self.schedule.window, asks)
        return due

    def deadline(self, call: CallState) -> int:
        """When absent is final: a window after the call's end, or after the first ask where that came later."""
        first_asks = [epoch_ms(leg.first_asked) for leg in call.legs if leg.first_asked]
        known = call.ended_at or call.started_at
        ended = epoch_ms(known) if known else self.now
        return max(ended, min(first_asks, default=self.now)) + self.schedule.window

    def _note_absences(
        self,
        call: CallState,
        legs: dict[str, LegState],
        absent: Iterable[tuple[str, str]],
        likely: Sequence[str] | None,
    ) -> None:
        """Update the legs that have no transcript: those that were asked for, and those that were due and were not
        asked for because no list holds them."""
        reasons = dict(absent)
        for name, leg in legs.items():
            is_due = not leg.next_ask or epoch_ms(leg.next_ask) <= self.now
            if name != AUDIO and leg.state == "absent" and not leg.final and name not in reasons and is_due:
                legs[name] = self._absent_leg(call, leg, name, leg.reason or _UNLISTED, likely)
        for name, why in reasons.items():
            legs[name] = self._absent_leg(call, legs.get(name), name, why, likely)

    def _absent_leg(
        self,
        call: CallState,
        leg: LegState | None,
        name: str,
        why: str,
        likely: Sequence[str] | None,
        *,
        asked: bool = True,
    ) -> LegState:
        # Before the next condition, which would end the requests for a document that cannot be read.
        if leg is not None and leg.state == "unread" and not leg.final:
            return self._unread_leg(call, leg, name, leg.reason, likely)
        # The platform deletes transcripts after their retention, which makes nothing in the archive absent.
        if leg is not None and leg.state in _ARCHIVED:
            return leg
        return self._scheduled_leg(call, leg, name, "absent", why, likely, (leg.asks if leg else 0) + asked)

    def _unread_leg(
        self, call: CallState, leg: LegState | None, name: str, why: str, likely: Sequence[str] | None
    ) -> LegState:
        """A transcript arrived that cannot be read. It is archived. Storage may have given half of it, or another one,
        so it is asked for again until the window's end, at longer distances than one that is absent."""
        asks = (leg.asks if leg else 0) + 1
        scheduled = self._scheduled_leg(call, leg, name, "unread", why, likely, asks, _UNREAD_DOUBLINGS)
        return msgspec.structs.replace(scheduled, final=not scheduled.next_ask)

    def _scheduled_leg(
        self,
        call: CallState,
        leg: LegState | None,
        name: str,
        state: State,
        why: str,
        likely: Sequence[str] | None,
        asks: int,
        doublings: int = 0,
    ) -> LegState:
        """The leg after ``asks`` answers, with the time of its next ask; final where the window is over."""
        moment = rfc3339_ms(self.now)
        first = leg.first_asked if leg and leg.first_asked else moment
        since = self.deadline(call) - self.schedule.window
        if name == AUDIO:
            # Recordings may be wanted long after the transcripts were. Without a window of their own, one that is only
            # being transcoded at the first ask would be given up with it.
            since = max(since, epoch_ms(first))
        due = self.schedule.absent(self.now, since, asks + doublings)
        return LegState(
            id=name,
            state=state,
            reason=why,
            first_asked=first,
            last_asked=moment,
            next_ask=rfc3339_ms(due) if due is not None else "",
            asks=asks,
            final=due is None,
            # A leg that is listed has a transcript, so it is worth waiting for.
            fallback=_is_fallback(leg, name, likely) and name not in self.listed,
        )

    def _answered_leg(
        self, leg: LegState | None, name: str, state: State, reason: str, likely: Sequence[str] | None
    ) -> LegState:
        moment = rfc3339_ms(self.now)
        return LegState(
            id=name,
            state=state,
            reason=reason,
            first_asked=leg.first_asked if leg and leg.first_asked else moment,
            last_asked=moment,
            asks=(leg.asks if leg else 0) + 1,
            final=True,
            fallback=_is_fallback(leg, name, likely),
        )


def archived_legs(call: CallState) -> frozenset[str]:
    """The legs whose transcripts are archived and need not be asked for again."""
    return frozenset(leg.id for leg in call.legs if leg.state in _ARCHIVED and not _is_asked_again_unread(leg))


def open_legs(call: CallState) -> set[str]:
    """The legs whose transcripts may still come."""
    return {
        leg.id
        for leg in call.legs
        if ((leg.state == "absent" and not leg.final) or _is_asked_again_unread(leg)) and leg.id != AUDIO
    }


def _is_asked_again_unread(leg: LegState) -> bool:
    """Whether a leg is unread and asked for again. Versions that did not ask again gave such legs no next ask."""
    return leg.state == "unread" and not leg.final and bool(leg.next_ask)


def next_ask(call: CallState) -> int | None:
    """When the earliest of the legs that may still come is due (epoch ms); None where there is none."""
    return min((epoch_ms(leg.next_ask) for leg in call.legs if leg.next_ask and not leg.final), default=None)


def _likely_legs(details: Details | None) -> Sequence[str] | None:
    return candidates(details)[0] if details is not None else None


def _is_fallback(leg: LegState | None, name: str, likely: Sequence[str] | None) -> bool:
    """As the details say; without them, as it was known before."""
    if likely is None or name in (AUDIO, WHOLE):
        return leg is not None and leg.fallback
    return name not in likely
