"""Fetch one conversation from the platform and commit it to the archive: the one way that ``get`` and ``export`` go.

Each body is written to its spool once and hashed while it is written. How often it is read from there afterwards, for
a new conversation:

* A transcript, 4 times. First, whether it is empty, because then it is not ready and is not archived. Then the search
  for signed addresses and secrets, which is done before anything is archived. Then the upload: inputs are stored before
  the views, since a body that breaks its reader must be in the archive by then. Then parsing, which gives the
  transcript view, the summary and the selections from one list of turns. A large transcript is not held in memory: it
  is never empty, is looked through twice before it is parsed (whether it holds further documents, and for what its
  turns need to know beforehand: participants, times and order), and is parsed once more for each selection.
* Details, 4 times: whether they are of this conversation, the search for secrets, parsing, and the upload.
* A view, once, for the upload.

A body that the archive holds already is not uploaded. Archived details with other bytes are compared with the new ones
by what both say: that reads the new details once more, for the customers' addresses, and the archived ones from the
store.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from turnkeeper.archive.archive import Archive, CommitResult, FetchedBody
from turnkeeper.archive.manifest import CommunicationState
from turnkeeper.errors import NotFound, Unread
from turnkeeper.events import Listener, Noted, silent
from turnkeeper.exporter.directories import DirectoryCache, NameLists, ids_of, names_of
from turnkeeper.exporter.recordings import FetchedRecordings, RecordingOptions, fetch_audio
from turnkeeper.genesys.client import Genesys
from turnkeeper.genesys.results import FoundTranscripts, PendingTranscripts
from turnkeeper.ids import is_id
from turnkeeper.payloads.details import Details, read_details
from turnkeeper.spool import Spool
from turnkeeper.transcript.select import Selection

__all__ = ["CommittedConversation", "FetchedDetails", "Pipeline", "claim_archive"]

_UNREAD_DETAILS = "Run it again: a proxy or a sign-in page may have answered in the platform's place."


async def claim_archive(platform: Genesys, archive: Archive) -> str:
    """Make sure that the platform lets us in and that the archive is this organisation's. Returns its id.

    Raises ``Denied`` or ``Misconfigured``, and ``StoreRefused`` for another organisation's archive.
    """
    # First, because ``organisation`` takes a refusal for a gateway that does not name one.
    await platform.token_probe()
    organisation = await platform.organisation()
    await anyio.to_thread.run_sync(archive.claim, organisation)
    return organisation


@dataclass(frozen=True)
class FetchedDetails:
    """What analytics says of a conversation: the ``body`` to archive (None where nothing new came), its parsed
    ``details``, or the ``error`` that says why the body cannot be read.

    All three are None for a conversation that analytics does not know: a gateway may offer no details.
    """

    body: Spool | None = None
    details: Details | None = None
    error: Unread | None = None


@dataclass(frozen=True)
class CommittedConversation:
    """What the archive holds after a commit, and which ``recordings`` came with it."""

    result: CommitResult
    recordings: FetchedRecordings


@dataclass(frozen=True)
class Pipeline:
    """The platform, the archive, and what every conversation of a run has in common. Safe to use from several tasks.

    ``directory`` holds the platform's whole lists of names, which many conversations share; without it, each
    conversation's own names are asked for. ``audio`` says that recordings are wanted too. ``threads`` bounds how many
    conversations are written at once. ``spool_folder`` is where large bodies are spooled.
    """

    platform: Genesys
    archive: Archive
    directory: DirectoryCache | None = None
    audio: RecordingOptions | None = None
    listener: Listener = silent
    threads: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(8))
    spool_folder: Path | None = None

    async def fetch_details(self, conversation: str, spools: ExitStack, known: bytes | None = None) -> FetchedDetails:
        """The conversation's details, parsed once. ``known`` are the bytes that a listing gave already.

        ``spools`` closes the body. Raises what ``Genesys.details`` raises, except ``NotFound``.
        """
        if known is not None:
            body = spools.enter_context(Spool(self.spool_folder))
            body.write(known)
        else:
            try:
                body = spools.enter_context(await self.platform.details(conversation))
            except NotFound:
                return FetchedDetails()
        try:
            return FetchedDetails(body, read_details(body))
        except Unread as cause:
            note = f"its details are kept but cannot be read: {cause.message}"
            self.listener(Noted(conversation=conversation, note=note))
            cause.key, cause.hint = conversation, cause.hint or _UNREAD_DETAILS
            return FetchedDetails(body, error=cause)

    async def wait_for_transcripts(
        self, conversation: str, known: FetchedDetails, spools: ExitStack
    ) -> FoundTranscripts:
        """Ask for the transcripts until there is one, for as long as the platform's settings say.

        ``spools`` closes the bodies. Raises what ``Genesys.transcripts`` raises, and ``Unread`` as
        ``ask_for_transcripts`` does.
        """
        try:
            found = await self.platform.transcripts(conversation, known.details)
        except NotFound:
            if known.error is not None:
                raise known.error from None
            raise
        for body in found.bodies:
            spools.enter_context(body.spool)
        return found

    async def ask_for_transcripts(
        self,
        conversation: str,
        known: FetchedDetails,
        spools: ExitStack,
        *,
        communications: Collection[str] | None = None,
        last: bool = False,
    ) -> FoundTranscripts | PendingTranscripts:
        """Ask for the transcripts once. ``communications`` limits the ask to these; ``last`` says that no other ask
        follows (see ``Transcripts.ask``).

        ``spools`` closes the bodies. Raises what ``Genesys.ask`` raises, and ``Unread`` where no transcript is found
        and the details cannot be read: without them nobody knows which communications to ask for.
        """
        result = await self.platform.ask(conversation, known.details, communications, last=last)
        if isinstance(result, PendingTranscripts):
            if known.error is not None and not result.answered:
                raise known.error
            return result
        for body in result.bodies:
            spools.enter_context(body.spool)
        return result

    async def commit(
        self,
        conversation: str,
        details: FetchedDetails,
        found: FoundTranscripts | None,
        spools: ExitStack,
        *,
        selections: Sequence[Selection] = (),
        with_absences: bool = False,
        new: bool = False,
        publish: bool = False,
    ) -> CommittedConversation:
        """Commit the transcripts with their details and names, and the recordings where they are wanted.

        ``found`` is None for the recordings alone. ``new`` and ``publish`` are those of ``Archive.commit``.
        ``with_absences`` also names the communications without a transcript in the manifest: for a caller that has no
        ledger which schedules the next ask. Otherwise the manifest would depend on which of them were asked for so far.

        Raises what ``Archive.commit`` raises, and ``Fatal`` errors of fetching names and recordings.
        """
        recordings = FetchedRecordings()
        if self.audio is not None:
            recordings = await fetch_audio(
                self.platform, self.archive, conversation, details.details, self.audio, spools, self.listener
            )
        bodies, names = [], NameLists()
        if found is not None:
            bodies = [FetchedBody(details.body, "conversation")] if details.body else []
            bodies += [FetchedBody(body.spool, body.source, body.communication) for body in found.bodies]
            if self.directory is not None:
                names = await self.directory.get()
            else:
                names = await names_of(self.platform, ids_of(details.details), spools)
        commit = partial(
            self.archive.commit,
            conversation,
            [*bodies, *names.bodies, *recordings.bodies],
            states=list(_communication_states(found, with_absences=with_absences)) if found else (),
            selections=selections,
            notes=[*names.notes, *recordings.notes],
            recordings=recordings.states,
            sync_mode=self.audio.sync if self.audio else None,
            new=new,
            # Only what was read from the very bytes that are committed. Other details are of an earlier generation,
            # which another process may have replaced since.
            details=details.details if details.body and found else None,
            publish=publish,
        )
        return CommittedConversation(await anyio.to_thread.run_sync(commit, limiter=self.threads), recordings)


def _communication_states(found: FoundTranscripts, *, with_absences: bool) -> Iterator[CommunicationState]:
    """What the manifest says of each communication."""
    yield from (CommunicationState(body.communication, "done") for body in found.bodies if body.communication)
    for communication, reason in found.absent if with_absences else ():
        # A communication whose id is malformed was not asked for: no later ask could name it either.
        if is_id(communication):
            yield CommunicationState(communication, "absent", reason)
    for communication, cause in found.failed:
        # The error's name alone: its words differ from one try to the next, and each would be a new generation.
        yield CommunicationState(communication, "failed", type(cause).__name__)
