"""Every fault at every stage of an export, provoked for real: what the user sees, and what running again does.

python -m tests.crash.fault_table      writes docs/faults.md
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.conftest import credentials
from tests.crash.small_disk import SmallDisk
from turnkeeper.cli.local_s3 import LocalS3
from turnkeeper.simulator import FAULTS, Simulation, serve

__all__ = ["CASES", "PAGE", "STAGES", "Case", "Row", "lines", "page", "provoked"]

PAGE = Path(__file__).parents[2] / "docs/faults.md"
NOW, SPAN = "2026-10-07T00:00:00Z", ("--since", "2026-10-05", "--until", "2026-10-06")
CALLS = 8
_OTHERS = "\n## A hostile platform\n"

_HEAD = """\
# Faults

This page shows what you see when something goes wrong, and what the same command does when you run it again. The
tests provoke each fault during a `turnkeeper export` of {calls} conversations and compare the output with this page.

- Exit codes: 0 done, 1 failed, 2 usage, 3 partly done (listed), 4 not allowed.
- *Again* is the same command a day later. Where a fix is named in parentheses, it was made before.
"""


@dataclass
class World:
    """One archive, one platform, and the environment of one user. A fault changes what it likes of it."""

    folder: Path
    stack: ExitStack
    env: dict[str, str]
    to: str
    options: tuple[str, ...] = ()
    run: Callable[[list[str], dict[str, str]], subprocess.CompletedProcess[str]] = field(
        default=lambda c, e: _run(c, e)
    )
    s3: LocalS3 | None = None
    disk: SmallDisk | None = None

    def export(self) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "turnkeeper", "export", "--to", self.to, *SPAN, *self.options]
        return self.run(command, self.env)

    @property
    def ledger(self) -> Path:
        found = list(Path(self.env["XDG_STATE_HOME"]).rglob("*.sqlite3"))
        return max(found, key=lambda path: path.stat().st_size)


Change = Callable[[World], Any]


@dataclass(frozen=True)
class Case:
    """A fault: the simulator's (``faults``), or one made by hand (``spoil``, undone by ``mend``)."""

    stage: str
    fault: str
    faults: str = ""
    spoil: Change | None = None
    mend: Change | None = None
    mended: str = ""
    calls: int = CALLS
    giant_mb: int = 0
    options: tuple[str, ...] = ()
    api: str = "speech"


@dataclass(frozen=True)
class Row:
    """One line of the page."""

    case: Case
    seen: str
    hint: str
    code: int
    again: str
    words: str

    def line(self) -> str:
        """As it stands in the page."""
        case = self.case
        seen = f"{self.seen}<br>*{self.hint}*" if self.hint else self.seen
        again = f"({case.mended}) {self.again}" if case.mended else self.again
        fault = f"{case.fault} (`{case.faults}`)" if case.faults else case.fault
        return "| " + " | ".join(_cell(text) for text in (fault, seen, str(self.code), again)) + " |"


def _run(command: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=240, check=False)


def _set(**values: str) -> Change:
    return lambda world: world.env.update(values)


def _unset(name: str) -> Change:
    return lambda world: world.env.pop(name)


def _nowhere(world: World) -> None:
    world.env["WAS"] = world.env["GENESYS_BASE_URL"]
    world.env["GENESYS_BASE_URL"] = "http://127.0.0.1:9"


def _somewhere(world: World) -> None:
    world.env["GENESYS_BASE_URL"] = world.env["WAS"]


def _bucket(name: str = "calls") -> Change:
    def change(world: World) -> None:
        world.s3 = world.stack.enter_context(LocalS3(["calls"], folder=world.folder / "weed"))
        world.env |= world.s3.environment()
        world.to = f"s3://{name}/archive"

    return change


def _wrong_key(world: World) -> None:
    _bucket()(world)
    world.env["AWS_SECRET_ACCESS_KEY"] = "wrong"


def _right_key(world: World) -> None:
    assert world.s3
    world.env |= world.s3.environment()


def _stopped(world: World) -> None:
    _bucket()(world)
    assert world.s3
    world.s3.kill()


def _started(world: World) -> None:
    assert world.s3
    world.s3.start()


def _small(size: str, what: str) -> Change:
    """The archive, the ledger or the spool on a disk that is nearly full."""

    def change(world: World) -> None:
        disk = world.disk = world.stack.enter_context(SmallDisk(world.folder / "disk", size))
        world.run = disk.run
        if what == "archive":
            world.to = str(disk.folder / "archive")
        else:
            world.env[what] = str(disk.folder)

    return change


def _read_only(what: str) -> Change:
    def change(world: World) -> None:
        _small("10m", what)(world)
        assert world.disk
        world.disk.protect()

    return change


def _larger(world: World) -> None:
    assert world.disk
    world.disk.resize("100m")


def _other_organisation(world: World) -> None:
    note = Path(world.to) / "_turnkeeper/archive.json"
    note.parent.mkdir(parents=True)
    note.write_text(
        '{"format":"turnkeeper.archive/1","created":"2026-01-01T00:00:00.000Z","organisation":"somebody-else"}'
    )


def _without_note(world: World) -> None:
    shutil.rmtree(world.to)


def _file_for(folder: str) -> Change:
    def change(world: World) -> None:
        path = Path(world.to) / folder
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("not a folder")

    return change


def _no_file_for(folder: str) -> Change:
    return lambda world: (Path(world.to) / folder).unlink()


def _spoiled_manifest(world: World) -> None:
    """One conversation's manifest is garbage, and the ledger is lost, so that it is looked at again."""
    world.export()
    _first_manifest(world).write_bytes(b"\x00garbage")
    _forget(world)
    shutil.rmtree(Path(world.to) / "_turnkeeper/states")


def _restored_manifest(world: World) -> None:
    _first_manifest(world).unlink()


def _first_manifest(world: World) -> Path:
    return min(Path(world.to).glob("manifests/*/000001.json"))


def _spoiled_states(world: World) -> None:
    world.export()
    _newest_states(world).write_bytes(b"garbage")
    _forget(world)


def _removed_states(world: World) -> None:
    _newest_states(world).unlink()


def _newest_states(world: World) -> Path:
    return max(Path(world.to).glob("_turnkeeper/states/*/*.json"))


def _killed(world: World) -> None:
    """kill -9 after the second manifest."""
    command = [sys.executable, "-m", "turnkeeper", "export", "--to", world.to, *SPAN, "--concurrency", "1", "-q"]
    with subprocess.Popen(command, env=world.env, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and len(list(Path(world.to).glob("manifests/*"))) < 2:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)


def _forget(world: World) -> None:
    shutil.rmtree(world.env["XDG_STATE_HOME"])


def _after_a_run(change: Change) -> Change:
    def after(world: World) -> None:
        world.export()
        change(world)

    return after


def _corrupt(world: World) -> None:
    for path in (world.ledger, Path(f"{world.ledger}-wal")):
        if path.exists():
            path.write_bytes(b"garbage" * 1000)


def _drop_ledger(world: World) -> None:
    for path in world.ledger.parent.glob(f"{world.ledger.name}*"):
        path.unlink()


def _from_the_future(world: World) -> None:
    with sqlite3.connect(world.ledger) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()


def _erased(world: World) -> None:
    world.export()
    one = _first_manifest(world).parent.name
    done = world.run([sys.executable, "-m", "turnkeeper", "erase", world.to, "--conversation", one, "--yes"], world.env)
    assert done.returncode == 0, done.stderr
    _forget(world)


_OFF = "the fault is over"

STAGES = ("token", "discovery", "url", "download", "parse", "upload", "manifest", "ledger")
CASES: tuple[Case, ...] = (
    Case("token", "the secret is wrong", spoil=_set(GENESYS_CLIENT_SECRET="wrong"), mended="the right secret"),
    Case("token", "no secret is set", spoil=_unset("GENESYS_CLIENT_SECRET"), mended="a secret"),
    Case("token", "the client is of another region", "wrong-region", mended="the right region"),
    Case("token", "tokens are issued and never accepted", "token-dead", mended=_OFF),
    Case("token", "nobody answers at the platform's address", spoil=_nowhere, mend=_somewhere, mended="the address"),
    Case("token", "tokens expire again and again", "token-expiry=30"),
    Case("token", "the clocks are an hour apart", "clock-skew"),
    Case("discovery", "every first request fails (500, 503, 504)", "server-error"),
    Case("discovery", "every first request meets a proxy's page (502)", "html-error"),
    Case("discovery", "every fifth request is throttled (429)", "throttle"),
    Case("discovery", "throttled without Retry-After", "throttle-bare"),
    Case("discovery", "the whole organisation is throttled", "tenant-throttle"),
    Case("discovery", "everything is throttled, for ever", "throttle-forever", mended=_OFF),
    Case("discovery", "a details job fails", "job-failed", options=("--by", "jobs")),
    Case("discovery", "a details job's results expire", "job-expired", options=("--by", "jobs")),
    Case("discovery", "the data lake is three days behind", "stale-watermark", options=("--by", "jobs")),
    Case("discovery", "there is no transcript search", "search-missing"),
    Case("discovery", "names of users and queues are denied", "denied-users"),
    Case("url", "transcripts are denied", "denied", mended="the role"),
    Case("url", "not ready the first two times", "not-ready"),
    Case("url", "never ready", "forever-processing"),
    Case("url", "the media dialect's first answer is empty", "empty-first", api="media"),
    Case("url", "a second leg comes an hour late", "late-second-leg"),
    Case("url", "there is no speech dialect, and it was asked for", "speech-missing", mended="`--api auto`"),
    Case("download", "the first link has expired", "expired-link"),
    Case("download", "the first link's token has expired", "expired-token-link"),
    Case("download", "the first link is gone (410)", "gone-link"),
    Case("download", "every link is dead", "dead-link", mended=_OFF),
    Case("download", "downloads are redirected", "redirect"),
    Case("download", "bodies come compressed", "gzip"),
    Case("download", "bodies drip slowly", "slow-drip"),
    Case("download", "the connection breaks once", "cut-body"),
    Case("download", "it breaks, and the document has changed meanwhile", "cut-body-changed"),
    Case("download", "it breaks, and storage resumes nothing", "no-range"),
    Case("download", "it breaks every time", "cut-body=1000", mended=_OFF),
    Case(
        "download", "the spool's disk is full", spoil=_small("800k", "TMPDIR"), mend=_larger, mended="room", giant_mb=3
    ),
    Case("parse", "the document stops in the middle", "truncated-json"),
    Case("parse", "it is another conversation's", "wrong-conversation"),
    Case("parse", "it is not UTF-8", "invalid-utf8"),
    Case("parse", "it is nested 100,000 levels deep", "deep-nesting"),
    Case("parse", "its keys are unknown", "unknown-shape"),
    Case("parse", "it is of a future version", "extra-shape"),
    Case("parse", "a number is NaN", "nan"),
    Case("parse", "a turn ends before it starts", "end-before-start"),
    Case("parse", "a time is an object", "wrong-type"),
    Case("parse", "a page of HTML came instead", "html-body"),
    Case("parse", "nothing came (0 bytes)", "empty-body"),
    Case("upload", "the folder is read-only", spoil=_read_only("archive"), mend=_larger, mended="writable"),
    Case("upload", "the archive's disk is full", spoil=_small("400k", "archive"), mend=_larger, mended="room"),
    Case(
        "upload", "a file stands where a folder should", spoil=_file_for("raw"), mend=_no_file_for("raw"), mended=_OFF
    ),
    Case("upload", "the object store is down", spoil=_stopped, mend=_started, mended="it is up again"),
    Case("upload", "the bucket does not exist", spoil=_bucket("nowhere"), mended="the right bucket"),
    Case("upload", "the store's secret is wrong", spoil=_wrong_key, mend=_right_key, mended="the right secret"),
    Case(
        "upload",
        "the archive is another organisation's",
        spoil=_other_organisation,
        mend=_without_note,
        mended="another",
    ),
    Case("upload", "a conversation was erased, and the ledger lost", spoil=_erased),
    Case("manifest", "killed (kill -9) in the middle", spoil=_killed),
    Case(
        "manifest",
        "a file stands where manifests should",
        spoil=_file_for("manifests"),
        mend=_no_file_for("manifests"),
        mended=_OFF,
    ),
    Case(
        "manifest",
        "one is damaged, index and ledger are lost",
        spoil=_spoiled_manifest,
        mend=_restored_manifest,
        mended="restored or removed",
    ),
    Case("ledger", "its folder is read-only", spoil=_read_only("XDG_STATE_HOME"), mend=_larger, mended="writable"),
    Case("ledger", "its disk is full", spoil=_small("80k", "XDG_STATE_HOME"), mend=_larger, mended="room"),
    Case("ledger", "its file is damaged", spoil=_after_a_run(_corrupt), mend=_drop_ledger, mended="removed"),
    Case(
        "ledger", "it is of a newer version", spoil=_after_a_run(_from_the_future), mend=_drop_ledger, mended="removed"
    ),
    Case("ledger", "it is lost", spoil=_after_a_run(_forget)),
    Case(
        "ledger",
        "lost, and the archive's index is damaged",
        spoil=_spoiled_states,
        mend=_removed_states,
        mended="removed",
    ),
)


def provoked(case: Case, folder: Path) -> Row:
    """Do it, and run again."""
    with ExitStack() as stack:
        running = stack.enter_context(_platform(case, case.faults, NOW))
        env = {**os.environ, **credentials(running), "GENESYS_API": case.api, "XDG_STATE_HOME": str(folder / "state")}
        (folder / "state").mkdir(parents=True)
        world = World(folder, stack, env, str(folder / "archive"), case.options)
        usual = dict(env)
        if case.spoil:
            case.spoil(world)
        ran = world.export()
        if case.mended:
            if case.mend:
                case.mend(world)
            elif case.spoil:
                world.env, world.to = usual, str(folder / "archive")
            else:
                world.env |= credentials(stack.enter_context(_platform(case, "", NOW)))
                world.env["GENESYS_API"] = "auto"
        _tomorrow(world.env["TURNKEEPER_CLOCK_URL"])
        again = world.export()
    seen, hint = _words(ran)
    return Row(case, _masked(seen, folder), _masked(hint, folder), ran.returncode, _again(again, folder), ran.stderr)


def _platform(case: Case, faults: str, now: str) -> Any:
    chosen = frozenset(faults.split(",")) - {""}
    assert {name.partition("=")[0] for name in chosen} <= FAULTS.keys()
    simulation = Simulation(
        seed=7,
        conversations=case.calls,
        per_day=case.calls + 1,
        rate_limit=1_000_000,
        faults=chosen,
        now=datetime.fromisoformat(now),
        giant_mb=case.giant_mb,
    )
    return serve(simulation)


def _tomorrow(clock_url: str) -> None:
    body = json.dumps({"advance": 86_400}).encode()
    urllib.request.urlopen(urllib.request.Request(clock_url, data=body)).close()


def _words(ran: subprocess.CompletedProcess[str]) -> tuple[str, str]:
    """What a person reads at the end: the line, and the mend under it."""
    lines = ran.stderr.splitlines()
    told = [line for line in lines if line.startswith("turnkeeper: ") or re.match(r"[\d,]+ (failed|kept)", line)]
    if not told:
        return "; ".join([_done(ran.stdout), *lines[-2:]]), ""
    hint = lines[lines.index(told[0]) + 1 :][:1]
    return told[0].removeprefix("turnkeeper: "), hint[0].strip() if hint and hint[0].startswith("  ") else ""


def _done(stdout: str) -> str:
    report = json.loads(stdout)
    states = report.get("states", {})
    return ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "nothing"


def _again(ran: subprocess.CompletedProcess[str], folder: Path) -> str:
    if not ran.stdout:
        return "the same"
    report = json.loads(ran.stdout)
    visited = report.get("visited", 0)
    return f"{'visits ' + str(visited) if visited else 'asks for none'}: {_done(ran.stdout)}" + (
        f" (exit {ran.returncode})" if ran.returncode else ""
    )


_MASKS = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (r"(127\.0\.0\.1|localhost):\d+", "ADDRESS"),
    (r"write (raw|manifests|transcripts|summaries|directory|_turnkeeper/states)/\S+:", "write KEY:"),
    (r"byte \d+", "byte N"),
    (r"received \d+ bytes, expected \d+", "received N bytes, expected N"),
    (r"[0-9a-f]{16}", "HASH"),
    (r"; context ID", ""),
    (r"\d+(\.\d+)? s\b", "N s"),
)


def _masked(text: str, folder: Path) -> str:
    text = text.replace(str(folder), "…")
    for pattern, mask in _MASKS:
        text = re.sub(pattern, mask, text)
    return text


def page(told: Mapping[str, list[str]]) -> str:
    """The whole page, of the lines by stage."""
    text = _HEAD.format(calls=CALLS)
    for stage in STAGES:
        head = f"\n## {stage.capitalize()}\n\n| fault | what you see | exit | again |\n| --- | --- | --- | --- |\n"
        text += head + "".join(line + "\n" for line in told.get(stage, ()))
    return text


def lines(text: str) -> dict[str, list[str]]:
    """The lines of a page, by stage."""
    parts = text.partition(_OTHERS)[0].split("\n## ")[1:]
    return {part.partition("\n")[0].lower(): part.splitlines()[4:] for part in parts}


def _others() -> str:
    """What ``python -m tests.hostile`` writes behind these lines."""
    return "".join(PAGE.read_text().partition(_OTHERS)[1:])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("[", "\\[").replace("\n", " ")


def main() -> None:
    """Provoke all, or the faults of the stages named, and write their lines into the page."""
    stages = sys.argv[1:] or list(STAGES)
    told = lines(PAGE.read_text()) if PAGE.exists() else {}
    for stage in stages:
        told[stage] = []
        for case in CASES:
            if case.stage == stage:
                with tempfile.TemporaryDirectory(prefix="turnkeeper-fault-") as name:
                    row = provoked(case, Path(name))
                print(f"{stage}: {row.line()}", flush=True)
                told[stage].append(row.line())
        PAGE.write_text(page(told) + _others())


if __name__ == "__main__":
    main()
