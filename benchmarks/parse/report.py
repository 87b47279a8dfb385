"""Runs the contenders in turn, several rounds of it, and writes the tables. Every figure comes from one run."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from benchmarks.parse.contenders import CONTENDERS
from benchmarks.parse.documents import Document
from benchmarks.parse.floors import check_foreign, measure, table
from benchmarks.parse.foreign import Foreign
from benchmarks.parse.rounds import (
    FOLDER,
    GO,
    GO_TOKENS,
    IJSON,
    ROUNDS,
    Ran,
    agree,
    go_built,
    go_command,
    pinned,
    rounds,
    run_one,
    timed,
)

LARGE, SMALL, DIGEST = 200, 20, 4
MAIN = tuple(Document(shape, LARGE, multilingual=text) for shape in ("flat", "native") for text in (True, False))
PRETTY = tuple(Document(shape, LARGE, multilingual=True, pretty=True) for shape in ("flat", "native"))
BRIEFLY = (
    "turnkeeper batches",
    "turnkeeper turns",
    "turnkeeper turns, sorted by time",
    "ijson (yajl2_c)",
    *list(GO)[::2],
)


def run() -> str:
    """The section of this suite, also printed."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    for shape in ("flat", "native"):
        shutil.copy(_tiny(shape), FOLDER / f"{shape}-tiny.json")
    names = [*CONTENDERS, *go_built()]
    parts = [_heading(), _digests(names), _tables(names), _foreign(names), _jq(), _memory(), _small(), _start()]
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
        found = {name: run_one(name, document.shape, path, "--digest").sums for name in names}
        agree(found)
    count = len(MAIN) + len(PRETTY) + check_foreign(names)
    return f"Checked turn by turn on {count} documents of {DIGEST} MB: all agree.\n"


def _tables(names: list[str]) -> str:
    text = ""
    for document in (*MAIN, *PRETTY):
        path = document.write(FOLDER)
        asked = [name for name in names if document in MAIN[::2] or name in BRIEFLY]
        text += _table(document, path, rounds(asked, document.shape, path))
        path.unlink()
    return text


def _foreign(names: list[str]) -> str:
    """The same work on documents by another hand, and the floors that hold there."""
    measured = measure([name for name in names if name in BRIEFLY])
    parts = []
    for document, found in measured.items():
        path = document.write(FOLDER)
        parts.append(_table(document, path, found))
        path.unlink()
    parts.append(table(measured))
    print(parts[-1])
    return "".join(parts)


def _table(document: Document | Foreign, path: Path, found: dict[str, list[Ran]]) -> str:
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


def _go_version() -> str:
    go = go_command()
    return subprocess.run([go, "version"], capture_output=True, text=True, check=True).stdout.strip() if go else "no Go"


def _jq() -> str:
    if not shutil.which("jq"):
        return "jq is not installed (`apt-get install jq`).\n"
    text = ""
    for shape, query in (("flat", ".transcript[]"), ("native", ".transcripts[].phrases[]")):
        path = Document(shape, SMALL, multilingual=True).write(FOLDER)
        jq, _ = timed(pinned(["jq", "-c", query, str(path)]))
        ours = median(run_one("turnkeeper turns", shape, path).cpu for _ in range(ROUNDS))
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
            run_one("turnkeeper turns, sorted by time", "flat", last).rss,
            run_one("turnkeeper turns", "flat", first).rss,
        ]
        text += f"| {size} | {peaks[0]:.1f} | {peaks[1]:.1f} |\n"
        for path in (last, first):
            path.unlink()
    return text


def _small() -> str:
    out = timed(pinned([sys.executable, "-m", "benchmarks.parse.small"]))[1]
    return "### 5,000 transcripts of 35 KB in one process\n\n" + out.decode()


def _start() -> str:
    path = FOLDER / "flat-tiny.json"
    small = path.with_name("start.json")
    text = path.read_text()
    small.write_text(text[: text.index("},", 30_000) + 1] + "]}")
    ours = [sys.executable, "-c", "from turnkeeper.cli import main; main()", "turns", str(small), "--head", "1"]
    times = {"msgspec": [timed([sys.executable, "-c", "import msgspec"])[0] for _ in range(15)]}
    times["turns"] = [timed(ours)[0] for _ in range(15)]
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
