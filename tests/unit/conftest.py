"""One S3 server for the session, and every kind of store under one name."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from turnkeeper.cli.local_s3 import LocalS3
from turnkeeper.settings import StoreSettings
from turnkeeper.storage.object_store import Store, open_store

BUCKET = "kept"


@pytest.fixture(scope="session")
def local_s3() -> Iterator[LocalS3]:
    with LocalS3([BUCKET]) as server:
        yield server


@pytest.fixture(scope="session")
def s3_settings(local_s3: LocalS3) -> StoreSettings:
    return StoreSettings.from_environment(local_s3.environment())


OF_S3 = [pytest.mark.slow, pytest.mark.needs(part="seaweedfs")]


@pytest.fixture(params=["memory", "folder", pytest.param("s3", marks=OF_S3)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store of each kind, empty, with a prefix of its own."""
    if request.param == "memory":
        return open_store("memory://", StoreSettings())
    if request.param == "folder":
        return open_store(str(tmp_path / "archive"), StoreSettings())
    make: Callable[[], Store] = request.getfixturevalue("s3_store")
    return make()


@pytest.fixture
def s3_store(s3_settings: StoreSettings) -> Callable[[], Store]:
    return lambda: open_store(f"s3://{BUCKET}/{secrets.token_hex(6)}/calls", s3_settings)
