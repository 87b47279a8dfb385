"""Build ``turnkeeper.jsonstream._native`` from the C beside this file.

``python native/build.py [--into FOLDER] [FLAG …]``: without ``--into`` the module goes beside the package's Python.
Flags are passed to the compiler and the linker, for example for sanitizers. Needs setuptools, a C compiler and Python's
headers. Without the module turnkeeper does the same in Python, slower.
"""

from __future__ import annotations

import sys
import sysconfig
import tempfile
from pathlib import Path

from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
NAME = "turnkeeper.jsonstream._native"
PLACE = HERE.parent / "src/turnkeeper/jsonstream"


def build(into: Path = PLACE, flags: tuple[str, ...] = ()) -> Path:
    """Compile and link, and return the module's file. Raises what setuptools raises without a compiler or headers."""
    # As system headers, so that warning flags apply to our own lines only.
    headers = [f"-isystem{sysconfig.get_path(name)}" for name in ("include", "platinclude")]
    extension = Extension(
        NAME,
        sorted(str(path) for path in HERE.glob("*.c")),
        depends=[str(path) for path in HERE.glob("*.h")],
        extra_compile_args=["-std=c11", "-O3", "-fvisibility=hidden", *headers, *flags],
        extra_link_args=list(flags),
    )
    command = build_ext(Distribution({"ext_modules": [extension]}))
    with tempfile.TemporaryDirectory() as folder:
        command.build_temp, command.build_lib = folder, str(Path(folder) / "lib")
        command.ensure_finalized()
        command.run()
        made = Path(command.get_ext_fullpath(NAME))
        into.mkdir(parents=True, exist_ok=True)
        # Replace the file atomically: a process that has loaded the old one keeps it, and none loads half a file.
        target = into / made.name
        fresh = target.with_suffix(".new")
        fresh.write_bytes(made.read_bytes())
        fresh.replace(target)
    return target


def main(*arguments: str) -> None:
    words = list(arguments)
    into = PLACE
    if words[:1] == ["--into"]:
        into = Path(words[1])
        del words[:2]
    print(build(into, tuple(words)))


if __name__ == "__main__":
    main(*sys.argv[1:])
