"""``/speechandtextanalytics/…/transcripturl``: one file per communication, each behind a presigned link of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from turnkeeper.errors import (
    Denied,
    Incomplete,
    LinkExpired,
    NotFound,
    NotReady,
    Retriable,
    Skippable,
    TooLarge,
    TurnkeeperError,
    Unavailable,
    Unread,
)
from turnkeeper.events import Absent, Fetched, Listener
from turnkeeper.genesys.api import Api, ApiCall, off_the_loop
from turnkeeper.genesys.download import Downloads
from turnkeeper.genesys.redaction import plain
from turnkeeper.genesys.results import FoundTranscripts, PendingTranscripts, TranscriptBody
from turnkeeper.ids import is_id
from turnkeeper.payloads.details import Details
from turnkeeper.payloads.document_secrets import spool_without_secrets
from turnkeeper.payloads.transcript_link import EMPTY, is_empty, read_link

__all__ = ["SpeechTranscripts", "candidates"]

_DIGITAL = frozenset({"message", "internalmessage", "chat", "email"})
# Sessions of these have metadata only, so each ask would cost a request for nothing.
_SILENT = frozenset({"cobrowse", "screenshare", "screenmonitoring"})


@dataclass
class _Outcome:
    """The answers for the communications of one conversation, while they are asked for one by one."""

    bodies: list[TranscriptBody] = field(default_factory=list)
    absent: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, Retriable | TooLarge]] = field(default_factory=list)
    denied: Denied | None = None
    unready: bool = False

    def close(self) -> None:
        for body in self.bodies:
            body.spool.close()


class SpeechTranscripts:
    """Asks for each communication's link and downloads the file at once, because a link lives ten minutes."""

    def __init__(self, api: Api, downloads: Downloads, listener: Listener, folder: Path | None = None) -> None:
        self._folder = folder
        self._api = api
        self._downloads = downloads
        self._listener = listener

    async def ask(
        self, conversation: str, details: Details, only: Collection[str] | None = None
    ) -> FoundTranscripts | PendingTranscripts:
        """Ask once for every communication that may have a transcript, or for those in ``only``.

        All recorded and digital ones are asked for first, because after a transfer the second agent's leg has a file of
        its own; the others only where those gave nothing. A link that is not ready, and a file without any transcript
        in it, count as absent. A leg that fails does not cost the others. Where no file came, raises the error of the
        first leg that failed, or ``Denied`` where a permission is missing.
        """
        # Sorted, because a set has another order in each process, and two runs should report the same.
        likely, others = candidates(details) if only is None else (sorted(only), ())
        outcome = _Outcome()
        try:
            await self._fetch_each(conversation, likely, outcome)
            if not outcome.bodies and not outcome.failed and outcome.denied is None:
                await self._fetch_each(conversation, others, outcome)
        except BaseException:
            outcome.close()
            raise
        if not outcome.bodies:
            if outcome.failed:
                raise outcome.failed[0][1]
            if outcome.denied is not None:
                raise outcome.denied
            empty = any(reason == EMPTY for _, reason in outcome.absent)
            status = "an empty transcript" if empty else "in the making" if outcome.unready else "no transcript"
            return PendingTranscripts(status, answered=outcome.unready, absent=tuple(outcome.absent))
        for communication, reason in outcome.absent:
            self._listener(Absent(conversation=conversation, communication=communication, reason=reason))
        return FoundTranscripts("speech", tuple(outcome.bodies), tuple(outcome.absent), tuple(outcome.failed))

    async def _fetch_each(self, conversation: str, communications: Iterable[str], outcome: _Outcome) -> None:
        for communication in communications:
            try:
                body = await self._fetch_body(conversation, communication)
                # With the same file for two legs, every turn would stand in the transcript twice.
                if any(body.spool.sha256 == other.spool.sha256 for other in outcome.bodies):
                    body.spool.close()
                    raise NotReady("its link leads to the file of another communication")
                outcome.bodies.append(body)
            except NotReady as cause:
                outcome.unready = True
                outcome.absent.append((communication, cause.message))
            except Denied as cause:
                outcome.denied = outcome.denied or cause
                outcome.absent.append((communication, _stable_reason(cause)))
            except NotFound as cause:
                outcome.absent.append((communication, _stable_reason(cause)))
            except (LinkExpired, Incomplete, Unavailable, TooLarge) as cause:
                outcome.failed.append((communication, cause))
                if sum(isinstance(failure, Retriable) for _, failure in outcome.failed) > 1:
                    # One leg may fail by itself. With two, the platform is down, and each further leg would be
                    # retried as long before it fails as well.
                    return
            except Unread:
                raise
            except Skippable as cause:
                # The platform refuses this id although it is well-formed; that must not stop the other legs.
                outcome.absent.append((communication, _stable_reason(cause)))

    async def _fetch_body(self, conversation: str, communication: str) -> TranscriptBody:
        if not is_id(communication):
            raise NotFound("not an id", operation="transcript link", key=plain(communication, 140))
        link = partial(self._fresh_link, conversation, communication)
        spool = await self._downloads.fetch(await link(), link, key=f"{conversation}/{communication}")
        if is_empty(spool):
            spool.close()
            raise NotReady(EMPTY)
        source = f"speech/{communication}"
        self._listener(Fetched(conversation=conversation, source=source, size=spool.size, dialect="speech"))
        try:
            spool = await off_the_loop(spool.size, partial(spool_without_secrets, spool, self._folder))
        except BaseException:
            spool.close()
            raise
        return TranscriptBody(spool, communication, source)

    async def _fresh_link(self, conversation: str, communication: str) -> str:
        home = f"/api/v2/speechandtextanalytics/conversations/{conversation}/communications/{communication}"
        call = ApiCall(
            "transcript link", f"{home}/transcripturl", f"{conversation}/{communication}", means_pending=True
        )
        url = await self._api.read(call, lambda body: read_link(body, call.operation, call.key) if body.size else "")
        if not url:
            raise NotReady("not ready: the platform is still making its link")
        return url


def _stable_reason(cause: TurnkeeperError) -> str:
    """Why a leg is absent, without the platform's id of one answer: reports of two runs should be the same."""
    return cause.message.split("; context ", maxsplit=1)[0]


def candidates(details: Details) -> tuple[Sequence[str], Sequence[str]]:
    """Communications that are recorded or digital, and the rest; the likeliest first, each once."""
    likely: dict[str, None] = {}
    others: dict[str, None] = {}
    for session in details.communications():
        if session.recorded or session.media_type in _DIGITAL:
            likely[session.id] = None
        elif session.media_type not in _SILENT:
            others[session.id] = None
    return list(likely), [name for name in others if name not in likely]
