"""What status counts: reasons are kinds, and together they are everybody."""

from __future__ import annotations

from turnkeeper.archive.archive import Archive
from turnkeeper.archive.index import CallState, Index, LegState
from turnkeeper.clock import ManualClock
from turnkeeper.exporter.status import status

DAY = "2026-10-05"


def counted(*reasons: str) -> dict[str, dict[str, int]]:
    archive = Archive("memory://", clock=ManualClock())
    calls = [
        CallState(conversation=f"c{number}", state="unread", started_at=f"{DAY}T08:00:00.000Z", reason=reason)
        for number, reason in enumerate(reasons)
    ]
    Index(archive.store).commit(DAY, calls)
    return status(archive, clock=ManualClock()).reasons


def test_a_reason_is_a_kind_and_not_a_place() -> None:
    found = counted("Unread: ends in the middle, after byte 17909", "Unread: ends in the middle, after byte 5")
    assert found == {"unread": {"Unread: ends in the middle, after byte …": 2}}
    found = counted("transcript[1].end: wrong, byte 7", "transcript[22].end: wrong, byte 9", "404 gone")
    assert found == {"unread": {"transcript[…].end: wrong, byte …": 2, "404 gone": 1}}


def test_the_rarest_of_many_reasons_are_counted_together() -> None:
    found = counted("common", "common", *(f"reason {letter}{number}" for letter in "abc" for number in range(30)))
    assert sum(found["unread"].values()) == 92
    assert found["unread"]["common"] == 2
    assert found["unread"]["other reasons"] == 92 - 2 - 49


def test_a_damaged_list_of_names_costs_the_names_and_a_damaged_day_its_own_figures() -> None:
    """K2: damage is local, and said."""
    archive = Archive("memory://", clock=ManualClock())
    for day in (DAY, "2026-10-06"):
        call = CallState(conversation=f"c-{day}", state="done", started_at=f"{day}T08:00:00.000Z", queues=("q",))
        Index(archive.store).commit(day, [call])
    archive.store.put("directory/queues/0123456789abcdef.json", b"[")
    archive.store.put("directory/queues/fedcba9876543210.json", b'{"entities":[{"id":"q","name":"Billing"}]}')
    found = status(archive, clock=ManualClock())
    assert (found.done, found.unreadable_days, found.days[0].queues[0].name) == (2, 0, "Billing")
    assert any("directory/queues/0123456789abcdef.json: not a list of names" in note for note in found.notes)
    archive.store.put("_turnkeeper/states/2026-10-06/000001.json", b"{")
    found = status(archive, clock=ManualClock())
    assert (found.done, found.unreadable_days) == (1, 1)
    assert any("turnkeeper reindex" in note for note in found.notes)


def test_recordings_are_no_transcripts() -> None:
    archive = Archive("memory://", clock=ManualClock())
    legs = tuple(LegState(id=name, state="done", final=True) for name in ("_audio", "leg-1", "leg-2"))
    call = CallState(conversation="c", state="done", started_at=f"{DAY}T08:00:00.000Z", legs=legs, generation=1)
    Index(archive.store).commit(DAY, [call])
    found = status(archive, clock=ManualClock())
    assert (found.done, found.transcripts) == (1, 2)
