from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeeper.archive import keys
from turnkeeper.errors import Misconfigured
from turnkeeper.ids import check_id

SHA = "0123456789abcdef" * 4


def test_what_goes_where() -> None:
    assert keys.raw("c", "leg", SHA) == "raw/c/leg/0123456789abcdef.json"
    assert keys.raw("c", "_media", SHA) == "raw/c/_media/0123456789abcdef.json"
    assert keys.audio("c", "r", SHA, "ogg") == "audio/c/r.0123456789abcdef.ogg"
    assert keys.directory("users", SHA) == "directory/users/0123456789abcdef.json"
    assert keys.manifest("c", 12) == "manifests/c/000012.json"
    assert keys.transcript("c") == "transcripts/c.json"
    assert keys.selection("c", "role=agent") == "selections/c/role=agent.json"
    assert keys.summary("c") == "summaries/c.json"
    assert keys.alignment("c") == "alignment/c.json"
    assert keys.peaks("c", "r") == "peaks/c/r.dat"


@given(st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9_-])?", fullmatch=True), st.integers(1, 10**7))
def test_a_manifests_key_can_be_read_back(conversation: str, generation: int) -> None:
    if ".." not in conversation:
        assert keys.parse_manifest(keys.manifest(conversation, generation)) == (conversation, generation)


def test_other_keys_are_nobodys() -> None:
    for key in ("manifests/c/1.json", "manifests/a/b/000001.json", "manifests/c/000001.json.tmp", "transcripts/c.json"):
        assert keys.parse_manifest(key) is None
    assert keys.parse_raw("raw/c/leg/0123456789abcdef.json") == ("c", "leg")
    assert keys.parse_raw("directory/users/0123456789abcdef.json") is None
    assert keys.parse_note("_turnkeeper/tombstones/c.json") == "c"


@pytest.mark.parametrize("name", ["_tmp", "c.", "a=b", "x" * 129])
def test_what_has_no_id_in_it_is_no_conversations(name: str) -> None:
    assert keys.parse_manifest(f"manifests/{name}/000001.json") is None
    assert keys.parse_raw(f"raw/{name}/leg/0123456789abcdef.json") is None
    assert keys.conversation_of(f"audio/{name}/r.0123456789abcdef.wav") is None
    assert keys.conversation_of(f"transcripts/{name}.json") is None
    assert keys.parse_note(f"_turnkeeper/tombstones/{name}.json") is None


BAD = ["", ".", "..", "a..b", "-a", "_a", "a/b", "a\\b", "a\0", "é", "a b", "x" * 129, "../../etc/passwd", "a\n", "%2e"]


@pytest.mark.parametrize("value", BAD)
def test_an_id_that_could_lead_elsewhere_is_refused_by_name(value: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        check_id(value)
    assert caught.value.key == "conversation"
    assert str(caught.value).isascii() or "…" in str(caught.value)
    assert len(str(caught.value)) < 300


def test_every_key_refuses_bad_ids() -> None:
    for make in (
        lambda: keys.raw("../c", "leg", SHA),
        lambda: keys.raw("c", "../leg", SHA),
        lambda: keys.raw("c", "leg", "../../etc"),
        lambda: keys.audio("c", "r", SHA, "../x"),
        lambda: keys.directory("../users", SHA),
        lambda: keys.selection("c", "../../x"),
        lambda: keys.peaks("c", "a/b"),
    ):
        with pytest.raises(Misconfigured):
            make()
