"""Select turns by role, interaction, time, confidence and communication. The transcript itself always contains all
turns.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self, cast
from urllib.parse import unquote

from turnkeeper.errors import Misconfigured
from turnkeeper.model import Role, Turn
from turnkeeper.model import roles as known_roles

__all__ = ["Selection"]

SYSTEM: frozenset[Role] = frozenset({"system", "ivr", "acd", "bot"})
"""What ``--role system`` means: everything on our side that is not a person."""


class WrongSelection(Misconfigured, ValueError):
    """A selection that would select nothing: an unknown role, or one word where a set is required."""


_SAFE = re.compile(r"[A-Za-z0-9]+")


@dataclass(frozen=True)
class Selection:
    """A filter of turns. A field that is empty or None does not filter.

    Raises ``WrongSelection``, which is a ``Misconfigured`` and a ``ValueError``, for an unknown role, a bound that is
    not a finite number, a window that ends before it starts, and a confidence outside 0 to 1. Raises ``TypeError`` for
    an unknown field, naming the nearest known one.

    In ``roles``, ``system`` stands for system, ivr, acd and bot; every other name stands for itself. ``interactions``
    are conversation ids. ``start_ms`` and ``end_ms`` bound a half-open window: a turn is in it when it overlaps it, a
    turn without length when it lies in it. A turn without times is in no window. ``min_confidence`` leaves out turns
    without a confidence. ``communication`` is the id of one leg.
    """

    roles: frozenset[Role] = frozenset()
    interactions: frozenset[str] = frozenset()
    start_ms: int | None = None
    end_ms: int | None = None
    min_confidence: float | None = None
    communication: str | None = None

    def __new__(cls, *_values: object, **named: object) -> Self:
        """Refuse an unknown field, and name the one that was probably meant."""
        for unknown in named.keys() - cls.__dataclass_fields__.keys():
            from difflib import get_close_matches

            known = get_close_matches(unknown, cls.__dataclass_fields__, 1) or [", ".join(cls.__dataclass_fields__)]
            raise TypeError(f"a selection has no {unknown!r}; did you mean: {known[0]}?")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        # Any iterable is accepted, but not a lone string, which would be taken letter by letter.
        roles, interactions = _set_of("roles", self.roles), _set_of("interactions", self.interactions)
        wrong = roles - set(known_roles)
        if wrong:
            named = ", ".join(sorted(map(repr, wrong)))
            hint = f"The roles are {', '.join(known_roles)}."
            raise WrongSelection(f"{named}: not a role", key="roles", hint=hint)
        self._check_bounds()
        object.__setattr__(self, "roles", roles)
        object.__setattr__(self, "interactions", interactions)

    def _check_bounds(self) -> None:
        for name in ("start_ms", "end_ms", "min_confidence"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float) and math.isfinite(value)):
                raise WrongSelection(f"{value!r} is no finite number", key=name, hint="None does not filter.")
        if self.min_confidence is not None and not 0 <= self.min_confidence <= 1:
            raise WrongSelection("a confidence lies between 0 and 1", key="min_confidence")
        if self.start_ms is not None and self.end_ms is not None and self.end_ms <= self.start_ms:
            raise WrongSelection("the window ends before it starts", key="end_ms")

    @classmethod
    def from_options(
        cls,
        roles: Iterable[str] = (),
        interactions: Iterable[str] = (),
        start_ms: int | None = None,
        end_ms: int | None = None,
        min_confidence: float | None = None,
        communication: str | None = None,
    ) -> Self:
        """A selection from what a user typed. Raises ``Misconfigured`` for an unknown role or an impossible bound."""
        words = [word.strip().lower() for word in roles]
        for word in words:
            if word not in known_roles:
                known = ", ".join(known_roles)
                raise Misconfigured(f"{word!r} is not a role", key="role", hint=f"The roles are {known}.")
        found = frozenset(cast("list[Role]", words))
        return cls(found, frozenset(interactions), start_ms, end_ms, min_confidence, communication)

    def __bool__(self) -> bool:
        """Whether it filters anything."""
        return self != type(self)()

    def sentence(self) -> str:
        """The filter in words, for a person."""
        parts = [
            "role " + " or ".join(sorted(self.roles)) if self.roles else "",
            "interaction " + " or ".join(sorted(self.interactions)) if self.interactions else "",
            f"communication {self.communication}" if self.communication is not None else "",
            f"after {self.start_ms / 1000} s" if self.start_ms is not None else "",
            f"before {self.end_ms / 1000} s" if self.end_ms is not None else "",
            f"confidence of {self.min_confidence} or more" if self.min_confidence is not None else "",
        ]
        return ", ".join(part for part in parts if part) or "everything"

    @cached_property
    def _effective_roles(self) -> frozenset[Role]:
        return self.roles | SYSTEM if "system" in self.roles else self.roles

    def matches(self, turn: Turn) -> bool:
        """Whether the turn is selected.

        ``interactions`` is not checked, because a turn does not know its conversation.
        """
        if self._effective_roles and turn.role not in self._effective_roles:
            return False
        if self.communication is not None and turn.communication != self.communication:
            return False
        if self.min_confidence is not None and (turn.confidence is None or turn.confidence < self.min_confidence):
            return False
        return self._in_window(turn)

    def apply(self, turns: Iterable[Turn], conversation: str | None = None) -> Iterator[Turn]:
        """The selected turns. None where ``interactions`` is given and does not contain ``conversation``."""
        if self.interactions and (conversation or "").casefold() not in {
            interaction.casefold() for interaction in self.interactions
        }:
            return iter(())
        return filter(self.matches, turns)

    def _in_window(self, turn: Turn) -> bool:
        if self.start_ms is None and self.end_ms is None:
            return True
        if turn.start_ms is None:
            return False
        # A turn without length is a point and still has to be found.
        last = max(turn.start_ms + 1, turn.end_ms or turn.start_ms)
        return (self.start_ms is None or last > self.start_ms) and (self.end_ms is None or turn.start_ms < self.end_ms)

    @property
    def slug(self) -> str:
        """The filter as a canonical name that is safe in an object key. ``parse`` reads it back."""
        parts: dict[str, list[str]] = {
            "role": [str(role) for role in known_roles if role in self.roles],
            "interaction": sorted(self.interactions),
            "from": [] if self.start_ms is None else [str(self.start_ms)],
            "to": [] if self.end_ms is None else [str(self.end_ms)],
            "confidence": [] if self.min_confidence is None else [repr(float(self.min_confidence))],
            "communication": [] if self.communication is None else [self.communication],
        }
        named = [".".join([name, *map(_escape_slug, values)]) for name, values in parts.items() if values]
        return "_".join(named) or "all"

    @classmethod
    def parse(cls, slug: str) -> Self:
        """The selection of a slug. Raises ``Misconfigured`` for anything that ``slug`` does not write."""
        found: dict[str, list[str]] = {}
        try:
            for part in [] if slug == "all" else slug.split("_"):
                name, *values = part.split(".")
                found[name] = [_unescape_slug(value) for value in values]
            start, end, least = (_single_value(found.pop(name, [])) for name in ("from", "to", "confidence"))
            selection = cls.from_options(
                found.pop("role", []),
                found.pop("interaction", []),
                None if start is None else int(start),
                None if end is None else int(end),
                None if least is None else float(least),
                _single_value(found.pop("communication", [])),
            )
        except ValueError as cause:
            raise Misconfigured("is not a selection", key=slug[:128]) from cause
        # Only the canonical spelling is accepted, so one selection has exactly one key.
        if found or selection.slug != slug:
            raise Misconfigured("is not a selection", key=slug[:128])
        return selection


def _set_of(name: str, values: object) -> frozenset[Any]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        roles = f" The roles are {', '.join(known_roles)}." if name == "roles" else ""
        raise WrongSelection(f"{values!r} is not a set", key=name, hint=f"Write {{{values!r}}}.{roles}")
    return frozenset(values)


def _single_value(values: list[str]) -> str | None:
    return values[0] if values else None


def _escape_slug(value: str) -> str:
    """Percent-encode with ``-`` in place of ``%``, so that only letters, digits and ``-`` remain.

    A hyphen itself is doubled.
    """
    # No escape looks like this, because ``em`` is not hexadecimal.
    return "".join(_escape_char(char) for char in value) or "-empty"


def _escape_char(char: str) -> str:
    if _SAFE.fullmatch(char):
        return char
    return "--" if char == "-" else "".join(f"-{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))


def _unescape_slug(value: str) -> str:
    if value == "-empty":
        return ""
    return unquote(value.replace("--", "%2D").replace("-", "%"), errors="strict")
