"""What is done with turns: selected, merged, counted, written, described."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import statistics
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.payloads.sources import Bytes, body, data, read, written
from tests.unit.payloads.test_dialects import MEDIA, SCHEMAS, T0, phrase, speech
from turnkeeper.errors import Misconfigured, Unread
from turnkeeper.model import Participant, Role, TranscriptHeader, Turn, roles
from turnkeeper.payloads.shape import describe
from turnkeeper.speakers import PresenceIndex, Speakers, role_of
from turnkeeper.transcript import merge
from turnkeeper.transcript.formats import summary_document, turn_writer, write_selection, write_transcript
from turnkeeper.transcript.metrics import measure
from turnkeeper.transcript.select import Selection
from turnkeeper.transcript.summary import SummaryTally

HEADER = TranscriptHeader(
    conversation="c1", dialect="media", participants=(Participant(id="a", role="agent", name="Ann"),)
)


def turn(start: int | None = 0, text: str = "x", role: Role = "agent", length: int = 100, **more: Any) -> Turn:
    end = None if start is None else start + length
    return Turn(text=text, role=role, start_ms=start, end_ms=end, **more)


# --- selection

selections = st.builds(
    Selection,
    st.frozensets(st.sampled_from(roles)),
    st.frozensets(st.text(max_size=8), max_size=3),
    st.none() | st.integers(-100, 0),
    st.none() | st.integers(1, 10**9),
    st.none() | st.floats(0, 1),
    st.none() | st.text(max_size=8),
)


@given(selections)
def test_a_selection_is_a_safe_name_and_back(selection: Selection) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._-]+", selection.slug)
    assert Selection.parse(selection.slug) == selection
    assert bool(selection) == (selection.slug != "all")


@pytest.mark.parametrize(
    "slug", ["", "role.nobody", "role", "from.x", "all_all", "role.agent.customer", "confidence.7", "more.x"]
)
def test_what_is_no_selection(slug: str) -> None:
    with pytest.raises(Misconfigured):
        Selection.parse(slug)


def test_roles_are_exact_but_system_is_all_machines() -> None:
    turns = [turn(role=role) for role in roles]
    assert {one.role for one in Selection.from_options(["System"]).apply(turns)} == {"system", "ivr", "acd", "bot"}
    assert {one.role for one in Selection.from_options(["ivr", "agent"]).apply(turns)} == {"ivr", "agent"}
    with pytest.raises(Misconfigured, match="customer, agent, ivr"):
        Selection.from_options(["boss"])


def test_window_confidence_communication_and_interaction() -> None:
    turns = [turn(0, confidence=0.9), turn(1000, communication="k"), turn(2000, length=0, confidence=0.5), turn(None)]
    assert list(Selection(start_ms=100, end_ms=2001).apply(turns)) == turns[1:3]
    assert list(Selection(start_ms=2000).apply(turns)) == turns[2:3]
    assert list(Selection(min_confidence=0.6).apply(turns)) == turns[:1]
    assert list(Selection(communication="k").apply(turns)) == turns[1:2]
    wanted = Selection.from_options(interactions=["C1"])
    assert list(wanted.apply(turns, "c1")) == turns
    assert list(wanted.apply(turns, "c2")) == []
    assert "interaction C1" in wanted.sentence()


# --- roles


@pytest.mark.parametrize(
    ("purpose", "role"),
    [
        ("External", "customer"),
        ("user", "agent"),
        ("botflow", "bot"),
        ("dialer", "system"),
        ("station", "unknown"),
        (None, "unknown"),
    ],
)
def test_purposes(purpose: str | None, role: str) -> None:
    assert role_of(purpose) == role


people = st.lists(st.tuples(st.none() | st.integers(0, 50), st.none() | st.integers(0, 50)), max_size=24)


@given(people, st.integers(0, 50), st.integers(0, 20))
def test_intervals_agree_with_the_slow_way(spans: list[tuple[int | None, int | None]], start: int, length: int) -> None:
    everybody = [Participant(id=str(n), role="agent", start_ms=a, end_ms=b) for n, (a, b) in enumerate(spans)]
    last = start + max(length, 1)
    overlap = {
        one.id: min(one.end_ms if one.end_ms is not None else 99, last) - max(one.start_ms or 0, start)
        for one in everybody
    }
    most = max(overlap.values(), default=0)
    truth = {key for key, value in overlap.items() if value == most and most > 0}
    assert {one.id for one in PresenceIndex(everybody).best(start, start + length)} == truth


def test_the_file_has_the_say_before_the_details() -> None:
    file = [Participant(id="f", role="agent", start_ms=0, end_ms=10)]
    details = [Participant(id="d", role="ivr", start_ms=0, end_ms=100), Participant(id="c", role="customer")]
    cast = Speakers(file, details)
    assert cast.speaker_at("internal", 0, 100) == ("agent", "f", "internal")
    assert cast.speaker_at("internal", 50, 60) == ("ivr", "d", "internal")
    assert cast.speaker_at("external", 50, 60) == ("customer", "c", "external")
    assert cast.speaker_at("agent", 0, 5) == ("agent", "f", "agent")
    assert cast.speaker_at("Internal", None, None) == ("agent", "f", "internal")


@given(people, people, st.integers(0, 50), st.integers(0, 20))
def test_in_a_stretch_everybody_speaks_as_at_any_time_of_it(file: Any, details: Any, start: int, length: int) -> None:
    cast = Speakers(
        *(
            [
                Participant(id=f"{name}{n}", role=roles[n % len(roles)], start_ms=a, end_ms=b)
                for n, (a, b) in enumerate(spans)
            ]
            for name, spans in (("f", file), ("d", details))
        )
    )
    stretch = cast.interval_at(start)
    assert stretch.since <= start < stretch.until
    if start + length <= stretch.until:
        for channel in ("internal", "External", "agent", "nobody", "", None):
            assert stretch[channel] == cast.speaker_at(channel, start, start + length)


# --- merging


def test_communications_are_merged_and_duplicates_marked() -> None:
    one = speech(phrase(T0, text="same"), phrase(T0 + 5000, text="b"))
    two = speech(phrase(T0, text="same"), phrase(T0, text="other"), phrase(T0 + 2000, text="a")) | {
        "communicationId": "k2"
    }
    expected = [
        ("same", "k1", None),
        ("same", "k2", "k1/0"),
        ("other", "k2", None),
        ("a", "k2", None),
        ("b", "k1", None),
    ]
    for bodies in ((one, two), (two, one)):
        found = read(*bodies)
        assert [(each.text, each.communication, each.duplicate_of) for each in found.turns()] == expected
        assert [each.id for each in found.header.communications] == ["k1", "k2"]
        assert written(read(written(found))) == written(found)


def test_an_unnamed_leg_bears_the_id_it_was_fetched_by() -> None:
    document = speech(phrase(T0))
    del document["communicationId"]
    found = read(body(document, "asked"))
    assert next(found.turns()).communication == found.header.communications[0].id == "asked"


@given(st.lists(st.none() | st.integers(0, 20), max_size=60), st.integers(1, 7))
def test_sorting_in_runs_is_sorting(starts: list[int | None], run: int) -> None:
    turns = [turn(start, str(n), index=n) for n, start in enumerate(starts)]
    keys, last = [], -(1 << 62)
    for start in starts:
        last = last if start is None else start
        keys.append(last)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merge, "RUN_TURNS", run)
        found = list(merge.merge_sorted([merge.sorted_turns([turns], ordered=False)]))
    timed = [one for one in found if one.start_ms is not None]
    assert timed == sorted(timed, key=lambda one: (one.start_ms or 0, one.index))
    assert sorted(found, key=lambda one: one.index) == turns
    for at, one in enumerate(found):
        if one.start_ms is None and one.index:
            assert at
            assert found[at - 1].index == one.index - 1


def test_sorting_in_many_runs_keeps_one_file_open() -> None:
    """K6: merging keeps a descriptor per 8 MB run."""
    turns = [turn(1000 - number, "x" * 50_000, index=number) for number in range(300)]
    folder = Path("/proc/self/fd")
    before = len(list(folder.iterdir()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merge, "RUN_TURNS", 2)
        found = merge.merge_sorted([merge.sorted_turns([turns], ordered=False)])
        assert next(found).index == 299
        assert len(list(folder.iterdir())) <= before + 1
    assert [one.index for one in found] == list(range(298, -1, -1))
    assert len(list(folder.iterdir())) == before


def test_large_bodies_out_of_order() -> None:
    numbers = list(range(30_000))
    random.Random(3).shuffle(numbers)
    document = {"transcript": [{"start_time": n / 10, "end_time": n / 10, "text": str(n)} for n in numbers]}
    assert [one.text for one in read(body(document, large=True)).turns()] == [str(n) for n in range(30_000)]


# --- summary


@given(st.lists(st.none() | st.floats(0, 1)), st.randoms())
def test_the_mean_is_exact_in_any_order(values: list[float | None], dice: random.Random) -> None:
    turns = [turn(confidence=value) for value in values]
    # As the decimals that a payload spells: their doubles add up to a hair beside a half.
    known = [Fraction(str(value)) for value in values if value is not None]
    first, second = SummaryTally("c", "media"), SummaryTally("c", "media")
    first.add_all(turns)
    dice.shuffle(turns)
    for one in turns:
        second.add(one)
    assert first.summary() == second.summary()
    assert first.summary().avg_confidence == (float(round(statistics.mean(known), 6)) if known else 0.0)
    assert first.summary().turns_with_confidence == len(known)


def test_summary_document() -> None:
    found = read(MEDIA)
    summary = write_transcript(found, io.BytesIO())
    assert (summary.total_turns, summary.agent_turns, summary.customer_turns) == (4, 1, 1)
    assert (summary.total_duration_seconds, summary.avg_confidence, summary.timed_turns) == (2.5, 0.8, 4)
    assert summary.roles == {"agent": 1, "customer": 1, "system": 1, "unknown": 1}
    document = json.loads(summary_document(summary))
    jsonschema.validate(document, json.loads((SCHEMAS / "summary.json").read_bytes()))
    assert list(document)[:3] == ["format", "interaction_id", "total_duration_seconds"]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20), st.sampled_from(roles[:2]))))
def test_metrics_are_unions_of_intervals(spans: list[tuple[int, int, Role]]) -> None:
    turns = [turn(start, role=role, length=length) for start, length, role in sorted(spans)]
    covered = {
        role: {ms for start, length, who in spans if who == role for ms in range(start, start + length)}
        for role in roles
    }
    found = {(one.name, one.role): one.value_ms for one in measure([*turns, turn(None)])}
    for start, _, role in spans:
        assert found["talk_time", role] == len(covered[role]), start
    whole = range(min(one[0] for one in spans), max(one[0] + one[1] for one in spans)) if spans else range(0)
    assert found["silence", None] == len(set(whole) - set().union(*covered.values()))


# --- writing


def test_the_view_has_its_keys_in_order_and_no_null() -> None:
    view = written(read(MEDIA))
    assert b"null" not in view
    assert view.endswith(b"]}\n")
    document = json.loads(view)
    assert list(document) == [
        "format",
        "conversation",
        "status",
        "dialect",
        "time_base",
        "communications",
        "participants",
        "transcript",
    ]
    assert list(document["transcript"][0]) == [
        "start_time",
        "end_time",
        "text",
        "speaker_id",
        "confidence",
        "start_ms",
        "end_ms",
        "role",
    ]
    assert document["transcript"][0]["start_time"] == 0.29
    assert document["transcript"][1]["text"] == ""


def test_a_selection_is_written_with_its_name() -> None:
    out = io.BytesIO()
    assert write_selection(read(MEDIA), Selection.from_options(["agent"]), out) == 1
    document = json.loads(out.getvalue())
    jsonschema.validate(document, json.loads((SCHEMAS / "transcript.json").read_bytes()))
    assert document["selection"] == "role.agent"
    assert len(document["participants"]) == 3
    assert write_selection(read(MEDIA), Selection(interactions=frozenset({"other"})), io.BytesIO()) == 0


NASTY = 'a "b", \x1b[31m\u202eevil\n=1+1'


def lines(kind: Any, turns: list[Turn], **options: Any) -> str:
    out = io.StringIO(newline="")
    writer = turn_writer(kind, out, **options)
    for one in turns:
        writer.write(one, HEADER)
    writer.finish()
    return out.getvalue()


def test_jsonl_csv_and_txt() -> None:
    turns = [
        turn(65_432, NASTY, speaker_id="a", confidence=0.5),
        turn(None, "=1+1", role="customer"),
        turn(-100, "-", length=0),
    ]
    samples = {"span": lambda start, end: (start * 8, end * 8)}
    found = [json.loads(line) for line in lines("jsonl", turns, **samples).splitlines()]
    assert [one["text"] for one in found] == [NASTY, "=1+1", "-"]
    assert (found[0]["speaker_name"], found[0]["start_sample"], found[0]["end_sample"]) == ("Ann", 523_456, 524_256)
    rows = list(csv.DictReader(io.StringIO(lines("csv", turns), newline="")))
    escaped = NASTY.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e")
    assert [row["text"] for row in rows] == [escaped, "'=1+1", "'-"]
    assert rows[2]["start_ms"] == "-100"
    assert lines("csv", turns).splitlines()[0].endswith("duplicate_of")
    text = lines("txt", turns).splitlines()
    assert text == [
        '[01:05.432] agent Ann: a "b", \\x1b[31m\\u202eevil\\n=1+1',
        "customer: =1+1",
        "[-00:00.100] agent: -",
    ]


def test_chosen_fields() -> None:
    assert lines("jsonl", [turn(0, "a")], fields=["text", "role", "speaker_id"]) == '{"text":"a","role":"agent"}\n'
    assert lines("csv", [turn(0, "a")], fields=["text", "end_ms"]) == "text,end_ms\r\na,100\r\n"
    assert lines("txt", [turn(0, "a\tb")], fields=["end_ms", "text"]) == "100\ta\\tb\n"
    with pytest.raises(Misconfigured, match="start_time"):
        turn_writer("jsonl", io.StringIO(), fields=["colour"])
    with pytest.raises(Misconfigured, match="jsonl, csv, txt"):
        turn_writer("xml", io.StringIO())  # type: ignore[arg-type]


# --- shapes of unknown payloads


def test_a_description_shows_no_content() -> None:
    document = speech(
        phrase(T0, text="my secret"), {"x": {"4711-22": "secret", "a@b.c": 1.5}}, when=T0, big=1 << 70, f=[True, None]
    )
    found = json.dumps(describe(Bytes(json.dumps(document).encode())))
    for word in ("secret", "4711", "a@b", str(T0), "k1"):
        assert word not in found
    for word in ("startTimeMs", "epoch ms", "<key>", '"length": [9, 9]', '"boolean": 1'):
        assert word in found
    assert describe(Bytes(data("events-call.jsonl")))["documents"] == 11
    assert describe(Bytes(json.dumps([{"a": n} for n in range(9)]).encode()))["shape"]["size"] == [9, 9]
    assert "unread" in describe(Bytes(b'{"a":'))
    with pytest.raises(Unread):
        read(b'{"a":')


@pytest.mark.parametrize(
    ("given", "meant"),
    [({"role": {"agent"}}, "roles"), ({"interaction": {"c"}}, "interactions"), ({"confidence": 0.5}, "min_confidence")],
)
def test_a_field_that_there_is_not_is_refused_with_the_nearest(given: dict[str, object], meant: str) -> None:
    with pytest.raises(TypeError, match=f"did you mean: {meant}"):
        Selection(**given)  # type: ignore[arg-type]
