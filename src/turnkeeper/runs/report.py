"""What a run did, as a record: printed at its end and kept in the archive."""

from __future__ import annotations

import msgspec

__all__ = ["FORMAT", "Failure", "RunReport"]

FORMAT = "turnkeeper.run/1"


class Failure(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One conversation that failed in this run: the error's name, its words, the mend."""

    conversation: str
    error: str
    message: str
    hint: str = ""


class RunReport(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Counts of one run (``found`` … ``transcripts``), and of the whole archive as this ledger knows it (``states``).

    ``listed_until`` is the time up to which every conversation was listed. ``waiting`` conversations have nothing in
    the archive yet and are visited again; of ``completing`` archived ones another leg or a recording may still come.
    The earliest of both is due at ``next_due`` (RFC 3339). ``requests`` were sent to the platform's API;
    ``requests_per_transcript`` is what one transcript cost of them; ``downloads`` were sent to storage and cost no
    quota. ``ended`` says how it ended.
    """

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
    transcripts: int = 0
    requests: int = 0
    requests_per_transcript: float = 0.0
    downloads: int = 0
    waiting: int = 0
    completing: int = 0
    next_due: str = ""
    states: dict[str, int] = {}
    failures: list[Failure] = []
