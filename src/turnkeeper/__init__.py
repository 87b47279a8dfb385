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
    from turnkeeper.audio.timeline import span as span
    from turnkeeper.clock import ManualClock as ManualClock
    from turnkeeper.genesys.platform import Genesys as Genesys
    from turnkeeper.model import Participant as Participant
    from turnkeeper.model import Summary as Summary
    from turnkeeper.model import Turn as Turn
    from turnkeeper.model import Word as Word
    from turnkeeper.profiles import Profile as Profile
    from turnkeeper.profiles import read_profile as read_profile
    from turnkeeper.runs.conversation import Got as Got
    from turnkeeper.runs.conversation import export_conversation as export_conversation
    from turnkeeper.runs.conversation import get as get
    from turnkeeper.runs.doctor import Check as Check
    from turnkeeper.runs.doctor import doctor as doctor
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
    "Archive": "turnkeeper.archive.bundle",
    "Check": "turnkeeper.runs.doctor",
    "ClientSettings": "turnkeeper.settings",
    "Genesys": "turnkeeper.genesys.platform",
    "Got": "turnkeeper.runs.conversation",
    "JwtSettings": "turnkeeper.settings",
    "Manifest": "turnkeeper.archive.manifest",
    "ManualClock": "turnkeeper.clock",
    "Participant": "turnkeeper.model",
    "PlatformSettings": "turnkeeper.settings",
    "Profile": "turnkeeper.profiles",
    "Report": "turnkeeper.viewer.report",
    "RetrySettings": "turnkeeper.settings",
    "Selection": "turnkeeper.transcript.select",
    "StoreSettings": "turnkeeper.settings",
    "Summary": "turnkeeper.model",
    "Turn": "turnkeeper.model",
    "TurnBatch": "turnkeeper.transcript.columns",
    "Word": "turnkeeper.model",
    "doctor": "turnkeeper.runs.doctor",
    "export_conversation": "turnkeeper.runs.conversation",
    "get": "turnkeeper.runs.conversation",
    "read_batches": "turnkeeper.runs.turns",
    "read_profile": "turnkeeper.profiles",
    "read_turns": "turnkeeper.runs.turns",
    "report": "turnkeeper.viewer.report",
    "reread": "turnkeeper.archive.reread",
    "span": "turnkeeper.audio.timeline",
}

__all__ = [
    "Archive",
    "Check",
    "ClientSettings",
    "Genesys",
    "Got",
    "JwtSettings",
    "Manifest",
    "ManualClock",
    "Participant",
    "PlatformSettings",
    "Profile",
    "Report",
    "RetrySettings",
    "Selection",
    "StoreSettings",
    "Summary",
    "Turn",
    "TurnBatch",
    "Word",
    "__version__",
    "doctor",
    "errors",
    "export_conversation",
    "get",
    "read_batches",
    "read_profile",
    "read_turns",
    "report",
    "reread",
    "span",
]


def __getattr__(name: str) -> object:
    """Load a public name from the room it lives in (PEP 562)."""
    if name == "errors":
        return import_module("turnkeeper.errors")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'turnkeeper' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return __all__
