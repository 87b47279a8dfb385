"""One export by the public call: ``python -m benchmarks.export.ours ARCHIVE LEDGER``; prints CPU, memory and counts."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from turnkeeper.exporter.export import export
from turnkeeper.exporter.range import Range
from turnkeeper.genesys.interval import Interval

SINCE = datetime(2026, 10, 5, tzinfo=UTC)
UNTIL = datetime(2026, 11, 20, tzinfo=UTC)


def peak_mb() -> float:
    """This process's own peak (ru_maxrss would be inherited from whoever started it)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def main(archive: str, ledger: str) -> None:
    began = time.process_time()
    report = export(Range(Interval(SINCE, UNTIL), by="query"), to=archive, ledger=Path(ledger))
    cpu = time.process_time() - began
    print(json.dumps({"cpu": cpu, "mb": peak_mb(), "done": report.done, "visited": report.visited}))


if __name__ == "__main__":
    main(*sys.argv[1:])
