"""Recordings in the archive: inputs beside the transcript, waveforms and alignments, and audio that cannot be read."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, cast

import jsonschema
import pytest
from msgspec.structs import replace
from tests.unit.archive.test_archive import CALL, contents, details, leg, media, spool
from tests.unit.small_calls import view_key

import turnkeeper.audio
from turnkeeper.archive import keys
from turnkeeper.archive.archive import Archive, FetchedBody
from turnkeeper.archive.manifest import Input, Manifest
from turnkeeper.archive.views.audio import AudioTask, build_audio_views
from turnkeeper.archive.views.builder import Reading
from turnkeeper.clock import ManualClock
from turnkeeper.errors import Misconfigured, NotFound
from turnkeeper.model import RecordingState, Turn
from turnkeeper.payloads.dialects.speech import SpeechDialect
from turnkeeper.settings import StoreSettings
from turnkeeper.simulator import tones
from turnkeeper.spool import BytesSource
from turnkeeper.storage.object_store import open_store
from turnkeeper.storage.store import Store
from turnkeeper.transcript.select import Selection

SCHEMA = json.loads((Path(turnkeeper.audio.__file__).parent / "schemas/alignment.json").read_text())
STARTED = "2026-09-21T14:13:20.000Z"
DONE = [RecordingState("r1", "done", "", "original")]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(str(tmp_path / "archive"), StoreSettings(), clock=ManualClock())


def wav(seconds: float = 4, *, left: Sequence[tuple[int, int]] = ((100, 1000),)) -> bytes:
    body = tones.stereo(round(seconds * 1000), left, [(2000, 2900)])
    return b"".join(body.read(0, body.size))


def audio(content: bytes, recording: str = "r1", part: str = "S") -> FetchedBody:
    return FetchedBody(spool(content), f"audio/{recording}/{part}")


def pause(start: int, lasting: int, reason: str = "SecurePause", name: str = "random-1") -> dict[str, Any]:
    return {"id": name, "type": "pause", "reason": reason, "realtimeLocation": start, "durationMs": lasting}


def told(*annotations: object, name: str = "r1", seconds: float = 4, **more: object) -> dict[str, object]:
    return {
        "id": name,
        "startTime": "2026-09-21T14:13:20.040Z",
        "endTime": f"2026-09-21T14:13:{20.04 + seconds:06.3f}Z",
        "media": "audio",
        "annotations": list(annotations),
    } | more


def listing(*recordings: object) -> FetchedBody:
    return FetchedBody(spool(list(recordings)), "recordings")


def kept(archive: Archive, *arrived: FetchedBody, states: Sequence[RecordingState] = (), **more: Any) -> Manifest:
    return archive.commit(
        CALL, [leg("leg-1"), details(conversationStart=STARTED), *arrived], recordings=states, **more
    ).manifest


def alignment(archive: Archive) -> dict[str, Any]:
    with archive.alignment(CALL) as reader:
        document: dict[str, Any] = json.load(reader)
    jsonschema.validate(document, SCHEMA)
    return document


def test_audio_lies_under_its_hash_and_its_real_extension(archive: Archive) -> None:
    manifest = kept(archive, listing(told()), audio(wav()), states=DONE)
    (key,) = archive.audio(CALL)["r1"]
    assert key.startswith(f"audio/{CALL}/r1.")
    assert key.endswith(".wav")
    with archive.store.open(key) as reader:
        assert reader.read() == wav()
    sources = {taken.source: taken.key for taken in manifest.inputs}
    assert sources["audio/r1/S"] == key
    assert sources["recordings"].startswith(f"raw/{CALL}/_recordings/")
    assert manifest.recordings == tuple(DONE)
    assert {view.name for view in manifest.views} >= {keys.alignment(CALL), keys.peaks(CALL, "r1")}


def test_the_alignment_holds_every_turn_and_the_peaks_every_pixel(archive: Archive) -> None:
    kept(archive, listing(told()), audio(wav()), states=DONE)
    document = alignment(archive)
    (one,) = document["recordings"]
    assert (one["rate"], one["channels"], one["frames"], one["start_ms"]) == (8000, 2, 32_000, 40)
    assert one["channel_roles"] == ["customer", "agent"]
    # 100 ms of the conversation are 60 ms of the recording, which starts 40 ms later.
    assert [turn["spans"] for turn in document["turns"]] == [[[480, 7680]], [[15_680, 22_880]]]
    with archive.peaks(CALL, "r1") as reader:
        assert len(reader.read()) == 24 + 2 * 2 * (32_000 // 256)


def test_a_pause_is_cut_out_of_the_map_and_a_hold_is_not(archive: Archive) -> None:
    pauses = [pause(960, 1000), pause(2960, 500, "Hold", "random-2")]
    kept(archive, listing(told(*pauses, seconds=5)), audio(wav(4)))
    (one,) = alignment(archive)["recordings"]
    assert [(part["start_ms"], part["end_ms"]) for part in one["segments"]] == [(40, 1000), (2000, 5040)]
    assert one["pauses"][0] == {"start_ms": 1000, "end_ms": 2000, "reason": "SecurePause"}
    assert len(one["pauses"]) == 2


def test_a_hold_that_was_not_recorded_shows_in_the_length(archive: Archive) -> None:
    pauses = [pause(960, 1000), pause(2960, 3000, "Hold")]
    kept(archive, listing(told(*pauses, seconds=9)), audio(wav(5)))
    (one,) = alignment(archive)["recordings"]
    assert [(part["start_ms"], part["end_ms"]) for part in one["segments"]] == [(40, 1000), (2000, 3000), (6000, 9040)]
    assert "by its length, holds were not recorded either" in one["notes"]


def test_a_pause_that_was_recorded_shows_in_the_length(archive: Archive) -> None:
    kept(archive, listing(told(pause(960, 2000), seconds=4)), audio(wav(4)))
    (one,) = alignment(archive)["recordings"]
    assert [(part["start_ms"], part["end_ms"]) for part in one["segments"]] == [(40, 4040)]
    assert "by its length, the announced pauses are in the audio" in one["notes"]


def test_nothing_known_of_its_start_is_said(archive: Archive) -> None:
    kept(archive, audio(wav()), states=DONE)
    (one,) = alignment(archive)["recordings"]
    assert one["start_ms"] == 0
    assert "not known" in one["notes"][0]


def test_rebuilding_gives_the_same_bytes_in_the_mode_that_was_asked_for(archive: Archive) -> None:
    first = kept(archive, listing(told()), audio(wav()), states=DONE, sync_mode="off")
    before = contents(archive)
    again = archive.rebuild(CALL)
    assert (first.sync_mode, again.changed, again.manifest.sync_mode) == ("off", False, "off")
    assert contents(archive) == before
    assert alignment(archive)["recordings"][0]["sync"] == {"mode": "off", "applied": False}


def test_a_later_get_without_audio_keeps_it_all(archive: Archive) -> None:
    first = kept(archive, listing(told()), audio(wav()), states=DONE)
    assert kept(archive) == first
    changed = archive.commit(CALL, [leg("leg-2", after=60_000)]).manifest
    assert changed.recordings == first.recordings
    assert len(alignment(archive)["turns"]) == 4


class Watched:
    """A store that notes which keys are opened."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.opened: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def open(self, key: str) -> BinaryIO:
        self.opened.append(key)
        return self._store.open(key)

    def audio(self) -> int:
        """How often audio was opened since the last look."""
        count = sum(key.startswith("audio/") for key in self.opened)
        self.opened.clear()
        return count


@pytest.fixture
def watched(tmp_path: Path) -> tuple[Archive, Watched]:
    door = Watched(open_store(str(tmp_path / "archive"), StoreSettings()))
    archive = Archive(cast("Store", door), clock=ManualClock())
    kept(archive, listing(told()), audio(wav()), states=DONE, sync_mode="report")
    door.opened.clear()
    return archive, door


def test_audio_that_says_the_same_is_not_opened_again(watched: tuple[Archive, Watched]) -> None:
    archive, door = watched
    before = contents(archive)
    assert kept(archive, listing(told()), states=DONE, sync_mode="report").generation == 1
    assert (door.audio(), contents(archive)) == (0, before)
    chosen = kept(archive, selections=[Selection(roles=frozenset({"customer"}))])
    assert (door.audio(), chosen.generation) == (0, 2)
    assert chosen.sync is not None
    assert {view.name for view in chosen.views} >= {keys.alignment(CALL), keys.peaks(CALL, "r1")}
    gone = [RecordingState("r1", "deleted", "the platform has deleted it", "original")]
    assert kept(archive, states=gone).generation == 3
    assert kept(archive, states=gone).generation == 3
    assert door.audio() == 0


@pytest.mark.parametrize(
    "again",
    [
        lambda archive: archive.rebuild(CALL),
        lambda archive: kept(archive, sync_mode="correct"),
        lambda archive: archive.commit(CALL, [leg("leg-2", after=60_000)]),
        lambda archive: kept(archive, listing(told(pause(960, 1000), seconds=5))),
    ],
    ids=["rebuild", "another mode", "another transcript", "another pause"],
)
def test_audio_is_read_again_where_that_may_matter(
    again: Callable[[Archive], object], watched: tuple[Archive, Watched]
) -> None:
    archive, door = watched
    again(archive)
    assert door.audio() > 0


def test_a_waveform_that_was_lost_is_made_again(watched: tuple[Archive, Watched]) -> None:
    archive, door = watched
    before = contents(archive)
    archive.store.delete(view_key(archive.store, keys.peaks(CALL, "r1")))
    assert kept(archive).generation == 1
    assert (door.audio(), contents(archive)) == (1, before)


class Late(SpeechDialect):
    """A user's own reader, which has everything end later."""

    def turns(self, batch: Any, context: Any) -> list[Turn]:
        return [replace(turn, end_ms=(turn.end_ms or 0) + 50) for turn in super().turns(batch, context)]


def test_a_transcript_read_by_another_reader_has_its_own_alignment(watched: tuple[Archive, Watched]) -> None:
    archive, door = watched
    before = alignment(archive)
    archive.rebuild(CALL, Reading({"shapes": (Late(),)}))
    assert alignment(archive) != before
    door.opened.clear()
    kept(archive)
    assert (door.audio(), alignment(archive)) == (1, before)


def test_another_mode_is_a_new_generation(archive: Archive) -> None:
    kept(archive, listing(told()), audio(wav()), states=DONE, sync_mode="report")
    assert kept(archive, sync_mode="off").generation == 2


def test_new_ids_of_annotations_are_no_news(archive: Archive) -> None:
    first = kept(archive, listing(told(pause(960, 1000), seconds=5)), audio(wav()), states=DONE)
    again = kept(archive, listing(told(pause(960, 1000, name="random-2"), seconds=5)), states=DONE)
    assert again == first
    moved = kept(archive, listing(told(pause(970, 1000, name="random-3"), seconds=5)), states=DONE)
    assert moved.generation == 2


def test_a_list_that_forgot_a_recording_does_not_replace_the_one_that_knew_it(archive: Archive) -> None:
    first = kept(archive, listing(told()), audio(wav()), states=DONE)
    assert kept(archive, listing()) == first
    assert kept(archive, listing(told(name="r2"))) == first
    assert alignment(archive)["recordings"][0]["start_ms"] == 40


def test_another_format_replaces_all_files_of_a_recording(archive: Archive) -> None:
    mono = tones.wav_header(16_000, channels=1) + b"\xff" * 16_000
    kept(archive, listing(told()), audio(mono, part="0"), audio(mono[:-100], part="1"), states=DONE)
    assert len(archive.audio(CALL)["r1"]) == 2
    assert alignment(archive)["recordings"][0]["channels"] == 2
    kept(archive, audio(wav()), states=DONE)
    assert len(archive.audio(CALL)["r1"]) == 1


def test_two_recordings_are_in_the_order_of_their_start(archive: Archive) -> None:
    late = told(name="a-late", startTime="2026-09-21T14:13:21.500Z")
    kept(archive, listing(late, told()), audio(wav(), "a-late"), audio(wav()))
    assert [one["id"] for one in alignment(archive)["recordings"]] == ["r1", "a-late"]


def test_a_recording_that_the_platform_deleted_stays(archive: Archive) -> None:
    kept(archive, listing(told()), audio(wav()), states=DONE)
    gone = [RecordingState("r1", "deleted", "the platform has deleted it", "original")]
    (one,) = kept(archive, states=gone).recordings
    assert (one.state, one.reason) == ("done", "kept from before; now deleted: the platform has deleted it")
    assert kept(archive, states=gone).recordings == (one,)


PAGE = b"<!DOCTYPE html><html></html>"


@pytest.mark.parametrize("content", [b"", PAGE, tones.wav_header(0, channels=1)[:44], b"RIFF", b"OggS" + bytes(40)])
def test_audio_that_cannot_be_read_costs_no_transcript(archive: Archive, content: bytes) -> None:
    manifest = kept(archive, listing(told(), told(name="r2")), audio(content), audio(wav(), "r2"), states=DONE)
    assert manifest.state == "done"
    states = {one.id: one for one in manifest.recordings}
    assert states["r1"].state == "unread"
    assert states["r1"].reason
    assert [one["id"] for one in alignment(archive)["recordings"]] == ["r2"]
    (key,) = archive.audio(CALL)["r1"]
    assert archive.store.get(key) == content


def test_audio_that_came_right_later_is_read(archive: Archive) -> None:
    kept(archive, listing(told()), audio(PAGE), states=DONE)
    with pytest.raises(NotFound):
        archive.alignment(CALL)
    assert kept(archive, audio(wav()), states=DONE).recordings == tuple(DONE)
    assert alignment(archive)["recordings"]


def test_a_cut_off_file_says_so(archive: Archive) -> None:
    (one,) = kept(archive, listing(told()), audio(wav()[:20_000]), states=DONE).recordings
    assert one.state == "incomplete"
    assert "cut off" in one.reason


def test_three_channels_are_aligned_and_not_compared(archive: Archive) -> None:
    content = tones.wav_header(3 * 16_000, channels=3) + bytes(3 * 16_000)
    manifest = kept(archive, listing(told()), audio(content), states=DONE)
    (one,) = alignment(archive)["recordings"]
    assert one["channel_roles"] == ["unknown"] * 3
    assert "3 channels" in one["notes"][0]
    assert manifest.sync is None


class Breaking:
    """A source on which turnkeeper itself breaks."""

    size = 0

    def open(self) -> BinaryIO:
        raise ZeroDivisionError("no")


def test_a_defect_costs_its_own_recording_alone() -> None:
    taken = [Input(key=f"audio/{CALL}/{name}", size=0, sha256="", source=f"audio/{name}/S") for name in ("r1", "r2")]
    files = {"r1": [(taken[0], Breaking())], "r2": [(taken[1], BytesSource(wav()))]}
    written: dict[str, io.BytesIO] = {}

    def view(key: str) -> AbstractContextManager[BinaryIO]:
        return nullcontext(written.setdefault(key, io.BytesIO()))

    sound = build_audio_views(AudioTask(CALL, files, {}, lambda: iter(()), None, "off"), view)
    assert "ZeroDivisionError" in sound.unread["r1"]
    assert set(written) == {keys.peaks(CALL, "r2"), keys.alignment(CALL)}


def test_a_list_that_is_no_list_is_kept_and_said(archive: Archive) -> None:
    manifest = kept(archive, FetchedBody(spool(b"<html>"), "recordings"), audio(wav()), states=DONE)
    assert manifest.state == "done"
    assert any("list of recordings cannot be read" in note for note in manifest.notes)


def test_a_transcript_that_cannot_be_read_keeps_the_audio_too(archive: Archive) -> None:
    manifest = archive.commit(CALL, [FetchedBody(spool(b"{}"), "media"), audio(wav())], recordings=DONE).manifest
    assert (manifest.state, manifest.recordings, manifest.sync) == ("unread", tuple(DONE), None)
    assert list(archive.audio(CALL)) == ["r1"]


def test_audio_alone_is_no_conversation(archive: Archive) -> None:
    with pytest.raises(NotFound):
        archive.commit(CALL, [audio(wav())])


def test_audio_survives_a_change_of_the_dialect(archive: Archive) -> None:
    kept(archive, listing(told()), audio(wav()), states=DONE)
    manifest = archive.commit(CALL, [media()]).manifest
    assert "audio/r1/S" in {taken.source for taken in manifest.inputs}
    assert alignment(archive)["turns"]


@pytest.mark.parametrize("name", ["../up", "", "a/b", "x" * 200])
def test_an_id_that_cannot_be_a_key_is_refused(archive: Archive, name: str) -> None:
    with pytest.raises(Misconfigured):
        archive.commit(CALL, [media(), audio(wav(), name)], recordings=[RecordingState(name, "done")])


def test_a_real_object_store_holds_it_as_well(s3_store: Callable[[], Store]) -> None:
    archive = Archive(s3_store(), clock=ManualClock())
    kept(archive, listing(told()), audio(wav()), states=DONE)
    (key,) = archive.audio(CALL)["r1"]
    assert archive.store.get(key) == wav()
    assert alignment(archive)["recordings"][0]["key"] == key
