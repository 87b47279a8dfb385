"""Choose the decoder of a file by its bytes, since names and content types may be wrong, and tell it what is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from turnkeeper.audio.byte_ranges import ByteRanges, skip_id3_tags
from turnkeeper.audio.durations import format_duration, lengths_differ
from turnkeeper.audio.flac import read_flac
from turnkeeper.audio.mp3 import UNKNOWN_DELAY, Mp3, is_frame, read_mp3
from turnkeeper.audio.ogg import Ogg, read_ogg
from turnkeeper.audio.riff import Wav, read_wav
from turnkeeper.errors import Unread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from turnkeeper.audio.media_decoder import Container, MediaDecoder

__all__ = ["AudioDecoder", "decoder_of", "not_audio"]

_SNIFFED = 64
_REFUSED = {
    b"<": "is a page or a document, not audio",
    b"{": "is JSON, not audio",
    b"[": "is JSON, not audio",
    b"%PDF": "is a PDF document, not audio",
    b"PK\x03\x04": "is a ZIP archive, not audio",
    b"\x1f\x8b": "is compressed with gzip",
}
_AGAIN = "Fetch the recording again; an expired link gives a page instead of audio."
_MEND = "The file is damaged or is not audio: fetch it again, or convert it to WAV."
# WAVE_FORMAT_MPEGLAYER3 and WAVE_FORMAT_MPEG, as registered in mmreg.h.
_MP3_IN_WAV, _MPEG_IN_WAV = 0x55, 0x50
_BY_LIBRARY = {"opus", "vorbis"}
_SURELY = 8  # so many MP3 frames in a row do not come about by chance in other data


class AudioDecoder(Protocol):
    """What every decoder of one opened file offers.

    ``read`` gives channel-major pieces of any length from frame ``start`` on, as often as it is called. ``clock_s`` is
    the length in seconds that the container declares. ``notes`` are remarks; ``losses`` are those that say that sound
    is missing. Both are complete when the file was read to its end.
    """

    rate: int
    channels: int
    frames: int | None
    codec: str
    clock_s: float | None
    notes: list[str]
    losses: list[str]

    def read(self, start: int, frames: int) -> Iterator[NDArray[np.int16]]: ...

    def close(self) -> None: ...


def decoder_of(file: BinaryIO, key: str) -> AudioDecoder:
    """The decoder for the file's content.

    Raises ``Unread`` where that is not audio, ``Misconfigured`` for a missing extra.
    """
    file.seek(0)
    head = file.read(_SNIFFED)
    if not head:
        raise not_audio("is empty", key)
    for start, message in _REFUSED.items():
        # Pages and documents may begin with a byte order mark or white space.
        if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(start):
            raise not_audio(message, key)
    at = skip_id3_tags(file)
    file.seek(at)
    head = file.read(_SNIFFED)
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return _open_webm(file, at, key)
    # Fragments begin with ``styp`` or ``moof``, and old QuickTime files with ``moov``.
    if head[4:8] in (b"ftyp", b"styp", b"moov", b"moof"):
        return _open_mp4(file, at, key)
    # ADTS, the framing of bare AAC: twelve set bits, then layer 0 (ISO/IEC 13818-7, section 6.2).
    if int.from_bytes(head[:2], "big") & 0xFFF6 == 0xFFF0:
        from turnkeeper.audio.media_decoder import MediaDecoder

        return MediaDecoder(file, "aac", key)
    return _open_sound_file(file, head, at, key)


def _open_sound_file(file: BinaryIO, head: bytes, at: int, key: str) -> AudioDecoder:
    wav = read_wav(file)
    if wav is not None:
        return _open_wav(file, wav, key)
    if head[:4] == b"OggS" and (ogg := read_ogg(file)) is not None:
        return _open_ogg(file, ogg, key)
    if head[:4] == b"fLaC":
        return _open_flac(file, key)
    mp3 = read_mp3(file)
    if mp3 is not None and mp3.frames >= (1 if at or is_frame(head[:4]) else _SURELY):
        return _open_mp3(file, mp3, key)
    from turnkeeper.audio.soundfile_decoder import FileFacts, SoundfileDecoder

    found = SoundfileDecoder(file, key, FileFacts(noisy=True))
    found.notes.append(f"{found.container} is read as it is: whether sound is missing in it is not checked")
    return found


def _open_wav(file: BinaryIO, wav: Wav, key: str) -> AudioDecoder:
    if wav.rate == 0 or wav.channels == 0:
        wrong = "0 Hz" if wav.rate == 0 else "0 channels"
        raise Unread(f"its header says {wrong}", operation="decode audio", key=key, hint=_MEND)
    # Recorders store MP3 in WAV; the samples then follow from the frames, not from the WAV header.
    if wav.tag in (_MP3_IN_WAV, _MPEG_IN_WAV):
        return _open_mp3_in_wav(file, wav, key)
    from turnkeeper.audio.soundfile_decoder import FileFacts, SoundfileDecoder

    ms = wav.frames * 1000 / wav.rate
    losses, notes = [], list(wav.notes)
    joined = any(note.startswith("another WAV") for note in notes)
    # The bytes of compressed samples do not tell the seconds, so any shortage of them counts.
    cut = not wav.plain or (wav.declared is not None and lengths_differ(wav.declared * 1000 / wav.rate, ms))
    behind = (
        wav.plain and wav.frame_bytes and lengths_differ(ms + wav.unexplained / wav.frame_bytes * 1000 / wav.rate, ms)
    )
    if cut or behind or joined:
        losses = [note for note in notes if note.startswith("cut off") or note.endswith("not read")]
    known = FileFacts(
        parts=() if wav.well_formed else wav.regions,
        head=b"" if wav.well_formed else wav.header,
        frames=wav.frames if wav.plain else None,
        holds_s=wav.frames / wav.rate if wav.plain else None,
        fallback="wav" if wav.well_formed else None,
        notes=tuple(note for note in notes if note not in losses),
        losses=tuple(losses),
    )
    return SoundfileDecoder(file, key, known)


def _open_mp3_in_wav(file: BinaryIO, wav: Wav, key: str) -> AudioDecoder:
    """Decode the MP3 stream without the WAV around it: libsndfile would believe the length in the WAV header."""
    inner = cast(BinaryIO, ByteRanges(file, list(wav.regions), owns=True))
    mp3 = read_mp3(inner)
    if mp3 is None or not mp3.frames:
        raise not_audio("holds no samples", key)
    lost = tuple(note for note in wav.notes if note.startswith("cut off") or note.endswith("not read"))
    found = _open_mp3(inner, mp3, key, notes=tuple(note for note in wav.notes if note not in lost))
    found.losses[:0] = lost
    return found


def _open_ogg(file: BinaryIO, ogg: Ogg, key: str) -> AudioDecoder:
    from turnkeeper.audio.media_decoder import other_tracks
    from turnkeeper.audio.soundfile_decoder import FileFacts, SoundfileDecoder

    lasts = [link.lasts for link in ogg.links]
    holds = _total_seconds(lasts)
    notes, links = list(ogg.damage), ogg.links
    if len(links) > 1:
        parts = ", ".join(format_duration((seconds or 0) * 1000) for seconds in lasts[:4])
        notes.append(f"{len(links)} streams stand one behind another ({parts}{', …' if len(links) > 4 else ''})")
    if not ogg.even:
        notes.append("the number of channels changes on the way: given as it began")
    # libsndfile reads FLAC in Ogg of its own making only, and gives each stream at that stream's rate.
    plain = len({link.rate for link in links}) == 1 and {link.codec for link in links} <= _BY_LIBRARY
    if ogg.lost or ogg.mixed or not plain:
        # PyAV gives Opus at 48 kHz and libsndfile at the rate in its header: the rate must not depend on the reader.
        found = _open_media(file, "ogg", key, rate=links[0].rate if links[0].codec == "opus" else 0)
        if found is not None:
            found.notes[:0] = notes
            found.losses[:0] = ogg.lost
            found.clock_s = holds
            return found
    whole = len(links) == 1 and links[0].region[0] == 0
    known = FileFacts(
        parts=() if whole else tuple(link.region for link in links),
        holds_s=holds,
        fallback="ogg",
        notes=tuple(notes),
        losses=(*ogg.lost, *other_tracks(ogg.beside)),
    )
    return SoundfileDecoder(file, key, known)


def _open_flac(file: BinaryIO, key: str) -> AudioDecoder:
    from turnkeeper.audio.soundfile_decoder import FileFacts, SoundfileDecoder

    streams = read_flac(file)
    parts = tuple(stream.region for stream in streams)
    known = FileFacts(
        parts=() if len(parts) == 1 and parts[0][0] == 0 else parts,
        clock_s=_total_seconds([stream.declared_s for stream in streams]),
        holds_s=_total_seconds([stream.actual_s for stream in streams]),
        fallback="flac",
        notes=(f"{len(parts)} FLAC files stand one behind another",) if len(parts) > 1 else (),
    )
    return SoundfileDecoder(file, key, known)


def _total_seconds(seconds: list[float | None]) -> float | None:
    return None if None in seconds else sum(one or 0.0 for one in seconds)


def _open_mp3(file: BinaryIO, mp3: Mp3, key: str, notes: tuple[str, ...] = ()) -> AudioDecoder:
    remarks, losses = [*notes, *_mp3_notes(mp3)], []
    promised = mp3.declared * mp3.samples / mp3.frames if mp3.declared else 0
    if (
        promised
        and lengths_differ(promised * 1000 / mp3.rate, max(promised, mp3.samples) * 1000 / mp3.rate)
        and not mp3.joined
    ):
        remarks.append("the header in front names fewer frames than there are")
    if (
        promised
        and promised > mp3.samples
        and lengths_differ(promised * 1000 / mp3.rate, mp3.samples * 1000 / mp3.rate)
    ):
        declared, there = (format_duration(samples * 1000 / mp3.rate) for samples in (promised, mp3.samples))
        losses.append(f"cut off: the header in front promises {declared}, the file holds {there}")
    if mp3.around or len(mp3.regions) > 1:
        file = cast(BinaryIO, ByteRanges(file, mp3.regions, owns=True))
    # libsndfile trusts the header's frame count and gapless fields; where they are wrong it drops sound.
    if not mp3.regular:
        found = _open_media(file, "mp3", key)
        if found is not None:
            found.notes[:0], found.losses[:0] = remarks, losses
            return found
    from turnkeeper.audio.soundfile_decoder import FileFacts, SoundfileDecoder

    named = (mp3.samples - mp3.padding) / mp3.rate if mp3.gapless else None
    holds = max(0, mp3.samples - mp3.padding - 529) / mp3.rate  # 529: what a decoder itself is late
    known = FileFacts(
        clock_s=named, holds_s=holds, fallback="mp3", notes=tuple(remarks), losses=tuple(losses), noisy=True
    )
    return SoundfileDecoder(file, key, known)


def _mp3_notes(mp3: Mp3) -> list[str]:
    notes = []
    if mp3.joined:
        notes.append(f"{mp3.joined + 1} MP3 files stand one behind another")
    if mp3.junk + mp3.around > 1:
        notes.append(f"{mp3.junk + mp3.around} bytes of the file are no MP3")
    if mp3.cut:
        notes.append("the last frame is not whole: it may be cut off")
    if mp3.changes:
        notes.append("rate or channels change on the way")
    if not mp3.gapless:
        notes.append(UNKNOWN_DELAY)
    return notes


def _open_webm(file: BinaryIO, at: int, key: str) -> AudioDecoder:
    from turnkeeper.audio.media_decoder import MediaDecoder
    from turnkeeper.audio.truncation import webm_missing_bytes

    found = MediaDecoder(_without_prefix(file, at), "matroska", key)
    return _with_missing_end(found, webm_missing_bytes(file, at))


def _open_mp4(file: BinaryIO, at: int, key: str) -> AudioDecoder:
    from turnkeeper.audio.media_decoder import MediaDecoder
    from turnkeeper.audio.truncation import has_second_mp4, mp4_missing_bytes

    found = MediaDecoder(_without_prefix(file, at), "mp4", key)
    if has_second_mp4(file, at):
        found.losses.append("another MP4 file stands behind this one and is not read")
    return _with_missing_end(found, mp4_missing_bytes(file, at))


def _without_prefix(file: BinaryIO, at: int) -> BinaryIO:
    if not at:
        return file
    return cast(BinaryIO, ByteRanges(file, [(at, file.seek(0, 2))], owns=True))


def _with_missing_end(found: MediaDecoder, missing: int) -> AudioDecoder:
    if missing:
        found.losses.append("cut off: the end that the file promises is not there")
    return found


def _open_media(file: BinaryIO, container: Container, key: str, *, rate: int = 0) -> MediaDecoder | None:
    """PyAV's decoder, None where it is not installed or does not know the file."""
    from turnkeeper.audio.media_decoder import MediaDecoder, media_installed

    if not media_installed():
        return None
    try:
        return MediaDecoder(file, container, key, rate=rate)
    except Unread:
        return None


def not_audio(message: str, key: str) -> Unread:
    """The error for a file that is not audio or has no samples."""
    return Unread(message, operation="decode audio", key=key, hint=_AGAIN)
