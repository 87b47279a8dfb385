"""Erase conversations that are too old, by the day of the call."""

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
from turnkeeper.erasure.erase import Eraser
from turnkeeper.erasure.proof import Proof
from turnkeeper.errors import Misconfigured, NotFound, Unread
from turnkeeper.payloads.details import read_details
from turnkeeper.payloads.times import rfc3339_ms
from turnkeeper.storage.parallel import parallel_map
from turnkeeper.storage.store import Store

__all__ = ["conversation_days", "expire", "parse_age"]

HEAD = 4096
_age = re.compile(r"([1-9][0-9]{0,4})([dw])")
_started = re.compile(rb'"started_at":\s*"([^"]{10,40})"')
_FOLDERS_WITH_CONTENT = (keys.MANIFESTS, "raw/", "audio/")


def parse_age(text: str) -> timedelta:
    """Parse ``365d`` or ``52w``. Raises ``Misconfigured`` for anything else, because a wrong guess would erase."""
    match = _age.fullmatch(text.strip().lower())
    if not match:
        hint = "Give days or weeks: 365d, 52w."
        raise Misconfigured(f"{text[:40]!a} is not an age", operation="expire", key="--older-than", hint=hint)
    return timedelta(days=int(match[1]) * (7 if match[2] == "w" else 1))


def expire(store: Store, clock: Clock, older_than: timedelta, *, dry_run: bool = False) -> Proof:
    """Erase every conversation whose UTC day ended more than ``older_than`` ago. Those without a known day stay.

    The day is the index's, else that of the analytics details, else that of the transcript. Raises ``Misconfigured``
    for less than a day, and what ``Eraser.erase`` raises.
    """
    if older_than < timedelta(days=1):
        raise Misconfigured("is less than a day", operation="expire", key="--older-than", hint="Give at least 1d.")
    limit = (clock.now() - older_than).date()
    old: list[str] = []
    undated: list[str] = []
    days: set[str] = set()
    for conversation, day in conversation_days(store):
        if day is None:
            undated.append(conversation)
        elif day < limit:
            old.append(conversation)
            days.add(day.isoformat())
    eraser = Eraser(store, clock)
    if dry_run:
        proof = eraser.plan(old, "age", "expired")
    else:
        # A call whose day comes from its details may have its entry among the undated ones.
        proof = eraser.erase(old, "age", "expired", days=days | {UNDATED})
    return msgspec.structs.replace(proof, undated=tuple(undated))


def conversation_days(store: Store) -> Iterator[tuple[str, date | None]]:
    """Every conversation that has objects, with its day; None if the day is not known."""
    indexed = _days_in_index(store)

    def find_day(conversation: str) -> tuple[str, date | None]:
        day = (
            indexed.get(conversation) or _day_in_details(store, conversation) or _day_in_transcript(store, conversation)
        )
        return conversation, day

    yield from parallel_map(find_day, _conversations_with_content(store))


def _conversations_with_content(store: Store) -> Iterator[str]:
    """The conversations that have a manifest, and those without one: what a crash left is content too."""
    seen: set[str] = set()
    for folder in _FOLDERS_WITH_CONTENT:
        for key in store.list(folder):
            conversation = keys.conversation_of(key)
            if conversation and conversation not in seen:
                seen.add(conversation)
                yield conversation


def _days_in_index(store: Store) -> dict[str, date]:
    index = Index(store)
    days: dict[str, date] = {}
    for day in index.days():
        # If a day cannot be read, the details of its calls give their day.
        with contextlib.suppress(Unread):
            if day != UNDATED:
                days |= {call.conversation: date.fromisoformat(day) for call in index.read(day).calls}
    return days


def _day_in_details(store: Store, conversation: str) -> date | None:
    for key in store.list(f"raw/{conversation}/_conversation/"):
        try:
            started = rfc3339_ms(read_details(store.get(key)).start)
        except (NotFound, Unread):
            continue
        if started:
            return datetime.fromisoformat(started).date()
    return None


def _day_in_transcript(store: Store, conversation: str) -> date | None:
    """The day in the head of our own transcript view, which comes before anybody's words."""
    try:
        manifest = current_manifest(store, conversation)
        view = manifest.view(keys.transcript(conversation)) if manifest else None
        if view is None:
            return None
        with store.open(view.key) as body:
            # A participant's name could contain the same text, so only what comes before the participants counts.
            match = _started.search(body.read(HEAD).partition(b'"participants"')[0])
    except (NotFound, Unread):
        return None
    try:
        return datetime.fromisoformat(match[1].decode()).date() if match else None
    except ValueError:
        return None
