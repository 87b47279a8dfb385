"""One visit to one conversation: ask for what is due, keep what came, and say when to come again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec

from turnkeeper.archive.archive import Archive, FetchedBody
from turnkeeper.archive.index import AUDIO, WHOLE, CallState, LegState
from turnkeeper.archive.index_entries import described
from turnkeeper.archive.manifest import CommunicationState, Manifest
from turnkeeper.clock import Clock
from turnkeeper.errors import Defect, Denied, Erased, Fatal, Misconfigured, NotFound, TurnkeeperError, Unread
from turnkeeper.events import Listener, silent
from turnkeeper.exporter.directories import Names, no_names
from turnkeeper.exporter.index_sync import epoch_ms
from turnkeeper.exporter.ledger import DueConversation
from turnkeeper.exporter.legs import Legs, held, next_ask, waiting
from turnkeeper.exporter.recordings import FetchedRecordings, RecordingOptions, fetch_audio
from turnkeeper.exporter.schedule import Schedule
from turnkeeper.genesys.client import Genesys
from turnkeeper.genesys.endpoints.speech_transcripts import candidates
from turnkeeper.genesys.results import FoundTranscripts, PendingTranscripts
from turnkeeper.payloads.details import Details, read_details
from turnkeeper.spool import Spool

__all__ = ["Listing", "Outcome", "RefusedConversation", "Worker", "described"]

Listing = Callable[[CallState], Awaitable[frozenset[str] | None]]
"""A call's communications that the platform lists as transcribed by now; None where it lists nothing for anybody."""


class RefusedConversation(Exception):
    """A ``Fatal`` error that may concern this conversation alone. One that is denied may lie in a foreign division; all
    of them mean a missing role. One with an id that is none is misconfigured by the platform; all of them, by us."""

    def __init__(self, cause: Denied | Misconfigured, outcome: Outcome) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.outcome = outcome


@dataclass(frozen=True)
class Outcome:
    """What a visit came to: the call's new state and when it is due again (epoch ms; None: never). ``arrived`` counts
    transcripts, ``defects`` their turns with a field that cannot be right; ``empty`` says that they hold no turn at
    all; ``error`` is set where it failed, or one leg of it."""

    call: CallState
    due: int | None
    arrived: int = 0
    error: TurnkeeperError | None = None
    defects: int = 0
    empty: bool = False


@dataclass(frozen=True)
class Worker:
    """Visits conversations through both doors. Safe to use from several tasks at once.

    ``names`` gives the platform's directories, the same for the whole run; ``audio`` says that recordings are wanted
    too; ``threads`` bounds the writing.
    """

    platform: Genesys
    archive: Archive
    schedule: Schedule
    clock: Clock
    listing: Listing
    names: Callable[[], Awaitable[Names]] = no_names
    audio: RecordingOptions | None = None
    listener: Listener = silent
    threads: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(8))
    spool_folder: Path | None = None

    async def visit(self, taken: DueConversation) -> Outcome:
        """Ask for what is due now. What is the matter with this conversation alone is in the outcome.

        That includes exceptions that nobody expected: they become a ``Defect`` of this conversation. Raises ``Refused``
        where the platform denied it, or where its own data cannot be used (``Misconfigured``), and the other ``Fatal``
        errors, which end a run.
        """
        try:
            with ExitStack() as spools:
                return await self._visit(taken, self._now(), spools)
        except RefusedConversation:
            raise
        except Erased:
            return Outcome(CallState(conversation=taken.call.conversation, state="erased"), None)
        except Misconfigured as cause:
            # An id in the conversation's own documents may cause this, and then the others are not concerned.
            raise RefusedConversation(cause, self._failed(taken, self._now(), cause)) from cause
        except Fatal:
            raise
        except TurnkeeperError as cause:
            return self._failed(taken, self._now(), cause)
        except Exception as cause:
            defect = Defect.of(cause, operation="export", key=taken.call.conversation)
            defect.__cause__ = cause
            return self._failed(taken, self._now(), defect)

    async def _visit(self, taken: DueConversation, now: int, spools: ExitStack) -> Outcome:
        legs = Legs(self.schedule, now, taken.listed or frozenset())
        with self._permitted(taken, now):
            body, details, puzzle = await self._details(taken, spools)
        call = described(taken.call, details) if details else taken.call
        if details is not None and details.end is None:
            return Outcome(call, self.schedule.still_open(now, details.start or now))
        only = await self._communications(taken, call, details, now)
        if only is not None and not only:
            outcome = self._told(legs.unlisted(call), now)
            return await self._heard(outcome.call, now, spools) if self._wants_audio(call) else outcome
        if details is None and call.generation:
            details = await anyio.to_thread.run_sync(self._archived, call.conversation, limiter=self.threads)
        with self._permitted(taken, now):
            met = await self.platform.ask(call.conversation, details, only, last=now >= legs.deadline(call))
        if isinstance(met, PendingTranscripts):
            if puzzle is not None and not met.answered:
                raise puzzle  # without the details nobody knows which communications to ask for
            if body is None and not met.answered and not call.generation and not call.started_at:
                raise NotFound(
                    "the platform knows no such conversation",
                    operation="export",
                    key=call.conversation,
                    hint="Check the id and the region; it may also lie in a division that this client cannot see.",
                )
            absent = legs.absent(call, met.absent or ((WHOLE, met.status),), details)
            outcome = self._told(absent, now)
            return await self._heard(outcome.call, now, spools) if self._wants_audio(call) else outcome
        for one in met.bodies:
            spools.enter_context(one.spool)
        return await self._kept(call, body, met, details, legs, spools)

    @contextmanager
    def _permitted(self, taken: DueConversation, now: int) -> Iterator[None]:
        """What the platform denies may be this conversation alone; what the archive denies is everything."""
        try:
            yield
        except Denied as cause:
            raise RefusedConversation(cause, self._failed(taken, now, cause)) from cause

    async def _details(
        self, taken: DueConversation, spools: ExitStack
    ) -> tuple[Spool | None, Details | None, Unread | None]:
        """What analytics says, from the ledger where it still stands there; a gateway may say nothing at all. Details
        that cannot be read are kept as they are; why, is given beside them."""
        known = taken.call
        if taken.details is not None and known.ended_at:
            spool = spools.enter_context(Spool(self.spool_folder))
            spool.write(taken.details)
        elif known.generation:
            return None, None, None
        else:
            try:
                spool = spools.enter_context(await self.platform.details(known.conversation))
            except NotFound:
                return None, None, None
        with spool.open() as reader:
            return spool, *_understood(reader.read())

    def _archived(self, conversation: str) -> Details | None:
        """What analytics said when the first legs were kept: without it, the speech dialect cannot be asked."""
        body = self.archive.details(conversation)
        return _understood(body)[0] if body else None

    async def _communications(
        self, taken: DueConversation, call: CallState, details: Details | None, now: int
    ) -> Collection[str] | None:
        """Which communications to ask for: None for all that are likely, none where nothing is listed yet."""
        if not call.legs:
            return self._first(taken.listed, details)
        lacking = waiting(call)
        if call.generation and not lacking:
            return self._later(taken.listed, call, now)
        if any(leg.id == WHOLE for leg in call.legs):
            return None
        if not call.generation and now >= self._legs(now).deadline(call):
            return None  # the last ask trusts no list, and nothing that one said before
        listed = taken.listed - held(call) if taken.listed else None
        if not listed:
            listed = await self.listing(call)
        if listed is None:
            return lacking or None
        return (listed - held(call)) or (frozenset() if call.generation else self._likeliest(lacking, details))

    def _later(self, listed: frozenset[str] | None, call: CallState, now: int) -> frozenset[str]:
        """Nothing is waited for any more, and the platform lists what never came: it was later than anybody waited for,
        or in a leg that nobody would have looked into. One that gives nothing is asked for once a day at most."""
        if not listed or any(leg.id == WHOLE for leg in call.legs):
            return frozenset()
        rested = now - self.schedule.longest
        lately = {leg.id for leg in call.legs if leg.last_asked and epoch_ms(leg.last_asked) > rested}
        return listed - held(call) - lately

    def _first(self, listed: frozenset[str] | None, details: Details | None) -> Collection[str] | None:
        if listed is None or details is None:
            return None
        likely, _ = candidates(details)
        return listed or frozenset(likely[:1]) or None

    def _likeliest(self, lacking: set[str], details: Details | None) -> Collection[str] | None:
        if details is None:
            return lacking or None
        likely, _ = candidates(details)
        return frozenset(likely[:1]) or lacking or None

    async def _kept(
        self,
        call: CallState,
        body: Spool | None,
        found: FoundTranscripts,
        details: Details | None,
        legs: Legs,
        spools: ExitStack,
    ) -> Outcome:
        arrived = [FetchedBody(body, "conversation")] if body else []
        arrived += [FetchedBody(one.spool, one.source, one.communication) for one in found.bodies]
        states = [CommunicationState(one.communication, "done") for one in found.bodies if one.communication]
        sound = await self._audio(call, details, spools) if self.audio else FetchedRecordings()
        names, notes = await self.names()
        keep = partial(
            self.archive.keep,
            call.conversation,
            [*arrived, *names, *sound.arrived],
            states=states,
            notes=[*notes, *sound.notes],
            recordings=sound.states,
            sync_mode=self.audio.sync if self.audio else None,
            new=call.generation == 0,
            publish=False,  # the ledger tells the index
            # Read from the very bytes that are kept; otherwise they are those of an earlier generation.
            details=details if body else None,
        )
        kept = await anyio.to_thread.run_sync(keep, limiter=self.threads)
        done = legs.done(call, found, kept.manifest, details)
        # The same bytes as before have not arrived once more.
        count = sum(not one.metadata for one in found.bodies) if kept.changed or not call.generation else 0
        outcome = self._told(done, legs.now, arrived=count)
        if kept.summary:
            outcome = replace(outcome, defects=kept.summary.defects, empty=count > 0 and not kept.summary.total_turns)
        outcome = self._listened(outcome, sound, kept.manifest, legs.now) if self.audio else outcome
        # What came is archived; the leg that failed has its turn, and the run's report says why.
        return replace(outcome, error=found.failed[0][1]) if found.failed else outcome

    def _wants_audio(self, call: CallState) -> bool:
        return self.audio is not None and call.generation > 0 and not any(_closed(leg) for leg in call.legs)

    async def _audio(self, call: CallState, details: Details | None, spools: ExitStack) -> FetchedRecordings:
        assert self.audio is not None  # noqa: S101 - the callers looked
        return await fetch_audio(
            self.platform, self.archive, call.conversation, details, self.audio, spools, self.listener
        )

    async def _heard(self, call: CallState, now: int, spools: ExitStack) -> Outcome:
        """The recordings alone, of a call whose transcripts are archived."""
        details = await anyio.to_thread.run_sync(self._archived, call.conversation, limiter=self.threads)
        sound = await self._audio(call, details, spools)
        mode = self.audio.sync if self.audio else None
        keep = partial(
            self.archive.keep,
            call.conversation,
            sound.arrived,
            notes=sound.notes,
            recordings=sound.states,
            sync_mode=mode,
            publish=False,
        )
        kept = await anyio.to_thread.run_sync(keep, limiter=self.threads)
        heard = msgspec.structs.replace(call, generation=kept.manifest.generation)
        return self._listened(Outcome(heard, next_ask(heard)), sound, kept.manifest, now)

    def _listened(self, outcome: Outcome, sound: FetchedRecordings, manifest: Manifest, now: int) -> Outcome:
        # Whether a recording can be read is known only when its views were built.
        unread = [one for one in manifest.recordings if one.state in ("unread", "incomplete")]
        call = self._legs(now).listened(outcome.call, [*sound.states, *unread], sound.notes)
        due = next_ask(call)
        return replace(outcome, call=call, due=due if due is None or due > now else outcome.due)

    def _legs(self, now: int) -> Legs:
        return Legs(self.schedule, now)

    def _told(self, call: CallState, now: int, arrived: int = 0) -> Outcome:
        return Outcome(call, self._legs(now).due(call), arrived)

    def _failed(self, taken: DueConversation, now: int, cause: TurnkeeperError) -> Outcome:
        call = taken.call
        reason = f"{type(cause).__name__}: {cause.message}"
        if not call.generation:
            call = msgspec.structs.replace(call, state="failed", reason=reason)
        return Outcome(call, self.schedule.failed(now, taken.tries + 1), error=cause)

    def _now(self) -> int:
        return int(self.clock.now().timestamp() * 1000)


def _understood(body: bytes) -> tuple[Details | None, Unread | None]:
    try:
        return read_details(body), None
    except Unread as cause:
        return None, cause


def _closed(leg: LegState) -> bool:
    """Whether nothing more is to be done about the recordings."""
    return leg.id == AUDIO and (leg.state == "done" or leg.final)
