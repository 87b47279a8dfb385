"""Open an archive's address, and use object stores through obstore. No other module imports obstore.

All calls are synchronous on purpose, and are made in threads: obstore's asynchronous calls abort the interpreter at
exit.
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
from turnkeeper.spool import PositionalReader, Source
from turnkeeper.storage import aws
from turnkeeper.storage.address import Address, parse_address
from turnkeeper.storage.disk import Disk
from turnkeeper.storage.errors import StorePlace, store_error
from turnkeeper.storage.folder import FolderStore
from turnkeeper.storage.key_listing import KeyListing, ListDeadline, ListedObject, UnlistableKey
from turnkeeper.storage.key_rules import LOCK, MARKER, check_key, check_prefix, is_key
from turnkeeper.storage.store import Store

__all__ = ["ObjectStore", "Source", "Store", "open_store"]

T = TypeVar("T")

PART = 8 << 20
"""Bytes in one part of a multipart upload; anything smaller is one request."""
IN_FLIGHT = 4
READ = 4 << 20
BLOCK = 1 << 20
_retries = {
    "max_retries": 3,
    "retry_timeout": timedelta(seconds=30),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 2},
}
_BUSY_WAITS = (0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0)
"""Seconds between attempts while the store is busy: nearly a minute, because S3 has been seen to answer 409 for half a
minute."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""A store on this machine is never behind a proxy."""
_busy = re.compile(r"\b(SlowDown|ConditionalRequestConflict|OperationAborted)\b")
_bad_path = re.compile(r'[Pp]ath "(.*?)"(?: contained|: Encountered)', re.DOTALL)
# For some failures the client raises Python's own errors: FileNotFoundError for an object that is not there.
_foreign = (BaseError, FileNotFoundError, ConnectionError, TimeoutError)


def open_store(url: str, settings: StoreSettings | None = None) -> Store:
    """Open the store at ``s3://bucket/prefix``, ``gs://…``, ``az://container/…``, ``file:///…``, or a plain path.

    ``memory://`` is a new store in memory each time, for tests. No request is sent, and no folder is created. Raises
    ``Misconfigured`` for an address or credentials that cannot work, ``StoreRefused`` for a path that is a file.
    """
    chosen = settings or StoreSettings.from_environment()
    address = parse_address(url)
    if address.path is not None:
        return FolderStore(address.path, disk=Disk(shared=chosen.shared))
    if address.scheme == "memory":
        from obstore.store import MemoryStore

        return ObjectStore(MemoryStore(), "memory://", StorePlace())
    check_prefix(address.prefix)
    opened = _open_s3(address, chosen) if address.scheme == "s3" else _open_gs_or_az(address, chosen)
    proxy = _find_proxy(chosen.endpoint, chosen)
    place = StorePlace(
        address.bucket, chosen.endpoint, chosen.region, chosen.encryption[1], proxy.variable if proxy else ""
    )
    return ObjectStore(opened, address.url, place, chosen)


class ObjectStore:
    """A ``Store`` over obstore. ``place`` is for the messages of errors; ``settings`` are those it was opened with;
    ``sleep`` waits some seconds before a write to a busy store is tried again."""

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
        # After a write gave up waiting for a busy store, no other write waits until one succeeds. An export makes
        # thousands of writes, and would wait a minute for each.
        self._gave_up = False
        address = parse_address(url)
        deadline = ListDeadline((settings or StoreSettings()).list_seconds)
        self._client = _ObstoreListing(store, address.prefix, deadline)
        # Directory buckets of S3 (--x-s3) do not list keys in order.
        self._listing = KeyListing(self._client, ordered=not address.bucket.endswith("--x-s3"))
        self._place = place
        self.url = url
        self.settings = settings

    def put(self, key: str, data: bytes, *, content_type: str = "application/json", create: bool = False) -> None:
        if not create:
            self._retry_while_busy(lambda: self._write_once(key, data, content_type))
            return
        for wait in (*self._waits(), 0.0):
            if self._retry_while_busy(lambda: self._create_once(key, data, content_type)):
                self._gave_up = False
                return
            # The client retries requests. The object that exists may be from our own first attempt, so its content
            # decides. Another writer's object may not be visible yet, or be deleted again: then try again.
            with contextlib.suppress(NotFound):
                if self.get(key) == data:
                    return
                raise Conflict("stored with different content by another writer", operation="create", key=key)
            self._sleep(wait)
        self._gave_up = True
        raise Unavailable("another writer holds it and shows nothing", operation="create", key=key)

    def put_stream(self, key: str, source: Source, *, content_type: str = "application/json") -> None:
        self._retry_while_busy(lambda: self._write_stream(key, source, content_type))

    def _write_stream(self, key: str, source: Source, content_type: str) -> None:
        with self._translated_errors("write", key), source.open() as body:
            if source.size <= PART:
                data = b"".join(iter(lambda: body.read(BLOCK), b""))
                _check_complete(len(data), source, key)
                self._put_in_one_request(key, data, content_type)
            else:
                self._write_parts(key, body, source, content_type)
                # The ETag of an upload in parts is not a hash of the content, so the size is all that can be checked.
                self._check_stored(key, source.size)

    def get(self, key: str) -> bytes:
        with self._translated_errors("read", key):
            response = self._store.get(key)
            return _check_length(bytes(response.bytes()), int(response.meta["size"]), key)

    def open(self, key: str) -> BinaryIO:
        with self._translated_errors("read", key):
            meta = self._store.head(key)
        return cast(BinaryIO, io.BufferedReader(_RangeReader(self, key, meta), READ))

    def size(self, key: str) -> int | None:
        try:
            with self._translated_errors("look for", key):
                return int(self._store.head(key)["size"])
        except NotFound:
            return None

    def list(self, prefix: str) -> Iterator[str]:
        folder = prefix.rstrip("/")
        with self._translated_errors("list", folder):
            is_empty = True
            for key in filter(is_key, self._listing.keys(folder)):
                is_empty = False
                yield key
            if is_empty:
                self._check_empty_listing(folder)

    def folders(self, prefix: str = "") -> Sequence[str]:
        folder = prefix.rstrip("/")
        with self._translated_errors("list", folder):
            try:
                return sorted(name.rstrip("/") for name in self._client.children(folder)[1])
            except UnlistableKey as cause:
                hint = "Remove it with the store's own tool, or give the address of a folder further down."
                words = "an object lies there under a key that cannot be listed"
                raise StoreRefused(words, operation="list", key=cause.key[:300], hint=hint) from None

    def odd_keys(self) -> Iterator[str]:
        """The keys below the archive's address that no object of an archive has: those with an empty or dotted segment,
        or with other characters. Of several with a bad segment in one folder, only the first may be returned."""
        with self._translated_errors("list", ""):
            unlistable: list[str] = []
            yield from (key for key in self._listing.keys("", unlistable.append) if not is_key(key) and key != LOCK)
            yield from dict.fromkeys(unlistable)

    def delete(self, key: str) -> None:
        # Stores differ in whether deleting an object that is not there is an error.
        with contextlib.suppress(NotFound), self._translated_errors("delete", key):
            self._store.delete(key)

    def read_range(self, key: str, start: int, end: int, version: str | None) -> bytes:
        """Bytes ``[start, end)`` of the version that was there when the reader was opened."""
        options: dict[str, Any] = {"range": (start, end)}
        with self._translated_errors("read", key):
            # Without the condition, ranges of two different contents could be joined to one.
            response = self._store.get(key, options=options | ({"if_match": version} if version else {}))
            return _check_length(bytes(response.bytes()), end - start, key)

    def _retry_while_busy(self, write: Callable[[], T]) -> T:
        """Try a write again while the store reports too many requests, or a concurrent request for the same key.

        Raises the ``Unavailable`` of the last attempt.
        """
        for wait in (*self._waits(), None):
            try:
                result = write()
            except Unavailable as cause:
                if not _busy.search(cause.message):
                    raise
                if wait is None:
                    self._gave_up = True
                    raise
                self._sleep(wait)
            else:
                self._gave_up = False
                return result
        raise AssertionError("the last attempt returns or raises")

    def _waits(self) -> tuple[float, ...]:
        return () if self._gave_up else _BUSY_WAITS

    def _write_once(self, key: str, data: bytes, content_type: str) -> None:
        with self._translated_errors("write", key):
            self._put_in_one_request(key, data, content_type)

    def _create_once(self, key: str, data: bytes, content_type: str) -> bool:
        """Put an object unless there is one; False if there is one."""
        try:
            with self._translated_errors("create", key):
                self._put_in_one_request(key, data, content_type, mode="create")
        except Conflict:
            return False
        return True

    def _put_in_one_request(self, key: str, data: bytes, content_type: str, **options: Any) -> None:
        """Put an object. Raises ``Unavailable`` if the store reports success and does not hold the object.

        Some stores answer 200 with an error in the body, which the client does not read. The ETag of most stores is the
        MD5 of the content. If it is something else (encryption with a KMS key, Azure), the object's size is checked.
        """
        # The ETag of an upload in parts would not be the MD5 of the content.
        put = self._store.put(key, data, attributes={"Content-Type": content_type}, use_multipart=False, **options)
        if str(put.get("e_tag")).strip('"') != hashlib.md5(data, usedforsecurity=False).hexdigest():
            self._check_stored(key, len(data))

    def _check_empty_listing(self, folder: str) -> None:
        """Raise ``Unavailable`` if the store does not even list an object that exists. A response with status 200 whose
        body is an error looks like an empty page, and "no objects" would then be wrong."""
        # The size is asked for first: another writer may create the object between the two requests.
        if self.size(MARKER) is None:
            return
        home = MARKER.rpartition("/")[0]
        try:
            # The listing begins after the given key, so that key has to sort just before the marker.
            page = next(self._client.pages(home, MARKER[:-1]), [])
        except UnlistableKey:
            return  # a page with keys, so the store does list
        if MARKER not in {key for key, _ in page}:
            words = "its listing is empty, and objects are there"
            hint = "The store, or what stands before it, is broken. Run it again."
            raise Unavailable(words, operation="list", key=folder, hint=hint)

    def _check_stored(self, key: str, size: int) -> None:
        if self.size(key) != size:
            words = "the store answered that it is written, and does not hold it"
            hint = "The store, or what stands before it, is broken. Run it again."
            raise Unavailable(words, operation="write", key=key, hint=hint)

    def _write_parts(self, key: str, body: BinaryIO, source: Source, content_type: str) -> None:
        # Leaving the block with an error aborts the upload: the parts are deleted, and nothing becomes visible.
        with obstore.open_writer(
            self._store, key, attributes={"Content-Type": content_type}, buffer_size=PART, max_concurrency=IN_FLIGHT
        ) as writer:
            count = 0
            while block := body.read(BLOCK):
                count += writer.write(block)
            _check_complete(count, source, key)

    @contextlib.contextmanager
    def _translated_errors(self, operation: str, key: str) -> Iterator[None]:
        """Check the key, and translate the client's errors into ours."""
        if key or operation != "list":
            check_key(key)
        try:
            yield
        except AlreadyExistsError as cause:
            if operation != "create":
                # The client raises this for every 409, also for writes without a condition.
                raise store_error(type(cause).__name__, str(cause), self._place, operation, key) from None
            raise Conflict("stored already", operation=operation, key=key) from None
        except _foreign as cause:
            # Not chained: the text of the cause holds whole responses and signed addresses.
            raise store_error(type(cause).__name__, str(cause), self._place, operation, key) from None


class _ObstoreListing:
    """The ``ListingClient`` over obstore, for the keys below ``prefix``.

    obstore fails at a key with an empty or dotted segment, and its message names the key. It never returns if a store
    answers with empty pages that each have a continuation token: hence the deadline.
    """

    def __init__(self, store: Any, prefix: str, deadline: ListDeadline) -> None:
        self._store = store
        self._prefix = f"{prefix}/" if prefix else ""
        self._deadline = deadline

    def pages(self, folder: str, after: str) -> Iterator[list[ListedObject]]:
        pages = iter(self._store.list(folder or None, offset=after or None))
        try:
            while page := self._deadline.call(lambda: next(pages, None), folder):
                yield [(str(entry["path"]), int(entry["size"])) for entry in page]
        except InvalidPathError as cause:
            raise self._unlistable(cause) from None

    def children(self, folder: str) -> tuple[list[ListedObject], list[str]]:
        try:
            listing = self._request_children(folder)
            if not listing["objects"] and not listing["common_prefixes"]:
                # A response with status 200 whose body is an error also looks empty, so ask once more.
                listing = self._request_children(folder)
        except InvalidPathError as cause:
            raise self._unlistable(cause) from None
        objects = [(str(entry["path"]), int(entry["size"])) for entry in listing["objects"]]
        return objects, [str(folder) for folder in listing["common_prefixes"]]

    def _request_children(self, folder: str) -> Any:
        return self._deadline.call(lambda: obstore.list_with_delimiter(self._store, folder or None), folder)

    def _unlistable(self, cause: InvalidPathError) -> UnlistableKey:
        match = _bad_path.search(str(cause))
        return UnlistableKey(match[1].removeprefix(self._prefix) if match else "")


class _RangeReader(PositionalReader):
    """Reads an object with one request per range: a single request might be cut off while its reader is slow."""

    def __init__(self, store: ObjectStore, key: str, meta: Mapping[str, Any]) -> None:
        super().__init__(int(meta["size"]))
        self._store, self._key, self._version = store, key, meta.get("e_tag")

    def fill(self, view: memoryview, at: int) -> int:
        data = self._store.read_range(self._key, at, at + len(view), self._version)
        view[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        return b"".join(iter(lambda: self.read(PART) or b"", b""))


def _check_length(data: bytes, size: int, key: str) -> bytes:
    if len(data) != size:
        raise Unavailable(f"{len(data):,} bytes came instead of {size:,}", operation="read", key=key)
    return data


def _check_complete(count: int, source: Source, key: str) -> None:
    if count != source.size:
        raise Incomplete("the body ended early on its way to the archive", operation="write", key=key)


def _open_s3(address: Address, settings: StoreSettings) -> Any:
    from obstore.store import S3Store

    signing = aws.find_credentials(settings)
    # Not every server that speaks S3 knows the request that deletes several objects.
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
    return _construct(
        f"s3://{address.bucket}",
        S3Store,
        address.bucket,
        prefix=address.prefix or None,
        config=config,
        client_options=_client_options(settings, settings.endpoint),
        retry_config=_retries,
        credential_provider=signing.provider,
    )


def _open_gs_or_az(address: Address, settings: StoreSettings) -> Any:
    from obstore.store import AzureStore, GCSStore

    kind = GCSStore if address.scheme == "gs" else AzureStore
    options = {"client_options": _client_options(settings, ""), "retry_config": _retries}
    return _construct(address.url, kind, address.bucket, prefix=address.prefix or None, **options)


def _construct(url: str, store_class: Any, *args: Any, **options: Any) -> Any:
    try:
        return store_class(*args, **options)
    except (BaseError, ValueError, TypeError) as cause:
        reason = str(cause).partition("\n")[0][:200]
        raise Misconfigured(
            f"cannot be opened ({reason})", operation="open the archive", key=url, hint="Check the address and --ca."
        ) from None


def _client_options(settings: StoreSettings, endpoint: str) -> dict[str, Any]:
    options: dict[str, Any] = {"connect_timeout": timedelta(seconds=5), "timeout": timedelta(minutes=2)}
    # Without this, the client refuses an endpoint without TLS.
    if endpoint.startswith("http://"):
        options["allow_http"] = True
    if settings.ca:
        options["root_certificate"] = _read_certificates(settings.ca)
    return options | _proxy_options(endpoint, settings)


def _read_certificates(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as cause:
        raise Misconfigured(
            f"cannot be read ({cause.strerror})", operation="trust an authority", key=str(path), hint="Check --ca."
        ) from None


def _find_proxy(endpoint: str, settings: StoreSettings) -> Proxy | None:
    """The proxy between here and a store. Raises ``Misconfigured`` for one that cannot be used."""
    checked_proxies(settings.variables)
    parts = urlsplit(endpoint)
    if parts.hostname in _LOOPBACK:
        return None
    return proxy_for(parts.scheme or "https", parts.hostname or "", settings.variables)


def _proxy_options(endpoint: str, settings: StoreSettings) -> dict[str, str]:
    proxy = _find_proxy(endpoint, settings)
    if proxy is None:
        # Without this, the client reads the environment itself, and understands it differently from turnkeeper.
        return {"proxy_url": "http://localhost", "proxy_excludes": "*,0.0.0.0/0,::/0"}
    if proxy.scheme.startswith("socks"):
        hint = "Name an http proxy in HTTPS_PROXY, or the store's host in NO_PROXY."
        message = "object stores cannot be reached through a SOCKS proxy"
        raise Misconfigured(message, operation="use the proxy", key=proxy.variable, hint=hint)
    excluded = settings.variables.get("no_proxy") or settings.variables.get("NO_PROXY") or ""
    return {"proxy_url": proxy.url, "proxy_excludes": ",".join((*filter(None, (excluded,)), *_LOOPBACK))}
