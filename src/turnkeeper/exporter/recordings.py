"""The audio of one conversation: from the platform, or from where the platform's own export already put it.

An error of the audio is noted in the manifest and never costs the transcript.
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
    """What to archive of the audio: its ``bodies``, the state of each recording, and notes for the manifest."""

    bodies: list[FetchedBody] = field(default_factory=list)
    states: list[RecordingState] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


async def fetch_audio(
    platform: Genesys,
    archive: Archive,
    conversation: str,
    details: Details | None,
    options: RecordingOptions,
    spools: ExitStack,
    listener: Listener,
) -> FetchedRecordings:
    """The recordings of one conversation, without those whose audio is archived already.

    ``spools`` closes the bodies. Raises only what ends a run: ``Misconfigured``, ``StoreRefused``, ``DiskFull``.
    """
    current = await anyio.to_thread.run_sync(archive.manifest, conversation)
    archived = _archived_recordings(current, options.format if options.source is None else "export")
    try:
        if options.source is not None:
            started = details.start if details else None
            return await _from_export(options.source, conversation, started, archived, spools, listener)
        return await _from_platform(platform, conversation, archived, options, spools)
    except (Denied, Retriable, Skippable) as cause:
        note = f"recordings are missing: {_why_missing(cause)}"
        listener(Noted(conversation=conversation, note=note))
        return FetchedRecordings(notes=[note])


def needs_audio_packages() -> None:
    """Raise ``Misconfigured`` where the packages for audio are not installed, before anything is fetched."""
    if not all(importlib.util.find_spec(name) for name in ("numpy", "soundfile")):
        raise Misconfigured("the packages for audio are not installed", operation="get", hint=install_hint("audio"))


def _archived_recordings(current: Manifest | None, form: str) -> set[str]:
    """Recordings that need not be fetched again: whole, readable, not redacted, and in the format now wanted."""
    if current is None:
        return set()
    stored = {recording for taken in current.inputs if (recording := recording_of(taken.source))}
    return {one.id for one in current.recordings if one.id in stored and one.state == "done" and one.format == form}


async def _from_platform(
    platform: Genesys, conversation: str, archived: Collection[str], options: RecordingOptions, spools: ExitStack
) -> FetchedRecordings:
    recorded = await platform.recordings.fetch(
        conversation,
        format=options.format,
        held=archived,
        batch=options.batch,
        wait_seconds=options.wait_seconds,
        poll_seconds=options.poll_seconds,
    )
    spools.callback(recorded.close)
    bodies = [FetchedBody(recorded.listing, "recordings")]
    bodies += [FetchedBody(body.spool, f"audio/{body.recording}/{body.part}") for body in recorded.bodies]
    return FetchedRecordings(bodies, list(recorded.states))


async def _from_export(
    source: PlatformExport,
    conversation: str,
    started: int | None,
    archived: Collection[str],
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
        described = {recording.id: recording for recording in read_recordings(reader.read())}
    fetched = FetchedRecordings([FetchedBody(metadata, "recordings")])
    # A file without metadata is taken for audio: leaving it out would lose it without a word.
    audible = [file for file in files if file.recording not in described or described[file.recording].media == "audio"]
    for file in audible:
        channels = [other.key for other in audible if other.recording == file.recording]
        if file.key == channels[0]:
            reason = "" if file.recording in described else _NO_METADATA
            fetched.states.append(RecordingState(file.recording, "done", reason, "export"))
        if file.recording in archived:
            continue
        spool = spools.enter_context(await anyio.to_thread.run_sync(source.fetch, file.key))
        part = "S" if len(channels) == 1 else str(channels.index(file.key))
        fetched.bodies.append(FetchedBody(spool, f"audio/{file.recording}/{part}"))
        listener(Fetched(conversation=conversation, source=f"audio/{file.recording}", size=spool.size))
    return fetched


def _why_missing(cause: TurnkeeperError) -> str:
    # The context's id differs in each answer, and two runs should report the same.
    return f"{cause.message.split('; context ', maxsplit=1)[0]}. {cause.hint}".rstrip(". ")


def sync_of(manifest: Manifest) -> dict[str, object]:
    """The fields of the printed summary that are about the audio."""
    return {
        "recordings": msgspec.to_builtins(manifest.recordings),
        "sync": manifest.sync or {},
    }
