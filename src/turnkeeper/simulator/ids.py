"""Ids that look random but can be decoded without a table: UUID <-> (kind, index, ordinal).

They are encrypted with a keyed Feistel network over the 122 free bits of a version 4 UUID. An invented id, or one of
another seed, decodes to an unknown kind and is refused.
"""

from __future__ import annotations

import hashlib
import uuid
from enum import IntEnum
from functools import lru_cache

# Two halves make the 122 bits that version and variant leave free.
_HALF = 61
_MASK = (1 << _HALF) - 1
_ROUNDS = 6
_MAX_CACHED = 8192


class IdKind(IntEnum):
    """The kind of thing that an id names. It is encoded in the id, so that kinds cannot be confused."""

    CONVERSATION = 1
    COMMUNICATION = 2
    PARTICIPANT = 3
    RECORDING = 4
    TRANSCRIPT = 5
    USER = 6
    QUEUE = 7
    WRAPUP = 8
    ORGANIZATION = 9
    CLIENT = 10
    DIVISION = 11
    FLOW = 12
    PROGRAM = 13
    CORRELATION = 14
    JOB = 15
    EDGE = 16
    TEAM = 17
    BATCH = 18


class Ids:
    """Makes and reads the ids of one seed."""

    def __init__(self, seed: int) -> None:
        # Cached, because a few ids (a team, a flow, the current conversation) are needed very often.
        self.make = lru_cache(_MAX_CACHED)(self._make)
        self._key = hashlib.sha256(f"turnkeeper-simulator:{seed}".encode()).digest()

    def _make(self, kind: IdKind, index: int = 0, ordinal: int = 0) -> str:
        """The id of one thing; always the same for the same seed."""
        left, right = index & _MASK, (kind << 16) | ordinal
        for turn in range(_ROUNDS):
            left, right = right, left ^ self._feistel_round(turn, right)
        return _uuid_of_bits((left << _HALF) | right)

    def read(self, text: str) -> tuple[IdKind, int, int] | None:
        """What an id names, or None where it was not made with this seed."""
        bits = _bits_of_uuid(text)
        if bits is None:
            return None
        left, right = bits >> _HALF, bits & _MASK
        for turn in reversed(range(_ROUNDS)):
            left, right = right ^ self._feistel_round(turn, left), left
        # 45 bits must decode to one of a few kinds, which an invented id practically never does.
        kind = right >> 16
        if kind not in IdKind.__members__.values():
            return None
        return IdKind(kind), left, right & 0xFFFF

    def index(self, kind: IdKind, text: str) -> int | None:
        """The index behind an id of the kind asked for, else None."""
        found = self.read(text)
        return found[1] if found is not None and found[0] is kind else None

    def _feistel_round(self, turn: int, half: int) -> int:
        digest = hashlib.blake2b(half.to_bytes(8, "big") + bytes([turn]), key=self._key, digest_size=8).digest()
        return int.from_bytes(digest, "big") & _MASK


def _uuid_of_bits(bits: int) -> str:
    high, middle, low = bits >> 74, (bits >> 62) & 0xFFF, bits & ((1 << 62) - 1)
    return str(uuid.UUID(int=(high << 80) | (0x4 << 76) | (middle << 64) | (0b10 << 62) | low))


def _bits_of_uuid(text: str) -> int | None:
    try:
        whole = uuid.UUID(text)
    except ValueError:
        return None
    if str(whole) != text or whole.version != 4:
        return None
    return ((whole.int >> 80) << 74) | (((whole.int >> 64) & 0xFFF) << 62) | (whole.int & ((1 << 62) - 1))
