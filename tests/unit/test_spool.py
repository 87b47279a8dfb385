"""The spool: where every body goes before anyone believes it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnkeeper.errors import Misconfigured
from turnkeeper.spool import IN_MEMORY, BytesSource, Spool


def filled(size: int) -> Spool:
    spool = Spool()
    spool.write(b"0123456789" * (size // 10 + 1))
    return spool


@given(st.lists(st.binary(max_size=300_000), max_size=8))
@settings(max_examples=30, deadline=None)
def test_it_gives_back_what_was_written(blocks: list[bytes]) -> None:
    whole = b"".join(blocks)
    with Spool() as spool:
        for block in blocks:
            assert spool.write(memoryview(block)) == len(block)
        assert spool.size == len(whole)
        assert spool.sha256 == hashlib.sha256(whole).hexdigest()
        with spool.open() as body:
            assert body.read() == whole


@pytest.mark.parametrize("size", [1000, 3 * IN_MEMORY])
def test_readers_do_not_disturb_each_other_nor_the_writer(size: int) -> None:
    with filled(size) as spool, spool.open() as one, spool.open() as other:
        assert one.read(15) == b"012345678901234"
        assert other.read(5) == b"01234"
        spool.write(b"more")
        one.seek(0)
        assert one.read(3) == b"012"
        other.seek(-2, 2)
        assert other.read() == b"89"
        with spool.open() as whole:
            assert whole.read()[-4:] == b"more"


@pytest.mark.parametrize("size", [1000, 3 * IN_MEMORY])
def test_a_reader_may_outlive_the_spool(size: int) -> None:
    spool = filled(size)
    with spool.open() as body:
        spool.close()
        with Path(os.devnull).open("rb"):  # takes the number that the spool's file had
            assert body.read(5) == b"01234"


def test_no_file_has_a_name_and_no_descriptor_is_left(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with Spool(tmp_path) as spool:
        for _ in range(3):
            spool.write(b"x" * IN_MEMORY)
        with spool.open() as body:
            body.read(1)
        assert list(tmp_path.iterdir()) == []
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_small_bodies_need_no_folder(tmp_path: Path) -> None:
    with Spool(tmp_path / "none") as spool:
        spool.write(b"x" * IN_MEMORY)
        with pytest.raises(Misconfigured) as caught:
            spool.write(b"x")
    assert "TMPDIR" in caught.value.hint
    assert str(tmp_path / "none") in str(caught.value)


FULL = """
import resource, signal
from turnkeeper.errors import DiskFull
from turnkeeper.spool import Spool
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, 2 << 20))
try:
    with Spool() as spool:
        for _ in range(1000):
            spool.write(b"x" * 5000)
        spool.seal()
except DiskFull as full:
    print(full.operation, full.hint)
"""


def test_a_full_disk_is_said_with_its_mend() -> None:
    ran = subprocess.run([sys.executable, "-W", "error", "-c", FULL], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("spool Free some space, or set TMPDIR")
    assert ran.stderr == ""


MANY = """
import os, resource
from turnkeeper.errors import Misconfigured
from turnkeeper.spool import Spool
with Spool() as large:
    large.write(b"x" * (2 << 20))
    taken = os.dup(0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken + 1, taken + 1))
    for attempt in (large.open, lambda: Spool().write(b"x" * (2 << 20))):
        try:
            attempt()
        except Misconfigured as many:
            print(many.message, many.hint)
    os.close(taken)
"""


def test_too_many_open_files_are_said_with_their_mend() -> None:
    ran = subprocess.run([sys.executable, "-c", MANY], capture_output=True, text=True, check=True)
    said = ran.stdout.splitlines()
    assert len(said) == 2
    assert all(line.startswith("no more files can be opened") and "ulimit -n" in line for line in said)


def test_a_source_can_be_opened_more_than_once() -> None:
    source = BytesSource(b"body")
    assert source.size == 4
    for _ in range(2):
        with source.open() as body:
            assert body.read() == b"body"
