"""What ``erase`` and ``expire`` share: show a plan, ask for confirmation, print and write the proof."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from turnkeeper.archive.keys import STATES
from turnkeeper.cli.console import print_note, printable
from turnkeeper.cli.output_file import refuse_foreign_file, set_aside
from turnkeeper.erasure.proof import FORMAT, Erasure, Proof
from turnkeeper.errors import Misconfigured
from turnkeeper.storage.key_rules import INCOMING

__all__ = ["confirm", "print_plan", "print_proof", "proof_json", "refuse_foreign_proof", "write_proof"]

SHOWN = 20
_NOT_SEARCHED = "was not searched: rows made of these conversations may be left there"
_UNREAD = (
    "cannot be read and may name these conversations: run turnkeeper reindex, then turnkeeper erase on the archive"
)
_UNFINISHED_WRITES = (
    "holds files whose writers nobody here knows to be alive or gone: run turnkeeper erase on the archive in a day"
)
_QUEUE_IN_USE = (
    "is the queue of exports here, and cannot be cleaned now: run turnkeeper erase for these conversations again"
)


def proof_json(proof: Proof) -> str:
    """Return the proof as JSON."""
    return msgspec.json.format(msgspec.json.encode(proof), indent=2).decode() + "\n"


def confirm(plan: Proof) -> bool:
    """Show what would be erased and ask. Raises ``Misconfigured`` if standard input is not a terminal."""
    found = sum(erasure.state != "absent" for erasure in plan.erasures)
    if not found:
        return True
    print_plan(plan, SHOWN)
    if not sys.stdin.isatty():
        raise Misconfigured(
            "nobody can be asked", operation="erase", hint="Look at it with --dry-run, then add --yes to erase it."
        )
    print_note(f"Erase these {found} conversations for good? Type yes:")
    return sys.stdin.readline().strip().lower() == "yes"


def print_plan(proof: Proof, most: int | None = None) -> None:
    """Print one line for each conversation on standard error."""
    for erasure in proof.erasures[:most]:
        print_note(_erasure_line(erasure))
    if most is not None and len(proof.erasures) > most:
        print_note(f"… and {len(proof.erasures) - most:,} more")


def print_proof(proof: Proof, *, as_json: bool) -> int:
    """Print what was erased on standard output. Return the exit code: 3 unless everything is proven."""
    if as_json:
        sys.stdout.write(proof_json(proof))
    else:
        for erasure in proof.erasures:
            sys.stdout.write(printable(_erasure_line(erasure)) + "\n")
            for hold in erasure.held:
                until = " and ".join([f"until {hold.until}"] * bool(hold.until) + ["a legal hold"] * hold.legal_hold)
                sys.stdout.write(printable(f"    held {until} {hold.mode}: version {hold.version}") + "\n")
    _print_remarks(proof)
    if not proof.erasures and proof.by == "unfinished":
        print_note("no erasure is left to finish now")
    return 0 if proof.proven and not proof.undated else 3


def write_proof(proof: Proof, file: Path) -> int:
    """Write the proof and return the exit code.

    No proof is written if the bucket may keep versions that cannot be listed: exit code 3, with the reason.
    """
    doubts = [erasure.why for erasure in proof.erasures if erasure.state == "unproven"]
    if doubts:
        print_note(f"no proof is given: {doubts[0]}. {proof.mend}".rstrip())
        return 3
    try:
        # A proof is evidence, so an earlier one is never overwritten.
        if earlier := set_aside(file):
            print_note(f"the earlier proof is now {earlier}")
        file.write_text(proof_json(proof), encoding="utf-8")
    except OSError as cause:
        hint = "It is erased; run erase again with another --proof for what is left to say."
        raise Misconfigured(f"cannot be written ({cause.strerror})", key=str(file), hint=hint) from None
    return 0


def refuse_foreign_proof(file: Path | None) -> None:
    """Raise ``Misconfigured`` if the proof would replace a foreign file. Call this before anything is erased."""
    if file is not None:
        refuse_foreign_file(file, FORMAT, "--proof")


def _why_not_covered(place: str) -> str:
    """Explain what may be left at a place, and what to do about it."""
    if place.startswith(STATES):
        return _UNREAD
    if place == INCOMING:
        return _UNFINISHED_WRITES
    return _QUEUE_IN_USE if Path(place).is_absolute() else _NOT_SEARCHED


def _erasure_line(erasure: Erasure) -> str:
    why = f"  ({erasure.why})" if erasure.why else ""
    asked = f"  (asked for as {erasure.asked})" if erasure.asked else ""
    if erasure.state == "absent":
        return f"{erasure.conversation}  {erasure.why}"
    if erasure.again and erasure.state in ("found", "erased"):
        return f"{erasure.conversation}  already erased{asked}"
    return f"{erasure.conversation}  {erasure.state}  {erasure.keys} objects, {erasure.versions} versions{asked}{why}"


def _print_remarks(proof: Proof) -> None:
    for conversation in proof.undated:
        print_note(f"{conversation}  kept: nothing says when it was")
    for place in proof.not_covered:
        print_note(f"{place} {_why_not_covered(place)}")
    if proof.waiting:
        print_note(f"{proof.waiting} earlier erasures wait for their locks to end")
    if proof.why and proof.erasures:
        print_note(f"{proof.why}. {proof.mend}")
