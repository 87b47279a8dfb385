"""Promises about the process itself: constant memory, and an interpreter that always ends well."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Cli, Platform, credentials
from tests.e2e.truth import BRIEF, read
from turnkeeper.cli.local_s3 import LocalS3
from turnkeeper.simulator import Running

# VmHWM and not ru_maxrss: a child inherits the latter from whoever started it.
PEAK = (
    "import sys\nfrom turnkeeper.cli import main\n"
    "try: main(sys.argv[1:])\n"
    "finally: sys.stderr.write('\\npeak ' + open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
)


def _peak(running: Running, s3: LocalS3, to: str) -> int:
    """Peak resident memory, in MB, of a process that exports the giant to S3; its summary must be true as well."""
    giant = running.ready()["giant_id"]
    env = {**os.environ, **credentials(running, **s3.environment())}
    done = subprocess.run(
        [sys.executable, "-c", PEAK, "get", giant, "--to", to, "--api", "media"],
        capture_output=True,
        text=True,
        env=env,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    import json

    truth = read(f"{running.base_url}/_sim/truth/{giant}")["dialects"]["media"]
    assert {field: json.loads(done.stdout)[field] for field in BRIEF} == truth
    return int(done.stderr.rsplit("peak ", 1)[1].split()[0]) // 1024


@pytest.mark.timeout(600)
def test_memory_does_not_grow_with_the_transcript(platform: Platform, s3: LocalS3, tmp_path: Path) -> None:
    small = _peak(platform(giant_mb=50), s3, f"s3://calls/{tmp_path.name}-small")
    large = _peak(platform(giant_mb=500), s3, f"s3://calls/{tmp_path.name}-large")
    print(f"peak RSS: {small} MB for 50 MB, {large} MB for 500 MB")
    assert large < 150
    assert large - small < 20


@pytest.mark.timeout(600)
def test_fifty_exports_end_well(platform: Platform, cli: Cli, s3: LocalS3, tmp_path: Path) -> None:
    running = platform(rate_limit=100_000)
    env = credentials(running, **s3.environment())
    to = f"s3://calls/{tmp_path.name}"
    codes = [cli("get", running.conversation_ids[n % 3], "--to", to, env=env).code for n in range(50)]
    assert codes == [0] * 50
