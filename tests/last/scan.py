"""Find credentials in anything the suite printed or wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

PATTERNS = {
    "bearer token": re.compile(rb"[Bb]earer [A-Za-z0-9._~+/-]{20,}"),
    "query signature": re.compile(rb"X-Amz-Signature=(?:%[0-9A-F]{2}|[0-9a-f]){16,}"),
    "session token": re.compile(rb"X-Amz-Security-Token=[A-Za-z0-9%]{8,}"),
    "basic credentials": re.compile(rb"Authorization: Basic [A-Za-z0-9+/=]{16,}"),
    "private key": re.compile(rb"-----BEGIN (?:RSA |EC )?PRIVATE KEY-----"),
}

BLOCK = 1 << 22
OVERLAP = 4096


def scan(root: Path, secrets: Iterable[bytes]) -> Iterator[str]:
    """One line per finding: file, kind. The findings themselves are not printed."""
    patterns = PATTERNS | {f"secret {n}": re.compile(re.escape(secret)) for n, secret in enumerate(secrets)}
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield from (f"{path}: {kind}" for kind in sorted(_kinds(path, patterns)))


def _kinds(path: Path, patterns: dict[str, re.Pattern[bytes]]) -> set[str]:
    found: set[str] = set()
    with path.open("rb") as file:
        tail = b""
        while block := file.read(BLOCK):
            window = tail + block
            found |= {kind for kind, pattern in patterns.items() if pattern.search(window)}
            tail = window[-OVERLAP:]
    return found
