"""Documents from the model classes of the vendor's own SDK: every field absent, null, present, or odd.

The generator knows the names and types that the SDK declares, and nothing of what our readers look at.
"""

from __future__ import annotations

import random
import re
from typing import Any

import PureCloudPlatformClientV2 as sdk  # noqa: N813 - its name is its maker's

__all__ = ["Json", "made"]

Json = dict[str, Any]

DEEPEST = 4
_ODD: tuple[Any, ...] = (
    "word",
    "",
    7,
    -1,
    0.5,
    True,
    [],
    {},
    ["x"],
    {"x": 1},
    None,
    10**30,
    "\u202e",
    [None],
    "\ud83d",
)
_PLAIN: dict[str, tuple[Any, ...]] = {
    "str": ("text", "voice", "customer", "agent", "inbound", "", "5a0e6d1c-93b7-4c1d-8e52-7f6a1b0c9d34"),
    "int": (0, 1, 86_400_000, 1_790_000_000_000),
    "float": (0.0, 0.5, 4.9),
    "bool": (True, False),
    "datetime": ("2026-10-05T06:02:02.574Z", "2026-10-05T06:02:02+00:00", "2026-10-05T06:02:02"),
    "date": ("2026-10-05",),
    "object": ({}, {"x": 1}, "x"),
}
_LIST, _DICT = re.compile(r"list\[(.+)\]"), re.compile(r"dict\(str, (.+)\)")


def made(dice: random.Random, model: str, *, odd: float = 0.1, **always: Any) -> Json:
    """A document of a model. ``odd`` is the share of fields with a value of any other kind; ``always`` has what fields,
    by their names on the wire, hold in any case."""
    return _model(dice, model, odd, DEEPEST) | always


def _model(dice: random.Random, model: str, odd: float, depth: int) -> Json:
    declared = getattr(sdk, model)()
    document: Json = {}
    for attribute, kind in declared.swagger_types.items():
        if dice.random() < 0.35:
            continue
        name = declared.attribute_map[attribute]
        if dice.random() < odd:
            document[name] = dice.choice(_ODD)
        else:
            document[name] = None if dice.random() < 0.1 else _value(dice, kind, odd, depth)
    return document


def _value(dice: random.Random, kind: str, odd: float, depth: int) -> Any:
    if kind in _PLAIN:
        return dice.choice(_PLAIN[kind])
    if depth == 0:
        return None
    if listed := _LIST.fullmatch(kind):
        return [_value(dice, listed[1], odd, depth - 1) for _ in range(dice.randrange(3))]
    if keyed := _DICT.fullmatch(kind):
        return {f"key {number}": _value(dice, keyed[1], odd, depth - 1) for number in range(dice.randrange(3))}
    return _model(dice, kind, odd, depth - 1) if hasattr(sdk, kind) else None
