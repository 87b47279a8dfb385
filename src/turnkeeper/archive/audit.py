"""The audit: a chain of small objects, one for each action on content, written once and never changed.

A line says who (the process's user and host), what, when and how many, and names conversations. It holds no content,
nothing of a customer and no words of a question. Its number is in its key and counts without a gap; it holds the
SHA-256 of the line before. Lines of version 1 stand by day and are not chained.
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
from turnkeeper.storage.contract import Store
from turnkeeper.storage.parallel import each
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
NAMED = 1000
"""A line names up to so many conversations; of more it says how many."""
ATTEMPTS = 64
"""So many other writers may be first, one after the other."""
_SEAL = b',"sha256":"'

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
"""What was done. What takes long has two lines, so that one that did not finish is seen too."""

Fact = bool | int | float | str


class AuditWarning(UserWarning):
    """An archive that could not be written was read: its audit has no line of this reading."""


class AuditLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One action. ``at`` is RFC 3339 in UTC; ``facts`` are counts and plain words; ``conversations`` are named where
    they were known and not more than a thousand. ``number`` counts from 1, ``previous`` is the SHA-256 of the object
    before, ``sha256`` that of this one without its last field. All three are absent in version 1.
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
        """Whether it names the conversation; None where it names none at all, as a run over many does."""
        named = self.conversations or [self.facts[name] for name in ("conversation",) if name in self.facts]
        return conversation in named if named else None


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The newest line of a chain, to be kept apart: its ``number`` (0: there is none) and its object's SHA-256."""

    format: str
    archive: str
    number: int
    sha256: str
    at: str


class Breach(msgspec.Struct, frozen=True):
    """Something wrong with the chain, at the line of this ``number`` (0: a line that has none)."""

    kind: Literal["missing", "changed", "unreadable"]
    number: int
    detail: str


_LINE = msgspec.json.Decoder(AuditLine)


class Audit:
    """The audit of an archive. Safe to use from several threads, processes and machines.

    ``who`` is user and host; for tests, or for a service that acts for a person. ``required`` refuses a reading of
    which no line can be written.
    """

    def __init__(
        self, store: Store, clock: Clock, who: tuple[str, str] | None = None, *, required: bool = False
    ) -> None:
        self._store = store
        self._clock = clock
        self._user, self._host = who or (_user(), socket.gethostname())
        self._required = required
        self._lock = threading.Lock()
        self._newest: tuple[int, str] | None = None

    def record(self, action: Action, *, conversations: Collection[str] = (), **facts: Fact) -> AuditLine:
        """Write one line. ``facts`` are for counts and options; never for a customer's number or words. Raises what the
        store raises: what changes an archive and cannot be recorded should not be done.
        """
        names = sorted({name for name in conversations if is_id(name)})
        if len(names) > NAMED:
            names, facts = [], facts | {"conversations": len(names)}
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
                    nonce=secrets.token_hex(8),
                )
            )

    def record_reading(self, action: Action, *, conversations: Collection[str] = (), **facts: Fact) -> str:
        """Write the line of something that only reads. Where this identity may not write, a sentence says that there
        is none (else it is empty), or what the store raised is raised where a line is required.
        """
        try:
            self.record(action, conversations=conversations, **facts)
        except (Denied, StoreRefused, DiskFull) as cause:
            if self._required:
                raise
            return f"the archive cannot be written ({cause.message}): its audit has no line of this reading"
        return ""

    def record_or_warn(self, action: Action, *, conversations: Collection[str] = (), **facts: Fact) -> None:
        """The same, and the sentence is an ``AuditWarning``, for functions that have no other place for it."""
        if said := self.record_reading(action, conversations=conversations, **facts):
            warnings.warn(said, AuditWarning, stacklevel=2)

    def lines(self) -> Iterator[tuple[str, AuditLine]]:
        """The lines with their keys, those of version 1 first, then the chain. Raises ``Unread`` for what is none."""
        for key, data in _objects(self._store):
            try:
                yield key, _LINE.decode(data)
            except msgspec.DecodeError as cause:
                raise Unread(f"not a line of the audit ({cause})", operation="read", key=key) from None

    def check(self, head: Head | None = None) -> AuditCheck:
        """Read the audit and check its chain, against a head that was kept apart where there is one."""
        return AuditCheck(self._store, head)

    def _append(self, line: AuditLine) -> AuditLine:
        number, previous = self._newest or self._found_newest()
        for _ in range(ATTEMPTS):
            key = keys.audit(number + 1)
            line = msgspec.structs.replace(line, number=number + 1, previous=previous)
            data = _sealed(line)
            try:
                self._store.put(key, data, create=True)
            except Conflict:
                # A listing may lag behind the refusal.
                self._newest = None
                number, previous = max(self._found_newest(), (number + 1, _digest(self._store.get(key))))
                continue
            self._newest = number + 1, _digest(data)
            return _LINE.decode(data)
        raise Unavailable(
            f"{ATTEMPTS} times another writer was first", operation="write the audit", hint="Run it again."
        )

    def _found_newest(self) -> tuple[int, str]:
        """The number and the hash of the newest line: one listing of at most a thousand keys, however many there are.

        Where the first line of a folder was removed, this may stop before it. The next line then takes its place, and
        does not fit what follows, which the check says.
        """
        block = self._newest_block()
        newest = max(filter(None, map(keys.parse_audit, self._store.list(keys.audit_block(block)))), default=0)
        try:
            return (newest, _digest(self._store.get(keys.audit(newest)))) if newest else (0, "")
        except NotFound:
            return newest, ""  # removed this moment, and the check will say so

    def _newest_block(self) -> int:
        """The last folder of the chain whose first line is there: looked for in growing steps, then by halves."""

        def begun(block: int) -> bool:
            return self._store.size(keys.audit(block * keys.AUDIT_BLOCK)) is not None

        above = 1
        while begun(above):
            above *= 2
        low = above // 2
        while above - low > 1:
            middle = (low + above) // 2
            low, above = (middle, above) if begun(middle) else (low, middle)
        return low


class AuditCheck:
    """An iterator of lines, and of what is wrong between them, in the order of the chain; lines of version 1 first.

    ``lines`` and ``unchained`` (those of version 1 among them) and ``breaches`` count what was seen so far, ``newest``
    is the number and hash of the last line of the chain. Who may write to the archive may write the chain anew from
    any line to its end, or remove its end: only a ``head`` that was kept apart shows that.
    """

    def __init__(self, store: Store, head: Head | None = None) -> None:
        self._store = store
        self._head = head
        self.lines = self.unchained = self.breaches = 0
        self.newest = (0, "")

    def __iter__(self) -> Iterator[AuditLine | Breach]:
        self.lines = self.unchained = self.breaches = 0
        self.newest = (0, "")
        for one in self._walk():
            self.breaches += isinstance(one, Breach)
            self.lines += isinstance(one, AuditLine)
            yield one

    def _walk(self) -> Iterator[AuditLine | Breach]:
        for key, data in _objects(self._store):
            number = keys.parse_audit(key)
            line = _decoded(data)
            if number is not None:
                yield from self._linked(number, line, data)
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
                f"{_lines(last + 1, head.number)} gone: the head kept apart names line {head.number}",
            )

    def _linked(self, number: int, line: AuditLine | None, data: bytes) -> Iterator[Breach]:
        last, digest = self.newest
        self.newest = number, _digest(data)
        if number > last + 1:
            yield Breach("missing", last + 1, f"{_lines(last + 1, number - 1)} gone")
        if line is None:
            yield Breach("unreadable", number, f"line {number} cannot be read")
        elif line.number != number or not _is_sealed(data):
            yield Breach("changed", number, f"line {number} was changed or moved")
        elif number == last + 1 and line.previous != digest:
            yield Breach("changed", number, f"line {number} does not follow on line {last}: one of them was replaced")
        if self._head is not None and self._head.number == number and self._head.sha256 != self.newest[1]:
            yield Breach("changed", number, f"line {number} is not the one that the head kept apart names")


def _objects(store: Store) -> Iterator[tuple[str, bytes]]:
    """What stands in the audit's folders, in order: the days of version 1, then the chain."""

    def fetched(key: str) -> tuple[str, bytes] | None:
        try:
            return key, store.get(key)
        except NotFound:
            return None

    # Some stores list in no order.
    yield from filter(None, each(fetched, sorted(store.list(keys.AUDIT))))


def _decoded(data: bytes) -> AuditLine | None:
    try:
        return _LINE.decode(data)
    except msgspec.DecodeError:
        return None


def _sealed(line: AuditLine) -> bytes:
    body = msgspec.json.encode(line)
    return body[:-1] + _SEAL + _digest(body).encode() + b'"}\n'


def _is_sealed(data: bytes) -> bool:
    """Whether an object is as it was written, whatever fields a newer version has put into it."""
    body, _, seal = data.rpartition(_SEAL)
    return seal == _digest(body + b"}").encode() + b'"}\n'


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _lines(first: int, last: int) -> str:
    return f"line {first} is" if first == last else f"lines {first} to {last} are"


def _user() -> str:
    """The process's user by its id: variables like LOGNAME are whatever somebody set them to."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
