"""One process that attacks the part in C, started by ``run``: ``tests.sanitized.attack MODULE COUNT SEED [NOTE]``.

``MODULE`` is the built file, which takes the place of the installed one. Any difference from the typed decoder, any
reference kept or lost, any exception that nobody meant ends it with an exception; the sanitizers end it by themselves.
``NOTE`` is a file that says which document is being tried, for when the process ends without a word.
"""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import json
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

from tests.sanitized.hostile import array_of, damaged

TRUNCATED, DAMAGED = 40, 40
STRICT = True


def placed(module: Path) -> ModuleType:
    """The built module in place of the installed one; before anything of turnkeeper is imported."""
    spec = importlib.util.spec_from_file_location("turnkeeper.jsonstream._native", module)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    return found


def exactly(text: bytes) -> array[int]:
    """The same in a piece of memory that ends with it: bytes and bytearrays have a zero behind them."""
    return array("B", text)[:]


def buffers(dice: Random, text: bytes) -> Iterator[Any]:
    """The text whole, cut off at many places (the last ones for sure), and damaged."""
    exact = exactly(text)
    yield from (text, bytearray(text), exact, memoryview(exact))
    for place in (*range(max(len(text) - 12, 0), len(text)), *[dice.randrange(len(text)) for _ in range(TRUNCATED)]):
        yield exact[:place]
    for _ in range(DAMAGED):
        yield exactly(damaged(dice, text))


class Attack:
    """Reads document after document. ``counts`` is what became of the cases."""

    def __init__(self, native: ModuleType, seed: str) -> None:
        from tests.sanitized.readers import READERS

        self.seed, self.counts = seed, Counter[str]()
        self._native, self._readers = native, READERS

    def document(self, number: int) -> None:
        dice = Random(f"{self.seed}/{number}")
        one = dice.choice(self._readers)
        before = dice.choice((b"", b"", b" ", b'{"transcript":', b"[1,"))
        text = before + array_of(dice, one.members, one.unread) + dice.choice((b"", b"", b"}", b",1]", b"\x00"))
        cases = [(buffer, len(before), dice.random() < 0.5) for buffer in buffers(dice, text)]
        for case in cases:
            self._read(one, *case)
        if number % 16 == 0:
            self._leaks(one, cases)
        if number % 64 == 1:
            self._no_memory(one, text, len(before))

    def _read(self, one: Any, buffer: Any, at: int, strict: bool) -> None:
        found = one.reader.columns(buffer, at, strict)
        self.counts["refused" if found is None else "read"] += 1
        self._native.paired(buffer)
        if found is None:
            return
        one.compare(bytes(buffer), at, found, strict=strict)
        if isinstance(buffer, bytearray):
            buffer.append(0)  # nobody holds it any more
            buffer.pop()

    def _leaks(self, one: Any, cases: list[Any]) -> None:
        """Reading the same again takes no more memory than before, and nothing lasting gains or loses a reference."""

        def again() -> None:
            for buffer, at, strict in cases:
                one.reader.columns(buffer, at, strict)

        lasting = [field.absent for field in one.fields]
        unchanged(again, lasting, f"{one.name}: {bytes(cases[0][0])!r}")
        self.counts["looked at for leaks"] += len(cases)

    def _no_memory(self, one: Any, text: bytes, at: int) -> None:
        """Every single allocation fails once: there is an exception, or the very same result; and nothing is lost."""
        try:
            from _testcapi import remove_mem_hooks, set_nomemory  # type: ignore[import-not-found] # CPython's own
        except ImportError:
            return

        def failing() -> None:
            for failed in range(40):
                found = None
                set_nomemory(failed, failed + 1)
                try:
                    found = one.reader.columns(text, at, STRICT)
                except MemoryError:
                    continue
                finally:
                    remove_mem_hooks()
                if found is not None:
                    one.compare(text, at, found, strict=STRICT)

        unchanged(failing, [], f"{one.name} without memory: {text!r}")
        self.counts["short of memory"] += 40


def unchanged(action: Callable[[], object], lasting: list[Any], told: str) -> None:
    """Raises where doing something again and again leaves memory or references behind."""
    allocated = getattr(ctypes.CDLL(None), "__sanitizer_get_current_allocated_bytes", None)
    if allocated is not None:
        allocated.restype = ctypes.c_size_t
    seen = array("Q", (0, 0))  # the numbers themselves take no memory in between
    action()
    action()
    gc.collect()
    held = [sys.getrefcount(one) for one in lasting]
    seen[0] = allocated() if allocated else 0
    for _ in range(4):
        action()
    gc.collect()
    seen[1] = allocated() if allocated else 0
    now = [sys.getrefcount(one) for one in lasting]
    if seen[1] > seen[0] or now != held:
        raise AssertionError(f"leaked: {seen[1] - seen[0]} bytes, references {held} became {now}: {told}")


def main(module: str, count: str, seed: str, note: str = "") -> None:
    native = placed(Path(module))
    from tests.sanitized.oddities import odd_calls

    odd_calls(native)
    attack, number = Attack(native, seed), 0
    with Path(note or "/dev/null").open("wb", buffering=0) as told:
        while attack.counts["read"] + attack.counts["refused"] < int(count):
            told.seek(0)
            told.write(b"%-12d" % number)
            attack.document(number)
            number += 1
    print(json.dumps({"documents": number} | attack.counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
