"""K3, the environment: the user's machine, its terminal, its disks and its clock."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import sqlite3
import stat
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path

from tests.crash.small_disk import SmallDisk
from tests.field.case import Verdict, case
from tests.field.spoiled import Answer, Request
from tests.field.world import SPAN, Ran, World

NARROW = 40
STRANGER = ("unshare", "--user", "--map-user=54321", "--map-group=54321")
"""Another user, whom no passwd file knows, as in a container under any number."""


def _modes(folder: Path) -> set[str]:
    """Kind and permissions of everything in a folder, and of itself."""
    found = [folder, *folder.rglob("*")]
    return {f"{'d' if path.is_dir() else 'f'}{stat.S_IMODE(path.stat().st_mode):04o}" for path in found}


@case("K3", "cli", "inf, nan, 1e400 and 20 digits for times and counts of seven verbs", "exit 2, naming the option")
def numbers_that_are_none(world: World) -> Verdict:
    sound = world.file("a.wav", b"RIFF")
    tried = [
        ("turns", sound, "--after", "inf"),
        ("get", "x", "--poll", "nan"),
        ("clip", sound, "--out", "b.wav", "--start", "nan"),
        ("clip", sound, "--out", "b.wav", "--end", "1e400"),
        ("turns", sound, "--sample-rate", "9" * 20),
        ("export", "--to", "a", "--last", "9" * 20 + "d"),
        ("simulate", "--rate-window", "inf"),
        ("status", "a", "--body-timeout", "inf"),
    ]
    runs = [(words[-2], world.cli(*words)) for words in tried]
    ok = all(ran.code == 2 and option in ran.err for option, ran in runs)
    return Verdict(ok, " / ".join(f"{option} {ran.code}" for option, ran in runs))


@case(
    "K3",
    "archive",
    "umask 022: get --audio, export, report, erase --proof; then --shared",
    "folders 0700 and files 0600 everywhere; with --shared 0770 and 0660; doctor sees an older, wider one",
)
def files_of_its_user_alone(world: World) -> Verdict:
    platform = world.platform()
    before = os.umask(0o022)
    try:
        world.cli("get", platform.ids[0], "--to", "archive", "--audio", "--quiet")
        world.export()
        world.cli("report", "archive", "--out", "pages")
        world.cli("erase", "archive", "--conversation", platform.ids[0], "--yes", "--proof", "proofs.json")
        world.cli("get", platform.ids[0], "--to", "ours", "--quiet", "--shared")
        own = set().union(*(_modes(world.folder / name) for name in ("archive", "pages", "state", "proofs.json")))
        group = _modes(world.folder / "ours")
        (world.folder / "archive").chmod(0o755)
        doctor = world.cli("doctor", "--to", "archive")
    finally:
        os.umask(before)
    found = re.search(r"note +archive: permissions +0755: everybody", doctor.out)
    ok = own == {"d0700", "f0600"} and group == {"d0770", "f0660"} and bool(found)
    return Verdict(ok, f"{sorted(own)}, shared {sorted(group)}; doctor {'says so' if found else 'silent'}")


@case("K3", "cli", "a system without fcntl, such as Windows; get", "a sentence naming the systems, exit 2")
def another_system(world: World) -> Verdict:
    code = "import sys; sys.modules['fcntl'] = None; from turnkeeper.cli import main; main(['get', 'x'])"
    ran = world.python(code)
    return Verdict(ran.code == 2 and "Linux and macOS" in ran.err and len(ran.err.splitlines()) == 1, ran.now)


def _screen(written: str, width: int) -> list[str]:
    """The lines that a terminal shows: it knows ends of lines, and one that is erased to its right."""
    lines, row, column = [""], 0, 0
    for found in re.finditer(r"\x1b\[K|.", written, re.DOTALL):
        text = found[0]
        if text == "\x1b[K":
            lines[row] = lines[row][:column]
        elif text == "\r":
            column = 0
        else:
            if text == "\n" or column == width:
                row, column = row + 1, column if text == "\n" else 0
                lines += [""] * (row + 1 - len(lines))
            if text != "\n":
                lines[row] = (lines[row].ljust(column) + text)[: column + 1] + lines[row][column + 1 :]
                column += 1
    return lines


def _in_terminal(world: World, width: int, *arguments: str) -> tuple[int, str]:
    """Run the command line in a terminal of so many columns: its exit code, and all that it wrote."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    environment = world.environment({"COLUMNS": str(width)})
    command = [*world.command, *arguments]
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, cwd=world.folder, env=environment)
    os.close(theirs)
    written = b""
    try:
        while block := os.read(ours, 65536):
            written += block
    except OSError:
        pass  # so a terminal ends whose program has ended
    os.close(ours)
    world.ran.append(Ran(process.wait(60), "", written.decode()))
    return process.returncode, written.decode()


@case(
    "K3",
    "cli",
    "export in a terminal of 40 columns, narrower than its line of progress",
    "one line that is taken away again; the report begins in a line of its own, and no line is left",
)
def narrow_terminal(world: World) -> Verdict:
    world.platform(conversations=60)
    code, written = _in_terminal(world, NARROW, "export", "--to", "archive", *SPAN)
    shown = _screen(written, NARROW)
    drawn = [part.partition("\r")[0] for part in written.split("\r\x1b[K") if " visited" in part]
    cut = bool(drawn) and all(len(one) < NARROW for one in drawn)
    left = [line for line in shown if " visited" in line or "to go" in line]
    ok = code in (0, 3) and cut and not left and shown[0] == "{"
    return Verdict(ok, f"exit {code}; {len(drawn)} drawn, {len(left)} left; the report begins with {shown[0][:40]!r}")


JOURNALD = """
import os
found = os.fstat(2)
os.environ["JOURNAL_STREAM"] = f"{found.st_dev}:{found.st_ino}"
from turnkeeper.cli import main
main(["verify", "archive", "--log-format", "json"])
"""


def _as_lines(text: str) -> list[dict[str, object]]:
    """Each line as the JSON that it is."""
    found = [json.loads(line) for line in text.splitlines()]
    if not all(isinstance(one, dict) for one in found):
        raise ValueError("a line of JSON that is no object")
    return found


@case(
    "K3",
    "cli",
    "export --json, export --log-format json that is refused, verify --log-format text, and into journald",
    "every line of both streams is JSON, every event has `at`; text has time, level and run; journald gets priorities",
)
def every_line_is_json(world: World) -> Verdict:
    world.platform("throttle=3")
    ran = world.cli("export", "--to", "archive", *SPAN, "--json")
    refused = world.cli("export", "--to", "archive", "--last", "soon", TURNKEEPER_LOG_FORMAT="json")
    text = world.cli("verify", "archive", "--log-format", "text")
    journal = world.python(JOURNALD)
    events, report, errors = _as_lines(ran.err), _as_lines(ran.out), _as_lines(refused.err)
    timed = all(
        datetime.fromisoformat(str(one["at"])).tzinfo and one["level"] and one["run"] for one in events + errors
    )
    known = {"Settled", "Progressed", "Retried"} <= {one.get("event") for one in events}
    plain = all(re.match(r"[0-9-]{10}T[0-9:.]{12}Z info run=[0-9a-f]{8} ", line) for line in text.err.splitlines())
    levels = bool(journal.err) and all(line.startswith('<6>{"at":') for line in journal.err.splitlines())
    failed = refused.code == 2 and errors[-1]["level"] == "error" and "hint" in errors[-1]
    ok = timed and known and len(report) == 1 and failed and plain and bool(text.err) and levels
    return Verdict(ok, f"{len(events)} events, {len(report)} report; refused: {refused.now}; text: {text.now}")


@case("K3", "cli", "SIGTERM while demo runs; while get waits", "as Ctrl-C: exit 130, no server and no folder left")
def stopped_by_sigterm(world: World) -> Verdict:
    platform = world.platform("forever-processing")
    place = world.folder / "tmp"
    place.mkdir()
    del world.env["TURNKEEPER_CLOCK_URL"]
    waiting = ("get", platform.ids[0], "--to", "archive", "--wait", "600")
    demo = _terminated(world, ("demo",), lambda: bool(list(place.glob("*/data/*"))), {"TMPDIR": str(place)})
    get = _terminated(world, waiting, lambda: bool(platform.spoiled.asked))
    left = [*place.iterdir(), *world.folder.glob("turnkeeper-demo*"), *world.folder.glob("archive/manifests/*")]
    orphans = [one for one in Path("/proc").glob("[0-9]*/cmdline") if str(place).encode() in _command_of(one)]
    ok = demo.code == get.code == 130 and not left and not orphans
    return Verdict(ok, f"demo {demo.now}; get {get.now}; {len(left)} left, {len(orphans)} orphans")


def _terminated(world: World, words: tuple[str, ...], begun: Callable[[], bool], more: Mapping[str, str] = {}) -> Ran:
    """Start a command, end it politely once it has begun."""
    process = subprocess.Popen(
        [*world.command, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=world.folder,
        env=world.environment(more),
    )
    while process.poll() is None and not begun():
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    world.ran.append(Ran(process.returncode, out, err))
    return world.ran[-1]


def _command_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _as_stranger(world: World, *arguments: str, **env: str) -> Ran:
    command, world.command = world.command, (*STRANGER, *world.command)
    try:
        return world.cli(*arguments, **env)
    finally:
        world.command = command


@case(
    "K3 bad input",
    "cli",
    "no HOME; a HOME that is read-only; a user whom no passwd file knows; ~ for that user",
    "it works, or a sentence that names what to set, exit 2",
)
def homeless(world: World) -> Verdict:
    platform = world.platform()
    get = ("get", platform.ids[0], "--quiet", "--to")
    works = world.cli(*get, "one", HOME="", XDG_STATE_HOME="")
    queue = world.cli("export", "--to", "one", *SPAN, "-q", HOME="", XDG_STATE_HOME="")
    (world.folder / "locked").mkdir(mode=0o555)
    locked = {"HOME": str(world.folder / "locked"), "XDG_STATE_HOME": ""}
    read_only = _as_stranger(world, "export", "--to", "two", *SPAN, "-q", **locked)
    stranger = _as_stranger(world, *get, "two", HOME="/", XDG_STATE_HOME="")
    # Without HOME its home is looked up, and there is none.
    tilde = _as_stranger(
        world, *get, "two", HOME="/", GENESYS_CLIENT_SECRET="", GENESYS_CLIENT_SECRET_FILE="~nobody-x/s"
    )
    refused = all(ran.code == 2 and "XDG_STATE_HOME" in ran.err for ran in (queue, read_only))
    named = tilde.code == 2 and "GENESYS_CLIENT_SECRET_FILE" in tilde.err
    ok = works.code == stranger.code == 0 and refused and named
    return Verdict(ok, f"{works.code} {queue.code} {read_only.code} {stranger.code} {tilde.code}; {tilde.now}")


@case("K3 bad input", "cli", "the locale C; turns, export --help", "every alphabet as UTF-8, exit 0")
def locale_c(world: World) -> Verdict:
    bare = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    document = {"conversationId": "0c", "transcript": [{"text": "ñandú 日本", "start_time": 1, "end_time": 2}]}
    place = world.file("ñ.json", document)
    lines, text = world.cli("turns", place, **bare), world.cli("turns", place, "--format", "txt", **bare)
    more = world.cli("export", "--help", **bare)
    ok = lines.texts == ["ñandú 日本"] and "ñandú 日本" in text.out and more.code == 0 and "╭" in more.out
    return Verdict(ok and lines.code == text.code == 0, f"{lines.now}; {more.code}")


@case(
    "K3 bad input",
    "runs",
    "a clock two days behind the platform's; doctor",
    "the row of the clock fails, with its mend",
)
def clock_two_days_off(world: World) -> Verdict:
    def ahead(_request: Request, answer: Answer) -> None:
        date = next((name for name in answer.headers if name.lower() == "date"), "Date")
        moment = parsedate_to_datetime(answer.headers.get(date, "Wed, 07 Oct 2026 00:00:00 GMT"))
        answer.headers[date] = format_datetime(moment + timedelta(days=2), usegmt=True)

    world.platform(change=ahead)
    ran = world.cli("doctor")
    row = next((line for line in ran.out.splitlines() if line[6:].startswith("clock ")), "")
    return Verdict(ran.code == 3 and row.startswith("FAIL") and "-172800 s" in row and "NTP" in ran.out, row or ran.now)


BACKWARDS = """
import turnkeeper as tk, datetime as dt
class Back(tk.ManualClock):
    looks = 0
    def now(self):
        self.looks += 1
        return super().now() - dt.timedelta(hours=self.looks > 12)
span = tk.Range.of(dt.datetime(2026, 10, 7, tzinfo=dt.UTC), since="2026-10-05", until="2026-10-07")
for day in (7, 5, 9):
    print(tk.export(span, to="archive", clock=Back(dt.datetime(2026, 11, day, tzinfo=dt.UTC))).ended)
"""


@case(
    "K3 bad input",
    "runs",
    "a clock set back an hour during each export, and two days before the second; a third with the right one",
    "nothing lost, nothing twice",
)
def clock_going_backwards(world: World) -> Verdict:
    platform = world.platform()
    ran = world.python(BACKWARDS)
    generations = {one.rpartition("/")[2] for one in world.manifests()}
    ok = ran.out.split() == ["done"] * 3 and len(world.archived()) == len(platform.ids) and generations == {"000001"}
    return Verdict(ok, f"{ran.now}; {len(world.archived())} of {len(platform.ids)}, generations {generations}")


@case(
    "K3 bad input",
    "runs",
    "no room under the ledger, the spool, the archive, the report",
    "a sentence that says so and names the place, exit 1; with room the same command goes on",
)
def full_disks(world: World) -> Verdict:
    world.platform(giant_mb=4)
    told = {}
    for what, size in (("state", "64k"), ("tmp", "256k"), ("archive", "256k"), ("pages", "64k")):
        with SmallDisk(world.folder / "disks" / what, size) as disk:
            names = {"state": world.folder / "state", "tmp": world.folder, "archive": world.folder / "whole"}
            places = {**names, "pages": world.folder / "pages", what: disk.folder}
            env = world.environment({"XDG_STATE_HOME": str(places["state"]), "TMPDIR": str(places["tmp"])})
            verb = ["export", "--to", str(places["archive"]), *SPAN, "-q"]
            if what == "pages":
                verb = ["report", str(places["archive"]), "--out", str(places["pages"])]
            done = disk.run([*world.command, *verb], env)
            world.ran.append(Ran(done.returncode, done.stdout, done.stderr))
            told[what] = done.returncode == 1 and "room" in done.stderr and str(disk.folder) in done.stderr
    again = world.export(to="whole")
    return Verdict(
        all(told.values()) and again.code in (0, 3) and bool(world.archived("whole")), f"{told}; then {again.code}"
    )


@case(
    "K3 bad input",
    "archive",
    "an archive, and a ledger, that a newer version wrote; get, export, verify",
    "a sentence that asks for an upgrade; nothing is changed",
)
def newer_version_beside(world: World) -> Verdict:
    platform = world.platform()
    world.export()
    mark = world.folder / "archive/_turnkeeper/archive.json"
    mark.write_bytes(re.sub(rb"(turnkeeper\.archive/)\d+", rb"\g<1>99", mark.read_bytes()))
    before = world.manifests()
    archive = [world.cli("get", platform.ids[1], "--to", "archive", "-q"), world.export()]
    for ledger in (world.folder / "state").rglob("*.sqlite3"):
        with sqlite3.connect(ledger) as opened:
            opened.execute("PRAGMA user_version = 99")
        opened.close()
    mark.write_bytes(mark.read_bytes().replace(b"archive/99", b"archive/2"))
    queue = world.export()
    told = all(ran.code == 1 and "pip install -U turnkeeper" in ran.err for ran in archive)
    ok = told and queue.code == 1 and "Upgrade turnkeeper" in queue.err and world.manifests() == before
    return Verdict(ok and bool(before), " / ".join(ran.now for ran in (*archive, queue)))
