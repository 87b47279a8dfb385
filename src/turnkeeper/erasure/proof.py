"""The proof of an erasure: what was erased, what locks still hold, and what cannot be known. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import msgspec

from turnkeeper.archive.removal import Removal
from turnkeeper.archive.tombstones import Reason
from turnkeeper.display import html_table, one_line
from turnkeeper.erasure.id_resolution import ResolvedId
from turnkeeper.storage.versions import VersionLock

__all__ = [
    "ELSEWHERE",
    "FORMAT",
    "QUEUES",
    "By",
    "Erasure",
    "Hold",
    "Proof",
    "absent_erasure",
    "count_outcomes",
    "erasure_of",
    "with_locks",
    "with_request",
]

FORMAT = "turnkeeper.erasure/1"
QUEUES = "the queues of exports, each until its next run"
ELSEWHERE = (
    "backups, snapshots and replicas of the store, and copies made with other tools",
    "files made from the archive: reports, clips, turns",
    QUEUES,
)

By = Literal["conversation", "ani", "external-contact", "age", "unfinished"]
"""How the conversations were chosen, but not the number or the address that chose them."""

Outcome = Literal["found", "erased", "held", "unproven", "absent"]


class Hold(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A version that a lock holds: ``mode`` and ``until`` (RFC 3339) of its retention, or a legal hold, or both."""

    key_sha256: str
    version: str
    mode: str = ""
    until: str = ""
    legal_hold: bool = False


class Erasure(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The outcome for one conversation.

    ``state`` is ``found`` (a dry run: nothing was done), ``erased``, ``held`` (by locks), ``unproven`` (everything
    visible is gone, ``why`` says what may be left) or ``absent`` (the archive does not hold it). Keys are given as
    their SHA-256, because they contain ids. ``asked`` is the id that was given, if its capital letters differ.
    ``again`` says that it was erased before and nothing of it was left.
    """

    conversation: str
    state: Outcome
    keys: int
    versions: int
    key_sha256: tuple[str, ...] = ()
    held: tuple[Hold, ...] = ()
    why: str = ""
    asked: str = ""
    again: bool = False


class Proof(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What was erased, without any content. ``proven`` only if nothing is left that anybody could read.

    ``versioning`` is ``none``, ``kept`` or ``unknown``. ``waiting`` counts earlier erasures that locks still hold.
    ``not_covered`` names what else in the archive may repeat a conversation's content, ``elsewhere`` what no erasure in
    an archive can reach.
    """

    __repr__ = one_line
    _repr_html_ = html_table

    format: str
    producer: str
    archive: str
    at: str
    reason: Reason
    by: By
    versioning: Literal["none", "kept", "unknown"]
    proven: bool
    erasures: tuple[Erasure, ...] = ()
    reports_scrubbed: int = 0
    waiting: int = 0
    not_covered: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    undated: tuple[str, ...] = ()
    why: str = ""
    mend: str = ""


def erasure_of(conversation: str, state: Outcome, removal: Removal, why: str = "") -> Erasure:
    """The outcome of removing one conversation."""
    return Erasure(
        conversation=conversation,
        state=state,
        keys=len(removal.keys),
        versions=removal.versions,
        key_sha256=tuple(sorted(_hash_key(key) for key in removal.keys)),
        held=tuple(_hold_of(lock) for lock in removal.locks),
        why=why,
    )


def absent_erasure(resolved: ResolvedId) -> Erasure:
    """The outcome for an id that the archive does not hold."""
    others = f": {resolved.others} ids differ from it in capital letters only" if resolved.others else ""
    why = f"not in the archive{others}"
    return Erasure(conversation=resolved.asked, state="absent", keys=0, versions=0, why=why)


def with_request(erasure: Erasure, resolved: ResolvedId | None) -> Erasure:
    """The outcome with the id that was given for it; unchanged if none was given."""
    if resolved is None:
        return erasure
    asked = resolved.asked if resolved.asked != erasure.conversation else ""
    return msgspec.structs.replace(erasure, asked=asked, again=resolved.how == "erased" and not erasure.keys)


def with_locks(erasures: Sequence[Erasure], locks: Sequence[VersionLock]) -> tuple[Erasure, ...]:
    """The outcomes, also held by the longest of these locks. They hold notes of the archive that may name any of the
    conversations."""
    if not locks:
        return tuple(erasures)
    longest = _hold_of(max(locks, key=lambda lock: (lock.legal_hold, lock.until)))
    return tuple(
        msgspec.structs.replace(erasure, state="held", held=(*erasure.held, longest))
        if erasure.state in ("erased", "held")
        else erasure
        for erasure in erasures
    )


def count_outcomes(proof: Proof) -> dict[str, int]:
    """The numbers of a proof, for the audit."""
    states = [erasure.state for erasure in proof.erasures]
    return {
        "erased": states.count("erased"),
        "held": states.count("held"),
        "unproven": states.count("unproven"),
        "objects": sum(erasure.keys for erasure in proof.erasures),
        "versions": sum(erasure.versions for erasure in proof.erasures),
    }


def _hold_of(lock: VersionLock) -> Hold:
    return Hold(
        key_sha256=_hash_key(lock.version.key),
        version=lock.version.id,
        mode=lock.mode,
        until=lock.until,
        legal_hold=lock.legal_hold,
    )


def _hash_key(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
