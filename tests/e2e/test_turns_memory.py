"""What ``turnkeeper turns`` needs at most, from a file and over HTTP, however large the body.

The suite looks at sizes that take seconds; ``python -m tests.e2e.test_turns_memory 1000`` does it with a gigabyte.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from turnkeeper.simulator import Running, Simulation, serve

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FILE_MB, GROWTH_MB, HTTP_MB = 40, 6, 70

# VmHWM and not ru_maxrss: a child inherits the latter from whoever started it.
PEAK = (
    "import sys\nfrom turnkeeper.cli import main\n"
    "try: main(['turns', *sys.argv[1:]])\n"
    "finally: sys.stderr.write('\\npeak ' + open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
)


def peak(place: str, turns: int) -> float:
    """Peak resident memory, in MB, of a process that prints every turn at ``place``; all ``turns`` must come out."""
    with tempfile.TemporaryFile() as said:
        command = [sys.executable, "-c", PEAK, place, "--fields", "start_time,role"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said) as running:
            assert running.stdout is not None
            lines = sum(1 for _ in running.stdout)
        said.seek(0)
        text = said.read().decode()
    assert (running.returncode, lines) == (0, turns), text
    return int(text.rsplit("peak ", 1)[1]) / 1024


def from_file(folder: Path, megabytes: int) -> float:
    """The giant's flat document, participants last, as a file."""
    giant = Simulation(conversations=1, giant_mb=megabytes).giant
    assert giant is not None
    path, body = folder / "giant.json", giant.media()
    with path.open("wb") as out:
        for block in body.read(0, body.size):
            out.write(block)
    try:
        return peak(str(path), giant.media_turns)
    finally:
        path.unlink()


def over_http(megabytes: int) -> float:
    """The same behind an address."""
    with serve(Simulation(conversations=1, giant_mb=megabytes)) as running:
        giant = running.simulation.giant
        assert giant is not None
        return peak(_link(running), giant.media_turns)


def _link(running: Running) -> str:
    pair = base64.b64encode(f"{running.client_id}:{running.client_secret}".encode()).decode()
    token = _asked(f"{running.base_url}/oauth/token", f"Basic {pair}", b"grant_type=client_credentials")["access_token"]
    address = f"{running.base_url}/api/v2/conversations/media/{running.giant_id}/transcripts"
    return str(_asked(address, f"Bearer {token}")["downloadUrl"])


def _asked(url: str, authorization: str, body: bytes | None = None) -> Any:
    asked = urllib.request.Request(url, body, {"Authorization": authorization})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=60) as answer:
        return json.load(answer)


def test_from_a_file(tmp_path: Path) -> None:
    small, large = from_file(tmp_path, 20), from_file(tmp_path, 200)
    assert large < FILE_MB
    assert large - small < GROWTH_MB


def test_over_http() -> None:
    assert over_http(200) < HTTP_MB


def main(megabytes: int) -> None:
    folder = Path(os.path.realpath(tempfile.gettempdir()))
    small = from_file(folder, 20)
    large = from_file(folder, megabytes)
    print(f"from a file: {small:.1f} MB for 20 MB, {large:.1f} MB for {megabytes} MB (at most {FILE_MB})")
    print(f"over HTTP: {over_http(megabytes):.1f} MB for {megabytes} MB (at most {HTTP_MB})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
