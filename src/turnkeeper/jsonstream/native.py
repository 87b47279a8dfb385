"""The door to the part in C (``native/``), which reads elements of an array into columns. The only module that imports
it.

The part in C accepts JSON of the usual form and refuses everything else. What it refuses, and everything where it was
not built, is read by the typed decoder.
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
"""The form of a field: ``text``; ``name`` (text that is repeated often); ``millis`` (decimal seconds, converted to
whole milliseconds); ``fraction`` (float); ``whole`` (int); ``length`` (int, zero or more).
"""


def _usable_module(module: Any) -> Any:
    """The module, if it reads one object as expected. A module of another version makes reading slow, never wrong."""
    if module is None:
        return None
    try:
        columns = module.Reader((("text", "", "text", False, ...),), ()).columns(b'[{"text":"a"}]', 0, True)  # noqa: FBT003
        # Older builds of the module lack this function.
        paired = module.paired(b"")
    except (TypeError, AttributeError):
        return None
    return module if paired and columns == ((["a"],), 14) else None


native: Any = _usable_module(_native)
"""The module in C, None where there is none that can be used."""


@dataclass(frozen=True, slots=True)
class Field:
    """How the value of one key is read.

    ``inner`` names a key of an object that is the value: the value is then taken from there. ``absent`` is the value
    for a missing key; ``...`` means that the key is required.
    """

    key: str
    form: Form
    nullable: bool = False
    absent: Any = ...
    inner: str = ""


class Columns(Sequence[tuple[Any, ...]]):
    """Elements by columns, in the order of the reader's fields. As a sequence it gives rows."""

    def __init__(self, lists: tuple[list[Any], ...]) -> None:
        self.lists = lists

    def __len__(self) -> int:
        return len(self.lists[0])

    def __getitem__(self, index: Any) -> Any:
        return tuple(column[index] for column in self.lists)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(zip(*self.lists, strict=True))


class ColumnReader:
    """Reads the given fields of each element of an array into columns.

    ``unread`` names keys of arrays that nobody needs. Unless the reading is strict they are skipped from bracket to
    bracket. Skipping can fail, but never gives wrong data: a bracket within a string there leaves a rest that is not
    JSON, which the reader refuses, and the typed decoder reads the whole.
    """

    def __init__(self, *fields: Field, unread: Sequence[str] = ()) -> None:
        self.fields = fields
        given = tuple((field.key, field.inner, field.form, field.nullable, field.absent) for field in fields)
        self._reader: _native.Reader | None = native and native.Reader(given, tuple(unread))

    @property
    def native(self) -> bool:
        """Whether the part in C is available."""
        return self._reader is not None

    def read(self, text: bytes | bytearray | memoryview, at: int, *, strict: bool) -> tuple[Columns, int] | None:
        """The elements of the array that opens at ``at``, and the offset behind it; None where it is not of the usual
        form.

        ``strict`` also checks the values that nobody asked for.
        """
        found = self._reader.columns(text, at, strict) if self._reader is not None else None
        return found and (Columns(found[0]), found[1])
