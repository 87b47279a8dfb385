"""What an answer means for a conversation's legs, and when each is asked for again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from turnkeeper.archive.index import AUDIO, WHOLE, CallState, LegState, State, counting
from turnkeeper.archive.manifest import Manifest
from turnkeeper.clock import rfc3339_ms
from turnkeeper.exporter.index_sync import epoch_ms
from turnkeeper.exporter.schedule import Schedule
from turnkeeper.genesys.endpoints.speech_transcripts import candidates
from turnkeeper.genesys.results import FoundTranscripts
from turnkeeper.model import RecordingState
from turnkeeper.payloads.details import Details

__all__ = ["Legs", "held", "next_ask", "waiting"]

_UNLISTED = "not listed among the transcripts"
_THERE = ("done", "unread")
_UNREAD_DOUBLINGS = 4


@dataclass(frozen=True)
class Legs:
    """The bookkeeping of one visit at ``now`` (epoch ms): each method gives the call with what was heard.

    ``listed`` are the communications that the platform lists as transcribed: none of these is spare, whatever the
    details say.
    """

    schedule: Schedule
    now: int
    listed: frozenset[str] = frozenset()

    def done(self, call: CallState, found: FoundTranscripts, manifest: Manifest, details: Details | None) -> CallState:
        """Transcripts came and are kept."""
        unread = manifest.unread
        state: State = "unread" if unread else "done"
        reason = f"{unread.error}: {unread.message}" if unread else ""
        # A transcript of the whole conversation answers for the legs that were asked for one by one before.
        whole = found.dialect == "media"
        legs = {leg.id: leg for leg in call.legs if not whole or leg.state in _THERE or leg.id == AUDIO}
        likely = _likely(details)
        for one in found.bodies:
            name = one.communication or WHOLE
            if one.metadata:
                continue
            if state == "unread":
                legs[name] = self._unread(call, legs.get(name), name, reason, likely)
            else:
                legs[name] = self._answered(legs.get(name), name, state, reason, likely)
        failed = [(name, f"{type(cause).__name__}: {cause.message}") for name, cause in found.failed]
        self._lack(call, legs, [*found.absent, *failed], likely)
        if not whole:
            for name in likely or ():
                if name not in legs:
                    legs[name] = self._missing(call, None, name, _UNLISTED, likely, asked=False)
        return msgspec.structs.replace(
            call,
            state=state,
            reason=reason,
            generation=manifest.generation,
            legs=counting(legs),
            defects=manifest.summary.defects if manifest.summary else 0,
        )

    def absent(self, call: CallState, absent: Sequence[tuple[str, str]], details: Details | None) -> CallState:
        """Nothing came; ``absent`` says of each leg that was asked for, why."""
        legs = {leg.id: leg for leg in call.legs}
        self._lack(call, legs, absent, _likely(details))
        if not call.generation:
            call = msgspec.structs.replace(call, state="absent", reason=absent[0][1])
        return msgspec.structs.replace(call, legs=counting(legs))

    def unlisted(self, call: CallState) -> CallState:
        """The platform's list holds nothing new: as good as asking for each leg, and much cheaper."""
        legs = {leg.id: leg for leg in call.legs}
        self._lack(call, legs, (), None)
        return msgspec.structs.replace(call, legs=counting(legs))

    def listened(self, call: CallState, states: Iterable[RecordingState], notes: Sequence[str]) -> CallState:
        """What became of the recordings: asked again while any of them may still come. One that arrived and cannot be
        read, or lacks sound, is not asked for again, and the leg says so."""
        legs = {leg.id: leg for leg in call.legs}
        states = list(states)
        lacking = [one for one in states if one.state in ("waiting", "archived", "failed")]
        unread = [one for one in states if one.state in ("unread", "incomplete")]
        if notes or lacking:
            why = notes[0] if notes else lacking[0].reason or lacking[0].state
            legs[AUDIO] = self._missing(call, legs.get(AUDIO), AUDIO, why, None)
        elif unread:
            said = "incomplete: " if unread[0].state == "incomplete" else ""
            why = f"recording {unread[0].id}: {said}{unread[0].reason}"
            legs[AUDIO] = self._answered(legs.get(AUDIO), AUDIO, "unread", why, None)
        else:
            legs[AUDIO] = self._answered(legs.get(AUDIO), AUDIO, "done", "", None)
        return msgspec.structs.replace(call, legs=counting(legs))

    def due(self, call: CallState) -> int | None:
        """When to come again: never at once, or one call would be visited for ever."""
        due = next_ask(call)
        if due is not None and due <= self.now:
            # A leg that was not asked this time waits for the others' next turn.
            asks = max((leg.asks for leg in call.legs), default=1)
            due = self._next(call, asks)
        return due

    def deadline(self, call: CallState) -> int:
        """When absent is final: a window after the call's end, or after the first ask where that came later."""
        asked = [epoch_ms(leg.first_asked) for leg in call.legs if leg.first_asked]
        known = call.ended_at or call.started_at
        ended = epoch_ms(known) if known else self.now
        return max(ended, min(asked, default=self.now)) + self.schedule.window

    def _deadline(self, call: CallState, name: str, first: str) -> int:
        """The same for one leg. Recordings may be wanted long after the transcripts were: they have a window of their
        own, or what is only being transcoded at the first ask would be given up with it."""
        return (
            max(self.deadline(call), epoch_ms(first) + self.schedule.window) if name == AUDIO else self.deadline(call)
        )

    def _lack(
        self,
        call: CallState,
        legs: dict[str, LegState],
        absent: Iterable[tuple[str, str]],
        likely: Sequence[str] | None,
    ) -> None:
        """Note what was asked for in vain, and what was due and not worth asking, since no list holds it."""
        told = dict(absent)
        for name, leg in legs.items():
            if name != AUDIO and leg.state == "absent" and not leg.final and name not in told and self._is_due(leg):
                legs[name] = self._missing(call, leg, name, leg.reason or _UNLISTED, likely)
        for name, why in told.items():
            legs[name] = self._missing(call, legs.get(name), name, why, likely)

    def _is_due(self, leg: LegState) -> bool:
        return not leg.next_ask or epoch_ms(leg.next_ask) <= self.now

    def _missing(
        self,
        call: CallState,
        leg: LegState | None,
        name: str,
        why: str,
        likely: Sequence[str] | None,
        *,
        asked: bool = True,
    ) -> LegState:
        if leg is not None and leg.state == "unread" and not leg.final:
            return self._unread(call, leg, name, leg.reason, likely)
        if leg is not None and leg.state in _THERE:
            return leg
        return self._again(call, leg, name, "absent", why, likely, (leg.asks if leg else 0) + asked)

    def _unread(
        self, call: CallState, leg: LegState | None, name: str, why: str, likely: Sequence[str] | None
    ) -> LegState:
        """A transcript came that cannot be read: it is kept. Storage may have given half of it, or another one, so it
        is asked for again until the window's end, at longer distances than one that is absent."""
        made = self._again(call, leg, name, "unread", why, likely, (leg.asks if leg else 0) + 1, _UNREAD_DOUBLINGS)
        return msgspec.structs.replace(made, final=not made.next_ask)

    def _again(
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
        moment = rfc3339_ms(self.now)
        first = leg.first_asked if leg and leg.first_asked else moment
        since = self._deadline(call, name, first) - self.schedule.window
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
            spare=_spare(leg, name, likely) and name not in self.listed,
        )

    def _answered(
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
            spare=_spare(leg, name, likely),
        )

    def _next(self, call: CallState, asks: int) -> int | None:
        return self.schedule.absent(self.now, self.deadline(call) - self.schedule.window, asks)


def held(call: CallState) -> frozenset[str]:
    """The legs whose transcripts are archived, and need not be asked for again."""
    return frozenset(leg.id for leg in call.legs if leg.state in _THERE and not _may_be_read_later(leg))


def waiting(call: CallState) -> set[str]:
    """The legs whose transcripts may still come."""
    return {
        leg.id
        for leg in call.legs
        if ((leg.state == "absent" and not leg.final) or _may_be_read_later(leg)) and leg.id != AUDIO
    }


def _may_be_read_later(leg: LegState) -> bool:
    """Whether a leg that cannot be read is asked for again (never by the versions that gave it no next ask)."""
    return leg.state == "unread" and not leg.final and bool(leg.next_ask)


def next_ask(call: CallState) -> int | None:
    """When the earliest of the legs that may still come is due (epoch ms); None where there is none."""
    return min((epoch_ms(leg.next_ask) for leg in call.legs if leg.next_ask and not leg.final), default=None)


def _likely(details: Details | None) -> Sequence[str] | None:
    return candidates(details)[0] if details is not None else None


def _spare(leg: LegState | None, name: str, likely: Sequence[str] | None) -> bool:
    """As the details say; without them, as it was known before."""
    if likely is None or name in (AUDIO, WHOLE):
        return leg is not None and leg.spare
    return name not in likely
