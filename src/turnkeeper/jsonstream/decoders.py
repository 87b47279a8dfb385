"""Decoders by type, created one at a time and cached.

msgspec prepares a type when it is first used, and crashes the interpreter when two threads do that at the same moment
(seen with 0.22: six threads that convert to a new nested Struct end in SIGSEGV). Types that are chosen at run time are
therefore prepared here, under a lock. Types that are known at import are prepared by a module-level decoder, under the
import lock.
"""

from __future__ import annotations

import threading
from typing import Any

import msgspec

__all__ = ["convert", "decoder_for"]

_lock = threading.Lock()
_made: dict[Any, msgspec.json.Decoder[Any]] = {}


def decoder_for(kind: Any) -> msgspec.json.Decoder[Any]:
    """The decoder of a type. Safe to call from any thread."""
    found = _made.get(kind)
    if found is None:
        with _lock:
            # Another thread may have made it while this one waited for the lock.
            found = _made.get(kind) or _made.setdefault(kind, msgspec.json.Decoder(kind))
    return found


def convert(value: object, kind: Any) -> Any:
    """Convert plain data to a type. Raises ``msgspec.ValidationError``."""
    decoder_for(kind)
    return msgspec.convert(value, kind)
