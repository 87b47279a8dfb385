"""The table, row by row: ``python -m tests.field [--python PATH] [WORD ...]``.

Words choose rows, owners or cases by name. ``--python`` tries the turnkeeper of another installation. Ends with 1 where
any case is not right.
"""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.field import CASES
from tests.field.case import Case, Verdict, judge
from tests.field.world import World


def tried(one: Case, python: str) -> Verdict:
    """A case in a folder of its own."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="field-", ignore_cleanup_errors=True))
        return judge(one, World(Path(folder), stack, (python, "-m", "turnkeeper")))


def main(words: list[str]) -> int:
    python = sys.executable
    if words[:1] == ["--python"]:
        python, words = words[1], words[2:]
    chosen = [one for one in CASES if not words or any(word in (one.row, one.owner, one.name) for word in words)]
    wrong = 0
    with ThreadPoolExecutor(2) as pool:
        for one, verdict in zip(chosen, pool.map(partial(tried, python=python), chosen), strict=True):
            wrong += not verdict.ok
            cells = (one.row, one.owner, one.name, one.provoke, one.right, verdict.now, "ok" if verdict.ok else "NOT")
            print(" | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells), flush=True)
    print(f"{len(chosen)} cases, {wrong} NOT right")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
