"""Pages of recordings that are damaged: nothing green, and what is missing stands in the first screen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from playwright.sync_api import FloatRect, Page, expect

import turnkeeper as tk
from tests.browser.conftest import Open
from tests.conftest import Platform
from tests.e2e.test_audio import fetch, lay
from tests.unit.audio.sounds import RATE, Samples, write_media, write_sound

GREEN = "#verdict.good, .told.good, .v-verified"
SCREENS = ((1280, 860), (390, 780))
"""A desk's and a phone's first screen."""


def chained(folder: Path, samples: Samples) -> Path:
    """Two Opus streams, one behind the other: the whole call."""
    half = samples.shape[1] // 2
    parts = [
        write_sound(folder / f"{number}.opus", part, format="OGG", subtype="OPUS").read_bytes()
        for number, part in enumerate((samples[:, :half], samples[:, half:]))
    ]
    (folder / "chained.opus").write_bytes(b"".join(parts))
    return folder / "chained.opus"


def cut(folder: Path, samples: Samples) -> Path:
    path = write_sound(folder / "cut.wav", samples, subtype="ULAW")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def unfinished(folder: Path, samples: Samples) -> Path:
    """The recorder died: the sizes in the header are 0."""
    path = write_sound(folder / "zero.wav", samples, subtype="ULAW")
    data = bytearray(path.read_bytes())
    at = data.find(b"data") + 4
    data[4:8] = data[at : at + 4] = bytes(4)
    path.write_bytes(data)
    return path


def holed(folder: Path, samples: Samples) -> Path:
    """Ten seconds of packets are gone, and the clock of those behind them goes on as if nothing had happened."""
    whole, path = write_media(folder / "whole.webm", samples, "libopus", out_rate=48_000), folder / "holed.webm"
    with av.open(str(whole)) as read, av.open(str(path), "w") as written:
        track = read.streams.audio[0]
        out: Any = written.add_stream_from_template(track)
        for packet in read.demux(track):
            if packet.dts is None or packet.pts is None or 20 <= packet.pts * packet.time_base < 30:
                continue
            packet.stream = out
            written.mux(packet)
    return path


FILES: dict[str, tuple[Callable[[Path, Samples], Path], str, str]] = {
    "chained": (chained, "In sync, with remarks", "2 streams stand one behind another"),
    "cut": (cut, "Sound is missing", "Sound is missing: the file is cut off"),
    "zero-size": (unfinished, "In sync, with remarks", "the recorder did not finish"),
    "holed": (holed, "Sound is missing", "10.0 s are missing in the file"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_recording_is_not_green_and_says_why_at_once(
    name: str, platform: Platform, tmp_path: Path, browse: Open
) -> None:
    """K4: half a call was vouched for as "In sync"."""
    make, badge, words = FILES[name]
    calls = platform(calls=True, conversations=1)
    source = Path(tk.__file__).parent / "simulator/calls/plain.opus"
    samples = np.ascontiguousarray(soundfile.read(source, dtype="int16", always_2d=True)[0].T)
    assert soundfile.info(source).samplerate == RATE
    file = make(tmp_path, samples)
    lay(calls, calls.simulation.call_ids["plain"], tmp_path / "bucket", file)
    got = fetch(calls, "plain", tmp_path / "archive", audio_from=str(tmp_path / "bucket"))
    folder = tk.report(str(tmp_path / "archive"), out=tmp_path / "calls").path
    for width, height in SCREENS:
        page = browse(tmp_path / "calls/calls" / f"{got.conversation}.html", width=width, height=height)
        expect(page.locator("#verdict")).to_have_text(badge)
        expect(page.locator(GREEN)).to_have_count(0)
        told = page.locator("#truths li").filter(has_text=words)
        expect(told).to_be_visible()
        place = told.bounding_box()
        assert place is not None
        assert page.evaluate("window.scrollY") == 0
        assert place["y"] >= 0
        assert place["y"] + place["height"] < height
        assert page.evaluate("place => document.elementFromPoint(...place).closest('#truths') !== null", _middle(place))
        page.screenshot(path=tmp_path / f"{name}-{width}.png")
    listed = browse(folder)
    expect(listed.locator(GREEN)).to_have_count(0)
    _agrees_with_the_player(page)


def _middle(place: FloatRect) -> list[float]:
    """Where a finger would touch it: nothing may lie over it."""
    return [place["x"] + place["width"] / 2, place["y"] + place["height"] / 2]


def _agrees_with_the_player(page: Page) -> None:
    """What the browser plays is as long as what was decoded, or the page says that it is not."""
    page.wait_for_selector("html[data-sound=ready]", timeout=60_000)
    page.wait_for_timeout(300)
    heard = page.evaluate("document.querySelector('#audio').duration")
    alert = page.locator("#alert").inner_text() if page.locator("#alert").is_visible() else ""
    lasts = page.evaluate("JSON.parse(document.getElementById('call').textContent).recordings[0]")
    if heard != float("inf"):  # of a chained file it only knows at its end
        assert heard > lasts["frames"] / lasts["rate"] - 0.6 or "This browser plays only" in alert
