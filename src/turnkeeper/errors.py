"""The exceptions of turnkeeper, grouped by what a caller should do next.

    TurnkeeperError
    ├── Fatal                  stop: nothing succeeds until the cause is fixed
    │   ├── Misconfigured      a setting, an option or an id is wrong, or an extra is missing
    │   ├── Denied             the platform refuses the client, or a permission is missing
    │   ├── StoreRefused       the destination cannot be written or read as it is
    │   └── DiskFull           no room for the spool or the archive
    ├── Retriable              the same request may succeed later
    │   ├── NotReady           the platform has no transcript yet
    │   ├── Throttled          the platform's rate limit was reached
    │   ├── Unavailable        a temporary failure of the network or the platform
    │   ├── LinkExpired        a presigned address expired, and new ones failed too
    │   └── Incomplete         a body ended before its announced length
    └── Skippable              this one item cannot be done; the others can
        ├── NotFound           the platform or the archive does not have it
        ├── Conflict           another writer stored other content under that key
        ├── Erased             it was erased from the archive
        ├── Defect             an unexpected exception; please report it
        └── Unread             the complete bytes cannot be read
            ├── UnknownShape   no known dialect matches
            ├── WrongConversation  the document belongs to another conversation
            └── TooLarge       a limit on size or nesting was exceeded

Catch one of the three groups: a ``Fatal`` error ends a run, a ``Retriable`` one puts the item back into the queue, and
a ``Skippable`` one is reported while the run goes on. Each error has the operation, the key of the item, and a hint:
one sentence that says how to fix it. No message contains a secret, a token or the query string of an address.
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
    """Base class of all exceptions. Catch it to handle every failure that turnkeeper expects.

    ``str()`` returns one line with the hint. ``operation`` is what was being done ("read transcript"), ``key`` the item
    (an id, an object key, a path), ``hint`` how to fix it. ``exit_code`` is that of the command line. The original
    exception, if there is one, is the ``__cause__``.
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
        """Return the error as plain data, for ``--json`` and run reports."""
        named = {"operation": self.operation, "key": self.key, "hint": self.hint}
        facts: dict[str, object] = {"error": type(self).__name__, "message": self.message}
        return facts | {name: value for name, value in named.items() if value}


class Fatal(TurnkeeperError):
    """Nothing succeeds until the cause is fixed. Catch it to stop a run and show the hint."""


class Misconfigured(Fatal):
    """A setting, an option or an id is wrong or missing, or an optional extra is not installed."""

    exit_code = 2


class Denied(Fatal):
    """The platform refused the client: wrong credentials, wrong region, or a missing permission."""

    exit_code = 4


class StoreRefused(Fatal):
    """The store of the archive cannot be used: missing bucket, read-only folder, refused key, ignored condition."""


class DiskFull(Fatal):
    """There is no space left for the spool or the archive. No partial object is visible."""


class Retriable(TurnkeeperError):
    """The same request may succeed later. Catch it to try again.

    ``retry_after`` is in seconds, None if the server named no time.
    """

    def __init__(
        self, message: str, *, operation: str = "", key: str = "", hint: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message, operation=operation, key=key, hint=hint)
        self.retry_after = retry_after


class NotReady(Retriable):
    """The platform has no transcript yet. Try again later; this is not a failure."""

    exit_code = 5


class Throttled(Retriable):
    """Too many requests (429). ``limit_key`` is the platform's name of the limit, per client or per organisation."""

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
    """A temporary failure of the network or the platform: a 5xx response, a timeout, a refused connection."""


class LinkExpired(Retriable):
    """A presigned address expired, and so did a limited number of new ones."""


class Incomplete(Retriable):
    """A response body ended before its announced length, and resuming the download did not complete it."""


class Skippable(TurnkeeperError):
    """This item failed, and trying again does not help. Catch it to go on with the other items."""


class NotFound(Skippable):
    """The platform or the archive does not have the item. The platform also says so if the client may not see it."""

    exit_code = 3


class Conflict(Skippable):
    """Another writer stored different content under a key that is only ever created once."""


class Erased(Skippable):
    """The conversation was erased from the archive. Its tombstone prevents it from being archived again."""

    exit_code = 4


class Defect(Skippable):
    """turnkeeper itself failed on this item with an unexpected exception. Please report it.

    ``places`` are the lines of this package in the traceback, outermost first (``exporter/worker.py:96``). The message
    has the exception's type only, because exceptions of libraries may quote a transcript.
    """

    exit_code = 3

    def __init__(
        self, message: str, *, operation: str = "", key: str = "", hint: str = "", places: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, operation=operation, key=key, hint=hint)
        self.places = places

    @classmethod
    def of(cls, cause: BaseException, *, operation: str = "", key: str = "") -> Self:
        """Make a defect of an unexpected exception. The caller chains the two with ``raise … from``."""
        places = _package_lines(cause)
        where = f" at {places[-1]}" if places else ""
        hint = "This is an error in turnkeeper: please report this line and `turnkeeper --version`."
        name = type(cause).__name__
        return cls(f"{name}{where}", operation=operation, key=key, hint=hint, places=places)

    def facts(self) -> dict[str, object]:
        """Return the error as plain data, with ``places``."""
        return super().facts() | ({"places": list(self.places)} if self.places else {})


_PACKAGE = Path(__file__).parent


def _package_lines(cause: BaseException) -> tuple[str, ...]:
    """Return the lines of this package in an exception's traceback, outermost first."""
    places: list[str] = []
    for frame, line in traceback.walk_tb(cause.__traceback__):
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(_PACKAGE):
            places.append(f"{file.relative_to(_PACKAGE).as_posix()}:{line}")
    return tuple(places)


@contextmanager
def foreign_as_defect(operation: str, key: str = "") -> Iterator[None]:
    """Convert an unexpected exception to a ``Defect``. Interrupts and cancellations pass unchanged."""
    try:
        yield
    except TurnkeeperError:
        raise
    except Exception as cause:
        raise Defect.of(cause, operation=operation, key=key) from cause


class Unread(Skippable):
    """The bytes are complete but cannot be read. The archive keeps them; ``turnkeeper reread`` tries again.

    ``offset`` is the byte in the decompressed body where reading stopped, ``field`` the path of the offending value
    (``transcript[3].end_time``). They are None and empty if they do not apply.
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
        """Return the error as plain data, with the byte offset and the field."""
        placed: dict[str, object] = {} if self.offset is None else {"offset": self.offset}
        return super().facts() | placed | ({"field": self.field} if self.field else {})


class UnknownShape(Unread):
    """No known dialect matches the document. The message names the keys found, never a value."""


class WrongConversation(Unread):
    """The document says that it belongs to another conversation."""


class TooLarge(Unread):
    """An element, the nesting or the document's outline exceeds a limit (see ``Limits``)."""
