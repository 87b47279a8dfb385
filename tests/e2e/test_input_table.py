"""The table of verbs x inputs in docs/errors.md says what happens; no verb is silent about what it made nothing of."""

from __future__ import annotations

import pytest

from tests.e2e.input_table import INPUTS, PAGE, VERBS, Verb, provoked, table


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name.strip("`"))
@pytest.mark.parametrize("kind", INPUTS)
def test_the_table_says_what_happens(verb: Verb, kind: str) -> None:
    """K1: success that lost everything: every verb x (empty, processing, unknown id, foreign shape, HTML)."""
    cell = provoked(verb, kind)
    stands = table(PAGE.read_text())[verb.name][kind]
    if cell is None:
        assert stands == ""
        return
    assert "Traceback" not in cell.all_words
    assert cell.words, f"silent, exit {cell.code}"
    assert cell.text() == stands


def test_the_table_has_every_verb_and_no_other() -> None:
    assert list(table(PAGE.read_text())) == [verb.name for verb in VERBS]
