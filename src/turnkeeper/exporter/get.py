"""One conversation through both doors: ask the platform, keep every byte, build the views, say what it amounts to."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import msgspec

from turnkeeper.archive import keys
from turnkeeper.archive.archive import Archive, CommitResult, FetchedBody
from turnkeeper.archive.manifest import CommunicationState, SyncMode
from turnkeeper.audio.timeline import span
from turnkeeper.clock import Clock
from turnkeeper.display import html_table, one_line
from turnkeeper.errors import Misconfigured, NotFound, Unread, foreign_as_defect
from turnkeeper.events import Listener, Noted, silent
from turnkeeper.exporter.directories import ids_of, names_of
from turnkeeper.exporter.recordings import (
    FetchedRecordings,
    RecordingOptions,
    fetch_audio,
    needs_audio_packages,
    sync_of,
)
from turnkeeper.genesys.client import Genesys
from turnkeeper.genesys.platform_export import PlatformExport
from turnkeeper.genesys.results import FoundTranscripts
from turnkeeper.ids import check_id, is_id
from turnkeeper.payloads.details import Details, read_details
from turnkeeper.payloads.recordings import AudioFormat
from turnkeeper.portal import run
from turnkeeper.settings import PlatformSettings, StoreSettings
from turnkeeper.spool import Spool
from turnkeeper.transcript.select import Selection

__all__ = ["GetResult", "export_conversation", "get"]


@dataclass(frozen=True)
class GetResult:
    """What ``get`` did: ``document`` is what the command prints; ``kept`` holds the manifest and the summary.

    ``kept.summary`` is None where the transcript arrived and could not be read (``kept.manifest.unread`` says why).
    ``troubles`` says why recordings that were asked for could not even be listed.
    """

    __repr__ = one_line
    _repr_html_ = html_table

    conversation: str
    kept: CommitResult
    archive: str
    sample_rate: int
    selections: Mapping[str, int]
    audio: bool = False
    troubles: Sequence[str] = ()

    @property
    def document(self) -> dict[str, object]:
        """The eight fields of the brief first, then what else is known. Plain data, ready for JSON."""
        manifest, summary = self.kept.manifest, self.kept.summary
        place = {"archived_at": manifest.archived_at, "storage_location": f"{self.archive}/{self.kept.key}"}
        sound = sync_of(manifest) if self.audio else {}
        state = {"state": manifest.state, "generation": manifest.generation, "changed": self.kept.changed}
        if summary is None:
            return (
                {"interaction_id": self.conversation}
                | place
                | state
                | {"unread": msgspec.to_builtins(manifest.unread)}
                | sound
            )
        facts: dict[str, object] = msgspec.to_builtins(summary)
        brief = {name: facts.pop(name) for name in summary.__struct_fields__[:6]}
        aligned = {
            "sample_rate": self.sample_rate,
            "aligned_turns": summary.timed_turns,
            "alignment": self._alignment(),
        }
        chosen = {"selections": dict(self.selections)} if self.selections else {}
        return brief | place | facts | aligned | state | chosen | sound

    def _alignment(self) -> dict[str, object]:
        """Where the samples of the turns are: a document of the archive where there is audio, else computed from times.

        A sample index is a function of a turn's time and a rate, so ``aligned_turns`` counts the turns with times at
        any rate; only recordings add where in a file that is.
        """
        name = keys.alignment(self.conversation)
        stored = next((view.key for view in self.kept.manifest.views if _is_alignment(view.key, name)), None)
        if stored is not None:
            return {"stored": True, "location": f"{self.archive}/{stored}"}
        words = ["turnkeeper", "turns", self.archive, "--conversation", self.conversation]
        return {"stored": False, "computed_by": shlex.join([*words, "--sample-rate", str(self.sample_rate)])}


def _is_alignment(key: str, name: str) -> bool:
    """Whether a view's key is that of the alignment, with its hash (``alignment/ID/HASH.json``) or without."""
    return key == name or key.startswith(name.removesuffix(".json") + "/")


async def export_conversation(
    platform: Genesys,
    archive: Archive,
    conversation: str,
    *,
    selections: Sequence[Selection] = (),
    audio: RecordingOptions | None = None,
    listener: Listener = silent,
) -> CommitResult:
    """Fetch one conversation and keep it, with its recordings where ``audio`` says so. Nothing counts until
    ``archive.keep`` stored the manifest.

    Raises ``NotFound`` (unknown to the platform), ``NotReady`` (no transcript yet), ``Denied``, and whatever either
    door raises: for a leg that could not be had after the others are kept. A transcript that cannot be read is kept all
    the same; the manifest's state says ``unread``.
    """
    with foreign_as_defect("get", conversation):
        kept, _ = await _export(platform, archive, conversation, selections, audio, listener)
        return kept


async def _export(
    platform: Genesys,
    archive: Archive,
    conversation: str,
    selections: Sequence[Selection],
    audio: RecordingOptions | None,
    listener: Listener,
) -> tuple[CommitResult, FetchedRecordings]:
    with ExitStack() as spools:
        described, details = await _details(platform, conversation, listener)
        arrived = [_held(spools, FetchedBody(described, "conversation"))] if described else []
        found = await platform.transcripts(conversation, details)
        arrived += [_held(spools, one) for one in _transcripts(found)]
        names, notes = await names_of(platform, ids_of(details), spools)
        arrived += names
        sound = FetchedRecordings()
        if audio is not None:
            sound = await fetch_audio(platform, archive, conversation, details, audio, spools, listener)
        keep = partial(
            archive.keep,
            conversation,
            arrived + sound.arrived,
            states=_states(found),
            selections=selections,
            notes=notes + sound.notes,
            recordings=sound.states,
            sync_mode=audio.sync if audio else None,
        )
        await anyio.to_thread.run_sync(partial(_recorded, archive, conversation))
        kept = await anyio.to_thread.run_sync(keep)
        for _, cause in found.failed:
            raise cause  # only now: what came is archived, and says which leg is missing
        return kept, sound


def _recorded(archive: Archive, conversation: str) -> None:
    """Nothing is kept without a line of the audit, and no line stands where there is no archive yet."""
    archive.prepare()
    archive.audit.record("get", conversations=[conversation])


def get(
    conversation: str,
    *,
    to: str,
    platform: PlatformSettings | None = None,
    store: StoreSettings | None = None,
    selections: Sequence[Selection] = (),
    sample_rate: int = 48_000,
    audio: bool = False,
    sync: SyncMode = "report",
    audio_format: AudioFormat = "original",
    audio_from: str = "",
    clock: Clock | None = None,
    listener: Listener = silent,
    spool_folder: Path | None = None,
) -> GetResult:
    """Fetch one conversation from the platform into the archive at ``to`` and summarise it.

    ``to`` is a folder, ``file://``, ``s3://``, ``gs://`` or ``az://`` address. ``platform`` and ``store`` are read from
    the environment where not given. ``sample_rate`` is in Hz: the rate at which turns are mapped to samples.
    ``selections`` are written beside the transcript, which itself always holds every turn.

    With ``audio`` the recordings are archived too, each with its waveform, and the alignment of turns to samples:
    ``sync`` measures whether the audio is where the platform says and reports it, or corrects the alignment too, or is
    ``off``. ``audio_format`` is what the platform is asked for; ``audio_from`` the address of the platform's own export
    to S3 (or a folder laid out like it), used instead of the API. What goes wrong with audio stands in
    ``kept.manifest.recordings`` and never costs the transcript.

    An archive is one organisation's: it is claimed for the platform's, and refused where it is another one's already.

    Raises ``NotReady``, ``NotFound``, ``Erased``, ``Denied``, ``Misconfigured``, ``StoreRefused``, ``DiskFull`` or
    ``Unavailable``; see ``turnkeeper.errors`` for what to do about each.
    """
    # What cannot work is refused before the platform's quota is spent on it.
    span(0, 0, sample_rate)
    check_id(conversation)
    _refuse_others(conversation, selections)
    archive = Archive(to, store, clock=clock, listener=listener, spool_folder=spool_folder)
    platform = platform or PlatformSettings.from_environment()
    wanted = None
    if audio or audio_from:
        needs_audio_packages()
        source = PlatformExport(audio_from, store, spool_folder) if audio_from else None
        if source is not None:
            source.require()
        wanted = RecordingOptions(sync, audio_format, source, None, platform.wait_seconds, platform.poll_seconds)

    async def verb() -> tuple[CommitResult, FetchedRecordings]:
        async with Genesys(platform, clock=clock, listener=listener, spool_folder=spool_folder) as door:
            await door.token_probe()
            await anyio.to_thread.run_sync(archive.claim, await door.organisation())
            await anyio.to_thread.run_sync(archive.prepare)
            await anyio.to_thread.run_sync(archive.refuse_erased, conversation)
            return await _export(door, archive, conversation, selections, wanted, listener)

    with foreign_as_defect("get", conversation):
        kept, sound = run(verb)
    return GetResult(
        conversation, kept, archive.url, sample_rate, kept.selected, audio=wanted is not None, troubles=sound.notes
    )


def _refuse_others(conversation: str, selections: Sequence[Selection]) -> None:
    """Raise ``Misconfigured`` where a selection names another conversation only: it could hold no turn of this one."""
    for one in selections:
        if one.interactions and conversation.casefold() not in {name.casefold() for name in one.interactions}:
            named = ", ".join(sorted(one.interactions))
            said = f"a selection names another conversation ({named})"
            raise Misconfigured(said, operation="get", key=conversation, hint="Leave --conversation out.")


async def _details(platform: Genesys, conversation: str, listener: Listener) -> tuple[Spool | None, Details | None]:
    """The conversation's details. A gateway may not offer them: then the transcript alone decides what exists."""
    try:
        body = await platform.details(conversation)
    except NotFound:
        return None, None
    try:
        return body, read_details(body)
    except Unread as cause:
        listener(Noted(conversation=conversation, note=f"its details are kept but cannot be read: {cause.message}"))
        return body, None


def _held(spools: ExitStack, one: FetchedBody) -> FetchedBody:
    """The same, its spool closed when the conversation is through, whichever way."""
    spools.enter_context(one.body)
    return one


def _transcripts(found: FoundTranscripts) -> list[FetchedBody]:
    return [FetchedBody(body.spool, body.source, body.communication) for body in found.bodies]


def _states(found: FoundTranscripts) -> list[CommunicationState]:
    done = [CommunicationState(body.communication, "done") for body in found.bodies if body.communication]
    # One whose id is none was not asked for: it names nothing that anybody could have.
    named = [(communication, reason) for communication, reason in found.absent if is_id(communication)]
    absent = [CommunicationState(communication, "absent", reason) for communication, reason in named]
    # The error's name alone: its words differ from one try to the next, and each would be a new generation.
    failed = [
        CommunicationState(communication, "failed", type(cause).__name__) for communication, cause in found.failed
    ]
    return done + absent + failed
