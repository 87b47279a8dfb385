"""One contender reads one document, in a process of its own: ``python -m benchmarks.parse.contenders NAME SHAPE FILE``.

Every one does the same work per turn: start and end in milliseconds, the text, the speaker's role. The sums of these
are the checksum; ``--digest`` takes a CRC-32 of every turn instead, untimed. Prints one JSON line.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from math import floor
from pathlib import Path
from typing import Any

from benchmarks.parse.foreign import people_of
from benchmarks.parse.work import KNOWN, Native, Sums


def of_dicts(shape: str, document: Any, sums: Sums) -> None:
    """Turns of a document that was loaded whole into dicts and lists."""
    if shape == "native":
        native = Native(list(document["participants"]), document["conversationStartTime"])
        sums.take(native.turn(raw) for one in document["transcripts"] for raw in one["phrases"])
    else:
        flat(document["transcript"], document["participants"], sums)


def flat(rows: Iterable[Any], people: Iterable[Any], sums: Sums) -> None:
    """One plain loop, as for our own turns: a generator in between would cost the others a few hundredths."""
    known = {one["id"]: KNOWN.get(one["role"], one["role"]) for one in people}
    if sums.digest:
        sums.take(
            (
                floor(raw["start_time"] * 1000 + 0.5),
                floor(raw["end_time"] * 1000 + 0.5),
                raw["text"],
                known[raw["speaker_id"]],
            )
            for raw in rows
        )
        return
    starts = ends = letters = 0
    roles = sums.roles
    for raw in rows:
        starts += floor(raw["start_time"] * 1000 + 0.5)
        ends += floor(raw["end_time"] * 1000 + 0.5)
        letters += len(raw["text"])
        roles[known[raw["speaker_id"]]] += 1
    sums.start, sums.end, sums.letters = starts, ends, letters


def turns(shape: str, path: Path, sums: Sums, order: Any = "document") -> None:  # noqa: ARG001 - the shape is found
    import turnkeeper as tk

    read = tk.read_turns(str(path), order=order)
    if sums.digest:
        sums.take((turn.start_ms or 0, turn.end_ms or 0, turn.text, turn.role) for turn in read)
        return
    starts = ends = letters = 0
    roles = sums.roles
    for turn in read:
        starts += turn.start_ms  # type: ignore[operator]
        ends += turn.end_ms  # type: ignore[operator]
        letters += len(turn.text)
        roles[turn.role] += 1
    sums.start, sums.end, sums.letters = starts, ends, letters


def sorted_turns(shape: str, path: Path, sums: Sums) -> None:
    turns(shape, path, sums, "time")


def batches(shape: str, path: Path, sums: Sums) -> None:  # noqa: ARG001
    import turnkeeper as tk

    roles: Counter[str] = Counter()
    for batch in tk.read_batches(str(path)):
        if sums.digest:
            sums.take(zip(batch.start_ms, batch.end_ms, batch.text, batch.role, strict=True))  # type: ignore[arg-type]
            continue
        sums.start += sum(batch.start_ms)  # type: ignore[arg-type]
        sums.end += sum(batch.end_ms)  # type: ignore[arg-type]
        sums.letters += sum(map(len, batch.text))
        roles.update(batch.role)
    sums.roles = sums.roles if sums.digest else dict(roles)


def ijson(shape: str, path: Path, sums: Sums) -> None:
    import ijson.backends.yajl2_c as ijson

    people = people_of(path)
    with path.open("rb") as source:
        if shape == "native":
            native = Native(people, next(ijson.items(source, "conversationStartTime")))
            source.seek(0)
            sums.take(map(native.turn, ijson.items(source, "transcripts.item.phrases.item", use_float=True)))
        else:
            flat(ijson.items(source, "transcript.item", use_float=True), people, sums)


def stdlib(shape: str, path: Path, sums: Sums) -> None:
    of_dicts(shape, json.loads(path.read_bytes()), sums)


def orjson(shape: str, path: Path, sums: Sums) -> None:
    import orjson

    of_dicts(shape, orjson.loads(path.read_bytes()), sums)


def pysimdjson(shape: str, path: Path, sums: Sums) -> None:
    import simdjson

    of_dicts(shape, simdjson.Parser().parse(path.read_bytes()), sums)


def msgspec(shape: str, path: Path, sums: Sums) -> None:
    from benchmarks.parse import typed

    sums.take(typed.native(path.read_bytes()) if shape == "native" else typed.flat(path.read_bytes()))


def in_python(run: Callable[[str, Path, Sums], None]) -> Callable[[str, Path, Sums], None]:
    """The same without the part in C, as it is where no compiler was at hand. Imports of turnkeeper come later."""

    def without(shape: str, path: Path, sums: Sums) -> None:
        sys.modules["turnkeeper.jsonstream._native"] = None  # type: ignore[assignment] # the import fails
        run(shape, path, sums)

    return without


CONTENDERS: dict[str, Callable[[str, Path, Sums], None]] = {
    "turnkeeper batches": batches,
    "turnkeeper turns": turns,
    "turnkeeper turns, sorted by time": sorted_turns,
    "turnkeeper batches, in Python only": in_python(batches),
    "turnkeeper turns, in Python only": in_python(turns),
    "ijson (yajl2_c)": ijson,
    "json": stdlib,
    "orjson": orjson,
    "msgspec, whole document": msgspec,
    "pysimdjson": pysimdjson,
}


def peak_megabytes() -> float:
    """This process's own peak; ``ru_maxrss`` would hand on that of the process that started it."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def main(name: str, shape: str, path: str, *more: str) -> None:
    sums = Sums(digest="--digest" in more)
    run = CONTENDERS[name]
    run(shape, Path(path).with_name(f"{shape}-tiny.json"), Sums(digest=False))  # imports are not what is measured
    began = time.process_time()
    run(shape, Path(path), sums)
    seconds = time.process_time() - began
    print(json.dumps({"cpu": seconds, "rss": peak_megabytes(), **sums.facts()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
