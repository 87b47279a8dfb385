"""The names of users, queues and wrap-up codes, from the archived lists of the platform. Pure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from functools import partial

from turnkeeper.errors import NotFound, Unread
from turnkeeper.payloads.details import Details
from turnkeeper.payloads.directory import read_names
from turnkeeper.spool import Source

__all__ = ["NameCache", "relevant_ids"]

_CACHED_LISTS = 64


class NameCache:
    """The names in the last lists that were parsed, by the SHA-256 of each list: many conversations share a list."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, str]] = {}
        self._joined: tuple[tuple[str, ...], Mapping[str, str]] = ((), {})
        self._lock = threading.Lock()

    def joined(self, lists: Mapping[str, Source]) -> Mapping[str, str]:
        """All names in these lists (bytes by SHA-256). Raises ``Unread`` if one of them is not a list of names."""
        digests = tuple(lists)
        cached_digests, names = self._joined
        if cached_digests != digests:
            names = {}
            for sha256, source in lists.items():
                names |= self._cached_names(sha256, partial(read_names, source))
            # Assigned at once, never changed: other threads may be reading the earlier one.
            self._joined = digests, names
        return names

    def adds_nothing(
        self,
        new_sha256: str,
        new_body: Source,
        known_sha256: str,
        read_known: Callable[[], dict[str, str]],
        ids: Collection[str] | None,
    ) -> bool:
        """Whether a new list names each of ``ids`` as a known list does, or not at all. If ``ids`` is None, both lists
        have to be equal. ``read_known`` returns the names of the known list."""
        try:
            new = self._cached_names(new_sha256, partial(read_names, new_body))
            known = self._cached_names(known_sha256, read_known)
        except (Unread, NotFound):
            return False
        if ids is None:
            return new == known
        return all(name not in new or new[name] == known.get(name) for name in ids)

    def names_any(self, sha256: str, body: Source, ids: Collection[str]) -> bool:
        """Whether a list names any of ``ids``. True for a list that cannot be read."""
        try:
            return not self._cached_names(sha256, partial(read_names, body)).keys().isdisjoint(ids)
        except Unread:
            return True

    def _cached_names(self, sha256: str, read: Callable[[], dict[str, str]]) -> dict[str, str]:
        names = self._names.get(sha256)
        if names is None:
            names = read()
            with self._lock:
                while len(self._names) >= _CACHED_LISTS:
                    self._names.pop(next(iter(self._names)))
                self._names[sha256] = names
        return names


def relevant_ids(source: str, details: Details | None) -> Collection[str] | None:
    """The ids of a list of names (``directory/users``) that one conversation needs; None if they are not known.

    If the details name no user or no queue, the transcript may name some, so the ids are not known.
    """
    if details is None:
        return None
    kind = source.partition("/")[2]
    if kind == "wrapups":
        return details.wrap_up_codes
    return {"users": details.user_ids, "queues": details.queue_ids}.get(kind) or None
