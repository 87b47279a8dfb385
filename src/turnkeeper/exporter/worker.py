"""Process one conversation of the ledger: ask for what is due, commit what was found, and say when to ask again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import anyio.to_thread
import msgspec

from turnkeeper.archive.index import AUDIO, WHOLE, CallState
from turnkeeper.archive.index_entries import with_details
from turnkeeper.clock import Clock
from turnkeeper.errors import Defect, Denied, Erased, Fatal, Misconfigured, NotFound, TurnkeeperError, Unread
from turnkeeper.exporter.index_sync import epoch_ms
from turnkeeper.exporter.ledger import DueConversation
from turnkeeper.exporter.legs import Legs, archived_legs, next_ask, open_legs
from turnkeeper.exporter.pipeline import CommittedConversation, FetchedDetails, Pipeline
from turnkeeper.exporter.schedule import Schedule
from turnkeeper.genesys.endpoints.speech_transcripts import candidates
from turnkeeper.genesys.results import FoundTranscripts
from turnkeeper.payloads.details import Details, read_details

__all__ = ["Listing", "Outcome", "RefusedConversation", "Worker"]

Listing = Callable[[CallState], Awaitable[frozenset[str] | None]]
"""A call's communications that the platform lists as transcribed by now; None where it lists nothing for anybody."""


class RefusedConversation(Exception):
    """A ``Fatal`` error that may concern this conversation alone.

    One conversation that is denied may lie in a foreign division; if all are, a role is missing. One conversation with
    a malformed id is the platform's fault; if all fail so, the settings are wrong.
    """

    def __init__(self, cause: Denied | Misconfigured, outcome: Outcome) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.outcome = outcome


@dataclass(frozen=True)
class Outcome:
    """The result of processing one conversation: its new state, and when it is due again (epoch ms; None: never).

    ``transcripts`` counts those that were found, ``defects`` their turns with a field that cannot be right. ``empty``
    says that they hold no turn at all. ``error`` is set where the conversation failed, or one leg of it.
    """

    call: CallState
    due: int | None
    transcripts: int = 0
    error: TurnkeeperError | None = None
    defects: int = 0
    empty: bool = False


@dataclass(frozen=True)
class Worker:
    """Processes conversations. Safe to use from several tasks at once."""

    pipeline: Pipeline
    schedule: Schedule
    clock: Clock
    listing: Listing

    async def process(self, conversation: DueConversation) -> Outcome:
        """Ask for what is due now. Whatever is wrong with this conversation alone is in the outcome.

        That includes exceptions that nobody expected: they become a ``Defect`` of this conversation.

        Raises ``RefusedConversation`` where the platform denies access to it, or where its own data cannot be used
        (``Misconfigured``), and the other ``Fatal`` errors, which end a run.
        """
        try:
            with ExitStack() as spools:
                return await self._process(conversation, self._now_ms(), spools)
        except RefusedConversation:
            raise
        except Erased:
            return Outcome(CallState(conversation=conversation.call.conversation, state="erased"), None)
        except Misconfigured as cause:
            # An id in the conversation's own documents may cause this, and then the others are not concerned.
            raise RefusedConversation(cause, self._failed(conversation, cause)) from cause
        except Fatal:
            raise
        except TurnkeeperError as cause:
            return self._failed(conversation, cause)
        except Exception as cause:
            defect = Defect.of(cause, operation="export", key=conversation.call.conversation)
            defect.__cause__ = cause
            return self._failed(conversation, defect)

    async def _process(self, due: DueConversation, now: int, spools: ExitStack) -> Outcome:
        legs = Legs(self.schedule, now, due.listed or frozenset())
        with self._denied_alone(due):
            fetched = await self._due_details(due, spools)
        details = fetched.details
        call = with_details(due.call, details) if details else due.call
        # While a call goes on, legs are still added to it. They are asked for together when it has ended.
        if details is not None and details.end is None:
            return Outcome(call, self.schedule.still_open(now, details.start or now))
        communications = await self._communications(due, call, details, legs)
        if communications is not None and not communications:
            return await self._without_transcripts(legs.unlisted(call), legs, spools)
        if details is None and call.generation:
            fetched = replace(fetched, details=await self._archived_details(call.conversation))
        with self._denied_alone(due):
            result = await self.pipeline.ask_for_transcripts(
                call.conversation, fetched, spools, communications=communications, last=now >= legs.deadline(call)
            )
        if isinstance(result, FoundTranscripts):
            return await self._with_transcripts(call, fetched, result, legs, spools)
        # An id that nobody knows is an error at once. As absent, a mistyped one would be asked for in vain for days.
        if fetched.body is None and not (result.answered or call.generation or call.started_at):
            raise _unknown(call.conversation)
        absent = result.absent or ((WHOLE, result.status),)
        return await self._without_transcripts(legs.without_transcripts(call, absent, fetched.details), legs, spools)

    @contextmanager
    def _denied_alone(self, due: DueConversation) -> Iterator[None]:
        """What the platform denies may be this conversation alone. What the archive denies concerns all of them."""
        try:
            yield
        except Denied as cause:
            raise RefusedConversation(cause, self._failed(due, cause)) from cause

    async def _due_details(self, due: DueConversation, spools: ExitStack) -> FetchedDetails:
        """The details: from the ledger where a listing gave them after the call's end; none where the archive holds
        them already."""
        call = due.call
        known = due.details if call.ended_at else None
        if known is None and call.generation:
            return FetchedDetails()
        fetched = await self.pipeline.fetch_details(call.conversation, spools, known)
        if known is None or fetched.details is None or fetched.details.end is not None:
            return fetched
        # The listing saw the call before it ended. Its details would make the call look open for ever.
        return await self.pipeline.fetch_details(call.conversation, spools)

    async def _archived_details(self, conversation: str) -> Details | None:
        """The details that an earlier generation archived: without them the speech dialect cannot be asked."""

        def read() -> Details | None:
            body = self.pipeline.archive.details(conversation)
            try:
                return read_details(body) if body else None
            except Unread:
                return None

        return await anyio.to_thread.run_sync(read, limiter=self.pipeline.threads)

    async def _communications(
        self, due: DueConversation, call: CallState, details: Details | None, legs: Legs
    ) -> Collection[str] | None:
        """Which communications to ask for: None for all that are likely, none where nothing is listed yet."""
        likely = list(candidates(details)[0][:1]) if details is not None else []
        if not call.legs:
            # A first ask of a call for which the platform lists nothing tries the likeliest leg alone.
            return None if due.listed is None or details is None else (due.listed or likely or None)
        lacking = open_legs(call)
        if call.generation and not lacking:
            return self._late_communications(due.listed, call, legs.now)
        # The media dialect gives the whole conversation, so there is nothing to choose from.
        if any(leg.id == WHOLE for leg in call.legs):
            return None
        if not call.generation and legs.now >= legs.deadline(call):
            return None  # the last ask trusts no list, and nothing that one said before
        archived = archived_legs(call)
        listed = due.listed - archived if due.listed else None
        if not listed:
            listed = await self.listing(call)
        if listed is None:
            return lacking or None
        return (listed - archived) or (frozenset() if call.generation else likely or lacking or None)

    def _late_communications(self, listed: frozenset[str] | None, call: CallState, now: int) -> frozenset[str]:
        """The communications that the platform lists although no leg is waited for any more.

        Such a transcript came later than the window, or belongs to a leg that was never likely. One that gives nothing
        is asked for once a day at most.
        """
        if not listed or any(leg.id == WHOLE for leg in call.legs):
            return frozenset()
        a_day_ago = now - self.schedule.longest
        lately = {leg.id for leg in call.legs if leg.last_asked and epoch_ms(leg.last_asked) > a_day_ago}
        return listed - archived_legs(call) - lately

    async def _with_transcripts(
        self, call: CallState, details: FetchedDetails, found: FoundTranscripts, legs: Legs, spools: ExitStack
    ) -> Outcome:
        is_new = call.generation == 0
        committed = await self.pipeline.commit(call.conversation, details, found, spools, new=is_new)
        result, summary = committed.result, committed.result.summary
        # Bytes that the archive held before are no new transcripts.
        count = sum(not body.metadata for body in found.bodies) if result.changed or is_new else 0
        call = legs.with_transcripts(call, found, result.manifest, details.details)
        outcome = Outcome(
            call,
            legs.due(call),
            count,
            # The others are archived by now. The leg that failed is asked for again, and the report says why.
            error=found.failed[0][1] if found.failed else None,
            defects=summary.defects if summary else 0,
            empty=summary is not None and count > 0 and not summary.total_turns,
        )
        return self._with_recordings(outcome, committed, legs) if self.pipeline.audio else outcome

    async def _without_transcripts(self, call: CallState, legs: Legs, spools: ExitStack) -> Outcome:
        """No new transcript. Of a call that is archived the recordings may still be missing: they are fetched alone."""
        is_settled = any(leg.id == AUDIO and (leg.state == "done" or leg.final) for leg in call.legs)
        if self.pipeline.audio is None or not call.generation or is_settled:
            return Outcome(call, legs.due(call))
        details = FetchedDetails(details=await self._archived_details(call.conversation))
        committed = await self.pipeline.commit(call.conversation, details, None, spools)
        call = msgspec.structs.replace(call, generation=committed.result.manifest.generation)
        return self._with_recordings(Outcome(call, next_ask(call)), committed, legs)

    def _with_recordings(self, outcome: Outcome, committed: CommittedConversation, legs: Legs) -> Outcome:
        # Whether a recording can be read is known only after its views were built.
        recordings = committed.result.manifest.recordings
        unread = [recording for recording in recordings if recording.state in ("unread", "incomplete")]
        fetched = committed.recordings
        call = legs.with_recordings(outcome.call, [*fetched.states, *unread], fetched.notes)
        due = next_ask(call)
        return replace(outcome, call=call, due=due if due is None or due > legs.now else outcome.due)

    def _failed(self, due: DueConversation, cause: TurnkeeperError) -> Outcome:
        call = due.call
        # A call that is archived stays so: only its tries say that this request failed.
        if not call.generation:
            reason = f"{type(cause).__name__}: {cause.message}"
            call = msgspec.structs.replace(call, state="failed", reason=reason)
        return Outcome(call, self.schedule.failed(self._now_ms(), due.tries + 1), error=cause)

    def _now_ms(self) -> int:
        return int(self.clock.now().timestamp() * 1000)


def _unknown(conversation: str) -> NotFound:
    return NotFound(
        "the platform knows no such conversation",
        operation="export",
        key=conversation,
        hint="Check the id and the region; it may also lie in a division that this client cannot see.",
    )
