"""The platform's lists of users, queues and wrap-up codes: names by id."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from turnkeeper.errors import Unread
from turnkeeper.spool import Source

__all__ = ["read_names"]


def read_names(source: Source) -> dict[str, str]:
    """Names by id from one list as the platform gives it (``{"entities": [...]}``), or from several in an array.

    Entities without a name are left out. Raises ``Unread`` when the document is something else.
    """
    with source.open() as body:
        try:
            document = msgspec.json.decode(body.read())
        except msgspec.DecodeError as cause:
            raise Unread(f"not a list of names ({cause})", operation="read names") from None
    return dict(_named(document))


def _named(document: Any) -> Iterator[tuple[str, str]]:
    if isinstance(document, list):
        for part in document:
            yield from _named(part)
    elif isinstance(document, dict) and isinstance(document.get("entities"), list):
        yield from _named(document["entities"])
    elif isinstance(document, dict):
        name, identity = document.get("name"), document.get("id")
        if isinstance(name, str) and isinstance(identity, str):
            yield identity, name
    else:
        raise Unread("not a list of names", operation="read names")
