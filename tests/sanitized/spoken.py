"""Turns made whole in C against the same in Python, and lists of turns that nobody in their senses would give."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

from turnkeeper.model import Turn
from turnkeeper.transcript.rows import native

__all__ = ["once"]

EPOCH = FURTHEST = 10**11
MEMBERS = Turn.__struct_fields__
TURNS = native.Turns(Turn, EPOCH, FURTHEST)
CHANNELS = (None, "external", "internal", "acd")
ANSWERS = (("customer", "p1", "external"), ("agent", None, "internal"), ("unknown", None, None))
FAR = (2**63 - 1, -(2**63), 2**62, 10**30, -(10**30))


class Boom(Exception):
    """What an odd object throws."""


class Odd:
    """A key whose comparison, and a value whose end, does something to what is being worked on."""

    def __init__(self, deed: Callable[[], None], answer: bool) -> None:
        self._deed, self._answer = deed, answer

    def __hash__(self) -> int:
        return hash("external")

    def __eq__(self, other: object) -> bool:
        self._deed()
        return self._answer

    def __del__(self) -> None:
        with suppress(Boom):
            self._deed()


def once(dice: Random) -> str:
    """One list of turns through both ways. Says of what sort it was."""
    if dice.random() < 0.3:
        _oddly(dice)
        return "odd turns"
    if dice.random() < 0.5:
        _named(dice)
        return "turns named"
    _voiced(dice)
    return "turns voiced"


def _turns(dice: Random) -> list[Turn]:
    times = (0, 5, 1000, EPOCH, EPOCH + 1, -5, -FURTHEST, 15 * 10**10, 1_700_000_000_000, 10**15, -(10**15), None, 2.5)
    return [
        Turn(
            text="t" * dice.randrange(3),
            role="unknown",
            start_ms=dice.choice(times),  # type: ignore[arg-type] # odd ones too
            end_ms=dice.choice((0, 1, 10, 2 * 10**11, 10**15, -1)),
            speaker_id=dice.choice(CHANNELS),
            channel=dice.choice(CHANNELS),
            index=dice.choice((None, 0, 7)),  # type: ignore[arg-type] # as phrases are read
            duplicate_of=dice.choice((None, "", "better")),
        )
        for _ in range(dice.randrange(6))
    ]


def _state(turns: list[Turn]) -> str:
    return repr([[getattr(turn, member, "gone") for member in MEMBERS] for turn in turns])


def _with(turn: Turn, **more: Any) -> Turn:
    return Turn(**{member: getattr(turn, member) for member in MEMBERS} | more)


def _named(dice: Random) -> None:
    turns, first = _turns(dice), dice.randrange(1000)
    roles = {key: dice.choice(("agent", "customer")) for key in dice.sample(CHANNELS, 2)}
    communication = dice.choice((None, "leg"))
    wanted = [
        _with(
            turn,
            role=roles.get(turn.speaker_id, "unknown"),
            index=first + at,
            communication=turn.communication if communication is None else communication,
        )
        for at, turn in enumerate(turns)
    ]
    TURNS.named(turns, first, roles, "unknown", communication)
    assert _state(turns) == _state(wanted)


def _voiced(dice: Random) -> None:
    turns = _turns(dice)
    around = (
        dice.randrange(1000),
        dice.choice((0, 0, 5, 1_700_000_000_000, *FAR)),
        dice.choice((0, 0, -3, 10**11, *FAR)),
        dice.choice((-(1 << 62), -(1 << 62), 0, 3, *FAR)),
        dice.choice((1 << 62, 1 << 62, 1 << 62, 6, 1000, *FAR)),
    )
    answers = {key: dice.choice(ANSWERS) for key in dice.sample(CHANNELS, 3)}
    sentiment = dice.choice(({}, {0: 0.5, 3: -1.0}))
    at, stop = dice.choice((0, 0, 1, -1)), dice.choice((len(turns), len(turns), 2, 100))
    wanted, reached = list(turns), at
    while 0 <= reached < min(stop, len(turns)):
        made = _one(turns[reached], reached, around, answers, sentiment)
        if made is None:
            break
        wanted[reached] = made
        reached += 1
    told = f"{_state(turns)} {around} {answers}"
    found = TURNS.voiced(turns, at, stop, around, answers, "leg", "en", sentiment)
    assert (found, _state(turns)) == (reached, _state(wanted)), told


def _one(turn: Any, at: int, around: tuple[int, ...], answers: Any, sentiment: Any) -> Turn | None:
    first, base, shift, since, until = around
    if not isinstance(turn.start_ms, int) or not isinstance(turn.end_ms, int) or turn.end_ms < 0:
        return None
    start = turn.start_ms - base if turn.start_ms > EPOCH else turn.start_ms + shift
    end = start + turn.end_ms
    if not -FURTHEST <= start <= FURTHEST or not since <= start < until or end > until or turn.channel not in answers:
        return None
    index = first + at if turn.index is None else turn.index
    role, speaker, channel = answers[turn.channel]
    return _with(
        turn,
        text=turn.duplicate_of or turn.text,
        role=role,
        speaker_id=speaker,
        channel=channel,
        start_ms=start,
        end_ms=end,
        communication="leg",
        language="en",
        duplicate_of=None,
        index=index,
        sentiment=sentiment.get(index) if sentiment else turn.sentiment,
    )


def _oddly(dice: Random) -> None:
    """Members that are not there, keys and values that undo the list and the dictionaries while they are used."""
    turns: list[Any] = _turns(dice)
    roles: dict[Any, Any] = {"external": "agent"}
    answers: dict[Any, Any] = {key: dice.choice(ANSWERS) for key in CHANNELS}
    sentiment: dict[Any, Any] = {0: 0.5}
    armed = False

    def deed() -> None:
        kind = dice.randrange(8) if armed else -1
        if kind == 0:
            turns.clear()
        elif kind == 1:
            answers.clear()
            roles.clear()
        elif kind == 2 and turns:
            _strip(dice, turns[0])
        elif kind == 3:
            raise Boom
        elif kind == 4:
            sentiment.clear()
        elif kind == 5 and turns:
            turns.pop()

    def odd() -> Any:
        return dice.choice(
            (Odd(deed, dice.random() < 0.5), Odd(deed, answer=False), 2**70, -(2**63), True, 0.5, (), [], Turn)
        )

    for place, turn in enumerate(turns):
        odds = {member: odd() for member in MEMBERS if dice.random() < 0.15}
        turns[place] = _with(turn, **odds) if odds else turn
        if dice.random() < 0.1:
            _strip(dice, turns[place])
        if dice.random() < 0.02:
            turns[place] = odd()
    for known in (roles, answers, sentiment):
        if dice.random() < 0.5:
            known[Odd(deed, dice.random() < 0.3)] = dice.choice(
                (*ANSWERS, ("agent",), None, tuple([odd() for _ in range(3)]))
            )
    extent = (dice.choice((0, *FAR[:3])), *dice.choices((0, 1, *FAR), k=2), -(1 << 62), 1 << 62)
    armed = True
    with suppress(TypeError, AttributeError, OverflowError, Boom):
        if dice.random() < 0.5:
            TURNS.named(turns, dice.choice((0, *FAR[:3])), roles, odd(), odd())
        else:
            TURNS.voiced(turns, 0, 100, extent, answers, odd(), odd(), sentiment)
    armed = False
    _state([turn for turn in turns if type(turn) is Turn])
    # The collector does not look into turns: whoever made a circle through one undoes it.
    turns.clear()
    for known in (roles, answers, sentiment):
        known.clear()


def _strip(dice: Random, turn: Any) -> None:
    member = dice.choice(MEMBERS)
    if type(turn) is Turn and hasattr(turn, member):
        getattr(Turn, member).__delete__(turn)
