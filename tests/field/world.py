"""What a case may use: a folder of its own, the command line, a platform that can be spoiled, and a bucket."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.field.spoiled import Change, Spoiled
from turnkeeper.simulator import Running, Simulation, serve

__all__ = ["Ran", "World"]

OURS = ("GENESYS_", "AWS_", "TURNKEEPER_", "XDG_")
NOW = datetime(2026, 10, 7, tzinfo=UTC)
SPAN = ("--since", "2026-10-05", "--until", "2026-10-07")


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @cached_property
    def turns(self) -> list[dict[str, Any]]:
        """The lines of JSON on standard output."""
        found = [json.loads(line) for line in self.out.splitlines() if line.startswith("{")]
        return [one for one in found if "text" in one]

    @property
    def texts(self) -> list[str]:
        return [one["text"] for one in self.turns]

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def now(self) -> str:
        """The exit code and what was said first, for the table."""
        said = " ".join((self.err.strip() or self.out.strip()).split())
        turns = f", {self.out.count(chr(10))} lines" if self.out else ", no line"
        return f"exit {self.code}{turns}" + (f": {said[:110]}" if said else "")


@dataclass
class World:
    """One case's world. ``command`` is the program under trial."""

    folder: Path
    stack: ExitStack
    command: tuple[str, ...] = (sys.executable, "-m", "turnkeeper")
    ran: list[Ran] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)

    def file(self, name: str, content: Any) -> str:
        """Write a file; what is no text or bytes becomes JSON. Returns its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content if isinstance(content, bytes) else None
        path.write_bytes(data if data is not None else _text(content).encode())
        return str(path)

    def cli(self, *arguments: str, stdin: bytes = b"", timeout: float = 60, **env: str) -> Ran:
        """Run the command line as a user would. One that does not end is stopped and has exit code 124."""
        try:
            done = subprocess.run(
                [*self.command, *arguments],
                input=stdin,
                capture_output=True,
                cwd=self.folder,
                env=self.environment(env),
                timeout=timeout,
                check=False,
            )
            ran = Ran(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
        except subprocess.TimeoutExpired:
            ran = Ran(124, "", "did not end")
        self.ran.append(ran)
        return ran

    def turns(self, content: Any, *options: str, name: str = "given.json") -> Ran:
        """``turnkeeper turns`` of a file."""
        return self.cli("turns", self.file(name, content), *options)

    def python(self, code: str) -> Ran:
        """The library call beside the verb."""
        ran = self.cli("-c", code) if self.command[1:2] != ("-m",) else self._python(code)
        self.ran[-1:] = [ran]
        return ran

    def _python(self, code: str) -> Ran:
        command, self.command = self.command, self.command[:1]
        try:
            return self.cli("-c", code)
        finally:
            self.command = command

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """Nothing of this machine's credentials, proxies and home."""
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(OURS) and not name.lower().endswith("_proxy")
        }
        state = {"HOME": str(self.folder), "XDG_STATE_HOME": str(self.folder / "state"), "COLUMNS": "200"}
        return {**clean, **state, **self.env, **more}

    def platform(self, *faults: str, change: Change | None = None, conversations: int = 4, **settings: Any) -> Platform:
        """A simulated platform whose answers ``change`` may spoil. Sets the environment of its user."""
        simulation = Simulation(
            **{"seed": 7, "now": NOW, "rate_limit": 100_000, **settings},
            conversations=conversations,
            faults=frozenset(faults),
        )
        running = self.stack.enter_context(serve(simulation))
        spoiled = self.stack.enter_context(Spoiled(running.base_url, change))
        self.env |= {
            "GENESYS_BASE_URL": spoiled.url,
            "GENESYS_CLIENT_ID": running.client_id,
            "GENESYS_CLIENT_SECRET": running.client_secret,
            "TURNKEEPER_CLOCK_URL": running.clock_url,
        }
        return Platform(running, spoiled)

    def export(self, *options: str, to: str = "archive", **more: Any) -> Ran:
        """``turnkeeper export`` of the two days in which the simulator's calls lie."""
        return self.cli("export", "--to", to, *SPAN, "--quiet", *options, **more)

    def archived(self, to: str = "archive") -> list[str]:
        """The conversations that have a transcript in the archive."""
        folder = self.folder / to / "transcripts"
        return sorted({path.relative_to(folder).parts[0].removesuffix(".json") for path in folder.rglob("*.json")})

    def manifests(self, to: str = "archive") -> list[str]:
        """Every manifest in the archive: conversation and generation."""
        folder = self.folder / to / "manifests"
        return sorted(f"{path.parent.name}/{path.stem}" for path in folder.rglob("*.json"))


@dataclass(frozen=True)
class Platform:
    """A platform, and the proxy in front of it."""

    running: Running
    spoiled: Spoiled

    @property
    def ids(self) -> list[str]:
        return self.running.conversation_ids

    def heal(self) -> None:
        """From now on the platform is honest."""
        self.spoiled.change = None

    def advance(self, seconds: float) -> None:
        """Move the platform's clock, by which the command line lives."""
        body = json.dumps({"advance": seconds}).encode()
        request = urllib.request.Request(
            self.running.clock_url, body, {"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            answer.read()


def _text(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
