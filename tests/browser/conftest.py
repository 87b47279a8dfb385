"""Debian's Chromium, driven from tests. A page that complains on its console or asks for anything fails its test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

import turnkeeper as tk
from tests.browser.made import Made, dialogue, spoken, write

ROOT = Path(__file__).parents[2]
AXE = ROOT / "web/node_modules/axe-core/axe.min.js"

Open = Callable[..., Page]


# Not for the session: while a browser is driven, a loop runs in this thread, and the next tests need their own.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    # Sound without a device, started by the test and not by a hand.
    arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--mute-audio"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def browse(chromium: Browser) -> Iterator[Open]:
    """Open a file: ``browse(path, "#turn=3", width=390, dark=True)``. Everything it complains of fails the test."""
    complaints: list[str] = []
    with ExitStack() as stack:

        def go(
            path: Path, at: str = "", *, width: int = 1280, height: int = 860, dark: bool = False, **more: Any
        ) -> Page:
            scheme = "dark" if dark else "light"
            context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **more)
            stack.callback(context.close)
            page = context.new_page()
            page.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
            page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
            page.on("request", lambda asked: complaints.extend(_strange(asked.url)))
            page.goto(path.as_uri() + at)
            page.wait_for_selector("html[data-ready=listed]", timeout=60_000)
            return page

        yield go
    assert not complaints


def _strange(url: str) -> list[str]:
    return [] if url.startswith(("file:", "blob:", "data:")) else [f"asked for {url[:200]}"]


def until(page: Page, holds: Callable[[], bool]) -> None:
    """Wait for something only the test can tell; the page's policy forbids the browser to evaluate text."""
    for _ in range(600):
        if holds():
            return
        page.wait_for_timeout(50)
    pytest.fail("it never came true")


def report(folder: Path, made: Made, **options: Any) -> Path:
    """The page of one conversation that is made by hand."""
    archive = write(folder / "archive", [made])
    return tk.report(str(archive), made.id, out=folder / "call.html", **options).path


@pytest.fixture(scope="session")
def hour(tmp_path_factory: pytest.TempPathFactory) -> tuple[Made, Path]:
    """One hour, two channels, 870 turns with words, audio inside the page."""
    made = spoken(Made("hour", dialogue(870, 4137)))
    return made, report(tmp_path_factory.mktemp("hour"), made)


@pytest.fixture(scope="session")
def minute(tmp_path_factory: pytest.TempPathFactory) -> tuple[Made, Path]:
    """A short call with everything a page can show, audio inside."""
    sync = {
        "mode": "correct",
        "applied": True,
        "verdict": "corrected",
        "offset_ms": 1730.4,
        "drift_ppm": -2.1,
        "confidence": 0.94,
        "swapped": False,
        "channels": ["customer", "agent"],
        "evidence": {"score": 0.91, "turns_used": 13, "reason": "onsets agree"},
    }
    made = spoken(Made("minute", dialogue(14, 4100), sync=sync))
    return made, report(tmp_path_factory.mktemp("minute"), made)


def findings(page: Page) -> list[str]:
    """What axe-core finds that is serious or critical, one line each."""
    if not AXE.exists():  # where the pages came from elsewhere
        pytest.fail("axe-core is not installed: make pages")
    page.evaluate(AXE.read_text())
    # Without its preload, for which it fetches the style of a folder's page: the policy lets nobody fetch.
    options = "{resultTypes: ['violations'], preload: false}"
    found = page.evaluate(f"axe.run(document, {options}).then(r => r.violations)")
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    return [
        f"{one['id']}: {node['html'][:200]} {node.get('failureSummary')}" for one in serious for node in one["nodes"]
    ]
