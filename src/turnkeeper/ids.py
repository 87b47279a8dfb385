"""Check ids of conversations, communications and recordings, which become part of keys and web addresses."""

from __future__ import annotations

import re

from turnkeeper.errors import Misconfigured

__all__ = ["check_id", "is_id"]

_id = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def check_id(value: str, name: str = "conversation") -> str:
    """Return the id if it can become part of a key. Raises ``Misconfigured``, which names it, escaped and shortened."""
    if is_id(value):
        return value
    shown = ascii(value[:40]) + ("…" if len(value) > 40 else "")
    raise Misconfigured(
        f"{shown} cannot be an id",
        operation="name an object",
        key=name,
        hint="An id has up to 128 letters, digits, dots, hyphens and underscores, "
        "starts with a letter or digit, and does not end with a dot.",
    )


def is_id(value: str) -> bool:
    """Whether it can become part of a key unchanged."""
    # No key may contain ``..``. The dot added here stands for that of an extension (``ID.json``).
    return bool(_id.fullmatch(value)) and ".." not in f"{value}."
