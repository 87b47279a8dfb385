"""``turnkeeper.Archive``: an archive with the verbs that take conversations out of it again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from turnkeeper.archive.archive import Archive
from turnkeeper.erasure.customer_search import Match, find
from turnkeeper.erasure.erase import By, Eraser, Proof
from turnkeeper.erasure.expire import expire
from turnkeeper.payloads.customers import CustomerQuery

__all__ = ["ErasableArchive"]


class ErasableArchive(Archive):
    """An archive whose conversations can be found by customer, erased and expired."""

    def erase(self, conversations: Iterable[str], *, by: By = "conversation", dry_run: bool = False) -> Proof:
        """Erase conversations for good, with all versions, and finish earlier erasures; what was done, as a proof.

        An id that the archive holds with other capital letters is found, where one alone is. What the archive does not
        hold is ``absent`` in the proof, and is not kept later either. ``dry_run`` says what would be erased. Raises
        ``Misconfigured`` for what cannot be an id, ``Denied`` where this identity may not delete versions.
        """
        self.require()
        eraser = Eraser(self.store, self._clock)
        return eraser.plan(conversations, by) if dry_run else eraser.erase(conversations, by)

    def expire(self, older_than: timedelta, *, dry_run: bool = False) -> Proof:
        """Erase the conversations whose day (UTC) ended more than ``older_than`` ago; the proof lists the undated."""
        self.require()
        return expire(self.store, self._clock, older_than, dry_run=dry_run)

    def matches(self, *, ani: str = "", external_contact: str = "") -> Iterator[Match]:
        """The conversations of one customer, and those that may be: by telephone number or e-mail address, or by the
        id of an external contact. Raises ``Misconfigured`` for an address that names nobody, or where none is given.
        """
        self.require()
        return find(self.store, CustomerQuery.of(ani, external_contact))
