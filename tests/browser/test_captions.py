"""Captions of many scripts as a browser's own track and ffmpeg read them: every letter as said, in lines that fit."""

from __future__ import annotations

import base64
import html
import io
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
import srt
from playwright.sync_api import Browser

from tests.browser.conftest import Open, report
from tests.browser.made import Made
from turnkeeper.model import Participant, TranscriptHeader, Turn, Word
from turnkeeper.transcript.caption_layout import columns
from turnkeeper.transcript.turn_lines import Format, turn_writer

pytestmark = pytest.mark.needs(part="ffmpeg")

SAID: dict[str, str] = json.loads(Path(__file__).with_name("said.json").read_text())
"""A sentence of each language. A word ends at a space, and in scripts without spaces at ``|``."""

HEADER = TranscriptHeader(
    conversation="c-1", dialect="speech", participants=(Participant(id="a", role="agent", name="Ann"),)
)


def call(*, worded: bool) -> list[Turn]:
    """Each language's sentence three times, as one turn; each word lasts 400 ms."""
    turns = []
    for place, said in enumerate(SAID.values()):
        parts = re.split(r"\||(?<= )", f"{said} " * 3)
        start = place * 100_000
        words = [Word(part.strip(), start + n * 400, start + n * 400 + 400) for n, part in enumerate(parts) if part]
        text = "".join(parts).strip()
        turns.append(
            Turn(text=text, role="agent", start_ms=start, end_ms=start + len(parts) * 400, words=tuple(words) * worded)
        )
    return turns


def written(format_: Format, turns: list[Turn]) -> str:
    out = io.StringIO()
    writer = turn_writer(format_, out)
    for turn in turns:
        writer.write(turn, HEADER)
    writer.finish()
    return out.getvalue()


def solid(*texts: str) -> str:
    """Without the spaces at which lines are broken, and the joiners that keep players of SubRip from obeying text."""
    return re.sub(r"\s|\u2060", "", "".join(texts))


def said_in(cues: list[tuple[float, str]], turns: list[Turn]) -> list[str]:
    """The text of the cues of each turn."""
    spoken: dict[int, list[str]] = {}
    for start, text in cues:
        spoken.setdefault(int(start // 100), []).append(text.removeprefix("agent: "))
    return [solid(*spoken[place]) for place in range(len(turns))]


@pytest.mark.parametrize("worded", [True, False], ids=["words", "no-words"])
def test_a_browsers_track_shows_every_script_as_written(chromium: Browser, worded: bool) -> None:
    turns = call(worded=worded)
    cues = tracked(chromium, written("vtt", turns))
    assert said_in([(cue["start"], cue["text"]) for cue in cues], turns) == [solid(turn.text) for turn in turns]
    assert max(cue["text"].count("\n") for cue in cues) == 1
    assert max(columns(line) for cue in cues for line in cue["text"].splitlines()) <= 42
    if worded:
        starts = {word.start_ms for turn in turns for word in turn.words}
        assert {round(cue["start"] * 1000) for cue in cues} <= starts


@pytest.mark.parametrize("worded", [True, False], ids=["words", "no-words"])
def test_a_page_cuts_its_captions_as_the_command_does(
    worded: bool, chromium: Browser, tmp_path: Path, browse: Open
) -> None:
    """Two implementations, one of them in the page: *Save as WebVTT* gives the cues of ``turns --format vtt``."""
    turns = call(worded=worded)
    made = Made("languages", [msgspec.to_builtins(turn) | {"index": place} for place, turn in enumerate(turns)])
    page = browse(report(tmp_path, made))
    page.get_by_role("button", name="Share").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="Save as WebVTT").click()
    assert tracked(chromium, download.value.path().read_text()) == tracked(chromium, written("vtt", turns))


@pytest.mark.parametrize("format_", ["vtt", "srt"])
def test_ffmpeg_shows_every_script_as_written(format_: Format, tmp_path: Path) -> None:
    turns = call(worded=True)
    path = tmp_path / f"call.{format_}"
    path.write_text(written(format_, turns))
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "srt", "-"]
    shown = list(srt.parse(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    cues = [(one.start.total_seconds(), html.unescape(one.content)) for one in shown]
    assert said_in(cues, turns) == [solid(turn.text) for turn in turns]


def tracked(chromium: Browser, text: str) -> list[dict[str, Any]]:
    """The cues of a WebVTT file, read by the browser's own track element."""
    page = chromium.new_page()
    page.set_content("<video><track default></video>")
    cues: list[dict[str, Any]] = page.evaluate(
        """data => new Promise((done, failed) => {
          const track = document.querySelector('track');
          track.onload = () => done([...track.track.cues].map(cue =>
            ({start: cue.startTime, end: cue.endTime, text: cue.getCueAsHTML().textContent})));
          track.onerror = failed;
          track.src = 'data:text/vtt;base64,' + data;
        })""",
        base64.b64encode(text.encode()).decode(),
    )
    page.close()
    return cues
