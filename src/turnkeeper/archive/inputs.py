"""Which inputs a new generation stands on: what arrived now, and what still holds from before. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from turnkeeper.archive import keys
from turnkeeper.archive.manifest import CommunicationState, Input

__all__ = ["CONVERSATION", "communication_of", "compose", "is_directory", "is_transcript", "key_of", "merge_states"]

CONVERSATION = "conversation"
METADATA = "media/metadata"


def key_of(conversation: str, source: str, communication: str | None, sha256: str) -> str:
    """Where an input goes. Raises ``Misconfigured`` for ids that cannot become keys."""
    head, _, rest = source.partition("/")
    if head == "directory":
        return keys.directory(rest, sha256)
    return keys.raw(conversation, communication or f"_{head}", sha256)


def is_directory(source: str) -> bool:
    return source.startswith("directory/")


def is_transcript(source: str) -> bool:
    """Whether turns come from it (details, names and the media dialect's metadata only accompany them)."""
    return not is_directory(source) and source not in (CONVERSATION, METADATA)


def communication_of(taken: Input) -> str | None:
    """The communication a body belongs to; None for bodies of the whole conversation."""
    placed = keys.parse_raw(taken.key)
    return placed[1] if placed and not placed[1].startswith("_") else None


def compose(earlier: Iterable[Input], arrived: Sequence[Input]) -> tuple[Input, ...]:
    """The newest input of each source, in the order of the sources.

    Carried over: details and names that are absent now, and transcripts of communications that did not arrive this
    time (a second leg comes later; an older one was purged upstream) as long as the dialect is the same. A fetch in
    another dialect, and a new body of the whole conversation, replace all transcripts before.
    """
    newest = {taken.source: taken for taken in arrived}
    dialects = {_dialect(source) for source in newest if source != CONVERSATION and not is_directory(source)}
    for taken in earlier:
        if taken.source not in newest and _still_holds(taken, dialects):
            newest[taken.source] = taken
    return tuple(newest[source] for source in sorted(newest))


def merge_states(
    earlier: Iterable[CommunicationState], given: Iterable[CommunicationState], inputs: Iterable[Input]
) -> tuple[CommunicationState, ...]:
    """The states by communication: what was said now over what was said before.

    A transcript that the platform no longer has, or does not give now, stays done: the archive holds it.
    """
    held = {communication for taken in inputs if (communication := communication_of(taken))}
    states = {communication: CommunicationState(communication, "done") for communication in held}
    states |= {state.id: state for state in earlier} | {state.id: state for state in given}
    return tuple(
        CommunicationState(name, "done", f"kept from before; now {state.state}{_because(state)}")
        if name in held and state.state != "done"
        else state
        for name, state in sorted(states.items())
    )


def _because(state: CommunicationState) -> str:
    return f": {state.reason}" if state.reason else ""


def _dialect(source: str) -> str:
    return source.partition("/")[0]


def _still_holds(taken: Input, dialects: set[str]) -> bool:
    if taken.source == CONVERSATION or is_directory(taken.source) or not dialects:
        return True
    return _dialect(taken.source) in dialects and communication_of(taken) is not None
