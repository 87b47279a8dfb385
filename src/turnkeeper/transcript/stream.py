"""Alias of ``turnkeeper.jsonstream.stream``: its documented path until 0.1, kept for one release."""

from __future__ import annotations

import warnings

from turnkeeper.jsonstream.stream import Batch, Stream, async_batches, batches_of, stream_batches

__all__ = ["Batch", "Stream", "async_batches", "batches_of", "stream_batches"]

warnings.warn("turnkeeper.transcript.stream is now turnkeeper.jsonstream.stream", DeprecationWarning, stacklevel=2)
