"""``/conversations/media/{id}/transcripts``: one document per conversation, inline or behind a presigned link.

Gateways have this endpoint. The vendor's SDK does not list it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Self

from turnkeeper.errors import NotFound, Unavailable
from turnkeeper.events import Fetched, Listener
from turnkeeper.genesys.api import Api, ApiCall, off_the_loop
from turnkeeper.genesys.download import Downloads
from turnkeeper.genesys.redaction import plain
from turnkeeper.genesys.results import FoundTranscripts, PendingTranscripts, TranscriptBody
from turnkeeper.payloads.document_secrets import WHOLE, spool_without_secrets
from turnkeeper.payloads.media_page import MediaPage, read_large_page, read_page, without_query
from turnkeeper.spool import Spool

__all__ = ["MediaTranscripts"]

_UNFINISHED = frozenset({"queued", "processing", "pending", "running", "in_progress", "inprogress", "started"})
_FINISHED = frozenset({"", "completed"})
"""A document without a status is finished. One with another status (``failed``) and no turn proves nothing."""
_OPERATION = "media transcript"
_SMALL = 1 << 20


class MediaTranscripts:
    """Fetches transcripts of the media dialect."""

    def __init__(self, api: Api, downloads: Downloads, listener: Listener, folder: Path | None) -> None:
        self._api = api
        self._downloads = downloads
        self._listener = listener
        self._folder = folder

    async def ask(self, conversation: str, *, fresh: bool) -> FoundTranscripts | PendingTranscripts:
        """Ask once.

        A transcript without turns is unfinished while the conversation is ``fresh``, or where its status is unknown.
        Later it is a result: nobody spoke.
        """
        try:
            answer = await self._api.fetch(_call(conversation))
        except NotFound as cause:
            return PendingTranscripts(cause.message, answered=False)
        with _Closing(answer) as guard:
            if not answer.size:
                return PendingTranscripts("accepted", answered=True)
            page = await _read_page(answer)
            if page.status in _UNFINISHED:
                return PendingTranscripts(page.status, answered=True)
            if page.download_url:
                bodies = await self._fetch_linked(conversation, answer, page)
                page = await _read_page(bodies[-1].spool)
            else:
                bodies = [await self._transcript_body(answer, page, "media")]
            guard.spools = [body.spool for body in bodies]
            # A gateway may give an empty document before the full one, and one without turns for a failure.
            if page.empty and (fresh or page.status not in _FINISHED):
                return PendingTranscripts(
                    "empty" if page.status in _FINISHED else plain(page.status, 40), answered=True
                )
            guard.spools.clear()
        for body in bodies:
            self._listener(
                Fetched(conversation=conversation, source=body.source, size=body.spool.size, dialect="media")
            )
        return FoundTranscripts("media", tuple(bodies))

    async def _fetch_linked(self, conversation: str, answer: Spool, page: MediaPage) -> list[TranscriptBody]:
        body = await self._downloads.fetch(page.download_url, partial(self._fresh_link, conversation), key=conversation)
        with _Closing(body) as guard:
            transcript = await self._transcript_body(body, await _read_page(body), "media")
            guard.spools = [transcript.spool]
            metadata = await self._transcript_body(answer, page, "media/metadata")
            guard.spools.clear()
        return [metadata, transcript]

    async def _fresh_link(self, conversation: str) -> str:
        """A fresh link; asking makes one."""
        with await self._api.fetch(_call(conversation)) as answer:
            page = await _read_page(answer)
        if not page.download_url:
            raise Unavailable("the answer no longer holds a link", operation=_OPERATION, key=conversation)
        return page.download_url

    async def _transcript_body(self, body: Spool, page: MediaPage, source: str) -> TranscriptBody:
        metadata = source != "media"
        # Of a large document, the removal of secrets cuts only queries that look signed, so its links are cut before.
        if page.links and body.size > WHOLE:
            body = await self._without_link_queries(body, page)
        clean = await off_the_loop(body.size, partial(spool_without_secrets, body, self._folder))
        return TranscriptBody(clean, None, source, metadata)

    async def _without_link_queries(self, body: Spool, page: MediaPage) -> Spool:
        """A large document without the queries of its outermost links."""
        clean = Spool(self._folder)
        with _Closing(clean) as guard:
            clean.withheld = await off_the_loop(body.size, partial(without_query, body, page.links, clean))
            guard.spools.clear()
        body.close()
        return clean


class _Closing:
    """Closes its spools at the end. Clearing the list hands them over to the caller."""

    def __init__(self, spool: Spool) -> None:
        self.spools = [spool]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for spool in self.spools:
            spool.close()


def _call(conversation: str) -> ApiCall:
    path = f"/api/v2/conversations/media/{conversation}/transcripts"
    # The transcript may stand in the answer itself, so its size and time are those of a download.
    return ApiCall(_OPERATION, path, conversation, means_pending=True, limit=None)


async def _read_page(body: Spool) -> MediaPage:
    with body.open() as reader:
        return await off_the_loop(body.size, partial(read_page if body.size <= _SMALL else read_large_page, reader))
