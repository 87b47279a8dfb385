"""Failures as a run report lists them: those of this run, and those that the ledger holds of earlier ones. Pure."""

from __future__ import annotations

from turnkeeper.archive.index import AUDIO, CallState
from turnkeeper.clock import rfc3339_ms
from turnkeeper.errors import Defect, TurnkeeperError
from turnkeeper.exporter.ledger import Outstanding
from turnkeeper.exporter.run_report import Failure

__all__ = ["earlier_failure", "failure_of", "unreadable"]


def failure_of(conversation: str, cause: TurnkeeperError, prefix: str = "") -> Failure:
    """An error of this run; ``prefix`` goes before its message."""
    return Failure(
        conversation=conversation,
        error=type(cause).__name__,
        message=prefix + cause.message,
        hint=cause.hint,
        places=cause.places if isinstance(cause, Defect) else (),
    )


def earlier_failure(one: Outstanding) -> Failure:
    """A failure that an earlier run saw, in the words that the ledger holds of it."""
    said = one.call.reason if one.call.state == "failed" else _first_failure(one.call)
    return _noted(one, said, earlier=True)


def unreadable(one: Outstanding) -> Failure:
    """A conversation that is kept and cannot be read, or one recording of it."""
    audio = next((leg.reason for leg in one.call.legs if leg.id == AUDIO), "")
    return _noted(one, one.call.reason if one.call.state == "unread" else f"Unread: {audio}")


def _noted(one: Outstanding, said: str, *, earlier: bool = False) -> Failure:
    error, colon, message = said.partition(": ")
    return Failure(
        conversation=one.call.conversation,
        error=error if colon else "TurnkeeperError",
        message=message if colon else said,
        earlier=earlier,
        due=rfc3339_ms(one.due) if one.due is not None else "",
    )


def _first_failure(call: CallState) -> str:
    """Of an archived call: why one of its legs is not there."""
    lacking = (leg.reason for leg in call.legs if leg.state == "absent" and ": " in leg.reason)
    return next(lacking, "a leg or a recording could not be fetched")
