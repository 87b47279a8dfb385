"""Runs last, over everything the suite left behind: no token, secret or signature in any output, log or file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.hostile.platform import SECRETS
from tests.last.scan import scan
from turnkeeper.simulator import Simulation

OURS = {"key.pem", "simulator-key.pem", "ca.pem", "client-secret"}
"""Files that tests wrote on purpose, to be read as credentials."""


def _suite() -> Path:
    place = os.environ.get("TURNKEEPER_SUITE_OUTPUT", SUITE)
    if not place:
        pytest.fail("nothing to scan: run `make test`, which runs this last and says where the suite's output is")
    return Path(place)


SUITE = os.environ.get("TURNKEEPER_SUITE_OUTPUT", "")  # before the environment is cleaned for each test


def _throwaways() -> set[bytes]:
    """Secrets of the simulations that the suite starts (seeds it uses, each with its clients' secrets), and everything
    that hostile platforms hand out: client secret, Basic header, bearer, signature, session."""
    simulations = [Simulation(seed=seed, conversations=1) for seed in (7, 1, 2, 3, 42)]
    found = {secret for one in simulations for secret in one.tokens.clients.values()}
    return {secret.encode() for secret in found | set(SECRETS.values())}


def test_nothing_the_suite_left_behind_holds_a_secret() -> None:
    suite = _suite()
    files = [path for path in suite.rglob("*") if path.is_file()]
    assert len(files) > 100, f"{suite} holds {len(files)} files: is this the suite's output?"
    found = [line for line in scan(suite, _throwaways()) if Path(line.split(": ")[0]).name not in OURS]
    assert not found, "\n".join(found[:50])


@pytest.mark.parametrize(
    "leak",
    [  # each in two halves: tests copy this very file into what the suite leaves behind
        ("Authorization: Bearer ", "abcdefghijklmnopqrstuvwxyz012345"),
        ("https://storage.example/x?X-Amz-Signature", "=0123456789abcdef0123456789abcdef"),
        ("X-Amz-Security-Token", "=FwoGZXIvYXdzEBYaD"),
        ("the secret is ", "hunter2-hunter2-hunter2"),
    ],
    ids=["bearer", "signature", "session-token", "secret"],
)
def test_the_scan_finds_what_it_should(leak: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("x" * 5_000_000 + "".join(leak))
    assert list(scan(tmp_path, [b"hunter2-hunter2-hunter2"]))
