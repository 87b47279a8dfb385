"""What asking for one conversation's transcripts gives: bodies, what is absent, or a reason to wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from turnkeeper.errors import Retriable
from turnkeeper.spool import Spool

__all__ = ["FoundTranscripts", "PendingTranscripts", "TranscriptBody"]


@dataclass(frozen=True)
class TranscriptBody:
    """One body as the platform gave it, decoded from its transfer encoding; the caller closes ``spool``.

    ``source`` is ``speech/{communication}``, ``media``, or ``media/metadata`` (the answer that held the link to the
    transcript; ``metadata`` is then True). The spool's ``withheld`` names what was taken out of it.
    """

    spool: Spool
    communication: str | None
    source: str
    metadata: bool = False


@dataclass(frozen=True)
class FoundTranscripts:
    """At least one transcript. ``absent`` lists the communications that have none, each with its reason; ``failed``
    those that could not be had this time: what came is to be kept before anybody is told of these."""

    dialect: Literal["speech", "media"]
    bodies: tuple[TranscriptBody, ...]
    absent: tuple[tuple[str, str], ...] = ()
    failed: tuple[tuple[str, Retriable], ...] = ()


@dataclass(frozen=True)
class PendingTranscripts:
    """Nothing yet. ``answered`` says that the platform named the state itself, where a 404 says nothing at all."""

    status: str
    answered: bool
    absent: tuple[tuple[str, str], ...] = ()
    """The communications that were asked and have none, each with the reason."""
