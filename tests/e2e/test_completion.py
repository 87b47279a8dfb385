"""What bash and zsh offer with the scripts that ``turnkeeper completion`` prints: the shells themselves answer."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Cli

CASES = [
    ("turnkeeper re", {"reindex", "report", "reread", "retry"}),
    ("turnkeeper get --aud", {"--audio", "--audio-format", "--audio-from"}),
    ("turnkeeper turns call.json --format t", {"txt", "textgrid"}),
]


@pytest.fixture(scope="session")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("completion")
    for shell, name in (("bash", "turnkeeper.bash"), ("zsh", "_cyclopts_turnkeeper")):
        with (folder / name).open("w") as out:
            subprocess.run(["turnkeeper", "completion", shell], stdout=out, check=True, env=_env())
    return folder


def _env(**more: str) -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **more}


@pytest.mark.parametrize(("line", "offered"), CASES)
def test_bash_completes(scripts: Path, line: str, offered: set[str]) -> None:
    words = line.split()
    asked = f"source turnkeeper.bash; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _turnkeeper"
    command = ["bash", "--norc", "--noprofile", "-c", f'{asked}; printf "%s\\n" "${{COMPREPLY[@]}}"']
    done = subprocess.run(command, cwd=scripts, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == offered


@pytest.mark.needs(part="zsh")
@pytest.mark.parametrize(("line", "offered"), CASES)
def test_zsh_completes(scripts: Path, line: str, offered: set[str]) -> None:
    (scripts / ".zshrc").write_text(
        f"fpath=({scripts} $fpath)\nautoload -Uz compinit && compinit -u -D\n"
        "setopt AUTO_LIST NO_LIST_AMBIGUOUS NO_LIST_BEEP\nPROMPT='READY'\n"
    )
    process, terminal = pty.fork()
    if not process:
        os.execvpe("zsh", ["zsh", "-i"], _env(ZDOTDIR=str(scripts), TERM="xterm", COLUMNS="120"))
    _read_until(terminal, "READY")
    os.write(terminal, f"{line}\t".encode())
    said = _read_until(terminal, *offered, below="\n")
    os.close(terminal)
    os.waitpid(process, 0)
    assert offered <= set(re.sub(r"\x1b\[[\d;?]*[A-Za-z]", " ", said.partition("\n")[2]).split())


def _read_until(terminal: int, *words: str, below: str = "") -> str:
    """What the terminal shows, up to where all words stand in it, below the first ``below``."""
    said = ""
    while not all(word in said.partition(below)[2] if below else word in said for word in words):
        said += os.read(terminal, 4096).decode(errors="replace")
    return said


def test_another_shell_is_refused_with_those_there_are(cli: Cli) -> None:
    assert "zsh" in cli("completion", "tcsh", code=2).err
