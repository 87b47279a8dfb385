"""The table of docs/audio.md: damage by codec, judged by ffmpeg and by Chromium.

``python -m tests.unit.audio.damage_table [all]`` prints it: a row for each kind of damage, or with ``all`` for every
case that the tests know.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Error, sync_playwright

from tests.unit.audio.damage import CASES, OGG, WAV, Case, make
from tests.unit.audio.judge import ffmpeg_ms
from turnkeeper.audio.decode import open_audio
from turnkeeper.errors import Unread

_ENDINGS = {"WAV": "wav", "RIFX": "wav", "Ogg": "ogg", "MP3": "mp3", "FLAC": "flac", "WebM": "webm", "M4A": "m4a"}
_SHOWN = ("u-law WAV", "PCM 16 RIFX")
_PAGE = "<!doctype html><audio id=audio muted></audio>"
_PLAY = """source => new Promise(done => {
  const audio = document.getElementById('audio');
  let last = 0;
  const end = () => { audio.onended = audio.onerror = null; done(audio.currentTime * 1000); };
  audio.ontimeupdate = () => { last = audio.currentTime; };
  audio.onended = end;
  audio.onerror = () => done(last * 1000 || null);
  setTimeout(() => done(last * 1000 || null), 60000);
  audio.src = source;
  audio.playbackRate = 8;
  audio.play().catch(() => 0);
})"""

Play = Callable[[Path], float | None]


@contextmanager
def chromium() -> Iterator[Play]:
    """Plays a file to its end; where it was then, in milliseconds, None where it plays nothing."""
    arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--mute-audio"]
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        page = browser.new_page()
        blank = Path(folder) / "play.html"
        blank.write_text(_PAGE)

        def play(path: Path) -> float | None:
            page.goto(blank.as_uri())
            try:
                found: float | None = page.evaluate(_PLAY, path.as_uri())
            except Error:
                return None
            return found

        yield play
        browser.close()


def _ours(path: Path) -> tuple[float | None, tuple[str, ...], int]:
    try:
        with open_audio(path) as audio:
            return audio.count() * 1000 / audio.rate, audio.notes, 3 if audio.losses else 0
    except Unread as cause:
        return None, (cause.message,), 3


def _chosen(case: Case) -> bool:
    return case.codec not in WAV or case.codec in _SHOWN or (case.damage == "whole" and case.codec not in OGG)


def _ms(value: float | None) -> str:
    return "none" if value is None else f"{value:,.0f}"


def main() -> None:
    """Print the table."""
    print("| recording | damage | ffmpeg ms | Chromium ms | turnkeeper ms | notes | exit |")
    print("| --- | --- | ---: | ---: | ---: | --- | ---: |")
    with chromium() as play, tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            if "all" not in sys.argv and not _chosen(case):
                continue
            made = make(case, Path(folder))
            named = made.with_suffix(
                "." + next((_ENDINGS[one] for one in case.codec.split() if one in _ENDINGS), "aac")
            )
            made.replace(named)
            ours, notes, code = _ours(named)
            cells = (
                case.codec,
                case.damage,
                _ms(ffmpeg_ms(named)),
                _ms(play(named)),
                _ms(ours),
                "; ".join(notes),
                code,
            )
            print("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    main()
