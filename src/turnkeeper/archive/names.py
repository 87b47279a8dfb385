"""Directory inputs: the platform's lists of users, queues and wrap-up codes -> id: name. Pure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from turnkeeper.archive.contract import Source
from turnkeeper.errors import NotFound, Unread

__all__ = ["KnownNames", "read_names"]

_REMEMBERED = 64


class KnownNames:
    """The names in lists seen lately, by the lists' SHA-256: many conversations of a run share one list."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()

    def alike(self, one: str, body: Source, other: str, read: Callable[[], dict[str, str]]) -> bool:
        """Whether a list (its SHA-256 and its bytes) says the same as another one, whose names ``read`` gives."""
        try:
            return one == other or self._named(one, lambda: read_names(body)) == self._named(other, read)
        except (Unread, NotFound):
            return False

    def _named(self, sha256: str, read: Callable[[], dict[str, str]]) -> dict[str, str]:
        found = self._names.get(sha256)
        if found is None:
            found = read()
            with self._lock:
                while len(self._names) >= _REMEMBERED:
                    self._names.pop(next(iter(self._names)))
                self._names[sha256] = found
        return found


def read_names(source: Source) -> dict[str, str]:
    """Names by id from one list as the platform gives it (``{"entities": [...]}``), or from several in an array.

    Entities without a name are left out. Raises ``Unread`` when the document is something else.
    """
    with source.open() as body:
        try:
            document = msgspec.json.decode(body.read())
        except msgspec.DecodeError as cause:
            raise Unread(f"not a list of names ({cause})", operation="read names") from None
    return dict(_named(document))


def _named(document: Any) -> Iterator[tuple[str, str]]:
    if isinstance(document, list):
        for part in document:
            yield from _named(part)
    elif isinstance(document, dict) and isinstance(document.get("entities"), list):
        yield from _named(document["entities"])
    elif isinstance(document, dict):
        name, identity = document.get("name"), document.get("id")
        if isinstance(name, str) and isinstance(identity, str):
            yield identity, name
    else:
        raise Unread("not a list of names", operation="read names")
