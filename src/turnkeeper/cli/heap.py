"""Memory of long runs: glibc by itself keeps more and more of what was needed for a moment."""

from __future__ import annotations

import contextlib
import ctypes

__all__ = ["lean_heap"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_LARGE = 128 << 10
_ENOUGH = 2


def lean_heap() -> None:
    """Let all threads share two heaps, and give large pieces back at once.

    By default each of a dozen threads has a heap of its own, and a piece as large as one that was freed before comes
    from a heap, which it leaves in fragments: some ten megabytes in the first ten thousand conversations, some twenty
    in fifty thousand. It is for a whole process to decide, so the library leaves it alone (callers may set
    ``MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=131072 MALLOC_TRIM_THRESHOLD_=131072``). Nothing happens where the C
    library knows no such thing.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_ARENA_MAX, _ENOUGH)
        mallopt(_MMAP_THRESHOLD, _LARGE)
        mallopt(_TRIM_THRESHOLD, _LARGE)
