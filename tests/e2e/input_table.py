"""Every verb that reads something x every kind of input that is not what it hoped for: what the user sees.

python -m tests.e2e.input_table [WORD …]      writes the table in docs/errors.md, or the rows of verbs with such a word
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.conftest import credentials
from turnkeeper.simulator import Simulation, serve

__all__ = ["INPUTS", "PAGE", "VERBS", "Cell", "Verb", "provoked", "table", "written"]

PAGE = Path(__file__).parents[2] / "docs/errors.md"
BEGIN, END = "<!-- verbs x inputs: made by python -m tests.e2e.input_table -->", "<!-- end of verbs x inputs -->"
NOBODY = "11111111-1111-4111-8111-111111111111"
INPUTS = ("empty", "processing", "unknown id", "foreign shape", "HTML")
_LONGEST = 150

FILES: Mapping[str, bytes] = {
    "empty": b"",
    "processing": b'{"status":"processing","transcript":[]}',
    "foreign shape": b'{"weather":{"today":"rain","wind":[1,2]}}',
    "HTML": b"<!doctype html>\n<html><body>Please sign in</body></html>\n",
}
FAULTS: Mapping[str, str] = {
    "empty": "empty-body",
    "processing": "forever-processing",
    "foreign shape": "unknown-shape",
    "HTML": "html-body",
}


@dataclass(frozen=True)
class Cell:
    """What one command ended with: its exit code and the words a person reads."""

    code: int
    words: str
    all_words: str

    def text(self) -> str:
        """As it stands in the table."""
        return f"**{self.code}** {self.words}".replace("|", "\\|").replace("[", "\\[").replace("<", "&lt;")


Run = Callable[..., Cell]


@dataclass(frozen=True)
class Verb:
    """A row: how the command is called, and what is provoked; None for an input that the verb cannot be given."""

    name: str
    provoke: Callable[[str, Path], Cell | None]


def _run(folder: Path, env: Mapping[str, str], *arguments: str) -> Cell:
    command = [sys.executable, "-m", "turnkeeper", *arguments]
    whole = {**os.environ, **env, "XDG_STATE_HOME": str(folder / "state"), "COLUMNS": "200"}
    done = subprocess.run(
        command,
        env=whole,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Cell(done.returncode, _words(done.stdout, done.stderr), done.stdout + done.stderr)


def _words(out: str, err: str) -> str:
    """The line that says what is the matter, and without one what a person reads last."""
    errors = [line for line in err.splitlines() if line.strip()]
    named = [line for line in errors if line.startswith("turnkeeper: ") or re.match(r"[\d,]+ (failed|kept|has)", line)]
    line = (named or errors[-1:] or _facts(out) or out.splitlines()[-1:] or [""])[0]
    masks = (
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"),
        (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
        (r"127\.0\.0\.1:\d+", "ADDRESS"),
        (r"(/[\w.-]+)+/(?=\w+)", ""),
        (r"\d+ s\b", "N s"),
        (r"[\d,]+ objects, [\d,]+ bytes", "N objects, N bytes"),
    )
    for pattern, mask in masks:
        line = re.sub(pattern, mask, line)
    line = line.removeprefix("turnkeeper: ").strip()
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "…"


def _facts(out: str) -> list[str]:
    """What a JSON document on standard output says first, in one line."""
    try:
        found = json.loads(out)
    except ValueError:
        return []
    return [json.dumps(found)] if isinstance(found, dict) else []


@contextmanager
def _platform(fault: str = "") -> Iterator[tuple[dict[str, str], list[str]]]:
    """A platform of six conversations with one fault: a user's environment there, and the ids."""
    chosen = frozenset({fault}) - {""}
    with serve(Simulation(seed=7, conversations=6, per_day=6, rate_limit=1_000_000, faults=chosen), port=0) as running:
        yield {**credentials(running), "GENESYS_API": "speech"}, running.conversation_ids


def _file(arguments: tuple[str, ...], kind: str, folder: Path) -> Cell | None:
    """A verb over a file: FILE stands for its name."""
    if kind not in FILES:
        return None
    (folder / "input").write_bytes(FILES[kind])
    return _run(folder, {}, *("input" if word == "FILE" else word for word in arguments))


def _ids(kind: str, folder: Path) -> Cell:
    """``export --ids``: the list itself is the input."""
    (folder / "input").write_bytes(FILES.get(kind, NOBODY.encode()))
    with _platform() as (env, _):
        return _run(folder, env, "export", "--ids", "input", "--to", "archive")


def _archive(arguments: tuple[str, ...], named: tuple[str, ...], kind: str, folder: Path) -> Cell | None:
    """A verb over an archive; ``named`` are the words that name one conversation (ID), for verbs that take one.

    Empty is a folder with nothing in it, processing an archive of which no transcript is ready, foreign shape a folder
    of somebody else, HTML an archive whose only body was a page of HTML.
    """
    env: dict[str, str] = {}
    words = arguments
    (folder / "archive").mkdir()
    if kind == "unknown id":
        if not named:
            return None
        with _platform() as (platform, ids):
            env = platform
            _run(folder, env, "get", ids[0], "--to", "archive", "-q")
            return _run(folder, env, *words, *(NOBODY if word == "ID" else word for word in named))
    if kind == "foreign shape":
        (folder / "archive/holiday").mkdir()
        (folder / "archive/holiday/weather.json").write_bytes(FILES[kind])
        return _run(folder, env, *words)
    if kind in ("processing", "HTML"):
        with _platform(FAULTS[kind]) as (env, ids):
            (folder / "one").write_text(ids[1])
            _run(folder, env, "export", "--ids", "one", "--to", "archive", "-q")
            return _run(folder, env, *words)
    return _run(folder, env, *words)


def _asked(arguments: tuple[str, ...], kind: str, folder: Path) -> Cell | None:
    """A verb that asks the platform about one conversation (ID) or a range."""
    one = "ID" in arguments
    if kind == "unknown id" and not one:
        return None
    with _platform(FAULTS.get(kind, "")) as (env, ids):
        name = ids[1] if kind in FAULTS else NOBODY
        return _run(folder, env, *(name if word == "ID" else word for word in arguments))


RANGE = ("--since", "2026-10-05", "--until", "2026-10-20")


def _retried(kind: str, folder: Path) -> Cell | None:
    """``retry`` after an export that met the same."""
    with _platform(FAULTS.get(kind, "")) as (env, _):
        if kind == "unknown id":
            (folder / "one").write_text(NOBODY)
            _run(folder, env, "export", "--ids", "one", "--to", "archive", "-q")
        else:
            _run(folder, env, "export", *RANGE, "--to", "archive", "-q")
        return _run(folder, env, "retry", "archive")


VERBS = (
    Verb("`turns FILE`", partial(_file, ("turns", "FILE"))),
    Verb("`audio FILE`", partial(_file, ("audio", "FILE"))),
    Verb("`clip FILE`", partial(_file, ("clip", "FILE", "--start", "0", "--end", "1", "--out", "c.wav"))),
    Verb("`doctor --shape FILE`", partial(_file, ("doctor", "--shape", "FILE"))),
    Verb("`export --ids FILE`", _ids),
    Verb("`get ID`", partial(_asked, ("get", "ID", "--to", "archive", "--wait", "0"))),
    Verb("`export --since …`", partial(_asked, ("export", *RANGE, "--to", "archive"))),
    Verb("`export --dry-run`", partial(_asked, ("export", *RANGE, "--dry-run"))),
    Verb("`doctor --shape ID`", partial(_asked, ("doctor", "--shape", "ID", "--wait", "0"))),
    Verb("`retry ARCHIVE`", _retried),
    Verb("`turns ARCHIVE`", partial(_archive, ("turns", "archive"), ("--conversation", "ID"))),
    Verb(
        "`clip ARCHIVE`",
        partial(_archive, ("clip", "archive", "--turn", "0", "--out", "c.wav"), ("--conversation", "ID")),
    ),
    Verb("`status ARCHIVE`", partial(_archive, ("status", "archive", "--no-ask"), ())),
    Verb("`verify ARCHIVE`", partial(_archive, ("verify", "archive"), ())),
    Verb("`audit ARCHIVE`", partial(_archive, ("audit", "archive"), ("--conversation", "ID"))),
    Verb("`reread ARCHIVE`", partial(_archive, ("reread", "archive"), ("ID",))),
    Verb("`report ARCHIVE`", partial(_archive, ("report", "archive", "--out", "pages"), ("ID",))),
    Verb("`erase ARCHIVE`", partial(_archive, ("erase", "archive", "--yes"), ("--conversation", "ID"))),
    Verb("`expire ARCHIVE`", partial(_archive, ("expire", "archive", "--older-than", "3650d"), ())),
)


def provoked(verb: Verb, kind: str) -> Cell | None:
    """Do it, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="turnkeeper-input-") as name:
        return verb.provoke(kind, Path(name))


def row(verb: Verb, cells: Mapping[str, Cell | None]) -> str:
    """One line of the table."""
    texts = [cell.text() if (cell := cells.get(kind)) else "" for kind in INPUTS]
    return "| " + " | ".join([verb.name, *texts]) + " |"


def rows_of(text: str) -> list[str]:
    """The lines of the table that stands in a page."""
    return text.partition(BEGIN)[2].partition(END)[0].strip().splitlines()[2:]


def table(text: str) -> dict[str, dict[str, str]]:
    """The table that stands in a page: verb -> input -> cell."""
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in rows_of(text)]
    return {cells[0]: dict(zip(INPUTS, cells[1:], strict=True)) for cells in rows}


def written(text: str, rows: list[str]) -> str:
    """A page with the table in it."""
    before, _, rest = text.partition(BEGIN)
    head = f"| verb | {' | '.join(INPUTS)} |\n|{' --- |' * (len(INPUTS) + 1)}"
    return "\n".join([before + BEGIN, "", head, *rows, "", END + rest.partition(END)[2]])


def main() -> None:
    """Provoke everything, or the verbs whose names hold one of the words given, and write their rows into the page."""
    words = sys.argv[1:]
    for verb in VERBS:
        if words and not any(word in verb.name for word in words):
            continue
        made = row(verb, {kind: provoked(verb, kind) for kind in INPUTS})
        print(made, flush=True)
        text = PAGE.read_text()
        stands = {line.split(" | ")[0].removeprefix("| "): line for line in rows_of(text)} | {verb.name: made}
        PAGE.write_text(written(text, [stands[one.name] for one in VERBS if one.name in stands]))


if __name__ == "__main__":
    main()
