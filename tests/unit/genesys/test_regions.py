from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeeper.errors import Misconfigured
from turnkeeper.genesys.regions import REGIONS, from_base_url, resolve

SHAPES = (
    "{region}",
    "{sdk}",
    "PureCloudRegionHosts.{sdk}",
    "{domain}",
    "api.{domain}",
    "https://api.{domain}",
    "https://login.{domain}/oauth/token",
    "https://apps.{domain}/directory/#/admin",
    "HTTPS://API.{domain}:443/api/v2/",
    "  {domain}.  ",
)


@given(st.sampled_from(sorted(REGIONS)), st.sampled_from(SHAPES), st.booleans())
def test_every_way_to_write_a_region_means_the_same(region: str, shape: str, loud: bool) -> None:
    text = shape.format(region=region, sdk=region.replace("-", "_"), domain=REGIONS[region])
    hosts = resolve(text.upper() if loud else text)
    assert (hosts.region, hosts.domain) == (region, REGIONS[region])
    assert hosts.api == f"https://api.{REGIONS[region]}"
    assert hosts.token_urls == (f"https://login.{REGIONS[region]}/oauth/token",)


@given(st.sampled_from(sorted(REGIONS)))
def test_an_api_address_given_as_base_url_is_its_region(region: str) -> None:
    assert from_base_url(f"https://api.{REGIONS[region]}/") == resolve(region)


def test_there_are_eighteen_regions_with_a_domain_each() -> None:
    assert len(REGIONS) == len(set(REGIONS.values())) == 18


def test_no_region_is_us_east_1() -> None:
    assert resolve("").region == "us-east-1"


def test_an_unknown_domain_is_believed() -> None:
    hosts = resolve("https://apps.xyz9.pure.cloud/")
    assert (hosts.region, hosts.login) == (None, "https://login.xyz9.pure.cloud")


@pytest.mark.parametrize("text", ["us-east-99", "nowhere", "http://", "a b.com", "-.com", "1.2.3.4", "é.com"])
def test_what_is_no_region_lists_the_regions(text: str) -> None:
    with pytest.raises(Misconfigured, match="eu-central-1") as caught:
        resolve(text)
    assert caught.value.key == "GENESYS_REGION"


def test_a_gateway_serves_everything_from_one_place() -> None:
    hosts = from_base_url("https://Gate.example.com:8443/genesys/api/v2/")
    assert hosts.api == hosts.login == "https://gate.example.com:8443/genesys"
    assert hosts.token_urls[1] == "https://gate.example.com:8443/genesys/login/oauth/token"
    assert hosts.gateway


@pytest.mark.parametrize(
    "url", ["gate.example.com", "ftp://x", "https://u:p@x.com", "https://x.com?a=b", "http://[::1"]
)
def test_an_unusable_base_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        from_base_url(url)
    assert "u:p" not in str(caught.value)
