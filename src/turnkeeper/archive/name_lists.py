"""Directory inputs: the platform's lists of users, queues and wrap-up codes -> id: name. Pure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from functools import partial

from turnkeeper.errors import NotFound, Unread
from turnkeeper.payloads.details import Details
from turnkeeper.payloads.directory import read_names
from turnkeeper.spool import Source

__all__ = ["KnownNames", "relevant_ids"]

_REMEMBERED = 64


class KnownNames:
    """The names in lists seen lately, by the lists' SHA-256: many conversations of a run share them."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, str]] = {}
        self._joined: tuple[tuple[str, ...], Mapping[str, str]] = ((), {})
        self._lock = threading.Lock()

    def joined(self, lists: Mapping[str, Source]) -> Mapping[str, str]:
        """All names of these lists (their bytes by SHA-256). Raises ``Unread`` where one is no list of names."""
        wanted = tuple(lists)
        known, names = self._joined
        if known != wanted:
            names = {}
            for sha256, source in lists.items():
                names |= self._named(sha256, partial(read_names, source))
            self._joined = wanted, names
        return names

    def adds_nothing(
        self, one: str, body: Source, other: str, read: Callable[[], dict[str, str]], ids: Collection[str] | None
    ) -> bool:
        """Whether a list (its SHA-256 and its bytes) names nobody of ``ids`` otherwise than another one does, whose
        names ``read`` gives. Without ``ids`` both have to name the same people."""
        try:
            new, known = self._named(one, partial(read_names, body)), self._named(other, read)
        except (Unread, NotFound):
            return False
        if ids is None:
            return new == known
        return all(name not in new or new[name] == known.get(name) for name in ids)

    def names_any(self, one: str, body: Source, ids: Collection[str]) -> bool:
        """Whether a list names any of ``ids``; a list that cannot be read may."""
        try:
            return not self._named(one, partial(read_names, body)).keys().isdisjoint(ids)
        except Unread:
            return True

    def _named(self, sha256: str, read: Callable[[], dict[str, str]]) -> dict[str, str]:
        found = self._names.get(sha256)
        if found is None:
            found = read()
            with self._lock:
                while len(self._names) >= _REMEMBERED:
                    self._names.pop(next(iter(self._names)))
                self._names[sha256] = found
        return found


def relevant_ids(source: str, details: Details | None) -> Collection[str] | None:
    """The ids that matter to one conversation in a list of names (``directory/users``); None where that is unknown.

    Where the details name no user or no queue, the transcript may.
    """
    if details is None:
        return None
    kind = source.partition("/")[2]
    if kind == "wrapups":
        return details.wrap_up_codes
    return {"users": details.user_ids, "queues": details.queue_ids}.get(kind) or None
