"""The package as it is built: its pages are in it, with the licence of what they carry; a lack of npm has its mend."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STATIC = "src/turnkeeper/pages/static"

pytestmark = pytest.mark.slow


def checkout(target: Path, *, pages: bool) -> Path:
    """The tracked files alone, as from a clone; with the built pages where they were built before."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    if pages:
        shutil.copytree(ROOT / STATIC, target / STATIC)
    return target


def wheel(source: Path, out: Path, path: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(out), str(source)]
    env = {**os.environ, "PATH": path}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=240, check=False)


def bare(folder: Path) -> str:
    """A PATH with Python and nothing else."""
    folder.mkdir()
    (folder / "python3").symlink_to(sys.executable)
    return str(folder)


@pytest.mark.needs(part="pages")
def test_the_wheel_holds_the_pages_and_their_licences(tmp_path: Path) -> None:
    """Built pages are taken as they are: whoever installs from a source distribution needs no npm."""
    done = wheel(checkout(tmp_path / "source", pages=True), tmp_path / "out", bare(tmp_path / "bin"))
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next((tmp_path / "out").glob("*.whl"))) as made:
        held = {name.removeprefix("turnkeeper/pages/static/") for name in made.namelist() if "pages/static" in name}
        pages = {name for name in held if not name.startswith("folder/assets/")}
        assert pages == {"call.html", "folder/call.html", "folder/index.html", "THIRD-PARTY.txt"}
        assert len(held - pages) == 4
        assert b"wavesurfer.js 8" in made.read("turnkeeper/pages/static/THIRD-PARTY.txt")


def test_without_npm_the_mend_is_said(tmp_path: Path) -> None:
    done = wheel(checkout(tmp_path / "source", pages=False), tmp_path / "out", bare(tmp_path / "bin"))
    assert done.returncode != 0
    assert "Install Node.js 20 or newer with npm" in done.stderr + done.stdout


def test_an_editable_install_takes_python_alone(tmp_path: Path) -> None:
    source = checkout(tmp_path / "source", pages=False)
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--prefix",
        str(tmp_path / "prefix"),
        "--ignore-installed",
        "--editable",
    ]
    env = {**os.environ, "PATH": bare(tmp_path / "bin")}
    done = subprocess.run([*command, str(source)], env=env, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert not (source / STATIC).exists()
    assert not [*source.rglob("_native.*.so")]


def test_nothing_third_party_is_committed() -> None:
    listed = subprocess.run(["git", "ls-files", "web", STATIC], cwd=ROOT, capture_output=True, text=True, check=True)
    names = listed.stdout.split()
    assert "web/package-lock.json" in names
    assert not [name for name in names if "node_modules" in name or name.startswith(STATIC)]
    assert "resolved" not in (ROOT / "web/package-lock.json").read_text()
