"""Which texts may be keys of objects, and the keys that a store itself relies on."""

from __future__ import annotations

import re

from turnkeeper.errors import Misconfigured

__all__ = ["INCOMING", "LOCK", "MARKER", "check_key", "check_prefix", "is_key"]

MARKER = "_turnkeeper/archive.json"
"""The object that is written before all others. If it exists, an empty listing is wrong."""
INCOMING = "_turnkeeper/incoming"
"""The folder of files that are being written."""
LOCK = "_turnkeeper/lock"
"""The file that writers lock in a folder without hard links."""

_segment = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._=-]{0,249}")


def check_key(key: str) -> str:
    """Return the key if no segment of it could lead out of the store. Raises ``Misconfigured`` otherwise."""
    if is_key(key):
        return key
    raise Misconfigured(f"{key[:80]!a} cannot be an object's key", operation="name an object")


def check_prefix(prefix: str) -> str:
    """Return the part of an archive's address below its bucket, if no segment of it could lead elsewhere.

    Raises ``Misconfigured`` otherwise.
    """
    segments = prefix.split("/") if prefix else []
    if all(segment not in ("", ".", "..") and segment.isprintable() for segment in segments):
        return prefix
    raise Misconfigured(f"{prefix[:80]!a} cannot be an archive's prefix", operation="open the archive")


def is_key(key: str) -> bool:
    """Whether it can be an object's key. Files that a person or a desktop put into the folder often cannot."""
    segments = key.split("/")
    return key != LOCK and all(_segment.fullmatch(segment) and ".." not in segment for segment in segments)
