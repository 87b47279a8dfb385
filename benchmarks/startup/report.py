"""Runs each command line a number of times, in turns, and writes the table of what starting costs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from statistics import median

from turnkeeper.cli.app import VERBS
from turnkeeper.environment import environment

ROUNDS = 20
BIN = Path(sys.executable).parent
BARE = "python -c pass"
LIMITS = {"turnkeeper --version": 60, "turnkeeper VERB --help, the slowest": 120, 'python -c "import turnkeeper"': 30}
"""Milliseconds of CPU above bare Python that each may take."""


def run() -> str:
    """The section of this suite, also printed."""
    commands = _commands()
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            found[name].append(_cpu_ms(command))
    times = {name: median(values) for name, values in found.items()}
    helps = [f"turnkeeper {verb} --help" for verb in VERBS]
    times["turnkeeper VERB --help, the slowest"] = max(times.pop(name) for name in helps)
    lines = [_line(name, value, times[BARE]) for name, value in sorted(times.items(), key=lambda item: item[1])]
    text = f"""## Starting up

CPU time (user and system) of a whole process, medians of {ROUNDS} rounds that take turns, all verbs' help included.

| | CPU | above bare Python | limit |
| --- | ---: | ---: | ---: |
{chr(10).join(lines)}
"""
    print(text)
    return text


def _commands() -> dict[str, list[str]]:
    python = sys.executable
    commands = {
        BARE: [python, "-c", "pass"],
        'python -c "import turnkeeper"': [python, "-c", "import turnkeeper"],
        "turnkeeper --version": [str(BIN / "turnkeeper"), "--version"],
    }
    for verb in VERBS:
        commands[f"turnkeeper {verb} --help"] = [str(BIN / "turnkeeper"), verb, "--help"]
    for tool in ("yt-dlp", "http"):
        if not (BIN / tool).exists():
            raise SystemExit("yt-dlp and httpie are not installed: pip install --group bench")
        commands[f"{tool} --version"] = [str(BIN / tool), "--version"]
        commands[f"{tool} --help"] = [str(BIN / tool), "--help"]
    return commands


def _cpu_ms(command: list[str]) -> float:
    """CPU time of one process from start to end. Its output goes nowhere."""
    nowhere = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
    child = os.posix_spawn(command[0], command, environment(), file_actions=nowhere)
    _, status, used = os.wait4(child, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return (used.ru_utime + used.ru_stime) * 1000


def _line(name: str, value: float, bare: float) -> str:
    limit = f"{LIMITS[name]} ms" if name in LIMITS else ""
    return f"| `{name}` | {value:.0f} ms | {value - bare:.0f} ms | {limit} |"
