"""Typed decoders, made one at a time and remembered.

msgspec prepares a type when it is first used, and crashes the interpreter when two threads do that at the same moment
(0.22; six threads converting to a fresh nested Struct end in SIGSEGV). Every use of a type that a shape brings goes
through here first; types known while importing are prepared by a module-level decoder, under the import lock.
"""

from __future__ import annotations

import threading
from typing import Any

import msgspec

__all__ = ["convert", "decoder_for"]

_lock = threading.Lock()
_made: dict[Any, msgspec.json.Decoder[Any]] = {}


def decoder_for(kind: Any) -> msgspec.json.Decoder[Any]:
    """The decoder of a type, safe to ask for from any thread."""
    found = _made.get(kind)
    if found is None:
        with _lock:
            found = _made.get(kind) or _made.setdefault(kind, msgspec.json.Decoder(kind))
    return found


def convert(value: object, kind: Any) -> Any:
    """Plain data as a value of a type. Raises ``msgspec.ValidationError``."""
    decoder_for(kind)
    return msgspec.convert(value, kind)
