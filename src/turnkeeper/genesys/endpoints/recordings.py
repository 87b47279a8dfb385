"""One conversation's recordings: what there is, and the audio of what can be heard.

``original`` asks for the stored codec through a batch request, which keeps the most and spares a transcoding; any other
format is transcoded by the platform, which answers 202 until it is through.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec

from turnkeeper.clock import Clock
from turnkeeper.errors import Denied, LinkExpired, NotReady, Retriable, Skippable, TurnkeeperError, foreign_as_defect
from turnkeeper.events import Fetched, Listener, Noted, Waiting
from turnkeeper.genesys.api import Api, ApiCall
from turnkeeper.genesys.download import Downloads
from turnkeeper.genesys.endpoints.conversations import checked_id, is_id
from turnkeeper.genesys.endpoints.recording_batches import Delivered, RecordingBatch, RecordingBatches
from turnkeeper.genesys.withheld import clean_bytes
from turnkeeper.model import Recording, RecordingState
from turnkeeper.payloads.decode_json import document_in, not_the_platforms
from turnkeeper.payloads.recordings import AudioFormat, read_recordings
from turnkeeper.spool import Spool

__all__ = ["AudioBody", "Recorded", "RecordingFetcher", "unheard"]

_LOSSLESS: AudioFormat = "WAV"
_PATIENCE_MS = 5_000
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
class Recorded:
    """What the platform has. ``listing`` is its own answer without the queries of its links (see its ``withheld``).

    ``states`` has one entry per recording that can be heard; ``bodies`` the files that came now.
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
class _Listed:
    """An answer of the platform: its bytes to keep, what it says, and the links by recording and part."""

    listing: Spool
    recordings: tuple[Recording, ...]
    links: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)


@dataclass
class _Round:
    """What one walk over the recordings gave."""

    conversation: str
    format: str
    bodies: list[AudioBody] = field(default_factory=list)
    states: dict[str, RecordingState] = field(default_factory=dict)

    def say(self, recording: str, state: str, reason: str = "") -> None:
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
    ) -> Recorded:
        """Everything that was recorded of one conversation.

        ``held`` are the recordings whose audio is not wanted again; ``batch`` a finished one, used where it was asked
        for this conversation's. Transcoding and batches are waited for up to ``wait_seconds`` (None: two minutes),
        asking every ``poll_seconds``. One recording's trouble is told in ``states`` and does not stop the others.

        Raises ``Denied``, ``NotFound``, ``Throttled``, ``Unavailable`` where even the list cannot be had, and
        ``DiskFull``.
        """
        patience = (_USUAL_WAIT_S if wait_seconds is None else wait_seconds, poll_seconds)
        met = _Round(checked_id(conversation), format)
        try:
            with foreign_as_defect("recordings", conversation):
                if format == "original":
                    listed = await self._original(met, held, batch, patience)
                else:
                    listed = await self._transcoded(met, held, patience)
        except BaseException:
            for body in met.bodies:
                body.spool.close()
            raise
        audible = [recording for recording in listed.recordings if recording.media == "audio"]
        for recording in audible:
            if recording.id in held and recording.id not in met.states:
                met.say(recording.id, "done")
        states = tuple(met.states[one.id] for one in audible if one.id in met.states)
        return Recorded(listed.listing, listed.recordings, tuple(met.bodies), states)

    async def _original(
        self, met: _Round, held: Collection[str], batch: RecordingBatch | None, patience: tuple[float, float]
    ) -> _Listed:
        listed = await self._metadata(met.conversation)
        wanted = _wanted(met, listed.recordings, held)
        if not wanted:
            return listed
        try:
            if batch is None or not batch.covers(met.conversation, [one.id for one in wanted]):
                batch = await self._batch(met.conversation, wanted, patience)
        except NotReady as cause:
            for recording in wanted:
                met.say(recording.id, "waiting", _VARYING.sub("", cause.message))
            return listed
        except (Denied, Skippable) as cause:
            note = f"no batch request for the original audio ({cause.message}): asking for {_LOSSLESS} instead"
            self._listener(Noted(conversation=met.conversation, note=note))
            return await self._instead(met, listed, held, patience, "done")
        left = [one for one in wanted if not batch.of(met.conversation, one.id)]
        for recording in wanted:
            if recording not in left:
                await self._delivered(met, recording, batch, patience)
        if left:
            # Not refused and not there: the platform leaves sensitive recordings out of a batch.
            others = {one.id for one in listed.recordings} - {one.id for one in left}
            return await self._instead(met, listed, others | set(held), patience, "redacted")
        return listed

    async def _instead(
        self, met: _Round, listed: _Listed, held: Collection[str], patience: tuple[float, float], state: str
    ) -> _Listed:
        """What a batch does not give, transcoded. The first answer stays the one to keep if that fails."""
        again = _Round(met.conversation, met.format)
        try:
            found = await self._transcoded(again, held, patience, asked=_LOSSLESS, state=state)
        except (Retriable, Skippable, Denied) as cause:
            for recording in _wanted(again, listed.recordings, held):
                met.say(recording.id, "failed", _reason(cause))
            return listed
        met.bodies += again.bodies
        met.states |= again.states
        listed.listing.close()
        return found

    async def _transcoded(
        self,
        met: _Round,
        held: Collection[str],
        patience: tuple[float, float],
        *,
        asked: str = "",
        state: str = "done",
    ) -> _Listed:
        name = asked or met.format
        try:
            listed = await self._listed(met.conversation, name, patience)
        except NotReady as cause:
            listed = await self._metadata(met.conversation)
            for recording in _wanted(met, listed.recordings, held):
                met.say(recording.id, "waiting", _VARYING.sub("", cause.message))
            return listed
        try:
            for recording in _wanted(met, listed.recordings, held):
                links = listed.links.get(recording.id, {})
                if not links:
                    met.say(recording.id, *unheard(recording))
                    continue
                renew = {part: partial(self._relisted, met.conversation, recording.id, part, name) for part in links}
                await self._files(met, recording, links, renew, state)
        except BaseException:
            listed.listing.close()
            raise
        return listed

    async def _delivered(
        self, met: _Round, recording: Recording, batch: RecordingBatch, patience: tuple[float, float]
    ) -> None:
        results = batch.of(met.conversation, recording.id)
        refused = [one.reason for one in results if not one.link]
        if refused:
            met.say(recording.id, "failed", refused[0])
            return
        parts = ["S"] if len(results) == 1 else [str(number) for number in range(len(results))]
        links = {part: one.link for part, one in zip(parts, results, strict=True)}
        renew = {
            part: partial(self._batched_again, (met.conversation, recording.id), batch, number, {links[part]}, patience)
            for number, part in enumerate(parts)
        }
        await self._files(met, recording, links, renew, "done")

    async def _files(
        self,
        met: _Round,
        recording: Recording,
        links: Mapping[str, str],
        renew: Mapping[str, Callable[[], Awaitable[str]]],
        state: str,
    ) -> None:
        """All files of one recording, or none."""
        came: list[AudioBody] = []
        try:
            for part, link in sorted(links.items()):
                key = f"{met.conversation}/{recording.id}"
                spool = await self._downloads.fetch(link, renew[part], key=key)
                came.append(AudioBody(recording.id, part, spool))
        except (Retriable, Skippable, Denied) as cause:
            for body in came:
                body.spool.close()
            met.say(recording.id, "failed", _reason(cause))
            return
        except BaseException:
            for body in came:
                body.spool.close()
            raise
        met.bodies += came
        reason = "sensitive parts are silenced: this client lacks recording:recording:viewSensitiveData"
        met.say(recording.id, state, reason if state == "redacted" else "")
        size = sum(body.spool.size for body in came)
        self._listener(Fetched(conversation=met.conversation, source=f"audio/{recording.id}", size=size))

    async def _batch(
        self, conversation: str, wanted: Collection[Recording], patience: tuple[float, float]
    ) -> RecordingBatch:
        items = [(conversation, recording.id) for recording in wanted]
        wait, poll = patience
        return await self.batches.fetch(items, wait_seconds=wait, poll_seconds=poll, conversation=conversation)

    async def _batched_again(
        self,
        recording: tuple[str, str],
        batch: RecordingBatch,
        number: int,
        given: set[str],
        patience: tuple[float, float],
    ) -> str:
        """A link that was not ``given`` yet: the same batch may have one when it is read again, another surely does."""
        again = await self.batches.again(batch)
        link = _link(again.of(*recording), number) if again else ""
        if not link or link in given:
            wait, poll = patience
            fresh = await self.batches.fetch(
                [recording], wait_seconds=wait, poll_seconds=poll, conversation=recording[0]
            )
            link = _link(fresh.of(*recording), number) or _no_link(*recording)
        given.add(link)
        return link

    async def _relisted(self, conversation: str, recording: str, part: str, name: str) -> str:
        links = await self._api.read(_list_call(conversation, name), _links_of)
        return links.get(recording, {}).get(part, "") or _no_link(conversation, recording)

    async def _metadata(self, conversation: str) -> _Listed:
        path = f"/api/v2/conversations/{conversation}/recordingmetadata"
        return await self._api.read(ApiCall("recordings", path, conversation), partial(self._read, conversation))

    async def _listed(self, conversation: str, name: str, patience: tuple[float, float]) -> _Listed:
        began = self._clock.monotonic()
        wait, poll = patience
        while True:
            listed = await self._api.read(_list_call(conversation, name), partial(self._read_if_any, conversation))
            if listed is not None:
                return listed
            waited = self._clock.monotonic() - began
            if waited + poll > wait:
                raise NotReady(f"the platform is still transcoding it after {waited:.0f} s", operation="recordings")
            self._listener(Waiting(conversation=conversation, status="recordings transcoding", wait=poll))
            await self._clock.sleep(poll)

    def _read_if_any(self, conversation: str, body: Spool) -> _Listed | None:
        """The list with media; None while the platform transcodes, when there is nothing at all (a 202, or no body)."""
        return self._read(conversation, body) if body.size else None

    def _read(self, conversation: str, body: Spool) -> _Listed:
        """Take the links out of an answer; what is kept of it no longer opens anything.

        Raises ``Unavailable`` where it is no list of recordings, or another conversation's.
        """
        with body.open() as reader:
            data = reader.read()
        document = _list_in(data)
        said = {str(one["conversationId"]).casefold() for one in document if one.get("conversationId")}
        if said - {conversation.casefold()}:
            raise not_the_platforms("the list is another conversation's", "recordings", conversation)
        # Written anew, because a value in it that cannot be is no reason to know nothing of the others.
        recordings = read_recordings(msgspec.json.encode(document))
        links = _links(document)
        listing = Spool(self._folder)
        kept, listing.withheld = clean_bytes(data)
        listing.write(kept)
        return _Listed(listing.seal(), tuple(one for one in recordings if is_id(one.id)), links)


def unheard(recording: Recording) -> tuple[str, str]:
    """State and reason of a recording that gives no audio."""
    return _STATES.get(recording.state, ("absent", "the platform has no playable media of it"))


def _wanted(met: _Round, recordings: Collection[Recording], held: Collection[str]) -> list[Recording]:
    """The recordings to fetch; of those that cannot be had, the reason is noted."""
    wanted = []
    for recording in recordings:
        if recording.media != "audio" or recording.id in held:
            continue
        if recording.state in _STATES:
            met.say(recording.id, *unheard(recording))
        else:
            wanted.append(recording)
    return wanted


def _links(listed: Collection[dict[str, object]]) -> dict[str, dict[str, str]]:
    """The addresses in a list, by recording and part."""
    links: dict[str, dict[str, str]] = {}
    for told in listed:
        uris, name = told.get("mediaUris"), told.get("id")
        if isinstance(uris, dict) and isinstance(name, str):
            found = {part: _address(one) for part, one in uris.items()}
            links[name] = {part: link for part, link in found.items() if link and is_id(part)}
    return links


def _list_call(conversation: str, name: str) -> ApiCall:
    params = (("maxWaitMs", str(_PATIENCE_MS)), ("formatId", name))
    path = f"/api/v2/conversations/{conversation}/recordings"
    return ApiCall("recordings", path, conversation, params=params, means_pending=True)


def _links_of(body: Spool) -> dict[str, dict[str, str]]:
    """The addresses in a list; none at all where it is being transcoded again."""
    with body.open() as reader:
        data = reader.read()
    return _links(_list_in(data)) if data else {}


def _list_in(data: bytes) -> list[dict[str, object]]:
    """The recordings in an answer, which is a list of objects or a page of one (``entities``)."""
    try:
        document = document_in(data)
    except ValueError:
        document = None
    listed = document.get("entities") if isinstance(document, dict) else document
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise not_the_platforms("the answer is no list of recordings", "recordings", "")
    return listed


def _address(told: object) -> str:
    link = told.get("mediaUri") if isinstance(told, dict) else None
    return link if isinstance(link, str) and link.startswith(("https://", "http://")) else ""


def _link(results: tuple[Delivered, ...], number: int) -> str:
    return results[number].link if number < len(results) else ""


def _no_link(conversation: str, recording: str) -> str:
    key = f"{conversation}/{recording}"
    raise LinkExpired("the platform gave no fresh address", operation="download", key=key)


def _reason(cause: TurnkeeperError) -> str:
    """Why a recording could not be had, the same at every ask: ids and counts of one try would make each run differ."""
    words = cause.message.split("; context ", maxsplit=1)[0]
    return f"{type(cause).__name__}: {_VARYING.sub('', words)}"
