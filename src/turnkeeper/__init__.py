"""Export Genesys Cloud conversation transcripts into an archive you own.

>>> import turnkeeper as tk                                                   # doctest: +SKIP
>>> got = tk.get("4d3c…", to="s3://calls/genesys")                            # doctest: +SKIP

Names are loaded when they are first used, so ``import turnkeeper`` is cheap and reading a local file loads no network.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from turnkeeper.version import __version__

if TYPE_CHECKING:
    from turnkeeper import errors as errors
    from turnkeeper.archive.bundle import Archive as Archive
    from turnkeeper.archive.manifest import Manifest as Manifest
    from turnkeeper.archive.reread import reread as reread
    from turnkeeper.audio.alignment import Alignment as Alignment
    from turnkeeper.audio.decode import Audio as Audio
    from turnkeeper.audio.decode import open_audio as open_audio
    from turnkeeper.audio.peaks import build_peaks as build_peaks
    from turnkeeper.audio.timeline import Timeline as Timeline
    from turnkeeper.audio.timeline import span as span
    from turnkeeper.clock import ManualClock as ManualClock
    from turnkeeper.genesys.filters import Filters as Filters
    from turnkeeper.genesys.interval import Interval as Interval
    from turnkeeper.genesys.platform import Genesys as Genesys
    from turnkeeper.model import Participant as Participant
    from turnkeeper.model import Recording as Recording
    from turnkeeper.model import Summary as Summary
    from turnkeeper.model import Turn as Turn
    from turnkeeper.model import Word as Word
    from turnkeeper.profiles import Profile as Profile
    from turnkeeper.profiles import read_profile as read_profile
    from turnkeeper.runs.audio import align as align
    from turnkeeper.runs.clips import Clip as Clip
    from turnkeeper.runs.clips import clip as clip
    from turnkeeper.runs.completeness import Completeness as Completeness
    from turnkeeper.runs.completeness import status as status
    from turnkeeper.runs.conversation import Got as Got
    from turnkeeper.runs.conversation import export_conversation as export_conversation
    from turnkeeper.runs.conversation import get as get
    from turnkeeper.runs.doctor import Check as Check
    from turnkeeper.runs.doctor import doctor as doctor
    from turnkeeper.runs.ends import Repair as Repair
    from turnkeeper.runs.ends import repair_ends as repair_ends
    from turnkeeper.runs.export import Foreseen as Foreseen
    from turnkeeper.runs.export import export as export
    from turnkeeper.runs.export import foresee as foresee
    from turnkeeper.runs.exporter import ExportSettings as ExportSettings
    from turnkeeper.runs.range import Follow as Follow
    from turnkeeper.runs.range import Range as Range
    from turnkeeper.runs.report import RunReport as RunReport
    from turnkeeper.runs.schedule import Schedule as Schedule
    from turnkeeper.runs.sound import AudioWanted as AudioWanted
    from turnkeeper.runs.turns import read_batches as read_batches
    from turnkeeper.runs.turns import read_turns as read_turns
    from turnkeeper.settings import ClientSettings as ClientSettings
    from turnkeeper.settings import JwtSettings as JwtSettings
    from turnkeeper.settings import PlatformSettings as PlatformSettings
    from turnkeeper.settings import RetrySettings as RetrySettings
    from turnkeeper.settings import StoreSettings as StoreSettings
    from turnkeeper.transcript.columns import TurnBatch as TurnBatch
    from turnkeeper.transcript.select import Selection as Selection
    from turnkeeper.viewer.report import Report as Report
    from turnkeeper.viewer.report import report as report

_HOMES = {
    "Alignment": "turnkeeper.audio.alignment",
    "Archive": "turnkeeper.archive.bundle",
    "Audio": "turnkeeper.audio.decode",
    "AudioWanted": "turnkeeper.runs.sound",
    "Check": "turnkeeper.runs.doctor",
    "ClientSettings": "turnkeeper.settings",
    "Clip": "turnkeeper.runs.clips",
    "Completeness": "turnkeeper.runs.completeness",
    "ExportSettings": "turnkeeper.runs.exporter",
    "Filters": "turnkeeper.genesys.filters",
    "Follow": "turnkeeper.runs.range",
    "Foreseen": "turnkeeper.runs.export",
    "Genesys": "turnkeeper.genesys.platform",
    "Got": "turnkeeper.runs.conversation",
    "Interval": "turnkeeper.genesys.interval",
    "JwtSettings": "turnkeeper.settings",
    "Manifest": "turnkeeper.archive.manifest",
    "ManualClock": "turnkeeper.clock",
    "Participant": "turnkeeper.model",
    "PlatformSettings": "turnkeeper.settings",
    "Profile": "turnkeeper.profiles",
    "Range": "turnkeeper.runs.range",
    "Recording": "turnkeeper.model",
    "Repair": "turnkeeper.runs.ends",
    "Report": "turnkeeper.viewer.report",
    "RetrySettings": "turnkeeper.settings",
    "RunReport": "turnkeeper.runs.report",
    "Schedule": "turnkeeper.runs.schedule",
    "Selection": "turnkeeper.transcript.select",
    "StoreSettings": "turnkeeper.settings",
    "Summary": "turnkeeper.model",
    "Timeline": "turnkeeper.audio.timeline",
    "Turn": "turnkeeper.model",
    "TurnBatch": "turnkeeper.transcript.columns",
    "Word": "turnkeeper.model",
    "align": "turnkeeper.runs.audio",
    "build_peaks": "turnkeeper.audio.peaks",
    "clip": "turnkeeper.runs.clips",
    "doctor": "turnkeeper.runs.doctor",
    "export": "turnkeeper.runs.export",
    "export_conversation": "turnkeeper.runs.conversation",
    "foresee": "turnkeeper.runs.export",
    "get": "turnkeeper.runs.conversation",
    "open_audio": "turnkeeper.audio.decode",
    "read_batches": "turnkeeper.runs.turns",
    "read_profile": "turnkeeper.profiles",
    "read_turns": "turnkeeper.runs.turns",
    "repair_ends": "turnkeeper.runs.ends",
    "report": "turnkeeper.viewer.report",
    "reread": "turnkeeper.archive.reread",
    "span": "turnkeeper.audio.timeline",
    "status": "turnkeeper.runs.completeness",
}

__all__ = [
    "Alignment",
    "Archive",
    "Audio",
    "AudioWanted",
    "Check",
    "ClientSettings",
    "Clip",
    "Completeness",
    "ExportSettings",
    "Filters",
    "Follow",
    "Foreseen",
    "Genesys",
    "Got",
    "Interval",
    "JwtSettings",
    "Manifest",
    "ManualClock",
    "Participant",
    "PlatformSettings",
    "Profile",
    "Range",
    "Recording",
    "Repair",
    "Report",
    "RetrySettings",
    "RunReport",
    "Schedule",
    "Selection",
    "StoreSettings",
    "Summary",
    "Timeline",
    "Turn",
    "TurnBatch",
    "Word",
    "__version__",
    "align",
    "build_peaks",
    "clip",
    "doctor",
    "errors",
    "export",
    "export_conversation",
    "foresee",
    "get",
    "open_audio",
    "read_batches",
    "read_profile",
    "read_turns",
    "repair_ends",
    "report",
    "reread",
    "span",
    "status",
]


def __getattr__(name: str) -> object:
    """Load a public name from the room it lives in (PEP 562)."""
    if name == "errors":
        return import_module("turnkeeper.errors")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'turnkeeper' has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(home), name)
    return found


def __dir__() -> list[str]:
    return __all__
