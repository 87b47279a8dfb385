"""Parse an archive's address, exactly as it is written. Pure.

An address is not a web address: ``#`` and ``%`` are characters of a folder's or an object's name. An object store's
address with a ``?`` is refused, because it is most likely a signed one. Only ``file://`` addresses are decoded, because
``FolderStore.url`` writes them encoded. All commands and functions parse addresses here, so that the same text means
the same place to all of them.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from turnkeeper.errors import Misconfigured

__all__ = ["Address", "local_path", "parse_address"]

_FORMS = "Give s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, or a folder."
_address = re.compile(r"(?s)([A-Za-z][A-Za-z0-9+.-]*)://([^/]*)(.*)")
_scheme = re.compile(r"(?is)(s3|gs|az|file|https?):(?!//)/*(.*)")
_web = re.compile(r"(?i)https?://")
_bucket = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_encoded = re.compile(r"%[0-9A-Fa-f]{2}")


@dataclass(frozen=True)
class Address:
    """A parsed address. A folder has a ``path``; an object store has ``scheme``, ``bucket`` and ``prefix`` (without
    slashes at its ends)."""

    scheme: str = "file"
    bucket: str = ""
    prefix: str = ""
    path: Path | None = None

    @property
    def url(self) -> str:
        """The whole address of an object store, without credentials."""
        return f"{self.scheme}://{self.bucket}{'/' + self.prefix if self.prefix else ''}"


def parse_address(text: str) -> Address:
    """Parse an address. Raises ``Misconfigured`` if it leads nowhere or could mean two places."""
    match = _address.fullmatch(text)
    if match is None:
        _refuse_half_address(text)
        return Address(path=_expand_home(text))
    # What stands before an @ is credentials: they are not part of the address, and must not be shown.
    scheme, authority, path = match[1].lower(), match[2].rpartition("@")[2], match[3]
    if scheme == "file":
        return Address(path=_decode_file_address(text, authority, path))
    if scheme == "memory":
        return Address("memory")
    prefix = path.strip("/")
    shown = f"{scheme}://{authority}{'/' + prefix if prefix else ''}"
    if scheme not in ("s3", "gs", "az") or not authority:
        raise _bad_address("is not the address of an archive", shown, _FORMS)
    if not _bucket.fullmatch(authority):
        raise _bad_address("names no bucket", shown, _FORMS)
    if "?" in shown:
        raise _bad_address("has a question mark", shown, "An archive's address has no query: leave it out.")
    if scheme != "s3" and _encoded.search(prefix):
        # Earlier versions decoded these two kinds of address, so the same text named another place.
        raise _bad_address("has encoded characters", shown, "Write each character itself: a space for %20.")
    return Address(scheme, authority, prefix)


def local_path(place: str | Path) -> Path | None:
    """The local path of a place; None for an address of an object store or of the web. A ``Path`` is returned as it
    is. Raises ``Misconfigured`` as ``parse_address`` does."""
    if isinstance(place, Path):
        return place
    return None if _web.match(place) else parse_address(place).path


def _refuse_half_address(text: str) -> None:
    """Raise ``Misconfigured`` for ``s3:/bucket``. Taken as a folder, it would put an archive on this machine that was
    meant for a bucket."""
    if match := _scheme.fullmatch(text):
        scheme, rest = match[1].lower(), match[2].partition("?")[0]
        slashes = ":///" if scheme == "file" else "://"
        raise _bad_address("is half an address", text, f"Write {scheme}{slashes}{rest}, or ./ before a folder's name.")


def _decode_file_address(text: str, host: str, path: str) -> Path:
    if host not in ("", "localhost") or not path:
        raise _bad_address("is not a folder's address", text, "Try file:///….")
    # Imported late: commands that read a plain file start sooner without it.
    from urllib.parse import unquote

    return Path(unquote(path))


def _expand_home(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        if os.path.lexists(path):
            return Path(path)  # a file whose own name begins with ~
        raise _bad_address("is nobody's home", path, "Write the whole path, or ./ before a name.") from None


def _bad_address(why: str, shown: str, hint: str) -> Misconfigured:
    # The part after a question mark may be a signature, which no error may show.
    return Misconfigured(why, operation="open the archive", key=shown.partition("?")[0], hint=hint)
