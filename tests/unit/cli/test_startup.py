"""What a command may import before it works: help and the version nothing, a verb only what it needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from turnkeeper.cli.app import VERBS

HEAVY = {
    "anyio", "authlib", "av", "boto3", "cryptography", "cyclopts", "httpx2", "joserfc", "keyring", "msgspec", "numpy",
    "obstore", "rich", "soundfile", "sqlite3", "starlette", "tenacity", "uvicorn",
}  # fmt: skip
BASE = {"anyio", "cyclopts", "msgspec"}
"""What reads options, prints, and waits."""
STORE = BASE | {"obstore"}
PLATFORM = STORE | {"authlib", "cryptography", "httpx2", "joserfc", "tenacity"}
MAY_LOAD = {
    **dict.fromkeys(VERBS, STORE),
    **dict.fromkeys(("completion", "simulate", "turns", "audio", "clip"), BASE),
    **dict.fromkeys(("get", "doctor"), PLATFORM),
    **dict.fromkeys(("erase", "expire"), STORE | {"sqlite3"}),
    **dict.fromkeys(("export", "status", "retry"), PLATFORM | {"sqlite3"}),
    "demo": PLATFORM | {"rich"},
}
"""Before its work begins. numpy, soundfile, av and boto3 are loaded when something needs them."""
SHOWS = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"


def imported(code: str) -> set[str]:
    """The heavy packages that are loaded once this ran."""
    done = subprocess.run(
        [sys.executable, "-c", f"import atexit\natexit.register(lambda: exec({SHOWS!r}))\n{code}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return HEAVY & set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("asked", [[[]], [["--version"]], [[verb, "--help"] for verb in ("", *VERBS)]], ids=str)
def test_help_and_version_load_no_package(asked: list[list[str]]) -> None:
    lines = [[word for word in line if word] for line in asked]
    assert (
        imported(f"""
from turnkeeper.cli import main
for line in {lines!r}:
    try:
        main(line)
    except SystemExit as end:
        assert end.code == 0, line
""")
        == set()
    )


def test_the_library_loads_nothing_before_it_is_used() -> None:
    assert imported("import turnkeeper") == set()


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_loads_what_it_needs(verb: str) -> None:
    assert imported(f"import turnkeeper.cli.{verb}") <= MAY_LOAD[verb]
