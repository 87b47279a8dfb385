"""Read the headers of FLAC streams: how long each says it is, and at which sample its last frame ends. Decodes
nothing.

Stream information and frame headers as in RFC 9639, sections 8.2 and 9.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

from turnkeeper.audio.byte_ranges import ByteRange, skip_id3_tags

__all__ = ["FlacStream", "read_flac"]

_MARK = b"fLaC\x00\x00\x00\x22"
# The largest FLAC frame that recorders write is far below 1 MiB, so the last frame begins within the last MiB.
_SEARCHED = 1 << 20
# Sync 2, codes 2, number up to 7, block size up to 2, rate up to 2 and CRC 1: 16 bytes.
_LONGEST_HEADER = 16
_BLOCKS = {1: 192, **{code: 144 << code for code in range(2, 6)}, **{code: 1 << code for code in range(8, 16)}}
_MORE_BYTES_OF_RATE = {12: 1, 13: 2, 14: 2}


@dataclass(frozen=True)
class FlacStream:
    """One stream of a file.

    ``region`` is its byte range, ``rate`` in Hz. ``declared`` is the number of samples per channel in its header, None
    where it is unknown. ``actual`` is the number up to the end of its last frame, None where no frame is found.
    """

    region: ByteRange
    rate: int
    declared: int | None
    actual: int | None

    @property
    def declared_s(self) -> float | None:
        """Seconds according to the header."""
        return self.declared / self.rate if self.declared and self.rate else None

    @property
    def actual_s(self) -> float | None:
        """Seconds according to the header or to the frames, whichever is more."""
        return (
            max(self.declared or 0, self.actual or 0) / self.rate
            if self.rate and (self.declared or self.actual)
            else None
        )


def read_flac(file: BinaryIO) -> tuple[FlacStream, ...]:
    """The streams of a file, which may follow one another.

    Each begins with ``fLaC`` and a block of stream information.
    """
    size = file.seek(0, 2)
    return tuple(_read_stream(file, region) for region in pairwise([*_stream_starts(file), size]))


def _stream_starts(file: BinaryIO) -> list[int]:
    at, tail = skip_id3_tags(file), b""
    found, place = [at], at
    file.seek(at)
    while data := file.read(_SEARCHED):
        # A mark may lie across two reads, so the last bytes of the read before are searched again.
        both = tail + data
        seen = both.find(_MARK)
        while seen >= 0:
            begins = place - len(tail) + seen
            if begins > found[-1]:
                found.append(begins)
            seen = both.find(_MARK, seen + 1)
        place, tail = place + len(data), both[-len(_MARK) + 1 :]
    return found


def _read_stream(file: BinaryIO, region: ByteRange) -> FlacStream:
    """Stream information packs 20 bits of rate, 8 of channels and depth, and 36 of samples. 0 samples means unknown."""
    file.seek(region[0] + 8)
    block = int.from_bytes(file.read(4)[2:], "big")
    file.seek(region[0] + 18)
    packed = int.from_bytes(file.read(8), "big")
    start = max(region[0], region[1] - _SEARCHED)
    file.seek(start)
    last_sample = _last_sample(file.read(region[1] - start), block)
    return FlacStream(region, packed >> 44, (packed & (1 << 36) - 1) or None, last_sample)


def _last_sample(data: bytes, block: int) -> int | None:
    """The sample at which the last frame ends.

    Bytes within a frame can look like a frame header. A candidate counts only if the one before it ends exactly where
    it begins.
    """
    later: list[tuple[int, int]] = []
    for first, count in _frames_backwards(data, block):
        # Two headers that agree about one sample number do not come about by chance.
        for begins, ends in later:
            if first + count == begins:
                return ends
        if first == 0:
            return count
        later.append((first, first + count))
    return None


def _frames_backwards(data: bytes, block: int) -> Iterator[tuple[int, int]]:
    """The first sample of each frame and its number of samples, from the end of ``data``.

    In streams of a fixed block size every frame but the last has ``block`` samples.
    """
    at = data.rfind(b"\xff")
    while at >= 0:
        found = _frame_header(data[at : at + _LONGEST_HEADER], block)
        if found is not None:
            yield found
        at = data.rfind(b"\xff", 0, at)


def _frame_header(head: bytes, block: int) -> tuple[int, int] | None:
    """A frame's first sample and number of samples; None where the bytes are not a frame header.

    In order: sync code and blocking strategy; codes of block size and rate; channels and depth; the coded number; the
    sizes that the codes announce; a CRC-8.
    """
    # Reserved values are refused first: they rule out most of the accidental sync codes without a CRC.
    if len(head) < 6 or head[1] & 0xFE != 0xF8 or head[3] & 1 or head[2] >> 4 == 0 or head[2] & 15 == 15:
        return None
    ones = 8 - (head[4] ^ 0xFF).bit_length()
    if ones == 1 or ones > 7:
        return None
    # The number is coded like UTF-8, extended to seven bytes.
    number, at = head[4] & (0x7F >> ones), 5
    for byte in head[5 : 4 + ones]:
        number, at = number << 6 | byte & 0x3F, at + 1
    code = head[2] >> 4
    more = {6: 1, 7: 2}.get(code, 0)
    count = int.from_bytes(head[at : at + more], "big") + 1 if more else _BLOCKS[code]
    at += more + _MORE_BYTES_OF_RATE.get(head[2] & 15, 0)
    if len(head) <= at or _crc8(head[:at]) != head[at]:
        return None
    return number if head[1] & 1 else number * block, count


def _crc8(data: bytes) -> int:
    """CRC-8 with the polynomial x^8 + x^2 + x + 1 (RFC 9639, section 9.1.8)."""
    found = 0
    for byte in data:
        found ^= byte
        for _ in range(8):
            found = (found << 1 ^ (0x07 if found & 0x80 else 0)) & 0xFF
    return found
