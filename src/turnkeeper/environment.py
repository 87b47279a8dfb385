"""The process's environment, apart from ``settings``: the command line looks for a variable before it loads those."""

from __future__ import annotations

import os
from collections.abc import Mapping

__all__ = ["environment"]


def environment() -> Mapping[str, str]:
    """The process's environment (the one place that reads it)."""
    return os.environ
