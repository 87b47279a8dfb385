"""Running again mends what is mendable; one unchanged call is one generation, whoever fetches it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.small_calls import SECRET, commit_call, contents, details, spool, transcript, view_key

from turnkeeper.archive import keys
from turnkeeper.archive.archive import FetchedBody
from turnkeeper.archive.reread import reread
from turnkeeper.archive.superseded_views import SupersededViews
from turnkeeper.archive.verify import Verification
from turnkeeper.clock import ManualClock
from turnkeeper.erasure.erasable_archive import ErasableArchive as Archive
from turnkeeper.errors import NotFound, TurnkeeperError, Unread
from turnkeeper.settings import StoreSettings
from turnkeeper.storage.hashed_reader import HashedReader
from turnkeeper.storage.object_store import Store, open_store

CALL = "call-1"


@pytest.fixture
def quick() -> Store:
    return open_store("memory://", StoreSettings())


def kinds(store: Store) -> list[tuple[str, str]]:
    return [(one.kind, one.key) for one in Verification(store)]


@pytest.mark.parametrize("damage", ["missing", "changed", "grown"])
def test_an_input_that_is_missing_or_changed_is_stored_again(damage: str, store: Store) -> None:
    """K8: an input missing or changed in ``raw/``; running again heals."""
    manifest = commit_call(store, CALL).manifest
    before = contents(store)
    for one in manifest.inputs:
        if damage == "missing":
            store.delete(one.key)
        elif not one.key.startswith("directory/"):
            data = before[one.key]
            store.put(one.key, data + b" " if damage == "grown" else data.replace(b"a", b"b"))
    assert {kind for kind, _ in kinds(store)} == {"missing" if damage == "missing" else "changed"}
    again = commit_call(store, CALL)
    assert not again.changed
    assert kinds(store) == []
    assert contents(store) == before


def test_a_list_of_names_that_is_gone_is_replaced_by_another(quick: Store) -> None:
    kept = commit_call(quick, CALL)
    lost = next(one.key for one in kept.manifest.inputs if one.source == "directory/users")
    quick.delete(lost)
    archive = Archive(quick, clock=ManualClock())
    newer = FetchedBody(spool({"entities": [{"id": "user-1", "name": "Ada"}], "page": 2}), "directory/users")
    assert archive.commit(CALL, [transcript(CALL), details(CALL), newer]).changed
    assert [kind for kind, _ in kinds(quick)] == ["earlier"]


def test_a_view_whose_hash_is_wrong_is_not_shown_and_reread_builds_it_again(store: Store) -> None:
    """K8: a view whose hash is wrong."""
    commit_call(store, CALL)
    key = view_key(store, keys.transcript(CALL))
    good = store.get(key)
    store.put(key, good.replace(b"four", b"five"))
    archive = Archive(store, clock=ManualClock())
    assert kinds(store) == [("changed", key)]
    with pytest.raises(Unread, match="not the ones that the manifest names") as caught:
        archive.transcript(CALL).read()
    assert "reread" in caught.value.hint
    assert [one.changed for one in reread(archive, every=True)] == [False]
    assert store.get(key) == good
    assert archive.transcript(CALL).read() == good


def test_a_reader_that_jumps_about_gets_what_is_there(quick: Store) -> None:
    commit_call(quick, CALL)
    key = view_key(quick, keys.transcript(CALL))
    good = quick.get(key)

    def reader(sha256: str) -> Any:
        return HashedReader.buffered(quick.open(key), sha256, key, "")

    with reader("0" * 64) as wrong:
        wrong.seek(10)
        assert wrong.read() == good[10:]
        wrong.seek(0)
        with pytest.raises(Unread):
            wrong.read()
    manifest = Archive(quick).manifest(CALL)
    assert manifest
    view = manifest.view(keys.transcript(CALL))
    assert view
    with reader(view.sha256) as right:
        right.seek(len(good) - 1)
        right.seek(0)
        assert right.read() == good


def from_get(words: str = SECRET) -> list[FetchedBody]:
    """As ``get`` keeps a call: the details' own document, and the names of those who took part."""
    return [
        transcript(CALL, words),
        described(attributes={"x": "1"}),
        lists("users", u1="Ada"),
        lists("queues", q1="Q"),
    ]


def from_export() -> list[FetchedBody]:
    """As ``export`` does: an element of a query, and everybody's names."""
    everybody = [lists("users", u1="Ada", u2="Bob"), lists("queues", q2="R", q1="Q"), lists("wrapups", w1="Sale")]
    return [transcript(CALL), described(), *everybody]


def lists(kind: str, **names: str) -> FetchedBody:
    return FetchedBody(
        spool({"entities": [{"id": name, "name": shown} for name, shown in names.items()]}), f"directory/{kind}"
    )


def described(**more: Any) -> FetchedBody:
    session = {"sessionId": "leg-a", "mediaType": "voice", "segments": [{"queueId": "q1"}]}
    people = [
        {"participantId": "p1", "purpose": "customer", "sessions": [session]} | more,
        {"participantId": "p2", "purpose": "agent", "userId": "u1", "sessions": [session]},
    ]
    document = {"conversationId": CALL, "conversationStart": "2026-09-21T13:33:20.000Z", "participants": people}
    return FetchedBody(spool(document), "conversation")


@pytest.mark.parametrize("order", ["geg", "ege", "gge", "eeg"])
def test_get_export_get_of_one_unchanged_call_are_one_generation(order: str, quick: Store) -> None:
    """K1: two pipelines with other bytes of details, other lists of names and other notes."""
    archive = Archive(quick, clock=ManualClock())
    ways = {"g": from_get, "e": from_export}
    generations = [archive.commit(CALL, ways[way](), notes=[way], new=way == "e").manifest.generation for way in order]
    assert generations == [1, 1, 1]
    assert kinds(quick) == []


@pytest.mark.parametrize(
    "news",
    [
        lists("users", u1="Ada Lovelace"),
        lists("wrapups", w9="Sold"),
        lists("queues", q1="Queue"),
    ],
    ids=["renamed", "wrapups", "queue"],
)
def test_names_of_those_who_took_part_are_news(news: FetchedBody, quick: Store) -> None:
    archive = Archive(quick, clock=ManualClock())
    archive.commit(CALL, from_get())
    expected = 1 if news.source == "directory/wrapups" else 2
    assert archive.commit(CALL, [*from_get()[:2], news]).manifest.generation == expected


def test_details_that_say_more_are_news(quick: Store) -> None:
    archive = Archive(quick, clock=ManualClock())
    archive.commit(CALL, from_get())
    assert archive.commit(CALL, [described(externalContactId="contact-9")]).manifest.generation == 2


@pytest.mark.parametrize(
    "damage", [b'{"format": "turnkee', b'{"format": "turnkeeper.manifest/9"}', b"../../etc/passwd"]
)
def test_one_manifest_that_cannot_be_read_costs_its_own_conversation(damage: bytes, quick: Store) -> None:
    """K8: one truncated or newer manifest, a key ``../../etc/passwd`` in one: the other three, and a finding."""
    for number in range(4):
        commit_call(quick, f"call-{number}")
    place = "manifests/call-2/000001.json"
    if damage.startswith(b".."):
        document = json.loads(quick.get(place))
        document["views"][0]["key"] = damage.decode()
        damage = json.dumps(document).encode()
    quick.put(place, damage)
    archive = Archive(quick, clock=ManualClock())
    told: list[TurnkeeperError] = []
    assert [one.conversation for one in archive.manifests(told.append)] == ["call-0", "call-1", "call-3"]
    assert [cause.key for cause in told] == [place]
    assert [one.after for one in reread(archive, every=True)] == ["done", "done", "unread", "done"]
    named = ("foreign", "../../etc/passwd") if damage.endswith(b"}\n") or b"etc" in damage else ("unreadable", place)
    assert named in kinds(quick)
    with pytest.raises(Unread):
        commit_call(quick, "call-2")
    assert quick.get(place) == damage
    assert archive.expire(timedelta(days=1)).proven


def test_superseded_views_stay_a_day_and_are_then_swept(store: Store) -> None:
    clock = ManualClock()
    archive = Archive(store, clock=clock)
    commit_call(store, CALL, "first words", clock)
    old = view_key(store, keys.transcript(CALL))
    reader = archive.transcript(CALL)
    commit_call(store, CALL, "other words", clock)
    new = view_key(store, keys.transcript(CALL))
    assert b"first words" in reader.read()
    clock.advance(timedelta(hours=47).total_seconds())
    # A third generation names the first one's view again.
    commit_call(store, CALL, "first words", clock)
    assert view_key(store, keys.transcript(CALL)) == old
    clock.advance(timedelta(hours=2).total_seconds())
    assert archive.sweep() == 0
    assert store.size(new)
    clock.advance(timedelta(hours=47).total_seconds())
    assert archive.sweep() == 1
    assert store.size(new) is None
    assert store.size(old)
    assert kinds(store) == []
    assert list(store.list(keys.SUPERSEDED)) == []
    assert archive.sweep() == 0


def test_a_generation_committed_while_it_is_swept_keeps_its_views(quick: Store) -> None:
    clock = ManualClock()
    for words in ("first words", "other words"):
        commit_call(quick, CALL, words, clock)
    clock.advance(timedelta(days=3).total_seconds())

    class Racing:
        """Another process commits the first words again, just before the first view is deleted."""

        raced = False

        def __getattr__(self, name: str) -> Any:
            return getattr(quick, name)

        def delete(self, key: str) -> None:
            if not self.raced:
                self.raced = True
                commit_call(quick, CALL, "first words", clock)
            quick.delete(key)

    store: Any = Racing()
    swept = SupersededViews(store, clock).sweep(lambda name: Archive(quick, clock=clock).rebuild(name, publish=False))
    assert swept == 1
    assert kinds(quick) == []
    assert b"first words" in Archive(quick).transcript(CALL).read()


def test_erasing_covers_reserved_places_and_notes(quick: Store) -> None:
    commit_call(quick, CALL, "first words")
    commit_call(quick, CALL, "other words")
    mine = [
        f"attachments/{CALL}/0123456789abcdef.png",
        f"raw/{CALL}/_digital/0123456789abcdef.json",
        f"_turnkeeper/notes/{CALL}/1.json",
        f"_turnkeeper/holds/{CALL}.json",
        f"transcripts/{CALL}.json",
    ]
    other = ["attachments/call-2/x.png", "_turnkeeper/notes/call-2/1.json", "_turnkeeper/search/x.json"]
    for key in [*mine, *other, "tables/v1/turns/x.parquet"]:
        quick.put(key, b"{}")
    assert [kind for kind, key in kinds(quick) if key in mine[:4]] == []
    proof = Archive(quick, clock=ManualClock()).erase([CALL])
    assert proof.not_covered == ("tables/", "_turnkeeper/search/")
    assert not proof.proven
    assert [key for key in contents(quick) if CALL in key] == [f"_turnkeeper/tombstones/{CALL}.json"]
    assert all(quick.size(key) for key in other)


def test_a_conversation_without_a_view_says_so(quick: Store) -> None:
    commit_call(quick, CALL)
    with pytest.raises(NotFound, match="no such view"):
        Archive(quick).alignment(CALL)


@pytest.mark.parametrize("damage", ["missing", "changed", "cut", "no list"])
def test_names_that_are_lost_cost_the_names_and_nothing_else(damage: str, store: Store) -> None:
    """Last round: ``reread --all`` refused every call where a list of names was lost."""
    before = commit_call(store, CALL)
    lost = next(one for one in before.manifest.inputs if one.source == "directory/users")
    data = store.get(lost.key)
    good = store.get(view_key(store, keys.transcript(CALL)))
    if damage == "missing":
        store.delete(lost.key)
    else:
        store.put(lost.key, {"changed": data.replace(b"Ada", b"Bob"), "cut": data[:-9], "no list": b"7"}[damage])
    archive = Archive(store, clock=ManualClock())
    [result] = reread(archive, every=True)
    assert (result.before, result.after) == ("done", "done")
    assert result.reason.startswith("directory/users cannot be read: ")
    assert "four" in archive.transcript(CALL).read().decode()
    commit_call(store, CALL)
    assert kinds(store) == []
    [result] = reread(archive, every=True)
    assert (result.after, result.reason) == ("done", "")
    assert archive.transcript(CALL).read() == good


@pytest.mark.parametrize("damage", ["missing", "changed", "grown"])
@pytest.mark.parametrize("name", [keys.transcript(CALL), keys.summary(CALL)])
def test_getting_a_call_again_builds_its_damaged_views_again(name: str, damage: str, store: Store) -> None:
    """Last round: a second ``get`` left a changed view as it was."""
    commit_call(store, CALL)
    key = view_key(store, name)
    good = store.get(key)
    if damage == "missing":
        store.delete(key)
    else:
        store.put(key, good + b" " if damage == "grown" else good.replace(b"a", b"b", 1))
    [finding] = Verification(store)
    assert "turnkeeper reread --all" in finding.detail
    assert "turnkeeper get ID" in finding.detail
    assert not commit_call(store, CALL).changed
    assert store.get(key) == good
    assert kinds(store) == []


def test_a_list_of_names_with_other_bytes_is_stored_again(store: Store) -> None:
    kept = commit_call(store, CALL)
    key = next(one.key for one in kept.manifest.inputs if one.source == "directory/users")
    good = store.get(key)
    store.put(key, good.replace(b"Ada", b"Bob"))
    commit_call(store, CALL)
    assert store.get(key) == good


def test_a_stray_note_whose_day_is_no_date_stops_no_sweep(quick: Store) -> None:
    for day in ("2026-99-99", "9999-12-31"):
        quick.put(f"_turnkeeper/superseded/{day}/x.json", b"{}")
    assert SupersededViews(quick, ManualClock()).sweep(lambda _: None) == 0
