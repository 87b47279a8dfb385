"""How much one document may ask of us before it is refused. Knows nothing else."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Bounds on one JSON document; passing one raises ``TooLarge`` with the byte offset.

    ``nesting`` is the number of arrays and objects open at once, ``element`` the bytes of one element of a streamed
    array, ``skeleton`` the bytes of everything outside those arrays.
    """

    nesting: int = 512
    element: int = 64 << 20
    skeleton: int = 16 << 20
