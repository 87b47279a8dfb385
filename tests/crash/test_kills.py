"""Killed at random instants, and two at once; the long version is ``python -m tests.crash.kills``."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crash.bench import Bench
from tests.crash.job import Job, opened
from tests.crash.kills import Killer, kill_bench
from tests.crash.nursery import Nursery
from turnkeeper.cli.local_s3 import LocalS3


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with kill_bench(tmp_path_factory.mktemp("reference"), conversations=60) as bench:
        yield bench


def test_ten_kills_on_a_folder(bench: Bench, tmp_path: Path) -> None:
    ten_kills(
        bench, bench.job(str(tmp_path / "archive"), tmp_path), bench.job(str(tmp_path / "b/archive"), tmp_path / "b")
    )


def test_ten_kills_on_a_bucket(bench: Bench, tmp_path: Path, s3: LocalS3) -> None:
    jobs = [bench.job(f"s3://calls/{tmp_path.name}/{name}", tmp_path / name, s3.environment()) for name in "ab"]
    ten_kills(bench, *jobs)


def ten_kills(bench: Bench, job: Job, undisturbed: Job) -> None:
    killer = Killer(bench, random.Random(7))
    killer.measure(undisturbed)
    assert killer.run(job, 10) == []
    assert killer.landed == 10


@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_two_machines_on_one_archive_and_one_of_them_dies(
    bench: Bench, tmp_path: Path, s3: LocalS3, place: str
) -> None:
    store = s3.environment() if place == "bucket" else {}
    to = f"s3://calls/{tmp_path.name}" if store else str(tmp_path / "archive")
    one, other = (replace(bench.job(to, tmp_path / name, store), visitors=8) for name in ("one", "other"))
    bench.rewind()
    with Nursery() as second:
        pair = bench.nursery.start(one), second.start(other)
        while len(list(opened(to, one.env).list("manifests/"))) < 15:
            time.sleep(0.05)
        pair[1].kill()
        assert (pair[0].wait(), pair[1].wait()) == (0, -9)
    assert bench.differences(one) == []


@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_two_machines_on_one_archive_to_the_end(bench: Bench, tmp_path: Path, s3: LocalS3, place: str) -> None:
    store = s3.environment() if place == "bucket" else {}
    to = f"s3://calls/{tmp_path.name}" if store else str(tmp_path / "archive")
    # The first phase alone: in the second one machine's clock would run ahead of the other's.
    jobs = [replace(bench.job(to, tmp_path / name, store), phases=bench.phases[:1]) for name in ("one", "other")]
    bench.rewind()
    with Nursery() as second:
        pair = bench.nursery.start(jobs[0]), second.start(jobs[1])
        assert [child.wait() for child in pair] == [0, 0]
    assert bench.nursery.run(bench.job(to, tmp_path / "one", store)) == 0
    found = bench.differences(jobs[0])
    assert not found, "\n".join(found)
