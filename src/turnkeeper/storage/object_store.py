"""Opens an archive's address and speaks to object stores through obstore; the only file that may.

Every call is synchronous on purpose and belongs in a thread: obstore's asynchronous ones abort the interpreter at exit.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, InvalidPathError

from turnkeeper.errors import Conflict, Incomplete, Misconfigured, NotFound, StoreRefused, Unavailable
from turnkeeper.proxies import Proxy, checked_proxies, proxy_for
from turnkeeper.settings import StoreSettings
from turnkeeper.spool import Positional, Source
from turnkeeper.storage import aws
from turnkeeper.storage.address import Address, parse_address
from turnkeeper.storage.contract import Store
from turnkeeper.storage.disk import Disk
from turnkeeper.storage.errors import StorePlace, refusal
from turnkeeper.storage.folder import FolderStore
from turnkeeper.storage.key_listing import BadKey, KeyListing, ListDeadline, Listed
from turnkeeper.storage.keys import ARCHIVE, LOCK, check_key, check_prefix, is_key

__all__ = ["ObjectStore", "Source", "Store", "open_store"]

T = TypeVar("T")

PART = 8 << 20
IN_FLIGHT = 4
READ = 4 << 20
BLOCK = 1 << 20
_retries = {
    "max_retries": 3,
    "retry_timeout": timedelta(seconds=30),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 2},
}
_BUSY_WAITS = (0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0)
"""Seconds between attempts while the store is busy: nearly a minute, as S3 has been seen to answer 409 for half of
one."""
_HERE = ("localhost", "127.0.0.1", "::1")
"""A store on this machine is never behind a proxy."""
_busy = re.compile(r"\b(SlowDown|ConditionalRequestConflict|OperationAborted)\b")
_bad_path = re.compile(r'[Pp]ath "(.*?)"(?: contained|: Encountered)', re.DOTALL)
_foreign = (BaseError, FileNotFoundError, ConnectionError, TimeoutError)


def open_store(url: str, settings: StoreSettings | None = None) -> Store:
    """The store at ``s3://bucket/prefix``, ``gs://…``, ``az://container/…``, ``file:///…``, or a plain path.

    ``memory://`` is a new store in memory each time, for tests. Nothing is asked of a remote store yet, and no folder
    is made. Raises ``Misconfigured`` for an address or credentials that cannot work, ``StoreRefused`` for a path that
    is a file.
    """
    chosen = settings or StoreSettings.from_environment()
    address = parse_address(url)
    if address.path is not None:
        return FolderStore(address.path, disk=Disk(shared=chosen.shared))
    if address.scheme == "memory":
        from obstore.store import MemoryStore

        return ObjectStore(MemoryStore(), "memory://", StorePlace())
    check_prefix(address.prefix)
    opened = _s3(address, chosen) if address.scheme == "s3" else _other(address, chosen)
    proxy = _proxy(chosen.endpoint, chosen)
    place = StorePlace(
        address.bucket, chosen.endpoint, chosen.region, chosen.encryption[1], proxy.variable if proxy else ""
    )
    return ObjectStore(opened, address.url, place, chosen)


class ObjectStore:
    """A ``Store`` over obstore. ``place`` is for the words of errors; ``settings`` are those it was opened with;
    ``sleep`` waits for a store that asks its writers to (in seconds)."""

    def __init__(
        self,
        store: Any,
        url: str,
        place: StorePlace,
        settings: StoreSettings | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._sleep = sleep
        # Once a wait was in vain no other write waits, until one succeeds: an export has thousands of them.
        self._in_vain = False
        address = parse_address(url)
        # Directory buckets of S3 list in no order.
        deadline = ListDeadline((settings or StoreSettings()).list_seconds)
        self._lists = _Lists(store, address.prefix, deadline)
        self._listing = KeyListing(self._lists, ordered=not address.bucket.endswith("--x-s3"))
        self._place = place
        self.url = url
        self.settings = settings

    def put(self, key: str, data: bytes, *, content_type: str = "application/json", create: bool = False) -> None:
        if not create:
            self._patiently(lambda: self._write(key, data, content_type))
            return
        for wait in (*self._waits(), 0.0):
            if self._patiently(lambda: self._create(key, data, content_type)):
                self._in_vain = False
                return
            # The refusal may answer our own retried request, so content decides. The other's object may not be
            # visible yet, or gone again: then the next attempt knows more.
            with contextlib.suppress(NotFound):
                if self.get(key) == data:
                    return
                raise Conflict("stored with different content by another writer", operation="create", key=key)
            self._sleep(wait)
        self._in_vain = True
        raise Unavailable("another writer holds it and shows nothing", operation="create", key=key)

    def put_stream(self, key: str, source: Source, *, content_type: str = "application/json") -> None:
        self._patiently(lambda: self._write_stream(key, source, content_type))

    def _write_stream(self, key: str, source: Source, content_type: str) -> None:
        with self._told("write", key), source.open() as body:
            if source.size <= PART:
                data = b"".join(iter(lambda: body.read(BLOCK), b""))
                _check_whole(len(data), source, key)
                self._put_whole(key, data, content_type)
            else:
                self._write_parts(key, body, source, content_type)
                self._check_stored(key, source.size)

    def get(self, key: str) -> bytes:
        with self._told("read", key):
            found = self._store.get(key)
            return _whole(bytes(found.bytes()), int(found.meta["size"]), key)

    def open(self, key: str) -> BinaryIO:
        with self._told("read", key):
            meta = self._store.head(key)
        return cast(BinaryIO, io.BufferedReader(_Ranges(self, key, meta), READ))

    def size(self, key: str) -> int | None:
        try:
            with self._told("look for", key):
                return int(self._store.head(key)["size"])
        except NotFound:
            return None

    def list(self, prefix: str) -> Iterator[str]:
        folder = prefix.rstrip("/")
        with self._told("list", folder):
            came = False
            for key in filter(is_key, self._listing.keys(folder)):
                came = True
                yield key
            if not came:
                self._check_lists(folder)

    def folders(self, prefix: str = "") -> Sequence[str]:
        folder = prefix.rstrip("/")
        with self._told("list", folder):
            try:
                return sorted(name.rstrip("/") for name in self._lists.children(folder)[1])
            except BadKey as cause:
                hint = "Remove it with the store's own tool, or give the address of a folder further down."
                words = "an object lies there under a key that cannot be listed"
                raise StoreRefused(words, operation="list", key=cause.key[:300], hint=hint) from None

    def odd_keys(self) -> Iterator[str]:
        """What lies below the archive's address and can be no object of it: a key with an empty or dotted segment, a
        name with other characters. The first of those with such a segment stands for its folder."""
        with self._told("list", ""):
            found: list[str] = []
            yield from (key for key in self._listing.keys("", found.append) if not is_key(key) and key != LOCK)
            yield from dict.fromkeys(found)

    def delete(self, key: str) -> None:
        with contextlib.suppress(NotFound), self._told("delete", key):
            self._store.delete(key)

    def read_range(self, key: str, start: int, end: int, version: str | None) -> bytes:
        """Bytes ``[start, end)`` of the version that was there when the reader was opened."""
        options: dict[str, Any] = {"range": (start, end)}
        with self._told("read", key):
            found = self._store.get(key, options=options | ({"if_match": version} if version else {}))
            return _whole(bytes(found.bytes()), end - start, key)

    def _patiently(self, write: Callable[[], T]) -> T:
        """Write again while the store says that there are too many requests, or another one under way for this key.
        Raises the ``Unavailable`` of the last attempt."""
        for wait in (*self._waits(), None):
            try:
                return write()
            except Unavailable as cause:
                if not _busy.search(cause.message):
                    raise
                if wait is None:
                    self._in_vain = True
                    raise
                self._sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _waits(self) -> tuple[float, ...]:
        return () if self._in_vain else _BUSY_WAITS

    def _write(self, key: str, data: bytes, content_type: str) -> None:
        with self._told("write", key):
            self._put_whole(key, data, content_type)

    def _create(self, key: str, data: bytes, content_type: str) -> bool:
        try:
            with self._told("create", key):
                self._put_whole(key, data, content_type, mode="create")
        except Conflict:
            return False
        return True

    def _put_whole(self, key: str, data: bytes, content_type: str, **options: Any) -> None:
        """Put an object in one request. Raises ``Unavailable`` where the store says that it did, and did not.

        Some stores answer 200 and put their error into the body, which the client does not read. The ETag of most is
        the MD5 of what they stored. Where it is another (encryption with a KMS key, Azure), the object is looked at.
        """
        put = self._store.put(key, data, attributes={"Content-Type": content_type}, use_multipart=False, **options)
        if str(put.get("e_tag")).strip('"') != hashlib.md5(data, usedforsecurity=False).hexdigest():
            self._check_stored(key, len(data))

    def _check_lists(self, folder: str) -> None:
        """Raise ``Unavailable`` where the store lists nothing at all: an error with status 200 reads as an empty
        page."""
        # Looked for first: another writer may make it at any moment.
        if self.size(ARCHIVE) is None:
            return
        home = ARCHIVE.rpartition("/")[0]
        try:
            page = next(self._lists.pages(home, ARCHIVE[:-1]), [])
        except BadKey:
            return  # a page with keys came
        if ARCHIVE not in {key for key, _ in page}:
            words = "its listing is empty, and objects are there"
            hint = "The store, or what stands before it, is broken. Run it again."
            raise Unavailable(words, operation="list", key=folder, hint=hint)

    def _check_stored(self, key: str, size: int) -> None:
        if self.size(key) != size:
            words = "the store answered that it is written, and does not hold it"
            hint = "The store, or what stands before it, is broken. Run it again."
            raise Unavailable(words, operation="write", key=key, hint=hint)

    def _write_parts(self, key: str, body: BinaryIO, source: Source, content_type: str) -> None:
        # Leaving the block with an error aborts the upload: no parts stay behind, nothing becomes visible.
        with obstore.open_writer(
            self._store, key, attributes={"Content-Type": content_type}, buffer_size=PART, max_concurrency=IN_FLIGHT
        ) as writer:
            count = 0
            while block := body.read(BLOCK):
                count += writer.write(block)
            _check_whole(count, source, key)

    @contextlib.contextmanager
    def _told(self, operation: str, key: str) -> Iterator[None]:
        if key or operation != "list":
            check_key(key)
        try:
            yield
        except AlreadyExistsError as cause:
            if operation != "create":
                # Every answer 409 comes so, also where nothing was asked to be new.
                raise refusal(type(cause).__name__, str(cause), self._place, operation, key) from None
            raise Conflict("stored already", operation=operation, key=key) from None
        except _foreign as cause:
            # Not chained: the cause's text holds whole answers and signed addresses.
            raise refusal(type(cause).__name__, str(cause), self._place, operation, key) from None


class _Lists:
    """What obstore lists below ``prefix``. It cannot read keys with empty or dotted segments, and says which one.

    It goes on for ever where a store answers with empty pages and a token to go on by: hence the deadline.
    """

    def __init__(self, store: Any, prefix: str, deadline: ListDeadline) -> None:
        self._store = store
        self._prefix = f"{prefix}/" if prefix else ""
        self._deadline = deadline

    def pages(self, folder: str, after: str) -> Iterator[list[Listed]]:
        pages = iter(self._store.list(folder or None, offset=after or None))
        try:
            while page := self._deadline.answer(lambda: next(pages, None), folder):
                yield [(str(found["path"]), int(found["size"])) for found in page]
        except InvalidPathError as cause:
            raise self._bad(cause) from None

    def children(self, folder: str) -> tuple[list[Listed], list[str]]:
        try:
            found = self._children(folder)
            if not found["objects"] and not found["common_prefixes"]:
                # An error with status 200 reads so, too.
                found = self._children(folder)
        except InvalidPathError as cause:
            raise self._bad(cause) from None
        objects = [(str(one["path"]), int(one["size"])) for one in found["objects"]]
        return objects, [str(folder) for folder in found["common_prefixes"]]

    def _children(self, folder: str) -> Any:
        return self._deadline.answer(lambda: obstore.list_with_delimiter(self._store, folder or None), folder)

    def _bad(self, cause: InvalidPathError) -> BadKey:
        found = _bad_path.search(str(cause))
        return BadKey(found[1].removeprefix(self._prefix) if found else "")


class _Ranges(Positional):
    """Reads an object by ranges, so that no single request has to live as long as its reader."""

    def __init__(self, store: ObjectStore, key: str, meta: Mapping[str, Any]) -> None:
        super().__init__(int(meta["size"]))
        self._store, self._key, self._version = store, key, meta.get("e_tag")

    def fill(self, view: memoryview, at: int) -> int:
        data = self._store.read_range(self._key, at, at + len(view), self._version)
        view[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        return b"".join(iter(lambda: self.read(PART) or b"", b""))


def _whole(data: bytes, size: int, key: str) -> bytes:
    if len(data) != size:
        raise Unavailable(f"{len(data):,} bytes came instead of {size:,}", operation="read", key=key)
    return data


def _check_whole(count: int, source: Source, key: str) -> None:
    if count != source.size:
        raise Incomplete("the body ended early on its way to the archive", operation="write", key=key)


def _s3(address: Address, settings: StoreSettings) -> Any:
    from obstore.store import S3Store

    signing = aws.access(settings)
    config: dict[str, Any] = {"disable_bulk_delete": True, **signing.config}
    if settings.checksum != "off":
        config["checksum_algorithm"] = settings.checksum
    if signing.region:
        config["region"] = signing.region
    if settings.endpoint:
        config["endpoint"] = settings.endpoint
    algorithm, key = settings.encryption
    if algorithm:
        config["server_side_encryption"] = algorithm
    if key:
        config["sse_kms_key_id"] = key
    return _built(
        f"s3://{address.bucket}",
        S3Store,
        address.bucket,
        prefix=address.prefix or None,
        config=config,
        client_options=_client(settings, settings.endpoint),
        retry_config=_retries,
        credential_provider=signing.provider,
    )


def _other(address: Address, settings: StoreSettings) -> Any:
    from obstore.store import AzureStore, GCSStore

    kind = GCSStore if address.scheme == "gs" else AzureStore
    options = {"client_options": _client(settings, ""), "retry_config": _retries}
    return _built(address.url, kind, address.bucket, prefix=address.prefix or None, **options)


def _built(url: str, make: Any, *given: Any, **options: Any) -> Any:
    try:
        return make(*given, **options)
    except (BaseError, ValueError, TypeError) as cause:
        said = str(cause).partition("\n")[0][:200]
        raise Misconfigured(
            f"cannot be opened ({said})", operation="open the archive", key=url, hint="Check the address and --ca."
        ) from None


def _client(settings: StoreSettings, endpoint: str) -> dict[str, Any]:
    options: dict[str, Any] = {"connect_timeout": timedelta(seconds=5), "timeout": timedelta(minutes=2)}
    if endpoint.startswith("http://"):
        options["allow_http"] = True
    if settings.ca:
        options["root_certificate"] = _certificates(settings.ca)
    return options | _proxied(endpoint, settings)


def _certificates(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as cause:
        raise Misconfigured(
            f"cannot be read ({cause.strerror})", operation="trust an authority", key=str(path), hint="Check --ca."
        ) from None


def _proxy(endpoint: str, settings: StoreSettings) -> Proxy | None:
    """The proxy on the way to a store. Raises ``Misconfigured`` for one that cannot be used."""
    checked_proxies(settings.variables)
    parts = urlsplit(endpoint)
    if parts.hostname in _HERE:
        return None
    return proxy_for(parts.scheme or "https", parts.hostname or "", settings.variables)


def _proxied(endpoint: str, settings: StoreSettings) -> dict[str, str]:
    found = _proxy(endpoint, settings)
    if found is None:
        # The client would read the environment by itself, and not as the rest of the program does.
        return {"proxy_url": "http://localhost", "proxy_excludes": "*,0.0.0.0/0,::/0"}
    if found.scheme.startswith("socks"):
        hint = "Name an http proxy in HTTPS_PROXY, or the store's host in NO_PROXY."
        said = "object stores cannot be reached through a SOCKS proxy"
        raise Misconfigured(said, operation="use the proxy", key=found.variable, hint=hint)
    excluded = settings.variables.get("no_proxy") or settings.variables.get("NO_PROXY") or ""
    return {"proxy_url": found.url, "proxy_excludes": ",".join((*filter(None, (excluded,)), *_HERE))}
