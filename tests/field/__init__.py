"""The faults that the world found, one case each, provoked through the real command line: ``python -m tests.field``.

The rows are those of the table that people's reports were gathered in: K1 (success that lost everything), K2 (one item
that cost the whole), K3 (the environment), K8 (a hostile platform, store or disk). Rows that need raw sockets
(bytes that drip, bodies without an end, links to other networks) are judged in ``tests/hostile``; those that need keys
which no folder can hold (``manifests//x``, ``s3://calls/Queue #1``) in ``tests/unit/archive``.
"""

from __future__ import annotations

from tests.field import k1_archives, k1_reading, k2, k3_machine, k3_network, k8_archive, k8_platform
from tests.field.case import CASES

__all__ = ["CASES", "k1_archives", "k1_reading", "k2", "k3_machine", "k3_network", "k8_archive", "k8_platform"]
