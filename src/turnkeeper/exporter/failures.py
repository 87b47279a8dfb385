"""Failures as a run report lists them: those of this run, and those of earlier runs that the ledger holds. Pure."""

from __future__ import annotations

from turnkeeper.archive.index import AUDIO, CallState
from turnkeeper.clock import rfc3339_ms
from turnkeeper.errors import Defect, TurnkeeperError
from turnkeeper.exporter.ledger import Outstanding
from turnkeeper.exporter.run_report import Failure

__all__ = ["earlier_failure", "failure_of", "unreadable_failure"]


def failure_of(conversation: str, cause: TurnkeeperError, prefix: str = "") -> Failure:
    """An error of this run; ``prefix`` goes before its message."""
    return Failure(
        conversation=conversation,
        error=type(cause).__name__,
        message=prefix + cause.message,
        hint=cause.hint,
        places=cause.places if isinstance(cause, Defect) else (),
    )


def earlier_failure(outstanding: Outstanding) -> Failure:
    """A failure of an earlier run, with the reason that the ledger holds."""
    call = outstanding.call
    reason = call.reason if call.state == "failed" else _reason_of_absent_leg(call)
    return _failure_of_outstanding(outstanding, reason, earlier=True)


def unreadable_failure(outstanding: Outstanding) -> Failure:
    """A conversation that is archived and cannot be read, or one recording of it."""
    call = outstanding.call
    audio = next((leg.reason for leg in call.legs if leg.id == AUDIO), "")
    return _failure_of_outstanding(outstanding, call.reason if call.state == "unread" else f"Unread: {audio}")


def _failure_of_outstanding(outstanding: Outstanding, reason: str, *, earlier: bool = False) -> Failure:
    error, colon, message = reason.partition(": ")
    return Failure(
        conversation=outstanding.call.conversation,
        error=error if colon else "TurnkeeperError",
        message=message if colon else reason,
        earlier=earlier,
        due=rfc3339_ms(outstanding.due) if outstanding.due is not None else "",
    )


def _reason_of_absent_leg(call: CallState) -> str:
    """Of an archived call: why one of its legs is absent."""
    lacking = (leg.reason for leg in call.legs if leg.state == "absent" and ": " in leg.reason)
    return next(lacking, "a leg or a recording could not be fetched")
