"""Thousands of small transcripts in one process: turnkeeper's calls beside msgspec's decode of the whole document."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median

import turnkeeper as tk
from benchmarks.parse import typed, whole
from benchmarks.parse.documents import Document
from benchmarks.parse.foreign import Foreign
from benchmarks.parse.work import Turn
from turnkeeper.calls.turns import read_batches

FOLDER = Path(__file__).parents[2] / "build/bench"
COUNT, SIZE, ROUNDS = 5000, 35_000, 5
BARE, SUMS, SAME = "msgspec, bare decode", "msgspec, four fields", "msgspec, same turns"
"""A decode that nobody looks at; start, end, text and role as a tuple; the same ``Turn`` objects, equal field by field.
"""


def _bodies(shape: str) -> list[bytes]:
    """Fifty different ones, each read a hundred times."""
    text = Document(shape, 4, multilingual=True).write(FOLDER).read_text()
    opened = text.index("[", text.index('"phrases"' if shape == "native" else '"transcript"')) + 1
    found, at = [], opened
    separator, closed = ("}]},", "}]}]}]}") if shape == "native" else ("},", "}]}")
    while len(found) < 50:
        end = text.index(separator, at + SIZE)
        found.append((text[:opened] + text[at:end] + closed).encode())
        at = end + len(separator)
    return found


def foreign(shape: str) -> list[bytes]:
    """Fifty by another hand."""
    return [b"".join(Foreign(shape, SIZE // 1000, seed=seed).blocks()) for seed in range(50)]


def _sum(turns: Iterable[tk.Turn]) -> int:
    total = 0
    for turn in turns:
        total += turn.start_ms + turn.end_ms + len(turn.text) + len(turn.role)  # type: ignore[operator]
    return total


def _batches(body: bytes) -> int:
    return sum(
        sum(one.start_ms) + sum(one.end_ms) + sum(map(len, one.text)) + sum(map(len, one.role))  # type: ignore[arg-type]
        for one in read_batches(body)
    )


def _msgspec(read: Callable[[bytes], Iterator[Turn]]) -> Callable[[bytes], int]:
    def count(body: bytes) -> int:
        total = 0
        for start, end, text, role in read(body):
            total += start + end + len(text) + len(role)
        return total

    return count


def _seconds(read: Callable[[bytes], object], bodies: list[bytes]) -> float:
    began = time.process_time()
    for _ in range(COUNT // len(bodies) // ROUNDS):
        for body in bodies:
            read(body)
    return (time.process_time() - began) / (COUNT // ROUNDS)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    print("| us of CPU per transcript | flat | native | flat, by another hand | native, by another hand |")
    print("| --- | ---: | ---: | ---: | ---: |")
    columns = [column(shape, bodies(shape)) for bodies in (_bodies, foreign) for shape in ("flat", "native")]
    for name in columns[0]:
        cells = " | ".join(f"{one[name] * 1e6:.0f} ({one[name] / one[SAME]:.2f}x)" for one in columns)
        print(f"| {name} | {cells} |")


def column(shape: str, bodies: list[bytes]) -> dict[str, float]:
    """Seconds per transcript of every way to read it."""
    equal = whole.native if shape == "native" else whole.flat
    assert all(equal(body) == list(tk.read_turns(body)) for body in bodies)
    ways = {
        BARE: (typed.NATIVE if shape == "native" else typed.FLAT).decode,
        SUMS: _msgspec(typed.native if shape == "native" else typed.flat),
        SAME: lambda body: _sum(equal(body)),
        "read_turns": lambda body: _sum(tk.read_turns(body)),
        "read_batches": _batches,
    }
    assert len({read(bodies[0]) for name, read in ways.items() if name != BARE}) == 1
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, read in ways.items():
            found[name].append(_seconds(read, bodies))
    return {name: median(times) for name, times in found.items()}


if __name__ == "__main__":
    main()
