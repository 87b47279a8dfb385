"""Compare and print lengths of sound. A module of its own, because every decoder and the comparison share the
tolerance.
"""

from __future__ import annotations

__all__ = ["format_duration", "lengths_differ", "tolerance_ms"]

_MOST_MS, _LEAST_MS = 500.0, 100.0


def tolerance_ms(length_ms: float) -> float:
    """The difference that counts as none for a sound of ``length_ms``: 1 %, at least 100 ms and at most 500 ms."""
    return max(_LEAST_MS, min(_MOST_MS, length_ms / 100))


def lengths_differ(one_ms: float, two_ms: float) -> bool:
    """Whether two lengths in milliseconds differ by more than ``tolerance_ms`` of the longer one."""
    return abs(one_ms - two_ms) > tolerance_ms(max(one_ms, two_ms))


def format_duration(ms: float) -> str:
    """A length or a point in time for a person: ``170 ms``, ``4.2 s``, ``3:17``, ``1:02:03``."""
    if abs(ms) < 1000:
        return f"{ms:.0f} ms"
    if abs(ms) < 60_000:
        return f"{ms / 1000:.1f} s"
    seconds = round(ms / 1000)
    minutes = f"{seconds // 60 % 60:02}" if seconds >= 3600 else str(seconds // 60)
    return (f"{seconds // 3600}:" if seconds >= 3600 else "") + f"{minutes}:{seconds % 60:02}"
