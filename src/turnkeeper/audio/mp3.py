"""Walk the frames of an MP3 file: how many samples there are, and whether the header in front is right. Decodes
nothing.

Frames as in ISO/IEC 11172-3 and 13818-3. The header in front of them is Xing's, with LAME's fields for gapless play.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from turnkeeper.audio.byte_ranges import ByteRange, skip_id3_tags

__all__ = ["UNKNOWN_DELAY", "Mp3", "is_frame", "read_mp3"]

UNKNOWN_DELAY = "MP3 without a gapless header: up to 1105 samples of encoder delay stand in front"
"""The note on a file whose header does not say how much silence the encoder put in front (LAME: 576 samples, and 529
of the decoder).
"""

_SEARCHED = 1 << 20
_ID3_TAIL = 128
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_KBITS = {
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
}


@dataclass(frozen=True)
class _Frame:
    size: int
    samples: int
    rate: int
    channels: int
    side: int


@dataclass
class Mp3:
    """What a walk through the frames found.

    ``frames`` are frames with sound, and ``samples`` their samples per channel. ``declared`` is the number of frames in
    the header in front. ``gapless`` says whether that header also gives the encoder's silence at both ends, ``padding``
    in samples. ``joined`` counts headers further on: files that were put one after another. ``junk`` counts bytes
    among the frames that belong to none, ``around`` those before the first frame and behind the last. ``regions`` are
    the bytes to decode: without ``around``, tags and further headers. ``cut`` says that the last frame is truncated,
    ``changes`` that rate or channels change on the way.
    """

    rate: int = 0
    channels: int = 0
    frames: int = 0
    samples: int = 0
    declared: int | None = None
    gapless: bool = False
    padding: int = 0
    joined: int = 0
    junk: int = 0
    around: int = 0
    regions: list[ByteRange] = field(default_factory=list)
    cut: bool = False
    changes: bool = False

    @property
    def regular(self) -> bool:
        """Whether the header in front is right, so that a decoder that believes it gives everything."""
        return (
            self.gapless and self.declared == self.frames and not (self.joined or self.junk or self.cut or self.changes)
        )


def is_frame(head: bytes) -> bool:
    """Whether four bytes are the header of an MPEG audio frame."""
    return _frame_header(head) is not None


def read_mp3(file: BinaryIO) -> Mp3 | None:
    """Walk from frame to frame, reading the file once. None where there is no frame."""
    found, junk = Mp3(), 0
    for data, place, at, frame in _walk_frames(file):
        if frame is None:
            found.cut = found.cut or data == b"cut"
            junk += place if data == b"junk" else 0
            continue
        header = _xing_header(data, place, frame)
        if not found.rate:
            found.rate, found.channels, found.around = frame.rate, frame.channels, junk
            if header is not None:
                found.declared, found.gapless, found.padding = header
        else:
            found.junk += junk
            found.joined += header is not None
            if header is not None:
                junk = 0
                continue
            # Bytes between frames stay in the range: only what surrounds the sound is removed.
            _extend_ranges(found.regions, at - junk, at)
        _extend_ranges(found.regions, at, at + frame.size)
        junk = 0
        if header is not None:
            continue
        found.frames += 1
        found.samples += frame.samples
        found.changes = found.changes or (frame.rate, frame.channels) != (found.rate, found.channels)
    # The truncated frame is given to the decoder too, which may decode a part of it.
    if found.cut and found.regions:
        _extend_ranges(found.regions, found.regions[-1][1], file.seek(0, 2))
    found.around += junk
    return found if found.rate else None


def _extend_ranges(regions: list[ByteRange], start: int, end: int) -> None:
    if regions and regions[-1][1] == start:
        regions[-1] = (regions[-1][0], end)
    elif end > start:
        regions.append((start, end))


def _walk_frames(file: BinaryIO) -> Iterator[tuple[bytes, int, int, _Frame | None]]:
    """Each frame as ``(data, its offset in data, its offset in the file, frame)``.

    What is not a frame comes as ``(kind, bytes, offset in the file, None)``.
    """
    at, size = skip_id3_tags(file), file.seek(0, 2)
    buffer, base = b"", at
    while at < size:
        # No frame or tag header is longer than 8 KiB, so one buffer always holds the next header whole.
        if at + 8192 > base + len(buffer) and base + len(buffer) < size:
            file.seek(at)
            buffer, base = file.read(_SEARCHED), at
        place = at - base
        frame = _frame_header(buffer[place : place + 4])
        if frame is not None and at + frame.size <= size:
            yield buffer, place, at, frame
            at += frame.size
            continue
        if frame is not None and size - at < frame.size:
            yield b"cut", 0, at, None
            return
        tag = _tag_size(buffer, place, size - at)
        step = tag or _bytes_to_next_frame(buffer, place)
        yield b"tag" if tag else b"junk", step, at, None
        at += step


def _tag_size(data: bytes, at: int, left: int) -> int:
    """The size of a tag: ID3v1 at the end, APE, or ID3v2 between joined files. 0 for anything else."""
    if data[at : at + 3] == b"TAG" and left == _ID3_TAIL:
        return left
    if data[at : at + 8] == b"APETAGEX":
        return 32 + (int.from_bytes(data[at + 12 : at + 16], "little") if data[at + 23 : at + 24] >= b"\x20" else 0)
    if data[at : at + 3] == b"ID3" and len(data) > at + 10:
        return 10 + sum(
            (byte & 0x7F) << shift for byte, shift in zip(data[at + 6 : at + 10], (21, 14, 7, 0), strict=True)
        )
    return 0


def _bytes_to_next_frame(data: bytes, at: int) -> int:
    """Bytes from ``at`` to the next frame that another frame follows, or to the end of ``data``."""
    place = data.find(b"\xff", at + 1)
    while 0 <= place < len(data) - 4:
        frame = _frame_header(data[place : place + 4])
        if frame and (
            place + frame.size + 4 > len(data) or _frame_header(data[place + frame.size : place + frame.size + 4])
        ):
            return place - at
        place = data.find(b"\xff", place + 1)
    return max(1, len(data) - at)


def _frame_header(head: bytes) -> _Frame | None:
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    # Eleven bits of sync, two of version, two of layer; then four of bit rate, two of sample rate, one of padding.
    kbits, rate, pad = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer == 4 or rate == 3 or kbits in (0, 15):
        return None
    hertz, bits = _RATES[version][rate], 1000 * _KBITS[version == 3, layer][kbits]
    mono = head[3] >> 6 == 3
    # Version and layer fix the samples per frame: layer I 384, layers II and III 1,152, layer III of MPEG-2 half of
    # that.
    samples = 384 if layer == 1 else 576 if layer == 3 and version != 3 else 1152
    size = (12 * bits // hertz + pad) * 4 if layer == 1 else samples // 8 * bits // hertz + pad
    # The Xing header stands behind the side information, whose length depends on version and channels.
    side = (17 if mono else 32) if version == 3 else (9 if mono else 17)
    return _Frame(size, samples, hertz, 1 if mono else 2, side)


def _xing_header(data: bytes, place: int, frame: _Frame) -> tuple[int | None, bool, int] | None:
    """The Xing or VBRI header: number of frames, whether the gapless fields are present, samples of padding.

    None for a frame of sound. Layout: frame header, side information, ``Xing`` or ``Info``, flags, frames, bytes, 100
    bytes of seek table, quality, then LAME's tag with 12 bits of delay and 12 bits of padding at byte 21.
    """
    at = place + 4 + frame.side
    if data[at : at + 4] not in (b"Xing", b"Info"):
        # The VBRI header stands 32 bytes behind the frame header, whatever the version and the channels.
        if data[place + 36 : place + 40] != b"VBRI":
            return None
        return int.from_bytes(data[place + 50 : place + 54], "big"), False, 0
    flags = int.from_bytes(data[at + 4 : at + 8], "big")
    frames = int.from_bytes(data[at + 8 : at + 12], "big") if flags & 1 else None
    tag = at + 8 + 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
    # The tag's first nine bytes name the encoder (LAME, Lavc …); without a name the fields are not there.
    gaps = int.from_bytes(data[tag + 21 : tag + 24], "big")
    named = len(data) >= tag + 24 and data[tag : tag + 4].isalnum() and gaps > 0
    return frames, named, (gaps >> 12) + (gaps & 0xFFF) if named else 0
