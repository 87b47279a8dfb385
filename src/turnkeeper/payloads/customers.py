"""The addresses and contacts of a conversation's customers, as its analytics details hold them.

Two telephone numbers are the same only when all their digits are, however they are written (``tel:+49 (0)170 …``). A
national and an international form of one number are merely *similar*, so a person has to decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from turnkeeper.errors import Misconfigured, Unread
from turnkeeper.jsonstream.surrogates import without_lone_surrogates

__all__ = ["CustomerQuery", "Customers", "normalised", "read_customers"]

SHORTEST = 5
SIMILAR = 7
EXTERNAL = {"customer", "external"}


class Customers(msgspec.Struct, frozen=True):
    """The customers of one conversation.

    ``addresses`` are their own, ``others`` stand beside them (the line that was called, the number shown to the person
    called); both are normalised. ``contacts`` are the ids of external contacts.
    """

    conversation: str
    addresses: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    contacts: frozenset[str] = frozenset()


class CustomerQuery(msgspec.Struct, frozen=True):
    """A customer to look for: a normalised ``address``, or the id of an external ``contact``."""

    address: str = ""
    contact: str = ""

    @classmethod
    def of(cls, address: str = "", contact: str = "") -> CustomerQuery:
        """Make a query. Raises ``Misconfigured`` without any, and for an address that names nobody (``anonymous``)."""
        plain = normalised(address)
        if not address.strip() and not contact.strip():
            hint = "Give a telephone number, an e-mail address or the id of an external contact."
            raise Misconfigured("nobody is named", operation="look for a customer", hint=hint)
        if address and "@" not in plain and sum(character.isdigit() for character in plain) < SHORTEST:
            raise Misconfigured(
                "is neither a telephone number nor an e-mail address",
                operation="look for a customer",
                key="--ani",
                hint=f"Give at least {SHORTEST} digits, with the country's code: +4917012345678.",
            )
        return cls(plain, contact.strip())

    def is_in(self, found: Customers) -> bool:
        """Whether this customer took part."""
        return (bool(self.address) and self.address in found.addresses) or (
            bool(self.contact) and self.contact in found.contacts
        )

    def resembles(self, found: Customers) -> bool:
        """Whether an address there may be this one, in another form or in another role."""
        if not self.address:
            return False
        own = _digits_of(self.address)[-SIMILAR:]
        return self.address in found.others or (
            len(own) == SIMILAR and any(_digits_of(other).endswith(own) for other in found.addresses | found.others)
        )


def normalised(address: str) -> str:
    """An address in one form: ``tel:+49 170-123`` and ``sip:+49170123@example.com;user=phone`` give ``+49170123``.

    Mail addresses become lower case, ``00`` before a number becomes ``+``, and ``(0)`` behind a country's code is
    dropped. Nothing else is guessed.
    """
    text = address.strip().lower()
    scheme, _, rest = text.partition(":")
    text = (rest if scheme in ("tel", "sip", "sips", "mailto") else text).partition(";")[0].partition("?")[0].strip()
    user = text.partition("@")[0]
    if "@" in text and not (scheme in ("sip", "sips") and _is_number(user)):
        return text
    if not _is_number(user):
        return text
    number = user.replace("(0)", "") if user.startswith(("+", "00")) else user
    digits = _digits_of(number)
    if number.startswith("+"):
        return f"+{digits}"
    return f"+{digits[2:]}" if digits.startswith("00") else digits


def read_customers(data: bytes) -> Customers:
    """The customers of one details document. Raises ``Unread`` when it is something else."""
    details = _decode_conversation(data)
    people = [person for person in details.participants or () if person and person.purpose in EXTERNAL]
    sessions = [session for person in people for session in person.sessions or () if session]
    return Customers(
        details.conversation_id or "",
        frozenset(address for session in sessions for address in _own_addresses(session)),
        frozenset(address for session in sessions for address in _other_addresses(session)),
        frozenset(person.external_contact_id for person in people if person.external_contact_id),
    )


def _decode_conversation(data: bytes) -> _Conversation:
    try:
        return _DECODER.decode(without_lone_surrogates(data)[0])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # An address that cannot be read may be the customer's: the search must name such a call, not pass over it. The
        # decoder's message is left out, because it could quote a number.
        raise Unread("conversation details that cannot be read", operation="look for a customer") from None


class _Session(msgspec.Struct, rename="camel"):
    direction: str | None = None
    ani: str | None = None
    dnis: str | None = None
    address_from: str | None = None
    address_to: str | None = None


class _Participant(msgspec.Struct, rename="camel"):
    purpose: str | None = None
    external_contact_id: str | None = None
    sessions: list[_Session | None] | None = None


class _Conversation(msgspec.Struct, rename="camel"):
    conversation_id: str | None = None
    participants: list[_Participant | None] | None = None


_DECODER = msgspec.json.Decoder(_Conversation)


def _own_addresses(session: _Session) -> Iterator[str]:
    """The customer's end of a session: the caller, or the person called; without a direction, both ends."""
    if session.direction != "outbound":
        yield from _normalised(session.ani, session.address_from)
    if session.direction != "inbound":
        yield from _normalised(session.dnis, session.address_to)


def _other_addresses(session: _Session) -> Iterator[str]:
    if session.direction == "outbound":
        yield from _normalised(session.ani, session.address_from)
    if session.direction == "inbound":
        yield from _normalised(session.dnis, session.address_to)


def _normalised(*addresses: str | None) -> Iterator[str]:
    yield from (normalised(address) for address in addresses if address)


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[+]?[0-9 ()./\-]+", text)) and any(character.isdigit() for character in text)


def _digits_of(text: str) -> str:
    return "".join(character for character in text if "0" <= character <= "9")
