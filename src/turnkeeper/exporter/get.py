"""``get``: one conversation into an archive, and a summary of what the archive holds of it then."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import anyio
import msgspec

from turnkeeper.archive import keys
from turnkeeper.archive.archive import Archive, CommitResult
from turnkeeper.archive.manifest import SyncMode
from turnkeeper.audio.timeline import span
from turnkeeper.clock import Clock
from turnkeeper.display import html_table, one_line
from turnkeeper.errors import Misconfigured, foreign_as_defect
from turnkeeper.events import Listener, silent
from turnkeeper.exporter.pipeline import CommittedConversation, Pipeline, claim_archive
from turnkeeper.exporter.recordings import RecordingOptions, needs_audio_packages, sync_of
from turnkeeper.genesys.client import Genesys
from turnkeeper.genesys.platform_export import PlatformExport
from turnkeeper.ids import check_id
from turnkeeper.payloads.recordings import AudioFormat
from turnkeeper.portal import run
from turnkeeper.settings import PlatformSettings, StoreSettings
from turnkeeper.transcript.select import Selection

__all__ = ["GetResult", "export_conversation", "get"]


@dataclass(frozen=True)
class GetResult:
    """The result of ``get``: ``document`` is what the command prints; ``kept`` holds the manifest and the summary.

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
        """The eight fields that scripts rely on first, then everything else. Plain data, ready for JSON."""
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
    """Fetch one conversation and commit it, with its recordings where ``audio`` says so.

    Waits for a transcript as the platform's settings say. Nothing counts until ``Archive.commit`` stored the manifest.
    A transcript that cannot be read is archived all the same, and the manifest's state says ``unread``.

    Raises ``NotFound`` (unknown to the platform), ``NotReady`` (no transcript yet), ``Denied``, ``Unread`` where the
    details cannot be read and no transcript is found without them, and whatever the platform and the archive raise. An
    error of one leg is raised after the other legs are committed.
    """
    with foreign_as_defect("get", conversation):
        pipeline = Pipeline(platform, archive, audio=audio, listener=listener)
        return (await _fetch_and_commit(pipeline, conversation, selections)).result


async def _fetch_and_commit(
    pipeline: Pipeline, conversation: str, selections: Sequence[Selection]
) -> CommittedConversation:
    def record() -> None:
        # Nothing is archived without a line of the audit, and no line stands where there is no archive yet.
        pipeline.archive.prepare()
        pipeline.archive.audit.record("get", conversations=[conversation])

    with ExitStack() as spools:
        details = await pipeline.fetch_details(conversation, spools)
        found = await pipeline.wait_for_transcripts(conversation, details, spools)
        await anyio.to_thread.run_sync(record)
        committed = await pipeline.commit(
            conversation, details, found, spools, selections=selections, with_absences=True, publish=True
        )
    for _, cause in found.failed:
        raise cause  # only now: the others are archived, and the manifest says which leg is missing
    return committed


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
    _refuse_other_conversations(conversation, selections)
    archive = Archive(to, store, clock=clock, listener=listener, spool_folder=spool_folder)
    platform = platform or PlatformSettings.from_environment()
    options = None
    if audio or audio_from:
        needs_audio_packages()
        source = PlatformExport(audio_from, store, spool_folder) if audio_from else None
        if source is not None:
            source.require()
        options = RecordingOptions(sync, audio_format, source, None, platform.wait_seconds, platform.poll_seconds)

    async def verb() -> CommittedConversation:
        async with Genesys(platform, clock=clock, listener=listener, spool_folder=spool_folder) as client:
            await claim_archive(client, archive)
            await anyio.to_thread.run_sync(archive.prepare)
            await anyio.to_thread.run_sync(archive.refuse_erased, conversation)
            pipeline = Pipeline(client, archive, audio=options, listener=listener, spool_folder=spool_folder)
            return await _fetch_and_commit(pipeline, conversation, selections)

    with foreign_as_defect("get", conversation):
        committed = run(verb)
    result = committed.result
    return GetResult(
        conversation,
        result,
        archive.url,
        sample_rate,
        result.selected,
        audio=options is not None,
        troubles=committed.recordings.notes,
    )


def _refuse_other_conversations(conversation: str, selections: Sequence[Selection]) -> None:
    """Raise ``Misconfigured`` where a selection names other conversations only: it could hold no turn of this one."""
    for selection in selections:
        if selection.interactions and conversation.casefold() not in {
            name.casefold() for name in selection.interactions
        }:
            names = ", ".join(sorted(selection.interactions))
            message = f"a selection names another conversation ({names})"
            raise Misconfigured(message, operation="get", key=conversation, hint="Leave --conversation out.")
