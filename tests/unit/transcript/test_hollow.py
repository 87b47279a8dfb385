"""Arrays passed over unseen: what is left reads the same, or the whole text is decoded."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeeper.errors import Unread
from turnkeeper.transcript.hollow import Hollow
from turnkeeper.transcript.rows import Field, Rows
from turnkeeper.transcript.stream import Kind, Stream

KEYS = ("words", "decoratedWords")


class Line(msgspec.Struct, gc=False):
    text: str


UNSEEN = Kind(Line, unread=KEYS)
NATIVE = Kind(Line, unread=KEYS, rows=Rows(Line, (Field("text", "text", "text"),), unread=KEYS))
kinds = pytest.mark.parametrize("kind", [UNSEEN, NATIVE], ids=["emptied", "native"])


def emptied(text: bytes) -> bytes | None:
    return Hollow(KEYS).emptied(text, len(text))


def read(raw: bytes, *, strict: bool = False, kind: Kind = UNSEEN) -> list[str]:
    stream = Stream({(): kind}, strict=strict)
    return [line.text for batch in [*stream.feed(raw), *stream.finish()] for line in batch.items]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (b'[{"words":[{"w":1},{"w":2}],"text":"a"}]', b'[{"words":[],"text":"a"}]'),
        (b'[{"words" :\n [ {"w":1} ],"text":"a"}]', b'[{"words" :\n [],"text":"a"}]'),
        (b'[{"words":[1],"decoratedWords":[2],"text":"a"}]', b'[{"words":[],"decoratedWords":[],"text":"a"}]'),
        (b'[{"alternatives":[{"words":[1]}],"text":"a"}]', b'[{"alternatives":[{"words":[]}],"text":"a"}]'),
        (b'[{"words":[],"text":"a"}]', b'[{"words":[],"text":"a"}]'),
        (b'[{"text":"\\"words\\":[1]"}]', None),
        (b'[{"text":"a","more":[1]}]', None),
        (b'[{"text":"a"}]', None),
        (b"", None),
    ],
)
def test_what_is_left(text: bytes, left: bytes | None) -> None:
    assert emptied(text) == left


def test_no_further_than_asked() -> None:
    text = b'[{"words":[1]},{"words":[2]}]'
    assert Hollow(KEYS).emptied(text, 16) == b'[{"words":[]},{'


@pytest.mark.parametrize(
    "words",
    [
        [{"word": "]"}],
        [{"word": "["}],
        [{"word": '"],"text":"forged'}],
        [{"word": ']},{"text":"forged"},{"words":['}],
        [{"word": "a", "more": [1, [2]]}],
        [{"word": "\\]"}, {"word": '"words":['}],
        [],
        None,
    ],
)
@kinds
def test_words_of_any_kind_change_nothing(words: Any, kind: Kind) -> None:
    turns = [{"text": f"{n}", "words": words, "decoratedWords": words} for n in range(40)]
    assert read(json.dumps(turns).encode(), kind=kind) == [f"{n}" for n in range(40)]
    assert read(json.dumps(turns, indent=2).encode(), kind=kind) == [f"{n}" for n in range(40)]


_JSON = st.recursive(
    st.none() | st.integers() | st.text('ab"\\[]{},:', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*KEYS, "x"]), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.fixed_dictionaries({"text": st.text('ab"\\[]{}', max_size=6)}, optional=dict.fromkeys(KEYS, _JSON))))
def test_any_document_reads_as_it_does_whole(turns: list[dict[str, Any]]) -> None:
    raw = json.dumps(turns, separators=(",", ":")).encode()
    truth = [turn["text"] for turn in turns]
    for kind in (UNSEEN, NATIVE):
        assert read(raw, kind=kind) == read(raw, strict=True, kind=kind) == truth


@kinds
def test_damage_within_is_passed_over_only_where_nobody_is_strict(kind: Kind) -> None:
    raw = json.dumps([{"text": "a", "words": [{"word": "b"}]}] * 20).encode()
    damaged = raw.replace(b'"word":', b'"word"', 1)
    assert read(damaged, kind=kind) == ["a"] * 20
    with pytest.raises(Unread, match="not JSON"):
        read(damaged, strict=True, kind=kind)


@kinds
def test_a_bracket_that_is_lost_swallows_no_turn(kind: Kind) -> None:
    raw = json.dumps([{"words": [{"word": "b"}], "text": "a"}] * 20).encode()
    with pytest.raises(Unread):
        read(raw.replace(b'"}]', b'"}', 1), kind=kind)


def test_after_a_few_refusals_the_whole_is_decoded() -> None:
    hollow = Hollow(KEYS)
    text = b'[{"words":[1]}]'
    for _ in range(3):
        assert hollow.emptied(text, len(text))
        hollow.refused()
    assert hollow.emptied(text, len(text)) is None
