"""What may be shown of an address or of somebody else's text: no query, no secret, no control character."""

from __future__ import annotations

import logging
import re
from urllib.parse import urlsplit

from turnkeeper.known_secrets import redact

__all__ = ["WithoutQueries", "plain", "where", "without_queries"]

_LONGEST = 400
_READ = 1 << 16
"""Characters that are looked at. Far more than are shown: a secret that is cut in half could not be recognised."""
_QUERY = re.compile(r"(https?:(?:\\?/){2}[^\s\"'<>?#]*)[?#][^\s\"'<>]*", re.IGNORECASE)
_USER = re.compile(r"(https?:(?:\\?/){2})[^\s\"'<>?#/@]*@", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def where(url: str) -> str:
    """Scheme, host, port and path of an address; what is no address gives ``(not an address)``."""
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


def plain(text: object, limit: int = _LONGEST) -> str:
    """Somebody else's text on one line: no control characters, no queries, nothing that is known to be secret, at most
    ``limit`` characters."""
    line = _CONTROL.sub(" ", redact(without_queries(str(text)[:_READ]))).strip()
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


class WithoutQueries(logging.Filter):
    """Cuts queries out of the HTTP library's log records: whole addresses at INFO, answers' headers at DEBUG."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(without_queries(record.getMessage())), ()
        return True
