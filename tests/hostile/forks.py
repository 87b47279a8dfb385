"""A process that has loaded turnkeeper and forks one of its own for each command: a run without the time of imports.

Reads one JSON object a line (``arguments``, ``environment``, ``folder``, ``out``, ``err``); answers with the process's
id, and at its end with its exit code and largest resident set in KiB. Has one thread, so that forking is safe.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

__all__ = ["main"]

LOADED = (
    "turnkeeper.cli.app",
    "turnkeeper.cli.erase",
    "turnkeeper.cli.expire",
    "turnkeeper.cli.export",
    "turnkeeper.cli.get",
    "turnkeeper.cli.report",
    "turnkeeper.cli.reread",
    "turnkeeper.cli.status",
    "turnkeeper.cli.turns",
    "turnkeeper.cli.verify",
    "turnkeeper.exporter.export",
    "turnkeeper.exporter.get",
)


def main() -> None:
    """Serve until standard input ends."""
    for name in LOADED:
        __import__(name)
    for line in sys.stdin:
        asked = json.loads(line)
        process = os.fork()
        if process == 0:
            _become(asked)
            return
        print(json.dumps(process), flush=True)
        _, status, usage = os.wait4(process, 0)
        print(json.dumps([os.waitstatus_to_exitcode(status), usage.ru_maxrss]), flush=True)


def _become(asked: dict[str, Any]) -> None:
    """In the child: the command line, with files of its own in the place of this process's."""
    for number, place in ((0, os.devnull), (1, asked["out"]), (2, asked["err"])):
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(Path(asked["folder"]))
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.stdin = open(0)  # noqa: SIM115 - the process's own
    sys.argv = ["turnkeeper", *asked["arguments"]]
    from turnkeeper.cli import main as command

    command()


if __name__ == "__main__":
    main()
