"""Words are found in their text where they stand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from turnkeeper.model import Word
from turnkeeper.pages.words import place_words

LETTERS = st.text(st.sampled_from("abcdeäöéİ日本🙂\U0001d518'"), min_size=1, max_size=6)
BETWEEN = st.sampled_from([" ", ", ", "... ", " - ", "\u00a0"])
VALID = st.characters(exclude_categories=["Cs"])


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def cut(text: str, offset: int, length: int) -> str:
    return text.encode("utf-16-le")[2 * offset : 2 * (offset + length)].decode("utf-16-le")


@given(st.lists(st.tuples(LETTERS, BETWEEN), max_size=12))
def test_each_word_of_a_spelled_out_text_is_found(parts: list[tuple[str, str]]) -> None:
    text = "".join(word + between for word, between in parts)
    words = [Word(word=word, start_ms=n * 10, end_ms=n * 10 + 5) for n, (word, _) in enumerate(parts)]
    placed, low = place_words(text, words)
    found = [(cut(text, *placed[i : i + 2]), *placed[i + 2 : i + 4]) for i in range(0, len(placed), 4)]
    assert found == [(word, n * 10, n * 10 + 5) for n, (word, _) in enumerate(parts)]
    assert low == []


@given(st.text(VALID, max_size=60), st.lists(st.text(VALID, max_size=5), max_size=8))
def test_nothing_is_placed_outside_or_backwards(text: str, said: list[str]) -> None:
    placed, _ = place_words(text, [Word(word=word, start_ms=0) for word in said])
    at = 0
    for i in range(0, len(placed), 4):
        assert placed[i] >= at
        at = placed[i] + placed[i + 1]
    assert at <= units(text)


def test_capitals_and_punctuation_do_not_matter_and_parts_of_words_do_not_count() -> None:
    words = [Word(word="is", start_ms=1), Word(word="it", start_ms=2, confidence=0.2), Word(word="42", start_ms=3)]
    placed, low = place_words("This, Is it forty-two?", words)
    assert placed == [6, 2, 1, 1, 9, 2, 2, 2]
    assert low == [1]
