"""The audio of one conversation: from the platform, or from where the platform's own export already put it.

What goes wrong with audio is said beside the transcript and never costs it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, field

import anyio
import anyio.to_thread
import msgspec

from turnkeeper.archive.archive import Archive, FetchedBody
from turnkeeper.archive.inputs import recording_of
from turnkeeper.archive.manifest import Manifest, SyncMode
from turnkeeper.errors import Denied, Misconfigured, Retriable, Skippable, TurnkeeperError
from turnkeeper.events import Fetched, Listener, Noted
from turnkeeper.genesys.client import Genesys
from turnkeeper.genesys.endpoints.recording_batches import RecordingBatch
from turnkeeper.genesys.platform_export import PlatformExport
from turnkeeper.installation import install_hint
from turnkeeper.model import RecordingState
from turnkeeper.payloads.details import Details
from turnkeeper.payloads.recordings import AudioFormat, read_recordings

__all__ = ["FetchedRecordings", "RecordingOptions", "fetch_audio", "needs_audio_packages", "sync_of"]

_NO_METADATA = "no metadata that can be read came with it"


@dataclass(frozen=True)
class RecordingOptions:
    """That the recordings are wanted too, and how.

    ``sync`` is what is done about audio that is not where the platform says (see ``Manifest``); ``format`` what the
    platform is asked for; ``source`` the address of the platform's own export, to be used instead of the API;
    ``batch`` a finished batch request that may hold them. ``wait_seconds`` bounds the wait for transcoding (None: as
    long as for a transcript, else two minutes).
    """

    sync: SyncMode = "report"
    format: AudioFormat = "original"
    source: PlatformExport | None = None
    batch: RecordingBatch | None = None
    wait_seconds: float | None = None
    poll_seconds: float = 5.0


@dataclass(frozen=True)
class FetchedRecordings:
    """What to keep of the audio: inputs, what became of each recording, and remarks for the manifest."""

    arrived: list[FetchedBody] = field(default_factory=list)
    states: list[RecordingState] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


async def fetch_audio(
    platform: Genesys,
    archive: Archive,
    conversation: str,
    details: Details | None,
    wanted: RecordingOptions,
    spools: ExitStack,
    listener: Listener,
) -> FetchedRecordings:
    """The recordings of one conversation, less those whose audio is archived already.

    ``spools`` closes what arrived. Raises only what ends a run: ``Misconfigured``, ``StoreRefused``, ``DiskFull``.
    """
    current = await anyio.to_thread.run_sync(archive.manifest, conversation)
    held = _held(current, wanted.format if wanted.source is None else "export")
    try:
        if wanted.source is not None:
            started = details.start if details else None
            return await _from_export(wanted.source, conversation, started, held, spools, listener)
        return await _from_platform(platform, conversation, held, wanted, spools)
    except (Denied, Retriable, Skippable) as cause:
        note = f"recordings are missing: {_words(cause)}"
        listener(Noted(conversation=conversation, note=note))
        return FetchedRecordings(notes=[note])


def needs_audio_packages() -> None:
    """Raise ``Misconfigured`` where the packages for audio are not installed, before anything is fetched."""
    if not all(importlib.util.find_spec(name) for name in ("numpy", "soundfile")):
        raise Misconfigured("the packages for audio are not installed", operation="get", hint=install_hint("audio"))


def _held(current: Manifest | None, form: str) -> set[str]:
    """Recordings that need not come again: whole, readable, not redacted, and in the format now wanted."""
    if current is None:
        return set()
    there = {recording for taken in current.inputs if (recording := recording_of(taken.source))}
    return {one.id for one in current.recordings if one.id in there and one.state == "done" and one.format == form}


async def _from_platform(
    platform: Genesys, conversation: str, held: Collection[str], wanted: RecordingOptions, spools: ExitStack
) -> FetchedRecordings:
    recorded = await platform.recordings.fetch(
        conversation,
        format=wanted.format,
        held=held,
        batch=wanted.batch,
        wait_seconds=wanted.wait_seconds,
        poll_seconds=wanted.poll_seconds,
    )
    spools.callback(recorded.close)
    arrived = [FetchedBody(recorded.listing, "recordings")]
    arrived += [FetchedBody(body.spool, f"audio/{body.recording}/{body.part}") for body in recorded.bodies]
    return FetchedRecordings(arrived, list(recorded.states))


async def _from_export(
    source: PlatformExport,
    conversation: str,
    started: int | None,
    held: Collection[str],
    spools: ExitStack,
    listener: Listener,
) -> FetchedRecordings:
    files = await anyio.to_thread.run_sync(source.find, conversation, started)
    if not files:
        note = f"no recordings of this conversation lie in {source.url}"
        listener(Noted(conversation=conversation, note=note))
        return FetchedRecordings(notes=[note])
    metadata = spools.enter_context(await anyio.to_thread.run_sync(source.metadata, files))
    with metadata.open() as reader:
        told = {one.id: one for one in read_recordings(reader.read())}
    found = FetchedRecordings([FetchedBody(metadata, "recordings")])
    audible = [one for one in files if one.recording not in told or told[one.recording].media == "audio"]
    for one in audible:
        alike = [other.key for other in audible if other.recording == one.recording]
        if one.key == alike[0]:
            reason = "" if one.recording in told else _NO_METADATA
            found.states.append(RecordingState(one.recording, "done", reason, "export"))
        if one.recording in held:
            continue
        spool = spools.enter_context(await anyio.to_thread.run_sync(source.fetch, one.key))
        part = "S" if len(alike) == 1 else str(alike.index(one.key))
        found.arrived.append(FetchedBody(spool, f"audio/{one.recording}/{part}"))
        listener(Fetched(conversation=conversation, source=f"audio/{one.recording}", size=spool.size))
    return found


def _words(cause: TurnkeeperError) -> str:
    return f"{cause.message.split('; context ', maxsplit=1)[0]}. {cause.hint}".rstrip(". ")


def sync_of(manifest: Manifest) -> dict[str, object]:
    """What the printed summary says of the audio."""
    return {
        "recordings": msgspec.to_builtins(manifest.recordings),
        "sync": manifest.sync or {},
    }
