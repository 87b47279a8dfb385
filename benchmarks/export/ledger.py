"""How long the queue of an export takes to answer, with so many conversations in it.

python -m benchmarks.export.ledger --rows 500000
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

from turnkeeper.archive.index import CallState, LegState
from turnkeeper.clock import ManualClock, rfc3339_ms
from turnkeeper.exporter.ledger import Ledger, NewConversation, Settlement

__all__ = ["asked", "filled", "told"]

REPEATED = 9
WAITING = 0.4
"""The share of conversations that wait for a transcript, each with its details beside it."""
BATCH = 5000


def told(count: int, now: int, seed: int = 7) -> Iterator[tuple[CallState, int | None]]:
    """Conversations of a year, each with when it is due."""
    dice = random.Random(seed)
    for number in range(count):
        name = str(uuid.UUID(int=dice.getrandbits(128)))
        started = rfc3339_ms(now - number * 60_000)
        waits = dice.random() < WAITING
        leg = LegState(
            id=str(uuid.UUID(int=dice.getrandbits(128))),
            state="absent" if waits else "done",
            last_asked=started,
            asks=3,
        )
        call = CallState(
            conversation=name,
            state="absent" if waits else "done",
            started_at=started,
            ended_at=started,
            queues=(leg.id,),
            generation=0 if waits else 1,
            legs=(leg,),
        )
        yield call, now + dice.randrange(-3_600_000, 86_400_000) if waits else None


def filled(path: Path, rows: int, clock: ManualClock) -> Ledger:
    """A queue with so many conversations."""
    ledger = Ledger(path, clock)
    calls = told(rows, int(clock.now().timestamp() * 1000))
    while batch := list(islice(calls, BATCH)):
        ledger.restore(batch[0][0].started_at[:10], batch)
        ledger.add([NewConversation(call, b"d" * 1500) for call, due in batch if due is not None])
    return ledger


def asked(ledger: Ledger) -> dict[str, Callable[[], object]]:
    """Each question, and how it is asked."""

    def settle() -> None:
        ledger.settle([Settlement(one, one.call, 9_999_999_999_999) for one in ledger.take(48)])

    return {
        "take 48 and settle them (many times a second)": settle,
        "due (once a second)": ledger.due,
        "next_due (at each pause)": ledger.next_due,
        "renew (once a minute)": ledger.renew,
        "dirty (when the index is told)": ledger.dirty,
        "counts (when a report is kept)": ledger.counts,
        "outstanding (when a report is kept)": ledger.outstanding,
        "reopen_audio (once, with --audio)": ledger.reopen_audio,
    }


def _median_ms(ask: Callable[[], object]) -> float:
    taken: list[float] = []
    for _ in range(REPEATED):
        began = time.process_time()
        ask()
        taken.append(time.process_time() - began)
    return statistics.median(taken) * 1000


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=500_000)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="turnkeeper-ledger-") as name:
        began = time.perf_counter()
        with closing(filled(Path(name) / "ledger.sqlite3", given.rows, ManualClock())) as ledger:
            size = ledger.path.stat().st_size / 1e6
            print(f"{given.rows:,} conversations, {size:,.0f} MB, made in {time.perf_counter() - began:.0f} s\n")
            print("| question | milliseconds of CPU |\n| --- | ---: |")
            for question, ask in asked(ledger).items():
                print(f"| {question} | {_median_ms(ask):.1f} |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
