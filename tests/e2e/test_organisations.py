"""Several organisations from one machine: profiles, secrets from where they are, an archive for each."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import Cli, Platform
from turnkeeper.simulator import Running


def _table(name: str, running: Running, *lines: str) -> str:
    known = [f'base_url = "{running.base_url}"', f'client_id = "{running.client_id}"']
    return "\n".join([f"[{name}]", *known, *lines, ""])


@pytest.fixture
def two(platform: Platform, tmp_path: Path) -> tuple[Running, Running, dict[str, str]]:
    """Two organisations; the second one's secret is in a file."""
    one, other = platform(seed=1), platform(seed=2)
    (tmp_path / "client-secret").write_text(other.client_secret + "\n")
    text = _table("acme", one, 'client_secret_env = "ACME_SECRET"', f'archive = "{tmp_path}/acme"')
    text += _table(
        "globex", other, f'client_secret_file = "{tmp_path}/client-secret"', f'archive = "{tmp_path}/globex"'
    )
    (tmp_path / "profiles.toml").write_text(text)
    env = {"TURNKEEPER_PROFILES": str(tmp_path / "profiles.toml"), "ACME_SECRET": one.client_secret}
    return one, other, env


def test_each_organisation_has_its_archive(
    two: tuple[Running, Running, dict[str, str]], cli: Cli, tmp_path: Path
) -> None:
    one, other, env = two
    (tmp_path / "ids.txt").write_text(other.conversation_ids[1] + "\n")
    first = cli("get", one.conversation_ids[0], "--org", "acme", env=env, code=0).json
    second = cli("get", other.conversation_ids[0], env={**env, "TURNKEEPER_ORG": "globex"}, code=0).json
    assert str(tmp_path / "acme") in first["storage_location"]
    assert str(tmp_path / "globex") in second["storage_location"]
    notes = [json.loads((tmp_path / name / "_turnkeeper/archive.json").read_text()) for name in ("acme", "globex")]
    assert notes[0]["organisation"] != notes[1]["organisation"]
    cli("export", "--ids", "ids.txt", "--org", "globex", "--json", env=env, code=0)
    assert list((tmp_path / "globex/manifests").glob(f"{other.conversation_ids[1]}/*"))
    # A chosen organisation goes before the environment's archive, and --to before both; nothing is mixed up.
    env["TURNKEEPER_ARCHIVE"] = str(tmp_path / "globex")
    cli("get", one.conversation_ids[1], "--org", "acme", env=env, code=0)
    refused = cli("get", one.conversation_ids[2], "--org", "acme", "--to", f"{tmp_path}/./globex", env=env, code=1)
    assert "One organisation, one archive" in refused.err
    assert not list((tmp_path / "globex").glob(f"*/{one.conversation_ids[2]}*"))


def test_status_and_retry_look_at_the_archive_of_the_organisation(
    two: tuple[Running, Running, dict[str, str]], cli: Cli, tmp_path: Path
) -> None:
    _, other, env = two
    (tmp_path / "ids.txt").write_text(other.conversation_ids[0] + "\n")
    cli("export", "--ids", "ids.txt", "--org", "globex", env=env, code=0)
    env["TURNKEEPER_ARCHIVE"] = str(tmp_path / "elsewhere")
    known = cli("status", "--org", "globex", "--no-ask", "--json", env=env, code=0).json
    assert (known["archive"], known["done"]) == ((tmp_path / "globex").as_uri(), 1)
    assert cli("retry", "--org", "globex", "-q", env=env, code=0).json["states"] == {"done": 1}
    # An archive that was given goes before the organisation's, here too.
    given = cli("status", str(tmp_path / "given"), "--org", "globex", "--no-ask", "--json", env=env, code=3)
    assert (tmp_path / "given").as_uri() in given.err


def test_without_any_archive_both_say_how_to_name_one(cli: Cli) -> None:
    for verb in ("status", "retry"):
        ran = cli(verb, env={"TURNKEEPER_ARCHIVE": ""}, code=2)
        assert "no archive was named" in ran.err
        assert "--org" in ran.err


def test_the_doctor_names_the_profile(two: tuple[Running, Running, dict[str, str]], cli: Cli) -> None:
    one, _, env = two
    found = {
        check["name"]: check["found"] for check in cli("doctor", "--org", "acme", "--json", env=env).json["checks"]
    }
    assert found["profile"] == f"acme (--org, TURNKEEPER_ORG); {one.client_id}"
    assert found["organisation"] == one.simulation.people.organization.id
    assert found["archive: write"]


def test_a_mistake_in_a_profile_is_usage(two: tuple[Running, Running, dict[str, str]], cli: Cli) -> None:
    _, _, env = two
    ran = cli("doctor", "--org", "initech", env=env, code=2)
    assert "acme, globex" in ran.err
    ran = cli("get", "x", "--org", "acme", env={**env, "ACME_SECRET": ""}, code=2)
    assert "ACME_SECRET is not set" in ran.err


def test_a_pool_survives_one_wrong_secret(platform: Platform, cli: Cli) -> None:
    running = platform()
    (first, secret), (second, _), (third, right), *_ = running.simulation.tokens.clients.items()
    pool = [{"client_id": second, "client_secret": "wrong"}, {"client_id": third, "client_secret": right}]
    env = {"GENESYS_BASE_URL": running.base_url, "GENESYS_CLIENTS": json.dumps(pool)}
    env |= {"GENESYS_CLIENT_ID": first, "GENESYS_CLIENT_SECRET": secret}
    checks = cli("doctor", "--json", env=env, code=0).json["checks"]
    aside = [check["found"] for check in checks if check["name"] == "pool"]
    assert len(aside) == 1
    assert second in aside[0]
    ran = cli("get", running.conversation_ids[0], env=env, code=0)
    assert "put aside" in ran.err


def test_a_secret_is_read_from_its_file(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    running = platform()
    file = tmp_path / "client-secret"
    file.write_text(running.client_secret)
    request = urllib.request.Request(
        f"{running.base_url}/_sim/clients", json.dumps({"rotate": running.client_id}).encode()
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
        rotated = json.load(answer)[running.client_id]
    env = {"GENESYS_BASE_URL": running.base_url, "GENESYS_CLIENT_ID": running.client_id}
    env["GENESYS_CLIENT_SECRET_FILE"] = str(file)
    assert cli("get", running.conversation_ids[0], env=env).code == 4
    file.write_text(rotated)
    cli("get", running.conversation_ids[0], env=env, code=0)
