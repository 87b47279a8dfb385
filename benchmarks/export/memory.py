"""Does an export of many conversations need more memory than one of a few?

python -m benchmarks.export.memory --conversations 1000 50000      (into SeaweedFS; a simulator without a quota)
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.export.report import child, simulator
from turnkeeper.cli.local_s3 import LocalS3
from turnkeeper.environment import environment

WITHIN_MB, AT_MOST_MB = 15, 250


def measured(conversations: int, per_day: int) -> float:
    """The peak of one export, a process of its own (VmHWM, in MB)."""
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="turnkeeper-memory-") as place,
        simulator(conversations, "--per-day", str(per_day)) as platform,
        LocalS3(buckets=["bench"], folder=Path(place) / "s3") as s3,
    ):
        env = {**environment(), **platform, **s3.environment(), "XDG_STATE_HOME": place}
        found = child("command", "s3://bench/archive", env=env)
    assert found["known"] == conversations, found
    # A long run comes by again for what may still be added.
    per_call = found["cpu"] / found["visited"] * 1000
    took = time.monotonic() - began
    print(f"{conversations:,}: peak {found['mb']:.1f} MB, {per_call:.1f} ms of CPU a visit, {took:.0f} s", flush=True)
    return float(found["mb"])


def main() -> int:
    """0 where the largest stays within 15 MB of the smallest and under 250 MB."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conversations", type=int, nargs="+", default=[1_000, 50_000])
    parser.add_argument("--per-day", type=int, default=2_000, help="the same for all, up to 31 days")
    given = parser.parse_args()
    peaks = [measured(conversations, given.per_day) for conversations in given.conversations]
    more = peaks[-1] - peaks[0]
    print(f"{more:+.1f} MB (within {WITHIN_MB}), at most {max(peaks):.1f} MB (under {AT_MOST_MB})")
    return 0 if more <= WITHIN_MB and max(peaks) < AT_MOST_MB else 1


if __name__ == "__main__":
    raise SystemExit(main())
