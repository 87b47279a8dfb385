"""Compute min/max peaks at several zooms in one pass, and write them in audiowaveform's data format, version 2.

The arithmetic is audiowaveform's (https://github.com/bbc/audiowaveform, doc/DataFormat.md), so that the bytes are
equal: int16 minimum and maximum per pixel and channel, the last partial pixel included. A mono mix is the sum over the
channels divided by their number, truncated toward zero. 8 bits are the 16 bits divided by 256, truncated toward zero.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Literal, Self

from turnkeeper.errors import DiskFull, Misconfigured

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ZOOMS", "PeakBuilder", "Pyramid", "build_peaks"]

ZOOMS = (64, 256, 1024, 4096, 16_384)
"""Samples per pixel of a usual pyramid, finest first."""

Bits = Literal[8, 16]

_VERSION, _EIGHT_BITS = 2, 1
_HELD = 1 << 18  # bytes of one level in memory; what is more waits in an unnamed file
_PIECE = 1 << 16  # pixels written at a time
_SHORT_RUN = 127


class Pyramid:
    """Peaks of one recording at several zooms. A context manager; closing drops the peaks.

    ``rate`` in Hz, ``channels`` of the peaks (1 for a mono mix), ``frames`` the samples per channel, ``zooms`` in
    samples per pixel, ascending.
    """

    def __init__(self, rate: int, channels: int, frames: int, levels: dict[int, _Level]) -> None:
        self.rate, self.channels, self.frames = rate, channels, frames
        self.zooms = tuple(sorted(levels))
        self._levels = levels

    def pixels(self, samples_per_pixel: int) -> Iterator[NDArray[np.int16]]:
        """Peaks at one zoom in pieces of shape ``(pixels, channels, 2)``: minimum and maximum, int16.

        The zoom is any multiple of a zoom of the pyramid. Raises ``Misconfigured`` for another.
        """
        if samples_per_pixel in self._levels:
            yield from self._levels[samples_per_pixel].pieces()
            return
        finer = [zoom for zoom in self.zooms if samples_per_pixel % zoom == 0]
        if not finer:
            raise Misconfigured(
                f"no peaks at {samples_per_pixel} samples per pixel",
                operation="write peaks",
                hint=f"Give a multiple of one of {', '.join(map(str, self.zooms))}, or build the peaks at that zoom.",
            )
        with self._levels[finer[-1]].coarser(samples_per_pixel // finer[-1]) as level:
            yield from level.pieces()

    def length(self, samples_per_pixel: int) -> int:
        """The number of pixels at a zoom."""
        return -(-self.frames // samples_per_pixel)

    def write_dat(self, out: IO[bytes], samples_per_pixel: int, bits: Bits = 8) -> None:
        """Write audiowaveform's binary format, version 2: a header of 24 bytes, then minimum and maximum per channel
        and pixel.

        Its documentation says that the data starts at byte 20, which is true of version 1 only.
        """
        flags = _EIGHT_BITS if bits == 8 else 0
        head = (_VERSION, flags, self.rate, samples_per_pixel, self.length(samples_per_pixel), self.channels)
        out.write(struct.pack("<iIiiIi", *head))
        for piece in self.pixels(samples_per_pixel):
            out.write(_as_bits(piece, bits).tobytes())

    def write_json(self, out: IO[bytes], samples_per_pixel: int, bits: Bits = 8) -> None:
        """Write audiowaveform's JSON, version 2, in one line."""
        out.write(
            f'{{"version":{_VERSION},"channels":{self.channels},"sample_rate":{self.rate},'
            f'"samples_per_pixel":{samples_per_pixel},"bits":{bits},"length":{self.length(samples_per_pixel)},'
            '"data":['.encode()
        )
        between = b""
        for piece in self.pixels(samples_per_pixel):
            out.write(between + ",".join(map(str, _as_bits(piece, bits).ravel().tolist())).encode())
            between = b","
        out.write(b"]}\n")

    def close(self) -> None:
        """Drop the peaks."""
        for level in self._levels.values():
            level.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def build_peaks(
    blocks: Iterable[NDArray[np.int16]],
    rate: int,
    channels: int,
    *,
    zooms: Sequence[int] = ZOOMS,
    mono: bool = False,
) -> Pyramid:
    """Peaks of all ``blocks`` (int16, channel-major, as ``Audio.blocks`` gives them) in one pass and constant
    memory.

    ``zooms`` are samples per pixel, 2 or more each, in any order. A zoom that is a multiple of another is computed from
    it, which is exact. ``mono`` mixes the channels into one first. Raises ``Misconfigured`` for a zoom below 2,
    ``DiskFull`` where the temporary folder has no room.
    """
    drawing = PeakBuilder(rate, channels, zooms=zooms, mono=mono)
    for _ in drawing.pass_through(blocks):
        pass
    return drawing.finish()


class PeakBuilder:
    """Computes peaks while the blocks go on to another consumer, so that a recording is decoded once for both.

    ``pass_through`` yields every block unchanged; when all have passed, ``finish`` gives the peaks. Arguments and
    exceptions are those of ``build_peaks``.
    """

    def __init__(self, rate: int, channels: int, *, zooms: Sequence[int] = ZOOMS, mono: bool = False) -> None:
        if not zooms or min(zooms) < 2:
            raise Misconfigured("fewer than 2 samples per pixel", operation="build peaks", hint="Give 2 or more.")
        self._zooms = sorted(set(zooms))
        roots = [zoom for at, zoom in enumerate(self._zooms) if all(zoom % finer for finer in self._zooms[:at])]
        self._rate, self._channels, self._mixes = rate, 1 if mono else channels, mono and channels > 1
        self._levels = {zoom: _Level(zoom, self._channels) for zoom in roots}
        self._frames = 0

    def pass_through(self, blocks: Iterable[NDArray[np.int16]]) -> Iterator[NDArray[np.int16]]:
        """Yield each block after adding it to the peaks."""
        for block in blocks:
            self._frames += block.shape[1]
            samples = _mono_mix(block) if self._mixes else block
            for level in self._levels.values():
                level.add(samples, samples)
            yield block

    def finish(self) -> Pyramid:
        """The peaks of all blocks."""
        levels = self._levels
        for level in levels.values():
            level.finish()
        for zoom in self._zooms:
            if zoom not in levels:
                finer = max(known for known in levels if zoom % known == 0)
                levels[zoom] = levels[finer].coarser(zoom // finer)
        return Pyramid(self._rate, self._channels, self._frames, levels)


class _Level:
    """One zoom, while it is built and afterwards. Takes minima and maxima, and gives those of ``factor`` at a time."""

    def __init__(self, factor: int, channels: int) -> None:
        self._factor, self._channels = factor, channels
        self._rest: tuple[NDArray[np.int16], NDArray[np.int16]] | None = None
        self._file = tempfile.SpooledTemporaryFile(_HELD)  # noqa: SIM115 - it lives as long as the level

    def add(self, low: NDArray[np.int16], high: NDArray[np.int16]) -> None:
        """Add minima and maxima of shape ``(channels, n)``; the same array twice where they are samples."""
        import numpy as np

        if self._rest is not None:
            same = low is high
            low = np.concatenate((self._rest[0], low), axis=1)
            high = low if same else np.concatenate((self._rest[1], high), axis=1)
        # Only whole pixels are reduced; the rest waits for the next block.
        whole = low.shape[1] - low.shape[1] % self._factor
        self._rest = (low[:, whole:], high[:, whole:]) if whole < low.shape[1] else None
        if whole:
            first = low[:, :whole]
            self._write_pixels(*_minima_and_maxima(first, first if low is high else high[:, :whole], self._factor))

    def finish(self) -> None:
        """Write the last partial pixel."""
        if self._rest is not None:
            low, high = self._rest
            self._rest = None
            self._write_pixels(low.min(1, keepdims=True), high.max(1, keepdims=True))

    def pieces(self) -> Iterator[NDArray[np.int16]]:
        """The pixels in pieces of shape ``(pixels, channels, 2)``."""
        import numpy as np

        pixel = self._channels * 4
        at = 0
        while True:
            self._file.seek(at)
            data = self._file.read(_PIECE * pixel)
            if not data:
                return
            at += len(data)
            yield np.frombuffer(data, np.int16).reshape(-1, self._channels, 2)

    def coarser(self, factor: int) -> _Level:
        """A level with ``factor`` pixels of this one in each of its own: the minimum of minima is the minimum of
        all.
        """
        level = _Level(factor, self._channels)
        for piece in self.pieces():
            level.add(piece[:, :, 0].T, piece[:, :, 1].T)
        level.finish()
        return level

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _write_pixels(self, low: NDArray[np.int16], high: NDArray[np.int16]) -> None:
        import numpy as np

        try:
            self._file.write(np.stack((low.T, high.T), axis=2).tobytes())
        except OSError as cause:
            raise DiskFull(
                f"no room for the peaks ({cause.strerror})",
                operation="build peaks",
                key=tempfile.gettempdir(),
                hint="Free some space, or set TMPDIR to a folder on a larger disk.",
            ) from None


def _minima_and_maxima(
    low: NDArray[np.int16], high: NDArray[np.int16], factor: int
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """The minimum and the maximum of each ``factor`` values along the last axis."""
    import numpy as np

    if factor > _SHORT_RUN:
        return low.reshape(len(low), -1, factor).min(2), high.reshape(len(high), -1, factor).max(2)
    # numpy starts anew for every run, so short runs are laid side by side first: twice as fast at 64, ten times at 16.
    lows = np.ascontiguousarray(low.reshape(len(low), -1, factor).transpose(2, 0, 1))
    highs = lows if low is high else np.ascontiguousarray(high.reshape(len(high), -1, factor).transpose(2, 0, 1))
    return lows.min(0), highs.max(0)


def _mono_mix(block: NDArray[np.int16]) -> NDArray[np.int16]:
    """The channels as one: their sum divided by their number, truncated toward zero."""
    import numpy as np

    total = block.sum(axis=0, dtype=np.int32)
    # numpy's ``//`` rounds down, audiowaveform truncates toward zero.
    mean: NDArray[np.int32] = np.abs(total) // block.shape[0] * np.sign(total)
    return mean.astype(np.int16)[np.newaxis]


def _as_bits(piece: NDArray[np.int16], bits: Bits) -> NDArray[np.int16] | NDArray[np.int8]:
    """Little-endian 16 bits, or 8: divided by 256 and truncated toward zero (adding 255 to what is negative)."""
    import numpy as np

    if bits == 16:
        return piece.astype("<i2")
    return ((piece + ((piece >> 15) & 255)) >> 8).astype(np.int8)
