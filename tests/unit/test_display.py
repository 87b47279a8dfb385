"""Results at a prompt, in a notebook and in a data frame."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pandas as pd
import pytest

import turnkeeper as tk

HOSTILE = "<img src=x onerror=alert(1)> \x1b[31m \u202e &amp;"
TURN = tk.Turn(HOSTILE, "agent", 0, 290, words=tuple(tk.Word("hello", at, at + 1) for at in range(9)))
RESULTS = [
    TURN,
    tk.Check("clock", "ok", "differs by 3 ms"),
    tk.RunReport(done=3),
    tk.Estimate(conversations=1, requests=4, requests_per_minute=300.0, hours=0.1),
    tk.Status(archive="s3://calls", done=31, reasons={"failed": {"x" * 50: 1, "y" * 50: 2}}),
]


class Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.names.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("result", RESULTS, ids=lambda one: type(one).__name__)
def test_a_result_is_one_line_and_a_table(result: object) -> None:
    line = repr(result)
    assert line.startswith(f"{type(result).__name__}(")
    assert line.isprintable()
    seen = Elements(result._repr_html_())  # type: ignore[attr-defined]
    assert seen.names == {"table", "caption", "tr", "th", "td"}
    assert seen.text.isprintable()


def test_text_from_a_call_stays_text_in_a_table() -> None:
    assert "<img src=x onerror=alert(1)>" in Elements(TURN._repr_html_()).text


def test_what_is_long_is_counted_and_what_is_empty_left_out() -> None:
    assert "words=9 items" in repr(TURN)
    assert "speaker_id" not in repr(TURN)
    assert len(repr(tk.Turn("x" * 10_000, "agent"))) < 150


def test_turns_are_the_rows_of_a_data_frame() -> None:
    body = json.dumps({"conversationId": "c", "transcripts": [{"transcriptId": "t", "phrases": [
        {"text": "hello", "startTimeMs": 0, "duration": {"milliseconds": 290}, "participantPurpose": "internal"},
        {"text": "good day", "startTimeMs": 400, "participantPurpose": "external", "words": [{"word": "good"}]},
    ]}]}).encode()  # fmt: skip
    turns = list(tk.read_turns(body, words=True))
    frame = pd.DataFrame(turn.as_dict() for turn in turns)
    assert list(frame.columns) == list(tk.Turn.__struct_fields__)
    assert list(frame["text"]) == ["hello", "good day"]
    assert list(frame["start_ms"]) == [turn.start_ms for turn in turns]
    assert frame["words"][1][0]["word"] == "good"
