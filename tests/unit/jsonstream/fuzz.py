"""Random documents against the stream parser, for longer than the suite: ``python -m tests.unit.jsonstream.fuzz N``.

Every document is read whole, in random chunks, and then truncated and corrupted. The oracle is ``json.loads``: what it
reads must come out the same; what it refuses must be refused, or be the same as one typed decode of the whole (the
decoder does not look into fields that nobody asked for). All of it once more natively, where the part in C is there,
with an array in each element passed over unseen: the same by that way, refusals with their places too; what that
accepts beyond must be what the undamaged document says.
"""

from __future__ import annotations

import gzip
import json
import random
import sys
from typing import Any

import msgspec

from turnkeeper.errors import Unread
from turnkeeper.jsonstream.limits import Limits
from turnkeeper.jsonstream.native import ColumnReader, Columns, Field
from turnkeeper.jsonstream.stream import Batch, ElementType, Stream

TARGETS = (("transcript",), ("transcripts", "[]", "phrases"))
TEXTS = (
    "",
    "a",
    "é",
    "😀",
    '"',
    "\\",
    '\\"',
    "},{",
    "]",
    "[",
    '},{"start_time":1',
    "\u2028",
    "\x00",
    "日本",
    "\\u0041",
    "x" * 50,
)


class Element(msgspec.Struct, gc=False):
    start_time: float | None = None
    text: str | None = None


def value(dice: random.Random, depth: int = 0) -> Any:
    kind = dice.randrange(9 if depth < 3 else 6)
    if kind == 0:
        return dice.choice(TEXTS) + dice.choice(TEXTS)
    if kind == 1:
        return dice.randrange(-(10**6), 10**15)
    if kind == 2:
        return dice.choice((0.1, -2.5e-7, 1e22, 1.7976931348623157e308, 5e-324, -0.0))
    if kind in (3, 4):
        return dice.choice((None, True, False))
    if kind == 5:
        return dice.choice(([], {}, [[]], [{}], ""))
    if kind in (6, 7):
        return [value(dice, depth + 1) for _ in range(dice.randrange(4))]
    return {dice.choice(TEXTS) or "k": value(dice, depth + 1) for _ in range(dice.randrange(4))}


def element(dice: random.Random) -> dict[str, Any]:
    pairs: list[tuple[str, Any]] = [
        ("start_time", dice.choice((0, 1.5, 2, None, 1e-3))),
        ("text", dice.choice(TEXTS) + dice.choice(TEXTS)),
        ("words", [{"start_time": 1, "text": dice.choice(TEXTS)} for _ in range(dice.randrange(3))]),
        ("more", value(dice)),
    ]
    if dice.random() < 0.3:
        dice.shuffle(pairs)
    return dict(pairs[: dice.randrange(1, 5)])


def document(dice: random.Random) -> dict[str, Any]:
    parts: list[tuple[str, Any]] = [(f"f{n}", value(dice)) for n in range(dice.randrange(4))]
    if dice.random() < 0.8:
        parts.append(("transcript", [element(dice) for _ in range(dice.randrange(8))]))
    if dice.random() < 0.5:
        some = [
            dict(
                dice.sample(
                    [
                        ("language", "en"),
                        ("phrases", [element(dice) for _ in range(dice.randrange(4))] if dice.random() < 0.9 else None),
                        ("z", value(dice)),
                    ],
                    k=3,
                )
            )
            for _ in range(dice.randrange(4))
        ]
        parts.append(("transcripts", some))
    dice.shuffle(parts)
    return dict(parts)


def text(dice: random.Random, found: dict[str, Any]) -> bytes:
    layout = dice.choice(
        ({"separators": (",", ":")}, {}, {"indent": 2}, {"indent": "\t"}, {"separators": (" ,\r\n", " :\t")})
    )
    raw = json.dumps(found, ensure_ascii=dice.random() < 0.5, **layout).encode()
    return dice.choice((b"", b"\xef\xbb\xbf", b" \n")) + raw + dice.choice((b"", b"\n", b" \t\r\n"))


TABLE = ColumnReader(
    Field("start_time", "fraction", nullable=True, absent=None),
    Field("text", "text", nullable=True, absent=None),
    unread=("words",),
)
NATIVE = ElementType(Element, table=TABLE)


def read(
    raw: bytes, chunk: int, piece: int, limits: Limits | None = None, *, strict: bool = True, kind: Any = Element
) -> tuple[list[Batch], object]:
    stream = Stream(dict.fromkeys(TARGETS, kind), limits, chunk=chunk, strict=strict)
    found = [batch for at in range(0, len(raw), piece) for batch in stream.feed(raw[at : at + piece])]
    found += stream.finish()
    return found, stream.skeleton


def joined(batches: list[Batch]) -> dict[Any, list[Any]]:
    elements: dict[Any, list[Any]] = {}
    for batch in batches:
        seen = elements.setdefault((batch.path, batch.parents), [])
        assert batch.first == len(seen)
        columns = isinstance(batch.items, Columns)
        seen += batch.items if columns else [(one.start_time, one.text) for one in batch.items]
    return elements


def expected(found: Any) -> tuple[dict[Any, list[Any]], Any]:
    elements: dict[Any, list[Any]] = {}

    def take(holder: dict[str, Any], key: str, place: tuple[Any, Any]) -> None:
        if isinstance(holder.get(key), list):
            if holder[key]:
                elements[place] = [(one.get("start_time"), one.get("text")) for one in holder[key]]
            holder[key] = []

    if isinstance(found, dict):
        take(found, "transcript", (("transcript",), ()))
        for at, one in enumerate(found["transcripts"] if isinstance(found.get("transcripts"), list) else []):
            if isinstance(one, dict):
                take(one, "phrases", (("transcripts", "[]", "phrases"), (at,)))
    return elements, found


class _Whole(msgspec.Struct):
    phrases: list[Element] | None = None


def lenient(raw: bytes) -> bool:
    """Whether one typed decode of the whole takes it, although ``json`` does not: a fault in a field not asked for."""
    kind = msgspec.defstruct(
        "Kind", [("transcript", list[Element] | None, None), ("transcripts", list[_Whole] | None, None)]
    )
    try:
        raw.decode()
        msgspec.json.decode(raw.removeprefix(b"\xef\xbb\xbf"), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def scrubbed(found: Any) -> Any:
    """Lone surrogates as the stream reads them. Values of a type that no element may have fail here on purpose."""
    if isinstance(found, str):
        return found.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(found, list):
        return [scrubbed(one) for one in found]
    return {scrubbed(key): scrubbed(one) for key, one in found.items()} if isinstance(found, dict) else found


def twice(raw: bytes) -> bool:
    """Whether any object has a key twice: of a target array that is refused, elsewhere the last one counts."""
    found: list[bool] = []

    def hook(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found.append(len({key for key, _ in pairs}) < len(pairs))
        return dict(pairs)

    json.loads(raw.decode("utf-8-sig"), object_pairs_hook=hook)
    return any(found)


def damage(dice: random.Random, raw: bytes) -> bytes:
    if dice.random() < 0.4:
        return raw[: dice.randrange(len(raw))]
    at = dice.randrange(len(raw))
    return (
        raw[:at]
        + dice.choice((b"", b",", b"]", b"}", b'"', b"\\", b"\xff", b"0", b"NaN", b"[", b"{", b"\x01"))
        + raw[at + dice.randrange(2) :]
    )


def once(dice: random.Random) -> None:
    found = document(dice)
    raw = text(dice, found)
    chunk, piece = dice.choice((1, 2, 3, 7, 16, 64, 300, 1 << 18)), dice.choice((1, 2, 5, 13, 100, 1 << 20))
    elements, skeleton = expected(json.loads(json.dumps(found)))
    for body in (raw, gzip.compress(raw[:40], 1) + gzip.compress(raw[40:], 1)):
        batches, rest = read(body, chunk, piece)
        assert joined(batches) == elements, (raw, chunk, piece)
        assert rest == skeleton, (raw, chunk, piece)
    for kind, strict in ((Element, False), (NATIVE, False), (NATIVE, True)):
        batches, rest = read(raw, chunk, piece, strict=strict, kind=kind)
        assert (joined(batches), rest) == (elements, skeleton), (raw, chunk, piece, strict)
    _damaged(dice, damage(dice, raw), chunk, piece, (elements, skeleton))


def _damaged(dice: random.Random, raw: bytes, chunk: int, piece: int, whole: Any) -> None:
    results: list[Any] = []
    for size in (chunk, 1 << 18):
        try:
            batches, rest = read(raw, size, piece)
            results.append((joined(batches), rest))
        except Unread as cause:
            results.append(None if cause.offset is None or 0 <= cause.offset <= len(raw) else "misplaced")
    assert "misplaced" not in results, raw
    carefree = _carefree(raw, chunk, piece, results[0])
    _unseen(raw, chunk, piece, carefree, whole, NATIVE)
    assert _said(raw, chunk, piece, NATIVE) == _said(raw, chunk, piece, Element), (raw, chunk, piece)
    assert results[0] == results[1], (raw, chunk, piece, results)
    try:
        truth = expected(scrubbed(json.loads(raw.decode("utf-8-sig"), parse_constant=lambda _: 1 / 0)))
    except (ValueError, ZeroDivisionError, AttributeError, RecursionError):
        assert results[0] is None or lenient(raw), (raw, results[0])
        return
    if results[0] is not None:
        assert results[0] == truth, (raw, results[0], truth)
    else:
        assert "inf" in repr(truth) or twice(raw) or not lenient(raw), (raw, "refused")


def _carefree(raw: bytes, chunk: int, piece: int, strictly: Any) -> Any:
    """Without ``strict`` the same, but that UTF-8 in skipped fields is not looked at."""
    try:
        batches, rest = read(raw, chunk, piece, strict=False)
    except Unread:
        assert strictly is None, (raw, chunk, piece)
        return None
    found = (joined(batches), rest)
    if strictly is None:
        try:
            raw.decode()
        except UnicodeDecodeError:
            return found
    assert found == strictly, (raw, chunk, piece)
    return found


def _said(raw: bytes, chunk: int, piece: int, kind: Any) -> Any:
    """All that is read, or the refusal with its place."""
    try:
        batches, rest = read(raw, chunk, piece, kind=kind)
    except Unread as cause:
        return type(cause), cause.message, cause.offset, cause.field
    return [(batch.path, batch.parents, batch.first, batch.offset, len(batch.items)) for batch in batches], (
        joined(batches),
        rest,
    )


def _unseen(raw: bytes, chunk: int, piece: int, carefree: Any, whole: Any, kind: ElementType) -> None:
    """With arrays passed over unseen: the same, and damage within such an array changes nothing of the rest."""
    try:
        batches, rest = read(raw, chunk, piece, strict=False, kind=kind)
    except Unread:
        assert carefree is None, (raw, chunk, piece)
        return
    found = (joined(batches), rest)
    if found != carefree:
        assert carefree is None, (raw, chunk, piece)
        assert found == whole, (raw, found, whole)


def main(count: int, seed: int) -> None:
    for number in range(count):
        once(random.Random(f"{seed}/{number}"))
    print(f"{count} documents, seed {seed}: all the same")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
