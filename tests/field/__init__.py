"""The faults that the world found, one case each, provoked through the real command line: ``python -m tests.field``.

The rows are those of the table that people's reports were gathered in: K1 (success that lost everything), K2 (one item
that cost the whole), K8 (a hostile platform, store or disk). What needs raw sockets is in ``tests/hostile``.
"""

from __future__ import annotations

from tests.field import k1_archives, k1_reading, k2, k8_archive, k8_platform
from tests.field.case import CASES

__all__ = ["CASES", "k1_archives", "k1_reading", "k2", "k8_archive", "k8_platform"]
