"""The bookkeeping of a call's legs: what an answer means for those that were asked, and for those that were not."""

from __future__ import annotations

from typing import Any

from turnkeeper.archive.index import AUDIO, CallState, LegState
from turnkeeper.archive.manifest import FORMAT, Manifest
from turnkeeper.clock import rfc3339_ms
from turnkeeper.exporter.index_sync import epoch_ms
from turnkeeper.exporter.legs import Legs, archived_legs, next_ask, open_legs
from turnkeeper.exporter.schedule import Schedule
from turnkeeper.genesys.results import FoundTranscripts, TranscriptBody
from turnkeeper.model import RecordingState
from turnkeeper.payloads.details import DetailParticipant, Details, DetailSession
from turnkeeper.spool import Spool

ENDED = epoch_ms("2026-10-05T10:00:00Z")
HOUR = 3_600_000
WEEK = 7 * 24 * HOUR
CALL = CallState(conversation="c", state="pending", ended_at=rfc3339_ms(ENDED))
DETAILS = Details(
    conversation="c",
    participants=(
        DetailParticipant(
            id="p",
            sessions=(
                DetailSession(id="likely-1", recorded=True),
                DetailSession(id="likely-2", recorded=True),
                DetailSession(id="spare", media_type="voice"),
            ),
        ),
    ),
)
MANIFEST = Manifest(
    format=FORMAT,
    conversation="c",
    generation=1,
    archived_at="",
    producer="",
    state="done",
    communications=(),
    inputs=(),
    views=(),
)


def legs_at(now: int) -> Legs:
    return Legs(Schedule(), now)


def found(*communications: str, absent: tuple[tuple[str, str], ...] = ()) -> FoundTranscripts:
    return FoundTranscripts(
        "speech", tuple(TranscriptBody(Spool(), one, f"speech/{one}") for one in communications), absent
    )


def asked_all(now: int) -> CallState:
    """Nobody's list was at hand, so everybody was asked, in vain."""
    none = tuple((name, "404") for name in ("likely-1", "likely-2", "spare"))
    return legs_at(now).without_transcripts(CALL, none, DETAILS)


def asked_one(now: int) -> CallState:
    """The list was at hand and empty: the likeliest alone was asked."""
    return legs_at(now).without_transcripts(CALL, (("likely-1", "404"),), DETAILS)


def told(call: CallState) -> list[tuple[str, str, bool]]:
    return [(leg.id, leg.state, leg.final) for leg in call.legs]


def test_whoever_came_first_the_legs_are_the_same_once_a_transcript_is_there() -> None:
    late = legs_at(ENDED + WEEK + HOUR)
    answer = found("likely-1", absent=(("likely-2", "404"),))
    ends = [late.with_transcripts(asked(ENDED + HOUR), answer, MANIFEST, DETAILS) for asked in (asked_all, asked_one)]
    assert told(ends[0]) == told(ends[1]) == [("likely-1", "done", True), ("likely-2", "absent", True)]
    assert [late.due(end) for end in ends] == [None, None]


def test_fallback_legs_wait_while_only_a_fallback_is_there() -> None:
    first = legs_at(ENDED + HOUR).with_transcripts(
        CALL, found("spare", absent=(("likely-1", "404"),)), MANIFEST, DETAILS
    )
    assert told(first) == [("likely-1", "absent", False), ("likely-2", "absent", False), ("spare", "done", True)]
    assert open_legs(first) == {"likely-1", "likely-2"}
    assert archived_legs(first) == {"spare"}


def test_a_leg_that_no_list_holds_is_final_when_the_window_is_over_although_another_one_was_asked() -> None:
    one = legs_at(ENDED + HOUR).with_transcripts(CALL, found("likely-1"), MANIFEST, DETAILS)
    assert told(one) == [("likely-1", "done", True), ("likely-2", "absent", False)]
    more = Details(
        conversation="c",
        participants=(
            DetailParticipant(
                id="p",
                sessions=(*DETAILS.sessions, late_session()),
            ),
        ),
    )
    three = legs_at(ENDED + HOUR).with_transcripts(CALL, found("likely-1"), MANIFEST, more)
    end = legs_at(ENDED + WEEK + 2 * HOUR).with_transcripts(three, found("likely-3"), MANIFEST, more)
    assert told(end) == [("likely-1", "done", True), ("likely-2", "absent", True), ("likely-3", "done", True)]


def test_what_is_not_due_yet_is_not_said_to_have_been_looked_for() -> None:
    now = ENDED + HOUR
    one = legs_at(now).with_transcripts(CALL, found("likely-1"), MANIFEST, DETAILS)
    again = legs_at(now + 1).unlisted(one)
    assert again == one
    due = next_ask(one)
    assert due is not None
    later = legs_at(due).unlisted(one)
    assert leg(later, "likely-2").asks == leg(one, "likely-2").asks + 1
    assert (next_ask(later) or 0) > due


def test_recordings_that_may_still_come_are_asked_for_again() -> None:
    now = ENDED + HOUR
    one = legs_at(now).with_transcripts(CALL, found("likely-1", "likely-2"), MANIFEST, DETAILS)
    lacking = legs_at(now).with_recordings(one, [RecordingState("r", "archived", "being restored")], ())
    assert (leg(lacking, AUDIO).state, leg(lacking, AUDIO).reason) == ("absent", "being restored")
    heard = legs_at(now + HOUR).with_recordings(lacking, [RecordingState("r", "done")], ())
    assert (leg(heard, AUDIO).state, leg(heard, AUDIO).asks) == ("done", 2)


def test_recordings_that_are_wanted_long_after_the_transcripts_have_a_window_of_their_own() -> None:
    archived = legs_at(ENDED + HOUR).with_transcripts(CALL, found("likely-1", "likely-2"), MANIFEST, DETAILS)
    begun = ENDED + 50 * WEEK
    lacking = legs_at(begun).with_recordings(archived, [RecordingState("r", "waiting", "transcoding")], ())
    assert (leg(lacking, AUDIO).final, next_ask(lacking)) == (False, begun + Schedule().first)
    end = legs_at(begun + WEEK).with_recordings(lacking, [RecordingState("r", "waiting", "transcoding")], ())
    assert (leg(end, AUDIO).final, next_ask(end)) == (True, None)


def late_session() -> DetailSession:
    return DetailSession(id="likely-3", recorded=True)


def leg(call: CallState, name: str) -> LegState:
    found: dict[str, Any] = {one.id: one for one in call.legs}
    told: LegState = found[name]
    return told
