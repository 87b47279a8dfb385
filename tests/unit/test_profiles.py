"""Profiles: one table per organisation, no secret among them, and a sentence for each mistake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import keyring
import keyring.backend
import pytest
from keyring.errors import KeyringLocked

from turnkeeper.errors import Misconfigured
from turnkeeper.profiles import profiles_file, read_profile
from turnkeeper.settings import ClientSettings, PlatformSettings


class Drawer(keyring.backend.KeyringBackend):
    """A keyring in memory."""

    priority = 1

    def __init__(self, secrets: Mapping[tuple[str, str], str], *, locked: bool = False) -> None:
        super().__init__()
        self.secrets, self.locked = dict(secrets), locked

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise KeyringLocked("locked")
        return self.secrets.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.secrets[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.secrets[service, username]


@pytest.fixture
def drawer() -> Iterator[Drawer]:
    before, drawer = keyring.get_keyring(), Drawer({("turnkeeper", "id-k"): "from-keyring"})
    keyring.set_keyring(drawer)
    yield drawer
    keyring.set_keyring(before)


ACME = """
[acme]
region = "eu-central-1"
client_id = "id-1"
client_secret_env = "ACME_SECRET"
archive = "s3://calls/acme"
clients = [{ client_id = "id-2", client_secret_file = "SECRETS" }]

[other]
base_url = "https://gateway.example/"
client_id = "id-k"
"""


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "client-secret").write_text("from-file\n")
    (tmp_path / "profiles.toml").write_text(ACME.replace("SECRETS", str(tmp_path / "client-secret")))
    return {"TURNKEEPER_PROFILES": str(tmp_path / "profiles.toml"), "ACME_SECRET": "from-env", "HOME": "/home/me"}


def test_a_profile_holds_region_clients_and_archive(variables: dict[str, str]) -> None:
    acme = read_profile("acme", variables)
    assert (acme.name, acme.archive, acme.platform.region) == ("acme", "s3://calls/acme", "eu-central-1")
    assert acme.platform.every_client == (ClientSettings("id-1", "from-env"), ClientSettings("id-2", "from-file"))
    assert acme.platform.profile == "acme"
    assert "from-" not in repr(acme)


def test_a_secret_comes_from_the_keyring(variables: dict[str, str], drawer: Drawer) -> None:
    other = read_profile("other", variables).platform
    assert (other.client_secret, other.base_url) == ("from-keyring", "https://gateway.example")


def test_the_environments_credentials_are_not_mixed_in(variables: dict[str, str]) -> None:
    more = {"GENESYS_CLIENT_ID": "x", "GENESYS_CLIENT_SECRET": "y", "GENESYS_BASE_URL": "http://z"}
    more |= {"GENESYS_API": "media", "GENESYS_CLIENTS": '[{"client_id": "q", "client_secret": "q"}]'}
    acme = read_profile("acme", variables | more).platform
    assert (acme.client_id, acme.client_secret, acme.base_url, acme.api) == ("id-1", "from-env", "", "media")
    assert len(acme.every_client) == 2


def test_credentials_are_read_again_from_where_they_came(variables: dict[str, str], drawer: Drawer) -> None:
    acme, other = read_profile("acme", variables).platform, read_profile("other", variables).platform
    drawer.set_password("turnkeeper", "id-k", "rotated")
    Path(variables["TURNKEEPER_PROFILES"]).with_name("client-secret").write_text("renewed")
    assert acme.reread is not None
    assert other.reread is not None
    assert acme.reread().every_client[1].client_secret == "renewed"
    assert other.reread().client_secret == "rotated"


def test_a_key_pair_may_stand_in_for_a_secret(tmp_path: Path) -> None:
    config, file = tmp_path / "jwt.json", tmp_path / "profiles.toml"
    config.write_text('{"client_id": "k", "private_key": "-----BEGIN X", "kid": "1"}')
    file.write_text(f'[g]\nbase_url = "https://g"\njwt_config = "{config}"')
    found = read_profile("g", {"TURNKEEPER_PROFILES": str(file)}).platform
    assert found.client_id == "k"
    assert found.jwt is not None
    assert found.jwt.kid == "1"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (
            'client_id = "i"\nclient_secret = "hush-hush"',
            ["client_secret is a secret in plain text", "client_secret_env"],
        ),
        ('client_id = "i"\nclients = [{client_id = "j", secret = "hush-hush"}]', ["plain text", "clients"]),
        ('client_id = "i"\nclient_secret_env = "NOWHERE"', ["NOWHERE is not set"]),
        ('client_id = "i"\nclient_secret_file = "/nowhere"', ["cannot read", "client_secret_file"]),
        ('client_id = "i"\nclient_secret_file = "/dev/null"', ["empty"]),
        ('client_id = "i"\nclient_secret_file = "a"\nclient_secret_env = "B"', ["two sources"]),
        ('client_id = "unknown"', ["no secret of this client", "keyring set turnkeeper unknown"]),
        ('region = "x"', ["client_id is missing"]),
        ('client_id = "i"\nregoin = "x"', ["unknown key 'regoin'", "region"]),
        ("client_id = 7", ["client_id is not text"]),
        ('client_id = "i"\nclients = "j"', ["clients is not a list"]),
        ("= nonsense", ["line 2"]),
    ],
)
def test_each_mistake_has_its_sentence(table: str, words: list[str], tmp_path: Path, drawer: Drawer) -> None:
    file = tmp_path / "profiles.toml"
    file.write_text(f"[acme]\n{table}\n")
    with pytest.raises(Misconfigured) as caught:
        read_profile("acme", {"TURNKEEPER_PROFILES": str(file)})
    for word in [*words, str(file)]:
        assert word in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_locked_keyring_is_told(variables: dict[str, str], drawer: Drawer) -> None:
    drawer.locked = True
    with pytest.raises(Misconfigured, match="KeyringLocked"):
        read_profile("other", variables)


def test_an_unknown_name_lists_the_known_ones(variables: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match="acme, other"):
        read_profile("nobody", variables)
    with pytest.raises(Misconfigured, match="TURNKEEPER_PROFILES"):
        read_profile("acme", {"HOME": "/nowhere"})


def test_the_file_stands_where_xdg_says() -> None:
    assert profiles_file({"HOME": "/home/me"}) == Path("/home/me/.config/turnkeeper/profiles.toml")
    assert profiles_file({"HOME": "/h", "XDG_CONFIG_HOME": "/x"}) == Path("/x/turnkeeper/profiles.toml")
    assert profiles_file({"HOME": "/h", "XDG_CONFIG_HOME": "relative"}) == Path("/h/.config/turnkeeper/profiles.toml")


def test_several_clients_come_from_the_environment_too(tmp_path: Path) -> None:
    secret = tmp_path / "client-secret"
    secret.write_text("from-file\n")
    listed = f'[{{"client_id": "b", "client_secret": "sb"}}, {{"client_id": "c", "client_secret_file": "{secret}"}}]'
    variables = {"GENESYS_CLIENT_ID": "a", "GENESYS_CLIENT_SECRET_FILE": str(secret), "GENESYS_CLIENTS": listed}
    pool = [ClientSettings("a", "from-file"), ClientSettings("b", "sb"), ClientSettings("c", "from-file")]
    assert list(PlatformSettings.from_environment(variables).every_client) == pool
    del variables["GENESYS_CLIENT_ID"], variables["GENESYS_CLIENT_SECRET_FILE"]
    assert list(PlatformSettings.from_environment(variables).every_client) == pool[1:]
    (tmp_path / "clients.json").write_text(listed)
    variables["GENESYS_CLIENTS"] = str(tmp_path / "clients.json")
    assert list(PlatformSettings.from_environment(variables).every_client) == pool[1:]


@pytest.mark.parametrize(
    "listed", ['[{"client_id": 1}]', "[{", '[{"client_id": "a", "secret": "hush-hush"}]', "/nowhere"]
)
def test_a_wrong_list_of_clients_is_named_and_not_shown(listed: str) -> None:
    with pytest.raises(Misconfigured, match="GENESYS_CLIENTS") as caught:
        PlatformSettings.from_environment({"GENESYS_CLIENTS": listed})
    assert "hush" not in str(caught.value)


def test_credentials_that_were_given_are_not_read_again() -> None:
    settings = PlatformSettings.from_environment({"GENESYS_CLIENT_ID": "a", "GENESYS_CLIENT_SECRET": "b"})
    assert settings.reread is not None
    assert settings.but(region="eu-west-1").reread is not None
    assert settings.but(client_secret="c").reread is None
