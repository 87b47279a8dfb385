"""Decode WAV, FLAC, Ogg Opus and Vorbis, and MP3 with libsndfile (the extra ``[audio]``).

libsndfile believes the header and stops at its own estimate of the length. So the content of the file is determined
first (``riff``, ``ogg``, ``mp3``, ``flac``), each stream of a chained file is opened by itself, and where libsndfile
gives less than the file contains, PyAV reads on.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from turnkeeper.audio.byte_ranges import ByteRange, ByteRanges
from turnkeeper.audio.durations import format_duration
from turnkeeper.audio.library_warnings import LibraryWarnings
from turnkeeper.errors import Misconfigured, Unread
from turnkeeper.installation import install_hint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from turnkeeper.audio.media_decoder import Container

__all__ = ["FileFacts", "SoundfileDecoder"]

_NAMES = {
    "ULAW": "ulaw",
    "ALAW": "alaw",
    "PCM_U8": "pcm_u8",
    "PCM_S8": "pcm_s8",
    "PCM_16": "pcm_s16",
    "PCM_24": "pcm_s24",
    "PCM_32": "pcm_s32",
    "FLOAT": "pcm_f32",
    "DOUBLE": "pcm_f64",
    "OPUS": "opus",
    "VORBIS": "vorbis",
    "MPEG_LAYER_III": "mp3",
}
_LOSSLESS = ("ulaw", "alaw", "pcm_u8", "pcm_s8", "pcm_s16", "pcm_s24", "pcm_s32", "pcm_f32", "pcm_f64", "flac")
_STEP = 65_536
_ENOUGH_S = 0.02
_MEND = "The file is damaged or is not audio: fetch it again, or convert it to WAV."


@dataclass(frozen=True)
class FileFacts:
    """What is known of a file before it is decoded.

    ``parts`` are its streams, one after another, each opened by itself; empty where the file is opened as it is.
    ``clock_s`` is the length that the container declares, ``holds_s`` the length that it is known to contain; None
    where nothing tells. ``fallback`` names the demuxer that reads on where libsndfile ends too early. ``noisy`` says
    that the decoder writes on standard error.
    """

    parts: tuple[ByteRange, ...] = ()
    head: bytes = b""
    frames: int | None = None
    clock_s: float | None = None
    holds_s: float | None = None
    fallback: Container | None = None
    notes: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    noisy: bool = False


class SoundfileDecoder:
    """One file, decoded by libsndfile. Opus is given at the rate in its header (8 kHz for a telephone call)."""

    def __init__(self, file: BinaryIO, key: str, facts: FileFacts) -> None:
        self._key, self._file, self._facts = key, file, facts
        self._soundfile = _soundfile()
        self.notes, self.losses = list(facts.notes), list(facts.losses)
        self._warnings = LibraryWarnings(noisy=facts.noisy)
        self._open = self._open_part(0)  # shares the file's position, so nothing else may read the file from now on
        subtype = str(self._open.subtype)
        self.container = str(self._open.format)
        self.codec = "flac" if self.container == "FLAC" else _NAMES.get(subtype, subtype.lower())
        self.rate, self.channels = int(self._open.samplerate), int(self._open.channels)
        self.frames = facts.frames
        self.clock_s = facts.clock_s
        if self.frames is None and self.codec in _LOSSLESS and self.codec != "flac":
            self.frames = int(self._open.frames)

    def read(self, start: int, frames: int) -> Iterator[NDArray[np.int16]]:
        """Pieces from frame ``start`` on, channel-major; of ``frames`` frames where the codec is lossless.

        Lossless codecs are entered at ``start``. The others are decoded from their beginning, because their samples
        depend on those before, and always in the same steps, because MP3 rounds differently where a read ends.
        """
        count = 0
        for piece in self._from_library(start, frames):
            count += piece.shape[1]
            yield piece
        # A start behind the end says nothing about the length.
        if not count and start:
            return
        self._compare_with_header(start + count)
        why = self._shortfall(start + count)
        if why is not None:
            yield from self._read_on(start + count, frames, why)

    def close(self) -> None:
        """Close the file."""
        self._open.close()
        self._file.close()

    def _from_library(self, start: int, frames: int) -> Iterator[NDArray[np.int16]]:
        import numpy as np

        # Floats are scaled and clipped here as audiowaveform does it, not by libsndfile.
        floating = self.codec in ("pcm_f32", "pcm_f64")
        # Lossy decoders round differently where a read ends, so their steps never depend on the caller.
        step = frames if self.codec in _LOSSLESS else _STEP
        block = np.empty((step, self.channels), np.float32 if floating else np.int16)
        drop = start
        for part in range(self._opens_per_pass):
            drop = self._enter_part(part, drop)
            # Samples of another rate would be heard at the wrong speed.
            if self._open.samplerate != self.rate:
                self._failure = f"the rate changes to {self._open.samplerate} Hz"
                return
            if block.shape[1] != self._open.channels:
                block = np.empty((step, int(self._open.channels)), block.dtype)
            while count := self._fill_block(block):
                if drop < count:
                    found = _from_float(block[drop:count]) if floating else block[drop:count]
                    # A view, as one channel would give, changes with the block.
                    yield np.array(_of_channels(found, self.channels).T, order="C", copy=True)
                drop = max(0, drop - count)
            if self._failure:
                # The next part would follow at once, in the place of what is missing here.
                return

    def _compare_with_header(self, frames: int) -> None:
        """Note where the library gives more than the file's own header says."""
        named = self._facts.clock_s
        if named is not None and frames / self.rate - named > _ENOUGH_S:
            self._add_note(
                f"{format_duration((frames / self.rate - named) * 1000)} more are decoded than the file itself says"
            )

    def _shortfall(self, frames: int) -> str | None:
        """Why ``frames`` cannot be all: the library failed, or the file contains more. None where they can be."""
        holds = self._facts.holds_s
        if self._failure:
            return f"damaged at {format_duration(frames * 1000 / self.rate)} ({self._failure})"
        if holds is not None and holds - frames / self.rate > _ENOUGH_S:
            return f"only {format_duration(frames * 1000 / self.rate)} of {format_duration(holds * 1000)} could be read"
        return None

    def _read_on(self, start: int, frames: int, why: str) -> Iterator[NDArray[np.int16]]:
        """Read on behind frame ``start`` with PyAV, where libsndfile stopped too early."""
        from turnkeeper.audio.media_decoder import MediaDecoder, media_installed

        if self._facts.fallback is None or not media_installed():
            self._add_loss(why + ("" if self._facts.fallback is None else "; turnkeeper[media] may read on"))
            return
        # Another view of the same file, so that closing the other decoder leaves ours open.
        whole = cast(BinaryIO, ByteRanges(self._file, [(0, self._file.seek(0, 2))]))
        other: MediaDecoder | None = None
        try:
            other = MediaDecoder(whole, self._facts.fallback, self._key, rate=self.rate)
            if other.channels == self.channels:
                for piece in other.read(start, frames):
                    start += piece.shape[1]
                    yield piece
        except Unread:
            pass
        for loss in other.losses if other else ():
            self._add_loss(loss)
        if (still := self._shortfall_after_fallback(start)) is not None:
            self._add_loss(still)
        elif self.codec != "flac" or self._facts.clock_s is not None:
            # libsndfile always fails in front of the last block of a FLAC stream that names no length.
            self._add_note(f"{why}; another decoder read on from there")

    def _shortfall_after_fallback(self, frames: int) -> str | None:
        holds = self._facts.holds_s
        if holds is None:
            return (
                f"damaged at {format_duration(frames * 1000 / self.rate)} ({self._failure})" if self._failure else None
            )
        return self._shortfall(frames) if holds - frames / self.rate > _ENOUGH_S else None

    def _add_note(self, words: str) -> None:
        if words not in self.notes:
            self.notes.append(words)

    def _add_loss(self, words: str) -> None:
        if words not in self.losses:
            self.losses.append(words)

    _failure = ""

    def _open_part(self, part: int) -> Any:
        """Open the file, or one of its parts, at its beginning."""
        source: Any
        if self._facts.parts:
            regions = [self._facts.parts[part]] if not self._facts.head else list(self._facts.parts)
            source = _Nameless(cast(BinaryIO, ByteRanges(self._file, regions, self._facts.head)))
        else:
            self._file.seek(0)
            try:
                # By descriptor where there is one (twice as fast), and never by name: an extension must not decide.
                source = os.dup(self._file.fileno())
                os.lseek(source, 0, os.SEEK_SET)
            except (OSError, AttributeError):
                source = _Nameless(self._file)
        try:
            with self._warnings.caught():
                return self._soundfile.SoundFile(source)
        except self._soundfile.LibsndfileError as cause:
            message = f"is not audio ({cause.error_string.rstrip('.')})"
            raise Unread(message, operation="decode audio", key=self._key, hint=self._repair_hint()) from None

    def _repair_hint(self) -> str:
        from turnkeeper.audio.media_decoder import media_installed

        return (
            _MEND if self._facts.fallback is None or media_installed() else f"PyAV may read it. {install_hint('media')}"
        )

    @property
    def _opens_per_pass(self) -> int:
        """How many times one pass opens the file. Parts behind a ``head`` are one file together."""
        return 1 if self._facts.head else max(1, len(self._facts.parts))

    def _enter_part(self, part: int, start: int) -> int:
        """Go to frame ``start`` of a part, or to its first one. Returns the number of frames to drop."""
        self._open.close()
        self._failure = ""
        self._open = self._open_part(part)  # MP3 does not come back to the same samples by seeking
        if start == 0 or self.codec not in _LOSSLESS or self._opens_per_pass > 1:
            return start
        try:
            self._open.seek(min(start, self._open.frames))
        except self._soundfile.LibsndfileError as cause:
            message = f"cannot be decoded ({cause.error_string.rstrip('.')})"
            raise Unread(message, operation="decode audio", key=self._key, hint=_MEND) from None
        return 0

    def _fill_block(self, block: NDArray[Any]) -> int:
        """Decode into ``block``. Returns 0 at the end, and where the library cannot go on."""
        try:
            with self._warnings.caught():
                return int(self._open.buffer_read_into(block, block.dtype.name))
        except self._soundfile.LibsndfileError as cause:
            self._failure = str(cause.error_string).rstrip(".")
            return 0
        finally:
            self.notes += [note for note in self._warnings.notes if note not in self.notes]


class _Nameless:
    """A file object without the name from which soundfile would guess a format."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def write(self, _data: bytes) -> int:
        raise io.UnsupportedOperation("read only")


def _soundfile() -> Any:
    try:
        import numpy  # noqa: F401, ICN001 - soundfile gives arrays and does not ask for it before
        import soundfile
    except ImportError:
        raise Misconfigured(
            "audio needs numpy and soundfile",
            operation="decode audio",
            hint=install_hint("audio"),
        ) from None
    except OSError as cause:
        raise Misconfigured(
            f"soundfile finds no libsndfile ({cause})",
            operation="decode audio",
            hint="Install libsndfile (Debian: apt-get install libsndfile1).",
        ) from None
    return soundfile


def _of_channels(block: NDArray[Any], channels: int) -> NDArray[Any]:
    """The samples of a later stream in the number of channels of the first: one voice on all, or their mean on each."""
    import numpy as np

    if block.shape[1] == channels:
        return block
    mean = block.mean(axis=1, keepdims=True)
    return np.repeat(mean if np.issubdtype(block.dtype, np.floating) else mean.astype(block.dtype), channels, axis=1)


def _from_float(block: NDArray[Any]) -> NDArray[np.int16]:
    """Scale to 16 bits and truncate toward zero, as audiowaveform does. Samples beyond full scale are clipped."""
    import numpy as np

    scaled: NDArray[np.float32] = np.nan_to_num(np.clip(block, -1, 1)) * np.float32(32767)
    return scaled.astype(np.int16)
