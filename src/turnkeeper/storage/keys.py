"""Which texts may be keys of objects, and the three keys that a store itself knows of."""

from __future__ import annotations

import re

from turnkeeper.errors import Misconfigured

__all__ = ["ARCHIVE", "INCOMING", "LOCK", "check_key", "check_prefix", "is_key"]

ARCHIVE = "_turnkeeper/archive.json"
"""The note that every archive has. A listing that is empty although this object exists is not to be believed."""
INCOMING = "_turnkeeper/incoming"
"""The folder of files that are being written."""
LOCK = "_turnkeeper/lock"
"""The file that writers of a folder lock."""

_segment = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._=-]{0,249}")


def check_key(key: str) -> str:
    """The key itself if every segment is harmless, whatever made it. Raises ``Misconfigured``."""
    if is_key(key):
        return key
    raise Misconfigured(f"{key[:80]!a} cannot be an object's key", operation="name an object")


def check_prefix(prefix: str) -> str:
    """The part of an archive's address below its bucket, if no segment of it could lead elsewhere."""
    segments = prefix.split("/") if prefix else []
    if all(segment not in ("", ".", "..") and segment.isprintable() for segment in segments):
        return prefix
    raise Misconfigured(f"{prefix[:80]!a} cannot be an archive's prefix", operation="open the archive")


def is_key(key: str) -> bool:
    """Whether every segment is harmless; what a person or a desktop left in the folder is not an object."""
    segments = key.split("/")
    return key != LOCK and all(_segment.fullmatch(segment) and ".." not in segment for segment in segments)
