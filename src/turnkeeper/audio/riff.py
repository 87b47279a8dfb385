"""Read the header of a WAV file: codec, rate, channels, and where the samples are. Decodes nothing."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Literal

from turnkeeper.audio.byte_ranges import ByteRange, skip_id3_tags
from turnkeeper.audio.durations import format_duration

__all__ = ["Wav", "read_wav", "wav_header"]

PCM, FLOAT, ALAW, ULAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_UNKNOWN = 0xFFFFFFFF
# Streams do not know their sizes yet and write values just below 2^31 or 2^32 (0x7FFFF000, 0xFFFFFFFF - 36).
_NEAR = 1 << 16
_KINDS: dict[bytes, Literal["little", "big"]] = {
    b"RIFF": "little",
    b"RIFX": "big",
    b"RF64": "little",
    b"BW64": "little",
}
_MOST_CHUNKS = 4096
_LONGEST_FORM = 1 << 16


@dataclass(frozen=True)
class Wav:
    """The ``fmt`` and ``data`` chunks of a WAV file.

    ``frames`` is the number of whole frames that the file really contains. ``declared`` is the number according to the
    header, None where the header does not know it (a stream). ``frame_bytes`` is the size of one frame over all
    channels. ``regions`` are the byte ranges of the samples, one for each ``data`` chunk. ``format_chunk`` is the body
    of the ``fmt`` chunk, ``order`` the byte order. ``well_formed`` is False where the file breaks the format, so that
    other readers need ``header`` and ``regions`` instead of it; ``notes`` say why. ``unexplained`` counts bytes behind
    the samples that are not a chunk.
    """

    tag: int
    rate: int
    channels: int
    bits: int
    frame_bytes: int
    frames: int
    declared: int | None
    regions: tuple[ByteRange, ...]
    format_chunk: bytes
    order: Literal["little", "big"] = "little"
    well_formed: bool = True
    unexplained: int = 0
    notes: tuple[str, ...] = ()

    @property
    def data_at(self) -> int:
        """The offset of the samples. Frame ``n`` of the first chunk is at ``data_at + n * frame_bytes``."""
        return self.regions[0][0]

    @property
    def codec(self) -> str:
        """``ulaw``, ``alaw``, ``pcm_u8``, ``pcm_s16``, ``pcm_f32`` …; other WAVE format tags by their number."""
        if self.tag == PCM:
            return "pcm_u8" if self.bits == 8 else f"pcm_s{self.bits}"
        named = {ALAW: "alaw", ULAW: "ulaw", FLOAT: f"pcm_f{self.bits}"}
        return named.get(self.tag, f"wav_0x{self.tag:04x}")

    @property
    def plain(self) -> bool:
        """Whether all frames have the same size, so that their number follows from the number of bytes."""
        return self.tag in (PCM, FLOAT, ALAW, ULAW) and self.frame_bytes * 8 == self.bits * self.channels > 0

    @property
    def copyable(self) -> bool:
        """Whether bytes can be cut out and put behind a header of ``wav_header``, which is little-endian."""
        return self.plain and (self.order == "little" or self.bits == 8)

    @property
    def header(self) -> bytes:
        """The bytes to put in front of ``regions`` for a file that is true to its content."""
        size = sum(end - start for start, end in self.regions)
        fmt = b"fmt " + len(self.format_chunk).to_bytes(4, self.order) + self.format_chunk
        # RIFF sizes have 32 bits; RF64 carries larger ones (EBU Tech 3306).
        if 4 + len(fmt) + 8 + size < _UNKNOWN:
            head = b"RIFF" if self.order == "little" else b"RIFX"
            data = b"data" + size.to_bytes(4, self.order)
            return head + (4 + len(fmt) + len(data) + size).to_bytes(4, self.order) + b"WAVE" + fmt + data
        counts = struct.pack("<QQQI", 36 + 4 + len(fmt) + 8 + size, size, self.frames, 0)
        unknown = struct.pack("<I", _UNKNOWN)
        return b"RF64" + unknown + b"WAVEds64" + struct.pack("<I", len(counts)) + counts + fmt + b"data" + unknown


@dataclass
class _Chunks:
    """The result of a walk through the chunks."""

    order: Literal["little", "big"]
    format_chunk: bytes = b""
    long_data: int | None = None
    data: list[tuple[int, int | None, int]] = field(default_factory=list)
    """For each ``data`` chunk: its offset, its size (None: unknown), and the bytes that are there."""
    joined: bool = False
    unexplained: int = 0


def read_wav(file: BinaryIO) -> Wav | None:
    """The header of a WAV file (RIFF, RIFX, RF64 or BW64), also behind ID3 tags.

    None where the file is none or its header is truncated. Chunks as in "Multimedia Programming Interface and Data
    Specifications 1.0" (1991), RF64 as in EBU Tech 3306, and its successor BW64 as in ITU-R BS.2088, with the same
    sizes. A size of 0 with samples behind it comes from a recorder that did not finish. Sizes just below 2^31 and 2^32
    mean "unknown".
    """
    size, at = file.seek(0, 2), skip_id3_tags(file)
    file.seek(at)
    head = file.read(12)
    if len(head) < 12 or head[:4] not in _KINDS or head[8:] != b"WAVE":
        return None
    chunks = _walk_chunks(file, size, _KINDS[head[:4]])
    return _wav_facts(chunks, at, known=head[:4] != b"BW64") if chunks.format_chunk and chunks.data else None


def _walk_chunks(file: BinaryIO, size: int, order: Literal["little", "big"]) -> _Chunks:
    found = _Chunks(order)
    for _ in range(_MOST_CHUNKS):
        begins = file.tell()
        chunk = file.read(8)
        if len(chunk) < 8:
            break
        name, length = chunk[:4], int.from_bytes(chunk[4:], order)
        # Files were put one behind another: the second one's samples may have another format.
        if name in _KINDS and found.data:
            found.joined = True
            break
        if not _is_name(name):
            found.unexplained = size - begins if found.data else 0
            break
        if name == b"data":
            file.seek(_add_data_chunk(found, file, size, length))
            continue
        # Only two chunks matter, and a damaged size must not make a chunk of gigabytes be read.
        body = file.read(length) if name in (b"fmt ", b"ds64") and length < _LONGEST_FORM else b""
        if name == b"fmt " and len(body) >= 16 and not found.format_chunk:
            found.format_chunk = body
        elif name == b"ds64" and len(body) >= 16:
            found.long_data = int.from_bytes(body[8:16], "little")
        file.seek(length - len(body) + length % 2, 1)
    return found


def _add_data_chunk(found: _Chunks, file: BinaryIO, size: int, length: int) -> int:
    """Add the ``data`` chunk that begins here. Returns the offset of the next chunk."""
    at = file.tell()
    declared: int | None = length
    # RF64 and BW64 keep sizes beyond 4 GiB in a ``ds64`` chunk and write 0xFFFFFFFF here.
    if length == _UNKNOWN and found.long_data is not None:
        declared = length = found.long_data
    if (length == 0 and not _only_chunks(file, at, size, found.order)) or (_is_unknown(length) and at + length > size):
        found.data.append((at, None if length else 0, size - at))
        return size
    there = max(0, min(length, size - at))
    found.data.append((at, declared, there))
    # Chunks are padded to an even length; the padding is not part of the size.
    return at + length + length % 2


def _is_unknown(length: int) -> bool:
    return any(edge - _NEAR <= length <= edge for edge in (1 << 31, 1 << 32))


def _is_name(name: bytes) -> bool:
    return all(0x20 <= byte < 0x7F for byte in name)


def _only_chunks(file: BinaryIO, at: int, size: int, order: Literal["little", "big"]) -> bool:
    """Whether only whole chunks stand from ``at`` to the file's end. Then an empty ``data`` chunk is really empty."""
    for _ in range(_MOST_CHUNKS):
        if at >= size:
            return True
        file.seek(at)
        chunk = file.read(8)
        if len(chunk) < 8 or not _is_name(chunk[:4]):
            return False
        at += 8 + int.from_bytes(chunk[4:], order)
        at += at % 2
    return False


def _wav_facts(chunks: _Chunks, at: int, *, known: bool) -> Wav:
    """The facts of a file.

    ``known`` says whether other readers know the mark in front: libsndfile does not know BW64.
    """
    tag, channels, rate, _, align, bits = struct.unpack_from(
        ("<" if chunks.order == "little" else ">") + "HHIIHH", chunks.format_chunk
    )
    # WAVE_FORMAT_EXTENSIBLE keeps the real format tag in the first two bytes of its sub-format GUID, at byte 24.
    if tag == EXTENSIBLE and len(chunks.format_chunk) >= 26:
        tag = int.from_bytes(chunks.format_chunk[24:26], chunks.order)
    regions = tuple((start, start + held) for start, _, held in chunks.data)
    held = sum(one for _, _, one in chunks.data)
    sizes = [declared for _, declared, _ in chunks.data]
    declared = None if None in sizes or 0 in sizes[:1] else sum(one or 0 for one in sizes)
    plain = tag in (PCM, FLOAT, ALAW, ULAW)
    notes = tuple(_header_notes(chunks, sizes, declared, held, align if plain else 0, rate))
    return Wav(
        tag=tag,
        rate=rate,
        channels=channels,
        bits=bits,
        frame_bytes=align,
        frames=held // align if align else 0,
        declared=declared // align if declared is not None and align else None,
        regions=regions,
        format_chunk=chunks.format_chunk,
        order=chunks.order,
        well_formed=known
        and at == 0
        and declared is not None
        and len(regions) == 1
        and not chunks.joined
        and declared <= held,
        unexplained=chunks.unexplained,
        notes=notes,
    )


def _header_notes(
    chunks: _Chunks, sizes: list[int | None], declared: int | None, held: int, align: int, rate: int
) -> Iterator[str]:
    """What is wrong with the header, in words. ``align`` is 0 where the bytes do not give the number of samples."""
    if sizes[0] == 0 and held:
        yield "the header says that there are no samples: the recorder did not finish; read to the file's end"
    if declared is not None and declared > held:
        says, is_there = _length_in_words(declared, align, rate), _length_in_words(held, align, rate)
        yield f"cut off: the header promises {says}, the file holds {is_there}"
    if len(sizes) > 1:
        yield f"the samples stand in {len(sizes)} data chunks: read one behind the other"
    if chunks.joined:
        yield "another WAV file stands behind this one and is not read"
    if chunks.unexplained > 1:
        yield f"{chunks.unexplained} bytes behind the samples are no part of a WAV file and are not read"


def _length_in_words(size: int, align: int, rate: int) -> str:
    return format_duration(size // align * 1000 / rate) if align and rate else f"{size} bytes"


def wav_header(codec: Literal["pcm", "ulaw", "alaw"] | int, rate: int, channels: int, bits: int, frames: int) -> bytes:
    """The bytes in front of ``frames`` frames of samples: RIFF, ``fmt``, ``fact`` where the codec is not PCM,
    ``data``.

    ``codec`` is a name or a WAVE format tag. With its samples the file is at most 4 GiB long: one clip, not a day.
    """
    tag = {"pcm": PCM, "ulaw": ULAW, "alaw": ALAW}[codec] if isinstance(codec, str) else codec
    align = channels * bits // 8
    fmt = struct.pack("<HHIIHH", tag, channels, rate, rate * align, align, bits)
    fact = b"" if tag == PCM else b"fact" + struct.pack("<II", 4, frames)
    fmt += b"" if tag == PCM else b"\x00\x00"  # cbSize: no further fields
    length = frames * align
    body = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + fact + b"data" + struct.pack("<I", length)
    return b"RIFF" + struct.pack("<I", len(body) + length + length % 2) + body
