"""Make the pictures of the demo and of reports: ``.venv/bin/python docs/screenshot.py [ARCHIVE CONVERSATION]``."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.text import Text

import turnkeeper as tk
from turnkeeper.environment import environment

DOCS = Path(__file__).parent
PICTURES = {
    "report-light": {"viewport": {"width": 1200, "height": 780}, "color_scheme": "light"},
    "report-dark": {"viewport": {"width": 1200, "height": 780}, "color_scheme": "dark"},
    "report-phone": {"viewport": {"width": 390, "height": 780}, "color_scheme": "light"},
}
LISTS = {
    "report-list": {"viewport": {"width": 1200, "height": 780}, "color_scheme": "light"},
    "report-list-phone": {"viewport": {"width": 390, "height": 780}, "color_scheme": "light"},
}


WIDTHS = (80, 200)
"""Columns of the terminals in which the demo's end is shown."""


def main(arguments: list[str]) -> None:
    found = shutil.which("chromium")
    if not found:
        raise SystemExit("Chromium is not installed: apt-get install -y chromium")
    with tempfile.TemporaryDirectory() as folder:
        archive, conversation = arguments or _demo(Path(folder))
        pages = tk.report(archive, out=Path(folder) / "pages").path
        page = tk.report(archive, conversation, out=Path(folder) / "call.html").path
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--mute-audio"])
            for name, settings in PICTURES.items():
                _picture(browser, f"{page.as_uri()}#turn=5", name, settings)
            for name, settings in LISTS.items():
                _picture(browser, pages.as_uri(), name, settings)
            for columns in WIDTHS:
                _terminal(browser, columns)
            browser.close()


def _demo(folder: Path) -> tuple[str, str]:
    """A real demo's archive, and the call whose page it names first."""
    done = subprocess.run(
        [sys.executable, "-m", "turnkeeper", "demo"], cwd=folder, check=True, stdout=subprocess.PIPE, text=True
    )
    page = Path(done.stdout.split("Open this call and press Space:")[1].split()[0])
    return str(folder / "turnkeeper-demo"), page.stem


def _terminal(browser: Browser, columns: int) -> None:
    """What a terminal of this width shows of a demo."""
    with tempfile.TemporaryDirectory() as folder:
        env = {**environment(), "COLUMNS": str(columns), "FORCE_COLOR": "1", "TERM": "xterm-256color"}
        command = [sys.executable, "-m", "turnkeeper", "demo"]
        done = subprocess.run(command, cwd=folder, env=env, check=True, stdout=subprocess.PIPE, text=True)
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True)
    console.print(Text("$ turnkeeper demo\n") + Text.from_ansi(done.stdout))
    page = browser.new_page(viewport={"width": 13 * columns, "height": 1000})
    page.set_content(f"<body style='margin:0'>{console.export_svg(title=f'{columns} columns')}</body>")
    target = DOCS / f"demo-{columns}.png"
    page.locator("svg").screenshot(path=target)
    sys.stdout.write(f"{target}\n")
    page.close()


def _picture(browser: Browser, address: str, name: str, settings: dict[str, object]) -> None:
    page = browser.new_page(**settings, locale="en-GB", timezone_id="UTC")  # type: ignore[arg-type]
    page.goto(address)
    page.wait_for_selector("html[data-ready=listed]")
    # The turn that is named scrolls into view, and that takes a moment.
    page.wait_for_timeout(1500)
    page.evaluate("window.scrollTo({top: 0, behavior: 'instant'})")
    page.wait_for_timeout(300)
    target = DOCS / f"{name}.png"
    page.screenshot(path=target)
    sys.stdout.write(f"{target}\n")
    page.close()


if __name__ == "__main__":
    main(sys.argv[1:])
