"""What a user's type checker sees: read by mypy, never run. One line per public call."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, assert_type

import turnkeeper as tk
from turnkeeper.model import Span


def verbs() -> None:
    got = tk.get("id", to="archive", selections=[tk.Selection()], sample_rate=8000)
    assert_type(got, tk.GetResult)
    assert_type(got.document, dict[str, object])
    assert_type(got.kept.summary, tk.Summary | None)
    assert_type(got.kept.manifest, tk.Manifest)
    assert_type(tk.read_turns(Path("call.json")), Iterator[tk.Turn])
    assert_type(tk.read_turns(b"{}", tk.Selection(roles=frozenset({"agent"}))), Iterator[tk.Turn])
    assert_type(tk.read_batches("call.json"), Iterator[tk.TurnBatch])
    assert_type(tk.align("call.wav", "call.json", sync="correct"), tk.Alignment)
    assert_type(tk.repair_ends("call.wav", "call.json"), tk.Repair)
    assert_type(tk.clip("call.wav", "call.json", out="turn.wav", turn=3), list[tk.Clip])
    assert_type(tk.doctor("s3://bucket/prefix"), list[tk.Check])


def bulk() -> None:
    report = tk.export(to="archive", since="2026-10-01", until="2026-11-01", settings=tk.ExportSettings(concurrency=8))
    assert_type(report, tk.RunReport)
    assert_type(report.failures[0].hint, str)
    filters = tk.Filters.from_options(media_types=["voice"])
    assert_type(tk.Range.of(datetime.now(UTC), last="2d", filters=filters), tk.Range | None)
    start = datetime(2026, 10, 1, tzinfo=UTC)
    tk.export(tk.Range(tk.Interval(start, start + timedelta(days=1)), by="jobs"), to="archive")
    tk.export(tk.Follow(every=timedelta(minutes=5)), to="archive", stop=threading.Event())
    tk.export(to="archive", retry=True)
    assert_type(tk.estimate(last="30d"), tk.Estimate)
    assert_type(tk.estimate(ids=["id"]).hours, float)
    assert_type(tk.status("archive", since=start).done, int)
    assert_type(tk.status(tk.Archive("archive"), platform=tk.PlatformSettings.from_environment()), tk.Status)
    assert_type(tk.Schedule(window=3_600_000).absent(0, 0, 1), int | None)


def records(turn: tk.Turn) -> None:
    assert_type(turn.start_ms, int | None)
    assert_type(turn.words, tuple[tk.Word, ...])
    assert_type(turn.as_dict(), dict[str, Any])
    assert_type(tk.span(0, 290, 100).end, int)


def sound() -> None:
    with tk.open_audio(Path("call.wav")) as audio:
        assert_type(audio, tk.Audio)
        assert_type(audio.rate, int)
        with tk.build_peaks(audio.blocks(), audio.rate, audio.channels) as peaks:
            assert_type(peaks.zooms, tuple[int, ...])
    assert_type(tk.Timeline(rate=8_000, frames=100).spans(0, 10), tuple[Span, ...])


def archive() -> None:
    kept = tk.Archive("archive")
    assert_type(kept.manifest("id"), tk.Manifest | None)
    for conversation in kept.conversations():
        assert_type(conversation, str)


def errors(error: tk.errors.TurnkeeperError) -> None:
    assert_type(error.hint, str)
    if isinstance(error, tk.errors.Throttled):
        assert_type(error.retry_after, float | None)
        assert_type(error.limit_key, str)


async def doors() -> None:
    settings = tk.PlatformSettings.from_environment().but(api="media")
    assert_type(settings, tk.PlatformSettings)
    async with tk.Genesys(settings, clock=tk.ManualClock()) as platform:
        await tk.export_conversation(platform, tk.Archive("archive"), "id")
