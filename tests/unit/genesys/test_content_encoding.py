from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeeper.genesys.content_encoding import BrokenEncoding, Decoder


def decode(encoding: str, data: bytes, step: int) -> tuple[bytes, bool]:
    decoder = Decoder(encoding)
    found = b"".join(piece for at in range(0, len(data), step) for piece in decoder.feed(data[at : at + step]))
    return found, decoder.whole


@given(st.binary(max_size=3000), st.integers(1, 700), st.sampled_from(["", "identity", "gzip", "x-gzip", "deflate"]))
def test_any_chunking_gives_the_same_bytes(data: bytes, step: int, encoding: str) -> None:
    wire = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress}.get(encoding, bytes)(data)
    assert decode(encoding, wire, step) == (data, True)


def test_several_members_are_one_body() -> None:
    assert decode("gzip", gzip.compress(b"one ") + gzip.compress(b"two"), 5) == (b"one two", True)


def test_a_short_stream_is_not_whole() -> None:
    assert decode("gzip", gzip.compress(b"x" * 999)[:-3], 7)[1] is False


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "zstd"])
def test_what_was_not_asked_for_is_refused(encoding: str) -> None:
    with pytest.raises(BrokenEncoding):
        Decoder(encoding)


def test_damage_is_found() -> None:
    with pytest.raises(BrokenEncoding):
        decode("gzip", b"this is no gzip", 4)


def test_a_bomb_stays_small_in_memory() -> None:
    bomb = gzip.compress(bytes(64 << 20))
    tracemalloc.start()
    size = sum(len(piece) for piece in Decoder("gzip").feed(bomb))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size == 64 << 20
    assert peak < 4 << 20
