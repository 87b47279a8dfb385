"""Write ``tests/data/before-move``: what users had before the move, as the code of before the move wrote it.

It was made from a checkout of the last commit before the move, by that checkout's own interpreter, in this folder:
``CHECKOUT/.venv/bin/python -m tests.before_move.record --commit HASH``. With a later commit it would record what the
tests are to find, so run it again with that commit only. ``made.json`` says which one it is.

==================  ================================================================================================
archive/            eight conversations of the simulator with seed 7 and one sample call with its two recordings: done,
                    absent, unread, erased (a tombstone), names, index, audit, run reports
ledger-3.sqlite3    the queue of the exports into it, in which one is failed and two are asked for again
profiles.toml       an organisation, as docs/organisations.md says to write it
options.json        every verb with its options, what their values are, and the values allowed
variables.json      the environment variables that help and docs/cli.md name
documents.json      by verb the keys of its JSON, the fields of its events, and the exit code
metrics.json        the names of ``status --openmetrics``
public.json         the names of ``import turnkeeper``: attributes, methods, parameters
exit-codes.json     by code what docs/cli.md says it means
docs/               the blocks of code of README.md and docs/, by page
==================  ================================================================================================
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import turnkeeper as tk
from tests.before_move import promises
from tests.before_move.promises import NOW, credentials, platform, turnkeeper

DATA = Path(__file__).parents[1] / "data/before-move"
CALLS = {
    "plain": "d405543d-1d87-48c4-aa8b-bf90b16996c1",
    "transferred": "80b87f3f-7a77-4419-bdb7-e15c1f7e4f06",
    "unread": "409b1c7d-4eb9-45ed-ae7a-c046083900fb",
    "late": "27e69b39-67b6-4d74-82d9-b9ea9630cc11",
    "absent": "6bd306ce-4101-41ab-9e7a-ba20aa525b7b",
    "erased": "2582a731-b11f-4981-9734-ab080481da07",
    "failed": "fe67a89b-39c9-444e-bd48-bba6fd2ac0a4",
    "spoken": "9cd5eab3-2cd7-4803-aa8b-7dec4b5b1ddc",
}
LATER = "2026-10-07T01:00:00"
PROFILE = """\
[acme]
base_url = "http://127.0.0.1:1"
client_id = "4d7c4dd6-1f9a-4b0c-9a55-6d1b2f0a7c11"
client_secret_env = "ACME_SECRET"
archive = "acme-archive"
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commit", required=True, help="the commit whose turnkeeper this interpreter has")
    commit = parser.parse_args().commit
    assert tk.__file__
    checkout = Path(tk.__file__).parents[2]
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir(parents=True)
    (DATA / "profiles.toml").write_text(PROFILE)
    _write("made", {"commit": commit, "version": tk.__version__})
    _record_archive()
    _record_promises(checkout)
    _record_pages(checkout)


def _write(name: str, value: object) -> None:
    (DATA / f"{name}.json").write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def _record_archive() -> None:
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        archive = home / "archive"
        first, last = home / "first.txt", home / "last.txt"
        first.write_text(
            "\n".join(CALLS[name] for name in ("plain", "transferred", "unread", "late", "absent", "erased"))
        )
        last.write_text(CALLS["failed"])
        with platform("--conversations", "25", "--calls", "--now", NOW) as running:
            _run(running, home, "export", "--to", "archive", "--ids", "first.txt", code=3)  # one is unread
            _run(running, home, "get", CALLS["spoken"], "--to", "archive", "--audio")
            _run(running, home, "erase", "archive", "--conversation", CALLS["erased"], "--yes")
            _run(running, home, "turns", "archive", "--conversation", CALLS["plain"])
        with platform("--conversations", "25", "--calls", "--now", LATER, "--faults", "dead-link") as running:
            _run(running, home, "export", "--to", "archive", "--ids", "last.txt", code=3)
        shutil.copytree(archive, DATA / "archive")
        (ledger,) = (home / "state/turnkeeper").glob("*.sqlite3")
        shutil.copy(ledger, DATA / "ledger-3.sqlite3")


def _run(running: Any, home: Path, *arguments: str, code: int = 0) -> None:
    done = turnkeeper(*arguments, env=credentials(running, home), cwd=home)
    assert done.returncode == code, f"{arguments}: exit {done.returncode}: {done.stderr}"


def _record_promises(checkout: Path) -> None:
    _write("options", {verb: promises.options(verb) for verb in promises.verbs()})
    page = checkout / "docs/cli.md"
    _write("variables", promises.variables(page))
    _write("public", promises.public())
    codes = re.findall(r"^\| (\d+) \| (.*) \|$", page.read_text().partition("## Exit codes")[2], re.M)
    _write("exit-codes", dict(codes))
    with tempfile.TemporaryDirectory() as place:
        _write("documents", promises.documents(Path(place)))
        _write("metrics", promises.metrics(Path(place, "metrics.prom").read_text()))


def _record_pages(checkout: Path) -> None:
    """The blocks of code of each page, in their order, without prose and without what makes a checkout's own venv."""
    (DATA / "docs").mkdir()
    for page in [checkout / "README.md", *sorted((checkout / "docs").glob("*.md"))]:
        text = re.sub(r"^(?:make |python3 -m venv|\.venv/|\. \.venv/).*\n", "", page.read_text(), flags=re.M)
        blocks = re.findall(r"^```(?:bash|sh|python|crontab|ini|toml|json)\n.*?^```$", text, re.M | re.S)
        if blocks:
            (DATA / "docs" / page.name).write_text("\n\n".join(blocks) + "\n")


if __name__ == "__main__":
    main()
