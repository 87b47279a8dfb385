"""``turnkeeper clip``: one turn, one role, or a stretch of time as a sound file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from turnkeeper.calls.clips import Clip
from turnkeeper.calls.clips import clip as cut
from turnkeeper.cli.console import print_json, print_note
from turnkeeper.cli.options import StoreOptions, TurnOptions, milliseconds, selection, store_settings
from turnkeeper.errors import Misconfigured
from turnkeeper.transcript.select import Selection

__all__ = ["clip"]


def clip(
    audio: str,
    /,
    *,
    out: Path,
    transcript: str = "",
    second: str = "",
    turn: int | None = None,
    start: float | None = None,
    end: float | None = None,
    each: Annotated[bool, Parameter(negative="")] = False,
    recording_start: float = 0.0,
    sync: Literal["correct", "off"] = "off",
    choice: TurnOptions | None = None,
    destination: StoreOptions | None = None,
) -> int:
    """One turn, the turns of a role, or a stretch of time as a sound file, cut on exact samples.

    WAV cut to WAV keeps its bytes (u-law stays u-law); everything else is decoded. From a recording and its transcript,
    or from an archive that holds both. Every channel is kept, so whoever speaks at the same time is heard too.

    Prints as JSON what was written. Exit code 3 says that the recording holds nothing, or not all, of something that
    was asked for.

        turnkeeper clip call.wav --transcript call.json --turn 3 --out turn.wav
        turnkeeper clip call.opus --transcript call.json --role agent --each --out agent.flac
        turnkeeper clip call.wav --start 12.5 --end 14 --out part.wav
        turnkeeper clip s3://calls/genesys --conversation 4d3c… --role customer --out customer.wav

    Parameters
    ----------
    audio
        A recording, or an archive's folder or address (with --conversation).
    out
        The file to write; its extension is the format: .wav, .flac, .opus or .ogg.
    transcript
        The recording's transcript, in any dialect.
    second
        The second of two mono files of one call.
    turn
        The place of one turn in the transcript, counted from 0.
    start
        Cut out the time from this second of the conversation on.
    end
        Cut out the time up to this second of the conversation.
    each
        A file for each turn: its number and role are added to the name.
    recording_start
        Second of the conversation at which a recording (a file) begins.
    sync
        correct: compare the file with its transcript first, and cut the turns where they are heard if that was measured
        reliably. An archive's alignment says already what was done.
    """
    chosen = selection(choice or TurnOptions())
    conversation, turns_selection = _split_conversation(chosen)
    clips = cut(
        audio,
        transcript or None,
        out=out,
        conversation=conversation,
        turn=turn,
        selection=turns_selection,
        start_ms=milliseconds(start, "--start"),
        end_ms=milliseconds(end, "--end"),
        each=each,
        second=second or None,
        recording_start_ms=milliseconds(recording_start, "--recording-start") or 0,
        sync=sync,
        store=store_settings(destination or StoreOptions(), None),
    )
    print_json({"clips": [_clip_json(written) for written in clips]})
    if turns_selection.roles:
        print_note("clips hold every channel of the recording: whoever speaks at the same time is heard in them too")
    flagged = [written for written in clips if written.flags]
    if flagged:
        print_note(f"not all of it is in the recording: {len(flagged)} of {len(clips)} clips have flags")
    return 3 if flagged else 0


def _split_conversation(chosen: Selection) -> tuple[str, Selection]:
    """Split a selection into its conversation, which says where to look, and the rest, which selects turns."""
    if len(chosen.interactions) > 1:
        raise Misconfigured("a clip is of one conversation", operation="cut", key="--conversation")
    named = next(iter(chosen.interactions), "")
    turns_selection = Selection(chosen.roles, frozenset(), chosen.start_ms, chosen.end_ms, chosen.min_confidence)
    return named, turns_selection


def _clip_json(written: Clip) -> dict[str, object]:
    fields: dict[str, object] = {"path": str(written.path)} if written.path else {}
    fields |= (
        {"recording": written.recording, "codec": written.codec} if written.path else {"recording": written.recording}
    )
    fields |= {
        "rate": written.rate,
        "frames": written.frames,
        "duration_ms": (written.frames * 2000 + written.rate) // (2 * written.rate),
    }
    fields |= {"turns": list(written.turns), "spans": [list(span) for span in written.spans]}
    return fields | ({"flags": list(written.flags)} if written.flags else {})
