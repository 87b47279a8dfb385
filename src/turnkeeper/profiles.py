"""Profiles of several organisations: a TOML file with one table each. It names the sources of secrets, never a secret.

``~/.config/turnkeeper/profiles.toml`` (XDG base directories), or the file that ``TURNKEEPER_PROFILES`` names.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from turnkeeper.environment import environment
from turnkeeper.errors import Misconfigured
from turnkeeper.installation import install_hint
from turnkeeper.settings import ClientSettings, PlatformSettings, in_home, jwt_from_file, secret_from_file

__all__ = ["KEYRING_SERVICE", "Profile", "profiles_file", "read_profile"]

KEYRING_SERVICE = "turnkeeper"
"""The service under which the system's keyring holds secrets; the user name there is the client's id."""

_CLIENT_KEYS = {"client_id", "client_secret_env", "client_secret_file", "jwt_config"}
_KEYS = _CLIENT_KEYS | {"region", "base_url", "archive", "clients"}
_SECRETS = {"client_secret", "secret", "password", "private_key"}
_SOURCES = "client_secret_env (a variable's name), client_secret_file (a path), or the keyring (neither)"


@dataclass(frozen=True)
class Profile:
    """One organisation: how to reach the platform, and the address of its archive (empty where none is named)."""

    name: str
    file: Path
    platform: PlatformSettings
    archive: str = ""


def profiles_file(variables: Mapping[str, str] | None = None) -> Path:
    """Return the path of the profiles file."""
    found = environment() if variables is None else variables
    named, home = found.get("TURNKEEPER_PROFILES", ""), found.get("XDG_CONFIG_HOME", "")
    if named:
        return in_home(named)
    # A relative path there is invalid and ignored (XDG Base Directory Specification).
    folder = Path(home) if Path(home).is_absolute() else Path(found.get("HOME", "")) / ".config"
    return folder / "turnkeeper" / "profiles.toml"


def read_profile(name: str, variables: Mapping[str, str] | None = None) -> Profile:
    """Read one organisation's settings.

    Credentials and region of the environment are ignored; other variables still apply.

    Raises ``Misconfigured`` naming file, table and key: no such profile, an unknown key, a secret in plain text, a
    secret that cannot be found.
    """
    found = environment() if variables is None else variables
    file = profiles_file(found)
    table = _read_table(file, name)
    place = f"{file} [{name}]"
    _refuse_strange(table, _KEYS, place)
    more = table.get("clients", [])
    if not isinstance(more, list) or not all(isinstance(one, dict) for one in more):
        raise Misconfigured("clients is not a list of tables", key=place, hint="clients = [{ client_id = … }, …]")
    for one in more:
        _refuse_strange(one, _CLIENT_KEYS, f"{place} clients")
    first, *rest = [_client_settings(one, place, found) for one in (table, *more)]
    platform = replace(
        PlatformSettings.from_environment({key: value for key, value in found.items() if key not in _REPLACED}),
        client_id=first.client_id,
        client_secret=first.client_secret,
        jwt=first.jwt,
        clients=tuple(rest),
        region=_text_value(table, "region", place),
        base_url=_text_value(table, "base_url", place).rstrip("/"),
        profile=name,
        reread=lambda: read_profile(name, variables).platform,
    )
    return Profile(name, file, platform, _text_value(table, "archive", place))


_REPLACED = {
    "GENESYS_CLIENT_ID",
    "GENESYS_CLIENT_SECRET",
    "GENESYS_CLIENT_SECRET_FILE",
    "GENESYS_CLIENTS",
    "GENESYS_PRIVATE_KEY",
    "GENESYS_JWT_CONFIG",
    "GENESYS_REGION",
    "GENESYS_BASE_URL",
}
"""Variables that a profile replaces. Mixing them could use one organisation's secret for another."""


def _read_table(file: Path, name: str) -> Mapping[str, object]:
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as cause:
        reason = cause.strerror if isinstance(cause, OSError) else "not text"
        raise Misconfigured(
            f"cannot be read ({reason})", operation="read profiles", key=str(file), hint=_WHERE
        ) from None
    except tomllib.TOMLDecodeError as cause:
        raise Misconfigured(str(cause), operation="read profiles", key=str(file), hint="Mend the line.") from None
    table = tables.get(name)
    if isinstance(table, dict):
        return table
    known = ", ".join(sorted(key for key, value in tables.items() if isinstance(value, dict)))
    raise Misconfigured(
        f"there is no organisation {name[:80]!a}",
        operation="read profiles",
        key=str(file),
        hint=f"It has: {known or 'none'}. Choose one with --org or TURNKEEPER_ORG.",
    )


_WHERE = "Write it (one [table] per organisation), or name another file with TURNKEEPER_PROFILES."


def _refuse_strange(table: Mapping[str, object], known: set[str], place: str) -> None:
    plain = sorted(_SECRETS & table.keys())
    if plain:
        raise Misconfigured(
            f"{plain[0]} is a secret in plain text", key=place, hint=f"Take it out; say where it is: {_SOURCES}."
        )
    strange = sorted(table.keys() - known)
    if strange:
        raise Misconfigured(f"unknown key {strange[0][:40]!a}", key=place, hint=f"Known: {', '.join(sorted(known))}.")


def _client_settings(table: Mapping[str, object], place: str, found: Mapping[str, str]) -> ClientSettings:
    client = _text_value(table, "client_id", place)
    config = _text_value(table, "jwt_config", place)
    if config:
        jwt = jwt_from_file(config, f"{place} jwt_config")
        return ClientSettings(client or jwt.client_id, jwt=jwt)
    if not client:
        raise Misconfigured("client_id is missing", key=place, hint="Give the OAuth client's id.")
    variable, file = _text_value(table, "client_secret_env", place), _text_value(table, "client_secret_file", place)
    if variable and file:
        raise Misconfigured("two sources of one secret", key=place, hint=f"Give one: {_SOURCES}.")
    if file:
        return ClientSettings(client, secret_from_file(file, f"{place} client_secret_file"))
    if not variable:
        return ClientSettings(client, _from_keyring(client, place))
    if not found.get(variable):
        raise Misconfigured(f"{variable} is not set", key=f"{place} client_secret_env", hint=f"Set it: {_SOURCES}.")
    return ClientSettings(client, found[variable])


def _from_keyring(client: str, place: str) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise Misconfigured(
            "the keyring's library is not installed",
            key=place,
            hint=f"{install_hint('keyring')} Or say where the secret is: {_SOURCES}.",
        ) from None
    try:
        secret = keyring.get_password(KEYRING_SERVICE, client)
    except KeyringError as cause:
        raise Misconfigured(
            f"the keyring cannot be read ({type(cause).__name__})",
            key=place,
            hint=f"Unlock it, or say where the secret is: {_SOURCES}.",
        ) from None
    if not secret:
        raise Misconfigured(
            "the keyring has no secret of this client",
            key=place,
            hint=f"keyring set {KEYRING_SERVICE} {client}; or say where the secret is: {_SOURCES}.",
        )
    return secret


def _text_value(table: Mapping[str, object], key: str, place: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise Misconfigured(f"{key} is not text", key=place, hint=f'{key} = "…"')
    return value
