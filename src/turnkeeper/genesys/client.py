"""The client of one organisation of Genesys Cloud, composed of the other modules of this package."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Self

from turnkeeper.clock import Clock, SystemClock
from turnkeeper.errors import Defect, Denied, Skippable, foreign_as_defect
from turnkeeper.events import Listener, Noted, silent
from turnkeeper.genesys.api import Api, ApiCall, PermissionProbe
from turnkeeper.genesys.auth import Tokens
from turnkeeper.genesys.download import Downloads
from turnkeeper.genesys.endpoints.details_by_id import DetailsById
from turnkeeper.genesys.endpoints.details_jobs import DetailsJobs
from turnkeeper.genesys.endpoints.details_query import DetailsQuery
from turnkeeper.genesys.endpoints.directory import Directory, DirectoryKind, DirectoryListing, Names
from turnkeeper.genesys.endpoints.recordings import RecordingFetcher
from turnkeeper.genesys.endpoints.transcript_search import TranscriptListing, TranscriptSearch
from turnkeeper.genesys.filters import Filters
from turnkeeper.genesys.http import Http, Transport
from turnkeeper.genesys.interval import Interval
from turnkeeper.genesys.link_rules import LinkRules, is_loopback
from turnkeeper.genesys.pool import Pool, Quota
from turnkeeper.genesys.regions import DEFAULT_REGION, Hosts, from_base_url, resolve
from turnkeeper.genesys.results import FoundTranscripts, PendingTranscripts
from turnkeeper.genesys.retry import RetryPolicy
from turnkeeper.genesys.transcripts import KnownDialects, Transcripts
from turnkeeper.payloads.details import Details
from turnkeeper.payloads.details_page import DetailsPage
from turnkeeper.payloads.token import read_organisation_id
from turnkeeper.settings import Api as ApiChoice
from turnkeeper.settings import ClientSettings, PlatformSettings
from turnkeeper.spool import Spool

__all__ = ["Genesys"]


class Genesys:
    """One organisation of Genesys Cloud, or a gateway with the same API. Use it as an async context manager.

    ``settings`` come from the environment where they are not given. ``transport`` and ``clock`` replace sockets and
    waiting in tests. ``listener`` receives the events. ``spool_folder`` is where large bodies are buffered (by default
    the system's folder for temporary files). ``hosts`` holds the addresses in use; ``recordings`` fetches audio (see
    ``RecordingFetcher.fetch``).

    Every method may raise ``Misconfigured``, ``Denied``, ``Throttled``, ``Unavailable`` and ``DiskFull``; other errors
    are listed with each. The caller closes the spools that it gets.
    """

    def __init__(
        self,
        settings: PlatformSettings | None = None,
        *,
        transport: Transport | None = None,
        clock: Clock | None = None,
        listener: Listener = silent,
        spool_folder: Path | None = None,
    ) -> None:
        self._settings = settings or PlatformSettings.from_environment()
        self.hosts = _hosts_of(self._settings, listener)
        clock = clock or SystemClock()
        retry = self._settings.retry
        policy = RetryPolicy(retry, clock, listener)
        self._http = Http(self._settings, transport)
        # Separate connections and cookies, so that nothing that the platform sets is sent to storage.
        self._storage = Http(self._settings, transport)
        self._pool = _pool_of(self._settings, self.hosts, self._http, policy, clock, listener)
        body, links = self._settings.body, LinkRules(self.hosts.api, self._settings.allow_hosts)
        self._downloads = Downloads(self._storage, policy, retry, clock, listener, spool_folder, body=body, links=links)
        self._api = Api(self._http, self._pool, self.hosts, policy, self._downloads, clock, spool_folder, body)
        self._by_id = DetailsById(self._api, spool_folder)
        self._query = DetailsQuery(self._api)
        self._jobs = DetailsJobs(self._api, clock, listener)
        self._directory = Directory(self._api, clock, spool_folder)
        self._search = TranscriptSearch(self._api, clock, listener)
        self._transcripts = Transcripts(
            self._api, self._downloads, KnownDialects(self.hosts.gateway), clock, listener, spool_folder
        )
        self.recordings = RecordingFetcher(self._api, self._downloads, clock, listener, spool_folder)

    @property
    def requests(self) -> int:
        """Requests sent so far to the API and for tokens, repeats included."""
        return self._api.requests + self._pool.requests

    @property
    def downloads(self) -> int:
        """Requests sent so far to storage, repeats included. They do not count against the rate limit."""
        return self._downloads.requests

    @property
    def quota(self) -> Quota | None:
        """The rate limits of all clients together; None before the platform has named one."""
        return self._pool.quota

    async def rest(self) -> None:
        """Close idle connections, before a time in which no requests are sent."""
        await self._http.close_idle()
        await self._storage.close_idle()

    async def organisation(self) -> str:
        """The id of the organisation that the clients belong to; empty where a gateway does not say.

        Raises ``Unavailable`` where the platform itself answers without one.
        """
        call = ApiCall("organisation", "/api/v2/organizations/me")
        read = partial(read_organisation_id, operation=call.operation, optional=self.hosts.gateway)
        try:
            with foreign_as_defect(call.operation):
                return await self._api.read(call, read)
        # Also ``Skippable``, and must not pass for a gateway that names no organisation.
        except Defect:
            raise
        except (Denied, Skippable):
            return ""

    async def details(self, conversation: str) -> Spool:
        """The conversation's analytics details, byte for byte but without secrets. Raises ``NotFound``."""
        with foreign_as_defect("details", conversation):
            return await self._by_id.details(conversation)

    async def conversations(
        self, interval: Interval, wanted: Filters, *, descending: bool = False
    ) -> AsyncGenerator[DetailsPage, None]:
        """Pages of the conversations that started on a day that the interval touches; see ``DetailsQuery.pages``."""
        with foreign_as_defect("details query", str(interval)):
            async with aclosing(self._query.pages(interval, wanted, descending=descending)) as pages:
                async for page in pages:
                    yield page

    async def job(self, interval: Interval, wanted: Filters) -> AsyncGenerator[DetailsPage, None]:
        """Pages of the conversations with activity in the interval, by a job; see ``DetailsJobs.pages``."""
        with foreign_as_defect("details job", str(interval)):
            async with aclosing(self._jobs.pages(interval, wanted)) as pages:
                async for page in pages:
                    yield page

    async def available(self) -> datetime:
        """Up to when jobs are complete; see ``DetailsJobs.available``."""
        with foreign_as_defect("job availability"):
            return await self._jobs.available()

    async def conversation_page(self, interval: Interval, wanted: Filters, size: int) -> DetailsPage:
        """The first ``size`` conversations, and the total of all."""
        with foreign_as_defect("details query", str(interval)):
            return await self._query.page(interval, wanted, size=size)

    async def several(self, ids: Sequence[str]) -> DetailsPage:
        """The conversations behind at most a hundred ids; see ``DetailsById.several``."""
        with foreign_as_defect("details by id", f"{len(ids)} ids"):
            return await self._by_id.several(ids)

    async def listed(self, interval: Interval, worth: int) -> TranscriptListing | None:
        """The communications that have a transcript; see ``TranscriptSearch.listed``."""
        with foreign_as_defect("transcript search", str(interval)):
            return await self._search.listed(interval, worth)

    async def transcripts(
        self,
        conversation: str,
        details: Details | None = None,
        *,
        api: ApiChoice | None = None,
        wait_seconds: float | None = None,
    ) -> FoundTranscripts:
        """All transcripts of one conversation; see ``Transcripts.fetch`` for waiting and errors.

        Without ``details`` only the media dialect can be asked: the speech one needs the communications' ids.
        """
        settings = self._settings
        with foreign_as_defect("get", conversation):
            return await self._transcripts.fetch(
                conversation,
                details,
                api=api or settings.api,
                wait_seconds=settings.wait_seconds if wait_seconds is None else wait_seconds,
                poll_seconds=settings.poll_seconds,
            )

    async def ask(
        self,
        conversation: str,
        details: Details | None,
        communications: Collection[str] | None = None,
        *,
        last: bool = False,
    ) -> FoundTranscripts | PendingTranscripts:
        """Ask once for a conversation's transcripts, without waiting; see ``Transcripts.ask``."""
        api = self._settings.api
        with foreign_as_defect("ask", conversation):
            return await self._transcripts.ask(conversation, details, api=api, communications=communications, last=last)

    async def names(self, kind: DirectoryKind, ids: Collection[str]) -> Names:
        """The names of users, queues or wrap-up codes by id, and the platform's answer; see ``Directory.names``."""
        with foreign_as_defect(f"names of {kind}"):
            return await self._directory.names(kind, ids)

    async def directory(self, kind: DirectoryKind) -> DirectoryListing:
        """The names of all users, queues or wrap-up codes as of today; see ``Directory.listing``."""
        with foreign_as_defect(f"names of {kind}"):
            return await self._directory.listing(kind)

    async def probe(self, path: str, method: str = "GET", json: object = None) -> PermissionProbe:
        """Send one request once. A refusal is a result, not an error. ``path`` begins with ``/api/v2``."""
        with foreign_as_defect("probe", path.split("?", maxsplit=1)[0]):
            return await self._api.probe(
                ApiCall("probe", path, path.split("?", maxsplit=1)[0], method=method, json=json)
            )

    async def token_probe(self) -> None:
        """Fetch each client's token. Raises ``Misconfigured``, ``Denied`` or ``Unavailable`` where there is none."""
        with foreign_as_defect("get a token"):
            await self._pool.sign_in()

    async def close(self) -> None:
        """Close every connection."""
        await self._http.close()
        await self._storage.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


def _hosts_of(settings: PlatformSettings, listener: Listener) -> Hosts:
    if settings.base_url:
        hosts = from_base_url(settings.base_url)
        if hosts.api.startswith("http://") and not is_loopback(hosts.domain):
            note = f"{hosts.api} is asked by plain http: credentials, tokens and transcripts can be read on the way"
            listener(Noted(note=note))
        return hosts
    if not settings.region:
        listener(Noted(note=f"no region was named: using {DEFAULT_REGION} (set GENESYS_REGION or --region)"))
    return resolve(settings.region)


def _pool_of(
    settings: PlatformSettings, hosts: Hosts, http: Http, policy: RetryPolicy, clock: Clock, listener: Listener
) -> Pool:
    clients = [
        Tokens(client, hosts, http, policy, clock, listener, partial(_reread, settings.reread, number))
        for number, client in enumerate(settings.every_client)
    ]
    return Pool(clients, clock, listener)


def _reread(source: Callable[[], PlatformSettings] | None, number: int) -> ClientSettings | None:
    """The same client's credentials as their source holds them now."""
    clients = source().every_client if source is not None else ()
    return clients[number] if number < len(clients) else None
