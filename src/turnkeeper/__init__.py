"""Export Genesys Cloud conversation transcripts into an archive you own.

>>> import turnkeeper as tk                                                   # doctest: +SKIP
>>> result = tk.get("4d3c…", to="s3://calls/genesys")                         # doctest: +SKIP

Names are imported when they are first used, so ``import turnkeeper`` is fast, and reading a local file does not import
an HTTP client.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING

from turnkeeper.version import __version__

if TYPE_CHECKING:
    from turnkeeper import errors as errors
    from turnkeeper.archive.manifest import Manifest as Manifest
    from turnkeeper.archive.reread import reread as reread
    from turnkeeper.audio.alignment import Alignment as Alignment
    from turnkeeper.audio.decode import Audio as Audio
    from turnkeeper.audio.decode import open_audio as open_audio
    from turnkeeper.audio.peaks import build_peaks as build_peaks
    from turnkeeper.audio.timeline import Timeline as Timeline
    from turnkeeper.audio.timeline import span as span
    from turnkeeper.calls.align import align as align
    from turnkeeper.calls.clips import Clip as Clip
    from turnkeeper.calls.clips import clip as clip
    from turnkeeper.calls.repair_ends import Repair as Repair
    from turnkeeper.calls.repair_ends import repair_ends as repair_ends
    from turnkeeper.calls.turns import read_batches as read_batches
    from turnkeeper.calls.turns import read_turns as read_turns
    from turnkeeper.clock import ManualClock as ManualClock
    from turnkeeper.diagnosis import Check as Check
    from turnkeeper.diagnosis import doctor as doctor
    from turnkeeper.erasure.erasable_archive import ErasableArchive as Archive
    from turnkeeper.exporter.engine import ExportSettings as ExportSettings
    from turnkeeper.exporter.export import Estimate as Estimate
    from turnkeeper.exporter.export import estimate as estimate
    from turnkeeper.exporter.export import export as export
    from turnkeeper.exporter.get import GetResult as GetResult
    from turnkeeper.exporter.get import export_conversation as export_conversation
    from turnkeeper.exporter.get import get as get
    from turnkeeper.exporter.range import Follow as Follow
    from turnkeeper.exporter.range import Range as Range
    from turnkeeper.exporter.recordings import RecordingOptions as RecordingOptions
    from turnkeeper.exporter.run_report import RunReport as RunReport
    from turnkeeper.exporter.schedule import Schedule as Schedule
    from turnkeeper.exporter.status import Status as Status
    from turnkeeper.exporter.status import status as status
    from turnkeeper.genesys.client import Genesys as Genesys
    from turnkeeper.genesys.filters import Filters as Filters
    from turnkeeper.genesys.interval import Interval as Interval
    from turnkeeper.model import Participant as Participant
    from turnkeeper.model import Recording as Recording
    from turnkeeper.model import Summary as Summary
    from turnkeeper.model import Turn as Turn
    from turnkeeper.model import Word as Word
    from turnkeeper.pages.report import Report as Report
    from turnkeeper.pages.report import report as report
    from turnkeeper.payloads.turn_batch import TurnBatch as TurnBatch
    from turnkeeper.profiles import Profile as Profile
    from turnkeeper.profiles import read_profile as read_profile
    from turnkeeper.settings import ClientSettings as ClientSettings
    from turnkeeper.settings import JwtSettings as JwtSettings
    from turnkeeper.settings import PlatformSettings as PlatformSettings
    from turnkeeper.settings import RetrySettings as RetrySettings
    from turnkeeper.settings import StoreSettings as StoreSettings
    from turnkeeper.transcript.select import Selection as Selection

    AudioWanted = RecordingOptions
    Completeness = Status
    Foreseen = Estimate
    Got = GetResult
    foresee = estimate

_HOMES = {
    "Alignment": "turnkeeper.audio.alignment",
    "Archive": "turnkeeper.erasure.erasable_archive:ErasableArchive",
    "Audio": "turnkeeper.audio.decode",
    "Check": "turnkeeper.diagnosis",
    "ClientSettings": "turnkeeper.settings",
    "Clip": "turnkeeper.calls.clips",
    "Estimate": "turnkeeper.exporter.export",
    "ExportSettings": "turnkeeper.exporter.engine",
    "Filters": "turnkeeper.genesys.filters",
    "Follow": "turnkeeper.exporter.range",
    "Genesys": "turnkeeper.genesys.client",
    "GetResult": "turnkeeper.exporter.get",
    "Interval": "turnkeeper.genesys.interval",
    "JwtSettings": "turnkeeper.settings",
    "Manifest": "turnkeeper.archive.manifest",
    "ManualClock": "turnkeeper.clock",
    "Participant": "turnkeeper.model",
    "PlatformSettings": "turnkeeper.settings",
    "Profile": "turnkeeper.profiles",
    "Range": "turnkeeper.exporter.range",
    "Recording": "turnkeeper.model",
    "RecordingOptions": "turnkeeper.exporter.recordings",
    "Repair": "turnkeeper.calls.repair_ends",
    "Report": "turnkeeper.pages.report",
    "RetrySettings": "turnkeeper.settings",
    "RunReport": "turnkeeper.exporter.run_report",
    "Schedule": "turnkeeper.exporter.schedule",
    "Selection": "turnkeeper.transcript.select",
    "Status": "turnkeeper.exporter.status",
    "StoreSettings": "turnkeeper.settings",
    "Summary": "turnkeeper.model",
    "Timeline": "turnkeeper.audio.timeline",
    "Turn": "turnkeeper.model",
    "TurnBatch": "turnkeeper.payloads.turn_batch",
    "Word": "turnkeeper.model",
    "align": "turnkeeper.calls.align",
    "build_peaks": "turnkeeper.audio.peaks",
    "clip": "turnkeeper.calls.clips",
    "doctor": "turnkeeper.diagnosis",
    "estimate": "turnkeeper.exporter.export",
    "export": "turnkeeper.exporter.export",
    "export_conversation": "turnkeeper.exporter.get",
    "get": "turnkeeper.exporter.get",
    "open_audio": "turnkeeper.audio.decode",
    "read_batches": "turnkeeper.calls.turns",
    "read_profile": "turnkeeper.profiles",
    "read_turns": "turnkeeper.calls.turns",
    "repair_ends": "turnkeeper.calls.repair_ends",
    "report": "turnkeeper.pages.report",
    "reread": "turnkeeper.archive.reread",
    "span": "turnkeeper.audio.timeline",
    "status": "turnkeeper.exporter.status",
}
"""Where each public name is defined, and what it is called there if that differs."""

_FORMER = {
    "AudioWanted": "RecordingOptions",
    "Completeness": "Status",
    "Foreseen": "Estimate",
    "Got": "GetResult",
    "foresee": "estimate",
}
"""Names of the release before. They work until the next release, with a ``DeprecationWarning``."""

__all__ = [
    "Alignment",
    "Archive",
    "Audio",
    "Check",
    "ClientSettings",
    "Clip",
    "Estimate",
    "ExportSettings",
    "Filters",
    "Follow",
    "Genesys",
    "GetResult",
    "Interval",
    "JwtSettings",
    "Manifest",
    "ManualClock",
    "Participant",
    "PlatformSettings",
    "Profile",
    "Range",
    "Recording",
    "RecordingOptions",
    "Repair",
    "Report",
    "RetrySettings",
    "RunReport",
    "Schedule",
    "Selection",
    "Status",
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
    "estimate",
    "export",
    "export_conversation",
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
    """Load a public name from the module that defines it (PEP 562)."""
    if name == "errors":
        return import_module("turnkeeper.errors")
    if name in _FORMER:
        message = f"turnkeeper.{name} is now turnkeeper.{_FORMER[name]}; the old name goes with the next release"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        return __getattr__(_FORMER[name])
    home, _, symbol = _HOMES.get(name, "").partition(":")
    if not home:
        raise AttributeError(f"module 'turnkeeper' has no attribute {name!r}")
    # Kept, so that ``__getattr__`` is asked once per name.
    globals()[name] = value = getattr(import_module(home), symbol or name)
    return value


def __dir__() -> list[str]:
    return __all__
