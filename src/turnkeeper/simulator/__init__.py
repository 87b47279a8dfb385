"""The Genesys Cloud platform on loopback, from a seed: for tests, for the demo, for the CLI verb `simulate`.

It imports nothing else of turnkeeper, so that its truth about the exporter is independent evidence.
"""

from __future__ import annotations

from turnkeeper.simulator.faults import FAULTS
from turnkeeper.simulator.schedule import FIRST
from turnkeeper.simulator.server import Running, run, serve
from turnkeeper.simulator.simulation import Simulation

__all__ = ["FAULTS", "FIRST", "Running", "Simulation", "run", "serve"]
