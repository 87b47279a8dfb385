"""Constant memory, measured from outside: huge documents are made up while they are read, in a process of their own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from turnkeeper.jsonstream.native import native

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]

# A process of its own reads as this one does: with the part in C or without.
START = "" if native else "import tests.without_native\n"
START += """
import itertools, resource, sys
from tests.unit.payloads.sources import Endless
from turnkeeper.errors import TooLarge
from turnkeeper.transcript.assemble import Body, assemble
from turnkeeper.transcript.formats import write_transcript

def megabytes():
    # Linux hands ru_maxrss on from the process that forked; VmHWM begins anew.
    if sys.platform == "linux":
        return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)

def refused(head, block, count):
    try:
        assemble([Body(Endless(lambda: itertools.chain([head], itertools.repeat(block, count))))])
    except TooLarge as cause:
        print(megabytes(), cause.offset)
"""

MEDIA = """
WORDS = "I would like to know where my order is, the naïve façade, it should have been here by now"
def parts():
    yield b'{"conversation":"c","transcript":['
    for n in range(1_000_000):
        yield b'%s{"start_time":%d.25,"end_time":%d.75,"text":"%s","speaker_id":"p%d","confidence":0.93,' % (
            b"," if n else b"", n, n, WORDS.encode(), n % 2) + b'"new":{"a":[1]}}'
    yield b'],"participants":[{"id":"p0","role":"agent"},{"id":"p1","role":"customer"}]}'
found = assemble([Body(Endless(parts))])
with open("/dev/null", "wb") as out:
    summary = write_transcript(found, out)
print(megabytes(), summary.agent_turns)
"""


def measured(code: str) -> tuple[float, int]:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(START + code)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    peak, number = done.stdout.split()
    return float(peak), int(number)


def test_two_hundred_megabytes_with_the_participants_last() -> None:
    peak, agents = measured(MEDIA)
    assert agents == 500_000
    assert peak < 40


@pytest.mark.parametrize(
    ("head", "most"),
    [
        ("""b'{"transcript":[{"start_time":1,"text":"'""", 350),
        ("""b'{"transcript":[{"x":"'""", 350),
        ("""b'{"other":"'""", 100),
    ],
)
def test_a_string_of_a_gigabyte_is_refused_in_bounded_memory(head: str, most: int) -> None:
    peak, offset = measured(f"refused({head}, b'x' * (1 << 20), 1024)")
    assert peak < most
    assert offset < 70 << 20


def test_importing_the_room_loads_no_network_no_store_and_no_arrays() -> None:
    code = "import sys, turnkeeper.transcript.formats, turnkeeper.payloads.shape; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"httpx2", "obstore", "numpy", "authlib", "anyio"} & set(done.stdout.split())
