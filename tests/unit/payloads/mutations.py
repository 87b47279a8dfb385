"""Documents with one thing changed, and what must still be read: ``python -m tests.unit.payloads.mutations N SEED``.

A field is left out, null, of another type, twice, elsewhere, or huge. Right is: no exception that is not ours; every
turn that the change did not touch comes back as it was; a turn that it did touch comes back as far as it can and, where
a field of it could not be read, names it in ``defects``; and never silence: a body with turns gives turns or an error,
and where it has none left, the verb says so. Every other one is read as a large body as well, every twentieth kept in
an archive and read out of it again.

Prints each kind of fault with the first examples; ``… N SEED NUMBER`` shows that one alone.
"""

from __future__ import annotations

import copy
import json
import random
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as Folder
from typing import Any

import msgspec

import turnkeeper as tk
from tests.unit.payloads.kinds import Kind, Path, at, kinds, serialised
from tests.unit.payloads.sources import Bytes
from turnkeeper.archive.archive import Archive, FetchedBody
from turnkeeper.clock import ManualClock
from turnkeeper.errors import TooLarge, TurnkeeperError
from turnkeeper.model import Turn
from turnkeeper.spool import Spool
from turnkeeper.storage.folder import FolderStore

__all__ = ["Fault", "Mutant", "faults", "main", "mutant"]

OPERATIONS = ("drop", "null", "type", "twice", "again", "reorder", "huge")
_ODD: tuple[Any, ...] = ("high", {"odd": 1}, ["odd"], True, "\ud83d half", -7, 0.5)
_NUMBERS = {"confidence", "milliseconds", "offsetMs", "durationMs", "startTimeMs", "start_time", "end_time"}
_TEXTS = {"text", "decoratedText", "transcript", "decoratedTranscript", "alternatives"}
_NEEDLESS = {"organizationId", "uri", "self", "version", "source", "account", "region", "resources", "recordingId"}
_TELLS = {("view of ours", "format"), ("sample event", "conversationId")}
"""Of a document without these nobody can say what it is: an error that names its keys is right."""
_MARK = re.compile(r"#(\d+)#")
_TWICE = "@twice@"
_ARCHIVED = 20


@dataclass(frozen=True)
class Mutant:
    """One document with one thing changed. ``touched`` are the numbers of the turns that the change lies in or above;
    ``above`` says that it lies above turns, or in how they are listed."""

    kind: Kind
    operation: str
    path: Path
    body: bytes
    touched: frozenset[int]
    above: bool

    @property
    def key(self) -> str:
        """The name of the field that was changed."""
        return next((str(one) for one in reversed(self.path) if isinstance(one, str)), "")


@dataclass(frozen=True)
class Fault:
    """What a reader did wrong with a mutant."""

    what: str
    told: str


def mutant(seed: str) -> Mutant:
    """The document of a seed."""
    dice = random.Random(seed)
    kind = dice.choice(kinds())
    document = copy.deepcopy(kind.document)
    path = _path(dice, kind)
    operation = dice.choice(OPERATIONS)
    _apply(dice, document, path, operation)
    body = serialised(document, lines=kind.lines).replace(_TWICE.encode(), b"")
    above = any(place[: len(path)] == path for place in kind.elements)
    listed = any(place[:-1] == path for place in kind.elements)
    touched = frozenset(
        number
        for number, place in enumerate(kind.elements)
        if path[: len(place)] == place or (place[: len(path)] == path and not (operation == "reorder" and listed))
    )
    return Mutant(kind, operation, path, body, touched, above)


def _path(dice: random.Random, kind: Kind) -> Path:
    """Anywhere; in half of the cases within a turn."""
    start = dice.choice(kind.elements) if kind.elements and dice.random() < 0.5 else ()
    places = [(*start, *inner) for inner in _below(at(kind.document, start))]
    if not start:
        places = [one for one in places if not any(one[: len(place)] == place for place in kind.elements)] or places
    return dice.choice(places)


def _below(value: Any, before: Path = ()) -> Iterator[Path]:
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*before, key)
        yield from _below(value[key], (*before, key))


def _apply(dice: random.Random, document: Any, path: Path, operation: str) -> None:
    holder, key = at(document, path[:-1]), path[-1]
    old = holder[key]
    if operation == "drop":
        del holder[key]
    elif operation == "null":
        holder[key] = None
    elif operation == "type":
        holder[key] = dice.choice([odd for odd in _ODD if not _alike(odd, old)])
    elif operation == "huge":
        holder[key] = _huge(dice, old)
    elif operation in ("twice", "again"):
        other = copy.deepcopy(old) if operation == "again" else dice.choice(_ODD)
        if isinstance(holder, list):
            holder.insert(dice.randrange(len(holder) + 1), other)
        else:
            holder[f"{_TWICE}{key}"] = other
    else:
        _shuffle(dice, old if isinstance(old, list | dict) else holder)


def _alike(one: Any, other: Any) -> bool:
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    return numbers or type(one) is type(other)


def _shuffle(dice: random.Random, value: Any) -> None:
    if isinstance(value, list):
        dice.shuffle(value)
        return
    pairs = list(value.items())
    dice.shuffle(pairs)
    value.clear()
    value.update(pairs)


def _huge(dice: random.Random, value: Any) -> Any:
    if isinstance(value, str):
        return value + dice.choice(("x", "é", '"\\')) * 100_000
    if isinstance(value, bool | int | float) or value is None:
        return dice.choice((10**400, -(10**30), 1e308, 2**63, "9" * 5000))
    if isinstance(value, list):
        return value * 30 if value else [0] * 10_000
    return {**value, **{f"more {number}": number for number in range(2000)}}


def faults(one: Mutant, *, large: bool = False) -> list[Fault]:
    """What reading the mutant as bytes, or as a body too large to be read whole, does wrong."""
    base = _base(one.kind.name)
    try:
        turns = list(tk.read_turns(Bytes(one.body, 1 << 30) if large else one.body, words=True))
    except TurnkeeperError as cause:
        return _refusal(one, base, cause)
    except Exception as cause:
        return [Fault("foreign exception", f"{type(cause).__name__}: {cause}"[:160])]
    if not turns:
        return [Fault("silence", "`turns` ends with 0 and no word")] if _silent(one.body) else []
    return [*_untouched(one, base, turns), *_touched(one, base, turns)]


def _silent(body: bytes) -> bool:
    """Whether the verb has nothing to say either about a body that gives no turns."""
    command = [sys.executable, "-m", "turnkeeper", "turns", "-"]
    done = subprocess.run(command, input=body, capture_output=True, check=False)
    return done.returncode == 0 and not done.stdout.strip() and not done.stderr.strip()


def _refusal(one: Mutant, base: dict[int, Turn], cause: TurnkeeperError) -> list[Fault]:
    """An error is right where the mutant has no turn that was spared, where its turns cannot be found any more, where
    the field is the one that tells its kind, where a key stands twice, or where something is too large."""
    spared = set(base) - one.touched
    tells = (one.kind.name, one.key) in _TELLS
    excused = not spared or one.above or tells or one.operation == "twice" or _TWICE in str(one.path)
    twice = one.operation == "again" and isinstance(one.path[-1], str)
    if excused or twice or (isinstance(cause, TooLarge) and one.operation == "huge"):
        return []
    return [Fault("one field costs the whole", str(cause)[:160])]


def _untouched(one: Mutant, base: dict[int, Turn], turns: list[Turn]) -> Iterator[Fault]:
    found = _numbered(turns)
    inside = any(one.path[: len(place)] == place for place in one.kind.elements)
    whole = (inside or one.key in _NEEDLESS) and one.path[-1] != "utteranceId"
    for number in sorted(set(base) - one.touched):
        same = found.get(number, [])
        if not same:
            yield Fault("an untouched turn is lost", f"turn {number}")
        elif whole and not any(_same(base[number], turn) for turn in same):
            yield Fault("an untouched turn is changed", _difference(base[number], same[0]))


def _touched(one: Mutant, base: dict[int, Turn], turns: list[Turn]) -> Iterator[Fault]:
    inside = next((n for n, place in enumerate(one.kind.elements) if one.path[: len(place)] == place), None)
    if inside is None or inside not in base or one.path in one.kind.elements:
        return
    marked = any(getattr(turn, "defects", ()) for turn in turns)
    found = _numbered(turns).get(inside, [])
    if (
        not found
        and not marked
        and not (_TEXTS & set(one.path) and one.operation in ("drop", "null", "reorder", "twice"))
    ):
        yield Fault("the touched turn is lost without a word", f"turn {inside} of {len(turns)}")
    odd = one.operation == "type" and one.key in _NUMBERS and "words" not in str(one.path)
    if odd and found and not marked and not any(_same(base[inside], turn) for turn in found):
        yield Fault("a field that cannot be read is not named in defects", _difference(base[inside], found[0]))


def _numbered(turns: list[Turn]) -> dict[int, list[Turn]]:
    found: dict[int, list[Turn]] = defaultdict(list)
    for turn in turns:
        mark = _MARK.search(turn.text)
        if mark:
            found[int(mark[1])].append(turn)
    return found


def _same(one: Turn, other: Turn) -> bool:
    """Equal but for their place, which a turn more or less before them moves."""
    return msgspec.structs.replace(one, index=0, duplicate_of=None) == msgspec.structs.replace(
        other, index=0, duplicate_of=None
    )


def _difference(one: Turn, other: Turn) -> str:
    told = msgspec.structs.asdict(other)
    pairs = {name: (value, told[name]) for name, value in msgspec.structs.asdict(one).items() if told[name] != value}
    return str({name: pair for name, pair in pairs.items() if name != "index"})[:160]


_BASES: dict[str, dict[int, Turn]] = {}


def _base(name: str) -> dict[int, Turn]:
    """The turns of the unchanged document, by number; none where it has none to give."""
    if name not in _BASES:
        kind = next(one for one in kinds() if one.name == name)
        try:
            turns = list(tk.read_turns(serialised(kind.document, lines=kind.lines), words=True))
        except TurnkeeperError:
            turns = []
        _BASES[name] = {number: found[0] for number, found in _numbered(turns).items()}
    return _BASES[name]


def archived_faults(one: Mutant, folder: Folder) -> list[Fault]:
    """What keeping the mutant in an archive and reading it there does wrong."""
    if not one.kind.source:
        return []
    body = Spool()
    body.write(one.body)
    leg = one.kind.source.partition("/")[2] or None
    try:
        whole = sorted(turn.text for turn in tk.read_turns(one.body))
    except Exception:
        whole = []
    try:
        archive = Archive(FolderStore(folder), clock=ManualClock())
        kept = archive.commit("c-1", [FetchedBody(body.seal(), one.kind.source, leg)])
        inside = sorted(turn.text for turn in tk.read_turns(str(folder))) if kept.summary else None
    except TurnkeeperError as cause:
        return [Fault("archive: refused", str(cause)[:160])]
    except Exception as cause:
        return [Fault("archive: foreign exception", f"{type(cause).__name__}: {cause}"[:160])]
    if inside is None:
        reason = getattr(kept.manifest, "unread", None)
        return [] if reason else [Fault("archive: silence", f"neither turns nor a reason: {kept.manifest.state}")]
    return [] if not whole or inside == whole else [Fault("archive: other turns", f"{len(inside)} of {len(whole)}")]


def tried(number: int, seed: str) -> tuple[Mutant, list[Fault]]:
    """One mutant, read; every other one also as a large body, every twentieth kept as well."""
    one = mutant(f"{seed}/{number}")
    found = faults(one)
    if number % 2:
        found += [Fault(f"streamed: {fault.what}", fault.told) for fault in faults(one, large=True)]
    if number % _ARCHIVED == 0:
        with tempfile.TemporaryDirectory() as folder:
            found += archived_faults(one, Folder(folder))
    return one, found


def main(count: int, seed: str, only: int | None = None) -> int:
    seen: Counter[str] = Counter()
    examples: dict[str, dict[tuple[str, str, str], str]] = defaultdict(dict)
    for number in range(count) if only is None else (only,):
        one, found = tried(number, seed)
        for fault in found:
            seen[fault.what] += 1
            place = ".".join(map(str, one.path))
            examples[fault.what].setdefault(
                (one.kind.name, one.operation, one.key),
                f"{number}: {one.kind.name}: {one.operation} {place}: {fault.told}",
            )
        if only is not None:
            print(one.body.decode()[:20_000])
    for what, times in seen.most_common():
        print(f"{what}: {times}")
        for line in list(examples[what].values())[: 12 if only is None else None]:
            print(f"  {line}")
    print(json.dumps({"mutants": count, "seed": seed, "faults": sum(seen.values())}))
    return 1 if seen else 0


if __name__ == "__main__":
    arguments = sys.argv[1:]
    raise SystemExit(main(int(arguments[0]), arguments[1], *map(int, arguments[2:])))
