"""The storage port: signatures, expiry by the clock, ranges, and no bearer ever."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from turnkeeper.simulator.bodies import RowsBody

if TYPE_CHECKING:
    from tests.contract.simulator.conftest import Start, Wire

NOW = datetime(2026, 11, 2, tzinfo=UTC)


def test_link_is_good_until_it_expires(start: Start) -> None:
    wire = start(now=NOW, link_seconds=600)
    link = wire.link()
    assert {"X-Amz-Date=20261102T000000Z", "X-Amz-Expires=600"} <= set(link.partition("?")[2].split("&"))
    wire.advance(599)
    assert wire.fetch(link).status == 200
    wire.advance(1)
    refused = wire.fetch(link)
    assert refused.status == 403
    assert refused.headers["content-type"].startswith("application/xml")
    assert b"<Code>AccessDenied</Code><Message>Request has expired</Message>" in refused.body
    assert b"<ServerTime>2026-11-02T00:10:00.000Z</ServerTime>" in refused.body


@pytest.mark.parametrize(
    "change", [("X-Amz-Expires=600", "X-Amz-Expires=9999"), ("Signature=", "Signature=0"), ("/t", "/x")]
)
def test_tampered_link_is_refused(wire: Wire, change: tuple[str, str]) -> None:
    refused = wire.fetch(wire.link().replace(*change, 1))
    assert refused.status == 403
    assert b"SignatureDoesNotMatch" in refused.body


def test_authorization_on_storage_is_refused_and_counted(start: Start) -> None:
    wire = start()
    refused = wire.send("GET", wire.link(), wire.bearer)
    assert refused.status == 400
    assert b"Only one auth mechanism allowed" in refused.body
    assert wire.fetch(wire.running.base_url + "/_sim/requests").json["authorization_on_storage"] == 1


def test_links_are_fresh_every_time_and_lead_to_the_same_bytes(wire: Wire) -> None:
    links = [wire.link() for _ in range(3)]
    assert len(set(links)) == 3
    answers = [wire.fetch(link) for link in links]
    assert len({answer.body for answer in answers}) == len({answer.headers["etag"] for answer in answers}) == 1


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=100-", slice(100, None)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=5-999999999", slice(5, None)),
    ],
)
def test_single_ranges(wire: Wire, asked: str, part: slice) -> None:
    whole = wire.fetch(wire.link())
    assert whole.headers["accept-ranges"] == "bytes"
    answer = wire.fetch(wire.link(), Range=asked)
    assert (answer.status, answer.body) == (206, whole.body[part])
    first = range(len(whole.body))[part][0]
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(answer.body) - 1}/{len(whole.body)}"


def test_range_beyond_the_end_and_several_ranges(wire: Wire) -> None:
    size = len(wire.fetch(wire.link()).body)
    beyond = wire.fetch(wire.link(), Range=f"bytes={size}-")
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    assert wire.fetch(wire.link(), Range="bytes=0-1,4-5").status == 200


def test_if_range_decides_between_part_and_whole(wire: Wire) -> None:
    tag = wire.fetch(wire.link()).headers["etag"]
    assert wire.fetch(wire.link(), Range="bytes=5-", If_Range=tag).status == 206
    assert wire.fetch(wire.link(), Range="bytes=5-", If_Range='"other"').status == 200


def test_rows_give_any_range() -> None:
    body = RowsBody(b"<begin>", lambda n: f"{n:09}\n".encode(), 20_000, b"<end>")
    whole = b"".join(body.read(0, body.size))
    assert len(whole) == body.size
    assert whole == b"<begin>" + b"".join(f"{n:09}\n".encode() for n in range(20_000)) + b"<end>"
    dice = random.Random(1)
    for _ in range(200):
        start, stop = sorted(dice.randrange(body.size + 1) for _ in range(2))
        assert b"".join(body.read(start, stop)) == whole[start:stop]


def test_range_of_a_giant(start: Start) -> None:
    wire = start(conversations=1, giant_mb=200)
    giant = wire.running.giant_id
    assert giant is not None
    link = wire.media(giant).json["downloadUrl"]
    tail = wire.fetch(link, Range="bytes=-400")
    total = int(tail.headers["content-range"].rpartition("/")[2])
    assert 199 * 2**20 < total < 201 * 2**20
    assert tail.body.endswith(b"}]}")
    assert b'"participants":[{' in tail.body
