"""``python -m tests.sanitized [COUNT] [SEED]``: ends with 1 on any report. COUNT is of arrays, 50,000 a second."""

from __future__ import annotations

import sys

from tests.sanitized.run import attacked


def main(count: str = "500000", seed: str = "0") -> int:
    outcome = attacked(int(count), seed)
    print(outcome.said)
    return 0 if outcome.sound else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
