"""The first thing a new user does: ``turnkeeper demo``, with nothing set up."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Cli


def test_the_demo_exports_25_conversations_and_leaves_an_archive(cli: Cli, tmp_path: Path) -> None:
    ran = cli("demo", code=0)
    assert ran.out.count("done") >= 20
    assert "Where to look next" in ran.out
    archive = tmp_path / "turnkeeper-demo"
    manifests = [json.loads(path.read_text()) for path in (archive / "manifests").rglob("*.json")]
    assert sum(manifest["state"] == "done" for manifest in manifests) == ran.out.count(" done ")
    heard = [manifest for manifest in manifests if manifest.get("recordings")]
    assert len(heard) == len(list((archive / "alignment").iterdir())) == 8
    verdicts = [one["verdict"] for manifest in heard for one in manifest["sync"].values()]
    assert sorted(verdicts) == ["corrected"] * 3 + ["verified"] * 5
    for line in ran.out.split("Where to look next:")[1].splitlines():
        if (words := line.split()) and words[0].endswith((".json", ".html")):
            assert (tmp_path / words[0]).exists(), line
        elif "turns" in words and "--role" in words:
            assert cli(*words[words.index("turns") :], code=0).out


def test_the_demo_does_not_overwrite_a_strangers_folder(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/precious.txt").write_text("precious")
    ran = cli("demo", "--folder", "mine", code=2)
    assert "mine" in ran.err
    assert (tmp_path / "mine/precious.txt").exists()
