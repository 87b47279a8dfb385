"""Any recording -> blocks of 16-bit samples per channel, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, Self

from turnkeeper.errors import Misconfigured, Unread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Audio", "Decoder", "open_audio"]

BLOCK = 65_536
_SNIFFED = 64
_REFUSED = {
    b"<": "is a page or a document, not audio",
    b"{": "is JSON, not audio",
    b"[": "is JSON, not audio",
    b"%PDF": "is a PDF document, not audio",
    b"PK\x03\x04": "is a ZIP archive, not audio",
    b"\x1f\x8b": "is compressed with gzip",
}


class Decoder(Protocol):
    """One opened file. ``read`` gives channel-major pieces of any length from frame ``start`` on, again and again."""

    rate: int
    channels: int
    frames: int | None
    codec: str
    notes: tuple[str, ...]

    def read(self, start: int, frames: int) -> Iterator[NDArray[np.int16]]: ...

    def close(self) -> None: ...


class Audio:
    """An opened recording: a context manager.

    ``rate`` is the rate in Hz of the samples given, ``channels`` how many there are, ``frames`` how many samples each
    channel has (None where only decoding tells), ``codec`` what the file holds (``ulaw``, ``pcm_s16``, ``opus`` …).
    ``notes`` are remarks about the file: a cut-off end, an MP3 whose encoder delay nobody knows.
    """

    def __init__(self, decoders: list[Decoder]) -> None:
        self._decoders = decoders
        first = decoders[0]
        self.rate = first.rate
        self.channels = sum(one.channels for one in decoders)
        self.codec = "+".join(dict.fromkeys(one.codec for one in decoders))
        counts = [one.frames for one in decoders]
        self.frames: int | None = None if None in counts else max(count or 0 for count in counts)
        self.notes = tuple(chain.from_iterable(_numbered(decoders)))

    def blocks(self, frames: int = BLOCK, *, start: int = 0) -> Iterator[NDArray[np.int16]]:
        """The samples from frame ``start`` on in blocks of shape ``(channels, frames)``, the last one shorter.

        Each block is int16, C-contiguous (channel-major) and the caller's own. Every call begins anew; of two calls
        at the same time, only the later one is right. Raises ``Unread`` where the file turns out to be damaged.
        """
        parts = [_even(one.read(start, frames), frames) for one in self._decoders]
        return parts[0] if len(parts) == 1 else _together(parts)

    def close(self) -> None:
        """Close the files."""
        for one in self._decoders:
            one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def open_audio(source: Path | BinaryIO, *, second: Path | BinaryIO | None = None) -> Audio:
    """Open a recording, whatever its name says: WAV (PCM, float, u-law, A-law), FLAC, Ogg, MP3, WebM, MP4.

    ``source`` is a path or a seekable binary file, which is closed with the ``Audio``. With ``second`` two mono files
    of one call become channels 0 and 1; the shorter one is silent behind its end, and a note says so.

    Raises ``Unread`` for what is no audio or has no samples, ``Misconfigured`` for a missing file, a missing extra, or
    two files that are not mono or differ in their rate.
    """
    decoders: list[Decoder] = []
    try:
        decoders += [_decoder(one) for one in (source, second) if one is not None]
        if len(decoders) == 2:
            _check_pair(decoders[0], decoders[1])
    except BaseException:
        for one in decoders:
            one.close()
        raise
    return Audio(decoders)


def _decoder(source: Path | BinaryIO) -> Decoder:
    key = str(source) if isinstance(source, Path) else str(getattr(source, "name", ""))
    file = _opened(source)
    try:
        found = _sniffed(file, key)
        if found.rate < 1 or found.channels < 1:
            raise _unread(f"says {found.rate} Hz and {found.channels} channels", key)
        if found.frames == 0:
            raise _unread("holds no samples", key)
    except BaseException:
        file.close()
        raise
    return found


def _opened(source: Path | BinaryIO) -> BinaryIO:
    if not isinstance(source, Path):
        return source
    try:
        return source.open("rb")
    except FileNotFoundError:
        raise Misconfigured("no such file", operation="read", key=str(source), hint="Check the path.") from None
    except OSError as cause:
        why = f"cannot be read ({cause.strerror})"
        raise Misconfigured(why, operation="read", key=str(source), hint="Check the path.") from None


def _sniffed(file: BinaryIO, key: str) -> Decoder:
    """The decoder for what the first bytes are."""
    file.seek(0)
    head = file.read(_SNIFFED)
    if not head:
        raise _unread("is empty", key)
    for start, message in _REFUSED.items():
        if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(start):
            raise _unread(message, key)
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        from turnkeeper.audio.media import MediaDecoder

        return MediaDecoder(file, "matroska", key)
    if head[4:8] == b"ftyp" or int.from_bytes(head[:2], "big") & 0xFFF6 == 0xFFF0:
        from turnkeeper.audio.media import MediaDecoder

        return MediaDecoder(file, "mp4" if head[4:8] == b"ftyp" else "aac", key)
    from turnkeeper.audio.soundfiles import SoundDecoder

    return SoundDecoder(file, key)


def _unread(message: str, key: str) -> Unread:
    hint = "Fetch the recording again; an expired link gives a page instead of audio."
    return Unread(message, operation="decode audio", key=key, hint=hint)


def _check_pair(first: Decoder, second: Decoder) -> None:
    if first.channels == second.channels == 1 and first.rate == second.rate:
        return
    said = " and ".join(f"{one.channels} channels at {one.rate} Hz" for one in (first, second))
    raise Misconfigured(
        f"two files of one call have {said}",
        operation="decode audio",
        hint="Give one file with all channels, or two mono files of the same rate.",
    )


def _numbered(decoders: list[Decoder]) -> Iterator[list[str]]:
    for number, one in enumerate(decoders):
        yield [f"channel {number}: {note}" if len(decoders) > 1 else note for note in one.notes]
    counts = [one.frames for one in decoders]
    if len(counts) == 2 and counts[0] is not None and counts[1] is not None and counts[0] != counts[1]:
        shorter = 0 if counts[0] < counts[1] else 1
        yield [f"channel {shorter} is {abs(counts[0] - counts[1])} samples shorter; silence follows it"]


def _even(pieces: Iterator[NDArray[np.int16]], frames: int) -> Iterator[NDArray[np.int16]]:
    """Pieces of any length as blocks of one length, the last one shorter."""
    import numpy as np

    held: list[NDArray[np.int16]] = []
    count = 0
    for piece in pieces:
        if not held and piece.shape[1] == frames:
            yield piece
            continue
        held.append(piece)
        count += piece.shape[1]
        if count >= frames:
            whole = np.concatenate(held, axis=1)
            for at in range(0, count - count % frames, frames):
                yield np.ascontiguousarray(whole[:, at : at + frames])
            held, count = [whole[:, count - count % frames :]], count % frames
    if count:
        yield np.ascontiguousarray(np.concatenate(held, axis=1))


def _together(parts: list[Iterator[NDArray[np.int16]]]) -> Iterator[NDArray[np.int16]]:
    """Two channels side by side; the shorter one goes on in silence."""
    import numpy as np

    while True:
        blocks = [next(part, None) for part in parts]
        length = max((block.shape[1] for block in blocks if block is not None), default=0)
        if not length:
            return
        joined = np.zeros((len(parts), length), np.int16)
        for number, block in enumerate(blocks):
            if block is not None:
                joined[number, : block.shape[1]] = block[0]
        yield joined
