"""``/conversations/{id}/recordings`` and ``/recordingmetadata``: one conversation's recordings, and their audio.

The format ``original`` is fetched through a batch request, which gives the stored codec. Any other format is transcoded
by the platform, which answers 202 until that is done.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from turnkeeper.clock import Clock
from turnkeeper.errors import Denied, LinkExpired, NotReady, Retriable, Skippable, TurnkeeperError, foreign_as_defect
from turnkeeper.events import Fetched, Listener, Noted, Waiting
from turnkeeper.genesys.api import Api, ApiCall
from turnkeeper.genesys.download import Downloads
from turnkeeper.genesys.endpoints.recording_batches import RecordingBatch, RecordingBatches
from turnkeeper.genesys.redaction import plain
from turnkeeper.ids import check_id
from turnkeeper.model import Recording, RecordingState
from turnkeeper.payloads.decode_json import body_bytes, foreign_answer
from turnkeeper.payloads.document_secrets import without_secrets
from turnkeeper.payloads.recording_batches import BatchFile
from turnkeeper.payloads.recordings import AudioFormat, read_recording_answer
from turnkeeper.spool import Spool

__all__ = ["AudioBody", "ConversationRecordings", "RecordingFetcher", "unheard"]

_LOSSLESS: AudioFormat = "WAV"
# The platform's own default of ``maxWaitMs``.
_SERVER_WAIT_MS = 5_000
_USUAL_WAIT_S = 120.0
_VARYING = re.compile(r" after [0-9]+ s| [(][0-9]+ attempts in .*")
_STATES = {
    "ARCHIVED": ("archived", "the platform has archived it: restore it there first, which takes hours"),
    "DELETED": ("deleted", "the platform has deleted it"),
    "RESTORING": ("waiting", "the platform is restoring it from its archive"),
    "UPLOADING": ("waiting", "the platform is still uploading it"),
    "ERROR": ("failed", "the platform says that it went wrong"),
}


@dataclass(frozen=True)
class AudioBody:
    """One file of a recording, in a spool that is the caller's to close.

    ``part`` tells the files of one recording apart (``S``, ``0``, ``1`` …), in channel order.
    """

    recording: str
    part: str
    spool: Spool


@dataclass(frozen=True)
class ConversationRecordings:
    """``listing`` is the platform's own answer, without the queries of its links (see its ``withheld``).

    ``states`` has one entry per recording that can be heard, ``bodies`` the files that were fetched now.
    """

    listing: Spool
    recordings: tuple[Recording, ...]
    bodies: tuple[AudioBody, ...]
    states: tuple[RecordingState, ...]

    def close(self) -> None:
        """Close every spool."""
        self.listing.close()
        for body in self.bodies:
            body.spool.close()


@dataclass
class _RecordingList:
    """An answer of the platform: its bytes without secrets, its recordings, and the links by recording and part."""

    body: Spool
    recordings: tuple[Recording, ...]
    links: Mapping[str, Mapping[str, str]] = field(repr=False)


@dataclass
class _FetchTask:
    """One call of ``fetch``: its arguments, and the files and states so far."""

    conversation: str
    format: str
    held: Collection[str]
    wait_seconds: float
    poll_seconds: float
    bodies: list[AudioBody] = field(default_factory=list)
    states: dict[str, RecordingState] = field(default_factory=dict)

    def again(self, held: Collection[str]) -> _FetchTask:
        """The same task without its results, and with other recordings to leave out."""
        return _FetchTask(self.conversation, self.format, held, self.wait_seconds, self.poll_seconds)

    def set_state(self, recording: str, state: str, reason: str = "") -> None:
        self.states[recording] = RecordingState(recording, state, reason, self.format)


class RecordingFetcher:
    """Lists and fetches recordings; ``batches`` may be shared by many conversations."""

    def __init__(
        self, api: Api, downloads: Downloads, clock: Clock, listener: Listener, folder: Path | None = None
    ) -> None:
        self._api = api
        self._downloads = downloads
        self._clock = clock
        self._listener = listener
        self._folder = folder
        self.batches = RecordingBatches(api, clock, listener)

    async def fetch(
        self,
        conversation: str,
        *,
        format: AudioFormat = "original",  # noqa: A002 - the platform's own word for it
        held: Collection[str] = (),
        batch: RecordingBatch | None = None,
        wait_seconds: float | None = None,
        poll_seconds: float = 5.0,
    ) -> ConversationRecordings:
        """All recordings of one conversation.

        ``held`` are the recordings whose audio is not fetched again. ``batch`` is a finished batch, which is used where
        it covers this conversation. Transcoding and batches are waited for up to ``wait_seconds`` (None: two minutes),
        with a request every ``poll_seconds``. An error of one recording stands in ``states`` and does not stop the
        others.

        Raises ``Denied``, ``NotFound``, ``Throttled``, ``Unavailable`` where even the list cannot be read, and
        ``DiskFull``.
        """
        wait_seconds = _USUAL_WAIT_S if wait_seconds is None else wait_seconds
        task = _FetchTask(check_id(conversation), format, held, wait_seconds, poll_seconds)
        try:
            with foreign_as_defect("recordings", conversation):
                if format == "original":
                    listing = await self._original(task, batch)
                else:
                    listing = await self._transcoded(task)
        except BaseException:
            for body in task.bodies:
                body.spool.close()
            raise
        audible = [recording for recording in listing.recordings if recording.media == "audio"]
        for recording in audible:
            if recording.id in held and recording.id not in task.states:
                task.set_state(recording.id, "done")
        states = tuple(task.states[recording.id] for recording in audible if recording.id in task.states)
        return ConversationRecordings(listing.body, listing.recordings, tuple(task.bodies), states)

    async def _original(self, task: _FetchTask, batch: RecordingBatch | None) -> _RecordingList:
        # The metadata name the recordings without starting a transcoding, which the list with media does.
        listing = await self._list_metadata(task.conversation)
        missing = _to_fetch(task, listing.recordings)
        if not missing:
            return listing
        try:
            if batch is None or not batch.covers(task.conversation, [recording.id for recording in missing]):
                batch = await self._request_batch(task, missing)
        except NotReady as cause:
            for recording in missing:
                task.set_state(recording.id, "waiting", _VARYING.sub("", cause.message))
            return listing
        # A client may lack the permission for batches, and a gateway the endpoint. The list still gives audio.
        except (Denied, Skippable) as cause:
            note = f"no batch request for the original audio ({cause.message}): asking for {_LOSSLESS} instead"
            self._listener(Noted(conversation=task.conversation, note=note))
            return await self._transcoded_instead(task, listing, task.held, "done")
        left_out = [recording for recording in missing if not batch.of(task.conversation, recording.id)]
        for recording in missing:
            if recording not in left_out:
                await self._fetch_from_batch(task, recording, batch)
        if left_out:
            # Not refused and not there: the platform leaves sensitive recordings out of a batch.
            others = {recording.id for recording in listing.recordings} - {recording.id for recording in left_out}
            return await self._transcoded_instead(task, listing, others | set(task.held), "redacted")
        return listing

    async def _transcoded_instead(
        self, task: _FetchTask, listing: _RecordingList, held: Collection[str], state: str
    ) -> _RecordingList:
        """Fetch transcoded what a batch does not give. If that fails, the first list remains the result."""
        again = task.again(held)
        try:
            transcoded = await self._transcoded(again, asked=_LOSSLESS, state=state)
        except (Retriable, Skippable, Denied) as cause:
            for recording in _to_fetch(again, listing.recordings):
                task.set_state(recording.id, "failed", _stable_reason(cause))
            return listing
        task.bodies += again.bodies
        task.states |= again.states
        listing.body.close()
        return transcoded

    async def _transcoded(self, task: _FetchTask, *, asked: str = "", state: str = "done") -> _RecordingList:
        name = asked or task.format
        try:
            listing = await self._list_media(task, name)
        except NotReady as cause:
            listing = await self._list_metadata(task.conversation)
            for recording in _to_fetch(task, listing.recordings):
                task.set_state(recording.id, "waiting", _VARYING.sub("", cause.message))
            return listing
        try:
            for recording in _to_fetch(task, listing.recordings):
                links = listing.links.get(recording.id, {})
                if not links:
                    task.set_state(recording.id, *unheard(recording))
                    continue
                again = partial(self._link_from_list, task.conversation, recording.id, name)
                renew = {part: partial(again, part) for part in links}
                await self._fetch_files(task, recording, links, renew, state)
        except BaseException:
            listing.body.close()
            raise
        return listing

    async def _fetch_from_batch(self, task: _FetchTask, recording: Recording, batch: RecordingBatch) -> None:
        files = batch.of(task.conversation, recording.id)
        refused = [file.reason for file in files if not file.link]
        if refused:
            task.set_state(recording.id, "failed", plain(refused[0], 200))
            return
        parts = ["S"] if len(files) == 1 else [str(number) for number in range(len(files))]
        links = {part: file.link for part, file in zip(parts, files, strict=True)}
        renew = {
            part: partial(self._link_from_batch, task, recording, batch, number, {links[part]})
            for number, part in enumerate(parts)
        }
        await self._fetch_files(task, recording, links, renew, "done")

    async def _fetch_files(
        self,
        task: _FetchTask,
        recording: Recording,
        links: Mapping[str, str],
        renew: Mapping[str, Callable[[], Awaitable[str]]],
        state: str,
    ) -> None:
        """Fetch all files of one recording, or none: one channel of a call without the other misleads."""
        bodies: list[AudioBody] = []
        try:
            for part, link in sorted(links.items()):
                key = f"{task.conversation}/{recording.id}"
                spool = await self._downloads.fetch(link, renew[part], key=key)
                bodies.append(AudioBody(recording.id, part, spool))
        except (Retriable, Skippable, Denied) as cause:
            for body in bodies:
                body.spool.close()
            task.set_state(recording.id, "failed", _stable_reason(cause))
            return
        except BaseException:
            for body in bodies:
                body.spool.close()
            raise
        task.bodies += bodies
        reason = "sensitive parts are silenced: this client lacks recording:recording:viewSensitiveData"
        task.set_state(recording.id, state, reason if state == "redacted" else "")
        size = sum(body.spool.size for body in bodies)
        self._listener(Fetched(conversation=task.conversation, source=f"audio/{recording.id}", size=size))

    async def _request_batch(self, task: _FetchTask, recordings: Collection[Recording]) -> RecordingBatch:
        return await self.batches.fetch(
            [(task.conversation, recording.id) for recording in recordings],
            wait_seconds=task.wait_seconds,
            poll_seconds=task.poll_seconds,
            conversation=task.conversation,
        )

    async def _link_from_batch(
        self, task: _FetchTask, recording: Recording, batch: RecordingBatch, number: int, given: set[str]
    ) -> str:
        """A link that was not ``given`` yet.

        The same batch may have fresh links when it is read again. Where it does not, a new batch has.
        """
        again = await self.batches.again(batch)
        link = _nth_link(again.of(task.conversation, recording.id), number) if again else ""
        if not link or link in given:
            fresh = await self._request_batch(task, [recording])
            files = fresh.of(task.conversation, recording.id)
            link = _nth_link(files, number) or _raise_no_link(task.conversation, recording.id)
        given.add(link)
        return link

    async def _link_from_list(self, conversation: str, recording: str, name: str, part: str) -> str:
        links = await self._api.read(_list_call(conversation, name), _links_of)
        return links.get(recording, {}).get(part, "") or _raise_no_link(conversation, recording)

    async def _list_metadata(self, conversation: str) -> _RecordingList:
        path = f"/api/v2/conversations/{conversation}/recordingmetadata"
        return await self._api.read(ApiCall("recordings", path, conversation), partial(self._read_list, conversation))

    async def _list_media(self, task: _FetchTask, name: str) -> _RecordingList:
        began = self._clock.monotonic()
        call, read = _list_call(task.conversation, name), partial(self._read_if_any, task.conversation)
        while True:
            listing = await self._api.read(call, read)
            if listing is not None:
                return listing
            waited = self._clock.monotonic() - began
            if waited + task.poll_seconds > task.wait_seconds:
                raise NotReady(f"the platform is still transcoding it after {waited:.0f} s", operation="recordings")
            status = "recordings transcoding"
            self._listener(Waiting(conversation=task.conversation, status=status, wait=task.poll_seconds))
            await self._clock.sleep(task.poll_seconds)

    def _read_if_any(self, conversation: str, body: Spool) -> _RecordingList | None:
        """The list with media; None while the platform transcodes, when the answer has no body."""
        return self._read_list(conversation, body) if body.size else None

    def _read_list(self, conversation: str, body: Spool) -> _RecordingList:
        """Read an answer, and copy it without secrets.

        Raises ``Unavailable`` where it is not a list of recordings, or another conversation's.
        """
        data = body_bytes(body)
        answer = read_recording_answer(data)
        # A gateway that mixes up answers would archive another customer's voice under this id.
        if {name.casefold() for name in answer.conversations} - {conversation.casefold()}:
            raise foreign_answer("the list is another conversation's", "recordings", conversation)
        copy = Spool(self._folder)
        clean, copy.withheld = without_secrets(data)
        copy.write(clean)
        return _RecordingList(copy.seal(), answer.recordings, answer.links)


def unheard(recording: Recording) -> tuple[str, str]:
    """State and reason of a recording that gives no audio."""
    return _STATES.get(recording.state, ("absent", "the platform has no playable media of it"))


def _to_fetch(task: _FetchTask, recordings: Collection[Recording]) -> list[Recording]:
    """The recordings to fetch. The others that can be heard get the state that says why they are not fetched."""
    missing = []
    for recording in recordings:
        if recording.media != "audio" or recording.id in task.held:
            continue
        if recording.state in _STATES:
            task.set_state(recording.id, *unheard(recording))
        else:
            missing.append(recording)
    return missing


def _list_call(conversation: str, name: str) -> ApiCall:
    params = (("maxWaitMs", str(_SERVER_WAIT_MS)), ("formatId", name))
    path = f"/api/v2/conversations/{conversation}/recordings"
    return ApiCall("recordings", path, conversation, params=params, means_pending=True)


def _links_of(body: Spool) -> Mapping[str, Mapping[str, str]]:
    """The addresses in a list; none at all while the platform transcodes again."""
    return read_recording_answer(body_bytes(body)).links if body.size else {}


def _nth_link(files: Sequence[BatchFile], number: int) -> str:
    return files[number].link if number < len(files) else ""


def _raise_no_link(conversation: str, recording: str) -> str:
    key = f"{conversation}/{recording}"
    raise LinkExpired("the platform gave no fresh address", operation="download", key=key)


def _stable_reason(cause: TurnkeeperError) -> str:
    """Why a recording is missing, without ids and counts of one request: reports of two runs should be the same."""
    words = cause.message.split("; context ", maxsplit=1)[0]
    return f"{type(cause).__name__}: {_VARYING.sub('', words)}"
