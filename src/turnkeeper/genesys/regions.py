"""The hosts of each region, and the ways in which people write a region."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from turnkeeper.errors import Misconfigured

__all__ = ["DEFAULT_REGION", "REGIONS", "Hosts", "from_base_url", "resolve"]

DEFAULT_REGION = "us-east-1"

REGIONS = {
    "us-east-1": "mypurecloud.com",
    "us-east-2": "use2.us-gov-pure.cloud",
    "us-west-2": "usw2.pure.cloud",
    "ca-central-1": "cac1.pure.cloud",
    "mx-central-1": "mxc1.pure.cloud",
    "sa-east-1": "sae1.pure.cloud",
    "eu-west-1": "mypurecloud.ie",
    "eu-west-2": "euw2.pure.cloud",
    "eu-central-1": "mypurecloud.de",
    "eu-central-2": "euc2.pure.cloud",
    "eusc-de-east-1": "edee1.eusc-pure.cloud",
    "me-central-1": "mec1.pure.cloud",
    "ap-south-1": "aps1.pure.cloud",
    "ap-southeast-1": "apse1.pure.cloud",
    "ap-southeast-2": "mypurecloud.com.au",
    "ap-northeast-1": "mypurecloud.jp",
    "ap-northeast-2": "apne2.pure.cloud",
    "ap-northeast-3": "apne3.pure.cloud",
}
"""AWS region -> domain, as the vendor's SDK lists them (release 269). The SDK's own names have ``_`` for ``-``."""

_BY_DOMAIN = {domain: region for region, domain in REGIONS.items()}
_DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")
_PREFIXES = ("api.", "login.", "apps.", "api-downloads.")


@dataclass(frozen=True)
class Hosts:
    """The addresses of one organisation: ``api``, ``login`` and ``apps``, each without a closing slash.

    ``region`` is the AWS region, None where the domain is not one of the known eighteen. ``gateway`` says that the
    address was given by hand (of a gateway, or the simulator), so that all requests go there.
    """

    api: str
    login: str
    apps: str
    domain: str
    region: str | None
    gateway: bool = False

    @property
    def token_urls(self) -> tuple[str, ...]:
        """Addresses that may be the token endpoint, the likelier one first."""
        # The vendor's SDK asks a gateway at either path, depending on how its host is configured.
        own = f"{self.login}/oauth/token"
        return (own, f"{self.login}/login/oauth/token") if self.gateway else (own,)

    @property
    def name(self) -> str:
        """The hosts as a person would name them."""
        return f"{self.region} ({self.domain})" if self.region else self.domain


def resolve(text: str) -> Hosts:
    """The hosts of a region, given as the SDK's name, an AWS region, a domain, or any api., login. or apps. address.

    Empty text means us-east-1. Domains that are not in the list are accepted, because new regions appear every year.
    Raises ``Misconfigured`` for anything else.
    """
    # The SDK's enumeration, as people copy it from their code: ``PureCloudRegionHosts.us_east_1``.
    word = text.strip().lower().removeprefix("purecloudregionhosts.")
    region = word.replace("_", "-") or DEFAULT_REGION
    if region in REGIONS:
        return _region_hosts(REGIONS[region])
    domain = _domain_of(word)
    if not _DOMAIN.fullmatch(domain):
        raise Misconfigured(
            f"{text[:80]!r} is neither a region nor a domain",
            key="GENESYS_REGION",
            hint=f"Give one of {', '.join(REGIONS)}, or your organisation's domain such as mypurecloud.de.",
        )
    return _region_hosts(domain)


def from_base_url(url: str) -> Hosts:
    """The hosts behind an address given by hand, of a gateway or the simulator.

    The ``api.`` address of a known region means that region. Raises ``Misconfigured`` for anything but an http address,
    and for one with a user name or a query, which would appear in logs.
    """
    parts, port = _parsed_url(url)
    host = (parts.hostname or "").lower()
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.query or parts.fragment:
        raise Misconfigured(
            "is not a plain http or https address",
            key="GENESYS_BASE_URL",
            hint="Give scheme, host and perhaps a path: https://gateway.example.com.",
        )
    # The platform's API host issues no tokens. Its login host has to be derived, as for a region.
    if _domain_of(host) in _BY_DOMAIN:
        return _region_hosts(_domain_of(host))
    # Every request brings this path itself.
    path = parts.path.rstrip("/").removesuffix("/api/v2")
    base = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}{path}"
    return Hosts(api=base, login=base, apps=base, domain=host, region=None, gateway=True)


def _parsed_url(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url.strip())
        return parts, parts.port
    except ValueError:
        return urlsplit(""), None


def _region_hosts(domain: str) -> Hosts:
    api, login, apps = (f"https://{kind}.{domain}" for kind in ("api", "login", "apps"))
    return Hosts(api=api, login=login, apps=apps, domain=domain, region=_BY_DOMAIN.get(domain))


def _domain_of(word: str) -> str:
    """``https://api.mypurecloud.de:443/api/v2`` -> ``mypurecloud.de``."""
    host = re.split(r"[/?#]", word.split("://", 1)[-1], maxsplit=1)[0].rsplit("@", 1)[-1]
    host = re.sub(r":\d*$", "", host).rstrip(".")
    for prefix in _PREFIXES:
        host = host.removeprefix(prefix)
    return host
