"""The shapes of transcripts, one file per dialect.

To read a further shape, write a class with the methods of ``turnkeeper.payloads.dialect.Shape``, and pass
``shapes=(MyShape(), *SHAPES)`` to ``assemble``.
"""

from __future__ import annotations

from turnkeeper.payloads.dialect import Shape
from turnkeeper.payloads.dialects.events import EventsDialect
from turnkeeper.payloads.dialects.legacy import LegacyDialect
from turnkeeper.payloads.dialects.media import MediaDialect
from turnkeeper.payloads.dialects.own import OwnDialect
from turnkeeper.payloads.dialects.speech import SpeechDialect

__all__ = ["SHAPES"]

SHAPES: tuple[Shape, ...] = (MediaDialect(), SpeechDialect(), EventsDialect(), OwnDialect(), LegacyDialect())
"""All shapes, in the order in which they are tried."""
