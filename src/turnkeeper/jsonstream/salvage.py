"""Decode an element although some of its fields have the wrong type: only those fields are lost.

Every value that could not be used is listed with its path, so that a reader can mark what it affects.
"""

from __future__ import annotations

import math
import types
from functools import cache
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec

from turnkeeper.jsonstream.decoders import convert

__all__ = ["Flaw", "salvage_struct"]

T = TypeVar("T")


class Flaw(NamedTuple):
    """A value of the wrong type.

    ``field`` is its path within the element, empty for the element itself; ``said`` is the decoder's message.
    """

    field: str
    said: str


def salvage_struct(value: object, kind: type[T], flaws: list[Flaw], path: str = "") -> T:
    """``value`` as the Struct ``kind``. A field that cannot be read has its default and is listed in ``flaws``.

    Every field of ``kind`` must have a default.
    """
    if not isinstance(value, dict):
        flaws.append(Flaw(path, f"expected `object`, got `{_json_type(value)}`"))
        return kind()
    found: dict[str, Any] = {}
    for field in _struct_fields(kind):  # type: ignore[arg-type] # a type is hashable
        if field.encode_name in value:
            place = f"{path}.{field.encode_name}" if path else field.encode_name
            got = _field_value(value[field.encode_name], field.type, flaws, place)
            if got is not msgspec.UNSET:
                found[field.name] = got
    return kind(**found)


def _field_value(value: object, kind: Any, flaws: list[Flaw], path: str) -> Any:
    """The value of one field; UNSET where nothing of it can be used."""
    try:
        return convert(value, kind)
    except msgspec.ValidationError as cause:
        message = str(cause).partition(" - at `$")[0]
    choices = _union_members(kind)
    for choice in choices:
        if isinstance(value, list) and get_origin(choice) in (list, tuple):
            return _list_items(value, choice, flaws, path)
        if isinstance(value, dict) and isinstance(choice, type) and issubclass(choice, msgspec.Struct):
            try:
                return salvage_struct(value, choice, flaws, path)
            except TypeError:  # a field that has to be there is not
                message = "a required field is missing"
    # Some writers quote numbers. The value is unambiguous, so it is no flaw.
    number = _number_in_string(value) if float in choices else None
    if number is not None:
        return number
    flaws.append(Flaw(path, message))
    # In Python a bool is an int.
    if str in choices and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return msgspec.UNSET


def _list_items(values: list[Any], kind: Any, flaws: list[Flaw], path: str) -> Any:
    item = get_args(kind)[0]
    found = [_field_value(value, item, flaws, f"{path}[{at}]") for at, value in enumerate(values)]
    # A list that allows null keeps its length, so that positions in it stay meaningful.
    blank = None if type(None) in _union_members(item) else msgspec.UNSET
    usable = [blank if value is msgspec.UNSET else value for value in found]
    usable = [value for value in usable if value is not msgspec.UNSET]
    return tuple(usable) if get_origin(kind) is tuple else usable


def _number_in_string(value: object) -> float | None:
    """A finite number that was written as a string."""
    if not isinstance(value, str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


@cache
def _struct_fields(kind: Any) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)


def _union_members(kind: Any) -> tuple[Any, ...]:
    """The members of a union, or the type itself."""
    if get_origin(kind) is Annotated:
        return _union_members(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return tuple(inner for member in get_args(kind) for inner in _union_members(member))
    return (kind,)


def _json_type(value: object) -> str:
    names = {str: "str", bool: "bool", int: "int", float: "float", list: "array", type(None): "null"}
    return names.get(type(value), "object")
