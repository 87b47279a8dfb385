"""Which credentials are used, decided without asking anybody."""

from __future__ import annotations

import builtins
import time
from pathlib import Path

import pytest

from turnkeeper.cli.local_s3 import LocalS3
from turnkeeper.errors import Denied, Misconfigured
from turnkeeper.settings import StoreSettings
from turnkeeper.storage import aws
from turnkeeper.storage.object_store import open_store

STATIC = {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK"}
NOWHERE = Path("/nonexistent/sys_vendor")


def settings(home: Path, **variables: str) -> StoreSettings:
    return StoreSettings.from_environment({"HOME": str(home)} | variables)


def write_profile(home: Path, name: str = "work", *lines: str) -> None:
    (home / ".aws").mkdir(exist_ok=True)
    with (home / ".aws" / "credentials").open("a") as file:
        file.write("\n".join([f"[{name}]", *lines]) + "\n")


def test_keys_in_the_environment_come_first(tmp_path: Path) -> None:
    write_profile(tmp_path, "work", "aws_access_key_id = P", "aws_secret_access_key = Q")
    found = aws.find_credentials(settings(tmp_path, AWS_PROFILE="work", **STATIC), NOWHERE)
    assert found.config["access_key_id"] == "AK"
    assert found.config["session_token"] == ""
    assert found.provider is None


def test_a_profile_asked_for_by_option_comes_before_them(tmp_path: Path) -> None:
    write_profile(tmp_path, "work", "aws_access_key_id = P", "aws_secret_access_key = Q", "aws_session_token = T")
    found = aws.find_credentials(settings(tmp_path, **STATIC).but(profile="work"), NOWHERE)
    assert found.provider
    given = found.provider()
    assert (given["access_key_id"], given["secret_access_key"], given["token"]) == ("P", "Q", "T")


def test_the_profiles_region_counts_where_none_is_named(tmp_path: Path) -> None:
    write_profile(tmp_path, "work", "aws_access_key_id = P", "aws_secret_access_key = Q")
    (tmp_path / ".aws" / "config").write_text("[profile work]\nregion = eu-central-1\n")
    assert aws.find_credentials(settings(tmp_path, AWS_PROFILE="work"), NOWHERE).region == "eu-central-1"
    assert aws.find_credentials(settings(tmp_path, AWS_PROFILE="work", AWS_REGION="x-1"), NOWHERE).region == "x-1"


def test_the_files_of_the_home_folder_are_found_without_a_profile(tmp_path: Path) -> None:
    write_profile(tmp_path, "default", "aws_access_key_id = P", "aws_secret_access_key = Q")
    found = aws.find_credentials(settings(tmp_path), NOWHERE)
    assert found.provider
    assert found.provider()["access_key_id"] == "P"


def test_a_profile_that_is_not_there_is_denied_by_name(tmp_path: Path) -> None:
    write_profile(tmp_path, "work", "aws_access_key_id = P", "aws_secret_access_key = Q")
    with pytest.raises(Denied) as caught:
        aws.find_credentials(settings(tmp_path, AWS_PROFILE="absent"), NOWHERE)
    assert "'absent'" in str(caught.value)


def test_without_boto3_a_profile_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_boto(name: str, *given: object, **more: object) -> object:
        if name.startswith("boto"):
            raise ImportError(name)
        return real(name, *given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without_boto)
    with pytest.raises(Misconfigured) as caught:
        aws.find_credentials(settings(tmp_path, AWS_PROFILE="work"), NOWHERE)
    assert "pip install 'turnkeeper[aws]'" in caught.value.hint


@pytest.mark.parametrize("variable", ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"])
def test_a_role_that_the_environment_gives_is_the_clients_own_business(tmp_path: Path, variable: str) -> None:
    found = aws.find_credentials(settings(tmp_path, **{variable: "somewhere"}), NOWHERE)
    assert (found.config, found.provider) == ({}, None)


def test_no_credentials_is_said_at_once_with_every_mend(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(Misconfigured) as caught:
        open_store("s3://bucket/x", settings(tmp_path, AWS_EC2_METADATA_DISABLED="true"))
    assert time.monotonic() - started < 1
    for mend in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "turnkeeper[aws]", "s3:PutObject"):
        assert mend in caught.value.hint


def test_an_empty_configuration_never_wanders_to_the_metadata_address(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[default]\nregion = eu-central-1\n")
    started = time.monotonic()
    with pytest.raises(Misconfigured):
        aws.find_credentials(settings(tmp_path), NOWHERE)
    assert time.monotonic() - started < 1.5


def test_the_metadata_address_is_for_ec2_machines(tmp_path: Path) -> None:
    firmware = tmp_path / "sys_vendor"
    firmware.write_text("Amazon EC2\n")
    assert aws.find_credentials(settings(tmp_path), firmware).provider is None
    assert aws.find_credentials(settings(tmp_path, AWS_EC2_METADATA_DISABLED="false"), NOWHERE).provider is None
    for variables in ({"AWS_EC2_METADATA_DISABLED": "true"}, {}):
        with pytest.raises(Misconfigured):
            aws.find_credentials(settings(tmp_path, **variables), firmware if variables else NOWHERE)


def test_no_secret_is_in_a_repr(tmp_path: Path) -> None:
    assert "SK" not in repr(aws.find_credentials(settings(tmp_path, **STATIC), NOWHERE))


def test_a_profile_opens_a_real_store(tmp_path: Path, local_s3: LocalS3) -> None:
    keys = (f"aws_access_key_id = {local_s3.access_key}", f"aws_secret_access_key = {local_s3.secret_key}")
    write_profile(tmp_path, "work", *keys)
    chosen = settings(tmp_path, AWS_PROFILE="work", AWS_ENDPOINT_URL=local_s3.endpoint, AWS_REGION="us-east-1")
    store = open_store("s3://kept/profile", chosen)
    store.put("a.json", b"1")
    assert store.get("a.json") == b"1"
