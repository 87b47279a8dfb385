"""``turnkeeper audio``: facts about a recording, its waveform, and whether it fits its transcript."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from turnkeeper.audio.alignment import sync_fields
from turnkeeper.calls.align import audio_facts, write_lhotse, write_local_alignment, write_peaks
from turnkeeper.calls.repair_ends import repair_ends as repaired_ends
from turnkeeper.calls.repair_ends import write_repaired
from turnkeeper.cli.console import print_json, print_note, printable
from turnkeeper.cli.options import milliseconds
from turnkeeper.errors import Misconfigured

if TYPE_CHECKING:
    from turnkeeper.audio.sync import Sync

__all__ = ["audio"]


def audio(
    recording: Path,
    /,
    *,
    second: Path | None = None,
    peaks: Path | None = None,
    samples_per_pixel: int = 256,
    bits: Literal[8, 16] = 8,
    mono: Annotated[bool, Parameter(negative="")] = False,
    transcript: str = "",
    sync: Literal["report", "correct", "off"] | None = None,
    alignment: Path | None = None,
    lhotse: Path | None = None,
    repair_ends: Path | None = None,
    recording_start: float = 0.0,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Facts about a recording, its waveform, and whether it fits its transcript.

    Reads WAV (PCM, u-law, A-law), FLAC, Ogg Opus and Vorbis, MP3, WebM and MP4, whatever the file's name says.

        turnkeeper audio call.wav
        turnkeeper audio call.opus --peaks call.dat --samples-per-pixel 256 --bits 8
        turnkeeper audio call.wav --transcript call.json --sync report --json
        turnkeeper audio call.wav --transcript call.json --sync correct --alignment call.alignment.json
        turnkeeper audio call.wav --transcript call.json --repair-ends call.jsonl

    With `--sync` the recording is compared with its transcript: offset, drift, channels and cuts, a verdict (verified,
    corrected, unverified, mismatch) and the evidence for it. Exit code 3 says mismatch (this audio is not this
    transcript), or that sound is missing in the recording: `incomplete` says what.

    Parameters
    ----------
    recording
        The recording.
    second
        The second of two mono files of one call.
    peaks
        Write the waveform here, in the format of audiowaveform 2: .dat or .json. Each channel by itself.
    samples_per_pixel
        How many samples one pair of minimum and maximum stands for.
    bits
        8 or 16.
    mono
        One waveform of all channels together.
    transcript
        The recording's transcript, in any dialect.
    sync
        report: measure and say; correct: also put the turns of --alignment and --lhotse where they are heard, if that
        was measured reliably; off: believe the metadata.
    alignment
        Write here, as JSON, which samples each turn is (needs --transcript).
    lhotse
        Write recordings.jsonl and supervisions.jsonl for lhotse into this folder (needs --transcript).
    repair_ends
        Write the turns here as JSON lines, with the ends of turns and words that are heard, marked "repaired" (needs
        --transcript). Nothing is repaired where the recording does not surely fit; --sync off believes that it does.
    recording_start
        Second of the conversation at which the recording begins, as far as it is known.
    json
        The comparison as JSON; facts are JSON anyway.
    """
    facts = _recording_facts(recording, second)
    if peaks is not None:
        pixels = write_peaks(recording, peaks, second=second, samples_per_pixel=samples_per_pixel, bits=bits, mono=mono)
        facts["peaks"] = {"path": str(peaks), "pixels": pixels, "samples_per_pixel": samples_per_pixel}
    if not transcript:
        _need_transcript({"--sync": sync, "--alignment": alignment, "--lhotse": lhotse, "--repair-ends": repair_ends})
        print_json(facts)
        return _incomplete_code(facts)
    pair = _AudioPair(recording, transcript, second, milliseconds(recording_start, "--recording-start") or 0, sync)
    if lhotse is not None:
        facts["lhotse"] = {"folder": str(lhotse), "supervisions": pair.lhotse(lhotse)}
    if repair_ends is not None:
        facts["repair_ends"] = pair.repair(repair_ends)
    if alignment is not None:
        facts["alignment"] = str(alignment)
    return _print_result(facts, pair.alignment(alignment) if sync or alignment else None, sync, as_json=json)


def _recording_facts(recording: Path, second: Path | None) -> dict[str, Any]:
    facts = asdict(audio_facts(recording, second=second))
    if not facts["incomplete"]:
        del facts["incomplete"]
    return facts


def _need_transcript(given: Mapping[str, object]) -> None:
    for name, value in given.items():
        if value is not None:
            raise Misconfigured("needs the transcript", key=name, hint="Add --transcript.")


@dataclass(frozen=True)
class _AudioPair:
    """A recording and its transcript, with the options that both need."""

    recording: Path
    transcript: str
    second: Path | None
    start_ms: int
    sync: Literal["report", "correct", "off"] | None

    def lhotse(self, folder: Path) -> int:
        return write_lhotse(
            self.recording,
            self.transcript,
            folder,
            second=self.second,
            recording_start_ms=self.start_ms,
            sync=self.sync or "off",
        )

    def repair(self, out: Path) -> dict[str, object]:
        """Write the turns with the ends that are heard. Return the counts, and print why if none was repaired."""
        repair = repaired_ends(
            self.recording,
            self.transcript,
            sync="off" if self.sync == "off" else "correct",
            second=self.second,
            recording_start_ms=self.start_ms,
        )
        write_repaired(repair, self.transcript, out)
        result: dict[str, object] = {"path": str(out), "turns": len(repair.turns), "repaired": repair.count}
        if repair.sync is not None:
            result["verdict"] = repair.sync.verdict
            if repair.sync.verdict in ("unverified", "mismatch"):
                print_note(f"no end was repaired, {repair.sync.verdict}: {repair.sync.evidence.reason}")
        return result

    def alignment(self, out: Path | None) -> Sync | None:
        """Compare the two, and write the document if ``out`` is given."""
        return write_local_alignment(
            self.recording,
            self.transcript,
            out,
            sync=self.sync or "report",
            second=self.second,
            recording_start_ms=self.start_ms,
        )


def _print_result(facts: dict[str, Any], sync_result: Sync | None, mode: str | None, *, as_json: bool) -> int:
    if sync_result is None:
        print_json(facts)
        return _incomplete_code(facts)
    measured = sync_fields(sync_result) | {"mode": mode or "report", "recording": facts}
    if as_json:
        print_json(measured)
    else:
        print(_sync_sentences(measured))
    return 3 if sync_result.verdict == "mismatch" else _incomplete_code(facts)


def _incomplete_code(facts: dict[str, Any]) -> int:
    """Print what is missing in the recording. Return the exit code."""
    for sentence in facts.get("incomplete", ()):
        print_note(f"the recording is incomplete: {printable(sentence)}")
    return 3 if "incomplete" in facts else 0


def _sync_sentences(sync_result: dict[str, Any]) -> str:
    evidence = sync_result["evidence"]
    sentences = [f"{sync_result['verdict']}: {evidence['reason']}"]
    if sync_result["verdict"] in ("verified", "corrected"):
        channels = ", ".join(sync_result["channels"]) or "cannot be told"
        sentences += [
            "offset {offset_ms} ms, drift {drift_ppm} ppm, confidence {confidence}".format_map(sync_result),
            f"channels: {channels}{' (exchanged)' if sync_result['swapped'] else ''}",
            *(f"cut out: {cut['start_ms']} to {cut['end_ms']} ms of the recording" for cut in sync_result["cuts"]),
        ]
    else:
        sentences.append(f"no figures; confidence {sync_result['confidence']}")
    sentences.append(", ".join(f"{name} {value}" for name, value in evidence.items() if name != "reason"))
    return printable("\n".join(sentences))
