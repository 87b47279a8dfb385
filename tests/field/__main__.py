"""The table, row by row: ``python -m tests.field [WORD ...]`` (only rows, owners or names that hold one of the words).

Ends with 1 where any case is not right.
"""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from tests.field import CASES
from tests.field.case import Case, Verdict, judge
from tests.field.world import World


def tried(one: Case) -> Verdict:
    """A case in a folder of its own."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="field-", ignore_cleanup_errors=True))
        return judge(one, World(Path(folder), stack))


def main(words: list[str]) -> int:
    chosen = [one for one in CASES if not words or any(word in (one.row, one.owner, one.name) for word in words)]
    wrong = 0
    with ThreadPoolExecutor(2) as pool:
        for one, verdict in zip(chosen, pool.map(tried, chosen), strict=True):
            wrong += not verdict.ok
            cells = (one.row, one.owner, one.name, one.provoke, one.right, verdict.now, "ok" if verdict.ok else "NOT")
            print(" | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells), flush=True)
    print(f"{len(chosen)} cases, {wrong} NOT right")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
