"""Decode any container with PyAV (the extra ``[media]``): WebM, MP4, and files that libsndfile does not read to the
end.

The container's own clock is respected: where its times jump ahead, silence fills the gap.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from turnkeeper.audio.durations import format_duration
from turnkeeper.audio.mp3 import UNKNOWN_DELAY
from turnkeeper.errors import Misconfigured, Unread
from turnkeeper.installation import install_hint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Container", "MediaDecoder", "media_installed", "other_tracks"]

Container = Literal["matroska", "mp4", "aac", "ogg", "mp3", "flac", "wav"]

_JUMP_S = 0.1  # smaller differences are the rounding of times, and clocks that drift
_HOLE_S = 0.5  # shorter gaps are those of an encoder that sends nothing in silence
_LONGEST_HOLE_S, _LONGEST_HOLES_S = 2 * 3600.0, 6 * 3600.0
_PIECE = 1 << 16
_SHOWN = 3
# The priming of Apple's AAC encoder (Technical Note TN2258), the usual assumption where a file names none.
_AAC_DELAY = 2112


class MediaDecoder:
    """One audio track of a container. Opus is given at 48 kHz unless ``rate`` says otherwise.

    FFmpeg 8 gives Opus in WebM 5.4 ms late: times in WebM are whole milliseconds, so it drops 52 of the 312 priming
    samples. Here the decoder is told to drop nothing. ``pre_skip`` (RFC 7845, section 5.1) and the padding of the last
    packet are dropped exactly.

    ``clock_s`` is the length that the container declares, None where it declares none. ``notes`` and ``losses`` are
    complete when the file was read to its end.
    """

    def __init__(self, file: BinaryIO, container: Container, key: str, *, rate: int = 0) -> None:
        self._file, self._container, self._key = file, container, key
        self._av = _import_av()
        self.notes: list[str] = []
        self.losses: list[str] = []
        with self._open_container() as (opened, stream):
            context = stream.codec_context
            if context is None or context.layout is None or not context.sample_rate:
                raise self._undecodable("names no codec, rate or channels that are known")
            # PyAV names the decoder (libopus, mp3float), not the codec.
            self.codec = str(context.name).removeprefix("lib").removesuffix("float")
            self._source_rate = int(context.sample_rate or 0)
            self.rate, self.channels = rate or self._source_rate, int(context.channels or 0)
            self._layout = context.layout.name
            skipped = container == "matroska" and self.codec == "opus"
            self._pre_skip = _pre_skip(context.extradata) if skipped else None
            self.clock_s = _container_seconds(opened, stream) if container in ("matroska", "mp4") else None
            if self.clock_s is not None and container == "matroska":  # its clock counts the encoder's delay
                first = next(self._track_packets(opened, stream), None)
                self.clock_s -= (_skipped_samples(first)[0] if first else 0) / self._source_rate
            self.losses += other_tracks(len(opened.streams.audio) - 1)
        self.frames: int | None = None  # containers round it to their own clock; only decoding tells

    def read(self, start: int, frames: int) -> Iterator[NDArray[np.int16]]:
        """Pieces of any length from frame ``start`` on, channel-major. Everything before is decoded and dropped."""
        drop = start
        for piece in self._joined_packets(frames):
            if drop >= piece.shape[1]:
                drop -= piece.shape[1]
            else:
                yield piece[:, drop:]
                drop = 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _joined_packets(self, frames: int) -> Iterator[NDArray[np.int16]]:
        import numpy as np

        waiting: list[NDArray[np.int16]] = []
        count = 0
        for piece in self._decoded_pieces():
            waiting.append(piece)
            count += piece.shape[1]
            if count >= frames:  # a packet is 20 ms: handing each on would cost more than decoding it
                yield np.concatenate(waiting, axis=1)
                waiting, count = [], 0
        if count:
            yield np.concatenate(waiting, axis=1)

    def _decoded_pieces(self) -> Iterator[NDArray[np.int16]]:
        with self._open_container() as (container, stream):
            if self._pre_skip is not None:
                stream.codec_context.options = {"flags2": "+skip_manual"}
            reading = _PacketReader(self._av, self.rate, self._layout, self.channels)
            skip, primed = self._pre_skip or 0, False
            for packet in self._track_packets(container, stream):
                primed = primed or _skipped_samples(packet)[0] > 0 or (packet.pts or 0) < 0
                for silent, pieces in reading.groups(packet):
                    yield from reading.silence(silent)
                    for piece in _trim_end(pieces, self._padding_samples(packet, pieces)):
                        dropped = min(skip, piece.shape[1])
                        skip -= dropped
                        if dropped < piece.shape[1]:
                            yield piece[:, dropped:]
            yield from reading.rest()
            if not reading.samples and reading.errors:
                raise self._undecodable(f"cannot be decoded ({reading.errors} of its packets are damaged)")
            self._collect_remarks(reading, primed=primed)

    def _track_packets(self, container: Any, stream: Any) -> Iterator[Any]:
        """The packets of the track. Where the file cannot be followed any further, what was read so far stays."""
        try:
            yield from container.demux(stream)
        except self._av.FFmpegError as cause:
            self._add_loss(f"damaged, not read behind that ({cause.strerror})")

    def _add_loss(self, words: str) -> None:
        if words not in self.losses:
            self.losses.append(words)

    def _collect_remarks(self, reading: _PacketReader, *, primed: bool) -> None:
        """Add the remarks of a whole reading to ``notes`` and ``losses``, each once."""
        remarks = list(reading.notes)
        if self.codec == "mp3" and self._container != "mp3" and not primed:
            remarks.append(UNKNOWN_DELAY)
        elif self.codec == "aac" and not primed:
            ms = _AAC_DELAY * 1000 // max(1, self._source_rate)
            remarks.append(
                f"AAC without an edit list: up to {_AAC_DELAY} samples of encoder delay stand in front ({ms} ms)"
            )
        self.notes += [note for note in remarks if note not in self.notes]
        self.losses += [loss for loss in reading.losses() if loss not in self.losses]

    def _padding_samples(self, packet: Any, pieces: list[NDArray[np.int16]]) -> int:
        """How many samples of a packet are the encoder's padding at the end."""
        if self._pre_skip is not None:
            return _skipped_samples(packet)[1]
        if self._container != "mp4" or not packet.duration or packet.time_base * self.rate != 1:
            return 0
        # MP4 shortens the last packet's duration instead, and FFmpeg does not cut by it.
        return max(0, sum(int(piece.shape[1]) for piece in pieces) - int(packet.duration))

    def _open_container(self) -> _OpenContainer:
        return _OpenContainer(self._av, self._file, self._container, self._key)

    def _undecodable(self, message: str) -> Unread:
        return _OpenContainer(self._av, self._file, self._container, self._key).unread(message)


class _PacketReader:
    """One pass over the packets: frames become samples at one rate, with silence where the container's clock jumps."""

    def __init__(self, av: Any, rate: int, layout: str, channels: int) -> None:
        self._av, self._rate, self._layout, self._channels = av, rate, layout, channels
        self._resampler: Any = None
        self._form: tuple[object, ...] = ()
        self._named: tuple[object, ...] = ()
        self._began: float | None = None
        self._lasted = 0.0
        self._holes: list[tuple[float, float]] = []
        self.samples = self.errors = 0
        self.notes: list[str] = []

    def groups(self, packet: Any) -> Iterator[tuple[int, list[NDArray[np.int16]]]]:
        """The samples of a packet, each group with the number of silent samples before it.

        A packet that cannot be decoded is counted, and its time is a gap.
        """
        try:
            frames = packet.decode()
        except self._av.FFmpegError:
            self.errors += 1
            return
        for frame in frames:
            if not frame.samples or not frame.sample_rate:
                continue
            gap = self._gap_seconds(frame)
            form = (frame.sample_rate, frame.layout.name, frame.format.name)
            # A resampler keeps a few samples. Behind a gap, or in another format, they would end up in the wrong place.
            if form != self._form or gap:
                yield 0, list(self.rest())
                self._new_resampler(form)
            yield (
                round(gap * self._rate),
                [self._count_samples(resampled) for resampled in self._resampler.resample(frame)],
            )
            self._lasted += frame.samples / frame.sample_rate

    def rest(self) -> Iterator[NDArray[np.int16]]:
        """The samples that a resampler still holds."""
        if self._resampler is not None and self._form and self._form[0] != self._rate:
            for resampled in self._resampler.resample(None):
                yield self._count_samples(resampled)
        self._resampler, self._form = None, ()

    def losses(self) -> Iterator[str]:
        """What is missing in the sound, in words."""
        if self.errors:
            yield f"{self.errors} damaged packets could not be decoded"
        if self._holes:
            total = sum(length for _, length in self._holes)
            shown = ", ".join(
                f"{format_duration(length * 1000)} at {format_duration(at * 1000)}"
                for at, length in self._holes[:_SHOWN]
            )
            more = f", and {len(self._holes) - _SHOWN} more" if len(self._holes) > _SHOWN else ""
            lost = format_duration(total * 1000)
            yield f"{lost} are missing in the file, silence stands in their place: {shown}{more}"

    def _count_samples(self, frame: Any) -> NDArray[np.int16]:
        piece: NDArray[np.int16] = frame.to_ndarray()
        self.samples += int(piece.shape[1])
        return piece

    def _new_resampler(self, form: tuple[object, ...]) -> None:
        if self.samples and form[:2] != self._named:
            self._add_note(f"rate or channels change on the way, to {form[0]} Hz, {form[1]}: given as they began")
        self._named = form[:2]
        self._resampler = self._av.AudioResampler(format="s16p", layout=self._layout, rate=self._rate)
        self._form = form

    def _gap_seconds(self, frame: Any) -> float:
        """Seconds by which the frame's time is ahead of the decoded samples, if that is a gap and not rounding."""
        if frame.pts is None or frame.time_base is None:
            return 0.0
        at = float(frame.pts * frame.time_base)
        if self._began is None:
            self._began = at
            return 0.0
        ahead = at - self._began - self._lasted
        if ahead < -_JUMP_S:
            self._began += ahead  # another recording behind the first, or times that go back: it goes on from here
            self._add_note("the clock of the file goes back on the way: read one behind the other")
        if ahead <= _JUMP_S:
            return 0.0
        # A damaged time stamp must not fill memory or disk with hours of silence.
        if ahead > _LONGEST_HOLE_S or sum(length for _, length in self._holes) + ahead > _LONGEST_HOLES_S:
            self._began += ahead
            self._add_note(f"the clock of the file jumps by {format_duration(ahead * 1000)}, which is not believed")
            return 0.0
        if ahead > _HOLE_S:
            self._holes.append((self._lasted, ahead))
        else:
            self._add_note("there are short gaps in the file, as an encoder leaves that sends nothing in silence")
        self._lasted += ahead
        return ahead

    def _add_note(self, words: str) -> None:
        if words not in self.notes and len(self.notes) < 8:
            self.notes.append(words)

    def silence(self, frames: int) -> Iterator[NDArray[np.int16]]:
        """Silent samples in pieces, because a gap may last an hour."""
        import numpy as np

        while frames > 0:
            yield np.zeros((self._channels, min(frames, _PIECE)), np.int16)
            self.samples += min(frames, _PIECE)
            frames -= _PIECE


class _OpenContainer:
    """The container and its first audio track. FFmpeg's errors are translated."""

    def __init__(self, av: Any, file: BinaryIO, container: Container, key: str) -> None:
        self._av, self._file, self._container, self._key = av, file, container, key
        self._open: Any = None

    def __enter__(self) -> tuple[Any, Any]:
        self._file.seek(0)
        try:
            # The demuxer is named, never probed: a playlist that looks like audio must not open other addresses.
            self._open = self._av.open(self._file, format=self._container, metadata_errors="replace")
        except self._av.FFmpegError as cause:
            raise self.unread(f"cannot be opened ({cause.strerror})") from None
        if not self._open.streams.audio:
            self._open.close()
            raise self.unread("holds no audio track")
        return self._open, self._open.streams.audio[0]

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._open.close()
        if isinstance(error, self._av.FFmpegError):
            raise self.unread(f"cannot be decoded ({error.strerror})") from None

    def unread(self, message: str) -> Unread:
        hint = "The file is damaged or was cut off: fetch it again, or convert it to WAV."
        return Unread(message, operation="decode audio", key=self._key, hint=hint)


def other_tracks(count: int) -> list[str]:
    """The loss where ``count`` audio tracks lie beside the one that is read: most likely each is one voice."""
    if count < 1:
        return []
    named = "another sound track lies" if count == 1 else f"{count} other sound tracks lie"
    return [f"{named} beside the first: only the first is read"]


def media_installed() -> bool:
    """Whether PyAV is installed."""
    try:
        import av  # noqa: F401
    except ImportError:
        return False
    return True


def _import_av() -> Any:
    try:
        import av
        import numpy  # noqa: F401, ICN001 - PyAV gives arrays and does not need it before
    except ImportError:
        raise Misconfigured(
            "WebM, MP4 and AAC audio need PyAV",
            operation="decode audio",
            hint=install_hint("media"),
        ) from None
    return av


def _container_seconds(container: Any, stream: Any) -> float | None:
    """Seconds that the container declares for the track, else for the whole file."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / 1_000_000 if container.duration else None


def _pre_skip(extradata: bytes | None) -> int | None:
    """The samples at 48 kHz that the Opus encoder put in front: ``OpusHead``, bytes 10 and 11, little-endian."""
    if extradata is None or extradata[:8] != b"OpusHead" or len(extradata) < 12:
        return None
    return int.from_bytes(extradata[10:12], "little")


def _skipped_samples(packet: Any) -> tuple[int, int]:
    """Samples to drop at the packet's beginning and end, from FFmpeg's ``AV_PKT_DATA_SKIP_SAMPLES``: u32 each."""
    data = bytes(packet.get_sidedata("skip_samples")) if packet.has_sidedata("skip_samples") else bytes(8)
    return int.from_bytes(data[:4], "little"), int.from_bytes(data[4:8], "little")


def _trim_end(pieces: list[NDArray[np.int16]], padding: int) -> list[NDArray[np.int16]]:
    while padding and pieces:
        last = pieces.pop()
        if padding < last.shape[1]:
            return [*pieces, last[:, : last.shape[1] - padding]]
        padding -= last.shape[1]
    return pieces
