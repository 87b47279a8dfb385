from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnkeeper.clock import ManualClock
from turnkeeper.errors import (
    Denied,
    Incomplete,
    LinkExpired,
    Misconfigured,
    NotFound,
    Skippable,
    Throttled,
    Unavailable,
)
from turnkeeper.events import Event, Renewed
from turnkeeper.genesys.download import Downloads
from turnkeeper.genesys.http import Http
from turnkeeper.genesys.resumable_download import ResumableBody
from turnkeeper.genesys.retry import RetryPolicy
from turnkeeper.settings import PlatformSettings, RetrySettings
from turnkeeper.spool import Spool

pytestmark = pytest.mark.anyio
BODY = random.Random(7).randbytes(9_000)
DEAD_XML = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"


class Storage:
    """Answers in turn; ``fetch`` downloads through them, renewing to /2, /3, …"""

    def __init__(self, *answers: httpx2.Response | Callable[[httpx2.Request], httpx2.Response]) -> None:
        self.answers = list(answers)
        self.requests: list[httpx2.Request] = []
        self.events: list[Event] = []
        self.clock = ManualClock()
        self.renewed = 0
        self.folder: Path | None = None

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer(request) if callable(answer) else answer

    async def renew(self) -> str:
        self.renewed += 1
        return f"https://store/{self.renewed + 1}?sig=secret"

    async def fetch(self, renew: Callable[[], object] | None = None) -> bytes:
        retry = RetrySettings()
        http = Http(PlatformSettings(), httpx2.MockTransport(self.handle))
        patience = RetryPolicy(retry, self.clock, self.events.append)
        downloads = Downloads(http, patience, retry, self.clock, self.events.append, self.folder)
        spool: Spool = await downloads.fetch("https://store/1?sig=secret", renew or self.renew, key="c1")  # type: ignore[arg-type]
        await http.close()
        with spool, spool.open() as reader:
            return reader.read()

    @property
    def paths(self) -> list[str]:
        return [request.url.path for request in self.requests]


def rest(sent, etag: str = '"v1"', total: int | None = None):
    """Storage that honours ranges."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        start = int(request.headers["range"].removeprefix("bytes=").removesuffix("-"))
        assert request.headers["if-range"] == '"v1"'
        placed = f"bytes {start}-{len(BODY) - 1}/{len(BODY) if total is None else total}"
        return sent(BODY[start:], status=206, ETag=etag, Content_Range=placed)

    return answer


async def test_the_bytes_come_whole_and_without_a_token(sent) -> None:
    storage = Storage(sent(BODY))
    assert await storage.fetch() == BODY
    assert "authorization" not in storage.requests[0].headers


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "aws-chunked", "identity"])
async def test_encoded_bodies_are_kept_decoded(sent, encoding: str) -> None:
    import zlib

    wire = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress}.get(encoding, bytes)(BODY)
    assert await Storage(sent(wire, Content_Encoding=encoding)).fetch() == BODY


async def test_a_redirect_is_followed_and_circles_end(sent) -> None:
    away = httpx2.Response(302, headers={"Location": "//other/x?sig=secret"})
    storage = Storage(away, sent(BODY))
    assert await storage.fetch() == BODY
    assert storage.requests[1].url.host == "other"
    with pytest.raises(Unavailable, match="circles"):
        await Storage(away).fetch()
    with pytest.raises(Unavailable, match="an address that is none"):
        await Storage(httpx2.Response(302, headers={"Location": "https://[store/x"})).fetch()


@pytest.mark.parametrize(
    "dead",
    [
        httpx2.Response(403, content=DEAD_XML),
        httpx2.Response(410),
        httpx2.Response(401),
        httpx2.Response(400, content=b"<Error><Code>ExpiredToken</Code><Message>The provided token</Message></Error>"),
    ],
)
async def test_a_dead_link_is_renewed_a_bounded_number_of_times(sent, dead: httpx2.Response) -> None:
    storage = Storage(dead, dead, sent(BODY))
    assert await storage.fetch() == BODY
    assert storage.paths == ["/1", "/2", "/3"]
    assert len([event for event in storage.events if isinstance(event, Renewed)]) == 2
    lasting = Storage(dead)
    with pytest.raises(LinkExpired, match="4 addresses") as caught:
        await lasting.fetch()
    assert lasting.paths == ["/1", "/2", "/3", "/4"]
    assert "secret" not in str(caught.value) + str(lasting.events)


async def test_the_same_dead_link_is_never_asked_twice(sent) -> None:
    async def same() -> str:
        return "https://store/1?sig=secret"

    storage = Storage(httpx2.Response(403))
    with pytest.raises(LinkExpired, match="again"):
        await storage.fetch(same)
    assert storage.paths == ["/1"]


async def test_a_renewal_that_is_refused_says_so(sent) -> None:
    async def denied() -> str:
        raise Denied("no")

    with pytest.raises(Denied):
        await Storage(httpx2.Response(403)).fetch(denied)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx2.Response(404), NotFound),
        (httpx2.Response(400, content=b"<Error><Code>InvalidArgument</Code></Error>"), Skippable),
        (httpx2.Response(503), Unavailable),
        (httpx2.Response(429, headers={"Retry-After": "9999"}), Throttled),
    ],
)
async def test_other_refusals_are_errors(answer: httpx2.Response, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        await Storage(answer).fetch()
    assert type(caught.value) is kind


async def test_storage_that_stumbles_is_asked_again(sent) -> None:
    storage = Storage(httpx2.Response(503), httpx2.Response(500), sent(BODY))
    assert await storage.fetch() == BODY
    assert len(storage.clock.slept) == 2


@pytest.mark.parametrize("broken", [True, False])
async def test_a_cut_body_is_resumed_where_it_is_provably_the_same(sent, broken: bool) -> None:
    cut = sent(BODY[:4000], length=len(BODY), broken=broken, ETag='"v1"')
    storage = Storage(cut, rest(sent))
    assert await storage.fetch() == BODY
    assert storage.requests[1].headers["range"] == "bytes=4000-"


async def test_a_cut_gzip_body_is_resumed_in_its_encoded_bytes(sent) -> None:
    wire = gzip.compress(BODY)

    def tail(request: httpx2.Request) -> httpx2.Response:
        placed = f"bytes 2000-{len(wire) - 1}/{len(wire)}"
        return sent(wire[2000:], status=206, ETag='"v1"', Content_Encoding="gzip", Content_Range=placed)

    cut = sent(wire[:2000], length=len(wire), ETag='"v1"', Content_Encoding="gzip")
    assert await Storage(cut, tail).fetch() == BODY


async def test_a_changed_document_is_begun_again(sent) -> None:
    other = BODY[::-1]
    storage = Storage(sent(BODY[:4000], length=len(BODY), ETag='"v1"'), sent(other, ETag='"v2"'))
    assert await storage.fetch() == other


@pytest.mark.parametrize("etag", ['W/"v1"', ""])
async def test_without_a_strong_etag_it_is_begun_again(sent, etag: str) -> None:
    cut = sent(BODY[:4000], length=len(BODY), **({"ETag": etag} if etag else {}))
    storage = Storage(cut, sent(BODY))
    assert await storage.fetch() == BODY
    assert "range" not in storage.requests[1].headers


@pytest.mark.parametrize(
    "lie",
    [
        {"status": 206, "Content_Range": "bytes 3999-8999/9000"},
        {"status": 206, "Content_Range": "bytes 4000-8999/9001"},
        {"status": 206, "Content_Range": "bytes 4000-8999/9000", "ETag": '"v2"'},
        {"status": 206, "Content_Range": "bytes 4000-8999/9000", "Content_Encoding": "gzip"},
        {"status": 206},
        {"status": 416},
    ],
)
async def test_a_wrong_continuation_is_never_glued_on(sent, lie: dict[str, object]) -> None:
    wrong = sent(b"z" * 5000, **({"ETag": '"v1"'} | lie))
    storage = Storage(sent(BODY[:4000], length=len(BODY), ETag='"v1"'), wrong, sent(BODY, ETag='"v1"'))
    assert await storage.fetch() == BODY
    assert "range" not in storage.requests[2].headers


@pytest.mark.parametrize(
    "range_", ["bytes " + "9" * 6000 + "-1/2", "bytes 4000-" + "9" * 6000 + "/*", "bytes \u0664-\u0665/\u0666"]
)
async def test_a_range_that_cannot_be_is_no_continuation(sent, range_: str) -> None:
    """K8: ``Content-Range`` with 6,000 digits."""
    odd = httpx2.Response(206, headers=[(b"ETag", b'"v1"'), (b"Content-Range", range_.encode())], content=b"z")
    storage = Storage(sent(BODY[:4000], length=len(BODY), ETag='"v1"'), odd, sent(BODY, ETag='"v1"'))
    assert await storage.fetch() == BODY


@pytest.mark.parametrize("length", ["9" * 6000, "-1", "1e3", "\u0664", "nonsense"])
async def test_a_length_that_cannot_be_is_as_if_absent(sent, length: str) -> None:
    """K8: a value that cannot be is as if absent."""
    assert ResumableBody(None).accepts(200, {"content-length": length})
    whole = sent(BODY)
    whole.headers.raw[:] = [(b"Content-Length", length.encode())]
    assert await Storage(whole).fetch() == BODY


async def test_a_damaged_encoding_is_begun_again_and_bounded(sent) -> None:
    damaged = gzip.compress(BODY)[:-20] + bytes(20)
    storage = Storage(lambda _: sent(damaged, ETag='"v1"', Content_Encoding="gzip"), sent(BODY))
    assert await storage.fetch() == BODY
    lasting = Storage(lambda _: sent(damaged, ETag='"v1"', Content_Encoding="gzip"))
    with pytest.raises(Incomplete, match="damaged"):
        await lasting.fetch()
    assert len(lasting.requests) == 4


async def test_a_compressed_body_that_stops_early_is_begun_again(sent) -> None:
    short = gzip.compress(BODY)[:-9]
    storage = Storage(lambda _: sent(short, ETag='"v1"', Content_Encoding="gzip"), sent(BODY))
    assert await storage.fetch() == BODY


async def test_breaking_off_for_ever_is_bounded(sent) -> None:
    storage = Storage(lambda _: sent(BODY[:100], length=len(BODY)))
    with pytest.raises(Incomplete, match="100 of 9000"):
        await storage.fetch()
    assert len(storage.requests) == 4

    def drip(request: httpx2.Request) -> httpx2.Response:
        at = int(request.headers.get("range", "bytes=0-")[6:-1])
        placed = {"Content_Range": f"bytes {at}-{len(BODY) - 1}/{len(BODY)}"} if at else {}
        return sent(BODY[at : at + 1], status=206 if at else 200, length=len(BODY) - at, ETag='"v1"', **placed)

    slow = Storage(drip)
    with pytest.raises(Incomplete):
        await slow.fetch()
    assert len(slow.requests) == RetrySettings().attempts + 1


async def test_a_link_that_dies_in_the_middle_is_renewed_and_the_body_resumed(sent) -> None:
    storage = Storage(sent(BODY[:4000], length=len(BODY), ETag='"v1"'), httpx2.Response(403), rest(sent))
    assert await storage.fetch() == BODY
    assert storage.paths == ["/1", "/1", "/2"]


async def test_a_spool_that_cannot_be_written_is_said_as_it_is(sent, tmp_path) -> None:
    storage = Storage(sent(bytes(2 << 20)))
    storage.folder = tmp_path / "missing"
    with pytest.raises(Misconfigured, match="TMPDIR"):
        await storage.fetch()
    assert len(storage.requests) == 1


async def test_a_200_that_is_no_json_is_kept(sent) -> None:
    assert await Storage(sent(b"<html>", Content_Type="text/html")).fetch() == b"<html>"
    assert await Storage(sent(b"")).fetch() == b""


@settings(max_examples=200)
@given(st.binary(min_size=1, max_size=600), st.lists(st.integers(1, 300), max_size=6), st.booleans())
def test_any_cuts_give_the_same_bytes(data: bytes, cuts: list[int], packed: bool) -> None:
    wire = gzip.compress(data) if packed else data
    encoded = {"content-encoding": "gzip"} if packed else {}
    body = ResumableBody(None)
    for cut in [*cuts, len(wire)]:
        at = body.received
        placed = {"content-range": f"bytes {at}-{len(wire) - 1}/{len(wire)}"} if at else {}
        length = {"content-length": str(len(wire) - at)}
        assert body.accepts(206 if at else 200, {"etag": '"v"', **encoded, **placed, **length})
        body.add(wire[at : at + cut])
        if not body.missing:
            break
        body.after_break()
    with body.spool.seal() as spool, spool.open() as reader:
        assert reader.read() == data
