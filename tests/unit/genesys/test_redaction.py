from __future__ import annotations

import logging

from hypothesis import given
from hypothesis import strategies as st

from turnkeeper.genesys.redaction import WithoutQueries, plain, where, without_queries

SECRET = st.text(alphabet="ABCDEFabcdef0123456789%+/=_-&.", min_size=8, max_size=40)


@given(SECRET, st.sampled_from(["?X-Amz-Signature=", "#access_token="]))
def test_no_query_and_no_fragment_is_ever_shown(secret: str, mark: str) -> None:
    url = f"https://bucket.s3.amazonaws.com:8443/a/b{mark}{secret}"
    assert where(url) == without_queries(url) == "https://bucket.s3.amazonaws.com:8443/a/b"
    assert secret not in plain(f"GET {url} gave 403")


@given(st.text(max_size=60))
def test_any_text_becomes_one_short_line(text: str) -> None:
    line = plain(text * 30, limit=100)
    assert len(line) <= 100
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in line)


def test_users_in_addresses_are_cut_off() -> None:
    assert where("https://user:pass@host/p") == "https://host/p"
    assert "pass" not in plain("proxy http://user:pass@proxy:3128 refused")


def test_what_is_no_address_says_so() -> None:
    assert where("http://[::1") == where("nonsense?secret=1") == "(not an address)"


def test_log_records_lose_their_queries() -> None:
    record = logging.LogRecord("httpx2", logging.INFO, "", 0, "GET %s %d", ("https://h/p?sig=abc", 200), None)
    assert WithoutQueries().filter(record)
    assert record.getMessage() == "GET https://h/p 200"
