"""Many threads at once, from the first moment of a fresh process: the reader's types are prepared one at a time.

msgspec ends the interpreter (SIGSEGV) when two threads first use a type at the same moment. One process in a handful
did that before ``transcript.typed``; the switch interval here makes the moment likely.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

CROWD = """
import json, sys, threading
sys.setswitchinterval(1e-6)
from turnkeeper.archive.archive import Archive, FetchedBody
from turnkeeper.storage.object_store import open_store
from turnkeeper.spool import Spool

PHRASE = {"text": "hi", "startTimeMs": 1791180970000, "duration": {"milliseconds": 900}, "phraseIndex": 0,
          "participantPurpose": "external", "words": [{"word": "hi", "startTimeMs": 1791180970000, "confidence": 1}]}
SPEECH = {"conversationId": "c", "communicationId": "k", "conversationStartTime": 1791180969119,
          "participants": [{"participantPurpose": "customer", "startTimeMs": 1791180969119}],
          "transcripts": [{"language": "en-us", "startTime": 1791180969119, "phrases": [PHRASE] * 50}]}
TURN = {"start_time": 0.5, "end_time": 1.0, "text": "hi", "speaker_id": "p", "confidence": 0.5}
MEDIA = {"conversation": "c", "transcript": [TURN] * 50, "participants": [{"id": "p", "role": "agent"}]}
LEGACY = {"turns": [{"startTime": 0.5, "endTime": 1.0, "text": "hi", "speaker": "agent"}]}
DETAILS = {"conversationId": "c", "conversationStart": "2026-10-05T06:16:09.119Z",
           "participants": [{"participantId": "p", "purpose": "customer", "sessions": [{"sessionId": "k"}]}]}

def spool(document):
    body = Spool()
    body.write(json.dumps(document).encode())
    return body.seal()

start, wrong = threading.Barrier(9), []

def one(document, source):
    start.wait()
    try:
        archive = Archive(open_store("memory://"))
        bodies = [FetchedBody(spool(document), source, "k"), FetchedBody(spool(DETAILS), "conversation")]
        kept = archive.keep("c", bodies)
        assert kept.summary and kept.summary.total_turns, kept.manifest.unread
        assert archive.manifest("c").summary == kept.summary
    except BaseException as cause:
        wrong.append(repr(cause))

threads = [threading.Thread(target=one, args=args)
           for args in [(SPEECH, "speech/k"), (MEDIA, "media"), (LEGACY, "media")] * 3]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
sys.exit("; ".join(wrong) or 0)
"""


@pytest.mark.parametrize("attempt", range(12))
def test_a_crowd_of_threads_in_a_fresh_process(attempt: int) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", CROWD], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
