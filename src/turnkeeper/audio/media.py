"""WebM and MP4 audio through PyAV (the extra ``[media]``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from turnkeeper.errors import Misconfigured, Unread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Container", "MediaDecoder"]

Container = Literal["matroska", "mp4", "aac"]


class MediaDecoder:
    """One audio track of a container. Opus is always given at 48 kHz, because its decoder knows no other base.

    Opus in WebM comes out 5.4 ms late from FFmpeg 8 (WebM's times are whole milliseconds, so it drops 52 of the 312
    samples of priming): here the decoder is told to drop nothing, and ``pre_skip`` (RFC 7845, section 5.1) and the
    padding that the last packet names are dropped exactly.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, file: BinaryIO, container: Container, key: str) -> None:
        self._file, self._container, self._key = file, container, key
        self._av = _av()
        with self._opened() as (_, stream):
            context = stream.codec_context
            self.codec = str(context.name).removeprefix("lib")
            self.rate, self.channels = int(context.sample_rate or 0), int(context.channels or 0)
            self._layout = context.layout.name
            self._pre_skip = _pre_skip(context.extradata) if self.codec == "opus" else None
        self.frames: int | None = None  # containers round it to their own clock; only decoding tells

    def read(self, start: int, frames: int) -> Iterator[NDArray[np.int16]]:
        """Pieces of any length from frame ``start`` on, channel-major; what is before is decoded and dropped."""
        drop = start
        for piece in self._pieces(frames):
            if drop >= piece.shape[1]:
                drop -= piece.shape[1]
            else:
                yield piece[:, drop:]
                drop = 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _pieces(self, frames: int) -> Iterator[NDArray[np.int16]]:
        import numpy as np

        held: list[NDArray[np.int16]] = []
        count = 0
        for piece in self._decoded():
            held.append(piece)
            count += piece.shape[1]
            if count >= frames:  # a packet is 20 ms: handing each on would cost more than decoding it
                yield np.concatenate(held, axis=1)
                held, count = [], 0
        if count:
            yield np.concatenate(held, axis=1)

    def _decoded(self) -> Iterator[NDArray[np.int16]]:
        with self._opened() as (container, stream):
            if self._pre_skip is not None:
                stream.codec_context.options = {"flags2": "+skip_manual"}
            resampler = self._av.AudioResampler(format="s16p", layout=self._layout, rate=self.rate)
            skip = self._pre_skip or 0
            for packet in container.demux(stream):
                pieces = [piece.to_ndarray() for frame in packet.decode() for piece in resampler.resample(frame)]
                for piece in _trimmed(pieces, self._padding(packet, pieces)):
                    dropped = min(skip, piece.shape[1])
                    skip -= dropped
                    if dropped < piece.shape[1]:
                        yield piece[:, dropped:]

    def _padding(self, packet: Any, pieces: list[NDArray[np.int16]]) -> int:
        """How many of a packet's samples are the encoder's filling at the end."""
        if self._pre_skip is not None:
            return _named_padding(packet)
        if self._container != "mp4" or not packet.duration or packet.time_base * self.rate != 1:
            return 0
        # MP4 shortens the last packet's duration instead, and FFmpeg does not cut by it.
        return max(0, sum(int(piece.shape[1]) for piece in pieces) - int(packet.duration))

    def _opened(self) -> _Opened:
        return _Opened(self._av, self._file, self._container, self._key)


class _Opened:
    """The container and its first audio track, with FFmpeg's errors translated."""

    def __init__(self, av: Any, file: BinaryIO, container: Container, key: str) -> None:
        self._av, self._file, self._container, self._key = av, file, container, key
        self._open: Any = None

    def __enter__(self) -> tuple[Any, Any]:
        self._file.seek(0)
        try:
            # The demuxer is named, never probed: a playlist that looks like audio must not open other addresses.
            self._open = self._av.open(self._file, format=self._container)
        except self._av.FFmpegError as cause:
            raise self._unread(f"cannot be opened ({cause.strerror})") from None
        if not self._open.streams.audio:
            self._open.close()
            raise self._unread("holds no audio track")
        return self._open, self._open.streams.audio[0]

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._open.close()
        if isinstance(error, self._av.FFmpegError):
            raise self._unread(f"cannot be decoded ({error.strerror})") from None

    def _unread(self, message: str) -> Unread:
        hint = "The file is damaged or was cut off: fetch it again, or convert it to WAV."
        return Unread(message, operation="decode audio", key=self._key, hint=hint)


def _av() -> Any:
    try:
        import av
        import numpy  # noqa: F401, ICN001 - PyAV gives arrays and does not need it before
    except ImportError:
        raise Misconfigured(
            "WebM and MP4 audio need PyAV",
            operation="decode audio",
            hint="Install it: pip install 'turnkeeper[media]'.",
        ) from None
    return av


def _pre_skip(extradata: bytes | None) -> int | None:
    """The samples at 48 kHz that an Opus encoder put in front: ``OpusHead``, bytes 10 and 11, little endian."""
    if extradata is None or extradata[:8] != b"OpusHead" or len(extradata) < 12:
        return None
    return int.from_bytes(extradata[10:12], "little")


def _named_padding(packet: Any) -> int:
    """Samples to drop at the packet's end, from FFmpeg's ``AV_PKT_DATA_SKIP_SAMPLES``: u32 start, u32 end …"""
    if not packet.has_sidedata("skip_samples"):
        return 0
    return int.from_bytes(bytes(packet.get_sidedata("skip_samples"))[4:8], "little")


def _trimmed(pieces: list[NDArray[np.int16]], padding: int) -> list[NDArray[np.int16]]:
    while padding and pieces:
        last = pieces.pop()
        if padding < last.shape[1]:
            return [*pieces, last[:, : last.shape[1] - padding]]
        padding -= last.shape[1]
    return pieces
