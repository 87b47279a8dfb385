"""Find out whether a WebM or MP4 file was truncated: how many bytes it declares that are not there. Decodes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

__all__ = ["has_second_mp4", "mp4_missing_bytes", "webm_missing_bytes"]

_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
# Bounds the walk through a damaged file whose sizes are tiny.
_MOST = 1 << 20


def webm_missing_bytes(file: BinaryIO, at: int = 0) -> int:
    """Bytes missing at the end of a Matroska file that begins at ``at`` (EBML, RFC 8794: identifiers and sizes).

    A live recording has segments and clusters of unknown size. The walk goes through their elements instead.
    """
    end = file.seek(0, 2)
    for _ in range(_MOST):
        if at >= end:
            return 0
        file.seek(at)
        data = file.read(16)
        name, after = _ebml_number(data, 0, marked=True)
        size, body = _ebml_number(data, after, marked=False)
        # An element without a whole header: something is missing, and nothing says how much.
        if name is None or body > len(data):
            return 1
        if size is None and name in (_SEGMENT, _CLUSTER):
            at += body
            continue
        if size is None:
            return 0
        if name == _SEGMENT or at + body + size > end:
            return max(0, at + body + size - end)
        at += body + size
    return 0


def _ebml_number(data: bytes, at: int, *, marked: bool) -> tuple[int | None, int]:
    """A number of variable length, and the offset behind it.

    An identifier keeps its length marker. A size of all ones is unknown.
    """
    if at >= len(data) or not data[at]:
        return (None if marked else 0), at + 1
    # The number of leading zero bits of the first byte gives the length in bytes.
    length = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + length], "big")
    if marked:
        return value, at + length
    value &= (1 << 7 * length) - 1
    return (None if value == (1 << 7 * length) - 1 else value), at + length


def mp4_missing_bytes(file: BinaryIO, at: int = 0) -> int:
    """Bytes missing at the end of an MP4 file that begins at ``at`` (ISO/IEC 14496-12, section 4.2: boxes)."""
    end = file.seek(0, 2)
    return next((start + size - end for _, start, size in _outer_boxes(file, at, end) if start + size > end), 0)


def has_second_mp4(file: BinaryIO, at: int = 0) -> bool:
    """Whether another MP4 file follows the one that begins at ``at``."""
    names = [name for name, _, _ in _outer_boxes(file, at, file.seek(0, 2))]
    return b"ftyp" in names[1:] and names.count(b"moov") > 1


def _outer_boxes(file: BinaryIO, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, offset and size of the outer boxes. The walk ends at the first thing that is not a box."""
    for _ in range(_MOST):
        if at >= end:
            return
        file.seek(at)
        head = file.read(16)
        size = int.from_bytes(head[:4], "big")
        # A size of 1 means that the real one follows the name, in 64 bits.
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        if size == 0:
            return  # to the end of the file
        yield head[4:8], at, size if len(head) >= 8 and size >= 8 else end - at + 1
        if size < 8:
            return
        at += size
