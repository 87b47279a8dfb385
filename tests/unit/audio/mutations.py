"""Every sample file, damaged at random: ``python -m tests.unit.audio.mutations [count] [seed] [codec]``.

A mutation flips bytes, cuts, doubles, takes out or exchanges pieces, or writes random bytes into the header. Whatever
comes of it, the decoder must neither crash nor hang nor take 300 MB, and where ffmpeg decodes another length (by more
than 20 ms) there must be a note. Each file is read in a process of its own group, which is watched.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.unit.audio.damage import WHOLE
from tests.unit.audio.judge import ffmpeg_ms

__all__ = ["Outcome", "mutated", "outcomes"]

LIMIT_MB, LIMIT_S, CLOSE_MS = 300, 60.0, 20.0
# FFmpeg 5.1 counts the encoder's filling in the last packet, which the container's own clock leaves out.
FILLED_MS = {"M4A": 45.0, "M4A, fragmented": 45.0}


@dataclass(frozen=True)
class Outcome:
    """What came of one mutation. ``fault`` says in words what must not be, and is empty where all is well."""

    codec: str
    number: int
    ours_ms: float | None
    notes: tuple[str, ...]
    fault: str = ""


def mutated(data: bytes, random: np.random.Generator) -> bytes:
    """One mutation of a file."""
    kind = int(random.integers(7))
    made, size = bytearray(data), len(data)
    at, length = int(random.integers(size)), int(random.integers(1, max(2, size // 4)))
    if kind == 0:
        for place in random.integers(0, size, int(random.integers(1, 40))):
            made[place] = int(random.integers(256))
    elif kind == 1:
        del made[at:]
    elif kind == 2:
        made[at:at] = made[at : at + length]
    elif kind == 3:
        del made[at : at + length]
    elif kind == 4:
        other = int(random.integers(size))
        one, two = made[at : at + length], made[other : other + length]
        made[at : at + length], made[other : other + length] = two, one
    elif kind == 5:
        for place in random.integers(0, min(size, 96), int(random.integers(1, 6))):
            made[place] = int(random.integers(256))
    else:
        made += made[at:]
    return bytes(made)


def _work(inbox: Any, outbox: Any) -> None:
    """Read each file that is named; what came of it, and the most memory that was taken."""
    from turnkeeper.audio.decode import open_audio
    from turnkeeper.errors import TurnkeeperError

    for path in iter(inbox.get, None):
        try:
            with open_audio(Path(path)) as audio:
                count = audio.count()
                found: tuple[Any, ...] = (count * 1000 / audio.rate, audio.notes, "")
        except TurnkeeperError as cause:
            found = (None, (cause.message,), "")
        except BaseException as defect:
            found = (None, (), f"{type(defect).__name__}: {str(defect)[:160]}")
        outbox.put((*found, _peak_mb()))


def _peak_mb() -> int:
    """The most memory of this process. Not ``ru_maxrss``, which a process inherits from the one that forked it."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) // 1024


class _Reader:
    """A process that reads files, started anew where it dies, hangs or grows."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._inbox, self._outbox = context.Queue(), context.Queue()
        self._process = context.Process(target=_work, args=(self._inbox, self._outbox), daemon=True)
        self._process.start()

    def read(self, path: Path) -> tuple[float | None, tuple[str, ...], str]:
        self._inbox.put(str(path))
        began = time.monotonic()
        while self._outbox.empty():
            if not self._process.is_alive():
                self._start()
                return None, (), "the process died"
            if time.monotonic() - began > LIMIT_S:
                self.close()
                self._start()
                return None, (), f"no answer in {LIMIT_S:.0f} s"
            time.sleep(0.002)
        ours, notes, fault, peak = self._outbox.get()
        if peak > LIMIT_MB:
            self.close()
            self._start()
            fault = fault or f"{peak} MB"
        return ours, notes, fault

    def close(self) -> None:
        self._process.kill()
        self._process.join()


def outcomes(count: int, seed: int = 1, codecs: tuple[str, ...] = ()) -> Iterator[Outcome]:
    """``count`` mutations of each sample file (of ``codecs``, where some are named)."""
    reader = _Reader()
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "recording.bin"
            for codec, maker in WHOLE.items():
                if codecs and codec not in codecs:
                    continue
                data = maker(Path(folder))
                random = np.random.default_rng([seed, *codec.encode()])
                for number in range(count):
                    path.write_bytes(mutated(data, random))
                    yield _outcome(codec, number, path, reader)
    finally:
        reader.close()


def _outcome(codec: str, number: int, path: Path, reader: _Reader) -> Outcome:
    ours, notes, fault = reader.read(path)
    if not fault and not notes:
        judged = ffmpeg_ms(path)
        if judged is None or ours is None:
            # What ffmpeg does not open is no measure: it knows no u-law in RIFX, for one.
            fault = "" if judged is None else f"ffmpeg decodes {judged:.0f} ms, we nothing"
        elif abs(ours - judged) > FILLED_MS.get(codec, CLOSE_MS):
            fault = f"ffmpeg decodes {judged:.1f} ms, we {ours:.1f}, without a note"
    return Outcome(codec, number, ours, notes, fault)


def main() -> int:
    """Print what must not be, and how many were tried; 1 where there was anything."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    tried = bad = 0
    for one in outcomes(count, seed, tuple(sys.argv[3:])):
        tried += 1
        if one.fault:
            bad += 1
            print(f"{one.codec} {one.number}: {one.fault} {one.notes}", flush=True)
    print(f"{tried} mutations, {bad} that must not be (seed {seed})")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
