"""Attacks that turnkeeper does not hold out against yet, by name: neither in the suite nor in the page.

``verb: damage`` leaves out that verb alone.

``python -m tests.hostile --open`` tries them and says what is broken; a name leaves this list when nothing is.
"""

from __future__ import annotations

__all__ = ["OPEN"]

OPEN: frozenset[str] = frozenset(
    {
        "inputs are answered 200 with an XML error, and not kept",
        "a list goes on by the same token for ever",
        "a list goes on by the same token for ever, while verifying",
        "a stray key with dots",
        "report: a manifest is cut short",
        "report: a manifest is empty",
        "report: a manifest is of a newer format",
        "report: a manifest names another conversation",
        "report: a manifest's keys are `../../etc/passwd`",
        "report: a second manifest under the same id in capitals",
        "report: a view is not what its manifest says",
        "report: a view is a FIFO",
    }
)
