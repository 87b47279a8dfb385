from __future__ import annotations

import importlib.metadata
import os
import socket
from pathlib import Path

import pytest

from turnkeeper.cli import local_s3
from turnkeeper.cli.local_s3 import LocalS3
from turnkeeper.errors import Misconfigured, StoreRefused, Unavailable
from turnkeeper.settings import StoreSettings
from turnkeeper.storage.object_store import open_store

pytestmark = pytest.mark.slow


def test_it_keeps_its_data_in_the_given_folder_and_goes_when_told(tmp_path: Path) -> None:
    with LocalS3(["one"], folder=tmp_path / "data") as server:
        store = open_store("s3://one/x", StoreSettings.from_environment(server.environment()))
        store.put("a.json", b"1")
        process, port = server._process, int(server.endpoint.rpartition(":")[2])
        assert process
        listening = {line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]}
        assert f"0100007F:{port:04X}" in listening
        assert f"00000000:{port:04X}" not in listening
        with pytest.raises(StoreRefused):
            open_store("s3://two", StoreSettings.from_environment(server.environment())).put("a.json", b"1")
    assert process.poll() is not None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert (tmp_path / "data").exists()
    assert not server._work_folder or not server._work_folder.exists()
    for name, own in server._ports.items():
        assert not list(Path("/tmp").glob(f"seaweedfs-{name}*-{own}.sock"))
        assert not list(Path("/tmp").glob(f"seaweedfs-{name}*-{own + 10_000}.sock"))


def test_the_data_is_there_again_with_the_same_folder(tmp_path: Path) -> None:
    for turn in range(2):
        with LocalS3(["one"], folder=tmp_path) as server:
            store = open_store("s3://one/x", StoreSettings.from_environment(server.environment()))
            if turn == 0:
                store.put("a.json", b"kept")
            assert store.get("a.json") == b"kept"


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", missing)
    with pytest.raises(Misconfigured) as caught, LocalS3():
        pass
    assert "pip install 'turnkeeper[demo]'" in caught.value.hint


def test_a_server_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "weed"
    script.write_text("#!/bin/sh\necho it is broken\nexit 1\n")
    os.chmod(script, 0o755)  # noqa: PTH101
    monkeypatch.setattr(local_s3, "_weed_binary", lambda: script)
    with pytest.raises(Unavailable) as caught, LocalS3(["one"]):
        pass
    assert "it is broken" in str(caught.value)
