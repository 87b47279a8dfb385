"""Elements of an array read into columns by the part in C, where that was built (``native/``). Knows no vendor.

The native reader gives what is of the usual form and refuses everything else; then, and where it was not built, the
typed decoder reads the same elements. This module is the only one that loads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

try:
    from turnkeeper.jsonstream import _native
except ImportError:  # no compiler where it was installed, or a Python that nobody built it for
    _native = None  # type: ignore[assignment]

__all__ = ["ColumnReader", "Columns", "Field", "native"]

Form = Literal["text", "name", "millis", "fraction", "whole", "length"]
"""``text``; ``name`` (text that comes again and again); ``millis`` (decimal seconds, becoming whole milliseconds);
``fraction`` (float); ``whole`` (int); ``length`` (int of zero or more)."""


def _usable_module(module: Any) -> Any:
    """The module where it reads one object as it should: a module of another version makes reading slow, not wrong."""
    if module is None:
        return None
    try:
        found = module.Reader((("text", "", "text", False, ...),), ()).columns(b'[{"text":"a"}]', 0, True)  # noqa: FBT003
        paired = module.paired(b"")
    except (TypeError, AttributeError):
        return None
    return module if paired and found == ((["a"],), 14) else None


native: Any = _usable_module(_native)
"""The module in C, None where there is none that can be used."""


@dataclass(frozen=True, slots=True)
class Field:
    """What becomes of one key. ``inner`` is a key of the object that is its value, where the value meant stands there;
    ``absent`` what an absent key means, ``...`` that it must be there."""

    key: str
    form: Form
    nullable: bool = False
    absent: Any = ...
    inner: str = ""


class Columns(Sequence[tuple[Any, ...]]):
    """Elements by columns, in the order of the table's fields; as a sequence, its rows."""

    def __init__(self, lists: tuple[list[Any], ...]) -> None:
        self.lists = lists

    def __len__(self) -> int:
        return len(self.lists[0])

    def __getitem__(self, index: Any) -> Any:
        return tuple(column[index] for column in self.lists)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(zip(*self.lists, strict=True))


class ColumnReader:
    """The fields that are read of each element of an array. ``unread`` are keys of arrays that nobody asked for; unless
    the reading is strict they are passed over from bracket to bracket.

    Passing over can fail and never gives wrong data: a bracket within a string there makes the rest a text that is no
    JSON, which the reader refuses, and the typed decoder reads the whole.
    """

    def __init__(self, *fields: Field, unread: Sequence[str] = ()) -> None:
        self.fields = fields
        given = tuple((one.key, one.inner, one.form, one.nullable, one.absent) for one in fields)
        self._reader: _native.Reader | None = native and native.Reader(given, tuple(unread))

    @property
    def native(self) -> bool:
        """Whether there is a native reader at all."""
        return self._reader is not None

    def read(self, text: bytes | bytearray | memoryview, at: int, *, strict: bool) -> tuple[Columns, int] | None:
        """The elements of the array that opens at ``at``, and where it ends; None where it is not of the usual form.
        ``strict`` looks into what nobody asked for."""
        found = self._reader.columns(text, at, strict) if self._reader is not None else None
        return found and (Columns(found[0]), found[1])
