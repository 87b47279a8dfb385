"""Replace lone surrogates, which no decoder accepts, by U+FFFD.

JSON can spell half of a UTF-16 surrogate pair (``"\\ud800"``). RFC 8259, section 8.2, leaves open what
a reader does with it. msgspec refuses it, which would lose the whole document.
"""

from __future__ import annotations

import re

from turnkeeper.jsonstream.native import native

__all__ = ["may_have_lone_surrogates", "replace_lone_surrogates", "without_lone_surrogates"]

# Pairs are matched first, so that what is left is half of one. Any other escape is stepped over whole: the second
# backslash of an escaped one begins nothing.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_REPLACEMENT = rb"\ufffd"  # as long as the escape that it replaces, so offsets stay


def may_have_lone_surrogates(data: bytes) -> bool:
    """False where every escaped surrogate certainly stands in a pair.

    The part in C decides that without an object per escape. Without it, any escaped surrogate counts as suspicious.
    """
    return not native.paired(data) if native else b"\\ud" in data or b"\\uD" in data


def replace_lone_surrogates(data: bytes) -> tuple[bytes, int]:
    """The text with every escaped lone surrogate replaced by ``\\ufffd``, and how many there were."""
    count = 0

    def replace(match: re.Match[bytes]) -> bytes:
        nonlocal count
        count += match[1] is not None
        return match[0] if match[1] is None else _REPLACEMENT

    return _ESCAPE.sub(replace, data), count


def without_lone_surrogates(data: bytes) -> tuple[bytes, int]:
    """A whole document whose strings can be decoded, and how many characters became U+FFFD.

    Lone surrogates and bytes that are not UTF-8 are replaced. For documents that are decoded in one go; ``TextReader``
    does the same for bodies that are streamed, and refuses what is not UTF-8.
    """
    data, count = replace_lone_surrogates(data) if may_have_lone_surrogates(data) else (data, 0)
    try:
        data.decode()
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        count += text.count("\ufffd") - data.count("\ufffd".encode())
        data = text.encode()
    return data, count
