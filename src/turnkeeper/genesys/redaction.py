"""Make addresses and foreign text safe to show: without queries, secrets and control characters."""

from __future__ import annotations

import logging
import re
from urllib.parse import urlsplit

from turnkeeper.known_secrets import redact

__all__ = ["WithoutQueries", "plain", "where", "without_queries"]

_SHOWN = 400
_SEARCHED = 1 << 16
"""Characters that are searched for secrets. Far more than are shown, because half a secret is not recognised."""
_QUERY = re.compile(r"(https?:(?:\\?/){2}[^\s\"'<>?#]*)[?#][^\s\"'<>]*", re.IGNORECASE)
_USER = re.compile(r"(https?:(?:\\?/){2})[^\s\"'<>?#/@]*@", re.IGNORECASE)
# Escape sequences change a terminal. Bidirectional controls make a line read as another text than it is.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def where(url: str) -> str:
    """Scheme, host, port and path of an address; ``(not an address)`` for anything else."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(not an address)"
    if not parts.hostname:
        return "(not an address)"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return plain(f"{parts.scheme}://{host}{port}{parts.path}")


def without_queries(text: str) -> str:
    """The text with the query, the fragment and the user of every address in it cut off."""
    return _USER.sub(r"\1", _QUERY.sub(r"\1", text))


def plain(text: object, limit: int = _SHOWN) -> str:
    """Foreign text on one line of at most ``limit`` characters, without control characters, queries and secrets."""
    line = _CONTROL.sub(" ", redact(without_queries(str(text)[:_SEARCHED]))).strip()
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


class WithoutQueries(logging.Filter):
    """Cuts queries out of the HTTP library's log records, which hold whole addresses and the headers of answers."""

    def filter(self, record: logging.LogRecord) -> bool:
        # The arguments are formatted here, because a handler would format them again with the secrets in them.
        record.msg, record.args = redact(without_queries(record.getMessage())), ()
        return True
