"""The recordings of conversations: times, pauses, files and the bytes of the files.

Sample calls have speech. All other calls have tones while somebody talks.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from turnkeeper.simulator import audio_faults, tones
from turnkeeper.simulator.bodies import BytesBody, SimulatedBody
from turnkeeper.simulator.faults import AUDIO_FAULTS, FaultSwitches
from turnkeeper.simulator.ids import IdKind, Ids
from turnkeeper.simulator.people import People
from turnkeeper.simulator.samples import RecordingPause, Sample
from turnkeeper.simulator.script import Script, ScriptLeg

FORMATS = ("WAV", "WEBM", "WAV_ULAW", "OGG_VORBIS", "OGG_OPUS", "MP3", "NONE")
ORIGINAL = "original"
_TYPES = {"wav": "audio/wav", "opus": "audio/ogg", "ogg": "audio/ogg", "mp3": "audio/mpeg", "html": "text/html"}
_PATH = re.compile(r"/recordings/[0-9a-f-]+/([0-9a-f-]+)/([0-9a-f-]+)/([A-Za-z_]+)/([0-9A-Z]+)\.[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class ScriptRecording:
    """One recording of a script; times in milliseconds of the conversation, ``duration_ms`` of the audio."""

    script: Script
    id: str
    session: str
    start_ms: int
    duration_ms: int
    breaks: tuple[RecordingPause, ...]
    keys: tuple[str, ...]
    extension: str

    @property
    def end_ms(self) -> int:
        """The time at which recording ended, with the pauses that were cut out of the audio."""
        return self.start_ms + self.duration_ms + sum(one.end - one.start for one in self.breaks if one.cut)

    def audible(self, moment: int) -> int:
        """Convert a time of the conversation to a time in the audio, from which earlier cuts are missing."""
        cut = sum(min(moment, one.end) - one.start for one in self.breaks if one.cut and one.start < moment)
        return moment - self.start_ms - cut


class RecordingFiles:
    """The recordings of one simulation."""

    def __init__(
        self,
        ids: Ids,
        people: People,
        faults: FaultSwitches,
        find: Callable[[str], Script | None],
        sample_of: Callable[[Script], Sample | None],
    ) -> None:
        self._ids = ids
        self._people = people
        self._faults = faults
        self._find = find
        self._sample_of = sample_of

    def of(self, script: Script) -> tuple[ScriptRecording, ...]:
        """The audio recordings of a conversation: one per leg; none of digital ones."""
        sample = self._sample_of(script)
        if sample is not None:
            return (self._sample_tape(script, sample),)
        if script.media_type != "voice":
            return ()
        return tuple(self._tone_tape(script, leg) for leg in script.legs)

    def sensitive(self, script: Script) -> bool:
        """Whether the client may only get redacted recordings of a conversation."""
        every = max(1, self._faults.argument("redacted", 1))
        return self._faults.on("redacted") and script.index % every == 0

    def path(self, recording: ScriptRecording, kind: str, key: str) -> str:
        """Where in storage a file of a recording lies."""
        extension = "mp3" if self._faults.on("wrong-extension") else self._extension(recording, kind)
        home = f"/recordings/{self._people.organization.id}/{recording.script.id}/{recording.id}"
        return f"{home}/{kind}/{key}.{extension}"

    def content_type(self, path: str) -> str:
        """What storage says a file is."""
        return _TYPES[path.rpartition(".")[2]]

    def body(self, path: str) -> SimulatedBody | None:
        """The bytes at a path, damaged where a fault says so; None where no recording lies there."""
        found = _PATH.fullmatch(path)
        script = self._find(found[1]) if found else None
        if found is None or script is None:
            return None
        recording = next((one for one in self.of(script) if one.id == found[2]), None)
        if recording is None or found[4] not in recording.keys:
            return None
        return self._with_faults(self._file_body(recording, found[3], found[4]), path)

    def _with_faults(self, body: SimulatedBody, path: str) -> SimulatedBody:
        for fault in AUDIO_FAULTS:
            if self._faults.spoils(fault, path):
                return BytesBody(audio_faults.corrupt(b"".join(body.read(0, body.size)), fault))
        return body

    def _file_body(self, recording: ScriptRecording, kind: str, key: str) -> SimulatedBody:
        sample = self._sample_of(recording.script)
        if self.sensitive(recording.script) and kind != ORIGINAL:
            return self._tone_body(recording, hidden=(recording.duration_ms // 3, 2 * recording.duration_ms // 3))
        if sample is None:
            return self._tone_body(recording)
        content = sample.files[recording.keys.index(key)].read_bytes()
        return BytesBody((tones.to_pcm(content) if kind == "WAV" else None) or content)

    def _tone_body(self, recording: ScriptRecording, hidden: tuple[int, int] = (0, 0)) -> SimulatedBody:
        """Return tones at the lines of each side, with silence in the redacted range ``hidden``."""
        sides: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
        for line in recording.script.lines:
            if line.start is not None and line.end is not None:
                span = (recording.audible(line.start), recording.audible(line.end))
                if not hidden[0] <= span[0] < hidden[1]:
                    sides[0 if recording.script.parties[line.party].external else 1].append(span)
        return tones.stereo(recording.duration_ms, *sides)

    def _extension(self, recording: ScriptRecording, kind: str) -> str:
        return "wav" if self.sensitive(recording.script) and kind != ORIGINAL else recording.extension

    def _tone_tape(self, script: Script, leg: ScriptLeg) -> ScriptRecording:
        # A real recording never starts at the same millisecond as the conversation.
        start = leg.start + 37 + script.index % 16
        # Whether holds are recorded is the organisation's choice; both exist.
        cut = self._faults.on("hold-suppressed")
        holds = [(one, two) for one, two in script.holds if start <= one and two <= leg.end]
        breaks = tuple(RecordingPause(one, two, "Hold", cut=cut, annotated=True) for one, two in holds)
        heard = leg.end - start - (sum(two - one for one, two in holds) if cut else 0)
        duration = -(-max(tones.ROW_MS, heard) // tones.ROW_MS) * tones.ROW_MS
        # The key of a single file is not documented. Both occur.
        keys = ("S",) if script.index % 2 else ("0",)
        return ScriptRecording(script, *self._recording_ids(script, leg), start, duration, breaks, keys, "wav")

    def _sample_tape(self, script: Script, sample: Sample) -> ScriptRecording:
        files = sample.files
        keys = ("S",) if len(files) == 1 else tuple(str(n) for n in range(len(files)))
        duration = max(map(_duration_ms, files))
        named = self._recording_ids(script, script.legs[0])
        return ScriptRecording(script, *named, sample.start_ms, duration, sample.breaks, keys, files[0].suffix[1:])

    def _recording_ids(self, script: Script, leg: ScriptLeg) -> tuple[str, str]:
        recording = self._ids.make(IdKind.RECORDING, script.index, leg.party)
        return recording, script.parties[leg.party].communication


def _duration_ms(file: Path) -> int:
    """How long a file plays: from the WAV's data, or from the last page of an Ogg Opus file."""
    content = file.read_bytes()
    found = tones.samples_of(content)
    if found is not None:
        return len(found[1]) // found[0] * 1000 // tones.RATE
    skipped: int = struct.unpack_from("<H", content, content.index(b"OpusHead") + 10)[0]
    granule: int = struct.unpack_from("<q", content, content.rindex(b"OggS") + 6)[0]
    return (granule - skipped) // 48
