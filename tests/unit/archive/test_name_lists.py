"""Lists of names: read once, however many conversations share them."""

from __future__ import annotations

import io
import json
from typing import BinaryIO

import pytest

from turnkeeper.archive.name_lists import NameCache
from turnkeeper.errors import Unread
from turnkeeper.payloads.directory import read_names
from turnkeeper.spool import BytesSource


class Counted:
    """A list of names that counts how often it is read."""

    def __init__(self, names: dict[str, str] | None) -> None:
        rows = [{"id": key, "name": name} for key, name in (names or {}).items()]
        self._data = json.dumps({"entities": rows}).encode() if names is not None else b"no list"
        self.read = 0

    @property
    def size(self) -> int:
        return len(self._data)

    def open(self) -> BinaryIO:
        self.read += 1
        return io.BytesIO(self._data)


def test_lists_are_read_once_and_joined() -> None:
    known = NameCache()
    users, queues = Counted({"u": "Ada"}), Counted({"q": "Billing"})
    for _ in range(3):
        assert known.joined({"1": users, "2": queues}) == {"u": "Ada", "q": "Billing"}
    assert known.joined({"2": queues}) == {"q": "Billing"}
    assert known.joined({}) == {}
    assert (users.read, queues.read) == (1, 1)


def test_what_is_no_list_is_said_and_not_remembered() -> None:
    known = NameCache()
    with pytest.raises(Unread):
        known.joined({"1": Counted({"u": "Ada"}), "2": Counted(None)})
    assert known.joined({"1": Counted({"u": "Ada"})}) == {"u": "Ada"}


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"entities": [{"id": "\xff"}]}'], ids=["deep", "not UTF-8"])
def test_a_damaged_list_of_names_is_unread(body: bytes) -> None:
    with pytest.raises(Unread, match="not a list of names"):
        read_names(BytesSource(body))
