"""The named faults: what each does, its argument, and how often it has occurred.

Unless its description says otherwise, a fault affects the first few requests for each resource. The endpoints decide
where a fault applies.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from types import MappingProxyType

_RECOVERABLE: dict[str, str] = {
    "expired-link": "The first presigned URL of each document has already expired: 403 XML.",
    "expired-token-link": "The first presigned URL of each document answers 400 ExpiredToken.",
    "gone-link": "The first presigned URL of each document answers 410.",
    "redirect": "Downloads answer 302 to another path and host name of the storage port.",
    "throttle": "Every 5th API request (throttle=N: every Nth) is 429 with Retry-After: 1.",
    "throttle-bare": "Every 7th API request (throttle-bare=N) is 429 without Retry-After.",
    "tenant-throttle": "Every 11th API request (tenant-throttle=N) is 429 with the organisation's own limit key.",
    "server-error": "The first API request per path (server-error=K: K of them) is 500, 503 or 504, in turn, as JSON.",
    "html-error": "The first API request per path (html-error=K: K of them) is 502 with an HTML page.",
    "slow-drip": "Bodies come in small pieces with small delays.",
    "cut-body": "The connection breaks in the middle of the first delivery (cut-body=K: first K) of each document.",
    "cut-body-changed": "As cut-body, and the document has another ETag when it is asked for again.",
    "no-range": "As cut-body, and ranges are not honoured.",
    "token-expiry": "A token is 401 credentials.expired after 3 uses (token-expiry=N).",
    "gzip": "Stored documents come with Content-Encoding: gzip.",
    "not-ready": "Each transcript is 404, queued or processing the first 2 times (not-ready=N) it is asked for.",
    "empty-first": "The media document is completed but empty the first time it is asked for.",
    "clock-skew": "The Date header is an hour ahead.",
    "bearer-leak-bait": "The media endpoint answers 302 to the storage port.",
    "transcoding": "Recordings are 202 without a body the first 2 times (transcoding=N) per conversation and format.",
    "expired-media-link": "The first presigned URL of each recording's file has already expired.",
    "job-failed": "The first details job (job-failed=K: K of them) ends as FAILED.",
    "job-expired": "The first details job (job-expired=K: K of them) is gone after its first page of results.",
    "late-second-leg": "The second communication's file is ready an hour later than the first.",
}
_LASTING: dict[str, str] = {
    "dead-link": "Every presigned URL has already expired.",
    "throttle-forever": "Every API request is 429.",
    "token-dead": "Tokens are issued, and every API call with one is 401 bad.credentials.",
    "one-token": "The token endpoint answers a client's living token again instead of a new one.",
    "wrong-region": "The token endpoint answers invalid_client, authentication failed.",
    "denied": "403 missing.permissions on transcripts of both dialects.",
    "denied-users": "403 missing.permissions on users, queues and wrap-up codes.",
    "forever-processing": "Transcripts never become ready: 404, or processing.",
    "media-missing": "The media endpoint does not exist.",
    "speech-missing": "transcripturl and transcripturls do not exist.",
    "search-missing": "The transcript search does not exist, as on a media-only gateway.",
    "stale-watermark": "The data lake is 72 hours behind (stale-watermark=H: H hours).",
    "legacy": "The media endpoint answers older shapes: a bare array of turns, or camelCase keys.",
    "denied-recordings": "403 missing.permissions on recordings and batch requests.",
    "transcoding-forever": "Recordings are 202 without a body for ever.",
    "recording-archived": "Every recording is ARCHIVED: listed, with no media.",
    "recording-deleted": "Every recording is DELETED: listed, with no media.",
    "recording-restoring": "Every recording is RESTORING: listed, with no media yet.",
    "no-media": "Every recording is AVAILABLE and has no playable media: nulls.",
    "redacted": "Sensitive recordings, and no permission to hear them: left out of batches, redacted in lists "
    "(redacted=N: those of every Nth conversation).",
    "hold-suppressed": "The organisation does not record holds: recordings leave them out and annotate them.",
    "batch-missing": "Batch requests do not exist.",
    "batch-error": "Every result of a batch is an error.",
    "batch-slow": "Batches are in progress for ever (batch-slow=N: for the first N looks).",
    "changed-transcript": "A document differs once the clock is a day past the simulation's start.",
    "live": "Conversations appear when the clock reaches their start and have no end until they end.",
}
_DOCUMENTS: dict[str, str] = {
    "html-body": "Storage answers 200 with an HTML page",
    "empty-body": "Storage answers 200 with no bytes",
    "truncated-json": "Stored documents stop in the middle, with the Content-Length to match",
    "wrong-conversation": "The document is another conversation's",
    "invalid-utf8": "The document holds bytes that are not UTF-8",
    "deep-nesting": "An unknown field is nested 100,000 levels deep",
    "unknown-shape": "The document has keys that nobody knows",
    "extra-shape": "The document is of a future schema version",
    "nan": "A number in a turn is NaN",
    "end-before-start": "A turn ends before it starts",
    "wrong-type": "A time in a turn is an object",
}
_AUDIO: dict[str, str] = {
    "html-audio": "A recording's file is an HTML page",
    "empty-audio": "A recording's file has no bytes",
    "header-only-audio": "A recording's file is a WAV header of 44 bytes",
    "truncated-audio": "A recording's file stops in the middle, with the Content-Length to match",
    "three-channels": "A recording's file has three channels",
    "zero-rate": "A recording's file says 0 Hz",
    "wrong-extension": "A recording's file is called, and announced as, an MP3",
}
_SIZED: dict[str, str] = {
    "huge-string": "The first conversation has a turn whose text is 64 MiB long (huge-string=MB)."
}
_ALL: dict[str, str] = {"all": "Every fault from which a correct client recovers, at once."}

FAULTS: Mapping[str, str] = MappingProxyType(
    _RECOVERABLE
    | _LASTING
    | {
        name: f"{sentence}; name=K limits it to the first K deliveries."
        for name, sentence in (_DOCUMENTS | _AUDIO).items()
    }
    | _SIZED
    | _ALL
)
DOCUMENT_FAULTS: tuple[str, ...] = (*_DOCUMENTS, *_SIZED)
AUDIO_FAULTS: tuple[str, ...] = tuple(_AUDIO)
_ALWAYS = 1_000_000_000


class FaultSwitches:
    """The faults that are on, with their arguments and counts."""

    def __init__(self, wanted: Iterable[str]) -> None:
        self._on = _parsed(wanted)
        self._lock = threading.Lock()
        self._strikes: dict[tuple[str, str], int] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The faults that are on, sorted."""
        return tuple(sorted(self._on))

    def on(self, name: str) -> bool:
        """Whether a fault is on."""
        return name in self._on

    def argument(self, name: str, default: int) -> int:
        """The number given with a fault, or the default."""
        given = self._on.get(name)
        return default if given is None else given

    def strikes(self, name: str, resource: str, default: int = 1) -> bool:
        """Whether the fault applies this time: the first N times per resource (its argument, else ``default``)."""
        return 1 <= self.nth(name, resource) <= self.argument(name, default)

    def nth(self, name: str, resource: str) -> int:
        """Count one more request that the fault could affect. Return its number, 0 if the fault is off."""
        return self._count(name, resource) if name in self._on else 0

    def every(self, name: str, default: int) -> bool:
        """Whether the fault applies this time: every Nth request, for any resource."""
        occasion = self.nth(name, "")
        return occasion > 0 and occasion % max(1, self.argument(name, default)) == 0

    def spoils(self, name: str, resource: str) -> bool:
        """Whether a document fault applies: always, or with an argument to the first N deliveries."""
        return self.strikes(name, resource, default=_ALWAYS)

    def _count(self, name: str, resource: str) -> int:
        with self._lock:
            count = self._strikes.get((name, resource), 0) + 1
            self._strikes[name, resource] = count
            return count


def _parsed(wanted: Iterable[str]) -> dict[str, int | None]:
    on: dict[str, int | None] = {}
    for text in sorted(wanted):
        name, _, argument = text.partition("=")
        if name not in FAULTS:
            raise ValueError(f"unknown fault {name!r}; known: {', '.join(sorted(FAULTS))}")
        on[name] = _fault_number(name, argument) if argument else None
    if on.pop("all", 0) is None:
        on |= {name: on.get(name) for name in _RECOVERABLE}
    return on


def _fault_number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"fault {name!r} takes a whole number, not {text!r}")
    return int(text)
