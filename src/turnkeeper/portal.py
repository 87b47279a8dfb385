"""One entry from plain code into the async doors: verbs run their loop in a thread, in scripts and notebooks alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from anyio.from_thread import start_blocking_portal

__all__ = ["run"]

T = TypeVar("T")


def run(verb: Callable[[], Awaitable[T]]) -> T:
    """Run an async verb to its end and give its result, also where a loop already runs (a notebook).

    An interrupt in the calling thread cancels the verb before it comes through.
    """
    with start_blocking_portal() as portal:
        return portal.call(verb)
