"""Every row of the media API's table of promises, each provoked by a fault of the simulator with that name."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conftest import Cli, Platform, Ran, credentials
from tests.e2e.truth import BRIEF, requests_of, truth_of
from turnkeeper.simulator import Running

AFTERNOON = datetime(2026, 10, 5, 16, 0, tzinfo=UTC)
"""The afternoon of the first simulated day: its conversations are fresh, so a 404 may still become a transcript."""

LONG = "long"
"""The scenario whose media transcript is too large to be inline: it comes through a downloadUrl."""


def _fetch(cli: Cli, running: Running, *more: str, code: int = 0, api: str = "media", scenario: str = LONG) -> Ran:
    truth = truth_of(running)
    conversation = next(name for name, facts in truth.items() if facts["scenario"] == scenario)
    ran = cli("get", conversation, "--to", "archive", "--api", api, *more, env=credentials(running), code=code)
    if code == 0:
        assert {field: ran.json[field] for field in BRIEF} == truth[conversation]["dialects"][api]
    assert requests_of(running)["authorization_on_storage"] == 0
    return ran


@pytest.mark.parametrize("api", ["media", "speech"])
@pytest.mark.parametrize(
    "fault",
    [
        "expired-link",
        "expired-token-link",
        "gone-link",
        "redirect",
        "throttle",
        "throttle-bare",
        "server-error",
        "html-error",
        "cut-body",
        "cut-body-changed",
        "no-range",
        "token-expiry",
        "gzip",
        "slow-drip",
        "not-ready",
    ],
)
def test_a_correct_client_gets_through(fault: str, api: str, platform: Platform, cli: Cli) -> None:
    _fetch(cli, platform(fault, now=AFTERNOON), api=api)


def test_everything_at_once(platform: Platform, cli: Cli) -> None:
    _fetch(cli, platform("all"), "--wait", "600")


def test_a_dead_token_is_explained(platform: Platform, cli: Cli) -> None:
    ran = _fetch(cli, platform("token-dead"), code=4)
    assert "permission" in ran.err
    assert "GENESYS_CLIENT_SECRET" in ran.err or "credential" in ran.err


def test_a_wrong_region_is_named_as_the_commonest_cause(platform: Platform, cli: Cli) -> None:
    assert "region" in _fetch(cli, platform("wrong-region"), code=4).err


def test_a_missing_permission_is_named(platform: Platform, cli: Cli) -> None:
    ran = _fetch(cli, platform("denied"), code=4, api="speech")
    assert "speechAndTextAnalytics:data:view" in ran.err


def test_a_link_that_never_lives_ends_in_bounded_time(platform: Platform, cli: Cli) -> None:
    running = platform("dead-link")
    ran = _fetch(cli, running, code=1)
    assert "link" in ran.err.lower()
    assert requests_of(running)["storage"] < 20


def test_throttling_for_ever_ends_in_bounded_time_and_names_the_limit(platform: Platform, cli: Cli) -> None:
    ran = _fetch(cli, platform("throttle-forever"), code=1)
    assert "client.credentials.token.rate.per.minute" in ran.err


def test_a_tenants_limit_is_told_apart_from_a_clients(platform: Platform, cli: Cli) -> None:
    ran = _fetch(cli, platform("tenant-throttle=1"), code=1)
    assert "org." in ran.err


@pytest.mark.parametrize("api", ["media", "speech"])
def test_a_transcript_that_is_never_ready_is_a_clear_outcome(api: str, platform: Platform, cli: Cli) -> None:
    ran = _fetch(cli, platform("forever-processing"), "--wait", "30", code=5, api=api)
    assert "not ready" in ran.err.lower() or "no transcript" in ran.err.lower()


def test_an_empty_array_on_a_fresh_conversation_is_asked_again(platform: Platform, cli: Cli) -> None:
    running = platform("empty-first", now=AFTERNOON)
    assert _fetch(cli, running, scenario="plain").json["total_turns"] > 0


def test_older_shapes_are_read(platform: Platform, cli: Cli) -> None:
    for scenario in ("plain", "overtalk", "transfer"):
        assert _fetch(cli, platform("legacy"), scenario=scenario).json["total_turns"] > 0


def test_an_unknown_shape_names_the_keys_it_found(platform: Platform, cli: Cli) -> None:
    ran = _fetch(cli, platform("extra-shape"), code=3)
    assert "utterances" in json.dumps(ran.json["unread"])


def test_a_redirect_from_the_api_itself_never_carries_the_token(platform: Platform, cli: Cli) -> None:
    _fetch(cli, platform("bearer-leak-bait"))


def test_a_document_keeps_its_address_without_the_credential(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    running = platform()
    conversation = _fetch(cli, running).json["interaction_id"]
    manifest = json.loads((tmp_path / f"archive/manifests/{conversation}/000001.json").read_text())
    (envelope,) = [part for part in manifest["inputs"] if part["source"] == "media/metadata"]
    kept = json.loads((tmp_path / "archive" / envelope["key"]).read_text())
    assert "?" not in kept["downloadUrl"]
    assert envelope["withheld"]


@pytest.mark.parametrize(
    ("fault", "asked", "answered"), [("media-missing", "auto", "speech"), ("speech-missing", "auto", "media")]
)
def test_a_dialect_that_does_not_answer_is_not_an_absence(
    fault: str, asked: str, answered: str, platform: Platform, cli: Cli
) -> None:
    running = platform(fault)
    ran = cli("get", running.conversation_ids[0], "--to", "a", "--api", asked, env=credentials(running), code=0)
    assert ran.json["dialect"] == answered
