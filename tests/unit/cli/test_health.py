"""What a service manager hears of a run: the file for probes, and systemd's protocol."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from turnkeeper.cli.health import Health
from turnkeeper.errors import Misconfigured
from turnkeeper.events import Alive, Event, Listed, Noted, Paused, Progressed

PROGRESS = Progressed(visited=7, left=3, waiting=2, transcripts=5, failed=1, requests=20)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(10)
        yield listening


def heard(manager: socket.socket, count: int) -> list[str]:
    return [manager.recv(4096).decode() for _ in range(count)]


def told(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def test_the_file_says_what_the_run_does(tmp_path: Path) -> None:
    path = tmp_path / "health.json"
    passed: list[Event] = []
    health = Health(passed.append, path)
    assert told(path)["state"] == "starting"
    health(Alive())
    assert told(path)["state"] == "exporting"
    health(PROGRESS)
    health(Paused(until="2026-11-02T09:15:00.000Z"))
    health(Alive())
    assert told(path).items() >= {"state": "waiting", "until": "2026-11-02T09:15:00.000Z", "visited": 7}.items()
    health(Listed(start="", stop="", found=0, new=0))
    health(Alive())
    assert (told(path)["state"], told(path)["until"]) == ("exporting", "")
    health(Alive(stopping=True))
    assert told(path)["state"] == "stopping"
    # Signs of life are for the manager alone.
    assert [type(event).__name__ for event in passed] == ["Progressed", "Paused", "Listed"]
    assert [one.name for one in tmp_path.iterdir()] == ["health.json"]


def test_the_manager_hears_when_it_is_ready_and_that_it_lives(tmp_path: Path, manager: socket.socket) -> None:
    health = Health(lambda _: None, None, str(tmp_path / "notify"))
    health(Noted(note="nothing is said before the platform has let us in"))
    health(Alive())
    health(PROGRESS)
    health(Paused(until="2026-11-02T09:15:00.000Z"))
    health(Alive())
    health(Alive(stopping=True))
    assert heard(manager, 5) == [
        "WATCHDOG=1\nREADY=1",
        "STATUS=7 visited, 3 to go, 1 failed",
        "STATUS=waiting until 2026-11-02T09:15:00.000Z",
        "WATCHDOG=1",
        "WATCHDOG=1\nSTOPPING=1",
    ]


def test_a_manager_that_is_gone_costs_nothing(tmp_path: Path) -> None:
    for address in (str(tmp_path / "nobody"), "@nobody-listens-here", "vsock:2:1234"):
        Health(lambda _: None, None, address)(Alive())


def test_a_file_that_cannot_be_written_is_refused_at_the_start_and_falls_silent_later(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        Health(lambda _: None, tmp_path / "missing" / "health.json")
    folder = tmp_path / "folder"
    folder.mkdir()
    health = Health(lambda _: None, folder / "health.json")
    (folder / "health.json").unlink()
    folder.rmdir()
    health(Alive())
    assert not folder.exists()
