"""A list of conversation ids as people save it: one a line or a spreadsheet's column, in any encoding. Pure."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence

from turnkeeper.errors import Misconfigured
from turnkeeper.ids import is_id
from turnkeeper.payloads.details import CONVERSATION_ID

__all__ = ["read_ids"]

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    # UTF-32 before UTF-16, because its little-endian mark begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_HEADS = {"conversation", "conversationid", "conversationids", "interaction", "interactionid", "id", "ids"}
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SAMPLE = 64


def read_ids(data: bytes) -> tuple[str, ...]:
    """The ids in a file's bytes, each once, in their order.

    UTF-8 and UTF-16 are read, with or without a byte order mark, and any line ends. Blank lines and what follows a
    ``#`` are passed over. Of lines with several cells (comma, semicolon, tab or blank between them) the column counts
    whose heading says ``conversationId`` or the like; without a heading every UUID on a line does.

    A line whose text is no id is among the result: the caller lists it. Raises ``Misconfigured`` for bytes that are no
    text, where no line holds an id, and for a line of several cells of which nothing says which are ids.
    """
    rows = list(_split_rows(_decode_list(data)))
    column = _id_column(rows)
    if column is None:
        cells = [cell for number, row in enumerate(rows, 1) for cell in _ids_in(number, row)]
    else:
        cells = [row[column] for row in rows[1:] if column < len(row)]
    found = tuple(dict.fromkeys(cell for cell in cells if cell))
    if not found:
        raise Misconfigured("holds no ids", hint="One id a line.")
    if not any(map(is_id, found)):
        raise Misconfigured(f"holds no ids; it begins with {found[0][:40]!a}", hint="One id a line.")
    return found


def _decode_list(data: bytes) -> str:
    encoding, body = next(((name, data[len(bom) :]) for bom, name in _BOMS if data.startswith(bom)), ("", data))
    try:
        return body.decode(encoding or _guess_encoding(data))
    except UnicodeDecodeError as cause:
        named = encoding or "UTF-8"
        raise Misconfigured(f"is no {named} text (byte {cause.start})", hint="Save the list as UTF-8 text.") from None


def _guess_encoding(data: bytes) -> str:
    """The encoding of a text without a mark. Ids are ASCII, so every other byte of UTF-16 is zero."""
    sample = data[:_SAMPLE]
    if len(sample) >= 2 and not any(sample[1::2]):
        return "utf-16-le"
    if len(sample) >= 2 and not any(sample[0::2]):
        return "utf-16-be"
    return "utf-8"


def _split_rows(text: str) -> Iterator[list[str]]:
    lines = [line for line in (line.partition("#")[0].strip() for line in text.splitlines()) if line]
    separator = next((mark for mark in "\t;," if lines and mark in lines[0]), ",")
    for row in csv.reader(lines, delimiter=separator):
        yield [cell.strip().strip("\"'") for cell in row]


def _id_column(rows: Sequence[list[str]]) -> int | None:
    """Which column holds the ids, by its heading; None without one."""
    heads = (re.sub(r"[^a-z]", "", cell.lower()) for cell in rows[0]) if rows else ()
    return next((number for number, head in enumerate(heads) if head in _HEADS), None)


def _ids_in(number: int, row: Sequence[str]) -> list[str]:
    """The ids on a line of a list without a heading."""
    words = [word for cell in row for word in cell.split()]
    # Also within an address, or the brackets of a JSON list.
    found = [match[0] for word in words for match in _UUID.finditer(word)]
    if found or len(words) < 2:
        return found or words
    raise Misconfigured(
        f"row {number} holds several values, none of them a UUID",
        hint=f"One id a line, or a heading {CONVERSATION_ID}.",
    )
