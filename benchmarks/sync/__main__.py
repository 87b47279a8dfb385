"""Print the table of docs/sync.md: ``python -m benchmarks.sync [SEED]``."""

from __future__ import annotations

import sys

from benchmarks.sync.report import FRESH, run

if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else FRESH)
