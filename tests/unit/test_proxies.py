"""Proxy variables: a value that cannot be used is never shown, and the same variable counts for everybody."""

from __future__ import annotations

import string
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeeper.errors import Misconfigured
from turnkeeper.proxies import checked_proxies, proxy_for
from turnkeeper.settings import StoreSettings
from turnkeeper.storage.object_store import open_store

PLAIN = set(string.ascii_letters + string.digits)
WORDS = st.text(st.characters(codec="utf-8"), min_size=6, max_size=30)


@given(WORDS, st.sampled_from(["HTTP_PROXY", "https_proxy", "ALL_PROXY", "Https_Proxy"]), st.booleans())
def test_no_value_is_ever_shown(password: str, variable: str, quoted: bool) -> None:
    """K3: a password with a # stood on the terminal. One that is spelled as an address wants it is always taken."""
    spelled = quote(password, safe="") if quoted else password
    variables = {variable: f"http://user:{spelled}@proxy.test:3128"}
    if quoted or set(spelled) <= PLAIN:
        found = checked_proxies(variables)
        assert [(one.variable, one.host) for one in found] == [(variable, "proxy.test")]
        assert password not in repr(found)
        return
    with pytest.raises(Misconfigured) as refused:
        checked_proxies({variable: f"http://user:{spelled}#word@proxy.test:3128"})
    assert variable in str(refused.value)
    assert password not in str(refused.value)


@pytest.mark.parametrize(
    "value",
    [
        "http://[::1",
        "ftp://proxy",
        "ftp://",
        "http://",
        "http://host:99999",
        "http://host:0",
        "ht tp://x",
        "http://a/b",
    ],
)
def test_what_is_no_proxy(value: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        checked_proxies({"https_proxy": value})
    assert refused.value.key == "https_proxy"


@pytest.mark.parametrize(
    "value", ["proxy:3128", "http://proxy", "https://u@proxy:1/", "http://[::1]:3128", "SOCKS5H://u:p%23@proxy:1080"]
)
def test_what_is_one(value: str) -> None:
    assert checked_proxies({"all_proxy": value, "HTTPS_PROXY": "", "PATH": "http://[::1"})[0].url == value


@pytest.mark.parametrize(
    ("scheme", "host", "variables", "expected"),
    [
        ("http", "a.test", {"HTTP_PROXY": "http://up", "http_proxy": "http://low"}, "http_proxy"),
        ("https", "a.test", {"http_proxy": "http://x", "ALL_PROXY": "http://y"}, "ALL_PROXY"),
        ("https", "a.test", {"https_proxy": "http://x", "NO_PROXY": "b.test, a.test"}, None),
        ("https", "x.a.test", {"https_proxy": "http://x", "no_proxy": ".a.test"}, None),
        ("https", "a.test", {"https_proxy": "http://x", "no_proxy": "*"}, None),
        ("https", "a.test", {}, None),
    ],
)
def test_which_one_counts(scheme: str, host: str, variables: dict[str, str], expected: str | None) -> None:
    found = proxy_for(scheme, host, variables)
    assert (found.variable if found else None) == expected


KEYS = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "not-a-secret-of-anybody"}


@pytest.mark.parametrize(
    ("variables", "refused"),
    [
        ({"ALL_PROXY": "socks5://proxy:1080"}, "ALL_PROXY: object stores cannot be reached through a SOCKS proxy"),
        ({"ALL_PROXY": "socks5://proxy:1080", "https_proxy": "http://proxy:3128"}, ""),
        ({"ALL_PROXY": "socks5://proxy:1080", "NO_PROXY": "store.test", "AWS_ENDPOINT_URL": "https://store.test"}, ""),
        ({"ALL_PROXY": "socks5://proxy:1080", "AWS_ENDPOINT_URL": "http://127.0.0.1:9000"}, ""),
        ({"HTTPS_PROXY": "http://proxy:99999"}, "HTTPS_PROXY: is not the address of a proxy"),
    ],
)
def test_an_object_store_behind_a_proxy(variables: dict[str, str], refused: str) -> None:
    settings = StoreSettings.from_environment(KEYS | variables)
    if not refused:
        assert open_store("s3://bucket/a", settings).url == "s3://bucket/a"
        return
    with pytest.raises(Misconfigured, match=refused):
        open_store("s3://bucket/a", settings)
