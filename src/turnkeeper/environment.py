"""The variables of the process. A module of its own because the command line reads one before it loads ``settings``."""

from __future__ import annotations

import os
from collections.abc import Mapping

__all__ = ["environment"]


def environment() -> Mapping[str, str]:
    """The process's environment (the only place that reads it)."""
    return os.environ
