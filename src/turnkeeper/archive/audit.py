"""The audit: one small object for each export, reading and erasure, written once and never changed.

A line says who (the process's user and host), what, when and how many. It holds no content and nothing of a customer.
"""

from __future__ import annotations

import os
import pwd
import secrets
import socket
from collections.abc import Iterator
from typing import Literal

import msgspec

from turnkeeper.archive import keys
from turnkeeper.archive.contract import Store
from turnkeeper.clock import Clock, rfc3339
from turnkeeper.errors import Unread
from turnkeeper.version import __version__

__all__ = ["FORMAT", "Action", "Audit", "Line"]

FORMAT = "turnkeeper.audit/1"
LONGEST = 200

Action = Literal["export", "view", "report", "erase begun", "erase", "expire begun", "expire"]
"""What was done. An erasure has two lines, so that one that did not finish is seen too."""

Fact = bool | int | float | str


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One action. ``at`` is RFC 3339 in UTC; ``facts`` are counts and plain words."""

    format: str
    at: str
    action: Action
    user: str
    host: str
    producer: str
    facts: dict[str, Fact]


_LINE = msgspec.json.Decoder(Line)


class Audit:
    """The audit of an archive. ``who`` is user and host; for tests, or for a service that acts for a person."""

    def __init__(self, store: Store, clock: Clock, who: tuple[str, str] | None = None) -> None:
        self._store = store
        self._clock = clock
        self._user, self._host = who or (_user(), socket.gethostname())

    def record(self, action: Action, **facts: Fact) -> Line:
        """Write one line. ``facts`` are for counts, options and conversation ids; never for a customer's number or
        words. Raises what the store raises: what changes an archive and cannot be recorded should not be done.
        """
        moment = rfc3339(self._clock.now())
        short = {name: fact[:LONGEST] if isinstance(fact, str) else fact for name, fact in facts.items()}
        line = Line(
            format=FORMAT,
            at=moment,
            action=action,
            user=self._user,
            host=self._host,
            producer=f"turnkeeper/{__version__}",
            facts=short,
        )
        name = f"{moment.replace(':', '').replace('-', '')}-{secrets.token_hex(4)}"
        self._store.put(keys.audit(moment[:10], name), msgspec.json.encode(line) + b"\n", create=True)
        return line

    def lines(self, day: str = "") -> Iterator[tuple[str, Line]]:
        """The lines with their keys, oldest first; of one day (``2026-11-22``) or of all. Raises ``Unread``."""
        for key in self._store.list(f"{keys.AUDIT}{day}" if day else keys.AUDIT):
            try:
                yield key, _LINE.decode(self._store.get(key))
            except msgspec.DecodeError as cause:
                raise Unread(f"not a line of the audit ({cause})", operation="read", key=key) from None


def _user() -> str:
    """The process's user by its id: variables like LOGNAME are whatever somebody set them to."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
