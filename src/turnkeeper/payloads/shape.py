"""Describe a payload without its content: keys, types, counts and ranges. The result may be shown to strangers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from turnkeeper.errors import Unread
from turnkeeper.jsonstream.errors import Trailing
from turnkeeper.jsonstream.limits import Limits
from turnkeeper.jsonstream.ndjson import DocumentStream
from turnkeeper.jsonstream.outline import Path
from turnkeeper.jsonstream.stream import Stream, stream_batches
from turnkeeper.payloads.document import printable_key
from turnkeeper.payloads.times import EPOCH
from turnkeeper.spool import Source

__all__ = ["describe"]

MOST_KEYS = 200
_STREAMED: tuple[Path, ...] = (
    (),
    ("transcript",),
    ("transcripts", "[]", "phrases"),
    ("turns",),
    ("utterances",),
    ("segments",),
    ("messages",),
    ("results",),
)
_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z_$-]{0,39}")


@dataclass
class _Shape:
    """Everything seen at one place of a document: how often each type, ranges, and the shapes below."""

    counts: dict[str, int] = field(default_factory=dict)
    lengths: tuple[int, int] | None = None
    numbers: tuple[float, float] | None = None
    epochs: bool = False
    sizes: tuple[int, int] | None = None
    keys: dict[str, _Shape] = field(default_factory=dict)
    items: _Shape | None = None

    def see(self, value: object) -> None:
        name = _type_name(value)
        self.counts[name] = self.counts.get(name, 0) + 1
        if isinstance(value, str):
            self.lengths = _range_with(self.lengths, len(value))
        elif isinstance(value, dict):
            for key, below in value.items():
                self.below(key).see(below)
        elif isinstance(value, list):
            self.sizes = _range_with(self.sizes, len(value))
            self.see_items(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self._see_number(value)

    def see_items(self, values: Iterable[object]) -> None:
        for value in values:
            self.items = self.items or _Shape()
            self.items.see(value)

    def at(self, path: Path) -> _Shape:
        """The place of a streamed array."""
        place = self
        for step in path:
            if step == "[]":
                place.items = place.items or _Shape()
                place = place.items
            else:
                place = place.below(step)
        return place

    def shown(self) -> dict[str, Any]:
        found: dict[str, Any] = {"types": dict(sorted(self.counts.items()))} if self.counts else {}
        found |= {"length": list(self.lengths)} if self.lengths else {}
        found |= {"range": list(self.numbers)} if self.numbers else {}
        found |= {"also": "epoch ms"} if self.epochs else {}
        found |= {"size": list(self.sizes)} if self.sizes else {}
        found |= {"keys": {key: below.shown() for key, below in self.keys.items()}} if self.keys else {}
        return found | ({"items": self.items.shown()} if self.items else {})

    def below(self, key: str) -> _Shape:
        shown = key if _PLAIN_KEY.fullmatch(key) and len(self.keys) < MOST_KEYS else "<key>"
        return self.keys.setdefault(printable_key(shown), _Shape())

    def _see_number(self, value: float) -> None:
        if value > EPOCH:
            self.epochs = True
        else:
            self.numbers = _range_with(self.numbers, value)


def describe(source: Source, limits: Limits | None = None) -> dict[str, Any]:
    """Keys, types, counts, lengths of strings and ranges of numbers of a JSON body; never a string's content.

    Keys that are not plain words (ids, digits, addresses, over 40 characters) appear as ``<key>``, times as "epoch ms".
    Known arrays of turns are streamed. Raises ``Unread`` where it is no JSON.
    """
    stream = Stream(dict.fromkeys(_STREAMED, Any), limits)
    shape, sizes = _Shape(), dict[tuple[Path, tuple[int, ...]], int]()
    with source.open() as reader:
        try:
            for batch in stream_batches(stream, reader):
                shape.at(batch.path).see_items(batch.items)
                sizes[batch.path, batch.parents] = batch.first + len(batch.items)
        except Trailing:
            return _describe_records(source, limits)
        except Unread as cause:
            return {"bytes": stream.size, "unread": cause.message, "turns": shape.shown()}
    shape.see(stream.skeleton)
    # The skeleton holds streamed arrays empty: their sizes are those that were counted.
    for path in {path for path, _ in sizes}:
        found = [size for (of, _), size in sizes.items() if of == path]
        shape.at(path).sizes = (min(found), max(found))
    return {"bytes": stream.size, "shape": shape.shown()}


def _describe_records(source: Source, limits: Limits | None) -> dict[str, Any]:
    records, shape, count = DocumentStream(Any, limits), _Shape(), 0
    with source.open() as reader:
        try:
            for batch in stream_batches(records, reader):
                count += 1
                shape.see(batch.items[0])
        except Unread as cause:
            return {"bytes": records.size, "unread": cause.message, "documents": count, "shape": shape.shown()}
    return {"bytes": records.size, "documents": count, "shape": shape.shown()}


def _range_with(known: Any, value: float) -> Any:
    return (value, value) if known is None else (min(known[0], value), max(known[1], value))


def _type_name(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return {str: "string", int: "integer", float: "number", list: "array", dict: "object"}.get(type(value), "other")
