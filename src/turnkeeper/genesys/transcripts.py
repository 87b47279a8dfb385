"""Fetch one conversation's transcripts in the dialect that the platform speaks, and wait while they are being made."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from turnkeeper.clock import Clock
from turnkeeper.errors import Denied, NotFound, NotReady
from turnkeeper.events import Listener, Waiting
from turnkeeper.genesys.api import Api
from turnkeeper.genesys.download import Downloads
from turnkeeper.genesys.endpoints.media_transcripts import MediaTranscripts
from turnkeeper.genesys.endpoints.speech_transcripts import SpeechTranscripts
from turnkeeper.genesys.results import FoundTranscripts, PendingTranscripts
from turnkeeper.ids import check_id
from turnkeeper.payloads.details import Details
from turnkeeper.settings import Api as ApiChoice

__all__ = ["KnownDialects", "Transcripts"]

_Dialect = Literal["speech", "media"]

_FRESH_MS = 24 * 3600 * 1000
_USUAL_WAIT_S = 120.0
_REASONS = (
    "The platform answers 404 to all of these: never transcribed, not transcribed yet (hours, at times days), past its "
    "retention, in a division this client cannot see. Ask again later, or look at the recording in the platform."
)
_LATER = "Ask again later, or wait longer (--wait)."


@dataclass
class KnownDialects:
    """The dialects in which this platform has answered in this run.

    Until a dialect is known to be spoken here, a 404 in it proves nothing.
    """

    gateway: bool
    known: set[_Dialect] = field(default_factory=set)

    def order(self, api: ApiChoice) -> tuple[_Dialect, ...]:
        """The dialects to ask, the likeliest first: a gateway has the media endpoint, the platform itself has not."""
        if api != "auto":
            return (api,)
        usual: tuple[_Dialect, _Dialect] = ("media", "speech") if self.gateway else ("speech", "media")
        return usual if usual[0] in self.known or usual[1] not in self.known else (usual[1], usual[0])


class Transcripts:
    """Fetches transcripts, and remembers which dialects this platform speaks."""

    def __init__(
        self,
        api: Api,
        downloads: Downloads,
        dialects: KnownDialects,
        clock: Clock,
        listener: Listener,
        folder: Path | None = None,
    ) -> None:
        self._speech = SpeechTranscripts(api, downloads, listener, folder)
        self._media = MediaTranscripts(api, downloads, listener, folder)
        self._dialects = dialects
        self._clock = clock
        self._listener = listener

    async def fetch(
        self,
        conversation: str,
        details: Details | None,
        *,
        api: ApiChoice,
        wait_seconds: float | None,
        poll_seconds: float,
    ) -> FoundTranscripts:
        """Fetch all transcripts of one conversation.

        The platform is asked every ``poll_seconds`` for up to ``wait_seconds``. Where that is None, it is asked for up
        to two minutes, and only while it says that the transcript is being made, or says nothing about a conversation
        that ended less than a day ago. ``details`` is None where the platform knows none.

        Raises ``NotReady`` (not made yet, or never will be), ``NotFound`` (neither details nor transcript), ``Denied``,
        ``LinkExpired``, ``Throttled``, ``Unavailable``, ``DiskFull``, and ``Misconfigured`` for a malformed id.
        """
        check_id(conversation)
        began = self._clock.monotonic()
        fresh = self._ended_recently(details)
        limit = _USUAL_WAIT_S if wait_seconds is None else wait_seconds
        pauses = 0
        while True:
            result = await self._ask_dialects(conversation, details, api, fresh=fresh)
            if isinstance(result, FoundTranscripts):
                return result
            # Neither analytics nor the transcripts know the id, so waiting brings nothing.
            if details is None and not result.answered:
                why = "the platform knows no such conversation"
                raise NotFound(why, operation="get", key=conversation, hint=_UNKNOWN)
            waited = self._clock.monotonic() - began
            if waited >= limit or not (result.answered or fresh or wait_seconds is not None):
                raise _not_ready(conversation, result, waited if pauses else 0, poll_seconds)
            # The last request falls on the deadline, not beyond it.
            pause = min(poll_seconds, limit - waited)
            self._listener(Waiting(conversation=conversation, status=result.status, wait=pause))
            await self._clock.sleep(pause)
            pauses += 1

    async def ask(
        self,
        conversation: str,
        details: Details | None,
        *,
        api: ApiChoice,
        communications: Collection[str] | None = None,
        last: bool = False,
    ) -> FoundTranscripts | PendingTranscripts:
        """Ask once, without waiting, for callers that ask again by a schedule of their own.

        ``communications`` limits the speech dialect to these. An empty transcript may be replaced by a full one later,
        however old the conversation is, so it counts as a result only when the caller says that this is the ``last``
        time. Raises what ``fetch`` does, except ``NotReady``.
        """
        check_id(conversation)
        return await self._ask_dialects(conversation, details, api, communications, fresh=not last)

    async def _ask_dialects(
        self,
        conversation: str,
        details: Details | None,
        api: ApiChoice,
        only: Collection[str] | None = None,
        *,
        fresh: bool,
    ) -> FoundTranscripts | PendingTranscripts:
        """Ask in one dialect after the other, until one answers or one that is known to be spoken here says no."""
        last: FoundTranscripts | PendingTranscripts = PendingTranscripts("no transcript", answered=False)
        denied: Denied | None = None
        for dialect in self._dialects.order(api):
            try:
                last = await self._ask_one(dialect, conversation, details, only, fresh=fresh)
            except Denied as cause:
                if dialect in self._dialects.known or api != "auto":
                    raise
                # Some gateways answer 403 for a path that they do not have, so the other dialect is asked too. The
                # platform itself has no media endpoint, so its 403 there says nothing about permissions.
                if dialect == "speech" or self._dialects.gateway:
                    denied = denied or cause
                continue
            if isinstance(last, FoundTranscripts) or last.answered:
                self._dialects.known.add(dialect)
                return last
            # Here a 404 means that there is no transcript, and the other dialect would cost a request for nothing.
            if dialect in self._dialects.known:
                return last
        if denied is not None:
            raise denied
        return last

    async def _ask_one(
        self,
        dialect: _Dialect,
        conversation: str,
        details: Details | None,
        only: Collection[str] | None,
        *,
        fresh: bool,
    ) -> FoundTranscripts | PendingTranscripts:
        if dialect == "media":
            return await self._media.ask(conversation, fresh=fresh)
        if details is None:
            # Only the details name the communications that this dialect asks for.
            return PendingTranscripts("no details", answered=False)
        return await self._speech.ask(conversation, details, only)

    def _ended_recently(self, details: Details | None) -> bool:
        # A call that still goes on, or of which nothing is known, may get its transcript yet.
        if details is None or details.end is None:
            return True
        return self._clock.now().timestamp() * 1000 - details.end < _FRESH_MS


def _not_ready(conversation: str, result: PendingTranscripts, waited: float, poll_seconds: float) -> NotReady:
    after = f" after {waited:.0f} s" if waited else ""
    message = (
        f"not ready: still {result.status}{after}"
        if result.answered
        else f"not ready: no transcript{after or ' (yet)'}"
    )
    hint = _LATER if result.answered else _REASONS
    return NotReady(message, operation="get", key=conversation, hint=hint, retry_after=poll_seconds)


_UNKNOWN = "Check the conversation's id and the region; it may also lie in a division that this client cannot see."
