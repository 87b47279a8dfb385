"""What is kept opens nothing: queries of presigned addresses are cut off wherever they stand, and named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeeper.known_secrets import remember
from turnkeeper.payloads.document_secrets import WHOLE, spool_without_secrets, without_secrets
from turnkeeper.spool import Spool

SIGNED = "https://store.example/a/b.json?X-Amz-Credential=AKIA%2Fx&X-Amz-Signature=feedbeef"


@pytest.mark.parametrize(
    ("document", "clean", "named"),
    [
        (
            {"status": "x", "downloadUrl": SIGNED},
            {"status": "x", "downloadUrl": "https://store.example/a/b.json"},
            "downloadUrl query",
        ),
        (
            {"a": [{"downloadUrl": SIGNED}]},
            {"a": [{"downloadUrl": "https://store.example/a/b.json"}]},
            "a.downloadUrl query",
        ),
        ({"download_url": SIGNED}, {"download_url": "https://store.example/a/b.json"}, "download_url query"),
        ({"waveUri": "http://s.example/w?anything=1"}, {"waveUri": "http://s.example/w"}, "waveUri query"),
        ({"images": [SIGNED]}, {"images": ["https://store.example/a/b.json"]}, "images query"),
        ({"note": f"see {SIGNED} now"}, {"note": "see https://store.example/a/b.json now"}, "note query"),
        ({"x": "https://cdn.example/y?Policy=e30_&Key-Pair-Id=K1"}, {"x": "https://cdn.example/y"}, "x query"),
    ],
)
def test_a_signed_address_is_cut_wherever_it_stands(document: Any, clean: Any, named: str) -> None:
    """K8: nested ``downloadUrl``, ``download_url``, ``waveUri`` in a kept document."""
    data, withheld = without_secrets(json.dumps(document).encode())
    assert json.loads(data) == clean
    assert withheld == (named,)


@pytest.mark.parametrize(
    "document",
    [
        b'{"media\\u0055ri":"https://s.example/x?sig=feedbeef"}',
        b'{"mediaUri":"https:\\/\\/s.example\\/x\\u003fsig=feedbeef"}',
        b'{"mediaUri":"\\u0068ttps://s.example/x?sig=feedbeef"}',
        b'{"u":"\\u0068ttps\\u003a//s.example/x\\u003Fs\\u0069g=feedbeef"}',
        b'{"text":"\\"https://s.example/x?sig=feedbeef\\""}',
        b"<a href=https://s.example/x?sig=feedbeef>",
    ],
)
def test_escapes_hide_nothing(document: bytes) -> None:
    """K8: ``"media\\u0055ri"`` in a kept document."""
    data, withheld = without_secrets(document)
    assert b"feedbeef" not in data
    assert withheld


@pytest.mark.parametrize(
    "document",
    [
        b'{ "selfUri" : "/api/v2/x?expand=a" , "n": 1.50 }',
        b'{"text":"is it https://shop.example/?page=2 or not?"}',
        b'{"uri":"https://shop.example/x"}',
        b"\xff not json",
        b"",
    ],
)
def test_everything_else_stays_byte_for_byte(document: bytes) -> None:
    assert without_secrets(document) == (document, ())


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=12) | st.just(SIGNED),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
        max_leaves=8,
    )
)
def test_any_document_stays_json_and_loses_its_signatures(document: Any) -> None:
    for text in (json.dumps(document), json.dumps(document, ensure_ascii=False)):
        data, _ = without_secrets(text.encode("utf-8", "surrogatepass"))
        assert b"feedbeef" not in data
        json.loads(data)


def test_a_known_secret_in_a_document_is_replaced_and_said() -> None:
    """K8: the platform echoes the request in what it answers."""
    remember("a-secret-of-this-test-1/+")
    data, withheld = without_secrets(b'{"echo":"a-secret-of-this-test-1\\/+ and a-secret-of-this-test-1%2F%2B"}')
    assert json.loads(data) == {"echo": "(withheld) and (withheld)"}
    assert withheld == ("a known secret",)


@pytest.mark.slow
def test_a_large_document_is_searched_as_it_streams() -> None:
    spool = Spool()
    turn = b'{"text":"what? when? where?"},'
    spool.write(b'{"transcript":[' + turn * (WHOLE // len(turn)))
    spool.write(b'{"link":"https://s.example/x?X-Amz-Signature=feedbeef"},')
    spool.write(turn * 100_000 + b"{}]}")
    size = spool.size
    with spool_without_secrets(spool.seal()) as kept, kept.open() as reader:
        data = reader.read()
    assert b"feedbeef" not in data
    assert len(data) == size - len(b"?X-Amz-Signature=feedbeef")
    assert kept.withheld == ("query of an address",)
    json.loads(data)


@pytest.mark.slow
@pytest.mark.parametrize("between", [b'"', b'\\"', b" "])
def test_a_known_secret_in_a_large_document_is_found_wherever_it_stands(between: bytes) -> None:
    """K8: also across the pieces in which the document is read."""
    secret = b"a-secret-of-this-test-2-0123456789"
    remember(secret.decode())
    spool = Spool()
    filler = (b"y" * 4096 + between) * ((WHOLE >> 12) + 16)
    middle = (1 << 20) - 7
    spool.write(filler[:middle] + secret + filler[middle:])
    with spool_without_secrets(spool.seal()) as kept, kept.open() as reader:
        data = reader.read()
    assert data == filler[:middle] + b"(withheld)" + filler[middle:]
    assert kept.withheld == ("a known secret",)
