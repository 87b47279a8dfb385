"""Erase what has become too old, by the day of the call."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import msgspec

from turnkeeper.archive import keys
from turnkeeper.archive.generations import current_manifest
from turnkeeper.archive.index import UNDATED, Index
from turnkeeper.clock import Clock
from turnkeeper.erasure.erase import Eraser, Proof
from turnkeeper.errors import Misconfigured, NotFound, Unread
from turnkeeper.payloads.details import read_details
from turnkeeper.payloads.times import rfc3339_ms
from turnkeeper.storage.contract import Store
from turnkeeper.storage.parallel import each

__all__ = ["days_of", "expire", "read_age"]

HEAD = 4096
_age = re.compile(r"([1-9][0-9]{0,4})([dw])")
_started = re.compile(rb'"started_at":\s*"([^"]{10,40})"')
_holding = (keys.MANIFESTS, "raw/", "audio/")


def read_age(text: str) -> timedelta:
    """``365d`` or ``52w``. Raises ``Misconfigured`` for anything else: nothing is erased on a guess."""
    found = _age.fullmatch(text.strip().lower())
    if not found:
        hint = "Give days or weeks: 365d, 52w."
        raise Misconfigured(f"{text[:40]!a} is not an age", operation="expire", key="--older-than", hint=hint)
    return timedelta(days=int(found[1]) * (7 if found[2] == "w" else 1))


def expire(store: Store, clock: Clock, older_than: timedelta, *, dry_run: bool = False) -> Proof:
    """Erase every conversation whose UTC day lies wholly before ``older_than`` ago. Without a known day, none is.

    The day is the index's, else that of the analytics details, else that of the transcript. Raises ``Misconfigured``
    for less than a day, and what erasing raises.
    """
    if older_than < timedelta(days=1):
        raise Misconfigured("is less than a day", operation="expire", key="--older-than", hint="Give at least 1d.")
    limit = (clock.now() - older_than).date()
    old: list[str] = []
    undated: list[str] = []
    days: set[str] = set()
    for conversation, day in days_of(store):
        if day is None:
            undated.append(conversation)
        elif day < limit:
            old.append(conversation)
            days.add(day.isoformat())
    eraser = Eraser(store, clock)
    if dry_run:
        proof = eraser.plan(old, "age", "expired")
    else:
        proof = eraser.erase(old, "age", "expired", days=days | {UNDATED})
    return msgspec.structs.replace(proof, undated=tuple(undated))


def days_of(store: Store) -> Iterator[tuple[str, date | None]]:
    """Every conversation that has objects, with its day; None where nothing says when it was."""
    known = _indexed(store)

    def look(conversation: str) -> tuple[str, date | None]:
        day = known.get(conversation) or _detailed(store, conversation) or _transcribed(store, conversation)
        return conversation, day

    yield from each(look, _holding_objects(store))


def _holding_objects(store: Store) -> Iterator[str]:
    """Conversations by their manifests, and those that have none: what a crash left is content too."""
    seen: set[str] = set()
    for folder in _holding:
        for key in store.list(folder):
            conversation = keys.conversation_of(key)
            if conversation and conversation not in seen:
                seen.add(conversation)
                yield conversation


def _indexed(store: Store) -> dict[str, date]:
    states = Index(store)
    known: dict[str, date] = {}
    for day in states.days():
        # The details of a call give its day where the index cannot be read.
        with contextlib.suppress(Unread):
            if day != UNDATED:
                known |= {call.conversation: date.fromisoformat(day) for call in states.read(day).calls}
    return known


def _detailed(store: Store, conversation: str) -> date | None:
    for key in store.list(f"raw/{conversation}/_conversation/"):
        try:
            started = rfc3339_ms(read_details(store.get(key)).start)
        except (NotFound, Unread):
            continue
        if started:
            return datetime.fromisoformat(started).date()
    return None


def _transcribed(store: Store, conversation: str) -> date | None:
    """The day in the head of our own transcript, which stands before anybody's words."""
    try:
        manifest = current_manifest(store, conversation)
        view = manifest.view(keys.transcript(conversation)) if manifest else None
        if view is None:
            return None
        with store.open(view.key) as body:
            found = _started.search(body.read(HEAD).partition(b'"participants"')[0])
    except (NotFound, Unread):
        return None
    try:
        return datetime.fromisoformat(found[1].decode()).date() if found else None
    except ValueError:
        return None
