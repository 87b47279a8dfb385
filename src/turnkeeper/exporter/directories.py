"""Names of people, queues and wrap-up codes. The platform forgets them, so they are archived with the calls.

They only decorate a transcript. Whatever fails about them is a note in the manifest and costs no transcript.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import anyio
import anyio.to_thread

from turnkeeper.archive.archive import FetchedBody
from turnkeeper.errors import Defect, Denied, Fatal, TurnkeeperError
from turnkeeper.genesys.client import Genesys
from turnkeeper.genesys.endpoints.directory import DirectoryKind
from turnkeeper.payloads.details import Details
from turnkeeper.payloads.document_secrets import spool_without_secrets
from turnkeeper.spool import Spool

__all__ = ["DirectoryCache", "NameLists", "ids_of", "names_of"]

_KINDS: tuple[DirectoryKind, ...] = ("users", "queues", "wrapups")


@dataclass(frozen=True)
class NameLists:
    """Lists of names to archive, and notes about those that are missing."""

    bodies: Sequence[FetchedBody] = ()
    notes: Sequence[str] = ()


def ids_of(details: Details | None) -> Mapping[DirectoryKind, Collection[str]]:
    """The ids whose names one conversation needs; none where its details are not known."""
    if details is None:
        return {}
    return {"users": details.user_ids, "queues": details.queue_ids, "wrapups": details.wrap_up_codes}


async def names_of(
    platform: Genesys, ids: Mapping[DirectoryKind, Collection[str]] | None, spools: ExitStack
) -> NameLists:
    """Fetch the lists of names.

    ``ids`` says whose names are asked for. None asks for the whole directories, which is cheaper for many
    conversations. ``spools`` closes the bodies. Raises ``Fatal`` errors only, except that ``Denied`` is a note: names
    need a permission of their own.
    """
    bodies: list[FetchedBody] = []
    notes: list[str] = []
    for kind in _KINDS:
        wanted = None if ids is None else ids.get(kind, ())
        if wanted is not None and not wanted:
            continue
        try:
            body, note = await _list_of_names(platform, kind, wanted)
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
            bodies.append(FetchedBody(spools.enter_context(body), f"directory/{kind}"))
    return NameLists(bodies, notes)


class DirectoryCache:
    """The platform's whole directories. They are fetched for the first conversation that is committed, so a run that
    commits nothing asks for none."""

    def __init__(self, platform: Genesys) -> None:
        self._platform = platform
        self._lists: NameLists | None = None
        self._lock = anyio.Lock()
        self._spools = ExitStack()

    async def get(self) -> NameLists:
        """The lists, the same for all conversations until ``close``. Raises what ``names_of`` raises."""
        # One task reads them while the others wait: large directories take a hundred requests.
        async with self._lock:
            if self._lists is None:
                self._lists = await names_of(self._platform, None, self._spools)
        return self._lists

    def close(self) -> None:
        """Forget the lists; the next ``get`` fetches them again."""
        self._lists = None
        self._spools.close()


async def _list_of_names(
    platform: Genesys, kind: DirectoryKind, ids: Collection[str] | None
) -> tuple[Spool | None, str]:
    """One list of names as a body, or a note that says why there is none."""
    if ids is not None:
        return (await platform.names(kind, ids)).body, ""
    listing = await platform.directory(kind)
    if not listing.body:
        return None, listing.note
    spool = Spool()
    spool.write(listing.body)
    return await anyio.to_thread.run_sync(spool_without_secrets, spool.seal()), listing.note
