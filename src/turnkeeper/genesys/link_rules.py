"""Rules for the links in answers: they may lead to storage on the Internet, not into the network of this machine.

This machine may reach addresses that the sender of an answer cannot, so following any link would let the sender read
them (server-side request forgery). Names are not resolved, because in some networks only the proxy can do that.
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
    """Decides whether a link may be followed.

    Hosts in ``allowed`` always may. Links to plain http may where ``base``, the platform's own address, is plain http;
    links to private, loopback and link-local addresses where the base is one.
    """

    def __init__(self, base: str, allowed: Collection[str] = ()) -> None:
        scheme, host = host_of(base) or ("https", "")
        self._allows_http = scheme == "http"
        self._allows_private = _is_private(host)
        self._allowed = frozenset(name.lower().strip("[]") for name in allowed)

    def refusal(self, url: str) -> tuple[str, str] | None:
        """Why a link is not followed, and a hint how to allow it; None where it may be followed."""
        parts = host_of(url)
        if parts is None:
            return "the platform gave a link that is no address", ""
        scheme, host = parts
        if host in self._allowed:
            return None
        hint = f"Where that is right, say so with --allow-host {host} (GENESYS_ALLOW_HOST)."
        if scheme == "http" and not self._allows_http:
            return f"the platform's link leads to plain http ({where(url)}), which is not fetched", hint
        if _is_private(host) and not self._allows_private:
            return f"the platform's link leads into a private network ({where(url)}), which is not fetched", hint
        return None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    address = _parsed_address(host)
    return address.is_loopback if address is not None else _is_local_name(host)


def _is_private(host: str) -> bool:
    address = _parsed_address(host)
    # ``is_private`` would not do: it is False for the shared addresses of carriers (100.64.0.0/10).
    return not address.is_global if address is not None else _is_local_name(host)


def _is_local_name(host: str) -> bool:
    name = host.rstrip(".")
    return name == "localhost" or name.endswith((".localhost", ".localdomain")) or name == "ip6-localhost"


def _parsed_address(host: str) -> _Address | None:
    """The address that a host spells, in any form that resolvers accept; None for a name.

    ``2130706433`` and ``0x7f.1`` are 127.0.0.1. The C library's parser accepts these, and so do HTTP libraries.
    """
    # A closing dot leaves the host the same, and hides its address from Python's parser.
    text = host.strip("[]").rstrip(".").partition("%")[0]
    try:
        address: _Address = ipaddress.ip_address(text)
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(text))
        except (OSError, ValueError):
            return None
    # An IPv4 address inside an IPv6 one is reached as IPv4, so the rules for IPv4 apply.
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
