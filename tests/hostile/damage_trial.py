"""One damage under one verb: what it says, how it ends, and whether everything else is still what it was."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.hostile.command import Ran, run
from tests.hostile.damage import Damage, Place
from tests.hostile.judge import archived
from tests.hostile.leaks import leaks
from tests.hostile.platform import Platform
from tests.hostile.trial import SPAN, Trial, seen
from tests.hostile.truth import Call

__all__ = ["VERBS", "Sound", "made", "under"]

HIT = 1
LONGEST = 40.0


@dataclass(frozen=True)
class Sound:
    """A whole archive, its queue, and the platform that it came from: copied for each damage."""

    folder: Path
    platform: Platform

    @property
    def calls(self) -> tuple[Call, ...]:
        return self.platform.calls


@dataclass(frozen=True)
class Verb:
    """One verb: its arguments, and what of the others must come out of it."""

    arguments: Callable[[Path, Place], list[str]]
    others: Callable[[Path, Ran, set[str]], str] = lambda folder, ran, ids: ""
    keeps: tuple[int, ...] = (0, 2, 3)
    reads_the_hit: bool = False


def made(folder: Path, platform: Platform) -> Sound:
    """Export everything once."""
    ran = run(["export", "--to", str(folder / "archive"), *SPAN], _environment(platform, folder), folder / "runs")
    assert ran.code == 0, ran.err
    return Sound(folder, platform)


def under(damage: Damage, verb: str, sound: Sound, folder: Path) -> Trial:
    """Damage a copy and run the verb on it."""
    for part in ("archive", "state"):
        shutil.copytree(sound.folder / part, folder / part, symlinks=True)
    place = Place(folder / "archive", sound.calls[HIT].id, sound.calls[0].id, _victim(folder))
    before = _tree(place.victim)
    damage.do(place)
    chosen = VERBS[verb]
    env = _environment(sound.platform, folder)
    ran = run(chosen.arguments(folder, place), env, folder / "runs", LONGEST)
    broken = _promises(damage, chosen, ran)
    if _tree(place.victim) != before:
        broken.append("the folder outside was touched")
    kept = {sound.calls[number].id for number in chosen.keeps}
    broken += [f"{one} is no longer archived" for one in kept - archived_of(place.archive, kept)]
    if ran.code is not None and not (damage.closes and ran.code):
        said = chosen.others(folder, ran, kept)
        broken += [said] if said else []
    broken += leaks(folder / "runs") + leaks(folder / "state")
    return Trial(damage, seen(ran, folder), ran.code, "", broken, ran.seconds, ran.mb)


def _promises(damage: Damage, verb: Verb, ran: Ran) -> list[str]:
    broken = []
    if ran.code is None:
        return ["it had to be killed"]
    if "Traceback" in ran.words:
        broken.append("a traceback: " + ran.err.strip().splitlines()[-1][:200])
    if verb is VERBS["verify"] and damage.finding != (ran.code != 0):
        broken.append(f"verify says {ran.code}")
    if verb.reads_the_hit and damage.loses and ran.code == 0:
        broken.append("exit 0, and a conversation did not come out")
    return broken


def archived_of(archive: Path, ids: set[str]) -> set[str]:
    """Which of these conversations an archive still holds, looking at nothing else in it."""
    return {one for one in ids if one in archived(archive, [one])}


def _victim(folder: Path) -> Path:
    """A folder with a person's files, laid out as an archive's own folders are."""
    victim = folder / "victim"
    (victim / "leg").mkdir(parents=True)
    (victim / "letters.txt").write_text("Dear Ada,")
    (victim / "leg/0123456789abcdef.json").write_text("{}")
    (victim / "000001.json").write_text("{}")
    (victim / "old").write_text("old")
    long_ago = 1_000_000_000
    for path in (victim / "old", victim / "letters.txt"):
        os.utime(path, (long_ago, long_ago))
    return victim


def _tree(folder: Path) -> list[tuple[str, bytes]]:
    return sorted((str(path.relative_to(folder)), path.read_bytes()) for path in folder.rglob("*") if path.is_file())


def _environment(platform: Platform, folder: Path) -> dict[str, str]:
    return platform.environment() | {"XDG_STATE_HOME": str(folder / "state"), "HOME": str(folder)}


def _turns(folder: Path, ran: Ran, ids: set[str]) -> str:
    """Each conversation's first sentence is somewhere in the output."""
    texts = [line for line in ran.out.splitlines() if line.startswith("{")]
    said = {json.loads(line).get("text", "") for line in texts}
    wanted = {f"Good morning, how can I help? ({number}.0)" for number in (0, 2, 3)}
    return "" if wanted <= said else f"turns of {len(wanted - said)} sound conversations did not come out"


def _pages(folder: Path, ran: Ran, ids: set[str]) -> str:
    path = folder / "pages/calls.csv"
    if not path.exists():
        return "no list of calls was written"
    listed = {cell for row in csv.reader(path.read_text().splitlines()) for cell in row}
    return "" if all(any(one in cell for cell in listed) for one in ids) else "sound conversations are not in calls.csv"


VERBS: dict[str, Verb] = {
    "verify": Verb(lambda folder, place: ["verify", str(place.archive)]),
    "turns": Verb(lambda folder, place: ["turns", str(place.archive)], _turns, reads_the_hit=True),
    "reread": Verb(lambda folder, place: ["reread", str(place.archive), "--all"]),
    "report": Verb(
        lambda folder, place: ["report", str(place.archive), "--out", str(folder / "pages")], _pages, reads_the_hit=True
    ),
    "status": Verb(
        lambda folder, place: ["status", str(place.archive), "--since", "2026-10-05", "--until", "2026-10-07"]
    ),
    "export": Verb(lambda folder, place: ["export", "--to", str(place.archive), *SPAN]),
    "erase": Verb(lambda folder, place: ["erase", str(place.archive), "--conversation", place.one, "--yes"]),
    "expire": Verb(lambda folder, place: ["expire", str(place.archive), "--older-than", "1d"], keeps=(2, 3)),
}
