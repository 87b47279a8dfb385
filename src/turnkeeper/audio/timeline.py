"""Milliseconds to samples, exactly. Pure integers; knows no file and no decoder."""

from __future__ import annotations

from turnkeeper.errors import Misconfigured
from turnkeeper.model import Span

__all__ = ["sample", "span"]


def sample(ms: int, rate: int) -> int:
    """The sample index of a millisecond at ``rate`` Hz: ``(ms * rate + 500) // 1000``, that is half-up, never a float.

    Both boundaries of a turn are mapped from absolute milliseconds, so adjacent turns share their boundary sample.
    """
    return (ms * rate + 500) // 1000


def span(start_ms: int, end_ms: int, rate: int, *, length: int | None = None) -> Span:
    """The samples ``[start, end)`` of a stretch of time, clamped to ``[0, length)`` with flags, never dropped.

    ``length`` is the recording's sample count; None leaves the far edge open. Raises ``Misconfigured`` for a rate
    below 1 Hz.
    """
    if rate < 1:
        raise Misconfigured(f"a sample rate of {rate} Hz", operation="map to samples", hint="Give 1 Hz or more.")
    start, end = sample(start_ms, rate), sample(end_ms, rate)
    last = max(start, end, 0) if length is None else length
    low, high = min(max(start, 0), last), min(max(end, 0), last)
    outside = (end <= 0 and start < 0) or (length is not None and start >= last)
    return Span(low, max(low, high), clipped_start=low != start, clipped_end=high != end, outside=outside)
