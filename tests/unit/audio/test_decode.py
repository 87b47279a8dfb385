"""Any recording to samples: every format, every way a file can be wrong."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.audio.sounds import RATE, Samples, bursts, lag, write_media, write_sound
from turnkeeper.audio.decode import open_audio
from turnkeeper.audio.riff import wav_header
from turnkeeper.errors import Misconfigured, Unread

CALL = bursts()
FRAMES = CALL.shape[1]

Maker = Callable[[Path], Path]

LOSSLESS: dict[str, Maker] = {
    "pcm_s16": lambda folder: write_sound(folder / "a.wav", CALL, subtype="PCM_16"),
    "flac": lambda folder: write_sound(folder / "a.flac", CALL),
}
LOSSY: dict[str, Maker] = {
    "ulaw": lambda folder: write_sound(folder / "u.wav", CALL, subtype="ULAW"),
    "alaw": lambda folder: write_sound(folder / "l.wav", CALL, subtype="ALAW"),
    "pcm_u8": lambda folder: write_sound(folder / "8.wav", CALL, subtype="PCM_U8"),
    "pcm_f32": lambda folder: write_sound(folder / "f.wav", CALL / np.float32(32_767), subtype="FLOAT"),
    "opus": lambda folder: write_sound(folder / "o.opus", CALL, format="OGG", subtype="OPUS"),
    "vorbis": lambda folder: write_sound(folder / "v.ogg", CALL, subtype="VORBIS"),
    "mp3": lambda folder: write_sound(folder / "m.mp3", CALL),
    "webm": lambda folder: write_media(folder / "w.webm", CALL, "libopus", out_rate=48_000),
    "webm 8k": lambda folder: write_media(folder / "w8.webm", CALL, "libopus", out_rate=8_000),
    "aac": lambda folder: write_media(folder / "a.m4a", CALL, "aac", out_rate=8_000),
}
ALL = LOSSLESS | LOSSY


def everything(path: Path, **how: int) -> Samples:
    with open_audio(path) as audio:
        return np.concatenate(list(audio.blocks(**how)), axis=1)


@pytest.mark.parametrize("name", ALL)
def test_every_format_is_in_time_and_of_the_right_length(name: str, tmp_path: Path) -> None:
    path = ALL[name](tmp_path)
    with open_audio(path) as audio:
        samples = np.concatenate(list(audio.blocks()), axis=1)
        times = audio.rate // RATE
        assert (audio.rate, audio.channels, audio.notes) == (48_000 if "webm" in name else RATE, 2, ())
        assert audio.codec == ("opus" if "webm" in name else name)
        assert audio.frames in (FRAMES, None)
    assert samples.shape == (2, FRAMES * times)
    assert samples.dtype == np.int16
    for channel in range(2):
        wanted = (
            CALL[channel]
            if times == 1
            else np.interp(np.arange(FRAMES * times) / times, np.arange(FRAMES), CALL[channel])
        )
        assert lag(samples[channel], wanted) == 0


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_is_lossless(name: str, tmp_path: Path) -> None:
    assert np.array_equal(everything(LOSSLESS[name](tmp_path)), CALL)


@pytest.mark.parametrize("name", ALL)
def test_blocks_are_even_and_begin_anywhere(name: str, tmp_path: Path) -> None:
    path = ALL[name](tmp_path)
    whole = everything(path)
    with open_audio(path) as audio:
        for start in (0, 999, 12_345, whole.shape[1], whole.shape[1] + 5):
            blocks = list(audio.blocks(1_000, start=start))
            assert all(block.shape == (2, 1_000) and block.flags.c_contiguous for block in blocks[:-1])
            assert not blocks or 0 < blocks[-1].shape[1] <= 1_000
            joined = np.concatenate([np.zeros((2, 0), np.int16), *blocks], axis=1)
            assert np.array_equal(joined, whole[:, start:])


@pytest.mark.parametrize("name", ["ulaw", "opus", "webm", "mp3"])
def test_a_file_object_will_do(name: str, tmp_path: Path) -> None:
    path = ALL[name](tmp_path)
    with open_audio(io.BytesIO(path.read_bytes())) as audio:
        assert np.array_equal(np.concatenate(list(audio.blocks()), axis=1), everything(path))


@pytest.mark.parametrize("extension", ["mp3", "raw", "gsm", "vox", "webm", "txt"])
@pytest.mark.parametrize("name", ["ulaw", "opus"])
def test_the_name_does_not_matter(name: str, extension: str, tmp_path: Path) -> None:
    path = ALL[name](tmp_path)
    renamed = shutil.copy(path, tmp_path / f"renamed.{extension}")
    assert np.array_equal(everything(renamed), everything(path))


def test_two_mono_files_are_one_call(tmp_path: Path) -> None:
    left = write_sound(tmp_path / "l.wav", CALL[:1], subtype="ULAW")
    right = write_sound(tmp_path / "r.wav", CALL[1:, :-700], subtype="ULAW")
    with open_audio(left, second=right) as audio:
        assert (audio.channels, audio.frames, audio.codec) == (2, FRAMES, "ulaw")
        assert audio.notes == ("channel 1 is 700 samples shorter; silence follows it",)
        both = np.concatenate(list(audio.blocks(1_234)), axis=1)
    assert np.array_equal(both[0], everything(left)[0])
    assert np.array_equal(both[1, :-700], everything(right)[0])
    assert not both[1, -700:].any()


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (8_000, 2)])
def test_two_files_that_do_not_fit_are_refused(rate: int, channels: int, tmp_path: Path) -> None:
    left = write_sound(tmp_path / "l.wav", CALL[:1])
    right = write_sound(tmp_path / "r.wav", CALL[:channels], rate=rate)
    with pytest.raises(Misconfigured, match="two mono files"):
        open_audio(left, second=right)


def test_an_mp3_without_a_gapless_header_is_reported(tmp_path: Path) -> None:
    path = write_media(tmp_path / "n.mp3", CALL, "libmp3lame", out_rate=8_000, options={"write_xing": "0"})
    with open_audio(path) as audio:
        assert audio.notes == ("MP3 without a gapless header: up to 1105 samples of encoder delay stand in front",)
        assert audio.frames is None
        assert lag(np.concatenate(list(audio.blocks()), axis=1)[0], CALL[0]) == 1105
    tagged = tmp_path / "tagged.mp3"
    tagged.write_bytes(b"ID3\x04\x00\x00\x00\x00\x02\x00" + bytes(256) + ALL["mp3"](tmp_path).read_bytes())
    with open_audio(tagged) as audio:
        assert audio.notes == ()


def wav(rate: int = RATE, channels: int = 2, frames: int = 0, body: bytes = b"") -> bytes:
    return wav_header("pcm", rate, channels, 16, frames) + body


NOT_AUDIO = {
    "empty": (b"", "is empty"),
    "header-only": (wav(), "no samples"),
    "0-hz": (wav(rate=0, frames=100, body=bytes(400)), "0 Hz"),
    "no-channels": (wav(channels=0, frames=0, body=bytes(400)), "0 channels"),
    "page": (b"\n<!DOCTYPE html><html>Link expired</html>", "is a page"),
    "xml": (b"\xef\xbb\xbf<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "is a page"),
    "json": (b'{"status": "pending"}', "is JSON"),
    "text": (b"once upon a time there was a call " * 20, "is not audio"),
    "zeros": (bytes(4_000), "is not audio"),
    "half-a-header": (wav()[:30], "is not audio"),
    "broken-webm": (b"\x1a\x45\xdf\xa3" + bytes(300), "cannot be opened"),
    "broken-m4a": (b"\x00\x00\x00\x20ftypM4A " + bytes(300), "cannot be opened"),
    "zip": (b"PK\x03\x04" + bytes(40), "ZIP"),
}


@pytest.mark.parametrize("name", NOT_AUDIO)
def test_what_is_no_audio_says_what_it_is(name: str, tmp_path: Path) -> None:
    content, said = NOT_AUDIO[name]
    path = tmp_path / f"{name}.wav"
    path.write_bytes(content)
    with pytest.raises(Unread, match=said) as caught:
        open_audio(path)
    assert caught.value.key == str(path)
    assert caught.value.hint


@pytest.mark.parametrize("name", ALL)
def test_a_cut_off_file_gives_what_it_holds_or_says_why_not(name: str, tmp_path: Path) -> None:
    path = ALL[name](tmp_path)
    data = path.read_bytes()
    for share in (0.02, 0.4, 0.8):
        path.write_bytes(data[: int(len(data) * share)])
        try:
            with open_audio(path) as audio:
                found = sum(block.shape[1] for block in audio.blocks())
                said = audio.notes
        except Unread:
            assert share < 0.8 or name in ("aac", "flac")  # MP4's index stands last; FLAC is given up to the cut
            continue
        assert found < FRAMES * 6
        assert said or name not in ("opus", "vorbis", "ulaw", "alaw", "pcm_s16", "pcm_u8", "pcm_f32")


@pytest.mark.parametrize("name", ALL)
def test_damaged_bytes_never_crash(name: str, tmp_path: Path) -> None:
    path = ALL[name](tmp_path)
    data, random = bytearray(path.read_bytes()), np.random.default_rng(3)
    for _ in range(6):
        broken = bytearray(data)
        for at in random.integers(0, len(data), 20):
            broken[at] = int(random.integers(256))
        path.write_bytes(broken)
        try:
            with open_audio(path) as audio:
                assert all(block.dtype == np.int16 for block in audio.blocks())
        except Unread:
            pass


STARTS = [b"", b"RIFF", b"OggS", b"fLaC", b"ID3", b"\xff\xfb", b"\xff\xf1", b"\x1a\x45\xdf\xa3", b"\0\0\0\x18ftypM4A "]


@settings(deadline=None, max_examples=150)
@given(st.sampled_from([*STARTS, wav()[:36], wav_header("ulaw", RATE, 1, 8, 50)]), st.binary(max_size=200))
def test_any_bytes_are_audio_or_say_why_not(start: bytes, rest: bytes) -> None:
    try:
        with open_audio(io.BytesIO(start + rest)) as audio:
            assert audio.rate > 0
            assert all(block.shape[0] == audio.channels for block in audio.blocks())
    except Unread:
        return


def test_three_channels_are_three_channels(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "three.wav", bursts(channels=3))
    with open_audio(path) as audio:
        assert (audio.channels, next(audio.blocks()).shape) == (3, (3, FRAMES))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no such file"):
        open_audio(tmp_path / "nothing.wav")
    with pytest.raises(Misconfigured, match="cannot be read"):
        open_audio(tmp_path)


@pytest.mark.parametrize(
    ("module", "name", "extra"), [("av", "webm", "media"), ("soundfile", "ulaw", "audio")], ids=["media", "audio"]
)
def test_a_missing_extra_is_named(module: str, name: str, extra: str, tmp_path: Path) -> None:
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from pathlib import Path\nfrom turnkeeper.audio.decode import open_audio\n"
        "from turnkeeper.errors import Misconfigured\n"
        "try: open_audio(Path(sys.argv[1]))\nexcept Misconfigured as error: print(error.hint)"
    )
    done = subprocess.run([sys.executable, "-c", code, ALL[name](tmp_path)], capture_output=True, text=True, check=True)
    assert f"turnkeeper[{extra}]" in done.stdout


def sparse(path: Path, hours: int) -> Path:
    """A u-law stereo recording of so many hours that takes no room: its bytes are a hole."""
    frames = hours * 3600 * RATE
    with path.open("wb") as file:
        file.write(wav_header("ulaw", RATE, 2, 8, frames))
        file.truncate(file.tell() + frames * 2)
    return path


PEAK = """
import sys
from pathlib import Path
from turnkeeper.audio.decode import open_audio
from turnkeeper.audio.peaks import build_peaks
with open_audio(Path(sys.argv[1])) as audio, build_peaks(audio.blocks(), audio.rate, audio.channels) as peaks:
    with open(sys.argv[2], "wb") as out:
        peaks.write_dat(out, 256)
    assert peaks.frames == audio.frames
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def peak_kb(path: Path) -> int:
    command = [sys.executable, "-c", PEAK, str(path), str(path.with_suffix(".dat"))]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.slow
def test_twelve_hours_take_no_more_memory_than_one(tmp_path: Path) -> None:
    one, twelve = peak_kb(sparse(tmp_path / "1.wav", 1)), peak_kb(sparse(tmp_path / "12.wav", 12))
    assert one < 90_000
    assert twelve < one + 10_000


def test_a_damaged_part_does_not_move_the_next_one_to_its_place(tmp_path: Path) -> None:
    """Two FLAC files one behind another: the second one began where the first one broke."""
    noise = np.random.default_rng(1)
    parts = []
    for level in (3_000, 9_000):
        samples = (np.resize([level, -level], 32_000) + noise.integers(-50, 50, 32_000)).astype(np.int16)
        parts.append(bytearray(write_sound(tmp_path / f"{level}.flac", samples[None, :]).read_bytes()))
    for at in range(len(parts[0]) * 3 // 8, len(parts[0]) * 3 // 8 + 400):
        parts[0][at] ^= 0xA5
    path = tmp_path / "two.flac"
    path.write_bytes(parts[0] + parts[1])
    with open_audio(path) as audio:
        samples = np.concatenate(list(audio.blocks()), axis=1)[0]
        assert audio.losses
    # Only the block that is damaged is missing.
    assert 27_000 < np.argmax(np.abs(samples) > 6_000) <= 32_000
