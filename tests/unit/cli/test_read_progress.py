"""Progress of a long read: a source like any other, and one line on standard error."""

from __future__ import annotations

from pathlib import Path

import pytest

from turnkeeper.cli.read_progress import ReadProgress


def test_a_large_file_is_counted_while_it_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as out:
        out.truncate(20 << 20)
    with ReadProgress(str(path)) as seen:
        assert isinstance(seen, ReadProgress)
        assert seen.size == 20 << 20
        with seen.open() as reader:
            assert len(reader.read(5 << 20)) == 5 << 20
    shown = capsys.readouterr().err
    assert "5 of 21 MB" in shown
    assert shown.endswith("\r\x1b[K")


@pytest.mark.parametrize("place", ["small.json", "https://example.test/x", "archive"])
def test_everything_else_passes_through(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.json").write_text("{}")
    Path("archive").mkdir()
    with ReadProgress(place) as seen:
        assert seen == place
