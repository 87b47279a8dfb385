"""Corrupt a recording's file in one of several ways."""

from __future__ import annotations

import struct

from turnkeeper.simulator import tones

_PAGE = b"<!DOCTYPE html><html><body><h1>Your session has expired</h1></body></html>"
_RATE_AT = 24


def corrupt(content: bytes, kind: str) -> bytes:
    """Return the bytes of a recording, corrupted in the named way."""
    if kind == "html-audio":
        return _PAGE
    if kind == "empty-audio":
        return b""
    if kind == "header-only-audio":
        return tones.wav_header(0, channels=1, bits=16, tag=1)
    if kind == "truncated-audio":
        return content[: len(content) * 3 // 5]
    if kind == "three-channels":
        return tones.wav_header(3 * 2 * 16_000, channels=3, bits=16, tag=1) + bytes(3 * 2 * 16_000)
    if kind == "zero-rate":
        header = tones.wav_header(16_000, channels=1)
        return header[:_RATE_AT] + struct.pack("<I", 0) + header[_RATE_AT + 4 :] + b"\xff" * 16_000
    if kind == "wrong-extension":
        return content
    raise ValueError(f"no way to damage a recording called {kind!r}")
