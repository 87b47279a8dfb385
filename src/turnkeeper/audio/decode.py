"""Any recording -> blocks of 16-bit samples per channel, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from turnkeeper.audio.decoders import AudioDecoder, decoder_of, not_audio
from turnkeeper.audio.durations import format_duration, lengths_differ
from turnkeeper.errors import Misconfigured

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Audio", "open_audio"]

BLOCK = 65_536
# A damaged header may name thousands, and every block has room for each.
MOST_CHANNELS = 32


class Audio:
    """An opened recording. A context manager.

    ``rate`` is the sample rate in Hz of the samples given, ``channels`` their number of channels. ``frames`` is the
    number of samples per channel, None where only decoding tells. ``codec`` is what the file contains (``ulaw``,
    ``pcm_s16``, ``opus`` …).
    """

    def __init__(self, decoders: list[AudioDecoder]) -> None:
        self._decoders = decoders
        first = decoders[0]
        self.rate = first.rate
        self.channels = sum(decoder.channels for decoder in decoders)
        self.codec = "+".join(dict.fromkeys(decoder.codec for decoder in decoders))
        counts = [decoder.frames for decoder in decoders]
        self.frames: int | None = None if None in counts else max(count or 0 for count in counts)
        self._counts = counts

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks about the file, for example a truncated end or an MP3 with an unknown encoder delay.

        Some are only known when the file was decoded to its end.
        """
        return tuple(
            dict.fromkeys([*self.losses, *self._remarks(lambda decoder: decoder.notes), *self._shorter_channel()])
        )

    @property
    def losses(self) -> tuple[str, ...]:
        """Those of ``notes`` that say that sound is missing: damage, gaps, a length that differs from the
        container's own (see ``durations.lengths_differ``). Complete when the file was decoded to its end.
        """
        found = list(self._remarks(lambda decoder: decoder.losses))
        for number, (decoder, count) in enumerate(zip(self._decoders, self._counts, strict=True)):
            # A loss that the decoder reports already explains a difference in length.
            if count is not None and decoder.clock_s is not None and not decoder.losses:
                found += self._with_channel(
                    number, _length_mismatch(count * 1000 / decoder.rate, decoder.clock_s * 1000)
                )
        counts = [count * 1000 / self.rate for count in self._counts if count is not None]
        # The two files of a call may differ a little; more than that is sound missing on one side.
        if len(counts) == 2 and lengths_differ(*counts):
            found += self._shorter_channel()
        return tuple(dict.fromkeys(found))

    def count(self) -> int:
        """The number of samples per channel. Decodes the file where only that tells and it has not been done before."""
        if None in self._counts:
            for _ in self.blocks():
                pass
        return max(count or 0 for count in self._counts)

    def blocks(self, frames: int = BLOCK, *, start: int = 0) -> Iterator[NDArray[np.int16]]:
        """The samples from frame ``start`` on in blocks of shape ``(channels, frames)``; the last block is shorter.

        Each block is int16, C-contiguous (channel-major) and belongs to the caller. Every call starts again; of two
        iterations at the same time only the later one is right. Raises ``Unread`` where nothing of the file can be
        decoded. Where it is damaged further on, ``losses`` says so.
        """
        parts = [
            _equal_blocks(self._read_and_count(number, start, frames), frames) for number in range(len(self._decoders))
        ]
        return parts[0] if len(parts) == 1 else _two_channels(parts)

    def _read_and_count(self, number: int, start: int, frames: int) -> Iterator[NDArray[np.int16]]:
        """The samples of one file. They are counted on the way, so the length is known at the end."""
        count = start
        for piece in self._decoders[number].read(start, frames):
            count += piece.shape[1]
            yield piece
        # A read that began behind the end says nothing about the length.
        if count > start or not start:
            self._counts[number] = count

    def _remarks(self, what: Callable[[AudioDecoder], list[str]]) -> Iterator[str]:
        for number, decoder in enumerate(self._decoders):
            yield from self._with_channel(number, what(decoder))

    def _with_channel(self, number: int, notes: list[str]) -> list[str]:
        return [f"channel {number}: {note}" for note in notes] if len(self._decoders) > 1 else notes

    def _shorter_channel(self) -> Iterator[str]:
        counts = self._counts
        if len(counts) == 2 and counts[0] is not None and counts[1] is not None and counts[0] != counts[1]:
            shorter = 0 if counts[0] < counts[1] else 1
            yield f"channel {shorter} is {abs(counts[0] - counts[1])} samples shorter; silence follows it"

    def close(self) -> None:
        """Close the files."""
        for decoder in self._decoders:
            decoder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def open_audio(source: str | Path | BinaryIO, *, second: str | Path | BinaryIO | None = None) -> Audio:
    """Open a recording by its content, whatever its name says: WAV (PCM, float, u-law, A-law), FLAC, Ogg, MP3, WebM,
    MP4.

    ``source`` is a path or a seekable binary file, which is closed with the ``Audio``. With ``second``, two mono files
    of one call become channels 0 and 1; the shorter one is followed by silence, and a note says so.

    Raises ``Unread`` for a file that is not audio or has no samples, ``Misconfigured`` for a missing file, a missing
    extra, or two files that are not mono or differ in their rate.
    """
    decoders: list[AudioDecoder] = []
    try:
        paths = [Path(file) if isinstance(file, str) else file for file in (source, second)]
        decoders += [_open_decoder(file) for file in paths if file is not None]
        if len(decoders) == 2:
            _check_pair(decoders[0], decoders[1])
    except BaseException:
        for file in decoders:
            file.close()
        raise
    return Audio(decoders)


def _open_decoder(source: Path | BinaryIO) -> AudioDecoder:
    key = str(source) if isinstance(source, Path) else str(getattr(source, "name", ""))
    file = _open_file(source)
    try:
        found = decoder_of(file, key)
        if found.rate < 1 or found.channels < 1:
            raise not_audio(f"says {found.rate} Hz and {found.channels} channels", key)
        if found.channels > MOST_CHANNELS:
            raise not_audio(f"says {found.channels} channels; {MOST_CHANNELS} at most are read", key)
        if found.frames == 0:
            raise not_audio("holds no samples", key)
    except BaseException:
        file.close()
        raise
    return found


def _open_file(source: Path | BinaryIO) -> BinaryIO:
    if not isinstance(source, Path):
        return source
    try:
        return source.open("rb")
    except FileNotFoundError:
        raise Misconfigured("no such file", operation="read", key=str(source), hint="Check the path.") from None
    except OSError as cause:
        why = f"cannot be read ({cause.strerror})"
        raise Misconfigured(why, operation="read", key=str(source), hint="Check the path.") from None


def _check_pair(first: AudioDecoder, second: AudioDecoder) -> None:
    if first.channels == second.channels == 1 and first.rate == second.rate:
        return
    formats = " and ".join(f"{decoder.channels} channels at {decoder.rate} Hz" for decoder in (first, second))
    raise Misconfigured(
        f"two files of one call have {formats}",
        operation="decode audio",
        hint="Give one file with all channels, or two mono files of the same rate.",
    )


def _length_mismatch(decoded_ms: float, named_ms: float) -> list[str]:
    if not lengths_differ(decoded_ms, named_ms):
        return []
    return [f"{format_duration(decoded_ms)} could be decoded, the file itself says {format_duration(named_ms)}"]


def _equal_blocks(pieces: Iterator[NDArray[np.int16]], frames: int) -> Iterator[NDArray[np.int16]]:
    """Pieces of any length as blocks of one length. The last block is shorter."""
    import numpy as np

    waiting: list[NDArray[np.int16]] = []
    count = 0
    for piece in pieces:
        if not waiting and piece.shape[1] == frames:
            yield piece
            continue
        waiting.append(piece)
        count += piece.shape[1]
        if count >= frames:
            # Joined once per block: joining at every piece would copy a block as often as it has pieces.
            whole = np.concatenate(waiting, axis=1)
            for at in range(0, count - count % frames, frames):
                yield np.ascontiguousarray(whole[:, at : at + frames])
            waiting, count = [whole[:, count - count % frames :]], count % frames
    if count:
        yield np.ascontiguousarray(np.concatenate(waiting, axis=1))


def _two_channels(parts: list[Iterator[NDArray[np.int16]]]) -> Iterator[NDArray[np.int16]]:
    """Two channels side by side. The shorter one is continued with silence."""
    import numpy as np

    while True:
        blocks = [next(part, None) for part in parts]
        length = max((block.shape[1] for block in blocks if block is not None), default=0)
        if not length:
            return
        # Silence where one file has ended, so that both channels always have the same length.
        joined = np.zeros((len(parts), length), np.int16)
        for number, block in enumerate(blocks):
            if block is not None:
                joined[number, : block.shape[1]] = block[0]
        yield joined
