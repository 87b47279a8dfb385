"""The report of a run, printed at its end and stored in the archive."""

from __future__ import annotations

import msgspec

from turnkeeper.display import html_table, one_line

__all__ = ["FORMAT", "Failure", "RunReport"]

FORMAT = "turnkeeper.run/1"


class Failure(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One conversation that failed: the error's name, its message and its hint.

    ``conversation`` is empty where a stretch of time could not be listed; the message then names the stretch.
    ``places`` are the lines of turnkeeper that an unexpected exception passed (error ``Defect``). ``earlier`` says that
    it failed in an earlier run and was not due in this one; ``due`` is when it is tried again (RFC 3339).
    """

    conversation: str
    error: str
    message: str
    hint: str = ""
    places: tuple[str, ...] = ()
    earlier: bool = False
    due: str = ""


class RunReport(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Counts of one run (``found`` … ``transcripts``), and of the whole archive as this ledger knows it (``states``).

    ``listed_until`` is the time up to which every conversation was listed. ``waiting`` conversations have nothing in
    the archive yet and are processed again; of ``completing`` archived ones another leg or a recording may still come.
    The earliest of both is due at ``next_due`` (RFC 3339). ``requests`` were sent to the platform's API;
    ``requests_per_transcript`` is what one transcript cost of them; ``downloads`` were sent to storage and cost no
    quota. ``ended`` says how it ended. ``defects`` counts turns of the transcripts of this run with a field that could
    not be right. ``refused`` were listed or named with an id that is none.

    ``outstanding_failed``, ``outstanding_unread`` and ``outstanding_recordings`` count the conversations of the range
    asked for that stand failed, unread, or with an unread recording at the end of the run, whichever run found out.
    A run that follows has a report for each day, which is rewritten while the day lasts: its counts are of that day,
    and ``ended`` is ``done`` until the run ends.

    ``unlisted`` counts stretches of time that could not be listed, ``unreadable_days`` days of the archive's index that
    cannot be read; ``empty`` counts conversations of this run whose transcript holds no turn. ``failures`` lists up to
    1,000 of what failed, ``unreadable`` up to 1,000 of what is archived and cannot be read.
    """

    __repr__ = one_line
    _repr_html_ = html_table

    format: str = FORMAT
    started_at: str = ""
    ended_at: str = ""
    ended: str = "done"
    listed_until: str = ""
    found: int = 0
    new: int = 0
    visited: int = 0
    done: int = 0
    unread: int = 0
    absent: int = 0
    open: int = 0
    failed: int = 0
    erased: int = 0
    refused: int = 0
    unlisted: int = 0
    unreadable_days: int = 0
    transcripts: int = 0
    defects: int = 0
    empty: int = 0
    requests: int = 0
    requests_per_transcript: float = 0.0
    downloads: int = 0
    waiting: int = 0
    completing: int = 0
    next_due: str = ""
    outstanding_failed: int = 0
    outstanding_unread: int = 0
    outstanding_recordings: int = 0
    states: dict[str, int] = {}
    failures: list[Failure] = []
    unreadable: list[Failure] = []

    @property
    def partial(self) -> bool:
        """Whether something of what was asked for failed, was refused, or cannot be read (exit code 3)."""
        in_this_run = self.failed or self.unread or self.refused or self.unlisted or self.unreadable_days
        return bool(in_this_run or self.outstanding_failed or self.outstanding_unread or self.outstanding_recordings)
