"""Opens a page of one hour and a bare page of the same bytes in turn, several rounds of it, and writes the table."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, sync_playwright
from tests.browser.made import Made, dialogue, spoken, write

import turnkeeper as tk

ROUNDS = 7
SCRIPT = re.compile(rb"<script>.*?</script>", re.S)


def run() -> str:
    """The section of this suite, also printed."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        archive = str(write(place / "archive", [spoken(Made("hour", dialogue(870, 4137)))]))
        inside = tk.report(archive, "hour", out=place / "inside.html").path
        beside = tk.report(archive, "hour", out=place / "beside.html", embed=False).path
        lines = [_line("audio inside", inside), _line("audio beside", beside)]
    text = f"""## A page of one hour

870 turns with words, two channels, {ROUNDS} rounds each in Chromium, opened from disk; medians. *Bare* is a page of
the same bytes with no script: the time until the browser has read it. *Shown*: turns and waveform are on the screen.
*Playable*: the audio is unpacked and can be sought in.

| page | size | bare | shown | playable | shown ÷ bare | playable ÷ bare |
| --- | --- | --- | --- | --- | --- | --- |
{chr(10).join(lines)}
"""
    print(text)
    return text


def _line(name: str, page: Path) -> str:
    bare = page.with_name(f"bare-{page.name}")
    # The same number of bytes in the same elements, and nothing that runs.
    bare.write_bytes(SCRIPT.sub(lambda found: b"<!--" + b" " * (len(found[0]) - 7) + b"-->", page.read_bytes()))
    assert bare.stat().st_size == page.stat().st_size
    browser_path = shutil.which("chromium")
    if not browser_path:
        raise SystemExit("Chromium is not installed: apt-get install -y chromium")
    reads, shown, playable = [], [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--mute-audio"])
        for _ in range(ROUNDS):
            reads.append(_bare(browser, bare))
            marks = _marks(browser, page)
            shown.append(marks["ready"])
            playable.append(marks["playable"])
        browser.close()
    base, first, last = median(reads), median(shown), median(playable)
    times = f"{base:.0f} ms | {first:.0f} ms | {last:.0f} ms | {first / base:.2f} | {last / base:.2f}"
    return f"| {name} | {page.stat().st_size / 1e6:.1f} MB | {times} |"


def _bare(browser: Browser, path: Path) -> float:
    page = browser.new_page()
    page.goto(path.as_uri())
    read = float(page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"))
    page.close()
    return read


def _marks(browser: Browser, path: Path) -> dict[str, float]:
    page = browser.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-sound=ready]", timeout=120_000)
    marks = page.evaluate("Object.fromEntries(performance.getEntriesByType('mark').map(m => [m.name, m.startTime]))")
    page.close()
    return {str(name): float(value) for name, value in marks.items()}
