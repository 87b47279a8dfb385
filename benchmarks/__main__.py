"""Run every suite of this folder, in the order of their names: ``python -m benchmarks [SUITE ...]``.

The page is written when all of them ran; of a few that are named, the figures are only printed.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path


def suites() -> list[str]:
    """Every folder here with a ``report`` module, but for those that are commands of their own."""
    reports = Path(__file__).parent.glob("*/report.py")
    return sorted(path.parent.name for path in reports if not path.with_name("__main__.py").exists())


def main(asked: list[str]) -> None:
    """Run; each suite prints its section."""
    sections = [import_module(f"benchmarks.{name}.report").run() for name in asked or suites()]
    if asked:
        return
    page = Path(__file__).parents[1] / "docs/benchmarks.md"
    text = "# Benchmarks\n\nWritten by `make bench`; run it to have the figures of your own machine.\n\n"
    page.write_text(text + "\n".join(sections))
    print(f"written to {page}")


if __name__ == "__main__":
    main(sys.argv[1:])
