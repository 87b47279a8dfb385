"""Memory of long runs: by default glibc gives each thread a heap of its own, and none of them is ever given back."""

from __future__ import annotations

import contextlib
import ctypes

__all__ = ["few_arenas"]

_M_ARENA_MAX = -8
_ENOUGH = 2


def few_arenas() -> None:
    """Let all threads share two heaps: a dozen grow by some twenty megabytes in the first ten thousand conversations.

    It is for a whole process to decide, so the library leaves it alone (``MALLOC_ARENA_MAX=2`` does the same for its
    callers). Nothing happens where the C library knows no such thing.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ENOUGH)
