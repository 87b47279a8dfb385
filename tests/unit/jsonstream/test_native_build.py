"""The C as a compiler sees it that is asked to be strict."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.needs(part="gcc")]

ROOT = Path(__file__).parents[3]
STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror")


def built(into: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "native/build.py", "--into", str(into), *flags]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_it_compiles_without_one_warning_and_can_be_used(tmp_path: Path) -> None:
    done = built(tmp_path / "made here", *STRICT)
    assert done.returncode == 0, f"{done.stderr}\napt-get install -y gcc libc6-dev python3-dev"
    assert "warning" not in done.stdout + done.stderr
    (module,) = (tmp_path / "made here").iterdir()
    assert done.stdout.splitlines()[-1] == str(module)
    spec = importlib.util.spec_from_file_location("turnkeeper.jsonstream._native", module)
    assert spec is not None
    assert spec.loader is not None
    native = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(native)
    names = ("first", "second", "third")
    reader = native.Reader(tuple((name, "", "whole", False, ...) for name in names), ())
    raw = b"[{%s}]" % b",".join(b'"%s":%d' % (name.encode(), n) for n, name in enumerate(names))
    strict = True
    assert reader.columns(raw, 0, strict)[0] == ([0], [1], [2])


def test_a_warning_would_be_seen(tmp_path: Path) -> None:
    """Python's own headers are not asked, ours and the sources are."""
    done = built(tmp_path, *STRICT, "-Wtraditional")
    assert done.returncode != 0
    assert "native/" in done.stderr
    assert "Python.h" not in done.stderr
    assert not [*tmp_path.iterdir()]
