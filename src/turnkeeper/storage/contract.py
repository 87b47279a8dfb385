"""What an archive needs of a place to put things, and of things to put there. Knows no store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from turnkeeper.spool import Source

__all__ = ["Store", "Stored"]


class Store(Protocol):
    """A prefix of an object store, or a folder. Keys are relative, with ``/`` between their segments.

    What holds for every store: an object is visible whole or not at all; a reader never sees two contents mixed;
    what a call has put survives a crash of the machine as far as the store promises. Every call may raise ``Denied``,
    ``StoreRefused``, ``Misconfigured``, ``DiskFull`` (stop) or ``Unavailable`` (later), with the key and the mend.
    Safe to use from several threads.
    """

    @property
    def url(self) -> str:
        """The store's address without a trailing slash, credentials or query."""
        ...

    def put(self, key: str, data: bytes, *, content_type: str = "application/json", create: bool = False) -> None:
        """Store one small object. With ``create`` exactly one of several writers wins.

        ``create`` raises ``Conflict`` when *different* content stands under the key; identical content is success
        (a retried request often meets its own first success).
        """
        ...

    def put_stream(self, key: str, source: Source, *, content_type: str = "application/json") -> None:
        """Store an object of any size in constant memory, replacing what stood there. A failure leaves the old one."""
        ...

    def get(self, key: str) -> bytes:
        """The whole object. Raises ``NotFound``."""
        ...

    def open(self, key: str) -> BinaryIO:
        """A seekable reader in constant memory. Raises ``NotFound`` now, not at the first read."""
        ...

    def size(self, key: str) -> int | None:
        """The object's size in bytes; None where there is none, which is not an error."""
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """The keys under a folder (``manifests/``; empty for all), each folder sorted. Only whole objects."""
        ...

    def folders(self, prefix: str = "") -> Sequence[str]:
        """The folders directly in a folder (empty: at the top), sorted, as keys without a slash behind."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object; that it is not there is not an error."""
        ...


@dataclass(frozen=True)
class Stored:
    """An object of a store as a source: read from the start as often as wanted."""

    store: Store
    key: str
    size: int

    def open(self) -> BinaryIO:
        return self.store.open(self.key)
