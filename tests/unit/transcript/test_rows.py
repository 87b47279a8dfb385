"""The door to the part in C: what cannot be used is not, and what only one way could hear is heard by none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.transcript.sources import body
from tests.unit.transcript.test_dialects import MEDIA
from tests.unit.transcript.test_native_turns import PYTHON
from turnkeeper.transcript import rows
from turnkeeper.transcript.assembly import assemble
from turnkeeper.transcript.dialects import SHAPES


class _Refusing:
    """As if Structs had no slots to fill."""

    @staticmethod
    def Reader(*_: Any) -> Any:  # noqa: N802 - the name in C
        raise TypeError("text is no slot")


class _Other:
    """As if Structs were laid out otherwise."""

    class Reader:
        def __init__(self, *_: Any) -> None: ...

        def objects(self, *_: Any) -> Any:
            return [rows._Trial("b")], 14


@pytest.mark.parametrize("module", [None, _Refusing, _Other])
def test_a_part_in_c_that_cannot_be_used_is_as_one_that_is_not_there(module: Any) -> None:
    assert rows._tried(module) is None


def test_the_one_that_was_built_can_be_used() -> None:
    assert rows._tried(rows._native) is rows._native


@pytest.mark.parametrize("shapes", [SHAPES, PYTHON], ids=["c", "python"])
def test_no_key_of_a_payload_sets_what_is_ours(shapes: Any) -> None:
    """Once such a key was a plain name, and a gateway could have written a turn's channel or language."""
    names = ("role", "channel", "language", "communication", "words", "index")
    spoilt = [one | {f"({name} of turnkeeper)": "x" for name in names} for one in MEDIA["transcript"]]
    plain, odd = (
        list(assemble([body(MEDIA | {"transcript": turns})], shapes=shapes).turns())
        for turns in (MEDIA["transcript"], spoilt)
    )
    assert plain == odd
