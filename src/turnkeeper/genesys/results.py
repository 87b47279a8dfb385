"""Results of a request for one conversation's transcripts: bodies and absent communications, or a reason to wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from turnkeeper.errors import Retriable, TooLarge
from turnkeeper.spool import Spool

__all__ = ["FoundTranscripts", "PendingTranscripts", "TranscriptBody"]


@dataclass(frozen=True)
class TranscriptBody:
    """One body as the platform sent it, without secrets and content encoding. The caller closes ``spool``.

    ``source`` is ``speech/{communication}``, ``media``, or ``media/metadata``: the answer that held the link to the
    transcript, for which ``metadata`` is True. The spool's ``withheld`` names the secrets that were removed.
    """

    spool: Spool
    communication: str | None
    source: str
    metadata: bool = False


@dataclass(frozen=True)
class FoundTranscripts:
    """At least one transcript.

    ``absent`` lists the communications that have none, each with the reason. ``failed`` lists those whose requests
    failed this time; the caller stores ``bodies`` before it raises any of these errors.
    """

    dialect: Literal["speech", "media"]
    bodies: tuple[TranscriptBody, ...]
    absent: tuple[tuple[str, str], ...] = ()
    failed: tuple[tuple[str, Retriable | TooLarge], ...] = ()


@dataclass(frozen=True)
class PendingTranscripts:
    """No transcript yet. ``answered`` says whether the platform named the ``status`` itself; a 404 names nothing."""

    status: str
    answered: bool
    absent: tuple[tuple[str, str], ...] = ()
    """The communications that have no transcript, each with the reason."""
