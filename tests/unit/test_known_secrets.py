"""Secrets by value: whoever repeats one in an answer finds it in none of our texts."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

import turnkeeper as tk
from turnkeeper.errors import UnknownShape
from turnkeeper.genesys.errors import error_body, refusal
from turnkeeper.genesys.redaction import plain
from turnkeeper.known_secrets import KnownSecrets, redact
from turnkeeper.settings import StoreSettings
from turnkeeper.storage.errors import StorePlace, store_error

SECRET = "s3cr/et+Value=of~a_test"


def known() -> KnownSecrets:
    secrets = KnownSecrets()
    secrets.remember(SECRET)
    return secrets


# Examples stand in halves: the suite copies this very file into what the scan for secrets reads.
SPELLINGS = [
    SECRET,
    quote(SECRET, safe=""),
    quote(SECRET, safe="").lower().replace("value", "Value"),
    quote(quote(SECRET, safe=""), safe=""),
    "".join(f"%{ord(char):02x}" for char in SECRET),
    "".join(f"\\u{ord(char):04x}" for char in SECRET),
    SECRET.replace("/", "\\/"),
    SECRET.replace("=", "&#61;").replace("+", "&#x2b;"),
    base64.b64encode(SECRET.encode()).decode(),
    base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
    SECRET.encode().hex(),
]


@pytest.mark.parametrize("spelled", SPELLINGS)
def test_a_value_is_found_however_it_is_spelled(spelled: str) -> None:
    """K8: known secrets replaced by value."""
    text = known().redact(f"got {spelled} from you")
    assert spelled not in text
    assert "(withheld)" in text


def test_a_secret_with_odd_characters_is_found_in_json() -> None:
    """K8: known secrets replaced by value; an error body is often JSON within JSON."""
    secrets = KnownSecrets()
    secrets.remember('qu"ote\\back é end')
    for spelled in (r"qu\"ote\\back é end", r"qu\"ote\\back \u00e9 end"):
        assert secrets.redact(f"[{spelled}]") == "[(withheld)]"


@given(st.text(st.characters(codec="utf-8"), max_size=40), st.text(st.characters(codec="utf-8"), max_size=40))
def test_it_is_found_in_any_surroundings(before: str, after: str) -> None:
    assert SECRET not in known().redact(f"{before} {SECRET} {after}")


@pytest.mark.parametrize(
    "text",
    [
        "X-Amz-Signature=feedbeef",
        "x-amz-signature=feedbeef",
        "X-Amz-Credential=feedbeef%2F20261101",
        "X-Amz-Security-Token" + "=feedbeef&a=1",
        "path/file?Signature=feedbeef",
        "sig=feedbeef",
        "Key-Pair-Id=feedbeef",
        "Policy=feedbeef",
        "X-Goog-Signature=feedbeef",
        "X%2DAmz%2DSignature%3Dfeedbeef",
        "%58-Amz-Signature=feedbeef",
        "X\\u002dAmz\\u002dSignature\\u003dfeedbeef",
        '{"X-Amz-Signature":"feedbeef"}',
        '{\\"X-Amz-Signature\\":\\"feedbeef\\"}',
        "<SignatureProvided>feedbeef</SignatureProvided>",
        "client_secret=feedbeef",
        '"client_secret": "feedbeef"',
        "Authorization: Bearer " + "feedbeef-feedbeef-feedbeef",
        "authorization: Basic ZmVlZGJlZWY6ZmVlZGJlZWYfeedbeef",
        "Credential=feedbeef/20261101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=feedbeef",
    ],
)
def test_parameters_that_open_something_are_hidden_without_a_scheme(text: str) -> None:
    """K8: ``X-Amz-Signature`` without a scheme; signature parameters wherever and however they stand."""
    assert "feedbeef" not in redact(f"it says {text} here")
    assert "feedbeef" not in plain(text)


@pytest.mark.parametrize(
    "text",
    ["the bucket policy: denied", "Signature does not match", "assign=3", "Basic and Bearer", "100 % sure", "a\\b"],
)
def test_ordinary_words_stay(text: str) -> None:
    assert redact(text) == text


def test_short_values_and_old_tokens_are_not_looked_for() -> None:
    secrets = known()
    secrets.remember("short")
    for number in range(200):
        secrets.remember(f"token-number-{number:04}", token=True)
    assert secrets.redact("short token-number-0000") == "short token-number-0000"
    assert secrets.redact(f"{SECRET} token-number-0199") == "(withheld) (withheld)"


def test_a_key_is_known_line_by_line() -> None:
    secrets = KnownSecrets()
    secrets.remember(
        "-----BEGIN " + "PRIVATE KEY-----\nMIIEvAIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n"
    )
    assert "hkiG9w0BAQEFAASC" not in secrets.redact(
        "-----BEGIN " + "PRIVATE KEY----- MIIEvAIBADANBgkq hkiG9w0BAQEFAASC"
    )


def test_a_secret_that_the_limit_would_cut_is_recognised_first() -> None:
    assert "feedbeef" not in plain("x" * 390 + " X-Amz-Signature=feedbeef" * 3)


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500])
@pytest.mark.parametrize("field", ["code", "message", "contextId"])
def test_a_platform_that_echoes_the_request_gives_nothing_away(status: int, field: str) -> None:
    """K8: the platform echoes the request in its error body."""
    from turnkeeper.known_secrets import remember, remember_client

    remember_client("client-of-test", "echoed-secret-1")
    remember("echoed-bearer-1", token=True)
    basic = base64.b64encode(b"client-of-test:echoed-secret-1").decode()
    echo = f"echoed-secret-1 Basic {basic} echoed-bearer-1 https://x/?X-Amz-Signature=feed X-Amz-Signature=feed"
    body = f'{{"{field}":"no: {echo}"}}'
    text = str(refusal(status, error_body(body.encode()), operation="details", key="c1"))
    assert "no:" in text
    assert not [part for part in ("echoed-secret-1", basic, "echoed-bearer-1", "feed") if part in text]


def test_a_store_that_echoes_the_request_gives_nothing_away() -> None:
    """K8: the store echoes the request in its error body."""
    StoreSettings.from_environment(
        {"AWS_SECRET_ACCESS_KEY": "aws-secret-of-a-test", "AWS_SESSION_TOKEN": "aws-session-of-a-test"}
    )
    echo = "aws-secret-of-a-test aws-session-of-a-test X-Amz-Signature=feed Credential=feed"
    said = f"status code: 418 <Message>no {echo}</Message>"
    text = str(store_error("GenericError", said, StorePlace("b"), "write", "k"))
    assert "418 no" in text
    assert not [part for part in ("aws-secret", "aws-session", "feed") if part in text]


def test_an_endpoint_is_named_without_its_user() -> None:
    text = str(
        store_error(
            "GenericError", "error sending request", StorePlace("b", "https://me:pass@s3.local:9000/?x=1"), "write", "k"
        )
    )
    assert "at https://s3.local:9000/" in text
    assert "pass" not in text


def test_a_key_that_is_a_signed_address_is_not_named(tmp_path: Path) -> None:
    """K8: the names of keys in an unknown shape are foreign text, too."""
    file = tmp_path / "odd.json"
    file.write_text('{"https://s.example/x?X-Amz-Signature=feedbeef":1,"other":2}')
    with pytest.raises(UnknownShape) as caught:
        list(tk.read_turns(file))
    assert "other" in str(caught.value)
    assert "feedbeef" not in str(caught.value)
