"""Every key under a prefix of an object store, whatever else lies there. Knows no client.

A client may give up a whole page of a listing where one key of it has an empty or dotted segment
(``manifests//x.json``). Such a key is passed over: one directly in the folder by listing from behind it, since no name
of an archive's object sorts before ``0``; one further down by listing what is in the folder piece by piece.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, Final, Protocol, TypeVar

from turnkeeper.errors import StoreRefused, Unavailable

__all__ = ["BadKey", "KeyListing", "ListDeadline", "Listed", "Lists"]

T = TypeVar("T")

_FIRST: Final = "0"
"""The first character that a name in an archive may begin with."""
_PAGE: Final = 1000
"""Keys that a store gives at once: the smallest number of the usual ones."""
_file = re.compile(r".*\.[A-Za-z0-9]{2,5}", re.DOTALL)
_TOP: Final = (
    "_turnkeeper",
    "alignment",
    "attachments",
    "audio",
    "directory",
    "manifests",
    "peaks",
    "raw",
    "selections",
    "summaries",
    "tables",
    "transcripts",
)


Listed = tuple[str, int]
"""A key and the object's size in bytes."""


class BadKey(Exception):
    """A page of a listing holds this key, which the client cannot read."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class Lists(Protocol):
    """What a client lists. Both raise ``BadKey``."""

    def pages(self, folder: str, after: str) -> Iterator[list[Listed]]:
        """What is below a folder (empty: all) behind a key, page by page."""
        ...

    def children(self, folder: str) -> tuple[list[Listed], list[str]]:
        """The objects and the folders that are directly in a folder."""
        ...


class ListDeadline:
    """Waits ``seconds`` for each answer of a client that lists, and no longer. Safe to use from several threads.

    A client that follows a listing without an end does not come back, and its thread cannot be stopped. It is left
    behind, and nothing more is listed while it goes on: there is never a second one.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._left_behind: Future[Any] | None = None

    def answer(self, ask: Callable[[], T], folder: str) -> T:
        """What ``ask`` gives or raises. Raises ``Unavailable`` where that takes too long."""
        if self._left_behind is not None and not self._left_behind.done():
            raise self._endless(folder)
        answer: Future[T] = Future()
        threading.Thread(target=_settle, args=(answer, ask), name="list", daemon=True).start()
        try:
            return answer.result(self._seconds)
        except TimeoutError:
            if answer.done():
                raise
            self._left_behind = answer
            raise self._endless(folder) from None

    def _endless(self, folder: str) -> Unavailable:
        words = f"no key came for {self._seconds:g} s, and the listing does not end"
        hint = "The store, or what stands before it, is broken. A slow one may need more: TURNKEEPER_LIST_TIMEOUT."
        return Unavailable(words, operation="list", key=folder, hint=hint)


def _settle(answer: Future[T], ask: Callable[[], T]) -> None:
    try:
        answer.set_result(ask())
    except BaseException as cause:
        answer.set_exception(cause)


def _ignore(_: str) -> None: ...


class KeyListing:
    """Lists through a client. ``ordered`` says that the store lists in the order of the keys, so that a page that goes
    back shows a listing that makes no progress."""

    def __init__(self, client: Lists, *, ordered: bool = True) -> None:
        self._client = client
        self._ordered = ordered

    def keys(self, folder: str, odd: Callable[[str], None] = _ignore) -> Iterator[str]:
        """The keys below a folder (empty: all), in their order; ``odd`` is told of those that the client cannot read.

        Empty objects that stand for folders are nothing. Raises ``Unavailable`` for a listing that makes no progress,
        ``StoreRefused`` for a key that cannot be passed over, and what the client raises.
        """
        yield from self._walk(folder, "", odd)

    def _walk(self, folder: str, after: str, odd: Callable[[str], None]) -> Iterator[str]:
        last = after
        try:
            for page in self._pages(folder, after):
                for key in page:
                    last = key
                    yield key
            return
        except BadKey as cause:
            key = cause.key
        odd(key)
        above = _above(key)
        first = f"{folder}/{_FIRST}" if folder else _FIRST
        if above == folder and last < first:
            yield from self._walk(folder, first, odd)
        elif above != folder and above.startswith(folder):
            yield from self._piecewise(folder, last, odd)
        else:
            raise _stuck(key)

    def _piecewise(self, folder: str, after: str, odd: Callable[[str], None]) -> Iterator[str]:
        """The same, what is directly in the folder one by one."""
        objects, folders = self._children(folder)
        for child in sorted(objects | {f"{one}/" for one in folders}):
            name = child.rstrip("/")
            if not child.endswith("/"):
                if child > after:
                    yield child
            elif after.startswith(child) or child > after:
                yield from self._walk(name, after if after.startswith(child) else "", odd)

    def _pages(self, folder: str, after: str) -> Iterator[list[str]]:
        """The pages, each sorted. A page that is an error with status 200 reads as an empty one, and ends the listing:
        one that is empty, or had a full page, is gone on with until nothing more comes."""
        last, count = "", 0
        for again in itertools.count():
            before = count
            for listed in self._client.pages(folder, max(after, last) if self._ordered else after):
                page = sorted(listed)
                if page and self._ordered and page[0][0] <= last:
                    words = "its listing goes back to what it listed before"
                    hint = "The store, or what stands before it, is broken. Run it again."
                    raise Unavailable(words, operation="list", key=folder, hint=hint)
                last, count = page[-1][0] if page else last, count + len(page)
                yield [key for key, size in page if _is_object(key, size)]
            came = count - before
            if 0 < came < _PAGE or (again and not came) or (came and not self._ordered):
                return

    def _children(self, folder: str) -> tuple[set[str], set[str]]:
        """The objects and the folders that are directly in a folder."""
        try:
            objects, folders = self._client.children(folder)
        except BadKey as cause:
            if folder:
                raise _stuck(cause.key) from None
            # What an archive has; of anything else up here, nobody reads.
            return set(), set(_TOP)
        return {key for key, size in objects if _is_object(key, size)}, set(folders)


def _is_object(key: str, size: int) -> bool:
    """Whether it is more than an empty object that some tools put where a folder would be."""
    return size > 0 or _file.fullmatch(key) is not None


def _above(key: str) -> str:
    """The folder that holds the first empty or dotted segment of a key."""
    segments = key.split("/")
    place = next((at for at, one in enumerate(segments) if one in ("", ".", "..")), len(segments))
    return "/".join(segments[:place])


def _stuck(key: str) -> StoreRefused:
    words = "an object lies there under a key that cannot be listed"
    hint = "Remove it with the store's own tool, or move it out of the archive's prefix."
    return StoreRefused(words, operation="list", key=key[:300], hint=hint)
