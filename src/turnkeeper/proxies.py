"""Proxy variables of the environment: which one applies to an address, and whether it is usable.

The HTTP library and the client of object stores read these variables themselves, and their errors quote the value with
its password. So variables are checked here first. Lower case names take precedence over upper case, as in curl.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from turnkeeper.errors import Misconfigured
from turnkeeper.installation import install_hint
from turnkeeper.known_secrets import remember

__all__ = ["Proxy", "checked_proxies", "is_proxy_variable", "proxy_for", "refused_by_proxy"]

_address = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?"
    r"(?:(?P<user>[^\s@/?#:\[\]]*)(?::(?P<password>[^\s@/?#\[\]]*))?@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?/?"
)
_schemes = ("http", "https", "socks5", "socks5h")
_HOW = "Write http://USER:PASSWORD@HOST:PORT, with %23 for #, %40 for @, %2F for / and %3A for : in the password."


@dataclass(frozen=True)
class Proxy:
    """One proxy variable. ``url`` may contain a password."""

    variable: str
    url: str = field(repr=False)
    scheme: str
    host: str


def is_proxy_variable(name: str) -> bool:
    """Whether a variable of this name is a proxy variable."""
    return name.lower() in ("http_proxy", "https_proxy", "all_proxy")


def checked_proxies(variables: Mapping[str, str]) -> tuple[Proxy, ...]:
    """Return every proxy that the variables name.

    Raises ``Misconfigured`` naming a variable that cannot be used, never its value.
    """
    return tuple(_read_proxies(variables))


def proxy_for(scheme: str, host: str, variables: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for a host and scheme (``http`` or ``https``), None for a direct connection."""
    # Imported here because it loads an HTTP client that most commands do not need.
    from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

    names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    used = next((name for name in names if variables.get(name)), "")
    excluded = variables.get("no_proxy") or variables.get("NO_PROXY") or ""
    if not used or proxy_bypass_environment(host, {"no": excluded}):
        return None
    return next(_read_proxies({used: variables[used]}), None)


def refused_by_proxy(variable: str) -> Misconfigured:
    """Return the error for a 407 response: the proxy requires credentials."""
    variable = variable or "HTTPS_PROXY"
    hint = f"Name a user and the right password in {variable}: http://USER:PASSWORD@HOST:PORT."
    return Misconfigured("the proxy wants credentials", operation="reach the proxy", key=variable, hint=hint)


def _read_proxies(variables: Mapping[str, str]) -> Iterator[Proxy]:
    for name, value in variables.items():
        if not value or not is_proxy_variable(name):
            continue
        found = _address.fullmatch(value)
        if found is None or int(found["port"] or 1) not in range(1, 1 << 16):
            raise _unusable_proxy(name, "is not the address of a proxy", _HOW)
        scheme = (found["scheme"] or "http").lower()
        if scheme not in _schemes:
            raise _unusable_proxy(
                name, "names no proxy that can be used", "Write http://, https://, socks5:// or socks5h://."
            )
        if scheme.startswith("socks"):
            _refuse_without_socks(name)
        remember(found["password"] or "")
        yield Proxy(name, value, scheme, found["host"])


def _refuse_without_socks(variable: str) -> None:
    try:
        import socksio  # noqa: F401 - the HTTP library needs it
    except ImportError:
        raise _unusable_proxy(
            variable, "names a SOCKS proxy, and the package for those is not installed", install_hint("socks")
        ) from None


def _unusable_proxy(variable: str, why: str, hint: str) -> Misconfigured:
    return Misconfigured(why, operation="use the proxy", key=variable, hint=hint)
