"""One export by the command line: ``python -m benchmarks.export.command ARCHIVE``; prints CPU, memory and counts."""

from __future__ import annotations

import io
import json
import sys
import time
from contextlib import redirect_stdout, suppress

from benchmarks.export.ours import SINCE, UNTIL, peak_mb
from turnkeeper.cli import main as turnkeeper


def main(archive: str) -> None:
    began, out = time.process_time(), io.StringIO()
    days = ["--since", SINCE.isoformat(), "--until", UNTIL.isoformat(), "--by", "query"]
    # Exit code 3 is fine: the simulator has some that cannot be read.
    with redirect_stdout(out), suppress(SystemExit):
        turnkeeper(["export", "--to", archive, *days, "--quiet"])
    report = json.loads(out.getvalue())
    cpu = time.process_time() - began
    known = sum(report["states"].values())
    print(json.dumps({"cpu": cpu, "mb": peak_mb(), "known": known, "visited": report["visited"]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
