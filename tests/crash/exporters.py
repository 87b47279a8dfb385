"""Several exporters at once on one archive, each a process with a ledger of its own: the archive of one alone.

python -m tests.crash.exporters --exporters 10 --conversations 300 --to folder     (or: --to s3)
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.conftest import credentials
from tests.crash.job import opened
from tests.crash.judge import holding
from turnkeeper.archive.archive import Archive
from turnkeeper.cli.local_s3 import LocalS3
from turnkeeper.simulator import Running, Simulation, serve

__all__ = ["Concurrency", "concurrency"]

NOW = "2026-11-20T00:00:00Z"
COMPLETE = (0, 3)
"""Exit codes of a whole run: 3 where a transcript arrived that nobody can read."""
RANGE = ("--since", "2026-10-05", "--until", "2026-10-08")


@dataclass(frozen=True)
class Concurrency:
    """A platform, and the place where archives and ledgers stand."""

    running: Running
    folder: Path

    def alone(self) -> str:
        """The address of an archive that one exporter makes. Raises ``AssertionError`` where it fails."""
        to = str(self.folder / "archive-of-one")
        code = self._exporter(to, "alone", {}).wait()
        assert code in COMPLETE, (self.folder / "alone.txt").read_text()
        return to

    def together(self, to: str, exporters: int, store: Mapping[str, str]) -> list[int]:
        """Start so many exporters at the same moment; their exit codes."""
        started = [self._exporter(to, f"ledger-{number}", store) for number in range(exporters)]
        return [process.wait() for process in started]

    def differences(self, one: str, other: str, store: Mapping[str, str]) -> list[str]:
        """What differs between an archive in a folder and another one, and what verification says of the other."""
        place = opened(other, {**os.environ, **store})
        damage = [f"{finding.kind} {finding.key}" for finding in Archive(place).verify()]
        return holding(opened(one, {})).differences(holding(place)) + damage

    def missing(self, to: str, store: Mapping[str, str]) -> list[str]:
        """Conversations that have a transcript from the beginning, by the simulator's truth, and no manifest."""
        truth = _asked(self.running.truth_url)["conversations"]
        archived = set(Archive(opened(to, {**os.environ, **store})).conversations())
        return sorted(name for name, one in truth.items() if one["outcome"] == "done" and name not in archived)

    def _exporter(self, to: str, ledger: str, store: Mapping[str, str]) -> subprocess.Popen[bytes]:
        env = {**os.environ, **credentials(self.running), **store, "GENESYS_API": "speech"}
        env["XDG_STATE_HOME"] = str(self.folder / ledger)
        command = [sys.executable, "-m", "turnkeeper", "export", "--to", to, *RANGE, "-q"]
        with (self.folder / f"{ledger}.txt").open("wb") as output:
            return subprocess.Popen(command, env=env, stdout=output, stderr=subprocess.STDOUT)


@contextmanager
def concurrency(folder: Path, conversations: int) -> Iterator[Concurrency]:
    """Three days of calls, all of them transcribed by now."""
    simulation = Simulation(
        seed=7,
        conversations=conversations,
        per_day=-(-conversations // 3),
        rate_limit=1_000_000,
        now=datetime.fromisoformat(NOW),
    )
    with serve(simulation) as running:
        yield Concurrency(running, folder)


def _asked(url: str) -> Any:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=60) as answer:
        return json.load(answer)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exporters", type=int, default=10)
    parser.add_argument("--conversations", type=int, default=300)
    parser.add_argument("--to", choices=("folder", "s3"), default="folder")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="turnkeeper-exporters-")))
        s3 = stack.enter_context(LocalS3(["calls"])) if given.to == "s3" else None
        store = s3.environment() if s3 else {}
        trial = stack.enter_context(concurrency(folder, given.conversations))
        alone = trial.alone()
        to = "s3://calls/together" if s3 else str(folder / "archive-of-all")
        codes = trial.together(to, given.exporters, store)
        differences, missing = trial.differences(alone, to, store), trial.missing(to, store)
    print(json.dumps({"exit_codes": codes, "differences": differences[:20], "missing": missing[:20]}, indent=2))
    return 1 if differences or missing or not set(codes) <= set(COMPLETE) else 0


if __name__ == "__main__":
    raise SystemExit(main())
