"""``turnkeeper.Archive``: an archive whose conversations can be erased."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from turnkeeper.archive.archive import Archive
from turnkeeper.erasure.customer_search import CustomerMatch, find_conversations
from turnkeeper.erasure.erase import Eraser
from turnkeeper.erasure.expire import expire
from turnkeeper.erasure.proof import By, Proof
from turnkeeper.payloads.customers import CustomerQuery

__all__ = ["ErasableArchive"]


class ErasableArchive(Archive):
    """An archive, with methods to find a customer's conversations, to erase them, and to erase what is too old."""

    def erase(self, conversations: Iterable[str], *, by: By = "conversation", dry_run: bool = False) -> Proof:
        """Erase conversations for good, with all versions, and finish earlier erasures. Returns a proof of it.

        An id may have other capital letters than in the archive, if that is unambiguous. A conversation that the
        archive does not hold is ``absent`` in the proof, and cannot be archived later. ``dry_run`` only says what would
        be erased. Raises ``Misconfigured`` for what cannot be an id, ``Denied`` if this identity may not delete
        versions.
        """
        self.require()
        eraser = Eraser(self.store, self._clock)
        return eraser.plan(conversations, by) if dry_run else eraser.erase(conversations, by)

    def expire(self, older_than: timedelta, *, dry_run: bool = False) -> Proof:
        """Erase the conversations whose day (UTC) ended more than ``older_than`` ago. The proof lists those without a
        known day, which are not erased."""
        self.require()
        return expire(self.store, self._clock, older_than, dry_run=dry_run)

    def matches(self, *, ani: str = "", external_contact: str = "") -> Iterator[CustomerMatch]:
        """Find the conversations of one customer, and those that may be, by telephone number or e-mail address
        (``ani``) or by the id of an external contact. Raises ``Misconfigured`` if neither is given, or it cannot name
        anybody.
        """
        self.require()
        return find_conversations(self.store, CustomerQuery.of(ani, external_contact))
