"""Names of people, queues and wrap-up codes: they cannot be fetched later, so they are kept with the calls.

They only decorate. Whatever fails about them is a note in the manifest, and costs no transcript.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack

import anyio
import anyio.to_thread

from turnkeeper.archive.archive import FetchedBody
from turnkeeper.errors import Defect, Denied, Fatal, TurnkeeperError
from turnkeeper.genesys.client import Genesys
from turnkeeper.genesys.endpoints.directory import DirectoryKind
from turnkeeper.payloads.details import Details
from turnkeeper.payloads.document_secrets import spool_without_secrets
from turnkeeper.spool import Spool

__all__ = ["DirectoryCache", "Names", "ids_of", "names_of", "no_names"]

Names = tuple[Sequence[FetchedBody], Sequence[str]]
"""Lists of names to keep, and notes about those that are missing."""

_KINDS: tuple[DirectoryKind, ...] = ("users", "queues", "wrapups")


def ids_of(details: Details | None) -> Mapping[DirectoryKind, Collection[str]]:
    """Whose names one conversation needs."""
    if details is None:
        return {}
    return {"users": details.user_ids, "queues": details.queue_ids, "wrapups": details.wrap_up_codes}


async def names_of(
    platform: Genesys, ids: Mapping[DirectoryKind, Collection[str]] | None, spools: ExitStack
) -> tuple[list[FetchedBody], list[str]]:
    """Lists of names to keep, and notes about those that are missing.

    ``ids`` says whose names are asked for; None asks for the whole directory, which is cheaper for many conversations.
    ``spools`` closes what arrived. Raises only what ends a run (``Fatal``, except that names are denied).
    """
    arrived: list[FetchedBody] = []
    notes: list[str] = []
    for kind in _KINDS:
        wanted = None if ids is None else ids.get(kind, ())
        if wanted is not None and not wanted:
            continue
        try:
            body, note = await _listed(platform, kind, wanted)
        except Denied as cause:
            note, body = f"names of {kind} are missing: {cause.message}", None
        except Fatal:
            raise
        except TurnkeeperError as cause:
            note, body = f"names of {kind} are missing: {type(cause).__name__}: {cause.message}", None
        except Exception as cause:
            note, body = f"names of {kind} are missing: {Defect.of(cause).message}", None
        if note:
            notes.append(note)
        if body is not None:
            arrived.append(FetchedBody(spools.enter_context(body), f"directory/{kind}"))
    return arrived, notes


async def no_names() -> Names:
    """For those who keep none."""
    return (), ()


class DirectoryCache:
    """The whole directories, asked for when the first conversation needs them: a run with nothing to keep asks for
    none."""

    def __init__(self, platform: Genesys) -> None:
        self._platform = platform
        self._found: Names | None = None
        self._asking = anyio.Lock()
        self._spools = ExitStack()

    async def get(self) -> Names:
        """Raises what ``names_of`` raises."""
        async with self._asking:
            if self._found is None:
                self._found = await names_of(self._platform, None, self._spools)
        return self._found

    def close(self) -> None:
        """Let go of the lists."""
        self._found = None
        self._spools.close()


async def _listed(platform: Genesys, kind: DirectoryKind, ids: Collection[str] | None) -> tuple[Spool | None, str]:
    """One list of names as a body, or a note why there is none."""
    if ids is not None:
        return (await platform.names(kind, ids)).body, ""
    listing = await platform.directory(kind)
    if not listing.body:
        return None, listing.note
    spool = Spool()
    spool.write(listing.body)
    return await anyio.to_thread.run_sync(spool_without_secrets, spool.seal()), listing.note
