"""Texts that end where memory ends: whoever reads one byte too many ends the process."""

from __future__ import annotations

import ctypes
import mmap

__all__ = ["Edge"]

_NOTHING = 0
"""What ``mprotect`` calls neither to be read nor to be written."""


class Edge:
    """Some pages with a forbidden one behind them. Gives a text as a view of their last bytes, until the next text."""

    def __init__(self, room: int = 16) -> None:
        self._size = room * mmap.PAGESIZE
        self._area = mmap.mmap(-1, self._size + mmap.PAGESIZE)
        behind = ctypes.addressof(ctypes.c_char.from_buffer(self._area)) + self._size
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        assert protect(ctypes.c_void_p(behind), ctypes.c_size_t(mmap.PAGESIZE), _NOTHING) == 0, ctypes.get_errno()

    def __call__(self, raw: bytes) -> memoryview:
        start = self._size - len(raw)
        self._area[start : self._size] = raw
        return memoryview(self._area)[start : self._size]
