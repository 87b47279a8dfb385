"""``turnkeeper erase``: conversations for good, every version of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from turnkeeper.cli.console import print_note
from turnkeeper.cli.erasure_proof import confirm, print_proof, refuse_foreign_proof, write_proof
from turnkeeper.cli.options import StoreOptions, store_settings
from turnkeeper.erasure.erasable_archive import ErasableArchive
from turnkeeper.erasure.proof import By
from turnkeeper.errors import Misconfigured
from turnkeeper.exporter.queue_erasure import erase_from_queue
from turnkeeper.settings import clock_from_environment

__all__ = ["erase"]


def erase(
    archive: Annotated[str, Parameter(env_var="TURNKEEPER_ARCHIVE")],
    /,
    *,
    conversation: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    ani: str | None = None,
    external_contact: str | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    yes: Annotated[bool, Parameter(negative="")] = False,
    proof: Path | None = None,
    destination: StoreOptions | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Erase conversations for good, every version of them, with a proof.

    A tombstone is written first, so that no later run brings the conversation back. Then every input, view and manifest
    goes, with every version where the bucket keeps them (needs the extra [aws]). What an object lock holds is listed
    with its date; once that has passed, `turnkeeper erase ARCHIVE` alone finishes it, as it finishes an erasure that
    was interrupted.

        turnkeeper erase s3://calls/genesys --ani +34600000000 --dry-run

    Exit code 3 says that something is left: held by a lock, not provable, not in the archive, or for a person to look
    at; it is listed.

    Parameters
    ----------
    archive
        The archive's folder or address.
    conversation
        This conversation, in capital or small letters. Repeat it or separate with commas.
    ani
        Every conversation of this telephone number or e-mail address.
    external_contact
        Every conversation of this external contact (its id).
    dry_run
        Only say what would be erased.
    yes
        Do not ask.
    proof
        Write the proof to this file: JSON without any content. An earlier proof there is kept under another name.
    json
        The same document on standard output.
    """
    refuse_foreign_proof(proof)
    ids = [erasure.strip() for part in conversation for erasure in part.split(",") if erasure.strip()]
    _refuse_empty("--conversation", ",".join(ids) if conversation else None)
    _refuse_empty("--ani", ani)
    _refuse_empty("--external-contact", external_contact)
    if bool(ids) + bool(ani) + bool(external_contact) > 1:
        raise Misconfigured("two ways to choose", operation="erase", hint="Give one of the three options at a time.")
    clock = clock_from_environment()
    opened = ErasableArchive(archive, store_settings(destination or StoreOptions(), None), clock=clock)
    by, chosen, undecided = _choose(opened, ids, ani or "", external_contact or "")
    if dry_run:
        plan = opened.erase(chosen, by=by, dry_run=True)
        print_proof(plan, as_json=json)
        return 3 if undecided or any(erasure.state == "absent" for erasure in plan.erasures) else 0
    if chosen and not yes and not confirm(opened.erase(chosen, by=by, dry_run=True)):
        print_note("nothing was erased")
        return 0
    done = erase_from_queue(opened.url, opened.erase(chosen, by=by), clock)
    code = print_proof(done, as_json=json)
    written = write_proof(done, proof) if proof else 0
    return 3 if code or written or undecided else 0


def _refuse_empty(option: str, value: str | None) -> None:
    """Refuse an empty value. It usually comes from an unset shell variable, and must not select other conversations."""
    if value is not None and not value.strip():
        hint = "Give a value, or leave the option out to finish earlier erasures."
        raise Misconfigured("has no value", operation="erase", key=option, hint=hint)


def _choose(archive: ErasableArchive, ids: list[str], ani: str, contact: str) -> tuple[By, list[str], int]:
    """Return how conversations were chosen, their ids, and how many more a person has to check."""
    if not ani and not contact:
        return ("conversation" if ids else "unfinished"), ids, 0
    found: list[str] = []
    undecided_count = 0
    for match in archive.matches(ani=ani, external_contact=contact):
        if match.how == "found":
            found.append(match.conversation)
        else:
            undecided_count += 1
            print_note(f"{match.conversation}  {_DOUBTS[match.how]}")
    print_note(f"{len(found)} conversations found, {undecided_count} more to look at")
    return ("ani" if ani else "external-contact"), found, undecided_count


_DOUBTS = {
    "similar": "not chosen, look at it: a similar number, or the same one in another place",
    "unsearched": "not searched: its details are not archived, or cannot be read",
}
