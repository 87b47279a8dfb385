"""Map milliseconds to samples exactly, in integers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from turnkeeper.errors import Misconfigured
from turnkeeper.model import Span

__all__ = ["Segment", "Timeline", "sample", "span"]

_PPB = 10**9
_SECOND = 10**15  # one second in the unit of all arithmetic here: a microsecond times one part per billion


def sample(ms: int, rate: int) -> int:
    """The sample index of a millisecond at ``rate`` Hz: ``(ms * rate + 500) // 1000``, that is half up, never a
    float.

    Both boundaries of a turn are mapped from absolute milliseconds, so adjacent turns share their boundary sample.
    """
    return (ms * rate + 500) // 1000


def span(start_ms: int, end_ms: int, rate: int, *, length: int | None = None) -> Span:
    """The samples ``[start, end)`` of a stretch of time, clamped to ``[0, length)`` with flags, never dropped.

    ``length`` is the recording's number of samples; None leaves the far edge open. Raises ``Misconfigured`` for a rate
    below 1 Hz.
    """
    _check_rate(rate)
    return _clamped_span(sample(start_ms, rate), sample(end_ms, rate), length)


@dataclass(frozen=True)
class Segment:
    """A stretch without a cut: conversation time ``[start_ms, end_ms)`` is samples ``[start_sample, end_sample)``."""

    start_ms: int
    end_ms: int
    start_sample: int
    end_sample: int


@dataclass(frozen=True)
class Timeline:
    """The exact map from a conversation's milliseconds to the samples of one recording, and back.

    ``rate`` is in Hz. ``frames`` is the recording's length in samples. ``start_ms`` is the conversation time of its
    first sample according to the platform, and may be negative. ``cuts`` are stretches ``[start_ms, end_ms)`` of
    conversation time that were taken out of the audio (a secure pause); they are sorted, and joined where they touch.

    The time since ``start_ms`` without the cuts before it is *nominal* audio time. A measured correction is added:
    ``audio = nominal + offset_us + nominal * drift_ppb / 1e9``. The result is rounded once, half up, to a sample.
    Raises ``Misconfigured`` for a rate below 1 Hz, a drift that reverses time, or a cut that ends before it starts.
    """

    rate: int
    frames: int
    start_ms: int = 0
    cuts: tuple[tuple[int, int], ...] = ()
    offset_us: int = 0
    drift_ppb: int = 0

    def __post_init__(self) -> None:
        _check_rate(self.rate)
        if self.drift_ppb <= -_PPB:
            raise Misconfigured(f"a drift of {self.drift_ppb} ppb turns time back", operation="map to samples")
        object.__setattr__(self, "cuts", tuple(_joined_cuts(self.cuts, self.start_ms)))

    def nominal(self, ms: int) -> int:
        """Nominal audio milliseconds of a moment, without correction. A moment inside a cut is where the cut is."""
        return ms - self.start_ms - sum(min(ms, end) - start for start, end in self.cuts if start < ms)

    def sample(self, ms: int) -> int:
        """The sample of a moment of the conversation, not clamped to the recording."""
        # Half up without a float: floor(x / s + 1 / 2) is (2 * x + s) // (2 * s). Nothing is rounded before that.
        scaled = self.nominal(ms) * 1000 * (_PPB + self.drift_ppb) + self.offset_us * _PPB
        return (2 * scaled * self.rate + _SECOND) // (2 * _SECOND)

    def moment(self, sample: int) -> int:
        """The conversation millisecond of a sample, half up. Where audio was cut out, the moment behind the cut.

        Within the recording and away from cuts ``moment(sample(ms)) == ms`` at every rate that is used for speech.
        """
        scale = self.rate * 1000 * (_PPB + self.drift_ppb)
        ms = (2 * (sample * _SECOND - self.offset_us * _PPB * self.rate) + scale) // (2 * scale) + self.start_ms
        for start, end in self.cuts:
            # Cuts are in order, so ``ms`` grows while it passes each of them.
            if ms >= start:
                ms += end - start
        return ms

    def spans(self, start_ms: int, end_ms: int) -> tuple[Span, ...]:
        """The samples of a turn: one span, or one for each side of a cut that it crosses; never none.

        Spans are clamped to the recording. ``clipped_start`` of the first and ``clipped_end`` of the last say that the
        turn begins or ends where there is no audio (beyond an edge, inside a cut). ``outside`` says that it has no
        audio at all.
        """
        parts = list(self._uncut_parts(start_ms, end_ms))
        if not parts:
            return (self._outside_span(start_ms),)
        found = [_clamped_span(self.sample(start), self.sample(end), self.frames) for start, end in parts]
        # An empty part at a cut's edge is left out, unless the whole turn is empty.
        whole = [span for span in found if span.end > span.start] or found[:1]
        first, last = found[0], found[-1]
        outside = first.outside if len(found) == 1 else all(span.outside for span in found)
        at_start = parts[0][0] > start_ms or first.clipped_start or whole[0] is not first
        at_end = parts[-1][1] < end_ms or last.clipped_end or whole[-1] is not last
        return tuple(
            Span(span.start, span.end, at_start and span is whole[0], at_end and span is whole[-1], outside)
            for span in whole
        )

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The recording as stretches without a cut, in order. Their samples cover ``[0, frames)`` without gaps."""
        start, end = self.moment(0), self.moment(self.frames)
        found = (
            Segment(begin, finish, min(max(self.sample(begin), 0), self.frames), min(self.sample(finish), self.frames))
            for begin, finish in self._uncut_parts(start, max(start, end))
        )
        segments = [segment for segment in found if segment.end_sample > segment.start_sample]
        if segments:  # the edges were rounded to milliseconds; the samples at them are the recording's own
            segments[0] = Segment(segments[0].start_ms, segments[0].end_ms, 0, segments[0].end_sample)
            segments[-1] = Segment(segments[-1].start_ms, segments[-1].end_ms, segments[-1].start_sample, self.frames)
        return tuple(segments)

    def _uncut_parts(self, start_ms: int, end_ms: int) -> Iterator[tuple[int, int]]:
        """The parts of a stretch that were not cut out.

        An empty stretch is one empty part, unless it is inside a cut.
        """
        at = start_ms
        for start, end in self.cuts:
            if end <= at:
                continue
            if start >= end_ms:
                break
            if start > at:
                yield at, start
            at = end
        if at < end_ms or at == start_ms:
            yield at, end_ms

    def _outside_span(self, ms: int) -> Span:
        at = min(max(self.sample(ms), 0), self.frames)
        return Span(at, at, clipped_start=True, clipped_end=True, outside=True)


def _clamped_span(start: int, end: int, length: int | None) -> Span:
    last = max(start, end, 0) if length is None else length
    low, high = min(max(start, 0), last), min(max(end, 0), last)
    # An empty turn at sample 0 begins with the recording, so it is not outside.
    outside = (end <= 0 and start < 0) or (length is not None and start >= last)
    return Span(low, max(low, high), clipped_start=low != start, clipped_end=high != end, outside=outside)


def _check_rate(rate: int) -> None:
    if rate < 1:
        raise Misconfigured(f"a sample rate of {rate} Hz", operation="map to samples", hint="Give 1 Hz or more.")


def _joined_cuts(cuts: tuple[tuple[int, int], ...], first: int) -> Iterator[tuple[int, int]]:
    """Cuts in order, without what lies before the recording, and merged where they overlap or touch."""
    joined: tuple[int, int] | None = None
    for start, end in sorted(cuts):
        if end < start:
            raise Misconfigured(f"a cut from {start} to {end} ms ends before it starts", operation="map to samples")
        if end <= max(start, first):
            continue
        if joined and start <= joined[1]:
            joined = joined[0], max(joined[1], end)
            continue
        if joined:
            yield joined
        joined = max(start, first), end
    if joined:
        yield joined
