"""Read the turns of any payload: a file, bytes, a web address, or an archive."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain
from typing import Literal, TypeVar

from turnkeeper.calls.transcripts import (
    Findings,
    Place,
    is_archive,
    open_transcripts,
    refuse_left_out,
    refuse_unready,
)
from turnkeeper.errors import Misconfigured
from turnkeeper.model import Turn
from turnkeeper.payloads.dialect import Mode
from turnkeeper.payloads.turn_batch import TurnBatch
from turnkeeper.transcript.assemble import Assembly
from turnkeeper.transcript.select import Selection

__all__ = ["read_batches", "read_turns"]

T = TypeVar("T")
Order = Literal["time", "document"]


def read_turns(
    place: Place,
    selection: Selection | None = None,
    *,
    order: Order = "time",
    words: bool = False,
    strict: bool = False,
) -> Iterator[Turn]:
    """Read the turns of any payload in any dialect, attributed to their speakers, in constant memory.

    ``place`` is a file (plain, gzip or zstd), an ``http(s)://`` address, bytes, an open binary file, or an archive's
    folder or address, of which every conversation is read. ``selection`` keeps only the turns that it matches. Times
    are milliseconds from the conversation's start. ``words`` fills in each turn's words if the payload lists them.
    ``order="time"`` sorts the turns by time; ``"document"`` keeps their order in the payload.

    A field whose value cannot be right gets its default, and the turn names it in ``defects``. With ``strict`` such a
    field raises ``Unread`` with the byte offset and the field.

    Raises ``Unread`` or a subclass with the byte offset; ``NotReady``, after the turns that exist, for a transcript
    that the platform is still making; ``Misconfigured`` for a missing file or a folder that is no archive. All turns
    that can be read come first: the error about the others is raised at the end. Conversations that an archive already
    records as unread (``Archive.unread``) are left out.
    """
    _check_arguments(selection, order)
    mode = Mode(strict=False, words=words, exact=strict)
    return chain.from_iterable(_read_selected(place, selection, order, mode))


def _check_arguments(selection: object, order: object) -> None:
    if order not in ("time", "document"):
        raise Misconfigured(f"{order!r} is no order", key="order", hint="Write order='time' or order='document'.")
    if selection is not None and not isinstance(selection, Selection):
        hint = "Write tk.Selection(roles={'agent'})."
        raise Misconfigured(f"a {type(selection).__name__} is no selection", key="selection", hint=hint)


def read_batches(place: Place) -> Iterator[TurnBatch]:
    """Read the turns of any payload in batches of columns (``start_ms``, ``end_ms``, ``text``, ``role`` …).

    The same turns as ``read_turns(place, order="document")``, without an object for each: use it for sums, tables and
    arrays. Raises what ``read_turns`` raises.
    """
    return chain.from_iterable(_read_each(place, Mode(strict=False, words=False), (), Assembly.columns))


def _read_selected(place: Place, selection: Selection | None, order: Order, mode: Mode) -> Iterator[Iterable[Turn]]:
    read = Assembly.batches if order == "time" else Assembly.unsorted
    if selection is None:
        return chain.from_iterable(_read_each(place, mode, (), read))
    chosen = selection

    def apply(transcript: Assembly) -> Iterator[Iterable[Turn]]:
        return iter([chosen.apply(chain.from_iterable(read(transcript)), transcript.conversation)])

    return chain.from_iterable(_read_each(place, mode, chosen.interactions, apply))


def _read_each(
    place: Place, mode: Mode, interactions: Collection[str], read: Callable[[Assembly], Iterable[T]]
) -> Iterator[Iterable[T]]:
    """Yield what ``read`` returns for every transcript at a place, then raise what could not be read."""
    several, findings = is_archive(place), Findings()
    for transcript in open_transcripts(place, interactions=interactions, mode=mode, findings=findings):
        if several:
            with findings.item(transcript.conversation):
                yield from ([part] for part in read(transcript))
        else:
            refuse_unready(transcript)
            yield read(transcript)
            refuse_left_out(transcript)
    findings.raise_any()
