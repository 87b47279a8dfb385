"""An erasure reaches the queue of exports on this machine too: it holds the details of calls, customers' numbers among
them, until it is told that they are gone."""

from __future__ import annotations

from pathlib import Path

import msgspec

from turnkeeper.clock import Clock
from turnkeeper.erasure.erase import QUEUES, Proof
from turnkeeper.errors import Fatal, Misconfigured, Retriable
from turnkeeper.exporter.ledger import Ledger, ledger_path

__all__ = ["erase_from_queue"]

ELSEWHERE = "the queues of exports on other machines, each until its next run"


def erase_from_queue(archive_url: str, proof: Proof, clock: Clock, ledger: Path | None = None) -> Proof:
    """The same proof, where the queue now says nothing of these calls but that they are erased, or where this machine
    has none. Where the queue cannot be cleaned, its path is among what the proof does not cover.
    """
    covered = tuple(ELSEWHERE if one == QUEUES else one for one in proof.elsewhere)
    proof = msgspec.structs.replace(proof, elsewhere=covered)
    try:
        path = ledger or ledger_path(archive_url)
    except Misconfigured:
        return proof  # without a home folder there never was a queue
    if not path.exists() or not proof.erasures:
        return proof
    try:
        queue = Ledger(path, clock)
        try:
            queue.erase(one.conversation for one in proof.erasures)
            queue.clean()
        finally:
            queue.close()
    except (Fatal, Retriable):
        return msgspec.structs.replace(proof, proven=False, not_covered=(*proof.not_covered, str(path)))
    return proof
