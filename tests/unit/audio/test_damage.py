"""Recordings as the world makes them, held against what ffmpeg decodes of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from tests.unit.audio.damage import CASES, HOLE_S, SECONDS, WAV, WHOLE, Case, make
from tests.unit.audio.judge import ffmpeg_ms
from tests.unit.audio.mutations import mutated, outcomes
from tests.unit.audio.sounds import RATE, bursts, lag, write_media, write_sound
from turnkeeper.audio.decode import open_audio
from turnkeeper.audio.riff import wav_header
from turnkeeper.errors import Unread

CLOSE_MS = 20
# FFmpeg 5.1 counts the encoder's filling in the last packet, which the container's own clock leaves out.
FILLED = ("M4A",)


def found(path: Path) -> tuple[float | None, tuple[str, ...], tuple[str, ...]]:
    """Milliseconds, notes and losses; a refusal is a note."""
    try:
        with open_audio(path) as audio:
            return audio.count() * 1000 / audio.rate, audio.notes, audio.losses
    except Unread as cause:
        return None, (cause.message,), (cause.message,)


@pytest.mark.needs(part="ffmpeg")
@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_length_is_what_ffmpeg_decodes_or_a_note_says_why_not(case: Case, tmp_path: Path) -> None:
    """K4: every row, in every codec and byte order."""
    path = make(case, tmp_path)
    ours, notes, _ = found(path)
    judged = ffmpeg_ms(path)
    if judged is None and case.codec == "u-law RIFX":
        assert ours is not None  # ffmpeg knows no u-law in RIFX, libsndfile does
    elif ours is None or judged is None:
        assert notes
        assert judged is None
    elif abs(ours - judged) > CLOSE_MS and not (case.codec in FILLED and 0 < judged - ours < 40):
        assert notes


def case(name: str) -> Case:
    return next(one for one in CASES if one.name == name)


@pytest.mark.parametrize(
    ("name", "seconds", "lost"),
    [
        ("Ogg Opus: chained", 24, False),
        ("Ogg Vorbis: chained", 24, False),
        ("MP3, variable, without a header: whole", 40, False),
        ("u-law WAV: sizes 0x0", 12, False),
        ("PCM 16 RIFX: sizes 0x7fffffff", 12, False),
        ("A-law WAV: sizes 0xffffffdb", 12, False),
        ("float WAV: two data chunks", 12, False),
        ("u-law WAV: joined to itself", 12, True),
        ("u-law WAV: cut in half", 6, True),
        ("MP3: cut in half", 6, True),
        ("FLAC: joined to itself", 24, False),
        ("WebM Opus: cut in half", 6, True),
        ("WebM Opus: hole of 10 s", 22, True),
        ("M4A: hole of 10 s", 22, True),
        ("Ogg Opus: pages lost", 12, True),
    ],
)
def test_what_a_damaged_file_holds_and_whether_sound_is_missing(
    name: str, seconds: int, lost: bool, tmp_path: Path
) -> None:
    """K4: chained, variable, sizes that mean unknown or 0, several chunks, joined, cut off, holes."""
    ours, notes, losses = found(make(case(name), tmp_path))
    assert ours is not None
    assert ours == pytest.approx(seconds * 1000, abs=300)
    assert bool(losses) == lost
    assert set(losses) <= set(notes)


@pytest.mark.parametrize("name", ["u-law WAV: sizes 0x7ffff000", "PCM 24 RIFX: sizes 0xffffffff", "FLAC: ID3 in front"])
def test_what_is_unknown_or_in_front_is_no_remark(name: str, tmp_path: Path) -> None:
    """K4: a size that means unknown is no cut-off end; ID3 in front of FLAC or WAV is no MP3."""
    _, notes, _ = found(make(case(name), tmp_path))
    assert notes == ()


@pytest.mark.parametrize("name", ["WebM Opus: hole of 10 s", "M4A: hole of 10 s"])
def test_what_is_behind_a_hole_is_in_its_place(name: str, tmp_path: Path) -> None:
    """K4: a hole of 10 s in the timestamps: silence stands in it, and everything behind it where the clock has it."""
    with open_audio(make(case(name), tmp_path)) as audio:
        samples = np.concatenate(list(audio.blocks()), axis=1)[0, :: audio.rate // RATE]
    wanted = bursts(SECONDS)[0]
    hole = slice(round((SECONDS / 2 + 1) * RATE), round((SECONDS / 2 + HOLE_S - 1) * RATE))
    assert not samples[hole].any()
    behind = samples[round((SECONDS / 2 + HOLE_S + 1) * RATE) :]
    assert abs(lag(behind, wanted[round((SECONDS / 2 + 1) * RATE) :])) <= RATE // 500


def test_the_second_stream_of_a_chained_file_is_the_second_recording(tmp_path: Path) -> None:
    """K4: only the first link was decoded."""
    with open_audio(make(case("Ogg Opus: chained"), tmp_path)) as audio:
        samples = np.concatenate(list(audio.blocks()), axis=1)
        whole = round(SECONDS * RATE)
        assert samples.shape[1] == 2 * whole
        assert np.array_equal(samples[:, whole:], samples[:, :whole])
        late = np.concatenate(list(audio.blocks(1_000, start=whole + 123)), axis=1)
    assert np.array_equal(late, samples[:, whole + 123 :])


@pytest.mark.parametrize("name", ["AAC (ADTS): whole", "M4A, fragmented: whole", "MP3 in WAV: whole"])
def test_priming_that_nobody_knows_is_a_note(name: str, tmp_path: Path) -> None:
    """K4: 128 ms late, without a word."""
    _, notes, losses = found(make(case(name), tmp_path))
    assert any("encoder delay" in note for note in notes)
    assert not losses


def test_two_sides_of_different_length_in_webm_are_named(tmp_path: Path) -> None:
    """K4: a mono pair of different length in WebM; a container whose length only decoding tells."""
    left = write_media(tmp_path / "l.webm", bursts(6)[:1].repeat(2, 0), "libopus", out_rate=48_000, layout="mono")
    right = write_media(tmp_path / "r.webm", bursts(4)[:1].repeat(2, 0), "libopus", out_rate=48_000, layout="mono")
    with open_audio(left, second=right) as audio:
        assert audio.count() == 6 * 48_000
        assert audio.notes == ("channel 1 is 96000 samples shorter; silence follows it",)
        assert audio.losses == audio.notes


def test_the_decoders_own_words_are_notes_and_reach_no_terminal(tmp_path: Path) -> None:
    """K4: warnings of the C libraries on standard error."""
    path = make(case("MP3: 12 bits turned over"), tmp_path)
    code = (
        "import sys\nfrom pathlib import Path\nfrom turnkeeper.audio.decode import open_audio\n"
        "with open_audio(Path(sys.argv[1])) as audio:\n    audio.count()\n    print(audio.notes)\n"
        "print('ours', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert "the decoder says" in done.stdout
    assert done.stderr == "ours\n"


def test_a_file_of_a_thousand_channels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "many.wav"
    header = bytearray(make(case("PCM 16 WAV: whole"), tmp_path).read_bytes())
    header[22:24], header[32:34] = (1000).to_bytes(2, "little"), (2000).to_bytes(2, "little")
    path.write_bytes(header)
    with pytest.raises(Unread, match="1000 channels"):
        open_audio(path)


WITHOUT_MEDIA = """import json, sys
sys.modules["av"] = None
from pathlib import Path
from turnkeeper.audio.decode import open_audio
from turnkeeper.errors import Misconfigured, Unread

def found(path):
    try:
        with open_audio(Path(path)) as audio:
            return audio.count() * 1000 / audio.rate, audio.notes, audio.losses
    except (Misconfigured, Unread) as cause:
        return None, [cause.message, cause.hint], []

print(json.dumps([found(path) for path in sys.argv[1:]]))
"""


@pytest.mark.slow
def test_without_pyav_nothing_is_missing_in_silence(tmp_path: Path) -> None:
    """K4 where ``[media]`` is not installed: as long as with it, or a loss, or an error that says what to install."""
    cases = [one for one in CASES if one.codec not in WAV]
    paths = [make(one, tmp_path).replace(tmp_path / f"{number}.bin") for number, one in enumerate(cases)]
    done = subprocess.run([sys.executable, "-c", WITHOUT_MEDIA, *paths], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    for one, path, (ours, notes, losses) in zip(cases, paths, json.loads(done.stdout), strict=True):
        wanted, _, lost = found(path)
        if ours is None:
            assert "pip install 'turnkeeper[media]'" in notes[1], one.name
        elif wanted is not None and ours + CLOSE_MS < wanted:
            assert losses or (notes and wanted - ours < 100), one.name
        else:
            assert bool(losses) >= bool(lost) or notes, one.name


def test_streams_of_different_rates_are_not_read_at_one_speed(tmp_path: Path) -> None:
    """Joined FLAC files of 8 and 16 kHz: the second was given at half its speed."""
    path = tmp_path / "two.flac"
    second = write_sound(tmp_path / "16.flac", bursts(4, rate=16_000), rate=16_000)
    path.write_bytes(write_sound(tmp_path / "8.flac", bursts(4)).read_bytes() + second.read_bytes())
    _, notes, losses = found(path)
    assert losses
    assert any("the rate changes to 16000 Hz" in note for note in notes)


@pytest.mark.needs(part="ffmpeg")
@pytest.mark.slow
def test_no_mutation_crashes_hangs_grows_or_contradicts_ffmpeg() -> None:
    """K4's kind: a few of ``python -m tests.unit.audio.mutations 5000``."""
    assert [one for one in outcomes(3, seed=11) if one.fault] == []


@pytest.mark.parametrize(
    ("codec", "number"), [("MP3", 113), ("FLAC", 149), ("M4A, fragmented", 15)], ids=["mp3", "flac", "mp4"]
)
def test_what_mutations_found_stays_mended(codec: str, number: int, tmp_path: Path) -> None:
    """A header that only half of the readers believe, frames behind the named end, a track without a known codec."""
    random = np.random.default_rng([2, *codec.encode()])
    data = WHOLE[codec](tmp_path)
    for _ in range(number + 1):
        damaged = mutated(data, random)
    path = tmp_path / "recording.bin"
    path.write_bytes(damaged)
    _, notes, _ = found(path)
    assert notes


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_blocks_hold_as_many_samples_as_are_named(case: Case, tmp_path: Path) -> None:
    """Whatever the container and the damage: ``frames``, ``count()`` and the sum of ``blocks()`` are one number."""
    try:
        with open_audio(make(case, tmp_path)) as audio:
            named = audio.frames
            held = sum(block.shape[1] for block in audio.blocks())
            assert audio.count() == held
            assert named is None or audio.losses or named == held
    except Unread:
        assert found(make(case, tmp_path))[0] is None


@pytest.mark.parametrize("chunks", [2, 3, 5])
def test_several_data_chunks_give_their_samples_once(chunks: int, tmp_path: Path) -> None:
    """A WAV of n data chunks gave all its samples n times: `frames` 240000, `blocks()` 720000."""
    samples = np.arange(chunks * 1000, dtype="<i2").tobytes()
    header = wav_header("pcm", RATE, 1, 16, 1000)
    other = b"LIST" + (4).to_bytes(4, "little") + b"INFO"
    size = len(samples) // chunks
    pieces = [samples[at : at + size] for at in range(0, len(samples), size)]
    data = other.join(b"data" + len(piece).to_bytes(4, "little") + piece for piece in pieces)
    path = tmp_path / "chunks.wav"
    path.write_bytes(header[:-8] + data)
    with open_audio(path) as audio:
        held = np.concatenate(list(audio.blocks()), axis=1)
        late = np.concatenate(list(audio.blocks(start=1500)), axis=1)
        assert audio.frames == audio.count() == held.shape[1]
    assert held.tobytes() == samples
    assert late.tobytes() == samples[3000:]


def test_a_chain_of_stereo_stereo_mono_is_read_whole(tmp_path: Path) -> None:
    """An Opus chain of stereo, stereo, mono gave 50 of 80 s; the last voice is heard on both channels."""
    links = [
        write_media(tmp_path / f"{n}.ogg", bursts(4), "libopus", out_rate=48_000, layout=layout).read_bytes()
        for n, layout in enumerate(("stereo", "stereo", "mono"))
    ]
    path = tmp_path / "chain.opus"
    path.write_bytes(b"".join(links))
    with open_audio(path) as audio:
        held = np.concatenate(list(audio.blocks()), axis=1)
        assert held.shape == (2, round(12 * audio.rate))
        assert any("number of channels changes" in note for note in audio.notes)
        assert not audio.losses
    mono = held[:, round(8 * audio.rate) :]
    assert np.array_equal(mono[0], mono[1])
    assert mono.any()


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [("two.ogg", "libopus", 48_000), ("two.webm", "libopus", 48_000), ("two.m4a", "aac", RATE)],
)
def test_a_second_track_is_not_silently_left_out(name: str, codec: str, rate: int, tmp_path: Path) -> None:
    """Two multiplexed streams: only the first was read, and Ogg, WebM and M4A said nothing."""
    path = tmp_path / name
    with av.open(str(path), "w") as container:
        streams = [container.add_stream(codec, rate=rate, layout="mono") for _ in range(2)]
        for at in range(0, 4 * rate, 960):
            for stream in streams:
                frame = av.AudioFrame.from_ndarray(np.full((1, 960), at % 999, np.int16), format="s16", layout="mono")
                frame.rate, frame.pts = rate, at
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    with open_audio(path) as audio:
        assert audio.count() > 3.9 * audio.rate
        assert audio.losses == ("another sound track lies beside the first: only the first is read",)


def test_a_streamed_flac_is_whole(tmp_path: Path) -> None:
    """FLAC with total samples 0 was read whole, yet called damaged."""
    data = bytearray(make(case("FLAC: whole"), tmp_path).read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    path = tmp_path / "streamed.flac"
    path.write_bytes(data)
    assert found(path) == (SECONDS * 1000, (), ())
    path.write_bytes(data[: len(data) // 2])
    assert found(path)[2]


def test_bw64_and_flac_in_ogg_are_read(tmp_path: Path) -> None:
    """BW64, the successor of RF64, and the Ogg FLAC of FFmpeg were "not audio"."""
    path = tmp_path / "bw64.wav"
    write_sound(path, bursts(4), format="RF64", subtype="PCM_16")
    path.write_bytes(b"BW64" + path.read_bytes()[4:])
    assert found(path) == (4000, (), ())
    ogg = write_media(tmp_path / "f.ogg", bursts(4), "flac", out_rate=RATE)
    assert found(ogg) == (4000, (), ())


@pytest.mark.parametrize("seconds", [0.2, 4, 12])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.95])
def test_a_flac_header_that_names_too_little_hides_nothing(seconds: float, share: float, tmp_path: Path) -> None:
    """A header of 4 s in front of 12 s: libsndfile stopped there, and up to 100 kB were left out without a word."""
    path = write_sound(tmp_path / "f.flac", bursts(seconds))
    data = bytearray(path.read_bytes())
    named = round(seconds * RATE * share)
    data[21:26] = ((data[21] & 0xF0) << 32 | named).to_bytes(5, "big")
    path.write_bytes(data)
    ours, notes, _ = found(path)
    assert ours == pytest.approx(seconds * 1000, abs=CLOSE_MS)
    assert (share == 0.95 and seconds == 0.2) != any("another decoder read on" in note for note in notes)


@pytest.mark.parametrize("name", ["MP3", "MP3 without a header"])
@pytest.mark.parametrize(
    "around", [(b"", bytes(20_000)), (bytes(5_000), b""), (b"", b"LYRICSBEGIN" + b"x" * 300 + b"LYRICS200")]
)
def test_what_stands_around_an_mp3_is_no_damage_of_it(name: str, around: tuple[bytes, bytes], tmp_path: Path) -> None:
    """Zeros or lyrics behind the last frame were "damaged packets"; zeros in front made it "not audio"."""
    whole = make(case(f"{name}: whole"), tmp_path)
    wanted, before, _ = found(whole)
    whole.write_bytes(around[0] + whole.read_bytes() + around[1])
    ours, notes, losses = found(whole)
    assert ours == wanted
    assert losses == ()
    assert "bytes of the file are no MP3" in notes[0]
    assert notes[1:] == before


@pytest.mark.needs(part="ffmpeg")
def test_the_delay_of_mp3_in_matroska_is_dropped_or_said(tmp_path: Path) -> None:
    """Where the file names the delay it is no missing sound; filling named at the end only was taken for the delay."""
    path = write_media(tmp_path / "m.mkv", bursts(4), "libmp3lame", out_rate=RATE)
    assert found(path) == (4000, (), ())
    late, call = tmp_path / "late.mkv", write_sound(tmp_path / "call.wav", bursts(4))
    subprocess.run(["ffmpeg", "-v", "error", "-i", call, "-c:a", "libmp3lame", late], check=True)
    with open_audio(late) as audio:
        samples = np.concatenate(list(audio.blocks()), axis=1)[0]
        assert lag(samples, bursts(4)[0]) == 0 or any("encoder delay" in note for note in audio.notes)
        assert not audio.losses


@pytest.mark.parametrize("subtype", ["GSM610", "IMA_ADPCM", "MS_ADPCM"])
def test_a_cut_off_wav_of_blocks_is_incomplete(subtype: str, tmp_path: Path) -> None:
    """GSM and ADPCM: the bytes do not tell the seconds, so half of a file was a note and exit code 0."""
    path = write_sound(tmp_path / "g.wav", bursts(12)[:1], subtype=subtype)
    assert found(path)[1:] == ((), ())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert found(path)[2]


@pytest.mark.parametrize("format_", ["AIFF", "AU", "W64"])
def test_a_format_that_is_not_checked_says_so(format_: str, tmp_path: Path) -> None:
    """What libsndfile reads besides: half of it was given without a word."""
    path = write_sound(tmp_path / "a.bin", bursts(4), format=format_, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[:30_000])
    _, notes, losses = found(path)
    assert notes == (f"{format_} is read as it is: whether sound is missing in it is not checked",)
    assert losses == ()


def test_tags_between_joined_mp3_files_cost_no_frame(tmp_path: Path) -> None:
    """The tag and the header of the second file were "damaged packets", and 72 ms of sound were lost with them."""
    whole = make(case("MP3 without a header: whole"), tmp_path)
    one = found(whole)[0]
    assert one is not None
    data = whole.read_bytes()
    tag = b"ID3\x04\x00\x00\x00\x00\x02\x00" + bytes(256)
    whole.write_bytes(data + tag + data + b"TAG" + bytes(125))
    ours, _, losses = found(whole)
    assert ours == 2 * one
    assert losses == ()
