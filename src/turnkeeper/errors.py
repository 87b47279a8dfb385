"""Every error turnkeeper raises on purpose, grouped by what to do next.

    TurnkeeperError
    ├── Fatal                  stop: nothing succeeds until somebody mends the cause
    │   ├── Misconfigured      a setting, an option or an id is wrong, or an extra is missing
    │   ├── Denied             the platform does not let this client in, or not that far
    │   ├── StoreRefused       the destination cannot be written or read as it is
    │   └── DiskFull           no room for the spool or the archive
    ├── Retriable              the same request may succeed later
    │   ├── NotReady           the platform has no transcript yet
    │   ├── Throttled          the platform asks for patience
    │   ├── Unavailable        the network or the platform failed for a moment
    │   ├── LinkExpired        a presigned address died and no fresh one worked
    │   └── Incomplete         a body ended before its announced length
    └── Skippable              this one item cannot be done; the others can
        ├── NotFound           the platform, or the archive, does not know it
        ├── Conflict           somebody else stored something different under that key
        ├── Erased             it was erased from the archive for good
        ├── Defect             turnkeeper itself failed on this item; please report it
        └── Unread             the bytes arrived whole and cannot be understood
            ├── UnknownShape   no dialect matches; the keys found are named
            ├── WrongConversation  the document belongs to another conversation
            └── TooLarge       a limit on element, nesting or skeleton was passed

Catch the middle row: ``Fatal`` ends a run, ``Retriable`` goes back to the queue, ``Skippable`` is listed and
the run goes on. Each error names the operation, the key it was about, and a hint: one sentence that names the mend.
No message ever holds a secret, a token or the query string of an address.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Self

__all__ = [
    "Conflict",
    "Defect",
    "Denied",
    "DiskFull",
    "Erased",
    "Fatal",
    "Incomplete",
    "LinkExpired",
    "Misconfigured",
    "NotFound",
    "NotReady",
    "Retriable",
    "Skippable",
    "StoreRefused",
    "Throttled",
    "TooLarge",
    "TurnkeeperError",
    "Unavailable",
    "UnknownShape",
    "Unread",
    "WrongConversation",
    "foreign_as_defect",
]


class TurnkeeperError(Exception):
    """Base of all errors here. ``str()`` gives one line for a person, hint included.

    ``operation`` is what was being done ("read transcript"), ``key`` what it was done to (an id, an object key, a
    path), ``hint`` the mend. The cause, where there is one, is chained as ``__cause__``.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, operation: str = "", key: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.operation = operation
        self.key = key
        self.hint = hint

    def __str__(self) -> str:
        where = " ".join(part for part in (self.operation, self.key) if part)
        line = f"{where}: {self.message}" if where else self.message
        return f"{line.rstrip('.')}. {self.hint}" if self.hint else line

    def facts(self) -> dict[str, object]:
        """The error as plain data, for ``--json`` and run reports."""
        named = {"operation": self.operation, "key": self.key, "hint": self.hint}
        facts: dict[str, object] = {"error": type(self).__name__, "message": self.message}
        return facts | {name: value for name, value in named.items() if value}


class Fatal(TurnkeeperError):
    """Stop the run: nothing succeeds until somebody mends the cause."""


class Misconfigured(Fatal):
    """A setting, an option or an id is wrong or missing, or an optional extra is not installed."""

    exit_code = 2


class Denied(Fatal):
    """The platform refused this client: credentials, region, or a permission."""

    exit_code = 4


class StoreRefused(Fatal):
    """The destination cannot be used as it is: missing bucket, read-only folder, refused key, ignored condition."""


class DiskFull(Fatal):
    """No room left for the spool or the archive. Nothing half-written is visible."""


class Retriable(TurnkeeperError):
    """The same request may succeed later. ``retry_after`` is in seconds, None where the other side named none."""

    def __init__(
        self, message: str, *, operation: str = "", key: str = "", hint: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message, operation=operation, key=key, hint=hint)
        self.retry_after = retry_after


class NotReady(Retriable):
    """The platform has no transcript yet. Waiting is not failure."""

    exit_code = 5


class Throttled(Retriable):
    """Too many requests. ``limit_key`` is the platform's own name of the limit: per client, or for the whole tenant."""

    def __init__(
        self,
        message: str,
        *,
        operation: str = "",
        key: str = "",
        hint: str = "",
        retry_after: float | None = None,
        limit_key: str = "",
    ) -> None:
        super().__init__(message, operation=operation, key=key, hint=hint, retry_after=retry_after)
        self.limit_key = limit_key


class Unavailable(Retriable):
    """The network or the platform failed for a moment: a 5xx answer, a time-out, a refused connection."""


class LinkExpired(Retriable):
    """A presigned address died, and a bounded number of fresh ones died too."""


class Incomplete(Retriable):
    """A body ended before its announced length, and resuming did not complete it."""


class Skippable(TurnkeeperError):
    """This one item cannot be done; the others can."""


class NotFound(Skippable):
    """The platform, or the archive, does not know it (or this client may not know that it exists)."""

    exit_code = 3


class Conflict(Skippable):
    """Another writer stored something different under the same create-only key."""


class Erased(Skippable):
    """The conversation was erased from the archive (its tombstone stands there), and is not kept again."""

    exit_code = 4


class Defect(Skippable):
    """turnkeeper itself failed on this item. The cause is an exception that no room expected; other items go on.

    ``places`` are the lines of this package that the exception passed, outermost first (``exporter/worker.py:96``).
    Neither they nor the message hold a value: exceptions of libraries may quote a transcript.
    """

    exit_code = 3

    def __init__(
        self, message: str, *, operation: str = "", key: str = "", hint: str = "", places: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, operation=operation, key=key, hint=hint)
        self.places = places

    @classmethod
    def of(cls, cause: BaseException, *, operation: str = "", key: str = "") -> Self:
        """The defect that an exception of another kind stands for; the caller chains the two with ``from``."""
        places = _package_lines(cause)
        where = f" at {places[-1]}" if places else ""
        hint = "This is an error in turnkeeper: please report this line and `turnkeeper --version`."
        name = type(cause).__name__
        return cls(f"{name}{where}", operation=operation, key=key, hint=hint, places=places)

    def facts(self) -> dict[str, object]:
        """The error as plain data, with the lines it passed."""
        return super().facts() | ({"places": list(self.places)} if self.places else {})


_PACKAGE = Path(__file__).parent


def _package_lines(cause: BaseException) -> tuple[str, ...]:
    """The lines of this package in an exception's traceback, relative to the package, outermost first."""
    places: list[str] = []
    for frame, line in traceback.walk_tb(cause.__traceback__):
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(_PACKAGE):
            places.append(f"{file.relative_to(_PACKAGE).as_posix()}:{line}")
    return tuple(places)


@contextmanager
def foreign_as_defect(operation: str, key: str = "") -> Iterator[None]:
    """Turn an exception that is none of these into a ``Defect``. Interrupts and cancellations pass as they are."""
    try:
        yield
    except TurnkeeperError:
        raise
    except Exception as cause:
        raise Defect.of(cause, operation=operation, key=key) from cause


class Unread(Skippable):
    """The bytes arrived whole and cannot be understood; they are kept.

    ``offset`` is the byte in the decoded body where reading stopped, ``field`` the path of the offending value
    (``transcript[3].end_time``); each is None or empty where it does not apply.
    """

    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        operation: str = "",
        key: str = "",
        hint: str = "",
        offset: int | None = None,
        field: str = "",
    ) -> None:
        super().__init__(message, operation=operation, key=key, hint=hint)
        self.offset = offset
        self.field = field

    def facts(self) -> dict[str, object]:
        """The error as plain data, with the byte offset and the field."""
        placed: dict[str, object] = {} if self.offset is None else {"offset": self.offset}
        return super().facts() | placed | ({"field": self.field} if self.field else {})


class UnknownShape(Unread):
    """No dialect matches the document; the message names the keys found, never a value."""


class WrongConversation(Unread):
    """The document says that it belongs to another conversation."""


class TooLarge(Unread):
    """A limit on one element, on nesting or on the skeleton was passed (see ``Limits``)."""
