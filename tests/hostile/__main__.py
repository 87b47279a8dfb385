"""Tries every attack and writes what came into docs/faults.md.

python -m tests.hostile              all of them
python -m tests.hostile echoes       only what has this word in its heading or its name; the other rows stay
python -m tests.hostile --open       those of tests/hostile/defects.py: says what is broken, and writes nothing
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from tests.hostile.attacks import ATTACKS
from tests.hostile.damage import DAMAGES, Damage
from tests.hostile.damage_trial import Sound, made, under
from tests.hostile.platform import Platform
from tests.hostile.store_attacks import STORE_ATTACKS
from tests.hostile.store_proxy import Backend
from tests.hostile.store_trial import tried_on_store
from tests.hostile.table import PAGE, damage_line, rows, sections, verbs_on, written
from tests.hostile.trial import Trial, tried
from turnkeeper.cli.local_s3 import LocalS3

WORKERS = 5
Line = Callable[[Path], tuple[str, list[Trial]]]


def main() -> None:
    of_open = "--open" in sys.argv
    word = " ".join(one for one in sys.argv[1:] if one != "--open").lower()
    with ExitStack() as stack:
        lines = _lines(stack, of_open=of_open)
        page: dict[str, list[str]] = {}
        old = PAGE.read_text()
        for heading, names in sections(of_open=of_open).items():
            known = {_name(row): row for row in rows(old, heading)}
            chosen = [name for name in names if word in f"{heading} {name}".lower()]
            with ThreadPoolExecutor(WORKERS) as pool:
                fresh = dict(zip(chosen, pool.map(lambda name: _tried(name, lines[name]), chosen), strict=True))
            found = [fresh[name] if name in fresh else known.get(name) for name in names]
            page[heading] = [row for row in found if row is not None]
    if not of_open:
        written(page)


def _lines(stack: ExitStack, *, of_open: bool) -> dict[str, Line]:
    """name -> how its line is made."""
    s3 = stack.enter_context(LocalS3(["calls"]))
    backend = Backend(s3.endpoint, s3.environment())
    whole = stack.enter_context(Platform(4))
    sound = made(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="turnkeeper-sound-"))), whole)
    found: dict[str, Line] = {}
    for attack in ATTACKS:
        found[attack.name] = lambda folder, attack=attack: _single(tried(attack, folder))
    for broken in STORE_ATTACKS:
        found[broken.name] = lambda folder, broken=broken: _single(tried_on_store(broken, backend, folder))
    for damage in DAMAGES:
        found[damage.name] = lambda folder, damage=damage: _under_all(damage, sound, folder, of_open=of_open)
    return found


def _single(trial: Trial) -> tuple[str, list[Trial]]:
    return trial.line(), [trial]


def _under_all(damage: Damage, sound: Sound, folder: Path, *, of_open: bool) -> tuple[str, list[Trial]]:
    trials = {verb: under(damage, verb, sound, folder / verb) for verb in verbs_on(damage.name, of_open=of_open)}
    return damage_line(damage.name, trials), list(trials.values())


def _tried(name: str, line: Line) -> str | None:
    """The row; none where a promise was not held, which is printed."""
    with tempfile.TemporaryDirectory(prefix="turnkeeper-hostile-") as folder:
        text, trials = line(Path(folder))
    print(text, flush=True)
    for trial in trials:
        for one in trial.broken:
            print(f"    BROKEN {name}: {one}", flush=True)
    return None if any(trial.broken for trial in trials) else text


def _name(row: str) -> str:
    return row.removeprefix("| ").partition(" | ")[0].replace("\\[", "[").replace("\\|", "|")


if __name__ == "__main__":
    main()
