"""The manifest as a document, and what a new generation stands on."""

from __future__ import annotations

import importlib.resources
import json
from typing import Any

import jsonschema
import pytest

from turnkeeper.archive import inputs
from turnkeeper.archive.manifest import FORMAT, CommunicationState, Input, Manifest, UnreadReason, View, decode, encode
from turnkeeper.errors import Misconfigured, Unread
from turnkeeper.model import Summary

SHA = "0123456789abcdef" * 4


def manifest(**changes: Any) -> Manifest:
    whole: dict[str, Any] = {
        "format": FORMAT,
        "conversation": "c",
        "generation": 1,
        "archived_at": "2026-11-02T09:00:00.000Z",
        "producer": "turnkeeper/0",
        "state": "done",
        "communications": (CommunicationState("leg", "done"), CommunicationState("other", "absent", "404")),
        "inputs": (taken("media", part="_media", withheld=("downloadUrl",)),),
        "views": (View(key="transcripts/c.json", size=3, sha256=SHA),),
    }
    return Manifest(**(whole | changes))


def taken(source: str, *, part: str = "", sha: str = SHA, **more: Any) -> Input:
    head, _, rest = source.partition("/")
    key = f"directory/{rest}/{sha[:16]}.json" if head == "directory" else f"raw/c/{part or rest}/{sha[:16]}.json"
    return Input(key=key, size=1, sha256=sha, source=source, **more)


def schema() -> Any:
    return json.loads((importlib.resources.files("turnkeeper.archive") / "schemas" / "manifest.json").read_text())


def summary() -> Summary:
    required: dict[str, Any] = {
        "interaction_id": "c",
        "total_duration_seconds": 1.5,
        "total_turns": 2,
        "agent_turns": 1,
        "customer_turns": 1,
        "avg_confidence": 0.5,
        "turns_with_confidence": 2,
        "timed_turns": 2,
        "roles": {"agent": 1, "customer": 1},
        "dialect": "media",
    }
    return Summary(**required)


PLACE = "manifests/c/000001.json"
UNREAD = UnreadReason(error="UnknownShape", message="no dialect", offset=7, field="transcript[3]")


@pytest.mark.parametrize("one", [manifest(), manifest(summary=summary()), manifest(state="unread", unread=UNREAD)])
def test_a_manifest_reads_back_as_itself_and_fits_its_schema(one: Manifest) -> None:
    assert decode(encode(one), PLACE) == one
    jsonschema.Draft202012Validator(schema()).validate(json.loads(encode(one)))


def test_absent_means_omitted() -> None:
    assert b"null" not in encode(manifest())
    assert "summary" not in json.loads(encode(manifest()))


def test_fields_of_tomorrow_are_tolerated() -> None:
    document = json.loads(encode(manifest())) | {"tomorrow": {"x": 1}}
    document["views"][0]["more"] = True
    assert decode(json.dumps(document).encode(), PLACE) == manifest()


def test_a_format_of_tomorrow_asks_for_an_upgrade() -> None:
    with pytest.raises(Unread) as caught:
        decode(b'{"format": "turnkeeper.manifest/2"}', "manifests/c/000001.json")
    assert caught.value.key == "manifests/c/000001.json"
    assert "pip install -U" in caught.value.hint


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"format": 1}', b'{"format": "turnkeeper.manifest/1"}'])
def test_what_is_no_manifest_is_unread(data: bytes) -> None:
    with pytest.raises(Unread):
        decode(data, PLACE)


def test_when_and_by_whom_is_no_change() -> None:
    one = manifest()
    assert one.says_the_same(manifest(generation=2, archived_at="later", producer="other", notes=("n",)))
    assert not one.says_the_same(manifest(views=()))
    assert not one.says_the_same(manifest(communications=()))


def test_where_views_stand_is_no_change() -> None:
    moved = View(key=f"transcripts/c/{SHA[:16]}.json", size=3, sha256=SHA)
    assert manifest().says_the_same(manifest(views=(moved,)))
    assert manifest(views=(moved,)).view("transcripts/c.json") == moved
    assert not manifest().says_the_same(manifest(views=(View(key=moved.key, size=4, sha256=SHA),)))


def test_a_leg_without_a_transcript_that_was_never_mentioned_is_no_change() -> None:
    """K1: get, export, get of one unchanged call are one generation; only get asks for every leg."""
    one = manifest(communications=(CommunicationState("leg", "done"),))
    absent, failed = CommunicationState("other", "absent", "404"), CommunicationState("other", "failed", "Unavailable")
    assert one.says_the_same(manifest(communications=(*one.communications, absent)))
    assert not one.says_the_same(manifest(communications=(*one.communications, failed)))
    assert not manifest(communications=(failed,)).says_the_same(manifest(communications=(absent,)))


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": ("../../etc/passwd",)},
        {"inputs": ("raw/other/_media/0123456789abcdef.json",)},
        {"inputs": ("manifests/c/000001.json",)},
        {"inputs": ("directory/users/0123456789abcdef.json",)},
        {"views": ("transcripts/other/0123456789abcdef.json",)},
        {"views": ("_turnkeeper/archive.json",)},
        {"conversation": "other"},
        {"conversation": "C"},
        {"generation": 2},
    ],
)
def test_a_manifest_that_is_not_its_own_is_unread(changes: dict[str, Any]) -> None:
    """K8: a key such as ../../etc/passwd in a manifest, and a manifest that names another conversation."""
    if "inputs" in changes:
        changes = {"inputs": tuple(Input(key=key, size=1, sha256=SHA, source="media") for key in changes["inputs"])}
    if "views" in changes:
        changes = {"views": tuple(View(key=key, size=1, sha256=SHA) for key in changes["views"])}
    with pytest.raises(Unread) as caught:
        decode(encode(manifest(**changes)), PLACE)
    assert caught.value.key == PLACE
    assert caught.value.hint


LEG_A, LEG_B = taken("speech/a"), taken("speech/b")
NEWER_A = taken("speech/a", sha="f" * 64)
MEDIA, META = taken("media", part="_media"), taken("media/metadata", part="_media", sha="e" * 64)
DETAILS, USERS = taken("conversation", part="_conversation"), taken("directory/users")


@pytest.mark.parametrize(
    ("earlier", "arrived", "expected"),
    [
        ([], [LEG_B, LEG_A], [LEG_A, LEG_B]),
        ([LEG_A], [LEG_B], [LEG_A, LEG_B]),
        ([LEG_A, LEG_B], [NEWER_A], [NEWER_A, LEG_B]),
        ([LEG_A, LEG_B, DETAILS, USERS], [MEDIA], [DETAILS, USERS, MEDIA]),
        ([MEDIA, META, DETAILS], [LEG_A], [DETAILS, LEG_A]),
        ([MEDIA, META], [MEDIA], [MEDIA]),
        ([LEG_A, DETAILS, USERS], [LEG_B], [DETAILS, USERS, LEG_A, LEG_B]),
        ([LEG_A, LEG_B], [DETAILS], [DETAILS, LEG_A, LEG_B]),
        ([LEG_A, MEDIA], [], [MEDIA, LEG_A]),
    ],
)
def test_what_a_new_generation_stands_on(earlier: list[Input], arrived: list[Input], expected: list[Input]) -> None:
    assert list(inputs.compose(earlier, arrived)) == expected


def test_a_transcript_purged_upstream_stays_done() -> None:
    before = [CommunicationState("a", "done"), CommunicationState("b", "waiting")]
    now = [CommunicationState("a", "absent", "404"), CommunicationState("b", "absent", "404")]
    merged = inputs.merge_states(before, now, [LEG_A])
    kept = CommunicationState("a", "done", "kept from before; now absent: 404")
    assert merged == (kept, CommunicationState("b", "absent", "404"))
    assert inputs.merge_states(merged, now, [LEG_A]) == merged
    assert inputs.merge_states((), (), [LEG_A]) == (CommunicationState("a", "done"),)


def test_where_inputs_go() -> None:
    short = SHA[:16]
    assert inputs.key_of("c", "speech/a", "a", SHA) == f"raw/c/a/{short}.json"
    assert inputs.key_of("c", "media/metadata", None, SHA) == f"raw/c/_media/{short}.json"
    assert inputs.key_of("c", "conversation", None, SHA) == f"raw/c/_conversation/{short}.json"
    assert inputs.key_of("c", "directory/users", None, SHA) == f"directory/users/{short}.json"
    for source, communication in (("speech/../a", "../a"), ("directory/../x", None), ("../x", None)):
        with pytest.raises(Misconfigured):
            inputs.key_of("c", source, communication, SHA)
