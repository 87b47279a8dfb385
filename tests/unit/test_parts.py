"""What a test needs beside Python is asked for by name, with the command that brings it; floors of coverage rise."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools.coverage_rooms import raised, table
from tools.parts import PARTS, main, missing

ROOMS = {"archive": (200, 91.4), "audio": (50, 79.0)}


@pytest.mark.parametrize("program", ["chromium", "ffmpeg", "gcc", "jq", "zsh"])
def test_a_missing_program_is_named_with_its_command(
    program: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert missing(program) == f"{program} is missing: {PARTS[program].command}"
    with pytest.raises(SystemExit) as stopped:
        main(program)
    assert PARTS[program].command in str(stopped.value.code)


def test_nothing_is_said_of_a_part_that_is_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ffmpeg").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert missing("ffmpeg") == ""
    main("--install", "ffmpeg")


def test_a_floor_rises_and_falls_only_when_told() -> None:
    before = {"archive": 80, "audio": 90, "gone": 99}
    assert raised(before, ROOMS, lower=False) == {"archive": 90, "audio": 90}
    assert raised(before, ROOMS, lower=True) == {"archive": 90, "audio": 78}


def test_a_room_below_its_floor_and_one_without_are_marked() -> None:
    assert [line.split()[3:] for line in table({"audio": 80}, ROOMS).splitlines()[1:]] == [
        ["-", "no", "floor:", "make", "floors"],
        ["80", "below", "its", "floor"],
    ]
