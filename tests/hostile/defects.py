"""Attacks that turnkeeper does not hold out against yet, by name: neither in the suite nor in the page.

``verb: damage`` leaves out that verb alone.

``python -m tests.hostile --open`` tries them and says what is broken; a name leaves this list when nothing is.
"""

from __future__ import annotations

__all__ = ["OPEN"]

OPEN: frozenset[str] = frozenset()
