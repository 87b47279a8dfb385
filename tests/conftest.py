"""What every test may use: a clean environment, the simulator, a real object store, and the command line."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from tools.parts import missing

from turnkeeper.cli.local_s3 import LocalS3
from turnkeeper.simulator import Running, Simulation, serve


def pytest_configure() -> None:
    """Every log record of a worker, down to DEBUG, goes to a file that the secret scan reads last."""
    place = os.environ.get("TURNKEEPER_SUITE_OUTPUT", "")
    if place:
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        logging.basicConfig(filename=Path(place) / f"log-{worker}.txt", level=logging.DEBUG)


OF_FIXTURE = {"s3": ["seaweedfs"], "local_s3": ["seaweedfs"], "chromium": ["chromium", "pages"]}
"""The parts of ``tools/parts.py`` that a test needs because of a fixture; other tests are marked."""


@pytest.hookimpl(tryfirst=True)  # before pytest selects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            for part in OF_FIXTURE.get(fixture, ()):
                item.add_marker(pytest.mark.needs(part=part))


@pytest.hookimpl(tryfirst=True)  # before fixtures meet what is missing
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A missing part fails the test with the command that brings it; nothing is skipped."""
    lacks = [said for mark in item.iter_markers("needs") if (said := missing(mark.kwargs["part"]))]
    if lacks:
        pytest.fail("\n".join(lacks), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Slow tests are not traced: they measure time and memory, or run the same lines many thousand times."""
    coverage = sys.modules.get("coverage")  # loaded where it traces this process
    tracer = coverage.Coverage.current() if coverage and item.get_closest_marker("slow") else None
    if tracer is None:
        return (yield)
    tracer.stop()
    try:
        return (yield)
    finally:
        tracer.start()


# hypothesis would fail an example that takes 200 ms of wall time, which any does now and then beside other work.
hypothesis.settings.register_profile("suite", deadline=None)
# `make check` is run after every change; `make test` searches further.
hypothesis.settings.register_profile("check", deadline=None, max_examples=10)
hypothesis.settings.load_profile("suite")

OURS = ("GENESYS_", "AWS_", "TURNKEEPER_", "AZURE_", "GOOGLE_", "COVERAGE_")
TRACED = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
"""With these coverage starts in a process. Only the ``cli`` fixture hands them on: what tests start themselves is often
killed, starved or measured."""
PROXIES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test sees this machine's credentials, proxies or home folder."""
    for name in list(os.environ):
        if name.startswith(OURS) or name.lower() in PROXIES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@dataclass(frozen=True)
class Ran:
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Ran]


@pytest.fixture
def cli(tmp_path: Path, request: pytest.FixtureRequest) -> Cli:
    """Run ``turnkeeper`` as a user would: a process of its own. Its output stays on disk for the secret scan."""
    runs = tmp_path / "runs"
    runs.mkdir()
    traced = {} if request.node.get_closest_marker("slow") else TRACED

    def run(
        *arguments: str,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        timeout: float = 120,
        code: int | None = None,
    ) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "turnkeeper", *arguments],
            input=stdin,
            capture_output=True,
            cwd=tmp_path,
            env={**os.environ, **traced, "PYTHONFAULTHANDLER": "1", **(env or {})},
            timeout=timeout,
            check=False,
        )
        ran = Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
        (runs / f"{len(list(runs.iterdir())):03}.txt").write_text(f"{arguments}\n{ran.out}\n{ran.err}")
        assert "Traceback" not in ran.err, ran.err
        assert code is None or ran.code == code, f"exit {ran.code}: {ran.err}\n{ran.out}"
        return ran

    return run


Platform = Callable[..., Running]


@pytest.fixture
def platform() -> Iterator[Platform]:
    """Start simulated platforms: ``platform("expired-link", conversations=40)``."""
    with ExitStack() as stack:

        def start(*faults: str, **settings: Any) -> Running:
            simulation = Simulation(**{"seed": 7, "conversations": 25, **settings}, faults=frozenset(faults))
            return stack.enter_context(serve(simulation, port=0))

        yield start


def credentials(running: Running, **more: str) -> dict[str, str]:
    """The environment of a user of this platform, living by its clock, so that no test waits."""
    return {
        "GENESYS_BASE_URL": running.base_url,
        "GENESYS_CLIENT_ID": running.client_id,
        "GENESYS_CLIENT_SECRET": running.client_secret,
        "TURNKEEPER_CLOCK_URL": running.clock_url,
        **more,
    }


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalS3]:
    """SeaweedFS, a real S3, with the bucket ``calls``."""
    with LocalS3(buckets=["calls", "my-bucket"], folder=tmp_path_factory.mktemp("weed")) as running:
        yield running
