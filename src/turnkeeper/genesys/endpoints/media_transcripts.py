"""The media dialect: one document per conversation, inline or behind a presigned link, with a status of its own."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Self

import anyio

from turnkeeper.errors import NotFound, Unavailable
from turnkeeper.events import Fetched, Listener
from turnkeeper.genesys.api import Api, ApiCall
from turnkeeper.genesys.download import Downloads
from turnkeeper.genesys.redaction import plain
from turnkeeper.genesys.results import FoundTranscripts, PendingTranscripts, TranscriptBody
from turnkeeper.genesys.withheld import WHOLE, kept_form
from turnkeeper.payloads.media_page import MediaPage, read_large_page, read_page, without_query
from turnkeeper.spool import Spool

__all__ = ["MediaTranscripts"]

_UNFINISHED = frozenset({"queued", "processing", "pending", "running", "in_progress", "inprogress", "started"})
_FINISHED = frozenset({"", "completed"})
"""A document without a status is finished. One with an unknown status (``failed``) and no turn says nothing."""
_OPERATION = "media transcript"
_SMALL = 1 << 20


class MediaTranscripts:
    """Asks ``/api/v2/conversations/media/{id}/transcripts``; gateways have it, the vendor's SDK does not list it."""

    def __init__(self, api: Api, downloads: Downloads, listener: Listener, folder: Path | None) -> None:
        self._api = api
        self._downloads = downloads
        self._listener = listener
        self._folder = folder

    async def ask(self, conversation: str, *, fresh: bool) -> FoundTranscripts | PendingTranscripts:
        """One ask. An empty transcript is unfinished while the conversation is ``fresh``, or its status unknown, and
        a transcript without turns later."""
        try:
            answer = await self._api.fetch(_call(conversation))
        except NotFound as cause:
            return PendingTranscripts(cause.message, answered=False)
        with _Closing(answer) as kept:
            if not answer.size:
                return PendingTranscripts("accepted", answered=True)
            page = await _read(answer)
            if page.status in _UNFINISHED:
                return PendingTranscripts(page.status, answered=True)
            if page.download_url:
                bodies = await self._linked(conversation, answer, page)
                page = await _read(bodies[-1].spool)
            else:
                bodies = [await self._kept(answer, page, "media")]
            kept.spools = [body.spool for body in bodies]
            if page.empty and (fresh or page.status not in _FINISHED):
                return PendingTranscripts(
                    "empty" if page.status in _FINISHED else plain(page.status, 40), answered=True
                )
            kept.spools.clear()
        for body in bodies:
            self._listener(
                Fetched(conversation=conversation, source=body.source, size=body.spool.size, dialect="media")
            )
        return FoundTranscripts("media", tuple(bodies))

    async def _linked(self, conversation: str, answer: Spool, page: MediaPage) -> list[TranscriptBody]:
        body = await self._downloads.fetch(page.download_url, partial(self._link, conversation), key=conversation)
        with _Closing(body) as kept:
            transcript = await self._kept(body, await _read(body), "media")
            kept.spools = [transcript.spool]
            metadata = await self._kept(answer, page, "media/metadata")
            kept.spools.clear()
        return [metadata, transcript]

    async def _link(self, conversation: str) -> str:
        """A fresh link; asking makes one."""
        with await self._api.fetch(_call(conversation)) as answer:
            page = await _read(answer)
        if not page.download_url:
            raise Unavailable("the answer no longer holds a link", operation=_OPERATION, key=conversation)
        return page.download_url

    async def _kept(self, body: Spool, page: MediaPage, source: str) -> TranscriptBody:
        metadata = source != "media"
        if page.links and body.size > WHOLE:
            body = await self._cut(body, page)
        return TranscriptBody(await kept_form(body, self._folder), None, source, metadata)

    async def _cut(self, body: Spool, page: MediaPage) -> Spool:
        """A large document without the queries of its outermost links."""
        clean = Spool(self._folder)
        with _Closing(clean) as kept:
            cut = await anyio.to_thread.run_sync(without_query, body, page.links, clean)
            kept.spools.clear()
        body.close()
        clean.withheld = ("downloadUrl query",) if cut else ()
        return clean


class _Closing:
    """Closes its spools at the end, unless somebody took them over by clearing the list."""

    def __init__(self, spool: Spool) -> None:
        self.spools = [spool]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for spool in self.spools:
            spool.close()


def _call(conversation: str) -> ApiCall:
    path = f"/api/v2/conversations/media/{conversation}/transcripts"
    return ApiCall(_OPERATION, path, conversation, means_pending=True, limit=None)


async def _read(body: Spool) -> MediaPage:
    with body.open() as reader:
        if body.size <= _SMALL:
            return read_page(reader)
        # Not on the loop that everybody else waits on.
        return await anyio.to_thread.run_sync(read_large_page, reader)
