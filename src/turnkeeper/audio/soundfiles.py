"""WAV, FLAC, Ogg Opus and Vorbis, and MP3 through libsndfile (the extra ``[audio]``)."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from turnkeeper.audio.mp3 import encoder_delay_known
from turnkeeper.audio.ogg import ends_properly
from turnkeeper.audio.riff import Wav, read_wav
from turnkeeper.errors import Misconfigured, Unread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SoundDecoder"]

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
_MEND = "The file is damaged or is not audio: fetch it again, or convert it to WAV."


class SoundDecoder:
    """One file through libsndfile. Opus comes at the rate its header names (8 kHz for a telephone call)."""

    def __init__(self, file: BinaryIO, key: str) -> None:
        self._key, self._file = key, file
        self._soundfile = _soundfile()
        wav = _checked(read_wav(file), key)
        self.notes = tuple(_notes(wav, file))
        self._open = self._opened()  # shares the file's position, so nothing else may read the file from now on
        subtype = str(self._open.subtype)
        self.codec = "flac" if self._open.format == "FLAC" else _NAMES.get(subtype, subtype.lower())
        self.rate, self.channels = int(self._open.samplerate), int(self._open.channels)
        # Without a gapless header libsndfile's count is an estimate.
        self.frames: int | None = None if self.codec == "mp3" and self.notes else int(self._open.frames)

    def read(self, start: int, frames: int) -> Iterator[NDArray[np.int16]]:
        """Pieces from frame ``start`` on, channel-major; of ``frames`` frames where the codec is lossless.

        Lossless codecs are entered at ``start``. The others are decoded from their beginning, because their samples
        depend on those before, and always in the same steps: MP3 rounds differently where a read ends.
        """
        import numpy as np

        floating = self.codec in ("pcm_f32", "pcm_f64")
        step = frames if self.codec in _LOSSLESS else _STEP
        block = np.empty((step, self.channels), np.float32 if floating else np.int16)
        drop = self._enter(start)
        while count := self._fill(block):
            if drop < count:
                found = _from_float(block[drop:count]) if floating else block[drop:count]
                yield np.array(
                    found.T, order="C", copy=True
                )  # a view, as one channel would give, changes with the block
            drop = max(0, drop - count)

    def close(self) -> None:
        """Close the file."""
        self._open.close()
        self._file.close()

    def _opened(self) -> Any:
        self._file.seek(0)
        try:
            # By descriptor where there is one (twice as fast), and never by name: an extension must not decide.
            source: Any = os.dup(self._file.fileno())
            os.lseek(source, 0, os.SEEK_SET)
        except (OSError, AttributeError):
            source = _Nameless(self._file)
        with self._told("is not audio"):
            return self._soundfile.SoundFile(source)

    def _enter(self, start: int) -> int:
        """Be in front of frame ``start``, or of the first one; the number of frames to drop."""
        self._open.close()
        self._open = self._opened()  # MP3 does not come back to the same samples by seeking
        if start == 0 or self.codec not in _LOSSLESS:
            return start
        with self._told("cannot be decoded"):
            self._open.seek(min(start, self._open.frames))
        return 0

    def _fill(self, block: NDArray[Any]) -> int:
        with self._told("cannot be decoded"):
            return int(self._open.buffer_read_into(block, block.dtype.name))

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except self._soundfile.LibsndfileError as cause:
            said = f"{what} ({cause.error_string.rstrip('.')})"
            raise Unread(said, operation="decode audio", key=self._key, hint=_MEND) from None


class _Nameless:
    """A file object without the name that soundfile would take a format from."""

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
            hint="Install them: pip install 'turnkeeper[audio]'.",
        ) from None
    except OSError as cause:
        raise Misconfigured(
            f"soundfile finds no libsndfile ({cause})",
            operation="decode audio",
            hint="Install libsndfile (Debian: apt-get install libsndfile1).",
        ) from None
    return soundfile


def _checked(wav: Wav | None, key: str) -> Wav | None:
    """What libsndfile would be told by a WAV header, if it can be true."""
    if wav is not None and (wav.rate == 0 or wav.channels == 0):
        wrong = "0 Hz" if wav.rate == 0 else "0 channels"
        raise Unread(f"its header says {wrong}", operation="decode audio", key=key, hint=_MEND)
    return wav


def _notes(wav: Wav | None, file: BinaryIO) -> Iterator[str]:
    file.seek(0)
    head = file.read(4)
    if wav is not None and wav.promised is not None and wav.promised > wav.frames:
        yield f"cut off: the header promises {wav.promised} samples, the file holds {wav.frames}"
    if head == b"OggS" and not ends_properly(file):
        yield "the Ogg stream has no end mark: it may be cut off"
    if (head[:3] == b"ID3" or int.from_bytes(head[:2], "big") >= 0xFFE0) and not encoder_delay_known(file):
        yield "MP3 without a gapless header: up to 1105 samples of encoder delay stand in front"


def _from_float(block: NDArray[Any]) -> NDArray[np.int16]:
    """Scaled to 16 bits and truncated toward zero, as audiowaveform does it; what is too loud is clipped."""
    import numpy as np

    scaled: NDArray[np.float32] = np.nan_to_num(np.clip(block, -1, 1)) * np.float32(32767)
    return scaled.astype(np.int16)
