"""Manifests for lhotse: the lines of a ``RecordingSet`` and of a ``SupervisionSet``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from turnkeeper.model import Span, Turn

__all__ = ["recording_manifest", "supervisions"]


def recording_manifest(
    recording: str, sources: Sequence[str], *, rate: int, frames: int, channels: int
) -> dict[str, Any]:
    """One line of a ``RecordingSet``. ``sources`` is one file with all channels, or one mono file per channel."""
    each = [[number] for number in range(channels)] if len(sources) > 1 else [list(range(channels))]
    return {
        "id": recording,
        "sources": [
            {"type": "file", "channels": numbers, "source": source}
            for numbers, source in zip(each, sources, strict=True)
        ],
        "sampling_rate": rate,
        "num_samples": frames,
        "duration": frames / rate,
        "channel_ids": list(range(channels)),
    }


def supervisions(
    recording: str, index: int, turn: Turn, spans: Sequence[Span], *, rate: int, channel: int | list[int]
) -> list[dict[str, Any]]:
    """The lines of a ``SupervisionSet`` for one turn: one for each span that contains samples.

    Times are the samples divided by the rate. lhotse rounds seconds half up to samples, which gives the same samples
    back.
    """
    audible = [span for span in spans if span.end > span.start]
    lines = []
    for part, span in enumerate(audible):
        line: dict[str, Any] = {
            "id": f"{recording}-{index}" if len(audible) == 1 else f"{recording}-{index}-{part}",
            "recording_id": recording,
            "start": span.start / rate,
            "duration": (span.end - span.start) / rate,
            "channel": channel,
            "text": turn.text,
            "speaker": turn.speaker_id or turn.role,
            "custom": {"role": turn.role, "turn": index},
        }
        if turn.language:
            line["language"] = turn.language
        lines.append(line)
    return lines
