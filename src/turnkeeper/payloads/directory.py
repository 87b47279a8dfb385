"""The platform's lists of users, queues and wrap-up codes: names by id."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from turnkeeper.errors import Unread
from turnkeeper.jsonstream.surrogates import without_lone_surrogates
from turnkeeper.payloads.decode_json import body_bytes, decode_json, foreign_answer
from turnkeeper.spool import Source, Spool

__all__ = ["DirectoryPage", "list_document", "read_directory_page", "read_names"]


@dataclass(frozen=True)
class DirectoryPage:
    """``names`` by id of one page that lists ``size`` entities; those without a name are not among the names.

    ``pages`` is how many pages the whole list has, None where the answer does not say. ``repaired`` counts the halves
    of surrogate pairs that became U+FFFD.
    """

    names: dict[str, str]
    size: int
    pages: int | None
    repaired: int


def read_directory_page(body: Spool, operation: str, key: str) -> DirectoryPage:
    """Read one answer of the platform. Raises ``Unavailable`` where it is not a list of entities."""
    data, repaired = without_lone_surrogates(body_bytes(body))
    try:
        document = decode_json(data)
    except ValueError:
        document = None
    document = document if isinstance(document, dict) else {}
    entities, pages = document.get("entities"), document.get("pageCount")
    if not isinstance(entities, list):
        raise foreign_answer("the answer holds no list of names", operation, key)
    # One odd entity is skipped. Where all are odd, this is not a list of the platform's at all.
    if entities and not any(isinstance(entity, dict) and isinstance(entity.get("id"), str) for entity in entities):
        raise foreign_answer("the answer is not of the platform's shape", operation, key)
    return DirectoryPage(dict(_names(entities)), len(entities), pages if type(pages) is int else None, repaired)


def read_names(source: Source) -> dict[str, str]:
    """Read names by id from one list as the platform gives it (``{"entities": [...]}``), or from an array of several.

    Entities without a name are left out. Raises ``Unread`` when the document is something else.
    """
    try:
        return dict(_names(_entities(msgspec.json.decode(body_bytes(source)))))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        said = str(cause) if isinstance(cause, msgspec.DecodeError) else type(cause).__name__
        raise Unread(f"not a list of names ({said})", operation="read names") from None


def list_document(names: dict[str, str]) -> bytes:
    """Write names as one list in the platform's form, in the order of their ids."""
    return msgspec.json.encode({"entities": [{"id": key, "name": name} for key, name in sorted(names.items())]})


def _entities(document: Any) -> Iterator[Any]:
    if isinstance(document, list):
        for part in document:
            yield from _entities(part)
    elif isinstance(document, dict) and isinstance(document.get("entities"), list):
        yield from _entities(document["entities"])
    elif isinstance(document, dict):
        yield document
    else:
        raise Unread("not a list of names", operation="read names")


def _names(entities: Any) -> Iterator[tuple[str, str]]:
    for entity in entities:
        key, name = (entity.get("id"), entity.get("name")) if isinstance(entity, dict) else (None, None)
        if isinstance(key, str) and isinstance(name, str):
            yield key, name
