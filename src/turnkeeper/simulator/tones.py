"""Telephone audio with tones: u-law WAV made row by row while it is read, and conversions of it.

A row is 20 ms of two channels, with a tone while that side talks and faint noise otherwise.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from functools import cache

from turnkeeper.simulator.bodies import RowsBody

RATE = 8_000
ROW_MS = 20
_FRAMES = RATE * ROW_MS // 1000
_ULAW, _PCM = 7, 1
_QUIET = (0xFF, 0x7F, 0xFE, 0x7F, 0xFF, 0xFE)

Spans = Sequence[tuple[int, int]]


def stereo(duration_ms: int, left: Spans, right: Spans) -> RowsBody:
    """A two-channel u-law WAV of about that length (whole rows), each side sounding in its spans (ms)."""
    count = max(1, -(-duration_ms // ROW_MS))
    sounding = (_rows_of(left, count), _rows_of(right, count))

    def row(number: int) -> bytes:
        return _stereo_row(sounding[0][number], sounding[1][number])

    return RowsBody(wav_header(count * _FRAMES * 2, channels=2), row, count, b"")


def wav_header(size: int, *, channels: int, rate: int = RATE, bits: int = 8, tag: int = _ULAW) -> bytes:
    """A RIFF header for so many bytes of samples."""
    frame = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits)
    if tag != _PCM:
        form += struct.pack("<H", 0)
        form = form + b"fact" + struct.pack("<II", 4, size // frame)
    length = len(form) - (12 if tag != _PCM else 0)
    return (
        b"RIFF"
        + struct.pack("<I", 4 + 8 + len(form) + 8 + size)
        + b"WAVEfmt "
        + struct.pack("<I", length)
        + form
        + b"data"
        + struct.pack("<I", size)
    )


def samples_of(wav: bytes) -> tuple[int, bytes] | None:
    """Channels and sample bytes of a u-law WAV; None where it is anything else."""
    if wav[:4] != b"RIFF" or wav[8:12] != b"WAVE":
        return None
    at, channels = 12, 0
    while at + 8 <= len(wav):
        name, size = wav[at : at + 4], struct.unpack_from("<I", wav, at + 4)[0]
        if name == b"fmt ":
            tag, channels = struct.unpack_from("<HH", wav, at + 8)
            if tag != _ULAW:
                return None
        if name == b"data":
            return channels, wav[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    return None


def to_pcm(wav: bytes) -> bytes | None:
    """A u-law WAV as 16-bit PCM, which loses nothing; None where it is no u-law WAV."""
    found = samples_of(wav)
    if found is None:
        return None
    channels, samples = found
    decoded = b"".join(map(_ulaw_table().__getitem__, samples))
    return wav_header(len(decoded), channels=channels, bits=16, tag=_PCM) + decoded


def _rows_of(spans: Spans, count: int) -> bytes:
    flags = bytearray(count)
    for start, end in spans:
        first = min(count, max(0, start // ROW_MS))
        last = max(first, min(count, -(-end // ROW_MS)))
        flags[first:last] = b"\x01" * (last - first)
    return bytes(flags)


@cache
def _stereo_row(left: int, right: int) -> bytes:
    row = bytearray(2 * _FRAMES)
    row[0::2] = _tone((200, 600, 1400)) if left else _noise(0)
    row[1::2] = _tone((400, 1000, 1800)) if right else _noise(3)
    return bytes(row)


def _tone(tones: Iterable[int]) -> bytes:
    # Multiples of 50 Hz have whole periods in a row, so that rows join without a click.
    angles = [[2 * math.pi * tone * n / RATE for tone in tones] for n in range(_FRAMES)]
    return bytes(_pcm_to_ulaw(round(2500 * sum(map(math.sin, at)))) for at in angles)


def _noise(turn: int) -> bytes:
    return bytes(_QUIET[(n * 7 + turn + n // 5) % len(_QUIET)] for n in range(_FRAMES))


def _pcm_to_ulaw(sample: int) -> int:
    """G.711: a 16-bit sample as one byte."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), 32_635) + 132
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | (magnitude >> (exponent + 3)) & 0x0F) & 0xFF


@cache
def _ulaw_table() -> list[bytes]:
    return [struct.pack("<h", _ulaw_to_pcm(code)) for code in range(256)]


def _ulaw_to_pcm(code: int) -> int:
    code = ~code & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 132) << ((code & 0x70) >> 4)) - 132
    return -magnitude if code & 0x80 else magnitude
