"""Merge several streams of turns into one timeline in constant memory.

Turns are ordered by (start, communication, index). A turn without times keeps its place behind the turn before it in
its own stream; those at the very beginning come first of all.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterable, Iterator
from itertools import chain, groupby, islice
from typing import BinaryIO, cast

import msgspec

from turnkeeper.model import Turn

__all__ = ["mark_duplicates", "merge_sorted", "sorted_turns", "turn_batches"]

RUN_TURNS = 20_000
RUN_BYTES = 8 << 20
"""A sorted run in memory ends at either bound. 20,000 turns with 200 bytes of text each are about 8 MiB."""

BLOCK = 1 << 16
"""How many bytes of a run are read back at once."""

GROUP = 50_000
"""How many turns with the same start time are remembered when looking for duplicates. More at one instant are not
speech.
"""

_BEFORE_ALL = -(1 << 62)

Key = tuple[int, str, int, int]


class _Keyed(msgspec.Struct, array_like=True, gc=False):
    key: Key
    turn: Turn


def turn_batches(turns: Iterable[Turn]) -> Iterator[list[Turn]]:
    """Turns in lists of a thousand. Work that is done per list costs next to nothing per turn."""
    rest = iter(turns)
    while batch := list(islice(rest, 1000)):
        yield batch


def sorted_turns(batches: Iterable[list[Turn]], *, ordered: bool) -> Iterator[tuple[Key, Turn]]:
    """The turns of one stream with their sort keys, sorted.

    ``ordered`` says that they already are; nothing is held then.
    """
    keyed = _with_sort_keys(chain.from_iterable(batches))
    return keyed if ordered else _sort_in_runs(keyed)


def merge_sorted(streams: list[Iterator[tuple[Key, Turn]]]) -> Iterator[Turn]:
    """One timeline from sorted streams."""
    if len(streams) == 1:
        return (turn for _, turn in streams[0])
    return (turn for _, turn in heapq.merge(*streams, key=lambda pair: pair[0]))


def mark_duplicates(turns: Iterable[Turn]) -> Iterator[Turn]:
    """Mark turns that another communication already contains: same start, end, text and channel.

    Turns are never dropped. Turns come in order, so equal ones stand under the same start time, and only those are
    remembered.
    """
    for start, group in groupby(turns, key=lambda turn: turn.start_ms):
        if start is None:
            yield from group
            continue
        seen: dict[tuple[int | None, str, str | None], Turn] = {}
        for turn in group:
            # Legs number their turns anew, so only what was said and when can tell a duplicate.
            like = (turn.end_ms, turn.text, turn.channel)
            first = seen.get(like)
            if first is None and len(seen) < GROUP:
                seen[like] = turn
            if first is None or first.communication == turn.communication:
                yield turn
            else:
                yield msgspec.structs.replace(turn, duplicate_of=f"{first.communication}/{first.index}")


def _with_sort_keys(turns: Iterable[Turn]) -> Iterator[tuple[Key, Turn]]:
    start, communication, index = _BEFORE_ALL, "", 0
    for place, turn in enumerate(turns):
        if turn.start_ms is not None:
            start, communication, index = turn.start_ms, turn.communication or "", turn.index
        # ``place`` makes keys unique and the sort stable; a turn without times repeats the key before it.
        yield (start, communication, index, place), turn


def _sort_in_runs(keyed: Iterator[tuple[Key, Turn]]) -> Iterator[tuple[Key, Turn]]:
    spans: list[tuple[int, int]] = []
    spilled: BinaryIO | None = None
    run: list[tuple[Key, Turn]] = []
    size = 0
    for pair in keyed:
        run.append(pair)
        size += len(pair[1].text) + 100 * len(pair[1].words)
        if len(run) >= RUN_TURNS or size >= RUN_BYTES:
            spilled = spilled or _unnamed_file()
            spans.append(_spill_run(run, spilled))
            run, size = [], 0
    run.sort(key=lambda pair: pair[0])
    return iter(run) if spilled is None else _merge_runs(spilled, spans, run)


def _unnamed_file() -> BinaryIO:
    import tempfile

    return cast(BinaryIO, tempfile.TemporaryFile(prefix="turnkeeper-"))


def _spill_run(run: list[tuple[Key, Turn]], file: BinaryIO) -> tuple[int, int]:
    """Write one sorted run behind the others, and return its byte range.

    All runs share one file: a file descriptor for each would be too many for a very long transcript.
    """
    run.sort(key=lambda pair: pair[0])
    encoder = msgspec.msgpack.Encoder()
    start = file.tell()
    for key, turn in run:
        data = encoder.encode(_Keyed(key, turn))
        # MessagePack has no record boundaries, so each record is preceded by its length.
        file.write(len(data).to_bytes(4, "little"))
        file.write(data)
    file.flush()
    return start, file.tell()


# Made while importing, one thread at a time: msgspec crashes when two threads first use a type at the same moment.
_KEYED = msgspec.msgpack.Decoder(_Keyed)


def _merge_runs(
    file: BinaryIO, spans: list[tuple[int, int]], last: list[tuple[Key, Turn]]
) -> Iterator[tuple[Key, Turn]]:
    with file:
        runs = [_read_back(file, start, end) for start, end in spans]
        yield from heapq.merge(*runs, last, key=lambda pair: pair[0])


def _read_back(file: BinaryIO, at: int, end: int) -> Iterator[tuple[Key, Turn]]:
    buffer, used = b"", 0
    while at < end or used < len(buffer):
        size = int.from_bytes(buffer[used : used + 4], "little") if len(buffer) - used >= 4 else 0
        if not size or len(buffer) - used < 4 + size:
            # A turn may be longer than a block.
            more = os.pread(file.fileno(), min(max(BLOCK, size + 4), end - at), at)
            buffer, used, at = buffer[used:] + more, 0, at + len(more)
            continue
        item = _KEYED.decode(memoryview(buffer)[used + 4 : used + 4 + size])
        used += 4 + size
        yield item.key, item.turn
