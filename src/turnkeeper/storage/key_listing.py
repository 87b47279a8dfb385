"""List every key under a prefix of an object store, whatever other objects are there. Knows no client.

A client may fail for a whole page of a listing if one key on it has an empty or dotted segment (``manifests//x.json``).
Such keys are skipped. If the key is directly in the folder, the listing goes on after it: no object of an archive has a
name that sorts before ``0``, and these keys do. If it is further down, each child of the folder is listed by itself.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, Final, Protocol, TypeVar

from turnkeeper.errors import StoreRefused, Unavailable

__all__ = ["KeyListing", "ListDeadline", "ListedObject", "ListingClient", "UnlistableKey"]

T = TypeVar("T")

_FIRST: Final = "0"
"""The lowest character that a name in an archive may begin with."""
_PAGE: Final = 1000
"""Keys on a full page. Stores have pages of 1000 or more."""
_file = re.compile(r".*\.[A-Za-z0-9]{2,5}", re.DOTALL)
_TOP_FOLDERS: Final = (
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


ListedObject = tuple[str, int]
"""A key and the object's size in bytes."""


class UnlistableKey(Exception):
    """A page of a listing has this key, which the client cannot parse."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class ListingClient(Protocol):
    """A client that can list. Both methods raise ``UnlistableKey``."""

    def pages(self, folder: str, after: str) -> Iterator[list[ListedObject]]:
        """The objects below a folder (empty: all) whose keys sort after ``after``, page by page."""
        ...

    def children(self, folder: str) -> tuple[list[ListedObject], list[str]]:
        """The objects and the folders directly in a folder."""
        ...


class ListDeadline:
    """A time limit of ``seconds`` for each request that lists. Safe to use from several threads.

    A client that follows an endless listing never returns, and its thread cannot be stopped. The thread is abandoned.
    While it runs, nothing more is listed, so that there is never more than one such thread.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._abandoned: Future[Any] | None = None

    def call(self, request: Callable[[], T], folder: str) -> T:
        """Return or raise what ``request`` does. Raises ``Unavailable`` if that takes too long."""
        if self._abandoned is not None and not self._abandoned.done():
            raise self._endless_listing(folder)
        result: Future[T] = Future()
        # A daemon thread, because the interpreter would wait for any other one at exit.
        threading.Thread(target=_run_into, args=(result, request), name="list", daemon=True).start()
        try:
            return result.result(self._seconds)
        except TimeoutError:
            if result.done():
                raise  # the request itself raised it
            self._abandoned = result
            raise self._endless_listing(folder) from None

    def _endless_listing(self, folder: str) -> Unavailable:
        words = f"no key came for {self._seconds:g} s, and the listing does not end"
        hint = "The store, or what stands before it, is broken. A slow one may need more: TURNKEEPER_LIST_TIMEOUT."
        return Unavailable(words, operation="list", key=folder, hint=hint)


def _run_into(result: Future[T], request: Callable[[], T]) -> None:
    try:
        result.set_result(request())
    # An error that is not passed on would leave the caller waiting for the whole limit.
    except BaseException as cause:
        result.set_exception(cause)


def _ignore(_: str) -> None: ...


class KeyListing:
    """Lists keys through a client.

    ``ordered`` says that the store lists keys in their order. Then a page that begins before the end of the last one
    shows that the listing makes no progress.
    """

    def __init__(self, client: ListingClient, *, ordered: bool = True) -> None:
        self._client = client
        self._ordered = ordered

    def keys(self, folder: str, on_unlistable: Callable[[str], None] = _ignore) -> Iterator[str]:
        """The keys below a folder (empty: all), in their order. ``on_unlistable`` is called with each key that the
        client cannot parse.

        Empty objects that stand for folders are left out. Raises ``Unavailable`` for a listing that makes no progress,
        ``StoreRefused`` for a key that cannot be skipped, and what the client raises.
        """
        yield from self._keys_after(folder, "", on_unlistable)

    def _keys_after(self, folder: str, after: str, on_unlistable: Callable[[str], None]) -> Iterator[str]:
        last = after
        try:
            for page in self._pages(folder, after):
                for key in page:
                    last = key
                    yield key
            return
        except UnlistableKey as cause:
            key = cause.key
        on_unlistable(key)
        parent = _parent_of_bad_segment(key)
        first = f"{folder}/{_FIRST}" if folder else _FIRST
        if parent == folder and last < first:
            # All bad names of this folder sort before the first good one, so none is left after this step.
            yield from self._keys_after(folder, first, on_unlistable)
        elif parent != folder and parent.startswith(folder):
            yield from self._keys_by_child(folder, last, on_unlistable)
        else:
            raise _cannot_skip(key)

    def _keys_by_child(self, folder: str, after: str, on_unlistable: Callable[[str], None]) -> Iterator[str]:
        """The same keys, found by listing each child of the folder by itself."""
        objects, folders = self._children(folder)
        # In the order of keys, a folder is compared with its slash.
        for child in sorted(objects | {f"{name}/" for name in folders}):
            if not child.endswith("/"):
                if child > after:
                    yield child
            # The child that holds the last key is not finished: it goes on after that key.
            elif after.startswith(child) or child > after:
                start = after if after.startswith(child) else ""
                yield from self._keys_after(child.rstrip("/"), start, on_unlistable)

    def _pages(self, folder: str, after: str) -> Iterator[list[str]]:
        """The keys page by page, each page sorted.

        A response with status 200 whose body is an error looks like an empty page, and the client then ends the
        listing. So a listing is requested again from its last key when it was empty or ended after a full page, until
        nothing more comes.
        """
        last, count = "", 0
        for attempt in itertools.count():
            before = count
            for objects in self._client.pages(folder, max(after, last) if self._ordered else after):
                page = sorted(objects)
                if page and self._ordered and page[0][0] <= last:
                    words = "its listing goes back to what it listed before"
                    hint = "The store, or what stands before it, is broken. Run it again."
                    raise Unavailable(words, operation="list", key=folder, hint=hint)
                last, count = page[-1][0] if page else last, count + len(page)
                yield [key for key, size in page if _is_object(key, size)]
            new = count - before
            # Without an order there is no key to go on from.
            if 0 < new < _PAGE or (attempt and not new) or (new and not self._ordered):
                return

    def _children(self, folder: str) -> tuple[set[str], set[str]]:
        """The objects and the folders directly in a folder."""
        try:
            objects, folders = self._client.children(folder)
        except UnlistableKey as cause:
            if folder:
                raise _cannot_skip(cause.key) from None
            # At the top, only an archive's own folders matter.
            return set(), set(_TOP_FOLDERS)
        return {key for key, size in objects if _is_object(key, size)}, set(folders)


def _is_object(key: str, size: int) -> bool:
    """Whether it is a real object. Some tools create empty objects to stand for folders."""
    return size > 0 or _file.fullmatch(key) is not None


def _parent_of_bad_segment(key: str) -> str:
    """The folder that holds the first empty or dotted segment of a key."""
    segments = key.split("/")
    index = next((index for index, segment in enumerate(segments) if segment in ("", ".", "..")), len(segments))
    return "/".join(segments[:index])


def _cannot_skip(key: str) -> StoreRefused:
    words = "an object lies there under a key that cannot be listed"
    hint = "Remove it with the store's own tool, or move it out of the archive's prefix."
    return StoreRefused(words, operation="list", key=key[:300], hint=hint)
