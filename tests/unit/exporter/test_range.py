"""What an export is asked for, in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from turnkeeper.errors import Misconfigured
from turnkeeper.exporter.export import estimate, export
from turnkeeper.exporter.range import Follow, Range
from turnkeeper.genesys.filters import Filters
from turnkeeper.genesys.interval import Interval

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
VOICE = Filters.from_options(media_types=["voice"])


def test_words_are_a_range() -> None:
    october = Range(Interval(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)), VOICE, by="jobs")
    assert Range.of(NOW, since="2026-10-01", until="2026-11-01", filters=VOICE, by="jobs") == october
    assert Range.of(NOW, last="2d") == Range(Interval(NOW - timedelta(days=2), NOW))
    assert Range.of(NOW, ids=["a", "b"]) == Range(ids=("a", "b"))
    assert Range.of(NOW) is None


@pytest.mark.parametrize("words", [{"last": "2d"}, {"since": "2026-10-01"}, {"until": "now"}, {"filters": VOICE}])
def test_ids_stand_alone(words: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match="together with other choices"):
        Range.of(NOW, ids=["a"], **words)  # type: ignore[arg-type]


def test_an_export_of_nothing_and_one_of_two_ranges_are_refused_before_anything_is_opened(tmp_path: Path) -> None:
    to = tmp_path / "archive"
    with pytest.raises(Misconfigured, match="nothing was asked for"):
        export(to=str(to))
    with pytest.raises(Misconfigured, match="given twice"):
        export(Follow(), to=str(to), last="2d")
    with pytest.raises(Misconfigured, match="nothing was asked for"):
        estimate()
    assert not to.exists()
