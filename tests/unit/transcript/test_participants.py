"""People of several legs: each leg's file lists everybody, and everybody is one person."""

from __future__ import annotations

import pytest

from turnkeeper.payloads.dialect import Person
from turnkeeper.transcript.participants import merge_people

CUSTOMER = Person(purpose="customer", start=0, end=90)
FIRST = Person(purpose="agent", user_id="u1", start=10, end=50)
SECOND = Person(purpose="agent", user_id="u2", start=50, end=90)


def test_both_legs_list_everybody() -> None:
    everybody = [CUSTOMER, FIRST, SECOND]
    assert merge_people([everybody, everybody]) == everybody


def test_a_leg_that_saw_less_of_somebody_says_the_rest() -> None:
    part = Person(purpose="agent", user_id="u1", name="Ann", start=5, end=20)
    assert merge_people([[FIRST], [part]]) == [Person(purpose="agent", user_id="u1", name="Ann", start=5, end=50)]


def test_who_comes_back_later_is_there_twice() -> None:
    back = Person(purpose="agent", user_id="u1", start=70, end=90)
    assert merge_people([[FIRST, back], [FIRST, back]]) == [FIRST, back]


@pytest.mark.parametrize(
    ("one", "other", "people"),
    [
        (Person(purpose="agent", start=0, end=9), Person(purpose="agent", start=5, end=20), 2),
        (Person(purpose="agent", start=0, end=9), Person(purpose="agent", start=0, end=9), 1),
        (Person(purpose="ivr", start=0, end=9), Person(purpose="ivr", start=5, end=20), 1),
        (Person(purpose="ivr", start=0, end=5), Person(purpose="ivr", start=5, end=20), 2),
        (Person(purpose="customer"), Person(purpose="customer", start=5), 1),
        (Person(id="a"), Person(id="a", name="Ann"), 1),
        (Person(id="a"), Person(id="b"), 2),
    ],
)
def test_the_nameless_are_joined_only_where_they_must_be_one(one: Person, other: Person, people: int) -> None:
    assert len(merge_people([[one], [other]])) == people
