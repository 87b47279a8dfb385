"""Thousands of conversations with every recoverable fault on, by the real command line: is the status the truth?

python -m tests.crash.truth --conversations 20000
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Examination", "ask", "examined", "move", "simulated"]

DAY = 86_400
START = "2026-10-05T06:00:00Z"
STATES = ("done", "absent", "unread", "failed", "pending", "erased", "missing")
ROUNDS = 20


@dataclass
class Examination:
    """What came of it. ``wrong`` is empty where the status is the truth."""

    expected: dict[str, int]
    found: dict[str, int]
    wrong: list[str]
    reasons: Mapping[str, Any]
    figures: dict[str, Any] = field(default_factory=dict)


@contextmanager
def simulated(conversations: int, per_day: int, faults: str) -> Iterator[dict[str, Any]]:
    """A platform in a process of its own, as ``turnkeeper simulate`` starts it."""
    command = [sys.executable, "-m", "turnkeeper", "simulate", "--conversations", str(conversations)]
    command += ["--per-day", str(per_day), "--start", START, "--faults", faults, "--rate-limit", "1000000"]
    with subprocess.Popen([*command, "--now", START], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def examined(folder: Path, conversations: int, *, per_day: int, faults: str = "all,token-expiry=200") -> Examination:
    """Export until nothing waits any more, by a clock that moves a day at a time; then judge."""
    archive = folder / "archive"
    with simulated(conversations, per_day, faults) as platform:
        env = _environment(platform, folder)
        days = -(-conversations // per_day)
        move(platform, advance=(days // 5 * 7 + days % 5 + 3) * DAY)
        until = ask(platform["clock_url"])["now"]
        options = ["export", "--to", str(archive), "--since", START, "--until", until, "--api", "speech", "-q"]
        began, reports = time.monotonic(), []
        while not reports or (_unfinished(reports[-1]) and len(reports) < ROUNDS):
            reports.append(_ran(options, env))
            print(_told(reports[-1]), flush=True)
            move(platform, advance=DAY)
        seconds = time.monotonic() - began
        status = _ran(["status", str(archive), "--json"], env)
        truth = ask(platform["truth_url"])["conversations"]
        asked = ask(platform["base_url"] + "/_sim/requests")
    return _judged(truth, status, reports, seconds, asked)


def _judged(
    truth: Mapping[str, Any], status: Mapping[str, Any], reports: list[Any], seconds: float, asked: Mapping[str, Any]
) -> Examination:
    told = Counter("done" if one["outcome"] == "late" else one["outcome"] for one in truth.values())
    found = {name: status[name] for name in STATES if status.get(name)}
    wrong = [] if found == dict(told) else [f"the truth is {dict(told)}, the status says {found}"]
    for state, reasons in status.get("reasons", {}).items():
        if sum(reasons.values()) != status.get(state, 0):
            wrong.append(f"{status.get(state)} are {state}, with reasons for {sum(reasons.values())}")
    if status.get("waiting"):
        wrong.append(f"{status['waiting']} still wait, says the status")
    counted = sum(day.get("platform", 0) for day in status["days"])
    if counted != len(truth):
        wrong.append(f"the platform counts {counted} of {len(truth)}")
    transcripts = sum(report.get("transcripts", 0) for report in reports)
    requests = sum(report["requests"] for report in reports)
    figures = {
        "conversations": len(truth),
        "runs": len(reports),
        "seconds": round(seconds, 1),
        "transcripts": transcripts,
        "requests": requests,
        "requests_per_transcript": round(requests / max(transcripts, 1), 2),
        "our_cpu_seconds": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime, 1),
        "asked": dict(asked),
    }
    return Examination(dict(told), found, wrong, status.get("reasons", {}), figures)


def _unfinished(report: Mapping[str, Any]) -> bool:
    return any(report.get(name) for name in ("waiting", "completing")) or report.get("ended") == "interrupted"


def _environment(platform: Mapping[str, Any], folder: Path) -> dict[str, str]:
    told = {
        "GENESYS_BASE_URL": platform["base_url"],
        "GENESYS_CLIENT_ID": platform["client_id"],
        "GENESYS_CLIENT_SECRET": platform["client_secret"],
        "TURNKEEPER_CLOCK_URL": platform["clock_url"],
        "XDG_STATE_HOME": str(folder / "state"),
    }
    return {**os.environ, **told}


def _ran(options: list[str], env: Mapping[str, str]) -> Any:
    command = [sys.executable, "-m", "turnkeeper", *options]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    # Somebody may interrupt an hour's work; the same command goes on.
    assert done.returncode in (0, 3, 130), f"exit {done.returncode}: {done.stderr[-2000:]}"
    assert "Traceback" not in done.stderr, done.stderr[-2000:]
    return json.loads(done.stdout)


def _told(report: Mapping[str, Any]) -> str:
    names = ("found", "visited", "transcripts", "failed", "requests", "waiting", "completing", "states")
    failures = Counter(failure["error"] for failure in report.get("failures", ()))
    return f"{report['started_at'][:10]} " + json.dumps({n: report.get(n, 0) for n in names} | {"why": failures})


def ask(url: str) -> Any:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=600) as answer:
        return json.load(answer)


def move(platform: Mapping[str, Any], **how: Any) -> None:
    request = urllib.request.Request(platform["clock_url"], data=json.dumps(how).encode())
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60).close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conversations", type=int, default=20_000)
    parser.add_argument("--per-day", type=int, default=2_000)
    parser.add_argument("--faults", default="all,token-expiry=200")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="turnkeeper-truth-") as name:
        found = examined(Path(name), given.conversations, per_day=given.per_day, faults=given.faults)
    told = {"truth": found.expected, "status": found.found, "reasons": found.reasons, "wrong": found.wrong}
    print(json.dumps(told | found.figures, indent=2))
    return 1 if found.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
