"""Any address of a transcript (a presigned link somebody was given, say) -> a spool. Never sees a token."""

from __future__ import annotations

from pathlib import Path

from turnkeeper.clock import Clock, SystemClock
from turnkeeper.errors import LinkExpired
from turnkeeper.events import Listener, silent
from turnkeeper.genesys.download import Downloads
from turnkeeper.genesys.http import Http
from turnkeeper.genesys.redaction import where
from turnkeeper.genesys.retry import RetryPolicy
from turnkeeper.settings import PlatformSettings
from turnkeeper.spool import Spool

__all__ = ["download"]


async def download(
    url: str,
    settings: PlatformSettings | None = None,
    *,
    clock: Clock | None = None,
    listener: Listener = silent,
    spool_folder: Path | None = None,
) -> Spool:
    """The body behind an address, resumed where it breaks off and checked against its length. The caller closes it.

    Raises ``LinkExpired`` (nobody can be asked for a fresh address here), ``NotFound``, ``Incomplete``, ``Unavailable``
    or ``DiskFull``.
    """
    settings, clock = settings or PlatformSettings.from_environment(), clock or SystemClock()

    async def renew() -> str:
        raise LinkExpired(
            "the address is no longer honoured",
            operation="download",
            key=where(url),
            hint="Ask for a fresh one, or let `turnkeeper get` fetch the conversation: it renews links by itself.",
        )

    http = Http(settings)
    try:
        patience = RetryPolicy(settings.retry, clock, listener)
        downloads = Downloads(http, patience, settings.retry, clock, listener, spool_folder, body=settings.body)
        return await downloads.fetch(url, renew, key=where(url))
    finally:
        await http.close()
