"""Starting, stopping, the ready line, and a million conversations."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from turnkeeper.simulator import Simulation, serve

if TYPE_CHECKING:
    from tests.contract.simulator.conftest import Start

PROGRAM = """
import sys
from turnkeeper.simulator import Simulation, run
sys.exit(run(Simulation(conversations=25), 0, sys.stdout))
"""


def test_ready_line_then_clean_exit_on_sigterm() -> None:
    child = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    ready = json.loads(child.stdout.readline())
    assert ready["base_url"].startswith("http://127.0.0.1:")
    assert len(ready["conversation_ids"]) == 20
    child.send_signal(signal.SIGTERM)
    out, err = child.communicate(timeout=20)
    assert (child.returncode, out, err) == (0, "", "")


def test_a_caller_that_hangs_up_leaves_no_trace() -> None:
    child = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    port = urlsplit(json.loads(child.stdout.readline())["base_url"]).port
    with socket.create_connection(("127.0.0.1", port or 0), timeout=20) as caller:
        caller.sendall(b"POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\ngrant_type=")
    with socket.create_connection(("127.0.0.1", port or 0), timeout=20) as after:
        after.sendall(b"GET /_sim/clock HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert after.recv(12).endswith(b"200")
    child.send_signal(signal.SIGTERM)
    out, err = child.communicate(timeout=20)
    assert (child.returncode, out, err) == (0, "", "")


def test_the_key_is_written_for_its_owner_alone_and_signs_in(tmp_path: Path) -> None:
    simulate = [sys.executable, "-m", "turnkeeper", "simulate", "--key-out", str(tmp_path / "key.pem")]
    with subprocess.Popen(simulate, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        ready = json.loads(child.stdout.readline())
        assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
        env = {name: value for name, value in os.environ.items() if name != "GENESYS_CLIENT_SECRET"}
        env |= {"GENESYS_BASE_URL": ready["base_url"], "GENESYS_PRIVATE_KEY": ready["private_key_file"]}
        env |= {"GENESYS_CLIENT_ID": ready["private_key_client_id"], "TURNKEEPER_CLOCK_URL": ready["clock_url"]}
        got = [sys.executable, "-m", "turnkeeper", "get", ready["conversation_ids"][0], "--to", str(tmp_path / "a")]
        assert subprocess.run(got, env=env, capture_output=True, check=False, timeout=60).returncode == 0
        child.terminate()
    again = subprocess.run(simulate, capture_output=True, text=True, check=False, timeout=60)
    assert again.returncode == 2
    assert "cannot write the key (File exists)" in again.stderr


def test_nothing_is_left_after_serving() -> None:
    before = threading.active_count()
    with serve(Simulation(conversations=1)) as running:
        assert running.base_url != running.storage_url
    assert threading.active_count() == before


def test_simulator_imports_nothing_else_of_turnkeeper() -> None:
    program = "import sys, turnkeeper.simulator; print([n for n in sys.modules if n.startswith('turnkeeper')])"
    listed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    others = [name for name in json.loads(listed.replace("'", '"')) if not name.startswith("turnkeeper.simulator")]
    assert set(others) <= {"turnkeeper", "turnkeeper.version"}


def test_a_million_conversations_cost_nothing_until_asked_for(start: Start) -> None:
    tracemalloc.start()
    began = time.monotonic()
    wire = start(conversations=1_000_000)
    last = wire.simulation.id_of(999_999)
    assert wire.details(last)["conversationId"] == last
    day = wire.query("2040-03-05T00:00:00Z/2040-03-06T00:00:00Z", paging={"pageSize": 100, "pageNumber": 2}).json
    assert day["totalHits"] == 144
    assert len(day["conversations"]) == 44
    assert time.monotonic() - began < 5
    assert tracemalloc.get_traced_memory()[1] < 30_000_000
    tracemalloc.stop()
