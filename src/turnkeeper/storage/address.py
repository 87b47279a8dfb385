"""An archive's address, taken as it is written. Pure.

An address is no web address: ``#`` and ``%`` are characters of a folder's or an object's name. An object store's
address with a ``?`` is refused, because it is most likely a signed one. Only ``file://`` addresses are decoded, because
``FolderStore.url`` writes them encoded. Every verb and every call reads an address here, so it names one place in all.
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
    """``path`` is set for a folder; for an object store ``scheme``, ``bucket`` and ``prefix`` (without slashes at its
    ends) are, and ``url`` is the whole address without credentials."""

    scheme: str = "file"
    bucket: str = ""
    prefix: str = ""
    path: Path | None = None

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.bucket}{'/' + self.prefix if self.prefix else ''}"


def parse_address(text: str) -> Address:
    """The parts of an address. Raises ``Misconfigured`` for one that leads nowhere or could mean two places."""
    found = _address.fullmatch(text)
    if found is None:
        _refuse_half_address(text)
        return Address(path=_home(text))
    scheme, authority, path = found[1].lower(), found[2].rpartition("@")[2], found[3]
    if scheme == "file":
        return Address(path=_folder(text, authority, path))
    if scheme == "memory":
        return Address("memory")
    prefix = path.strip("/")
    shown = f"{scheme}://{authority}{'/' + prefix if prefix else ''}"
    if scheme not in ("s3", "gs", "az") or not authority:
        raise _refused("is not the address of an archive", shown, _FORMS)
    if not _bucket.fullmatch(authority):
        raise _refused("names no bucket", shown, _FORMS)
    if "?" in shown:
        raise _refused("has a question mark", shown, "An archive's address has no query: leave it out.")
    if scheme != "s3" and _encoded.search(prefix):
        # Earlier versions decoded these two kinds of address, so the same text named another place.
        raise _refused("has encoded characters", shown, "Write each character itself: a space for %20.")
    return Address(scheme, authority, prefix)


def local_path(place: str | Path) -> Path | None:
    """Where a place is on this machine; None for an address of an object store or of the web. A ``Path`` is taken as it
    is. Raises ``Misconfigured`` as ``parse_address`` does."""
    if isinstance(place, Path):
        return place
    return None if _web.match(place) else parse_address(place).path


def _refuse_half_address(text: str) -> None:
    """Raise ``Misconfigured`` for ``s3:/bucket``: as a folder it would keep on this machine what belongs elsewhere."""
    if found := _scheme.fullmatch(text):
        scheme, rest = found[1].lower(), found[2].partition("?")[0]
        slashes = ":///" if scheme == "file" else "://"
        raise _refused("is half an address", text, f"Write {scheme}{slashes}{rest}, or ./ before a folder's name.")


def _folder(text: str, host: str, path: str) -> Path:
    if host not in ("", "localhost") or not path:
        raise _refused("is not a folder's address", text, "Try file:///….")
    # Not imported above: reading a plain file does not need it, and its command starts sooner.
    from urllib.parse import unquote

    return Path(unquote(path))


def _home(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        if os.path.lexists(path):
            return Path(path)  # a file whose own name begins so
        raise _refused("is nobody's home", path, "Write the whole path, or ./ before a name.") from None


def _refused(why: str, shown: str, hint: str) -> Misconfigured:
    # What follows a question mark may be a signature.
    return Misconfigured(why, operation="open the archive", key=shown.partition("?")[0], hint=hint)
