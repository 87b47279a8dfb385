"""Peaks against a slow reading of the format's description, in plain Python."""

from __future__ import annotations

import io
import json
import struct
from itertools import pairwise
from math import trunc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.audio.sounds import bursts, write_sound
from turnkeeper.audio.peaks import ZOOMS, build_peaks
from turnkeeper.calls.align import write_peaks
from turnkeeper.errors import Misconfigured

Frames = list[tuple[int, ...]]


def slow_peaks(frames: Frames, zoom: int, *, mono: bool) -> list[int]:
    """min, max per channel per pixel, one sample at a time."""
    if mono:
        frames = [(trunc(sum(frame) / len(frame)),) for frame in frames]
    numbers: list[int] = []
    for at in range(0, len(frames), zoom):
        for channel in zip(*frames[at : at + zoom], strict=True):
            numbers += [min(channel), max(channel)]
    return numbers


def slow_dat(frames: Frames, rate: int, zoom: int, bits: int, *, mono: bool) -> bytes:
    """The file, field by field: int32 version, uint32 flags, int32 rate, int32 zoom, uint32 length, int32 channels."""
    numbers = slow_peaks(frames, zoom, mono=mono)
    channels = 1 if mono else len(frames[0])
    data = struct.pack("<i", 2) + struct.pack("<I", 1 if bits == 8 else 0) + struct.pack("<i", rate)
    data += struct.pack("<i", zoom) + struct.pack("<I", len(numbers) // 2 // channels) + struct.pack("<i", channels)
    for number in numbers:
        data += struct.pack("<b", trunc(number / 256)) if bits == 8 else struct.pack("<h", number)
    return data


samples = st.integers(-32_768, 32_767) | st.sampled_from([-32_768, -256, -255, -1, 0, 1, 255, 256, 32_767])


@st.composite
def recordings(draw: st.DrawFn) -> tuple[Frames, list[int]]:
    """Up to 90 frames of 1 to 3 channels, and where the blocks end."""
    channels = draw(st.integers(1, 3))
    frames = draw(st.lists(st.tuples(*[samples] * channels), min_size=1, max_size=90))
    marks = draw(st.lists(st.integers(0, len(frames)), max_size=5))
    return frames, [0, *sorted(marks), len(frames)]


@settings(deadline=None)
@given(recordings(), st.lists(st.integers(2, 40), min_size=1, max_size=4), st.sampled_from([8, 16]), st.booleans())
def test_the_bytes_are_those_of_the_format(
    recording: tuple[Frames, list[int]], zooms: list[int], bits: int, mono: bool
) -> None:
    frames, marks = recording
    array = np.array(frames, np.int16).T
    blocks = [np.ascontiguousarray(array[:, a:b]) for a, b in pairwise(marks) if a < b]
    with build_peaks(blocks, 8_000, len(array), zooms=zooms, mono=mono) as peaks:
        assert peaks.zooms == tuple(sorted(set(zooms)))
        for zoom in [*zooms, zooms[0] * 3]:
            out, text = io.BytesIO(), io.BytesIO()
            peaks.write_dat(out, zoom, bits)
            assert out.getvalue() == slow_dat(frames, 8_000, zoom, bits, mono=mono)
            peaks.write_json(text, zoom, bits)
            numbers = [trunc(number / 256) if bits == 8 else number for number in slow_peaks(frames, zoom, mono=mono)]
            channels = 1 if mono else len(array)
            wanted = {"version": 2, "channels": channels, "sample_rate": 8_000, "samples_per_pixel": zoom, "bits": bits}
            assert (
                text.getvalue()
                == json.dumps(
                    wanted | {"length": len(numbers) // 2 // channels, "data": numbers}, separators=(",", ":")
                ).encode()
                + b"\n"
            )


@pytest.mark.parametrize("zoom", [64, 256, 333, 1024, 16_384])
def test_long_recordings_go_through_every_way_of_reducing(zoom: int) -> None:
    array = np.random.default_rng(1).integers(-32_768, 32_767, (2, 200_001)).astype(np.int16)
    blocks = [np.ascontiguousarray(array[:, at : at + 65_536]) for at in range(0, array.shape[1], 65_536)]
    with build_peaks(blocks, 8_000, 2, zooms=[*ZOOMS, 333]) as peaks:
        found = np.concatenate(list(peaks.pixels(zoom)))
    starts = range(0, array.shape[1], zoom)
    assert np.array_equal(found[:, :, 0], [array[:, at : at + zoom].min(1) for at in starts])
    assert np.array_equal(found[:, :, 1], [array[:, at : at + zoom].max(1) for at in starts])


FORMATS = {
    "pcm.wav": {"subtype": "PCM_16"},
    "ulaw.wav": {"subtype": "ULAW"},
    "alaw.wav": {"subtype": "ALAW"},
    "call.flac": {},
    "call.ogg": {"format": "OGG", "subtype": "VORBIS"},
    "call.opus": {"format": "OGG", "subtype": "OPUS"},
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("zoom", "bits", "mono"), [(64, 8, False), (256, 16, False), (333, 8, True)])
def test_a_files_peaks_are_those_of_the_samples_that_libsndfile_reads(
    name: str, zoom: int, bits: int, mono: bool, tmp_path: Path
) -> None:
    """audiowaveform asks libsndfile for 16-bit samples, whatever the format: so are these, one at a time."""
    path = write_sound(tmp_path / name, bursts(2)[:, :15_001], **FORMATS[name])
    samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    frames = [tuple(map(int, frame)) for frame in samples]
    write_peaks(path, tmp_path / "out.dat", samples_per_pixel=zoom, bits=bits, mono=mono)  # type: ignore[arg-type]
    assert (tmp_path / "out.dat").read_bytes() == slow_dat(frames, rate, zoom, bits, mono=mono)


def test_a_zoom_that_nothing_divides_is_refused() -> None:
    with build_peaks([np.zeros((1, 10), np.int16)], 8_000, 1, zooms=[4]) as peaks, pytest.raises(Misconfigured):
        list(peaks.pixels(6))
    with pytest.raises(Misconfigured, match="2 or more"):
        build_peaks([], 8_000, 1, zooms=[1])


def test_peaks_of_nothing_are_empty() -> None:
    out = io.BytesIO()
    with build_peaks([], 8_000, 2) as peaks:
        peaks.write_dat(out, 256, 8)
    assert out.getvalue() == struct.pack("<iIiiIi", 2, 1, 8_000, 256, 0, 2)
