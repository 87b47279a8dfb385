"""``GET /analytics/conversations/{id}/details``, and the same for up to a hundred ids in one request."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from turnkeeper.errors import NotFound
from turnkeeper.genesys.api import Api, ApiCall, off_the_loop
from turnkeeper.ids import check_id
from turnkeeper.payloads.decode_json import LARGEST, body_bytes, foreign_answer
from turnkeeper.payloads.details import conversation_id_in
from turnkeeper.payloads.details_page import DetailsPage, read_page
from turnkeeper.payloads.document_secrets import spool_without_secrets
from turnkeeper.spool import Spool

__all__ = ["DetailsById"]

_HOME = "/api/v2/analytics/conversations"
_LARGEST_EMPTY = 16


class DetailsById:
    """Reads conversations whose ids are known."""

    def __init__(self, api: Api, folder: Path | None = None) -> None:
        self._api = api
        self._folder = folder

    async def details(self, conversation: str) -> Spool:
        """The analytics details byte for byte, without secrets (see ``withheld`` of the spool).

        Raises ``NotFound``, ``Unavailable`` for the details of another conversation, ``Misconfigured`` for a malformed
        id, and what ``Api.fetch`` raises.
        """
        body = await self._api.fetch(_details_call(check_id(conversation)))
        answered = conversation_id_in(body_bytes(body))
        # A gateway that mixes up answers would put another customer's call under this id.
        if answered and answered.casefold() != conversation.casefold():
            body.close()
            raise foreign_answer("the answer is about another conversation", "details", conversation)
        return await off_the_loop(body.size, partial(spool_without_secrets, body, self._folder))

    async def several(self, ids: Sequence[str]) -> DetailsPage:
        """The conversations behind at most a hundred ids; those that the platform does not know are not among them.

        An answer without a list may mean that the platform knows none of them, or nothing at all. Then each id is
        asked for by itself, because only a 404 proves that it is not known.
        """
        listed = ",".join(check_id(conversation) for conversation in ids)
        call = ApiCall("details by id", f"{_HOME}/details", f"{len(ids)} ids", params=[("id", listed)], limit=LARGEST)
        page = await self._api.read(call, partial(_page_if_any, call))
        if page is not None:
            return page
        found = [await self._element(conversation) for conversation in ids]
        return DetailsPage.of(element for element in found if element is not None)

    async def _element(self, conversation: str) -> bytes | None:
        try:
            with await self._api.fetch(_details_call(conversation)) as body:
                return body_bytes(body)
        except NotFound:
            return None


def _details_call(conversation: str) -> ApiCall:
    return ApiCall("details", f"{_HOME}/{conversation}/details", conversation)


def _page_if_any(call: ApiCall, body: Spool) -> DetailsPage | None:
    """The page in an answer; None for an object without anything in it."""
    if body.size <= _LARGEST_EMPTY and not body_bytes(body).strip(b"{} \t\r\n"):
        return None
    return read_page(body, call.operation, call.key)
