"""One conversation of any size, whose documents are made row by row while they are read.

All rows have the same width, so sizes, ranges and the truth can be calculated. Participants come last.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from turnkeeper.simulator import media, truth
from turnkeeper.simulator.bodies import RowsBody
from turnkeeper.simulator.phrases import EN
from turnkeeper.simulator.script import Passage, Script, ScriptLeg
from turnkeeper.simulator.speech import SpeechFile

Json = dict[str, Any]

_STEP_MS = 1_500
_TURN_MS = 1_280
_MEDIA_WIDTH = 384
_SPEECH_WIDTH = 2_560
# A prime number of values, so that their cycle does not coincide with the alternation of speakers.
_CONFIDENCES = tuple(5_000 + (n * 2_741) % 4_990 for n in range(97))


@dataclass(frozen=True, slots=True)
class Giant:
    """Both documents of the giant conversation, about so many mebibytes each."""

    script: Script
    speech_file: SpeechFile
    megabytes: int

    @property
    def media_turns(self) -> int:
        """How many turns the media document has."""
        return max(1, self.megabytes * 1_048_576 // _MEDIA_WIDTH)

    @property
    def speech_turns(self) -> int:
        """How many phrases the speech file has."""
        return max(1, self.megabytes * 1_048_576 // _SPEECH_WIDTH)

    def media(self) -> RowsBody:
        """The media document, participants last."""
        opening = _open_array(media.head(self.script), "transcript")
        people = _json_bytes(media.participants(self.script))
        ids = [_speaker_id(self.script, role) for role in ("customer", "agent")]
        row = _fixed_width(lambda n: _media_row(ids, n), _MEDIA_WIDTH)
        return RowsBody(opening, row, self.media_turns, b'],"participants":' + people + b"}")

    def speech(self) -> RowsBody:
        """The speech file, participants last."""
        file = self.speech_file.document()
        people = _json_bytes(file["participants"])
        entry = file["transcripts"][0] | {"phrases": []}
        del entry["phrases"], file["transcripts"], file["participants"]
        opening = _open_array(file, "transcripts") + _open_array(entry, "phrases")
        row = _fixed_width(lambda n: _speech_row(self.script.began, n), _SPEECH_WIDTH)
        return RowsBody(opening, row, self.speech_turns, b']}],"participants":' + people + b"}")

    def verdict(self) -> Json:
        """The giant's truth."""
        truth_fields: Json = {"outcome": "done", "scenario": "giant", "dialects": {}}
        for dialect, turns in (("speech", self.speech_turns), ("media", self.media_turns)):
            truth_fields["dialects"][dialect] = _summary(self.script.id, turns)
        return truth_fields


def giant_script(plain: Script, megabytes: int) -> Script:
    """The giant's script: customer and agent from beginning to end, no lines of its own."""
    lasting = max(1, megabytes * 1_048_576 // _MEDIA_WIDTH) * _STEP_MS
    parties = [party for party in plain.parties if party.role in ("customer", "agent")]
    present = tuple(replace(party, spans=((0, lasting),)) for party in parties)
    whole = ScriptLeg(0, 0, lasting, (Passage(EN, ()),))
    return replace(plain, lasting=lasting, parties=present, lines=(), legs=(whole,), holds=())


def _speaker_id(script: Script, role: str) -> str:
    return next(party.id for party in script.parties if party.role == role)


def _summary(conversation: str, turns: int) -> Json:
    customers = (turns + 1) // 2
    rounds, rest = divmod(turns, len(_CONFIDENCES))
    total = rounds * sum(_CONFIDENCES) + sum(_CONFIDENCES[:rest])
    sure = Fraction(total, 10_000 * turns)
    last = (turns - 1) * _STEP_MS + _TURN_MS
    return truth.summary(conversation, last, {"customer": customers, "agent": turns - customers}, sure)


def _media_row(ids: list[str], n: int) -> str:
    start = n * _STEP_MS
    sure = _CONFIDENCES[n % len(_CONFIDENCES)] / 10_000
    return (
        f'{{"start_time":{start / 1000},"end_time":{(start + _TURN_MS) / 1000},"text":"{_turn_text(n)}",'
        f'"speaker_id":"{ids[n % 2]}","confidence":{sure}}}'
    )


def _speech_row(began: int, n: int) -> str:
    start = began + n * _STEP_MS
    side = "internal" if n % 2 else "external"
    sure = _CONFIDENCES[n % len(_CONFIDENCES)] / 10_000
    text = _turn_text(n)
    words = ",".join(
        f'{{"word":"{word}","confidence":{sure},"startTimeMs":{start + at * 64},"duration":{{"milliseconds":64}}}}'
        for at, word in enumerate(text.split()[:20])
    )
    return (
        f'{{"phraseIndex":{n},"participantPurpose":"{side}","text":"{text}","confidence":{sure},'
        f'"startTimeMs":{start},"duration":{{"milliseconds":{_TURN_MS}}},"words":[{words}]}}'
    )


def _turn_text(n: int) -> str:
    return (
        f"this is turn {n} of a very long conversation in which nothing is ever settled and everybody "
        f"keeps going because the line is still open and nobody wants to be the first one to hang up"
    )


def _fixed_width(row: Callable[[int], str], width: int) -> Callable[[int], bytes]:
    """Pad rows to one width with white space, which JSON allows between values."""

    def made(n: int) -> bytes:
        comma = "," if n else " "
        return (comma + row(n)).ljust(width - 1).encode() + b"\n"

    return made


def _open_array(document: Json, array: str) -> bytes:
    """The document's text up to and including the opening bracket of one more array."""
    return _json_bytes(document)[:-1] + f',"{array}":['.encode()


def _json_bytes(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
