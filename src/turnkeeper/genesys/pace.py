"""How fast one token may ask, learnt from the platform's own headers, so that no 429 happens.

Requests counted by the platform plus requests that it may have counted never pass what it allows: that is the whole
plan. Several processes of one host that use the same token share it through a small file. Downloads from storage do not
count against the limit and are not paced. Knows no HTTP.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

from turnkeeper.events import Listener, Noted
from turnkeeper.genesys.window import Window, figures

__all__ = ["TENANT_LIMIT_HINT", "Pacer", "Shared", "SharedFiles", "Ticket", "is_tenant_limit"]

_GLANCE = 0.05
_TICK = 0.005
_BATCH = 10
_LEASE_S = 5.0
_IDLE_S = 0.25
_SILENT_S = 5.0
_HORIZON_S = 30.0
_FORGET_S = 60.0
_STALE_S = 3 * 86_400.0
_FARTHEST_S = 700.0
_BUSY_S = 2.0
_JOINS = 5

TENANT_LIMIT_HINT = (
    "This limit is the whole organisation's: a second OAuth client does not help; spread the work over time, "
    "or ask the vendor to raise it."
)


@dataclass(frozen=True, slots=True)
class Ticket:
    """One request that may be sent: when it was, and how many were before it."""

    sent: float
    order: int


class Pacer:
    """One token's budget. ``wait``; when that says 0, ``claim``; then ``answered`` or ``lost`` exactly once.

    Every ``now`` is in seconds of one monotonic clock. ``share`` opens the file that other processes plan with too; it
    is called when the first request is about to be sent. Where the platform names no limit, nothing is paced.
    """

    def __init__(self, share: Callable[[], Shared | None] = lambda: None) -> None:
        self._open: Callable[[], Shared | None] | None = share
        self._shared: Shared | None = None
        self._window = Window()
        self._mute = False
        self._flying = 0
        self._unsure = 0
        self._unsure_at, self._unsure_order = 0.0, 0
        self._permits = 0
        self._valid_until = 0.0
        self._others = 0
        self._exchanged = 0.0
        self._order = 0
        self._claimed = 0.0

    @property
    def allowed(self) -> int:
        """Requests allowed per window; 0 where the platform has named no limit (yet)."""
        return self._window.allowed

    @property
    def span(self) -> float:
        """Seconds a window lasts, as far as is known; 0 before the first answer."""
        return self._window.span

    def room(self, now: float) -> int | None:
        """Requests left in this window as far as is known; None before the first answer."""
        window = self._window
        if not window.allowed:
            return None
        return window.allowed if now >= window.hi else max(window.allowed - window.count - self._own - self._others, 0)

    def wait(self, now: float) -> float:
        """Seconds to wait before asking again; 0 says that one more request may be claimed now."""
        window = self._window
        if now < window.blocked:
            return window.blocked - now
        if self._mute:
            return 0.0
        if not window.allowed and not self._known(now):
            # One request finds out what is allowed, before many are sent; one that hangs does not hold up the rest.
            first = not self._flying and not self._others
            return 0.0 if first or now - self._claimed >= _SILENT_S else _GLANCE
        if self._permits and now < self._valid_until and window.count + self._own < window.allowed:
            return 0.0
        self._lease(now)
        if self._permits:
            return 0.0
        # What is under way may be in the platform's count already, so the next answer may show that there is room.
        settled = not self._own and not self._others
        left = max(window.left(now), _TICK)
        return left if settled else min(left, _GLANCE)

    def claim(self, now: float) -> Ticket:
        """Take the request that ``wait`` found room for."""
        self._permits = max(self._permits - 1, 0)
        self._flying += 1
        self._order += 1
        self._claimed = now
        return Ticket(now, self._order)

    def answered(self, ticket: Ticket, headers: Mapping[str, str], now: float, status: int = 200) -> None:
        """An answer came; its headers (lower-case names) are the truth about the window."""
        self._flying -= 1
        seen = figures(headers)
        if seen is None:
            self._unheaded(now, status)
            return
        self._mute = False
        allowed = self._window.allowed
        newer = self._window.learn(ticket.sent, now, seen)
        if newer is None:
            self._doubt(now)
            return
        if ticket.order > self._unsure_order:
            # Whatever became of those, this one was counted after them.
            self._unsure = 0
        idle = not self._flying and now - self._exchanged > _IDLE_S
        if newer or self._window.allowed != allowed or idle:
            self._lease(now, wanted=0)

    def lost(self, now: float) -> None:
        """No answer came: the platform may have counted the request all the same."""
        self._flying -= 1
        self._doubt(now)

    def block(self, seconds: float, now: float) -> None:
        """A 429 asked everybody who uses this token to wait so long."""
        self._window.blocked = max(self._window.blocked, now + seconds)
        self._lease(now, wanted=0)

    def close(self) -> None:
        """Give back what is left. Answers may still come; they are counted in this process only."""
        shared, self._shared = self._shared, None
        if shared is not None:
            shared.close()

    @property
    def _own(self) -> int:
        return self._flying + self._unsure

    def _unheaded(self, now: float, status: int) -> None:
        if self._window.allowed:
            self._doubt(now)
        elif status < 500 and status not in (401, 429):
            # The platform itself answers; only proxies and gates in front of it leave its headers out of errors.
            self._mute = True
            self._lease(now, wanted=0)

    def _known(self, now: float) -> bool:
        """Whether another process knows what is allowed, once this one has said that it is about to ask."""
        if self._open is not None:
            self._shared, self._open, self._claimed = self._open(), None, now
        self._lease(now, wanted=0 if self._flying else 1)
        return self._window.allowed > 0

    def _doubt(self, now: float) -> None:
        self._unsure += 1
        self._unsure_at, self._unsure_order = now, self._order
        self._window.bound(now)

    def _lease(self, now: float, wanted: int = _BATCH) -> None:
        window = self._window
        if self._unsure and now - self._unsure_at > max(window.span, _FORGET_S):
            self._unsure = 0
        self._permits = 0
        if self._shared is not None:
            try:
                self._permits, self._others = self._shared.exchange(window, self._own, now, wanted)
            except sqlite3.Error as cause:
                self._shared.forsake(cause)
                self._shared, self._others = None, 0
        if self._shared is None:
            window.roll(now)
            self._permits = min(wanted, 1, max(window.room(now) - self._own, 0))
        self._exchanged = now
        self._valid_until = min(now + _LEASE_S, window.hi) if now < window.hi else now + _GLANCE


_SCHEMA = """
CREATE TABLE window (one INTEGER PRIMARY KEY, allowed INTEGER, count INTEGER, lo REAL, hi REAL, span REAL, blocked REAL,
                     closed INTEGER);
CREATE TABLE holders (id TEXT PRIMARY KEY, outstanding INTEGER, seen REAL) WITHOUT ROWID;
INSERT INTO window VALUES (1, 0, 0, -9e999, 9e999, 0, -9e999, 0);
"""


class Shared:
    """One token's budget among the processes of this host: who may still send how many.

    Each holder's row counts what it has been given and not yet accounted for. Whatever the platform has counted is
    either in ``count`` or in some row, so their sum never passes what is allowed.
    """

    def __init__(self, path: Path, told: Callable[[sqlite3.Error], None]) -> None:
        self._path, self._told = path, told
        self._id = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._file = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_S, isolation_level=None
        )
        self._file.execute("PRAGMA synchronous=OFF")

    def join(self) -> bool:
        """Become a holder; False where the last one has just gone, and the file with it."""
        self._file.execute("BEGIN IMMEDIATE")
        (closed,) = self._file.execute("SELECT closed FROM window").fetchone()
        if not closed:
            self._file.execute("INSERT INTO holders VALUES (?, 0, -9e999)", (self._id,))
        self._file.execute("COMMIT")
        if closed:
            self._file.close()
        return not closed

    def exchange(self, window: Window, own: int, now: float, wanted: int) -> tuple[int, int]:
        """Tell the others what this process knows and has under way, learn the same of them: permits, others' share.

        Brings ``window`` up to date. Raises ``sqlite3.Error`` where the file cannot be used.
        """
        run = self._file.execute
        run("BEGIN IMMEDIATE")
        try:
            *known, _ = run("SELECT allowed, count, lo, hi, span, blocked, closed FROM window").fetchone()
            others, holders = run(
                "SELECT total(outstanding), count(*) FROM holders WHERE id <> ? AND abs(? - seen) < ?",
                (self._id, now, _HORIZON_S),
            ).fetchone()
            # Monotonic clocks begin again with the machine: what lies so far ahead was written before.
            if (stored := Window(*known)).lo < now + _FARTHEST_S:
                window.merge(stored)
            window.roll(now)
            room = window.room(now) - own - int(others)
            granted = _share(room, holders, window, now, wanted)
            run("REPLACE INTO holders VALUES (?, ?, ?)", (self._id, own + granted, now))
            run("UPDATE window SET allowed=?, count=?, lo=?, hi=?, span=?, blocked=?", astuple(window))
        except BaseException:
            run("ROLLBACK")
            raise
        run("COMMIT")
        return granted, int(others)

    def forsake(self, cause: sqlite3.Error) -> None:
        """The file cannot be used any more."""
        self._told(cause)
        with contextlib.suppress(sqlite3.Error):
            self._file.close()

    def close(self) -> None:
        """Leave; the last one takes the file along."""
        try:
            self._file.execute("BEGIN IMMEDIATE")
            self._file.execute("DELETE FROM holders WHERE id = ?", (self._id,))
            last = not self._file.execute("SELECT count(*) FROM holders").fetchone()[0]
            if last:
                self._file.execute("UPDATE window SET closed = 1")
            self._file.execute("COMMIT")
            self._file.close()
        except sqlite3.Error as cause:
            self.forsake(cause)
            return
        if last:
            self._path.unlink(missing_ok=True)


class SharedFiles:
    """The folder of those files, one per token, named by a hash of it. Says once where it cannot be used."""

    def __init__(self, folder: Path | None, listener: Listener) -> None:
        self._folder, self._listener = folder, listener
        self._said = folder is None
        self._swept = False

    def open(self, server: str, bearer: str) -> Shared | None:
        """The file of one token; None where this process has to plan alone."""
        if self._folder is None:
            return None
        name = hashlib.sha256(f"{server}\0{bearer}".encode()).hexdigest()[:32]
        path = self._folder / f"{name}.sqlite3"
        try:
            self._sweep(self._folder)
            for _ in range(_JOINS):
                _create(path)
                with contextlib.suppress(FileNotFoundError):
                    shared = Shared(path, self._told)
                    if shared.join():
                        return shared
        except (OSError, sqlite3.Error) as cause:
            self._told(cause)
        return None

    def _told(self, cause: Exception) -> None:
        if not self._said:
            self._said = True
            why = cause.strerror if isinstance(cause, OSError) else str(cause)
            self._listener(
                Noted(
                    note=f"the request rate is not shared with other processes: {self._folder} cannot be used ({why}); "
                    "name another folder with XDG_STATE_HOME"
                )
            )

    def _sweep(self, folder: Path) -> None:
        """Tokens live two days at most, so what nobody touched for three is nobody's."""
        if self._swept:
            return
        self._swept = True
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        oldest = time.time() - _STALE_S
        for path in folder.iterdir():
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()


def is_tenant_limit(key: str) -> bool:
    """Whether a limit's key (``org.app.user.rate.per.minute``) counts the whole organisation, not one client."""
    return key.startswith("org.")


def _share(room: int, holders: int, window: Window, now: float, wanted: int) -> int:
    """How many permits to take at once: fewer where others want some too, one where the window is about to end."""
    if not window.allowed:
        return min(wanted, 1)
    if room <= 0 or now >= window.hi:
        return min(max(room, 0), wanted, 1)
    return min(wanted, room if not holders else max(room // (2 * holders + 2), 1))


def _create(path: Path) -> None:
    """Made aside and linked, so that nobody ever sees it half made: the journal's mode cannot be set by two at once."""
    if path.exists():
        return
    aside = path.with_name(f"{path.stem}-{secrets.token_hex(4)}.new")
    try:
        with contextlib.closing(sqlite3.connect(aside, isolation_level=None)) as made:
            made.execute("PRAGMA synchronous=OFF")
            made.execute("PRAGMA journal_mode=WAL")
            made.executescript(_SCHEMA)
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
    finally:
        aside.unlink(missing_ok=True)
