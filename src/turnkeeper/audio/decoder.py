"""What every decoder of one file offers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["AudioDecoder"]


class AudioDecoder(Protocol):
    """One opened file. ``read`` gives channel-major pieces of any length from frame ``start`` on, again and again.

    ``clock_s`` is the length in seconds that the container names. ``notes`` are remarks, ``losses`` those that say that
    sound is missing; both are complete when the file was read to its end.
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
