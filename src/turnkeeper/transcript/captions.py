"""Write turns as captions: WebVTT and SubRip. Text from a call is not trusted.

Turns are changed only as far as ``turnkeeper.transcript.labels`` says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, TextIO

from turnkeeper.model import Turn
from turnkeeper.transcript.caption_layout import Caption, ReadingSpeed, captions, columns
from turnkeeper.transcript.escape import one_line
from turnkeeper.transcript.labels import TurnLabels, shown_times

__all__ = ["SubRip", "WebVtt"]

_WORD_JOINER: Final = "\u2060"
_MARKS: Final = re.compile(r"[<{\\]|-->")


class _Captions(TurnLabels):
    """The common part of the caption formats, whose text is read while it passes."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        self._pace = ReadingSpeed()

    @property
    def speed_warning(self) -> str:
        """How many captions are hard to read, and the worst one. Empty where none is."""
        return str(self._pace)

    def _turn_captions(self, turn: Turn, start_ms: int, end_ms: int, indent: int = 0) -> Iterator[Caption]:
        """The captions of a turn. Each is counted for the reading speed."""
        for caption in captions(one_line(turn.text), *shown_times(start_ms, end_ms), turn.words, indent=indent):
            self._pace.add(caption)
            yield caption


class WebVtt(_Captions):
    """WebVTT. The speaker is the voice of each cue and the role its class. A long turn becomes several cues."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        out.write("WEBVTT\n")

    def _write_label(self, turn: Turn, start_ms: int, end_ms: int) -> None:
        voice = _escape_vtt(self._speaker_name(turn))
        for caption in self._turn_captions(turn, start_ms, end_ms):
            text = _escape_vtt("\n".join(caption.lines))
            times = f"{_timestamp(caption.start_ms, '.')} --> {_timestamp(caption.end_ms, '.')}"
            self._out.write(f"\n{times}\n<v.{turn.role} {voice}>{text}</v>\n")


class SubRip(_Captions):
    r"""SubRip. Captions are numbered and the speaker precedes the text. A long turn becomes several captions.

    The format has no escapes, and players take ``<b>``, ``{\an8}`` and ``\N`` for instructions. An invisible word
    joiner behind the first character of those makes them plain text.
    """

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        self._number = 0

    def _write_label(self, turn: Turn, start_ms: int, end_ms: int) -> None:
        speaker = f"{self._speaker_name(turn)}: "
        for place, caption in enumerate(self._turn_captions(turn, start_ms, end_ms, columns(speaker))):
            self._number += 1
            text = _defuse_srt(("" if place else speaker) + "\n".join(caption.lines))
            self._out.write(
                f"{self._number}\n{_timestamp(caption.start_ms, ',')} --> {_timestamp(caption.end_ms, ',')}\n{text}\n\n"
            )


def _timestamp(ms: int, point: str) -> str:
    hours, rest = divmod(ms, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"


def _escape_vtt(text: str) -> str:
    """Escape text for a WebVTT cue, in which ``-->`` and tags have a meaning."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _defuse_srt(text: str) -> str:
    """Make text harmless for SubRip players, which interpret tags, braces, backslashes and times."""
    return _MARKS.sub(lambda mark: mark[0][0] + _WORD_JOINER + mark[0][1:], text)
