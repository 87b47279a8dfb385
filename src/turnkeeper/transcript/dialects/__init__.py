"""The shapes a transcript comes in: the only place that knows payloads' field names, one file per dialect.

A further shape is a class with the methods of ``turnkeeper.transcript.dialect.Shape``; give
``shapes=(MyShape(), *SHAPES)`` to ``assemble``.
"""

from __future__ import annotations

from turnkeeper.transcript.dialect import Shape
from turnkeeper.transcript.dialects.events import Events
from turnkeeper.transcript.dialects.legacy import Legacy
from turnkeeper.transcript.dialects.media import Media
from turnkeeper.transcript.dialects.own import Own
from turnkeeper.transcript.dialects.speech import Speech

__all__ = ["SHAPES"]

SHAPES: tuple[Shape, ...] = (Media(), Speech(), Events(), Own(), Legacy())
"""All shapes, in the order in which they are tried."""
