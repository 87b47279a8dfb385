"""Lists of ids as people save them."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeeper.errors import Misconfigured
from turnkeeper.exporter.id_list import read_ids

ONE, TWO = "1f0e5c1c-5d53-4c0b-8d1c-0a3c9a5f7b10", "9b8d7c6e-1111-4222-8333-abcdefabcdef"
IDS = (ONE, TWO)


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (b"", "utf-16-le"),
        (b"", "utf-16-be"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_encoding_and_any_line_end(mark: bytes, encoding: str, end: str) -> None:
    """K2: an --ids file with a byte order mark, CRLF, or in UTF-16."""
    assert read_ids(mark + end.join((*IDS, "")).encode(encoding)) == IDS


@pytest.mark.parametrize(
    "text",
    [
        f"\n  {ONE}  \n\n# the second one\n{TWO} # Mrs. Weber's\n{ONE}\n",
        f"conversationId\n{ONE}\n{TWO}\n",
        f"Conversation ID;date\n{ONE};2026-10-05\n{TWO};2026-10-06\n",
        f"date,interaction_id\n2026-10-05,{ONE}\n2026-10-06,{TWO}\n",
        f'"2026-10-05","{ONE}"\n"2026-10-06","{TWO}"\n',
        f"2026-10-05\t{ONE}\n2026-10-06\t{TWO}\n\t\n",
    ],
)
def test_blank_lines_comments_and_columns(text: str) -> None:
    """K2: what people have around the ids."""
    assert read_ids(text.encode()) == IDS


@pytest.mark.parametrize(
    "text", ["{},{}", "{};{}\n", "{} {}", "{}\t{}", '["{}", "{}"]', "{},\n{},\n", "https://a/{}?x, {}"]
)
def test_every_id_of_a_line_counts(text: str) -> None:
    """K1: of ids on one line, those behind the first one were dropped without a word."""
    assert read_ids(text.format(*IDS).encode()) == IDS


def test_a_line_of_several_values_says_which_is_the_id() -> None:
    """K1: the same, where nothing tells which of the values are ids."""
    with pytest.raises(Misconfigured, match="row 2 holds several values"):
        read_ids(b"c-1\nc-2,c-3\n")


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf\r\n", b"# none\n", b"conversationId\n", b"<html>\n<body>\n"])
def test_a_list_without_ids_is_refused(data: bytes) -> None:
    with pytest.raises(Misconfigured, match="holds no ids"):
        read_ids(data)


def test_bytes_that_are_no_text_are_refused_with_the_place() -> None:
    with pytest.raises(Misconfigured, match=r"no UTF-8 text \(byte 36\)"):
        read_ids(ONE.encode() + b"\xff\xfe\xfd")


def test_a_line_that_is_no_id_stays_for_the_report() -> None:
    assert read_ids(f"{ONE}\n../users\n".encode()) == (ONE, "../users")


@given(st.lists(st.from_regex(r"[a-z0-9]{1,12}(-[a-z0-9]{1,8}){0,3}", fullmatch=True), min_size=1, unique=True))
def test_whatever_is_written_one_a_line_is_read(ids: list[str]) -> None:
    heads = {"id", "ids", "conversation", "interaction"}
    if ids[0].replace("-", "").rstrip("0123456789") not in heads:
        assert read_ids("\n".join(ids).encode("utf-16")) == tuple(ids)
