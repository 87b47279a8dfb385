"""The first thing a new user does: ``turnkeeper demo``, with nothing set up, and a look at the page it names first."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, until
from tests.conftest import Cli


def test_the_demo_exports_25_conversations_and_leaves_pages_to_hear(cli: Cli, tmp_path: Path, browse: Open) -> None:
    ran = cli("demo", code=0)
    counts = re.search(r"(\d+) calls: (\d+) done, 1 unread .*, 1 absent", ran.out)
    assert counts
    assert int(counts[1]) == 33
    archive = tmp_path / "turnkeeper-demo"
    manifests = [json.loads(path.read_text()) for path in (archive / "manifests").rglob("*.json")]
    assert sum(manifest["state"] == "done" for manifest in manifests) == int(counts[2])
    heard = [manifest for manifest in manifests if manifest.get("recordings")]
    assert len(heard) == len(list((archive / "alignment").iterdir())) == 8
    verdicts = [one["verdict"] for manifest in heard for one in manifest["sync"].values()]
    assert sorted(verdicts) == ["corrected"] * 3 + ["verified"] * 5
    pages = re.findall(r"^  (\S+\.html)$", ran.out, re.M)
    assert [(tmp_path / page).exists() for page in pages] == [True, True]
    for command in re.findall(r"turnkeeper ((?:turns|verify) .*)$", ran.out, re.M):
        assert cli(*command.split(), code=0)
    first = pages[0]
    _shows_and_plays_a_spoken_call(browse(tmp_path / first))


def _shows_and_plays_a_spoken_call(page: Page) -> None:
    page.wait_for_selector("html[data-sound=ready]", timeout=60_000)
    expect(page.locator("#verdict")).to_have_text("In sync")
    for role in ("customer", "agent"):
        assert page.locator(f".turn[data-role={role}]").count() >= 5
    assert page.evaluate(COLOURED) > 1000
    page.get_by_role("button", name="Play", exact=True).click()
    until(page, lambda: page.evaluate("document.querySelector('#audio').currentTime") > 1.5)
    assert page.evaluate("document.querySelector('#audio').webkitAudioDecodedByteCount") > 0
    expect(page.locator(".turn[aria-current]")).to_have_count(1)
    page.get_by_role("button", name="Pause", exact=True).click()


COLOURED = """() => {
  const root = document.querySelector('#surfer > div').shadowRoot;
  const pixels = canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const drawn = canvas => pixels(canvas).filter((value, place) => place % 4 === 3 && value).length;
  return [...root.querySelectorAll('canvas')].reduce((sum, canvas) => sum + drawn(canvas), 0);
}"""
"""How many pixels of the waveform are drawn."""


def test_the_demo_does_not_overwrite_a_strangers_folder(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/precious.txt").write_text("precious")
    ran = cli("demo", "--folder", "mine", code=2)
    assert "mine" in ran.err
    assert (tmp_path / "mine/precious.txt").exists()
