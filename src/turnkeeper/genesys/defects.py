"""The platform's door lets nothing out but our own errors, whatever goes wrong behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from turnkeeper.errors import Defect, TurnkeeperError

__all__ = ["contained"]

_HINT = "This is an error in turnkeeper: please report this line and `turnkeeper --version`."


@contextmanager
def contained(operation: str, key: str = "") -> Iterator[None]:
    """Raise ``Defect`` for any exception that is not ours, so that it costs one item. Cancellation passes."""
    try:
        yield
    except TurnkeeperError:
        raise
    except Exception as cause:
        # Its text may quote an address or an answer; the kind is enough to find it by.
        raise Defect(type(cause).__name__, operation=operation, key=key, hint=_HINT) from cause
