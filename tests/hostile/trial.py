"""One attack tried: what the user sees, and what an honest run of the same command makes of the archive."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.hostile.attacks import Attack
from tests.hostile.command import Ran, run
from tests.hostile.judge import differences
from tests.hostile.leaks import leaks
from tests.hostile.platform import Platform

__all__ = ["LARGEST_MB", "SPAN", "Trial", "broken_by", "masked", "seen", "some", "states", "tried"]

_LATER = re.compile(r'"waiting"|may still come|run it again')
SPAN = ("--since", "2026-10-05", "--until", "2026-10-07")
LARGEST_MB = 300


class Named(Protocol):
    """An attack of whatever kind."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class Trial:
    """What came of one attack. ``broken`` lists the promises that were not held; nothing where all were."""

    attack: Named
    seen: str
    code: int | None
    again: str
    broken: list[str] = field(default_factory=list)
    seconds: float = 0.0
    mb: int = 0

    @property
    def cell(self) -> str:
        """What is seen, as it stands in the page."""
        return _cell(self.seen)

    def line(self) -> str:
        """As it stands in the page."""
        return (
            "| " + " | ".join(_cell(text) for text in (self.attack.name, self.seen, str(self.code), self.again)) + " |"
        )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("[", "\\[").replace("\n", " ")


def tried(attack: Attack, folder: Path) -> Trial:
    """Attack, then run the same command again a day later against the honest platform."""
    with Platform(attack.calls) as platform:
        env = platform.environment() | {
            "GENESYS_API": attack.api,
            "XDG_STATE_HOME": str(folder / "state"),
            "HOME": str(folder),
        }
        arguments = _arguments(attack, platform, folder)
        platform.attack = (attack.where, attack.spoil)
        ran = run(arguments, {**env, **dict(attack.env)}, folder / "runs")
        wrong = _wrong(attack, platform, folder)
        platform.attack = None
        platform.advance(86_400)
        later = run(arguments, env, folder / "runs")
        broken = broken_by(ran, wrong)
        broken += [f"not whole: {wrong[0][:120]}"] if attack.whole and wrong else []
        broken += [f"exit {ran.code}"] if attack.well and ran.code else []
        broken += [f"again: {one}" for one in broken_by(later, [])]
        broken += some(_wrong(attack, platform, folder)) + platform.strays + leaks(folder)
    return Trial(attack, seen(ran, folder), ran.code, _again(later), broken, ran.seconds + later.seconds, ran.mb)


def _arguments(attack: Attack, platform: Platform, folder: Path) -> list[str]:
    to = ("--to", str(folder / "archive"))
    if attack.verb == "get":
        return ["get", platform.calls[0].id, *to, *attack.options]
    span = () if "--since" in attack.options else SPAN
    return ["export", *to, *span, *attack.options]


def _wrong(attack: Attack, platform: Platform, folder: Path) -> list[str]:
    """What the archive has otherwise than the truth says."""
    if attack.verb == "get":
        return differences(folder / "archive", platform.calls[:1])
    if "--since" in attack.options:
        return differences(folder / "archive", [one for one in platform.calls if one.start.day == 6])
    return differences(folder / "archive", platform.calls)


def some(found: list[str]) -> list[str]:
    """The first of many sentences, and how many more there are."""
    return found[:1] + ([f"and {len(found) - 1} more like it"] if found[1:] else [])


def broken_by(ran: Ran, wrong: list[str]) -> list[str]:
    """The promises that one run did not hold."""
    broken = []
    if ran.code is None:
        broken.append("it had to be killed")
    if "Traceback" in ran.words:
        broken.append("a traceback: " + ran.err.strip().splitlines()[-1][:200])
    if wrong and ran.code == 0 and not _LATER.search(ran.words):
        broken.append(f"exit 0, and {wrong[0][:120]}")
    if ran.mb > LARGEST_MB:
        broken.append(f"{ran.mb} MB")
    return broken


def seen(ran: Ran, folder: Path) -> str:
    """The line that a person reads at the end, and the hint under it."""
    lines = [line for line in ran.err.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("turnkeeper: ") or re.match(r"[\d,]+ (failed|kept)", line)]
    if not told:
        return masked("; ".join([*states(ran.out), *lines[-2:]]), folder)
    hint = lines[lines.index(told[0]) + 1 :][:1]
    mend = f"<br>*{hint[0].strip()}*" if hint and hint[0].startswith("  ") else ""
    return masked(told[0].removeprefix("turnkeeper: ") + mend, folder)


def states(out: str) -> list[str]:
    try:
        report = json.loads(out)
    except ValueError:
        return []
    states = report.get("states", {"done": 1} if report.get("state") == "done" else {})
    return [", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "nothing"]


def _again(ran: Ran) -> str:
    told = "; ".join(states(ran.out)) or masked(ran.err.strip().splitlines()[-1], Path("/nowhere"))
    return told + (f" (exit {ran.code})" if ran.code else "")


_MASKS = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (r"(127\.0\.0\.1|localhost):\d+", "ADDRESS"),
    (r"byte [\d,]+", "byte N"),
    (r"[\d,]+ (of [\d,]+ )?bytes", "N bytes"),
    (r"received \d+ bytes, expected \d+", "received N bytes, expected N"),
    (r"\d{8}T\d{6}Z", "TIME"),
    (r"[0-9a-f]{16,}", "HASH"),
    (r"(x-amz-checksum-sha256: )[A-Za-z0-9+/=]+", r"\1HASH"),
    # Which listing comes upon it first differs.
    (r"list \S+: (its listing|no key came)", r"list KEYS: \1"),
    (r"\d+ attempts in", "N attempts in"),
    (r"\d+(\.\d+)? s\b", "N s"),
    (r"9{20,}", "999…"),
    (r"x{60,}", "xxx…"),
)


def masked(text: str, folder: Path) -> str:
    """Without what differs from run to run."""
    text = text.replace(str(folder), "…")
    for pattern, mask in _MASKS:
        text = re.sub(pattern, mask, text)
    return text if len(text) < 700 else text[:699] + "…"
