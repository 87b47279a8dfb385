from __future__ import annotations

import io
import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnkeeper.payloads import media_page as module
from turnkeeper.payloads.media_page import MediaPage, read_large_page, read_page, without_query
from turnkeeper.spool import Spool

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


class Drip(io.BytesIO):
    """A reader that gives a few bytes at a time, whatever is asked."""

    def __init__(self, data: bytes, step: int) -> None:
        super().__init__(data)
        self.step = step

    def read(self, size: int | None = -1) -> bytes:
        return super().read(self.step)


@pytest.mark.slow
@settings(max_examples=300)
@given(
    st.dictionaries(st.text(max_size=6), JSON, max_size=4),
    st.sampled_from([None, "queued", "Completed", 'a"b\\']),
    st.none() | st.text(max_size=20),
    st.none() | st.lists(JSON, max_size=3),
    st.integers(1, 9),
    st.booleans(),
    st.booleans(),
)
def test_the_walk_sees_what_a_parser_sees(
    rest: dict[str, object],
    status: str | None,
    link: str | None,
    transcript: list[object] | None,
    step: int,
    ascii_only: bool,
    last: bool,
) -> None:
    own = {"status": status, "downloadUrl": link, "transcript": transcript}
    chosen = {name: value for name, value in own.items() if value is not None}
    others = {name: value for name, value in rest.items() if name not in own}
    document = others | chosen if last else chosen | others
    body = json.dumps(document, ensure_ascii=ascii_only, indent=step % 3 or None).encode()
    found = read_page(Drip(body, step))
    assert found.status == (status or "").lower()
    assert found.download_url == (link or "")
    assert found.empty == (None if transcript is None else not transcript)
    assert [json.loads(b'"' + body[a:b] + b'"') for a, b in found.links] == ([] if link is None else [link])
    assert read_page(io.BytesIO(body)) == found


@given(st.text(max_size=30), st.text(max_size=30), st.booleans())
def test_only_the_query_of_the_link_is_cut(path: str, query: str, ascii_only: bool) -> None:
    path = path.replace("?", "").replace("#", "")
    document = {"a": "https://x/?keep=1", "downloadUrl": f"https://x/{path}?{query}", "z": [1, "b?c"]}
    spool, clean = Spool(), Spool()
    spool.write(json.dumps(document, ensure_ascii=ascii_only).encode())
    with spool.open() as reader:
        assert without_query(spool, read_page(reader).links, clean)
    with clean.open() as reader:
        kept = json.load(reader)
    assert kept == document | {"downloadUrl": f"https://x/{path}"}


def test_an_escaped_question_mark_is_one_too() -> None:
    spool, clean = Spool(), Spool()
    spool.write(rb'{"downloadUrl":"https:\/\/x\/p\u003FX-Amz-Signature=s", "n": 1.50}')
    with spool.open() as reader:
        assert without_query(spool, read_page(reader).links, clean)
    with clean.open() as reader:
        assert reader.read() == rb'{"downloadUrl":"https:\/\/x\/p", "n": 1.50}'


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'[{"transcript":[]}]', b'"x"', b'{"status":', b"\xef\xbb\xbf{}"]
)
def test_what_is_no_such_document_gives_an_empty_page(body: bytes) -> None:
    assert read_page(io.BytesIO(body)) == MediaPage()


@pytest.mark.parametrize("step", [1, 3, 7, 1000])
def test_a_large_document_is_searched_for_a_link_and_walked_only_then(step: int) -> None:
    plain = b'{"transcript": [{"text": "x"}]}'
    assert read_large_page(Drip(plain, step)) == MediaPage(empty=False)
    linked = b'{"transcript": [{"text": "x"}], "downloadUrl": "https://x/?y"}'
    assert read_large_page(Drip(linked, step)) == read_page(io.BytesIO(linked))
    assert len(read_large_page(Drip(linked, step)).links) == 1


def test_names_deep_inside_mean_nothing() -> None:
    body = b'{"x": {"status": "queued", "downloadUrl": "u?q", "transcript": []}, "transcript": [{"a": 1}]}'
    assert read_page(io.BytesIO(body)) == MediaPage(empty=False)


def test_a_giant_string_costs_no_memory() -> None:
    body = io.BytesIO(b'{"transcript": [{"text": "' + b'x\\"' * (8 << 20) + b'"}], "status": "completed"}')
    tracemalloc.start()
    found = read_page(body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == MediaPage(status="completed", empty=False)
    assert peak < 8 * module._CHUNK
