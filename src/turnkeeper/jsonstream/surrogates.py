"""JSON whose strings can be decoded: halves of surrogate pairs, and bytes that are not UTF-8, become U+FFFD.

For documents that are decoded in one go; ``intake`` does the same for bodies that stream.
"""

from __future__ import annotations

import re

__all__ = ["without_lone_surrogates"]

# Pairs are matched first, so that what is left is half of one; a backslash that is escaped begins nothing.
_SURROGATES = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_REPLACEMENT = b"\\ufffd"


def without_lone_surrogates(data: bytes) -> tuple[bytes, int]:
    """JSON whose strings can be decoded, and how many characters were replaced by U+FFFD for that.

    Halves of surrogate pairs (``"\\ud800"``) and bytes that are not UTF-8 are no characters.
    """
    count = 0

    def mend(match: re.Match[bytes]) -> bytes:
        nonlocal count
        count += match[1] is not None
        return match[0] if match[1] is None else _REPLACEMENT

    if b"\\ud" in data or b"\\uD" in data:
        data = _SURROGATES.sub(mend, data)
    try:
        data.decode()
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        count += text.count("\ufffd") - data.count("\ufffd".encode())
        data = text.encode()
    return data, count
