"""An address is used as it is written, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests.unit.small_calls import keep

from turnkeeper.archive.archive import Archive
from turnkeeper.errors import Misconfigured
from turnkeeper.storage.address import parse_address
from turnkeeper.storage.object_store import open_store


@pytest.mark.parametrize("name", ["Queue #1", "a?x=1", "100%", "a%20b", "[x", "ä b", "a;b"])
def test_a_folder_is_the_one_that_was_named(name: str, tmp_path: Path) -> None:
    """K1: ``#`` and ``?`` in the address of a folder, plain and as ``file://``."""
    plain = open_store(f"{tmp_path}/{name}")
    keep(plain, "call-1")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    again = open_store(plain.url)
    assert again.url == plain.url
    assert list(again.list("")) == list(plain.list(""))
    assert Archive(f"{tmp_path}/{name}").copy_to(f"{tmp_path}/{name} 2") > 5
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, f"{name} 2"])


def test_a_file_address_is_decoded_and_keeps_every_character(tmp_path: Path) -> None:
    assert parse_address("file:///data/Queue #1").path == Path("/data/Queue #1")
    assert parse_address("file:///data/Queue%20%231?x=1").path == Path("/data/Queue #1?x=1")
    assert parse_address("file://localhost/data").path == Path("/data")


@given(some.text(min_size=1, max_size=20).filter(lambda text: "?" not in text))
def test_an_object_stores_prefix_is_as_written(prefix: str) -> None:
    address = parse_address(f"s3://calls/{prefix}")
    assert (address.bucket, address.prefix) == ("calls", prefix.strip("/"))
    assert parse_address(address.url) == address


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3://calls/Queue?x=1", "question mark"),
        ("s3://calls?x=1", "no bucket"),
        ("s3://calls#1/x", "no bucket"),
        ("gs://calls/a%20b", "encoded"),
        ("az://calls/a%20b", "encoded"),
        ("https://calls/x", "not the address of an archive"),
        ("S3://", "not the address of an archive"),
        ("file://server/share", "not a folder's address"),
    ],
)
def test_what_could_mean_two_places_is_refused(address: str, words: str) -> None:
    """K1: the address as written, or refused."""
    with pytest.raises(Misconfigured, match=words) as caught:
        open_store(address)
    assert "x=1" not in str(caught.value)
    assert caught.value.hint


def test_other_stores_take_a_number_sign() -> None:
    assert parse_address("gs://calls/Queue #1").prefix == "Queue #1"
    assert parse_address("GS://calls/x/").url == "gs://calls/x"
