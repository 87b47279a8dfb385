"""The sizes up to which a document is read. A module of its own, because every parser here and its callers need it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Bounds on one JSON document. A document beyond one raises ``TooLarge`` with the byte offset.

    ``nesting`` is the number of arrays and objects that may be open at once. ``element`` is the size in bytes of one
    element of a streamed array. ``skeleton`` is the size in bytes of everything outside those arrays.
    """

    nesting: int = 512
    element: int = 64 << 20
    skeleton: int = 16 << 20
