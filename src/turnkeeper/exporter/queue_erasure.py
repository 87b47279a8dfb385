"""Erase conversations from the queue of exports on this machine: it holds details of calls, with customers' numbers."""

from __future__ import annotations

from pathlib import Path

import msgspec

from turnkeeper.clock import Clock
from turnkeeper.erasure.proof import QUEUES, Proof
from turnkeeper.errors import Fatal, Misconfigured, Retriable
from turnkeeper.exporter.ledger import Ledger, ledger_path

__all__ = ["erase_from_queue"]

ELSEWHERE = "the queues of exports on other machines, each until its next run"


def erase_from_queue(archive_url: str, proof: Proof, clock: Clock, ledger: Path | None = None) -> Proof:
    """Erase the calls of a proof from the queue, if this machine has one, and return the proof with the result.

    The queue then says of them only that they are erased. Where it cannot be cleaned, its path is among what the proof
    does not cover.
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
