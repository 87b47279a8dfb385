"""Count the functions and files of turnkeeper that four commands pass: ``python -m tools.trace_lives``.

======  =====================================================================
get     one conversation, without its recording, into a new folder
export  a list of one id into a new folder
audio   ``get --audio``: the same conversation with its recording
turns   one transcript file, read and printed
======  =====================================================================

``--list`` prints the functions by file in the order of their first call, ``--json`` the same as JSON.

Each command runs in a new interpreter through the command line's entry point, against a simulated platform in a process
of its own. A function counts once, however often and in whichever thread it is called; a method counts as a function.
Not counted: the code of modules and class bodies, lambdas, comprehensions and generator expressions, functions that a
library generates (such as the ``__init__`` of a dataclass), and everything in C. A file counts when a function of it
counts. Calls while a module is imported count too. The simulator's files are left out.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

__all__ = ["LIVES", "Life", "lives", "platform"]

LIVES = ("get", "export", "audio", "turns")
COMMANDS = {
    "get": "get {conversation} --to {folder} --quiet",
    "export": "export --ids {ids} --to {folder} --quiet",
    "audio": "get {conversation} --audio --to {folder} --quiet",
    "turns": "turns {file}",
}


@dataclass(frozen=True)
class Life:
    """The functions that one command passed, by file, both in the order of their first call."""

    name: str
    files: Mapping[str, Sequence[str]]

    @property
    def functions(self) -> int:
        return sum(len(names) for names in self.files.values())


def trace(name: str, arguments: Sequence[str], env: Mapping[str, str]) -> Life:
    """Run one command line in a new interpreter.

    Raises:
        CalledProcessError: the command does not end with exit code 0.
    """
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder, "found.json")
        call = [sys.executable, __file__, "--record", str(found), *arguments]
        _run(call, env)
        return Life(name, json.loads(found.read_text()))


def _record(found: Path, arguments: Sequence[str]) -> None:
    """Run a command line in this interpreter and write which functions of the package are called. Does not return."""
    spec = find_spec("turnkeeper")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    inside, outside = f"{package}{os.sep}", str(package / "simulator" / "")
    called: dict[CodeType, None] = {}

    def profile(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            called.setdefault(frame.f_code)  # one step under the interpreter's lock, so threads need no other

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        from turnkeeper.cli import main

        main(arguments)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        files: dict[str, dict[str, None]] = {}
        for code in list(called):
            if code.co_filename.startswith(inside) and not code.co_filename.startswith(outside) and _is_function(code):
                files.setdefault(code.co_filename.removeprefix(inside), {}).setdefault(_spelled(code))
        found.write_text(json.dumps({file: list(names) for file, names in files.items()}))


def _is_function(code: CodeType) -> bool:
    """Modules and class bodies have no fast locals; lambdas and comprehensions are called ``<…>``."""
    return bool(code.co_flags & inspect.CO_OPTIMIZED) and not code.co_name.startswith("<")


def _spelled(code: CodeType) -> str:
    """The name with its line, since a property and its setter, or overloads, share a name."""
    return f"{code.co_qualname}:{code.co_firstlineno}"


@contextmanager
def platform(*options: str) -> Iterator[dict[str, Any]]:
    """``turnkeeper simulate`` in a process of its own; yields what it says of itself when it is ready."""
    call = [sys.executable, "-m", "turnkeeper", "simulate", *options]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def lives(names: Sequence[str]) -> Iterator[Life]:
    """Trace some of the four lives, in their order."""
    with platform("--conversations", "3") as running, tempfile.TemporaryDirectory() as place:
        home = Path(place)
        conversation = running["conversation_ids"][0]
        (home / "ids.txt").write_text(f"{conversation}\n")
        env = {"HOME": place, "XDG_STATE_HOME": str(home / "state"), "XDG_CONFIG_HOME": str(home / "config")}
        env |= {f"GENESYS_{key.upper()}": running[key] for key in ("base_url", "client_id", "client_secret")}
        kept = home / "kept"
        get = COMMANDS["get"].format(conversation=conversation, folder=kept)
        _run([sys.executable, "-m", "turnkeeper", *get.split()], env)
        fill = {"conversation": conversation, "ids": home / "ids.txt", "file": _transcript(kept)}
        for name in names:
            command = COMMANDS[name].format(**fill, folder=home / name)
            yield trace(name, command.split(), env)


def _run(call: Sequence[str], env: Mapping[str, str]) -> None:
    whole = {**os.environ, **env}  # noqa: TID251 - a tool, and the commands inherit PATH and the like
    subprocess.run(call, env=whole, stdout=subprocess.DEVNULL, check=True)


def _transcript(archive: Path) -> Path:
    """A transcript as the platform gave it: docs/archive.md says where an archive keeps it."""
    return next(path for path in sorted(archive.glob("raw/*/_media/*.json")) if b'"transcript' in path.read_bytes())


def main() -> None:
    """Print a line for each life; ``--list`` and ``--json`` print its functions too."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lives", nargs="*", metavar="LIFE", help=f"of {', '.join(LIVES)} (default: all)")
    parser.add_argument("--list", action="store_true", help="the functions by file, in the order of their first call")
    parser.add_argument("--json", action="store_true", help="the same as one JSON object")
    given = parser.parse_args()
    if unknown := set(given.lives) - set(LIVES):
        parser.error(f"there is no life called {', '.join(sorted(unknown))}")
    traced = lives([name for name in LIVES if name in (given.lives or LIVES)])
    if given.json:
        print(json.dumps({one.name: _as_json(one) for one in traced}, indent=2))
        return
    print("functions  files")
    for one in traced:
        print(f"{one.functions:9}  {len(one.files):5}  {one.name}", flush=True)
        if given.list:
            for file, names in one.files.items():
                print(f"\n  {file}")
                print("\n".join(f"    {name}" for name in names))
            print()


def _as_json(life: Life) -> dict[str, Any]:
    return {"functions": life.functions, "files": len(life.files), "passed": life.files}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--record"]:
        sys.path.pop(0)  # this file's folder, which holds nothing that turnkeeper imports
        _record(Path(sys.argv[2]), sys.argv[3:])
    main()
