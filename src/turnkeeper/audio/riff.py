"""What stands before the samples of a WAV file: codec, rate, channels, and where the bytes lie. Decodes nothing."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO, Literal

__all__ = ["Wav", "read_wav", "wav_header"]

PCM, FLOAT, ALAW, ULAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_UNKNOWN = 0xFFFFFFFF  # what RF64 writes into 32-bit sizes, and streams into sizes they do not know yet


@dataclass(frozen=True)
class Wav:
    """A WAV file's ``fmt`` and ``data`` chunks. ``frames`` are whole frames that the file really holds.

    ``promised`` is what the header says, None where it does not know (a stream). ``frame_bytes`` is the size of one
    frame over all channels; frame ``n`` begins at byte ``data_at + n * frame_bytes``.
    """

    tag: int
    rate: int
    channels: int
    bits: int
    frame_bytes: int
    data_at: int
    frames: int
    promised: int | None

    @property
    def codec(self) -> str:
        """``ulaw``, ``alaw``, ``pcm_u8``, ``pcm_s16``, ``pcm_f32`` …; other WAVE format tags by their number."""
        if self.tag == PCM:
            return "pcm_u8" if self.bits == 8 else f"pcm_s{self.bits}"
        named = {ALAW: "alaw", ULAW: "ulaw", FLOAT: f"pcm_f{self.bits}"}
        return named.get(self.tag, f"wav_0x{self.tag:04x}")

    @property
    def plain(self) -> bool:
        """Whether frames stand side by side in a fixed size, so that bytes can be cut out."""
        return self.tag in (PCM, FLOAT, ALAW, ULAW) and self.frame_bytes * 8 == self.bits * self.channels > 0


def read_wav(file: BinaryIO) -> Wav | None:
    """The header of a RIFF or RF64 WAV file that starts at byte 0; None where it is none or is cut short.

    Chunks as in "Multimedia Programming Interface and Data Specifications 1.0" (1991), RF64 as in EBU Tech 3306.
    """
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(12)
    if len(head) < 12 or head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        return None
    form: tuple[int, int, int, int, int] | None = None
    long_data: int | None = None
    while len(chunk := file.read(8)) == 8:
        name, length = chunk[:4], int.from_bytes(chunk[4:], "little")
        if name == b"data":
            return form and _wav(form, file.tell(), size, long_data if length == _UNKNOWN else length)
        body = file.read(length) if name in (b"fmt ", b"ds64") and length < 1 << 16 else b""
        if name == b"fmt " and len(body) >= 16:
            form = _form(body)
        elif name == b"ds64" and len(body) >= 16:
            long_data = int.from_bytes(body[8:16], "little")
        file.seek(length - len(body) + length % 2, 1)
    return None


def _form(body: bytes) -> tuple[int, int, int, int, int]:
    tag, channels, rate, _, align, bits = struct.unpack_from("<HHIIHH", body)
    if tag == EXTENSIBLE and len(body) >= 26:
        tag = int.from_bytes(body[24:26], "little")
    return tag, channels, rate, align, bits


def _wav(form: tuple[int, int, int, int, int], at: int, size: int, promised: int | None) -> Wav:
    tag, channels, rate, align, bits = form
    held = size - at
    length = held if not promised else min(promised, held)  # a recorder that was cut off leaves 0
    frames = length // align if align else 0
    return Wav(tag, rate, channels, bits, align, at, frames, promised // align if promised and align else None)


def wav_header(codec: Literal["pcm", "ulaw", "alaw"] | int, rate: int, channels: int, bits: int, frames: int) -> bytes:
    """The bytes before ``frames`` frames of samples: RIFF, ``fmt``, ``fact`` where the codec is not PCM, ``data``.

    ``codec`` is a name or a WAVE format tag. The result is at most 4 GiB long with its samples: one clip, not a day.
    """
    tag = {"pcm": PCM, "ulaw": ULAW, "alaw": ALAW}[codec] if isinstance(codec, str) else codec
    align = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * align, align, bits)
    fact = b"" if tag == PCM else b"fact" + struct.pack("<II", 4, frames)
    form += b"" if tag == PCM else b"\x00\x00"  # cbSize: no further fields
    length = frames * align
    body = b"WAVE" + b"fmt " + struct.pack("<I", len(form)) + form + fact + b"data" + struct.pack("<I", length)
    return b"RIFF" + struct.pack("<I", len(body) + length + length % 2) + body
