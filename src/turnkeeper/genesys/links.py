"""Where a link of the platform may lead: to storage on the Internet, and not into the network that this runs in.

An address in an answer is fetched by this machine, which may reach what the sender of the answer cannot. Names are
not resolved: a proxy may be the only one who can.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection

from turnkeeper.genesys.http import host_of
from turnkeeper.genesys.redaction import where

__all__ = ["LinkRules", "is_loopback"]

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class LinkRules:
    """What links may lead to, beside ``allowed`` hosts.

    Plain http where ``base``, the platform's own address, is plain http. Private, loopback and link-local addresses
    where the base is one.
    """

    def __init__(self, base: str, allowed: Collection[str] = ()) -> None:
        scheme, host = host_of(base) or ("https", "")
        self._plain = scheme == "http"
        self._near = _is_near(host)
        self._allowed = frozenset(name.lower().strip("[]") for name in allowed)

    def refusal(self, url: str) -> tuple[str, str] | None:
        """Why an address is not fetched, and what mends that; None where it is."""
        found = host_of(url)
        if found is None:
            return "the platform gave a link that is no address", ""
        scheme, host = found
        if host in self._allowed:
            return None
        hint = f"Where that is right, say so with --allow-host {host} (GENESYS_ALLOW_HOST)."
        if scheme == "http" and not self._plain:
            return f"the platform's link leads to plain http ({where(url)}), which is not fetched", hint
        if _is_near(host) and not self._near:
            return f"the platform's link leads into a private network ({where(url)}), which is not fetched", hint
        return None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    address = _address(host)
    return address.is_loopback if address is not None else _is_local_name(host)


def _is_near(host: str) -> bool:
    address = _address(host)
    return not address.is_global if address is not None else _is_local_name(host)


def _is_local_name(host: str) -> bool:
    name = host.rstrip(".")
    return name == "localhost" or name.endswith((".localhost", ".localdomain")) or name == "ip6-localhost"


def _address(host: str) -> _Address | None:
    """A host that is an address, in any form that a resolver takes: ``2130706433`` and ``0x7f.1`` are 127.0.0.1."""
    text = host.strip("[]").rstrip(".").partition("%")[0]
    try:
        found: _Address = ipaddress.ip_address(text)
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(text))
        except (OSError, ValueError):
            return None
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return found.ipv4_mapped
        if found in _NAT64:
            return ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    return found
