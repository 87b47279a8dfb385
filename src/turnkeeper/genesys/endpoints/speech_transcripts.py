"""The speech dialect: one file per communication, each behind a presigned link of its own."""

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
    TurnkeeperError,
    Unavailable,
    Unread,
)
from turnkeeper.events import Absent, Fetched, Listener
from turnkeeper.genesys.api import Api, ApiCall, decoded
from turnkeeper.genesys.download import Downloads
from turnkeeper.genesys.endpoints.conversations import is_id
from turnkeeper.genesys.redaction import plain
from turnkeeper.genesys.results import FoundTranscripts, PendingTranscripts, TranscriptBody
from turnkeeper.genesys.withheld import kept_form
from turnkeeper.payloads.decode_json import not_the_platforms
from turnkeeper.payloads.details import Details
from turnkeeper.payloads.empty_transcript import EMPTY, is_empty
from turnkeeper.spool import Spool

__all__ = ["SpeechTranscripts", "candidates"]

_DIGITAL = frozenset({"message", "internalmessage", "chat", "email"})
_SILENT = frozenset({"cobrowse", "screenshare", "screenmonitoring"})


@dataclass
class _Round:
    """What one walk over the communications met."""

    bodies: list[TranscriptBody] = field(default_factory=list)
    absent: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, Retriable]] = field(default_factory=list)
    denied: Denied | None = None
    unready: bool = False

    def close(self) -> None:
        for body in self.bodies:
            body.spool.close()


class SpeechTranscripts:
    """Asks ``transcripturl`` per communication and downloads at once, since a link lives ten minutes."""

    def __init__(self, api: Api, downloads: Downloads, listener: Listener, folder: Path | None = None) -> None:
        self._folder = folder
        self._api = api
        self._downloads = downloads
        self._listener = listener

    async def ask(
        self, conversation: str, details: Details, only: Collection[str] | None = None
    ) -> FoundTranscripts | PendingTranscripts:
        """One ask of every communication that may have a transcript, or of those in ``only``.

        A link that is not ready, and a file without any transcript in it, count as absent: they are asked for again.

        Recorded and digital ones first, all of them: after a transfer the second agent's leg has a file of its own. The
        others only where those gave nothing. A leg that fails does not cost those that came. Raises what failed where
        nothing came, and ``Denied`` where nothing came and a permission is missing.
        """
        likely, others = candidates(details) if only is None else (sorted(only), ())
        met = _Round()
        try:
            await self._walk(conversation, likely, met)
            if not met.bodies and not met.failed and met.denied is None:
                await self._walk(conversation, others, met)
        except BaseException:
            met.close()
            raise
        if not met.bodies:
            if met.failed:
                raise met.failed[0][1]
            if met.denied is not None:
                raise met.denied
            empty = any(reason == EMPTY for _, reason in met.absent)
            status = "an empty transcript" if empty else "in the making" if met.unready else "no transcript"
            return PendingTranscripts(status, answered=met.unready, absent=tuple(met.absent))
        for communication, reason in met.absent:
            self._listener(Absent(conversation=conversation, communication=communication, reason=reason))
        return FoundTranscripts("speech", tuple(met.bodies), tuple(met.absent), tuple(met.failed))

    async def _walk(self, conversation: str, communications: Iterable[str], met: _Round) -> None:
        for communication in communications:
            try:
                body = await self._body(conversation, communication)
                if any(body.spool.sha256 == other.spool.sha256 for other in met.bodies):
                    body.spool.close()
                    raise NotReady("its link leads to the file of another communication")
                met.bodies.append(body)
            except NotReady as cause:
                met.unready = True
                met.absent.append((communication, cause.message))
            except Denied as cause:
                met.denied = met.denied or cause
                met.absent.append((communication, _reason(cause)))
            except NotFound as cause:
                met.absent.append((communication, _reason(cause)))
            except Unread:
                raise
            except Skippable as cause:
                # A well-formed id that the platform does not like: the other legs are not to suffer.
                met.absent.append((communication, _reason(cause)))
            except (LinkExpired, Incomplete, Unavailable) as cause:
                met.failed.append((communication, cause))
                if len(met.failed) > 1:
                    return  # one leg's trouble is its own; with two, each of the others would be waited for as long

    async def _body(self, conversation: str, communication: str) -> TranscriptBody:
        if not is_id(communication):
            raise NotFound("not an id", operation="transcript link", key=plain(communication, 140))
        link = partial(self._link, conversation, communication)
        spool = await self._downloads.fetch(await link(), link, key=f"{conversation}/{communication}")
        if is_empty(spool):
            spool.close()
            raise NotReady(EMPTY)
        source = f"speech/{communication}"
        self._listener(Fetched(conversation=conversation, source=source, size=spool.size, dialect="speech"))
        try:
            spool = await kept_form(spool, self._folder)
        except BaseException:
            spool.close()
            raise
        return TranscriptBody(spool, communication, source)

    async def _link(self, conversation: str, communication: str) -> str:
        home = f"/api/v2/speechandtextanalytics/conversations/{conversation}/communications/{communication}"
        call = ApiCall(
            "transcript link", f"{home}/transcripturl", f"{conversation}/{communication}", means_pending=True
        )
        url = await self._api.read(call, lambda body: _url(body, call) if body.size else "")
        if not url:
            raise NotReady("not ready: the platform is still making its link")
        return url


def _url(body: Spool, call: ApiCall) -> str:
    found = decoded(body, call.operation, call.key)
    url = found.get("url") if isinstance(found, dict) else None
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise not_the_platforms("the answer holds no address", call.operation, call.key)
    return url


def _reason(cause: TurnkeeperError) -> str:
    """Why a leg has none, the same at every ask: the platform's id of one answer would make each run differ."""
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
    return list(likely), [one for one in others if one not in likely]
