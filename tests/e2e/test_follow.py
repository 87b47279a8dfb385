"""``export --follow`` as a service manager runs it: it says when it is ready and that it lives, and ends when told."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Platform, credentials


def following(tmp_path: Path, env: dict[str, str], *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "turnkeeper", "export", "--to", str(tmp_path / "archive"), "--follow", *more]
    env = {**os.environ, **env, "XDG_STATE_HOME": str(tmp_path)}
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ended(process: subprocess.Popen[bytes], number: int) -> tuple[int, bytes]:
    """Its exit code after a signal, and its report. A pause lasts a quarter of an hour: that is not waited for."""
    process.send_signal(number)
    try:
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_says_how_it_is_and_ends_in_its_pause(tmp_path: Path, platform: Platform, number: int) -> None:
    env = credentials(platform(rate_limit=100_000))
    del env["TURNKEEPER_CLOCK_URL"]  # real pauses
    health = tmp_path / "health.json"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        process = following(tmp_path, env | {"NOTIFY_SOCKET": str(tmp_path / "notify")}, "--health-file", str(health))
        heard = ""
        while "STATUS=waiting" not in heard:
            heard += manager.recv(4096).decode() + "\n"
        code, out = ended(process, number)
        while "STOPPING" not in heard:
            heard += manager.recv(4096).decode() + "\n"
    assert "READY=1" in heard.split("STATUS=waiting")[0]
    told: dict[str, Any] = json.loads(health.read_bytes())
    assert (code, told["state"], told["pid"]) == (130, "stopping", process.pid)
    assert json.loads(out)["ended"] == "interrupted"


def test_a_service_ends_while_it_waits_for_a_platform_that_is_down(tmp_path: Path, platform: Platform) -> None:
    env = credentials(platform("throttle-forever"))
    del env["TURNKEEPER_CLOCK_URL"]
    process = following(tmp_path, env, "--json")
    assert process.stderr
    while b"Retried" not in process.stderr.readline():
        assert process.poll() is None
    assert ended(process, signal.SIGTERM)[0] == 130
