"""End async work when a ``threading.Event`` is set: what is under way gets some seconds, then it is cancelled.

The event is polled, on the machine's own clock: a thread that waits for it could not be cancelled.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

__all__ = ["GRACE_S", "POLL_S", "first_of", "stoppable", "stopped"]

GRACE_S = 4.0
"""Seconds that what is under way may go on. A wait for a platform that is down would last minutes."""
POLL_S = 0.25
HEARTBEAT_S = 10.0

T = TypeVar("T")


async def stopped(stop: threading.Event, poll: float = POLL_S, heartbeat: Callable[[], None] | None = None) -> None:
    """Wait until ``stop`` is set. ``heartbeat`` is called every ten seconds, and when it is."""
    polls = 0
    while not stop.is_set():
        if heartbeat is not None and polls % max(round(HEARTBEAT_S / poll), 1) == 0:
            heartbeat()
        polls += 1
        await anyio.sleep(poll)
    if heartbeat is not None:
        heartbeat()


async def stoppable(
    work: Callable[[], Awaitable[T]],
    stop: threading.Event,
    *,
    grace: float = GRACE_S,
    poll: float = POLL_S,
    heartbeat: Callable[[], None] | None = None,
) -> T | None:
    """What ``work`` gives; None where it had to be cancelled, ``grace`` seconds after ``stop`` was set.

    Work that runs in a thread (a write to the archive, say) is not cut: it ends first. Raises what the work raises.
    """

    async def watch() -> None:
        await stopped(stop, poll, heartbeat)
        await anyio.sleep(grace)
        tasks.cancel_scope.cancel()

    given: T | None = None
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            given = await work()
            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise first_of(group) from None
    return given


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The exception that ended a group of tasks; the other tasks were only cancelled by it."""
    for one in group.exceptions:
        return first_of(one) if isinstance(one, BaseExceptionGroup) else one
    return group
