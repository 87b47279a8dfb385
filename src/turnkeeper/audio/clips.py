"""Write parts of a recording as sound files, cut at exact samples."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

from turnkeeper.atomic_file import disk_full, replace_atomically
from turnkeeper.audio.byte_ranges import ByteRanges
from turnkeeper.audio.decode import Audio, open_audio
from turnkeeper.audio.riff import Wav, read_wav, wav_header
from turnkeeper.errors import Misconfigured, Unread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ClipCut", "SampleRange", "check_clip_name", "write_clips"]

SampleRange = tuple[int, int]
"""Samples ``[start, end)`` of every channel."""

_FORMATS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".opus": ("OGG", "OPUS"),
    ".ogg": ("OGG", "VORBIS"),
}
_COPIED = 1 << 20
# RIFF sizes have 32 bits; the header takes a part of that.
_LONGEST_WAV = (1 << 32) - 1024


@dataclass(frozen=True)
class ClipCut:
    """One file to write. Its ``stretches`` follow each other in the order of time."""

    out: Path
    stretches: tuple[SampleRange, ...]

    @property
    def frames(self) -> int:
        """Samples per channel."""
        return sum(end - start for start, end in self.stretches)


def check_clip_name(out: Path) -> Path:
    """Return the path if its extension names a format that clips can have. Raises ``Misconfigured`` otherwise."""
    if out.suffix.lower() in _FORMATS:
        return out
    raise Misconfigured(
        f"{out.suffix or 'no extension'} is not a format for clips",
        operation="cut",
        key=str(out),
        hint=f"Give a name that ends in {', '.join(_FORMATS)}.",
    )


def write_clips(
    source: Path | BinaryIO, cuts: Sequence[ClipCut], *, second: Path | BinaryIO | None = None
) -> tuple[str, list[int]]:
    """Write every cut. Returns the codec of the files, and the samples per channel that each file holds.

    A WAV file that is cut into WAV files keeps its bytes: u-law stays u-law, and the samples of a clip equal those of
    the source bit for bit. Everything else is decoded in one pass to 16 bits and written in the format of the name's
    extension (WAV, FLAC, Ogg Opus, Ogg Vorbis). A file gets its name only when it is complete and has been read back. A
    clip is shorter than its cut where the recording ends first.

    Raises ``Misconfigured`` for an unknown extension, a missing folder or an impossible rate, ``Unread`` for a damaged
    source, ``DiskFull`` where there is no room.
    """
    for cut in cuts:
        check_clip_name(cut.out)
    with ExitStack() as stack:
        if not isinstance(source, Path):
            stack.callback(source.close)
        wav = _plain_wav(source) if second is None and _all_wav(cuts) else None
        return _copy_cuts(source, wav, cuts) if wav else _encode_cuts(source, second, cuts)


def _all_wav(cuts: Sequence[ClipCut]) -> bool:
    return all(cut.out.suffix.lower() == ".wav" for cut in cuts)


def _plain_wav(source: Path | BinaryIO) -> Wav | None:
    if isinstance(source, Path):
        with open_audio(source), source.open("rb") as file:  # opened as audio for its errors
            found = read_wav(file)
    else:
        found = read_wav(source)
    return found if found and found.copyable and found.rate else None


def _copy_cuts(source: Path | BinaryIO, wav: Wav, cuts: Sequence[ClipCut]) -> tuple[str, list[int]]:
    frame_counts = []
    with ExitStack() as stack:
        file = stack.enter_context(source.open("rb")) if isinstance(source, Path) else source
        for cut in cuts:
            with replace_atomically(cut.out, "cut") as part:
                with part.open("wb") as out:
                    frames = _copy_cut(file, wav, cut, out)
                frame_counts.append(_check_clip(part, frames, cut.out))
    return wav.codec, frame_counts


def _copy_cut(file: BinaryIO, wav: Wav, cut: ClipCut, out: BinaryIO) -> int:
    """Copy the bytes of one cut. Returns its samples per channel."""
    size, written = cut.frames * wav.frame_bytes, 0
    if size > _LONGEST_WAV:
        raise Misconfigured(
            "is longer than a WAV file can be",
            operation="cut",
            key=str(cut.out),
            hint="Give a name that ends in .flac, or cut less.",
        )
    out.write(wav_header(wav.tag, wav.rate, wav.channels, wav.bits, cut.frames))
    samples = ByteRanges(file, list(wav.regions))
    for start, end in cut.stretches:
        samples.seek(start * wav.frame_bytes)
        left = (end - start) * wav.frame_bytes
        while left and (data := samples.read(min(left, _COPIED))):
            left -= out.write(data)
            written += len(data)
    # RIFF pads chunks to an even length.
    if written % 2:
        out.write(b"\0")
    if written < size:  # the recording holds less: the header must not promise more
        out.seek(0)
        out.write(wav_header(wav.tag, wav.rate, wav.channels, wav.bits, written // wav.frame_bytes))
    return written // wav.frame_bytes


def _check_clip(part: Path, frames: int, out: Path) -> int:
    """Read the finished file back.

    Returns ``frames``; raises ``DiskFull`` where the file holds another number of samples.
    """
    try:
        with open_audio(part) as audio:
            count = audio.count()
    except Unread:
        count = 0
    if count != frames:
        raise disk_full(out, "cut", f"holds {count} of the {frames} samples that were written")
    return count


def _encode_cuts(
    source: Path | BinaryIO, second: Path | BinaryIO | None, cuts: Sequence[ClipCut]
) -> tuple[str, list[int]]:
    # In order of time over all files, because the audio is decoded only once.
    marks = sorted((stretch, number) for number, cut in enumerate(cuts) for stretch in cut.stretches)
    left = [len(cut.stretches) for cut in cuts]
    formats = {_FORMATS[cut.out.suffix.lower()][1] for cut in cuts}
    writers: dict[int, _ClipWriter] = {}
    with ExitStack() as stack, open_audio(source, second=second) as audio:
        for number, cut in enumerate(cuts):
            if not cut.stretches:
                writers[number] = stack.enter_context(_ClipWriter(cut.out, audio.rate, audio.channels))
        for place, samples in _samples_of_ranges(audio, [stretch for stretch, _ in marks]):
            number = marks[place][1]
            # Opened late and closed early, so that a clip per turn does not keep a file open per turn.
            if number not in writers:
                writers[number] = stack.enter_context(_ClipWriter(cuts[number].out, audio.rate, audio.channels))
            if samples is not None:
                writers[number].write(samples)
                continue
            left[number] -= 1
            if not left[number]:
                writers[number].done()
    codec = "+".join(sorted(name.lower() for name in formats)).replace("pcm_16", "pcm_s16")
    return codec, [writers[number].frames for number in range(len(cuts))]


def _samples_of_ranges(audio: Audio, stretches: list[SampleRange]) -> Iterator[tuple[int, NDArray[np.int16] | None]]:
    """Yield ``(index, samples)`` for each range, and ``(index, None)`` at its end.

    The ranges are sorted by their start. The audio is decoded once. Ranges are given strictly one after another, so
    samples that a later range shares with an earlier one wait in memory.
    """
    if not stretches:
        return
    waiting: list[deque[NDArray[np.int16]]] = [deque() for _ in stretches]
    current, at = 0, stretches[0][0]
    for block in audio.blocks(start=at):
        end = at + block.shape[1]
        for number in range(current, len(stretches)):
            start, stop = stretches[number]
            if start >= end:
                break
            if stop > at:
                waiting[number].append(block[:, max(start - at, 0) : stop - at])
        while current < len(stretches) and stretches[current][0] < end:
            yield from ((current, piece) for piece in _drain_queue(waiting[current]))
            if stretches[current][1] > end:
                break
            yield current, None
            current += 1
        if current == len(stretches):
            return
        at = end
    for number in range(current, len(stretches)):  # the recording ended first
        yield from ((number, piece) for piece in _drain_queue(waiting[number]))
        yield number, None


def _drain_queue(queue: deque[NDArray[np.int16]]) -> Iterator[NDArray[np.int16]]:
    while queue:
        yield queue.popleft()


class _ClipWriter:
    """A sound file that is being written. It gets its name only when it is complete."""

    def __init__(self, out: Path, rate: int, channels: int) -> None:
        import soundfile

        self._out, self._failed = out, soundfile.LibsndfileError
        self.frames = 0
        form, subtype = _FORMATS[out.suffix.lower()]
        with ExitStack() as stack:
            self._part = stack.enter_context(replace_atomically(out, "cut"))
            try:
                self._file = soundfile.SoundFile(self._part, "w", rate, channels, subtype, format=form)
            except soundfile.LibsndfileError as cause:
                message = f"{rate} Hz and {channels} channels cannot be written so ({cause.error_string.rstrip('.')})"
                hint = "Choose .wav or .flac, and a folder that exists."
                raise Misconfigured(message, operation="cut", key=str(out), hint=hint) from None
            # Until here an error removes the temporary file; from here on ``done`` or ``__exit__`` does.
            self._emerging = stack.pop_all()

    def write(self, samples: NDArray[np.int16]) -> None:
        import numpy as np

        with self._to_the_end():
            self._file.write(np.ascontiguousarray(samples.T))
        self.frames += samples.shape[1]

    def done(self) -> None:
        """Close the file, read it back, and give it its name."""
        if self._file.closed:
            return
        with self._emerging:
            with self._to_the_end():
                self._file.close()
            _check_clip(self._part, self.frames, self._out)

    @contextmanager
    def _to_the_end(self) -> Iterator[None]:
        try:
            yield
        except self._failed as cause:  # libsndfile does not tell why
            message = f"cannot be written to its end ({cause.error_string.rstrip('.')})"
            raise disk_full(self._out, "cut", message) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.done()
        elif not self._file.closed:
            # Closing writes what is buffered, which fails again on a full disk.
            with suppress(self._failed):
                self._file.close()
            self._emerging.__exit__(kind, error, trace)
