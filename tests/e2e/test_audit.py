"""Who did what with an archive, from the command line; and what an erased call leaves behind, looked for by a scanner
that knows nothing of turnkeeper."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli, Platform, Ran, credentials
from tests.residue import residue


def lines(ran: Ran) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.out.splitlines()]


def chain(folder: Path) -> list[Path]:
    return sorted((folder / "_turnkeeper/audit/chain").rglob("*.json"))


@pytest.fixture
def archive(platform: Platform, cli: Cli, tmp_path: Path) -> tuple[Path, list[str], dict[str, str]]:
    """An archive of five calls, made by ``get`` and ``export``, and the environment that made it."""
    running = platform()
    names = list(running.conversation_ids[:5])
    (tmp_path / "ids").write_text("\n".join(names))
    env = credentials(running, XDG_STATE_HOME=str(tmp_path / "state"))
    cli("get", names[0], "--to", "archive", env=env, code=0)
    cli("export", "--to", "archive", "--ids", "ids", "--quiet", env=env)
    return tmp_path / "archive", names, env


def test_every_verb_that_touches_content_leaves_its_line(
    archive: tuple[Path, list[str], dict[str, str]], cli: Cli
) -> None:
    folder, names, env = archive
    cli("retry", "archive", "--quiet", env=env)
    cli("turns", "archive", "--head", "1", code=0)
    cli("turns", "archive", "--interaction", names[1], "--head", "1", code=0)
    cli("reread", "archive", "--every", code=0)
    cli("report", "archive", names[0], "--out", "call.html", code=0)
    cli("report", "archive", "--out", "pages", code=0)
    cli("clip", "archive", "--interaction", names[0], "--turn", "0", "--out", "turn.wav", code=3)
    cli("erase", "archive", "--conversation", names[0], "--yes", env=env, code=0)
    cli("expire", "archive", "--older-than", "3650d", env=env, code=0)
    for verb in (("verify",), ("status", "--no-ask"), ("reindex",)):
        cli(verb[0], "archive", *verb[1:], env=env)
    *told, summary = lines(cli("audit", "archive", "--json", code=0))
    assert [line["action"] for line in told] == [
        *(
            "get",
            "export begun",
            "export",
            "retry begun",
            "retry",
            "turns",
            "turns",
            "reread",
            "view",
            "report",
            "clip",
        ),
        *("erase begun", "erase", "expire begun", "expire"),
    ]
    assert (summary["lines"], summary["breaches"], summary["newest"]) == (15, 0, 15)
    export = next(line for line in told if line["action"] == "export")
    assert (folder / export["facts"]["run"]).is_file()
    assert sorted(told[1]["conversations"]) == sorted(names)
    people = cli("audit", "archive", "--conversation", names[1], code=0)
    assert "  view  " not in people.out
    assert f"  turns  {names[1]}" in people.out
    assert cli("audit", "archive", "--who", "nobody", "--json").json["shown"] == 0
    assert len(lines(cli("audit", "archive", "--since", "2020-01-01", "--who", told[0]["user"], "--json"))) == 16


def test_a_broken_chain_is_said_and_its_newest_line_is_missed_by_a_head_kept_apart(
    archive: tuple[Path, list[str], dict[str, str]], cli: Cli, tmp_path: Path
) -> None:
    folder, _, _ = archive
    for _ in range(2):
        cli("audit", "archive", "--head", "head.json", code=0)
    kept = (tmp_path / "head.json").read_text()
    first, second, last = chain(folder)
    taken = last.read_bytes()
    last.unlink()
    cli("audit", "archive", code=0)
    gone = cli("audit", "archive", "--head", "head.json", code=3)
    assert "wrong: line 3 is gone" in gone.err
    assert (tmp_path / "head.json").read_text() == kept
    last.write_bytes(taken)
    first.write_bytes(first.read_bytes().replace(b'"get"', b'"got"'))
    changed = lines(cli("audit", "archive", "--json", code=3))
    assert [(one["kind"], one["number"]) for one in changed if one["kind"] not in ("line", "summary")] == [
        ("changed", 1),
        ("changed", 2),
    ]
    second.unlink()
    assert "line 2 is gone" in cli("audit", "archive", code=3).err
    (tmp_path / "letter.txt").write_text("Dear Ada")
    cli("audit", "archive", "--head", "letter.txt", code=2)
    assert (tmp_path / "letter.txt").read_text() == "Dear Ada"


def test_where_no_line_can_be_written_nothing_is_changed_and_reading_warns(
    archive: tuple[Path, list[str], dict[str, str]], cli: Cli
) -> None:
    folder, names, env = archive
    shutil.rmtree(folder / "_turnkeeper/audit")
    (folder / "_turnkeeper/audit").write_text("a file where the lines would be")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for verb in (
        ("get", names[0], "--to", "archive"),
        ("export", "--to", "archive", "--ids", "ids"),
        ("retry", "archive"),
        ("reread", "archive", "--every"),
        ("erase", "archive", "--conversation", names[0], "--yes"),
        ("expire", "archive", "--older-than", "1d"),
    ):
        assert "_turnkeeper/audit/chain" in cli(*verb, env=env, code=1).err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    for verb in (("turns", "archive", "--head", "1"), ("report", "archive", names[0], "--out", "call.html")):
        assert "its audit has no line of this reading" in cli(*verb, code=0).err
        cli(*verb, "--require-audit", code=1)
    cli(*verb, env={"TURNKEEPER_REQUIRE_AUDIT": "1"}, code=1)


def test_what_a_line_says_reaches_no_terminal(cli: Cli, archive: tuple[Path, list[str], dict[str, str]]) -> None:
    folder, _, _ = archive
    forged = json.loads(chain(folder)[-1].read_text()) | {"user": "\x1b[31mred\u202e"}
    chain(folder)[-1].write_text(json.dumps(forged))
    shown = cli("audit", "archive", code=3)
    assert "\x1b" not in shown.out + shown.err
    assert "\u202e" not in shown.out
    assert r"\x1b[31mred" in shown.out


def texts(value: object) -> Iterator[str]:
    """Every text of a document that is long enough to be somebody's."""
    if isinstance(value, dict):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)
    elif isinstance(value, str) and len(value) >= 8:
        yield value


def test_the_scanner_finds_what_is_compressed_deleted_or_in_a_log(tmp_path: Path) -> None:
    """What finds nothing proves nothing, unless it would have found it."""
    (tmp_path / "a.gz").write_bytes(b"before" + gzip.compress(b"hidden-in-gzip"))
    (tmp_path / "b").write_bytes(zlib.compress(json.dumps("hidden-in-zlib é").encode()))
    pages = "hidden-across-pages" * 1000
    db = sqlite3.connect(tmp_path / "c.sqlite3", isolation_level=None)
    db.executescript("PRAGMA secure_delete = OFF; CREATE TABLE t (words); PRAGMA page_size")
    db.execute("INSERT INTO t VALUES ('hidden-in-free-page'), (?)", (pages,))
    db.execute("DELETE FROM t")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("INSERT INTO t VALUES ('hidden-in-log')")
    names = ["HIDDEN-in-gzip", "hidden-in-zlib é", "hidden-in-free-page", pages[:9000], "hidden-in-log", "not there"]
    assert set(residue([tmp_path], names)) == set(names[:-1])
    db.close()


def test_of_an_erased_call_its_id_is_all_that_is_left(
    archive: tuple[Path, list[str], dict[str, str]], cli: Cli, tmp_path: Path
) -> None:
    folder, names, env = archive
    said = {name: set[str]() for name in (*names, "names")}
    for path in [*folder.glob("raw/*/*/*.json"), *folder.glob("directory/*/*.json")]:
        owner = path.relative_to(folder).parts[1] if "raw" in path.parts else "names"
        said[owner] |= set(texts(json.loads(path.read_bytes())))
    victim = max(names, key=lambda name: len(said[name]))
    own = said[victim] - set.union(*(words for name, words in said.items() if name != victim)) - {victim}
    assert len(own) > 20
    places = [folder, tmp_path / "state"]
    before = residue(places, own)
    assert set(before) == own
    found = {path.relative_to(tmp_path).parts[:3] for files in before.values() for path in files}
    assert ("archive", "_turnkeeper", "states") in found
    assert any(path.name.endswith((".sqlite3", ".sqlite3-wal")) for files in before.values() for path in files)
    ran = cli("erase", "archive", "--conversation", victim, "--yes", "--proof", "proof.json", env=env, code=0)
    assert "erased" in ran.out
    proof = json.loads((tmp_path / "proof.json").read_text())
    assert (proof["proven"], len(proof["elsewhere"])) == (True, 3)
    assert residue([*places, tmp_path / "proof.json"], own) == {}
    left = residue([*places, tmp_path / "proof.json"], [victim])[victim]
    assert {path.relative_to(tmp_path).parts[:3] for path in left if "state" not in path.parts} == {
        ("proof.json",),
        *(("archive", "_turnkeeper", place) for place in ("tombstones", "states", "audit")),
    }
    cli("audit", "archive", code=0)
    cli("export", "--to", "archive", "--ids", "ids", "--quiet", env=env)
    assert residue(places, own) == {}
