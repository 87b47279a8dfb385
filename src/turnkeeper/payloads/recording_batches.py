"""The answers of ``/recording/batchrequests``: the id of a batch, and its results once it is complete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from turnkeeper.ids import is_id
from turnkeeper.payloads.decode_json import foreign_answer, read_object
from turnkeeper.payloads.transcript_link import is_web_address
from turnkeeper.spool import Spool

__all__ = ["BatchFile", "BatchResults", "read_batch_id", "read_batch_results"]


@dataclass(frozen=True)
class BatchFile:
    """One result: a presigned ``link`` (a secret), or the platform's ``reason`` why there is none.

    The reason is the platform's own text, as it was sent.
    """

    link: str = field(default="", repr=False)
    reason: str = ""


BatchResults = Mapping[tuple[str, str], tuple[BatchFile, ...]]
"""(conversation, recording) -> one entry per file; the recording is empty where a result names none."""


_OPERATION, _KEY = "recordings", "batch"


def read_batch_id(body: Spool) -> str:
    """Read the id of a batch, which becomes part of an address. Raises ``Unavailable`` where there is none."""
    otherwise = "the answer to a batch request holds no id"
    name = read_object(body, _OPERATION, _KEY, otherwise).get("id")
    if not isinstance(name, str) or not is_id(name):
        raise foreign_answer(otherwise, _OPERATION, _KEY)
    return name


def read_batch_results(body: Spool) -> BatchResults | None:
    """Read the results of a batch; None while it runs.

    Raises ``Unavailable`` where the answer names no state, or is complete and holds no list.
    """
    otherwise = "the answer names no state of the batch"
    batch = read_object(body, _OPERATION, _KEY, otherwise)
    status = batch.get("status")
    if not isinstance(status, str) or not status:
        raise foreign_answer(otherwise, _OPERATION, _KEY)
    if status.lower() != "completed":
        return None
    listed = batch.get("results", [] if batch.get("expectedResultCount") == 0 else None)
    if not isinstance(listed, list):
        raise foreign_answer("a completed batch has no list of results", _OPERATION, _KEY)
    results: dict[tuple[str, str], tuple[BatchFile, ...]] = {}
    for item in listed:
        if isinstance(item, dict):
            key = (str(item.get("conversationId") or ""), str(item.get("recordingId") or ""))
            results[key] = (*results.get(key, ()), _batch_file(item.get("resultUrl"), item.get("errorMsg")))
    return results


def _batch_file(link: object, reason: object) -> BatchFile:
    if is_web_address(link):
        return BatchFile(link=link)
    return BatchFile(reason=reason if isinstance(reason, str) and reason else "the batch holds no address")
