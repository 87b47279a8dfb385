"""The audit: one small object for each action on content, written once, never changed, and chained by hash.

A line says who (the process's user and host), what, when and how many, and names conversations. It has no content,
nothing about a customer and no words of a query. Its number is in its key and counts without gaps, and it has the
SHA-256 of the line before. Lines of version 1 are stored by day and are not chained.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import secrets
import socket
import threading
import warnings
from collections.abc import Collection, Iterator
from typing import Literal

import msgspec

from turnkeeper.archive import keys
from turnkeeper.clock import Clock, rfc3339
from turnkeeper.errors import Conflict, Denied, DiskFull, NotFound, StoreRefused, Unavailable, Unread
from turnkeeper.ids import is_id
from turnkeeper.storage.parallel import parallel_map
from turnkeeper.storage.store import Store
from turnkeeper.version import __version__

__all__ = [
    "FORMAT",
    "HEAD_FORMAT",
    "Action",
    "Audit",
    "AuditCheck",
    "AuditLine",
    "AuditWarning",
    "Breach",
    "Fact",
    "Head",
]

FORMAT = "turnkeeper.audit/2"
HEAD_FORMAT = "turnkeeper.audit-head/1"
LONGEST = 200
"""Characters of a fact."""
MAX_NAMES = 1000
"""A line names up to so many conversations. If there are more, it only says how many."""
ATTEMPTS = 64
"""How often another writer may be first before this one gives up."""
_SEAL = b',"sha256":"'
"""What separates a line's content from the hash at its end."""

Action = Literal[
    "get",
    "export begun",
    "export",
    "retry begun",
    "retry",
    "reread",
    "turns",
    "clip",
    "view",
    "report",
    "erase begun",
    "erase",
    "expire begun",
    "expire",
]
"""What was done. An action that takes long has two lines, so that one that did not finish is recorded too."""

Fact = bool | int | float | str


class AuditWarning(UserWarning):
    """An archive was read that could not be written, so its audit has no line about it."""


class AuditLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One action. ``at`` is RFC 3339 in UTC; ``facts`` are counts and options; ``conversations`` are the ids, if they
    were known and at most a thousand. ``number`` counts from 1, ``previous`` is the SHA-256 of the object before, and
    ``sha256`` that of this object without its last field. Version 1 has none of these three.
    """

    format: str
    at: str
    action: str
    user: str
    host: str
    producer: str
    facts: dict[str, Fact]
    conversations: tuple[str, ...] = ()
    number: int = 0
    nonce: str = ""
    previous: str = ""
    sha256: str = ""

    def concerns(self, conversation: str) -> bool | None:
        """Whether it names the conversation; None if it names none at all, as the lines of exports do."""
        names = self.conversations or [self.facts[name] for name in ("conversation",) if name in self.facts]
        return conversation in names if names else None


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The newest line of a chain, to be kept outside the archive: its ``number`` (0: there is none) and its object's
    SHA-256."""

    format: str
    archive: str
    number: int
    sha256: str
    at: str


class Breach(msgspec.Struct, frozen=True):
    """A fault of the chain, at the line of this ``number`` (0: a line without a number)."""

    kind: Literal["missing", "changed", "unreadable"]
    number: int
    detail: str


_LINE = msgspec.json.Decoder(AuditLine)


class Audit:
    """The audit of an archive. Safe to use from several threads, processes and machines.

    ``who`` is user and host, for tests and for a service that acts for a person. ``required`` makes
    ``record_reading`` raise if it cannot write its line.
    """

    def __init__(
        self, store: Store, clock: Clock, who: tuple[str, str] | None = None, *, required: bool = False
    ) -> None:
        self._store = store
        self._clock = clock
        self._user, self._host = who or (_user_name(), socket.gethostname())
        self._required = required
        self._lock = threading.Lock()
        self._newest: tuple[int, str] | None = None

    def record(self, action: Action, *, conversations: Collection[str] = (), **facts: Fact) -> AuditLine:
        """Write one line. ``facts`` are counts and options, and never a customer's number or words. Raises what the
        store raises: an action that changes an archive must not be done if it cannot be recorded.
        """
        # What a person typed instead of an id could be a customer's number, which must not get into the audit.
        names = sorted({name for name in conversations if is_id(name)})
        if len(names) > MAX_NAMES:
            names, facts = [], facts | {"conversations": len(names)}
        # Otherwise the threads of one process would compete for the same number.
        with self._lock:
            return self._append(
                AuditLine(
                    format=FORMAT,
                    at=rfc3339(self._clock.now()),
                    action=action,
                    user=self._user,
                    host=self._host,
                    producer=f"turnkeeper/{__version__}",
                    facts={name: fact[:LONGEST] if isinstance(fact, str) else fact for name, fact in facts.items()},
                    conversations=tuple(names),
                    # Storing identical bytes twice counts as success, so two equal actions must differ.
                    nonce=secrets.token_hex(8),
                )
            )

    def record_reading(self, action: Action, *, conversations: Collection[str] = (), **facts: Fact) -> str:
        """Write the line of an action that only reads. If this identity may not write, return a sentence that says so
        (else an empty text), or raise what the store raised if a line is ``required``.
        """
        try:
            self.record(action, conversations=conversations, **facts)
        except (Denied, StoreRefused, DiskFull) as cause:
            if self._required:
                raise
            return f"the archive cannot be written ({cause.message}): its audit has no line of this reading"
        return ""

    def record_or_warn(self, action: Action, *, conversations: Collection[str] = (), **facts: Fact) -> None:
        """Like ``record_reading``, with an ``AuditWarning`` instead of a returned sentence."""
        if message := self.record_reading(action, conversations=conversations, **facts):
            warnings.warn(message, AuditWarning, stacklevel=2)

    def lines(self) -> Iterator[tuple[str, AuditLine]]:
        """The lines with their keys: those of version 1, then the chain. Raises ``Unread`` for any other object."""
        for key, data in _objects(self._store):
            try:
                yield key, _LINE.decode(data)
            except msgspec.DecodeError as cause:
                raise Unread(f"not a line of the audit ({cause})", operation="read", key=key) from None

    def check(self, head: Head | None = None) -> AuditCheck:
        """Read the audit and check its chain, also against a head that was kept outside the archive."""
        return AuditCheck(self._store, head)

    def _append(self, line: AuditLine) -> AuditLine:
        number, previous = self._newest or self._find_newest()
        for _ in range(ATTEMPTS):
            key = keys.audit(number + 1)
            line = msgspec.structs.replace(line, number=number + 1, previous=previous)
            data = _seal(line)
            # The number is in the key, so of two writers at the same number only one succeeds.
            try:
                self._store.put(key, data, create=True)
            except Conflict:
                # A listing may not show the other writer's line yet, but the line can be read.
                self._newest = None
                number, previous = max(self._find_newest(), (number + 1, _digest(self._store.get(key))))
                continue
            self._newest = number + 1, _digest(data)
            return _LINE.decode(data)
        raise Unavailable(
            f"{ATTEMPTS} times another writer was first", operation="write the audit", hint="Run it again."
        )

    def _find_newest(self) -> tuple[int, str]:
        """The number and the hash of the newest line. Lists at most a thousand keys, however many lines there are.

        If the first line of a folder was removed, this may find an earlier line. The next line that is written then
        takes the removed one's place, and the check reports that it does not fit the line after it.
        """
        block = self._newest_block()
        newest = max(filter(None, map(keys.parse_audit, self._store.list(keys.audit_block(block)))), default=0)
        try:
            return (newest, _digest(self._store.get(keys.audit(newest)))) if newest else (0, "")
        except NotFound:
            return newest, ""  # removed just now, which the check will report

    def _newest_block(self) -> int:
        """The last folder of the chain whose first line exists, found by an exponential and then a binary search."""

        def exists(block: int) -> bool:
            return self._store.size(keys.audit(block * keys.AUDIT_BLOCK)) is not None

        high = 1
        while exists(high):
            high *= 2
        low = high // 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if exists(middle) else (low, middle)
        return low


class AuditCheck:
    """An iterator of lines and faults in the order of the chain. Lines of version 1 come first.

    ``lines``, ``unchained`` (the lines of version 1 among them) and ``breaches`` count what was read so far; ``newest``
    is the number and hash of the last line of the chain. Whoever may write to the archive can write the chain again
    from any line to its end, or remove its end. Only a ``head`` that was kept outside the archive shows that.
    """

    def __init__(self, store: Store, head: Head | None = None) -> None:
        self._store = store
        self._head = head
        self.lines = self.unchained = self.breaches = 0
        self.newest = (0, "")

    def __iter__(self) -> Iterator[AuditLine | Breach]:
        self.lines = self.unchained = self.breaches = 0
        self.newest = (0, "")
        for item in self._lines_and_breaches():
            self.breaches += isinstance(item, Breach)
            self.lines += isinstance(item, AuditLine)
            yield item

    def _lines_and_breaches(self) -> Iterator[AuditLine | Breach]:
        for key, data in _objects(self._store):
            number = keys.parse_audit(key)
            line = _decode_or_none(data)
            if number is not None:
                yield from self._check_link(number, line, data)
            elif line is None:
                yield Breach("unreadable", 0, f"{key} is no line of the audit")
            self.unchained += number is None and line is not None
            if line is not None:
                yield line
        last, head = self.newest[0], self._head
        if head is not None and head.number > last:
            yield Breach(
                "missing",
                last + 1,
                f"{_lines_are(last + 1, head.number)} gone: the head kept apart names line {head.number}",
            )

    def _check_link(self, number: int, line: AuditLine | None, data: bytes) -> Iterator[Breach]:
        """The faults of one object of the chain, compared with the object before."""
        last, digest = self.newest
        self.newest = number, _digest(data)
        if number > last + 1:
            yield Breach("missing", last + 1, f"{_lines_are(last + 1, number - 1)} gone")
        if line is None:
            yield Breach("unreadable", number, f"line {number} cannot be read")
        elif line.number != number or not _is_sealed(data):
            yield Breach("changed", number, f"line {number} was changed or moved")
        # After a gap the line before is not known, and the gap itself is reported.
        elif number == last + 1 and line.previous != digest:
            yield Breach("changed", number, f"line {number} does not follow on line {last}: one of them was replaced")
        if self._head is not None and self._head.number == number and self._head.sha256 != self.newest[1]:
            yield Breach("changed", number, f"line {number} is not the one that the head kept apart names")


def _objects(store: Store) -> Iterator[tuple[str, bytes]]:
    """The objects in the audit's folders, in order: the days of version 1, then the chain."""

    def get_or_none(key: str) -> tuple[str, bytes] | None:
        try:
            return key, store.get(key)
        except NotFound:
            return None

    # Some stores do not list in order.
    yield from filter(None, parallel_map(get_or_none, sorted(store.list(keys.AUDIT))))


def _decode_or_none(data: bytes) -> AuditLine | None:
    try:
        return _LINE.decode(data)
    except msgspec.DecodeError:
        return None


def _seal(line: AuditLine) -> bytes:
    """Encode a line, with the SHA-256 of the rest as its last field."""
    body = msgspec.json.encode(line)
    return body[:-1] + _SEAL + _digest(body).encode() + b'"}\n'


def _is_sealed(data: bytes) -> bool:
    """Whether an object is unchanged. Works for fields of newer versions too, because it does not decode the line."""
    body, _, seal = data.rpartition(_SEAL)
    return seal == _digest(body + b"}").encode() + b'"}\n'


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _lines_are(first: int, last: int) -> str:
    return f"line {first} is" if first == last else f"lines {first} to {last} are"


def _user_name() -> str:
    """The name of the process's user id. Variables like LOGNAME can be set to anything."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    # In a container the process may have a user id without a name.
    except KeyError:
        return str(number)
