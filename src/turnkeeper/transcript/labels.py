"""Write turns as labels on a time line: Audacity, RTTM, Praat TextGrid. Text from a call is not
trusted.

A turn that a format cannot express is changed as little as possible and never dropped. A turn without length gets one
millisecond. A turn that begins before zero begins at zero, except in TextGrid. Turns without times are counted in
``left_out``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TextIO

from turnkeeper.errors import Misconfigured
from turnkeeper.model import Role, TranscriptHeader, Turn, roles
from turnkeeper.transcript.escape import one_line

__all__ = ["Audacity", "Rttm", "TextGrid", "TurnLabels", "shown_times"]


class TurnLabels(ABC):
    """The common part of all label formats: speaker names, times, and that a file is about one conversation."""

    several_conversations = False

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._header: TranscriptHeader | None = None
        self._names: dict[str, str] = {}
        self.left_out = 0

    def write(self, turn: Turn, header: TranscriptHeader) -> None:
        if header is not self._header:
            self._begin_conversation(header)
        if turn.start_ms is None or turn.end_ms is None:
            self.left_out += 1
            return
        self._write_label(turn, turn.start_ms, turn.end_ms)

    def finish(self) -> None:
        self._out.flush()

    @property
    def speed_warning(self) -> str:
        """Empty: labels are not read while they pass."""
        return ""

    @abstractmethod
    def _write_label(self, turn: Turn, start_ms: int, end_ms: int) -> None:
        """Write one turn that has both times."""

    def _begin_conversation(self, header: TranscriptHeader) -> None:
        if self._header is not None and not self.several_conversations:
            raise Misconfigured(
                "this format holds one conversation a file",
                operation="write turns",
                key=header.conversation,
                hint="Choose one with --conversation, or use --format rttm, jsonl or csv.",
            )
        self._header = header
        self._names = {person.id: one_line(person.name) for person in header.participants if person.name}

    def _speaker_name(self, turn: Turn) -> str:
        return self._names.get(turn.speaker_id or "") or turn.role


class Audacity(TurnLabels):
    """An Audacity label track: start, end and label, separated by tabs."""

    def _write_label(self, turn: Turn, start_ms: int, end_ms: int) -> None:
        start, end = shown_times(start_ms, end_ms)
        self._out.write(f"{_decimal_seconds(start)}\t{_decimal_seconds(end)}\t{turn.role}: {one_line(turn.text)}\n")


class Rttm(TurnLabels):
    """RTTM (NIST, Rich Transcription 2009 evaluation plan, appendix A): who spoke when, without the text.

    The file is the conversation, the speaker is ``role:id``; ``role`` alone where the id is not known.
    """

    several_conversations = True

    def _write_label(self, turn: Turn, start_ms: int, end_ms: int) -> None:
        assert self._header is not None  # noqa: S101 - set by _begin_conversation
        start, end = shown_times(start_ms, end_ms)
        who = f"{turn.role}:{turn.speaker_id}" if turn.speaker_id else turn.role
        fields = (
            _rttm_field(self._header.conversation),
            "1",
            _decimal_seconds(start),
            _decimal_seconds(end - start),
            "<NA>",
            "<NA>",
        )
        self._out.write(f"SPEAKER {' '.join(fields)} {_rttm_field(who)} <NA> <NA>\n")


class TextGrid(TurnLabels):
    """A Praat TextGrid in the long text format: one interval tier per role, without gaps from end to end.

    Intervals of a tier cannot overlap. Where turns of one role overlap, the later one goes to another tier of that role
    (``agent 2``). All turns are held until the end, because the format begins with every count.
    """

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        self._lanes: dict[Role, list[list[tuple[int, int, str]]]] = {}

    def finish(self) -> None:
        tiers = [(name, tier) for role in roles for name, tier in _named_tiers(role, self._lanes.get(role, []))]
        first = min([0, *(tier[0][0] for _, tier in tiers)])
        last = max([first + 1, *(tier[-1][1] for _, tier in tiers)])
        self._out.write('File type = "ooTextFile"\nObject class = "TextGrid"\n\n')
        self._out.write(f"xmin = {_decimal_seconds(first)}\nxmax = {_decimal_seconds(last)}\n")
        self._out.write(f"tiers? <exists>\nsize = {len(tiers)}\nitem []:\n")
        for number, (name, tier) in enumerate(tiers, 1):
            self._write_tier(number, name, _fill_gaps(tier, first, last))
        self._out.flush()

    def _write_label(self, turn: Turn, start_ms: int, end_ms: int) -> None:
        end_ms = max(end_ms, start_ms + 1)
        lanes = self._lanes.setdefault(turn.role, [])
        # First fit: the first tier whose last interval has ended.
        lane = next((lane for lane in lanes if lane[-1][1] <= start_ms), None)
        if lane is None:
            lanes.append(lane := [])
        lane.append((start_ms, end_ms, one_line(turn.text)))

    def _write_tier(self, number: int, name: str, intervals: list[tuple[int, int, str]]) -> None:
        head = f'    item [{number}]:\n        class = "IntervalTier"\n        name = "{name}"\n'
        times = (
            f"        xmin = {_decimal_seconds(intervals[0][0])}\n        xmax = {_decimal_seconds(intervals[-1][1])}\n"
        )
        self._out.write(f"{head}{times}        intervals: size = {len(intervals)}\n")
        for place, (start, end, text) in enumerate(intervals, 1):
            # Praat writes a quote inside a text twice.
            quoted = text.replace('"', '""')
            times = f"            xmin = {_decimal_seconds(start)}\n            xmax = {_decimal_seconds(end)}\n"
            self._out.write(f'        intervals [{place}]:\n{times}            text = "{quoted}"\n')


def shown_times(start_ms: int, end_ms: int) -> tuple[int, int]:
    """Times that every format can express: from zero on, and at least one millisecond long."""
    start = max(start_ms, 0)
    return start, max(end_ms, start + 1)


def _decimal_seconds(ms: int) -> str:
    """Milliseconds as decimal seconds, exactly."""
    return f"{'-' if ms < 0 else ''}{abs(ms) // 1000}.{abs(ms) % 1000:03d}"


def _rttm_field(text: str) -> str:
    """Text as one field of a line whose fields are separated by white space."""
    return "_".join(one_line(text).split()) or "<NA>"


def _named_tiers(role: Role, lanes: list[list[tuple[int, int, str]]]) -> list[tuple[str, list[tuple[int, int, str]]]]:
    return [(role if number == 1 else f"{role} {number}", lane) for number, lane in enumerate(lanes, 1)]


def _fill_gaps(lane: list[tuple[int, int, str]], first: int, last: int) -> list[tuple[int, int, str]]:
    """The intervals with empty ones between them, from ``first`` to ``last``."""
    tiled, at = list[tuple[int, int, str]](), first
    for start, end, text in lane:
        if at < start:
            tiled.append((at, start, ""))
        tiled.append((start, end, text))
        at = end
    return [*tiled, (at, last, "")] if at < last else tiled
