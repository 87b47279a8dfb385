"""Recognise a recording's file type by its first bytes, since names and content types may be wrong."""

from __future__ import annotations

__all__ = ["HEAD", "content_type", "extension"]

HEAD = 64
"""How many bytes from the beginning are needed."""

_TYPES = {
    "dat": "application/octet-stream",
    "flac": "audio/flac",
    "json": "application/json",
    "m4a": "audio/mp4",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "wav": "audio/wav",
    "webm": "audio/webm",
}


def extension(head: bytes) -> str:
    """The usual file name extension; ``bin`` for content that is no known audio file."""
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"OggS":
        return "opus" if b"OpusHead" in head else "ogg"
    if head[:4] == b"fLaC":
        return "flac"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "webm"
    if head[4:8] == b"ftyp":
        return "m4a"
    # An MPEG audio frame of layer III begins with eleven set bits; layer bits 00 would be AAC.
    if head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2):
        return "mp3"
    return "bin"


def content_type(extension: str) -> str:
    """The media type for a file name extension."""
    return _TYPES.get(extension, "application/octet-stream")
