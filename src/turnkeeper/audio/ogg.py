"""Whether an Ogg file ends where its writer ended it. Decodes nothing."""

from __future__ import annotations

from typing import BinaryIO

__all__ = ["ends_properly"]

_LARGEST_PAGE = 27 + 255 + 255 * 255
_LAST_PAGE = 0x04


def ends_properly(file: BinaryIO) -> bool:
    """Whether the last page is whole and carries the end-of-stream flag (RFC 3533, section 6)."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _LARGEST_PAGE))
    tail = file.read(_LARGEST_PAGE)
    at = tail.rfind(b"OggS")
    if at < 0 or len(tail) < at + 27:
        return False
    segments = tail[at + 27 : at + 27 + tail[at + 26]]
    return bool(tail[at + 5] & _LAST_PAGE) and at + 27 + tail[at + 26] + sum(segments) <= len(tail)
