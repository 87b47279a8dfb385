"""Map a function over many items with a few threads, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["THREADS", "parallel_map"]

THREADS = 8
"""Requests to a store at the same time."""
AHEAD = 2
"""Items in progress or waiting to be consumed, as a multiple of the threads."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def parallel_map(function: Callable[[Item], Result], items: Iterable[Item], threads: int = THREADS) -> Iterator[Result]:
    """Like ``map``, with ``threads`` at work. Results come in the order of the items.

    At most ``AHEAD * threads`` items are taken from ``items`` before their results are consumed, so memory stays
    bounded. An exception of ``function`` is raised here after the calls in progress have ended; no further calls begin.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="turnkeeper-archive") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= threads * AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            # Leaving the pool waits for every call that is not cancelled.
            for future in waiting:
                future.cancel()
