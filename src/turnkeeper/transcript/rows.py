"""Elements of an array read in C, where that part was built (``native/``). Knows no vendor.

The native reader gives what is of the usual form and refuses everything else; then, and where it was not built, the
typed decoder reads the same elements. Results are the same either way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import msgspec

try:
    from turnkeeper.transcript import _native
except ImportError:  # no compiler where it was installed, or a Python that nobody built it for
    _native = None  # type: ignore[assignment]

__all__ = ["Columns", "Field", "Rows", "native", "objects"]

Form = Literal["text", "name", "millis", "fraction", "whole", "length"]
"""``text``; ``name`` (text that comes again and again); ``millis`` (decimal seconds, becoming whole milliseconds);
``fraction`` (float); ``whole`` (int); ``length`` (int of zero or more)."""


class _Trial(msgspec.Struct, gc=False):
    text: str


def _tried(module: Any) -> Any:
    """The module where it reads one object as it should. It makes objects without their own constructor: a msgspec that
    lays them out otherwise is to make reading slow, not wrong."""
    if module is None:
        return None
    try:
        reader = module.Reader(_Trial, (("text", "", "text", "text", False, ...),), {}, (), (-1, -1))
        found = reader.objects(b'[{"text":"a"}]', 0, True)  # noqa: FBT003 - C has no keywords
    except TypeError:
        return None
    return module if found == ([_Trial("a")], 14) else None


native: Any = _tried(_native)
"""The module in C, None where there is none that can be used."""


@dataclass(frozen=True, slots=True)
class Field:
    """What becomes of one key. ``member`` is where it goes; ``inner`` a key of the object that is its value, where the
    value meant stands there; ``absent`` what an absent key means, ``...`` that it must be there."""

    key: str
    member: str
    form: Form
    nullable: bool = False
    absent: Any = ...
    inner: str = ""


class Columns(Sequence[Any]):
    """Elements by columns, in the order of the fields; as a sequence, their first column."""

    def __init__(self, rows: Rows, lists: tuple[list[Any], ...]) -> None:
        self.lists = lists
        self._rows = rows

    def __len__(self) -> int:
        return len(self.lists[0])

    def __getitem__(self, index: Any) -> Any:
        return self.lists[0][index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.lists[0])

    def objects(self) -> list[Any]:
        """The same as objects, made now."""
        return self._rows.built(self.lists)


def objects(items: Sequence[Any]) -> list[Any]:
    """The elements one by one, however they were read."""
    return items.objects() if isinstance(items, Columns) else list(items)


class Rows:
    """How the elements of an array become objects of ``kind``: a Struct that the garbage collector does not follow.

    ``constants`` is what the members hold that no field sets. ``unread`` are keys of arrays that nobody asked for;
    unless the reading is strict they are passed over unseen (for why that can fail and never lie see ``hollow``). An
    element whose second ``rising`` field is less than the first is refused. ``columns`` gives columns and not objects.
    """

    def __init__(
        self,
        kind: type[Any],
        fields: Sequence[Field],
        constants: Mapping[str, Any] = MappingProxyType({}),
        *,
        unread: Sequence[str] = (),
        rising: tuple[int, int] = (-1, -1),
        columns: bool = False,
    ) -> None:
        self._columns = columns
        told = tuple((one.key, one.inner, one.member, one.form, one.nullable, one.absent) for one in fields)
        self._reader: _native.Reader | None = native and native.Reader(
            kind, told, dict(constants), tuple(unread), rising
        )

    @property
    def native(self) -> bool:
        """Whether there is a native reader at all."""
        return self._reader is not None

    def read(self, text: bytes | bytearray | memoryview, at: int, *, strict: bool) -> tuple[Sequence[Any], int] | None:
        """The elements of the array that opens at ``at``, and where it has ended; None where it is not of the usual
        form. ``strict`` looks into what nobody asked for."""
        if self._reader is None:
            return None
        if not self._columns:
            return self._reader.objects(text, at, strict)
        found = self._reader.columns(text, at, strict)
        return found and (Columns(self, found[0]), found[1])

    def built(self, lists: tuple[list[Any], ...]) -> list[Any]:
        """Columns that came from here, as objects."""
        assert self._reader is not None  # noqa: S101 - it gave these columns
        return self._reader.built(lists)
