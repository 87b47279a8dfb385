"""Whose call it was: numbers are the same only when all their digits are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeeper.errors import Misconfigured, Unread
from turnkeeper.payloads.customers import CustomerQuery, Customers, normalised, read_customers

NUMBER = "+4917012345678"


@pytest.mark.parametrize(
    "spelled",
    [
        "+49 170 123-456-78",
        "tel:+4917012345678",
        "TEL:+49-170-12345678;ext=2",
        "0049 170 12345678",
        "+49 (0)170 / 12345678",
        "sip:+4917012345678@carrier.example;user=phone",
        "sips:0049.170.12345678@10.0.0.1",
        " +4917012345678 ",
    ],
)
def test_one_number_in_many_spellings(spelled: str) -> None:
    assert normalised(spelled) == NUMBER


@pytest.mark.parametrize(
    "other", ["017012345678", "4917012345678", "+4917012345679", "+491701234567", "+1 4917012345678", "12345678"]
)
def test_other_digits_are_another_number(other: str) -> None:
    assert normalised(other) != NUMBER


def test_mail_addresses_and_names() -> None:
    assert normalised("mailto:Jane@Example.com?subject=x") == "jane@example.com"
    assert normalised("sip:jane@example.com") == "jane@example.com"
    assert normalised("Anonymous") == "anonymous"
    assert normalised("") == ""


@given(st.text(max_size=40))
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalised(text)
    assert normalised(once) == once or once.startswith(("tel", "sip", "mail", "00"))


@given(st.text("0123456789", min_size=8, max_size=15), st.sampled_from(["", " ", "-", ".", "/"]))
def test_separators_do_not_count(digits: str, separator: str) -> None:
    assert normalised("tel:+" + separator.join(digits)) == f"+{digits}"


@pytest.mark.parametrize("nobody", ["anonymous", "Restricted", "1234", "+", "unavailable;x"])
def test_what_names_nobody_is_refused(nobody: str) -> None:
    with pytest.raises(Misconfigured):
        CustomerQuery.of(address=nobody)


def document(*sessions: dict[str, str], purpose: str = "customer", **more: Any) -> bytes:
    person = {"participantId": "p", "purpose": purpose, "sessions": list(sessions)} | more
    return json.dumps({"conversationId": "call", "participants": [person]}).encode()


def test_the_caller_of_an_inbound_call_and_the_called_of_an_outbound_one() -> None:
    wanted = CustomerQuery.of(address=NUMBER)
    ends = {"ani": f"tel:{NUMBER}", "dnis": "tel:+18005550100"}
    inbound = read_customers(document(ends | {"direction": "inbound"}))
    outbound = read_customers(document(ends | {"direction": "outbound"}))
    assert wanted.is_in(inbound)
    assert not wanted.is_in(outbound)
    assert wanted.resembles(outbound)
    assert CustomerQuery.of(address="+18005550100").is_in(outbound)
    assert wanted.is_in(read_customers(document({"dnis": NUMBER})))


def test_an_agents_line_is_not_the_customers() -> None:
    found = read_customers(document({"ani": NUMBER, "direction": "inbound"}, purpose="agent"))
    assert found == Customers("call")


def test_mail_and_contacts() -> None:
    found = read_customers(
        document({"direction": "inbound", "addressFrom": "Jane@Example.com"}, externalContactId="contact-1")
    )
    assert CustomerQuery.of(address="jane@example.com").is_in(found)
    assert CustomerQuery.of(contact="contact-1").is_in(found)
    assert not CustomerQuery.of(contact="contact-2").is_in(found)
    assert not CustomerQuery().is_in(found)


def test_a_national_spelling_is_similar_and_not_the_same() -> None:
    found = read_customers(document({"direction": "inbound", "ani": "tel:017012345678"}))
    wanted = CustomerQuery.of(address=NUMBER)
    assert not wanted.is_in(found)
    assert wanted.resembles(found)
    assert not CustomerQuery.of(address="+4917099999999").resembles(found)


@pytest.mark.parametrize(
    "broken", [b"{", b"[]", b'{"participants": 7}', b"\xff", b'{"participants":[{"sessions":[{"ani":5}]}]}']
)
def test_what_cannot_be_read_is_unread_and_quotes_nothing(broken: bytes) -> None:
    with pytest.raises(Unread) as caught:
        read_customers(broken)
    assert "5" not in str(caught.value)


@pytest.mark.parametrize(
    "odd",
    [
        {"participantName": 7},
        {"sessions": [None, {"ani": "tel:+4917012345678", "direction": "inbound"}]},
    ],
    ids=str,
)
def test_one_odd_field_does_not_hide_a_customer(odd: dict[str, Any]) -> None:
    """An erasure by number must find the call: ``read_details`` reads such a document too."""
    person = {"purpose": "customer", "sessions": [{"ani": "tel:+4917012345678", "direction": "inbound"}]} | odd
    document = {"conversationId": "c", "participants": [None, person]}
    assert read_customers(json.dumps(document).encode()).addresses == {"+4917012345678"}


def test_half_a_character_does_not_hide_a_customer() -> None:
    session = {"ani": "tel:+4917012345678", "direction": "inbound"}
    person = {"purpose": "customer", "participantName": "\ud800", "sessions": [session]}
    document = json.dumps({"conversationId": "c", "participants": [person]}).encode()
    assert read_customers(document).addresses == {"+4917012345678"}
