"""Stretches of a recording as files: bytes for WAV, samples for everything else."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.audio.sounds import RATE, bursts, write_media, write_sound
from tests.unit.audio.test_decode import everything
from turnkeeper.audio.clips import ClipCut, SampleRange, write_clips
from turnkeeper.audio.riff import read_wav
from turnkeeper.errors import DiskFull, Misconfigured, Unread

CALL = bursts(3)
FRAMES = CALL.shape[1]

stretches = st.lists(
    st.tuples(st.integers(0, FRAMES), st.integers(0, 5_000)).map(lambda pair: (pair[0], min(FRAMES, sum(pair)))),
    min_size=1,
    max_size=5,
)


def data_of(path: Path) -> bytes:
    with path.open("rb") as file:
        wav = read_wav(file)
        assert wav is not None
        assert wav.frames == wav.declared or not wav.declared
        file.seek(wav.data_at)
        return file.read(wav.frames * wav.frame_bytes)


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(["ULAW", "ALAW", "PCM_16", "PCM_24", "PCM_U8", "FLOAT"]), st.integers(1, 3), stretches)
def test_wav_to_wav_keeps_its_bytes(
    tmp_path_factory: pytest.TempPathFactory, subtype: str, channels: int, wanted: list[SampleRange]
) -> None:
    folder = tmp_path_factory.mktemp("clip")
    source = write_sound(folder / "call.wav", bursts(3, channels) / np.float32(32_768), subtype=subtype)
    whole = data_of(source)
    frame = len(whole) // FRAMES
    codec, _ = write_clips(source, [ClipCut(folder / "clip.wav", tuple(wanted))])
    assert data_of(folder / "clip.wav") == b"".join(whole[start * frame : end * frame] for start, end in wanted)
    with soundfile.SoundFile(folder / "clip.wav") as found, soundfile.SoundFile(source) as before:
        assert (found.subtype, found.samplerate, found.channels) == (before.subtype, RATE, channels)
        assert found.frames == sum(end - start for start, end in wanted)
        samples = before.read()
        assert np.array_equal(found.read(), np.concatenate([samples[start:end] for start, end in wanted]))
    assert codec in ("ulaw", "alaw", "pcm_s16", "pcm_s24", "pcm_u8", "pcm_f32")


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(["flac", "opus", "webm"]), st.lists(stretches, min_size=1, max_size=4))
def test_everything_else_is_cut_from_the_decoded_samples(
    tmp_path_factory: pytest.TempPathFactory, kind: str, wanted: list[list[SampleRange]]
) -> None:
    folder = tmp_path_factory.mktemp("clip")
    if kind == "webm":
        source = write_media(folder / "call.webm", CALL, "libopus", out_rate=48_000)
    else:
        how = {"format": "OGG", "subtype": "OPUS"} if kind == "opus" else {}
        source = write_sound(folder / f"call.{kind}", CALL, **how)
    whole = everything(source)
    cuts = [ClipCut(folder / f"{number}.wav", tuple(sorted(ones))) for number, ones in enumerate(wanted)]
    assert write_clips(source, cuts)[0] == "pcm_s16"
    for cut in cuts:
        samples = soundfile.read(cut.out, dtype="int16", always_2d=True)[0].T
        parts = [whole[:, start:end] for start, end in cut.stretches]
        assert np.array_equal(samples, np.concatenate(parts, axis=1))
    assert not list(folder.glob("*.part"))


@pytest.mark.parametrize(("name", "said"), [("c.flac", "pcm_s16"), ("c.opus", "opus"), ("c.ogg", "vorbis")])
def test_the_extension_chooses_the_format(name: str, said: str, tmp_path: Path) -> None:
    source = write_sound(tmp_path / "call.wav", CALL, subtype="ULAW")
    assert write_clips(source, [ClipCut(tmp_path / name, ((100, 8_100),))]) == (said, [8_000])
    with soundfile.SoundFile(tmp_path / name) as found:
        assert (found.samplerate, found.channels, found.frames) == (RATE, 2, 8_000)
    if said == "pcm_s16":
        assert np.array_equal(everything(tmp_path / name), everything(source)[:, 100:8_100])


def test_two_mono_files_are_cut_together(tmp_path: Path) -> None:
    left = write_sound(tmp_path / "l.wav", CALL[:1], subtype="PCM_16")
    right = write_sound(tmp_path / "r.wav", CALL[1:], subtype="PCM_16")
    write_clips(left, [ClipCut(tmp_path / "c.wav", ((10, 20), (30, 35)))], second=right)
    assert np.array_equal(everything(tmp_path / "c.wav"), CALL[:, [*range(10, 20), *range(30, 35)]])


def test_an_open_file_is_cut_and_closed(tmp_path: Path) -> None:
    source = write_sound(tmp_path / "call.wav", CALL, subtype="ULAW")
    for out in ("c.wav", "c.flac"):
        file = source.open("rb")
        write_clips(file, [ClipCut(tmp_path / out, ((7, 1_007),))])
        assert file.closed
        assert np.array_equal(everything(tmp_path / out), everything(source)[:, 7:1_007])


def test_what_cannot_be_written_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    source = write_sound(tmp_path / "call.wav", bursts(1, rate=11_025), rate=11_025)
    for out, said in [
        ("c.mp4", "not a format"),
        ("no/c.wav", "cannot be written"),
        ("c.opus", "11025 Hz"),
        ("no/c.flac", "11025 Hz"),
    ]:
        with pytest.raises(Misconfigured, match=said):
            write_clips(source, [ClipCut(tmp_path / out, ((0, 10),))])
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"<html>")
    with pytest.raises(Unread):
        write_clips(broken, [ClipCut(tmp_path / "c.wav", ((0, 10),))])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.wav", "call.wav"]


class Spoiling(io.BytesIO):
    """A recording that shortens another file whenever it is read behind its middle: a disk that loses what it took."""

    def __init__(self, data: bytes, other: Path) -> None:
        super().__init__(data)
        self._other = other

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > len(self.getbuffer()) // 2 and self._other.exists():
            os.truncate(self._other, 1_000)
        return super().read(size)


def test_a_clip_is_read_again_before_it_has_its_name(tmp_path: Path) -> None:
    """What is said to be written is in the file, or it is an error and an earlier file stays."""
    source = write_sound(tmp_path / "call.wav", bursts(30), subtype="ULAW").read_bytes()
    out = tmp_path / "c.flac"
    out.write_bytes(b"earlier")
    with pytest.raises(DiskFull, match="samples that were written"):
        write_clips(Spoiling(source, tmp_path / "c.flac.part"), [ClipCut(out, ((0, 240_000),))])
    assert out.read_bytes() == b"earlier"
    assert not list(tmp_path.glob("*.part"))
