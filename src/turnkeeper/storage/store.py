"""The interface of a store: what folders and object stores have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from turnkeeper.spool import Source

__all__ = ["Store", "StoredObject"]


class Store(Protocol):
    """A prefix of an object store, or a folder. Keys are relative, with ``/`` between their segments.

    Every store guarantees: an object is visible whole or not at all; a reader never sees a mix of two contents; an
    object whose ``put`` returned survives a crash of the machine, as far as the store itself promises that. Every
    method may raise ``Denied``, ``StoreRefused``, ``Misconfigured`` or ``DiskFull`` (trying again does not help), or
    ``Unavailable`` (it may help). The error names the key and says how to fix the problem. Safe to use from several
    threads.
    """

    @property
    def url(self) -> str:
        """The store's address without a trailing slash, credentials or query."""
        ...

    def put(self, key: str, data: bytes, *, content_type: str = "application/json", create: bool = False) -> None:
        """Store one small object. With ``create``, exactly one of several writers succeeds.

        ``create`` raises ``Conflict`` when the key already holds *different* content. Identical content is a success,
        because a retried request often finds that its first attempt had succeeded.
        """
        ...

    def put_stream(self, key: str, source: Source, *, content_type: str = "application/json") -> None:
        """Store an object of any size in constant memory, replacing any earlier one. A failure leaves the earlier."""
        ...

    def get(self, key: str) -> bytes:
        """The whole object. Raises ``NotFound``."""
        ...

    def open(self, key: str) -> BinaryIO:
        """A seekable reader that uses constant memory. Raises ``NotFound`` here, not at the first read."""
        ...

    def size(self, key: str) -> int | None:
        """The object's size in bytes; None if the object does not exist."""
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """The keys of all objects below a folder (``manifests/``; empty for all), each folder's keys sorted."""
        ...

    def folders(self, prefix: str = "") -> Sequence[str]:
        """The folders directly in a folder (empty: at the top), sorted, as keys without a trailing slash."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object. Does nothing if it does not exist."""
        ...


@dataclass(frozen=True)
class StoredObject:
    """An object of a store as a ``Source``, which can be read from the start any number of times."""

    store: Store
    key: str
    size: int

    def open(self) -> BinaryIO:
        return self.store.open(self.key)
