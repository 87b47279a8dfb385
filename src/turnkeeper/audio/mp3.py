"""Whether an MP3 says how much silence its encoder put in front. Decodes nothing."""

from __future__ import annotations

from typing import BinaryIO

__all__ = ["encoder_delay_known"]

_ID3, _SYNC_BYTES = 10, 4
_LOOKED_AT = 1 << 16


def encoder_delay_known(file: BinaryIO) -> bool:
    """Whether the first frame is a Xing/Info header with LAME's gapless fields, so that decoders drop the padding.

    Without it up to 1105 samples of encoder delay (528 + 1 decoder, 576 LAME) stand in front of what was recorded, and
    nothing in the file tells how many. Layout: MPEG audio frame header, side information, ``Xing`` or ``Info``, flags,
    frames, bytes, 100 bytes of seek table, quality, then LAME's tag with 12 bits of delay at its 21st byte.
    """
    file.seek(0)
    head = file.read(_ID3)
    at = 0
    if head[:3] == b"ID3" and len(head) == _ID3:
        # The size of an ID3v2 tag is written in four bytes of seven bits.
        at = _ID3 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    file.seek(at)
    data = file.read(_LOOKED_AT)
    frame = _first_frame(data)
    if frame is None:
        return False
    return _has_delay(data, frame + _SYNC_BYTES + _side_information(data[frame + 1], data[frame + 3]))


def _first_frame(data: bytes) -> int | None:
    at = data.find(b"\xff")
    while 0 <= at < len(data) - 40:
        if data[at + 1] & 0xE0 == 0xE0 and data[at + 2] & 0xF0 != 0xF0:
            return at
        at = data.find(b"\xff", at + 1)
    return None


def _side_information(version: int, mode: int) -> int:
    """Bytes of side information: by MPEG version (bit 3) and by mono or not (mode 3)."""
    mono = mode >> 6 == 3
    if version & 0x08:
        return 17 if mono else 32
    return 9 if mono else 17


def _has_delay(data: bytes, at: int) -> bool:
    if data[at : at + 4] not in (b"Xing", b"Info"):
        return False
    flags = int.from_bytes(data[at + 4 : at + 8], "big")
    tag = at + 8 + 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
    # The tag's first nine bytes name the encoder (LAME, Lavc …); without a name the fields are not there.
    return len(data) >= tag + 24 and data[tag : tag + 4].isalnum() and any(data[tag + 21 : tag + 24])
