"""Small calls in an archive, for the tests of keeping, checking and erasing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from turnkeeper.archive import keys
from turnkeeper.archive.archive import Archive, CommitResult, FetchedBody
from turnkeeper.archive.generations import current_manifest
from turnkeeper.clock import ManualClock
from turnkeeper.spool import Spool
from turnkeeper.storage.object_store import Store

START = 1_790_000_000_000
"""2026-09-21T13:33:20Z"""
SECRET = "my card number is four one one one"
CUSTOMER = "+4917012345678"
USERS = {"entities": [{"id": "user-1", "name": "Ada"}]}


def spool(document: Any) -> Spool:
    body = Spool()
    body.write(json.dumps(document).encode())
    return body.seal()


def transcript(conversation: str, words: str = SECRET, leg: str = "leg-a") -> FetchedBody:
    phrase = {"phraseIndex": 0, "participantPurpose": "external", "text": words, "startTimeMs": START + 100}
    document = {
        "conversationId": conversation,
        "communicationId": leg,
        "conversationStartTime": START,
        "startTime": START,
        "participants": [{"participantPurpose": "customer", "startTimeMs": START, "endTimeMs": START + 600_000}],
        "transcripts": [
            {
                "transcriptId": "t",
                "startTime": START,
                "phrases": [phrase | {"confidence": 0.5, "duration": {"milliseconds": 900}}],
            }
        ],
    }
    return FetchedBody(spool(document), f"speech/{leg}", leg)


def details(conversation: str, started: str = "2026-09-21T13:33:20.000Z", **session: str) -> FetchedBody:
    own = {"sessionId": "leg-a", "direction": "inbound", "ani": f"tel:{CUSTOMER}", "dnis": "tel:+18005550100"} | session
    people = [
        {"participantId": "p1", "purpose": "customer", "externalContactId": "contact-1", "sessions": [own]},
        {"participantId": "p2", "purpose": "agent", "sessions": [own | {"sessionId": "leg-b"}]},
    ]
    document = {"conversationId": conversation, "conversationStart": started, "participants": people}
    return FetchedBody(spool(document), "conversation")


def keep(
    store: Store, conversation: str, words: str = SECRET, clock: ManualClock | None = None, **session: str
) -> CommitResult:
    """One call of one leg with its details and names, as ``get`` keeps it."""
    archive = Archive(store, clock=clock or ManualClock())
    arrived = [
        transcript(conversation, words),
        details(conversation, **session),
        FetchedBody(spool(USERS), "directory/users"),
    ]
    return archive.commit(conversation, arrived)


def view_key(store: Store, name: str) -> str:
    """Where the current view of that name stands (``transcripts/call-1.json``)."""
    manifest = current_manifest(store, keys.conversation_of(name) or "")
    view = manifest.view(name) if manifest else None
    assert view, name
    return view.key


def contents(store: Store) -> Mapping[str, bytes]:
    return {key: store.get(key) for key in store.list("")}


def outside(store: Store) -> Mapping[str, bytes]:
    """Everything but the archive's own notes."""
    return {key: data for key, data in contents(store).items() if not key.startswith("_turnkeeper/")}


class Failing:
    """A store whose ``operation`` fails after ``calls`` of it went well: the process is killed there."""

    def __init__(self, store: Store, operation: str, calls: int) -> None:
        self._store, self._operation, self._left = store, operation, calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name != self._operation:
            return found

        def counted(*given: Any, **more: Any) -> Any:
            if self._left <= 0:
                raise Killed
            self._left -= 1
            return found(*given, **more)

        return counted


class Killed(BaseException):
    """The end of the process, as far as the code under test can tell."""
