"""Run async code from synchronous functions, in scripts and in notebooks, with an event loop in a thread."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from anyio.from_thread import start_blocking_portal

__all__ = ["run"]

T = TypeVar("T")


def run(verb: Callable[[], Awaitable[T]]) -> T:
    """Run an async function and return its result. Works also where an event loop is running (a notebook).

    An interrupt in the calling thread cancels the function before it is raised.
    """
    with start_blocking_portal() as portal:
        return portal.call(verb)
