"""Recordings as the world makes them: each codec whole, and damaged in every way that was seen. Made, never stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.unit.audio.sounds import RATE, Samples, bursts, write_media, write_sound

__all__ = ["CASES", "ENCODERS", "WHOLE", "Case", "make"]

SECONDS = 12.0
HOLE_S = 10
Maker = Callable[[Path], bytes]
Encoder = Callable[[Path, Samples], bytes]


@dataclass(frozen=True)
class Case:
    """One file: a codec, what was done to it, and how it is made."""

    codec: str
    damage: str
    make: Callable[[Path], bytes]

    @property
    def name(self) -> str:
        return f"{self.codec}: {self.damage}"


def _sound(name: str, **how: Any) -> Encoder:
    def encoded(folder: Path, samples: Samples) -> bytes:
        # libsndfile writes whole numbers into a float file as they are; 1.0 is full scale there.
        given = samples / np.float32(32_768) if how.get("subtype") == "FLOAT" else samples
        return write_sound(folder / name, given, **how).read_bytes()

    return encoded


def _media(name: str, codec: str, rate: int, **options: str) -> Encoder:
    return lambda folder, samples: write_media(
        folder / name, samples, codec, out_rate=rate, options=options
    ).read_bytes()


def _vbr(folder: Path, samples: Samples) -> bytes:
    """At a variable rate, without the header that says how long it is."""
    data = _sound("v.mp3", bitrate_mode="VARIABLE", compression_level=0.0)(folder, samples)
    return data[data.find(data[:2], 4) :]


WAV: dict[str, Encoder] = {
    "u-law WAV": _sound("u.wav", subtype="ULAW"),
    "A-law WAV": _sound("l.wav", subtype="ALAW"),
    "PCM 8 WAV": _sound("8.wav", subtype="PCM_U8"),
    "PCM 16 WAV": _sound("16.wav", subtype="PCM_16"),
    "PCM 24 WAV": _sound("24.wav", subtype="PCM_24"),
    "float WAV": _sound("f.wav", subtype="FLOAT"),
    "u-law RIFX": _sound("ub.wav", subtype="ULAW", endian="BIG"),
    "PCM 16 RIFX": _sound("16b.wav", subtype="PCM_16", endian="BIG"),
    "PCM 24 RIFX": _sound("24b.wav", subtype="PCM_24", endian="BIG"),
    "float RIFX": _sound("fb.wav", subtype="FLOAT", endian="BIG"),
}
OGG: dict[str, Encoder] = {
    "Ogg Opus": _sound("o.opus", format="OGG", subtype="OPUS"),
    "Ogg Vorbis": _sound("v.ogg", subtype="VORBIS"),
}
MP3: dict[str, Encoder] = {
    "MP3": _sound("m.mp3"),
    "MP3 without a header": _media("n.mp3", "libmp3lame", RATE, write_xing="0"),
    "MP3, variable, without a header": _vbr,
}
OTHERS: dict[str, Encoder] = {
    "FLAC": _sound("f.flac"),
    "WebM Opus": _media("w.webm", "libopus", 48_000),
    "WebM Opus, live": _media("l.webm", "libopus", 48_000, live="1"),
    "M4A": _media("a.m4a", "aac", RATE),
    "M4A, fragmented": _media("af.mp4", "aac", RATE, movflags="empty_moov+frag_keyframe+default_base_moof"),
    "AAC (ADTS)": _media("a.aac", "aac", RATE),
    "MP3 in WAV": _media("in.wav", "libmp3lame", RATE),
}
ENCODERS: dict[str, Encoder] = WAV | OGG | MP3 | OTHERS
"""How each codec of docs/audio.md is written."""


def _whole(name: str) -> Maker:
    return lambda folder: ENCODERS[name](folder, _loud_first() if ENCODERS[name] is _vbr else bursts(SECONDS))


def _loud_first() -> Samples:
    """Loud for 3 s, then silence: of a file like this, the first frames tell a wrong length."""
    samples = bursts(40)
    samples[:, RATE * 3 :] = 0
    return samples


WHOLE: dict[str, Maker] = {name: _whole(name) for name in ENCODERS}


def _cut(maker: Maker) -> Maker:
    return lambda folder: (data := maker(folder))[: len(data) // 2]


def _joined(maker: Maker) -> Maker:
    return lambda folder: maker(folder) * 2


def _tagged(maker: Maker) -> Maker:
    return lambda folder: b"ID3\x04\x00\x00\x00\x00\x02\x00" + bytes(256) + maker(folder)


def _chained(first: Maker, second: Maker) -> Maker:
    return lambda folder: first(folder) + second(folder)


def _sized(maker: Maker, size: int) -> Maker:
    """The sizes of RIFF and of ``data`` as a recorder that did not finish, or a stream, leaves them."""

    def made(folder: Path) -> bytes:
        data = bytearray(maker(folder))
        order: Any = "big" if data[:4] == b"RIFX" else "little"
        at = data.find(b"data") + 4
        data[at : at + 4] = size.to_bytes(4, order)
        data[4:8] = min(size + 36, 0xFFFFFFFF).to_bytes(4, order)
        return bytes(data)

    return made


def _two_chunks(maker: Maker) -> Maker:
    def made(folder: Path) -> bytes:
        data = maker(folder)
        order: Any = "big" if data[:4] == b"RIFX" else "little"
        at = data.find(b"data") + 4
        size = int.from_bytes(data[at : at + 4], order)
        half = size // 48 * 24
        first = data[: at - 4] + b"data" + half.to_bytes(4, order) + data[at + 4 : at + 4 + half]
        rest = data[at + 4 + half : at + 4 + size]
        return first + b"data" + len(rest).to_bytes(4, order) + rest

    return made


def _without_middle(maker: Maker) -> Maker:
    """Some whole pages of an Ogg file are gone, as where an upload lost a piece."""

    def made(folder: Path) -> bytes:
        data = maker(folder)
        pages = [at for at in range(len(data)) if data.startswith(b"OggS", at)]
        return data[: pages[len(pages) // 2]] + data[pages[len(pages) // 2 + 3] :]

    return made


def _holed(name: str, maker: Maker, container: str) -> Maker:
    """Everything behind the middle is stamped 10 s later: the recorder was held up."""

    def made(folder: Path) -> bytes:
        source = folder / f"whole-{name}"
        source.write_bytes(maker(folder))
        with av.open(str(source)) as read, av.open(str(folder / name), "w", format=container) as written:
            track = read.streams.audio[0]
            out: Any = written.add_stream_from_template(track)
            for packet in read.demux(track):
                if packet.dts is None:
                    continue
                if packet.pts * packet.time_base >= SECONDS / 2:
                    packet.pts += round(HOLE_S / Fraction(packet.time_base))
                    packet.dts = packet.pts
                packet.stream = out
                written.mux(packet)
        return (folder / name).read_bytes()

    return made


def _flipped(maker: Maker) -> Maker:
    def made(folder: Path) -> bytes:
        data, random = bytearray(maker(folder)), np.random.default_rng(5)
        for at in random.integers(len(data) // 4, len(data), 12):
            data[at] ^= 1 << int(random.integers(8))
        return bytes(data)

    return made


def _at_16_khz(folder: Path) -> bytes:
    return _sound("16.opus", format="OGG", subtype="OPUS", rate=16_000)(folder, bursts(SECONDS))


SIZES = (0, 0x7FFFFFFF, 0x7FFFF000, 0xFFFFFFFF, 0xFFFFFFFF - 36)

CASES: tuple[Case, ...] = (
    *(Case(name, "whole", maker) for name, maker in WHOLE.items()),
    *(Case(name, "cut in half", _cut(maker)) for name, maker in WHOLE.items()),
    *(Case(name, "joined to itself", _joined(maker)) for name, maker in WHOLE.items() if name not in OGG),
    *(Case(name, "12 bits turned over", _flipped(maker)) for name, maker in WHOLE.items()),
    *(Case(name, f"sizes {size:#x}", _sized(WHOLE[name], size)) for name in WAV for size in SIZES),
    *(Case(name, "two data chunks", _two_chunks(WHOLE[name])) for name in WAV),
    *(Case(name, "ID3 in front", _tagged(WHOLE[name])) for name in [*WAV, *MP3, "FLAC"]),
    *(Case(name, "chained", _joined(WHOLE[name])) for name in OGG),
    *(Case(name, "pages lost", _without_middle(WHOLE[name])) for name in OGG),
    Case("Ogg Opus", "chained with Vorbis", _chained(WHOLE["Ogg Opus"], WHOLE["Ogg Vorbis"])),
    Case(
        "Ogg Opus",
        "chained, 16 kHz behind 8",
        _chained(WHOLE["Ogg Opus"], _at_16_khz),
    ),
    Case("WebM Opus", "hole of 10 s", _holed("h.webm", WHOLE["WebM Opus"], "webm")),
    Case("M4A", "hole of 10 s", _holed("h.m4a", WHOLE["M4A"], "mp4")),
)


def make(case: Case, folder: Path) -> Path:
    """Write the file; its name tells nothing of what is in it."""
    path = folder / "recording.bin"
    path.write_bytes(case.make(folder))
    return path
