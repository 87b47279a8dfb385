"""One conversation's transcripts, in whichever dialect this platform speaks, waiting while they are being made."""

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
from turnkeeper.genesys.results import FoundTranscripts, PendingTranscripts, TranscriptBody
from turnkeeper.ids import check_id
from turnkeeper.payloads.details import Details
from turnkeeper.settings import Api as ApiChoice

__all__ = ["Dialects", "FoundTranscripts", "TranscriptBody", "Transcripts"]

Spoken = Literal["speech", "media"]

_FRESH_MS = 24 * 3600 * 1000
_USUAL_WAIT_S = 120.0
_REASONS = (
    "The platform answers 404 to all of these: never transcribed, not transcribed yet (hours, at times days), past its "
    "retention, in a division this client cannot see. Ask again later, or look at the recording in the platform."
)
_LATER = "Ask again later, or wait longer (--wait)."


@dataclass
class Dialects:
    """Which dialects this platform answered in, in this run. Until one answered, its 404 proves nothing."""

    gateway: bool
    known: set[Spoken] = field(default_factory=set)

    def order(self, api: ApiChoice) -> tuple[Spoken, ...]:
        """Whom to ask, the likeliest first: a gateway has the media endpoint, the platform itself has not."""
        if api != "auto":
            return (api,)
        usual: tuple[Spoken, Spoken] = ("media", "speech") if self.gateway else ("speech", "media")
        return usual if usual[0] in self.known or usual[1] not in self.known else (usual[1], usual[0])


class Transcripts:
    """Fetches transcripts; remembers which dialects this platform speaks."""

    def __init__(
        self,
        api: Api,
        downloads: Downloads,
        dialects: Dialects,
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
        """Every transcript there is of one conversation.

        Asked again every ``poll_seconds`` for up to ``wait_seconds``. Where that is None, for up to two minutes, while
        the platform says that it is being made, or, where it says nothing, while the conversation ended less than a
        day ago. ``details`` is None where the platform knows none.

        Raises ``NotReady`` (not made yet, or never will be), ``NotFound`` (neither details nor transcript), ``Denied``,
        ``LinkExpired``, ``Throttled``, ``Unavailable``, ``DiskFull``, ``Misconfigured`` for a malformed id.
        """
        check_id(conversation)
        began = self._clock.monotonic()
        fresh = self._fresh(details)
        limit = _USUAL_WAIT_S if wait_seconds is None else wait_seconds
        pauses = 0
        while True:
            met = await self._round(conversation, details, api, fresh=fresh)
            if isinstance(met, FoundTranscripts):
                return met
            if details is None and not met.answered:
                why = "the platform knows no such conversation"
                raise NotFound(why, operation="get", key=conversation, hint=_UNKNOWN)
            waited = self._clock.monotonic() - began
            if waited >= limit or not (met.answered or fresh or wait_seconds is not None):
                raise _not_ready(conversation, met, waited if pauses else 0, poll_seconds)
            pause = min(poll_seconds, limit - waited)
            self._listener(Waiting(conversation=conversation, status=met.status, wait=pause))
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
        """One ask, no waiting: for those who come back later by a plan of their own.

        ``communications`` limits the speech dialect to these. An empty transcript, however old the conversation is, may
        be a first answer that another follows, so it is found only by the ``last`` ask. Raises what ``fetch`` does,
        except ``NotReady``.
        """
        check_id(conversation)
        return await self._round(conversation, details, api, communications, fresh=not last)

    async def _round(
        self,
        conversation: str,
        details: Details | None,
        api: ApiChoice,
        only: Collection[str] | None = None,
        *,
        fresh: bool,
    ) -> FoundTranscripts | PendingTranscripts:
        """Ask the dialects in turn until one answers, or one that is known to be spoken here says no."""
        last: FoundTranscripts | PendingTranscripts = PendingTranscripts("no transcript", answered=False)
        denied: Denied | None = None
        for dialect in self._dialects.order(api):
            try:
                last = await self._ask(dialect, conversation, details, only, fresh=fresh)
            except Denied as cause:
                if dialect in self._dialects.known or api != "auto":
                    raise
                # Some answer 403 where they know no such path, so the other dialect is asked too; and the platform
                # itself has no media endpoint that could deny anything.
                if dialect == "speech" or self._dialects.gateway:
                    denied = denied or cause
                continue
            if isinstance(last, FoundTranscripts) or last.answered:
                self._dialects.known.add(dialect)
                return last
            if dialect in self._dialects.known:
                return last
        if denied is not None:
            raise denied
        return last

    async def _ask(
        self,
        dialect: Spoken,
        conversation: str,
        details: Details | None,
        only: Collection[str] | None,
        *,
        fresh: bool,
    ) -> FoundTranscripts | PendingTranscripts:
        if dialect == "media":
            return await self._media.ask(conversation, fresh=fresh)
        if details is None:
            return PendingTranscripts("no details", answered=False)
        return await self._speech.ask(conversation, details, only)

    def _fresh(self, details: Details | None) -> bool:
        if details is None or details.end is None:
            return True
        return self._clock.now().timestamp() * 1000 - details.end < _FRESH_MS


def _not_ready(conversation: str, met: PendingTranscripts, waited: float, poll_seconds: float) -> NotReady:
    after = f" after {waited:.0f} s" if waited else ""
    message = (
        f"not ready: still {met.status}{after}" if met.answered else f"not ready: no transcript{after or ' (yet)'}"
    )
    hint = _LATER if met.answered else _REASONS
    return NotReady(message, operation="get", key=conversation, hint=hint, retry_after=poll_seconds)


_UNKNOWN = "Check the conversation's id and the region; it may also lie in a division that this client cannot see."
