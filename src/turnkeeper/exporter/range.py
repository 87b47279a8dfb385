"""What a bulk run is asked for: a range of conversations or a list of them, once or again and again. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from turnkeeper.errors import Misconfigured
from turnkeeper.exporter.index_sync import epoch_ms
from turnkeeper.exporter.ledger import Outstanding
from turnkeeper.exporter.windows import By, range_of
from turnkeeper.genesys.filters import Filters
from turnkeeper.genesys.interval import Interval

__all__ = ["Follow", "Range"]


@dataclass(frozen=True)
class Range:
    """What to export: the conversations that started in ``interval`` and pass ``filters``, or those in ``ids``."""

    interval: Interval | None = None
    filters: Filters = field(default_factory=Filters)
    ids: Sequence[str] = ()
    by: By = "auto"

    @classmethod
    def of(
        cls,
        now: datetime,
        *,
        since: str = "",
        until: str = "",
        last: str = "",
        ids: Sequence[str] = (),
        filters: Filters | None = None,
        by: By = "auto",
    ) -> Self | None:
        """The range in words, as the command line has them; None where nothing was asked for.

        ``since`` and ``until`` are dates, times (UTC unless they say otherwise) or so long ago (``2d``); ``last`` is
        short for ``since`` so long ago. Raises ``Misconfigured`` for what is none of these, and for ids among other
        choices.
        """
        if ids:
            if since or until or last or filters:
                hint = "Ids say exactly which; leave out --since, --until, --last and the filters."
                raise Misconfigured("ids were given together with other choices", hint=hint)
            return cls(ids=tuple(ids))
        if not (since or until or last):
            return None
        return cls(range_of(now, since=since, until=until, last=last), filters or Filters(), by=by)

    @property
    def name(self) -> str:
        """The filters as a slug: windows that were listed with others say nothing of these."""
        return hashlib.sha256(self.filters.text.encode()).hexdigest()[:16] if self.filters else "all"

    def concerns(self, one: Outstanding) -> bool:
        """Whether a conversation that stands failed or unread is among what is asked for, as far as is known of it.

        A range of nothing (``retry``) asks for everything.
        """
        call = one.call
        if self.ids:
            return call.conversation in self.ids
        if self.interval is None:
            return True
        if call.started_at and not self.interval.holds(epoch_ms(call.started_at)):
            return False
        filters = self.filters
        pairs = [
            (filters.queues, call.queues),
            (filters.media_types, (call.media_type,)),
            (filters.directions, (call.direction,)),
        ]
        return all(not wanted or not any(known) or set(wanted) & set(known) for wanted, known in pairs)


@dataclass(frozen=True)
class Follow:
    """Go on until stopped: list the last ``last`` (whole days, UTC) again every ``every``, and ask for late transcripts
    when they are due. ``first`` is done before anything else."""

    every: timedelta = timedelta(minutes=15)
    last: timedelta = timedelta(days=2)
    first: Range | None = None
    filters: Filters = field(default_factory=Filters)
