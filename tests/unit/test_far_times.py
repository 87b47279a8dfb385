"""Times that no conversation has, in files of the ``speech`` dialect: every way of reading says the same of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.payloads.sources import Bytes
from turnkeeper.errors import Unread
from turnkeeper.payloads.dialect import Mode
from turnkeeper.transcript.assemble import Body, assemble

T0 = 1_700_000_000_000
HUGE = 10**30

DOCUMENTS: dict[str, tuple[int, int, dict[str, Any]]] = {
    "usual": (T0 + 1000, 500, {}),
    "a phrase of years": (T0 + 1000, 2 * 10**11, {}),
    "an offset of years before": (-15 * 10**10, 5, {"conversationStartTime": T0 - 10**11}),
    "a year far from now": (2 * 10**13, 5, {"conversationStartTime": 2 * 10**13 - 5}),
    "all that a double holds": (10**15 - 1, 10**15 - 1, {"conversationStartTime": 10**15 - 7}),
    "a start of more than 64 bits": (T0, 5, {"conversationStartTime": HUGE}),
    "a start at the end of 64 bits": (1, 5, {"conversationStartTime": 2**63 - 1}),
    "an origin of more than 64 bits": (1, 5, {"startTime": HUGE, "conversationStartTime": T0}),
    "an origin beyond all stretches": (1, 5, {"startTime": 2**62 + 2 * T0, "conversationStartTime": T0}),
    "people of more than 64 bits": (
        T0,
        5,
        {"participants": [{"participantPurpose": "external", "startTimeMs": HUGE, "endTimeMs": -HUGE}]},
    ),
}


def _read(raw: bytes, mode: Mode) -> object:
    try:
        assembly = assemble([Body(Bytes(raw))], mode=mode)
        turns = list(assembly.turns())
        assert turns == [turn for batch in assembly.columns() for turn in batch.turns]
        return turns
    except Unread as cause:
        return str(cause)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_way_says_the_same(name: str) -> None:
    start, length, head = DOCUMENTS[name]
    phrase = {"startTimeMs": start, "duration": {"milliseconds": length}, "text": "x", "participantPurpose": "external"}
    body = {"conversationId": "c", "conversationStartTime": T0, "participants": []} | head
    raw = json.dumps(body | {"transcripts": [{"language": "en", "phrases": [phrase] * 3}]}).encode()
    wanted = _read(raw, Mode())
    for mode in (Mode(words=False), Mode(strict=False, words=False)):
        assert _read(raw, mode) == wanted


def test_turns_of_two_forms_come_in_order_wherever_a_batch_ends() -> None:
    """Those without an end are read in seconds, the others natively in milliseconds: 5,000 s is after 6,000 ms."""
    new = [{"start_time": round(6 + at / 1000, 3), "end_time": 5007, "text": "n" * 90} for at in range(900)]
    new = [turn | {"speaker_id": "a"} for turn in new]
    for count in range(540, 640):
        old = [{"start_time": round(5000 + at / 1000, 3), "text": "o" * 90} for at in range(count)]
        raw = json.dumps({"conversation": "c", "participants": [], "transcript": old + new}).encode()
        starts = [turn.start_ms for turn in assemble([Body(Bytes(raw))]).turns()]
        assert starts == sorted(starts, key=lambda start: start or 0)
