"""K1, success that lost everything: payloads that gave no turns and no word."""

from __future__ import annotations

import gzip
import json
from typing import Any

from tests.field.case import Verdict, case
from tests.field.documents import CALL, OTHER_LEG, event, lines, media, phrase, sentence, speech, utterance
from tests.field.world import Ran, World

OWNER = "reading"
NAMED = "the turns, or UnknownShape naming the keys, exit 3"


def all_turns(ran: Ran, count: int) -> bool:
    """Every sentence once, in order, and nothing else."""
    return ran.code == 0 and ran.texts == [sentence(number) for number in range(count)]


def refused(ran: Ran, *words: str, code: int = 3) -> bool:
    """Refused without turns, and the message holds every word."""
    return ran.code == code and not ran.turns and all(word.lower() in ran.err.lower() for word in words)


def read_or_refused(ran: Ran, count: int, *words: str) -> Verdict:
    return Verdict(all_turns(ran, count) or refused(ran, *words), ran.now)


def _wrapped(number: int) -> dict[str, Any]:
    return {"conversationId": CALL, "receivedAt": 1_790_000_000.5 + number, "transcript": utterance(number)}


@case("K1", OWNER, "lines with one utterance each under `transcript`", NAMED)
def wrapped_lines(world: World) -> Verdict:
    return read_or_refused(world.turns(lines(*map(_wrapped, range(3)))), 3, "transcript", "keys")


@case("K1", OWNER, "lines with one flat turn each, which name their conversation", NAMED)
def flat_turn_lines(world: World) -> Verdict:
    turns = [
        {"conversationId": CALL, "role": "agent", "start": 2.0 * at, "end": 2.0 * at + 1, "text": sentence(at)}
        for at in range(3)
    ]
    return read_or_refused(world.turns(lines(*turns)), 3, "text", "keys")


@case("K1", OWNER, "rows of conversation details, which hold no turn at all", "UnknownShape naming the keys, exit 3")
def detail_rows(world: World) -> Verdict:
    rows = [{"conversationId": CALL[:-1] + str(at), "conversationStart": "2026-09-21T14:13:20.000Z", "participants": []}
            for at in range(3)]  # fmt: skip
    ran = world.turns(lines(*rows))
    return Verdict(refused(ran, "conversationStart"), ran.now)


@case("K1", OWNER, "one row of conversation details with one call", "UnknownShape naming the keys, exit 3")
def one_detail_row(world: World) -> Verdict:
    ran = world.turns({"conversationId": CALL, "conversationStart": "2026-09-21T14:13:20.000Z", "participants": []})
    return Verdict(refused(ran, "conversationStart"), ran.now)


@case("K1", OWNER, "`cat leg1.json leg2.json | turns -`", "30 turns (23 + 7), merged by time")
def two_legs_behind_one_another(world: World) -> Verdict:
    legs = json.dumps(speech(23)) + json.dumps(speech(7, OTHER_LEG, first=23))
    ran = world.cli("turns", "-", stdin=legs.encode())
    return Verdict(all_turns(ran, 30) and len({one["communication"] for one in ran.turns}) == 2, ran.now)


@case("K1", OWNER, "the same, written over many lines, with a line between them", "10 turns (6 + 4)")
def two_pretty_legs(world: World) -> Verdict:
    ran = world.turns("\n".join(json.dumps(one, indent=2) for one in (speech(6), speech(4, OTHER_LEG, first=6))))
    return Verdict(all_turns(ran, 10), ran.now)


@case("K1", OWNER, "one media document behind another", "all turns, or refused by name, exit 3")
def two_media_documents(world: World) -> Verdict:
    ran = world.turns(json.dumps(media(3)) + "\n" + json.dumps(media(3)))
    return Verdict((ran.code == 0 and len(ran.turns) in (3, 6)) or refused(ran, "document"), ran.now)


@case("K1", OWNER, "one real event and one wrapped line", "2 turns, or a finding with exit 3")
def mixed_lines(world: World) -> Verdict:
    ran = world.turns(lines(event(utterance(0)), _wrapped(1)))
    return Verdict(all_turns(ran, 2) or (ran.code == 3 and bool(ran.err.strip())), ran.now)


@case("K1", OWNER, "one line of another kind among real events", "the turns and a finding, exit 3")
def stranger_among_events(world: World) -> Verdict:
    ran = world.turns(lines(event(utterance(0)), {"conversationId": CALL, "weather": "rain"}, event(utterance(1))))
    return Verdict(ran.code == 3 and bool(ran.err.strip()) and ran.texts in ([], [sentence(0), sentence(1)]), ran.now)


def _from_start(ran: Ran) -> bool:
    return [one["start_time"] for one in ran.turns] == [0.5, 2.5]


@case("K1", OWNER, "events without communicationId, with sessionStartTimeMs", "start_time is the offset: 0.5 and 2.5 s")
def session_start_only(world: World) -> Verdict:
    raw = lines(*(event(utterance(at), communicationId=None, transcriptionStartTimeMs=None) for at in range(2)))
    ran = world.turns(raw)
    times = [one.get("start_time") for one in ran.turns]
    return Verdict(_from_start(ran), f"{ran.now[:40]}… start_time {times}")


@case("K1", OWNER, "events without communicationId, with transcriptionStartTimeMs", "0.5 and 2.5 s")
def transcription_start_only(world: World) -> Verdict:
    raw = lines(*(event(utterance(at), communicationId=None, sessionStartTimeMs=None) for at in range(2)))
    ran = world.turns(raw)
    return Verdict(_from_start(ran), f"start_time {[one.get('start_time') for one in ran.turns]}")


@case("K1", OWNER, "the same as VTT", "cues within the first hour")
def session_start_as_captions(world: World) -> Verdict:
    ran = world.turns(lines(event(utterance(0), communicationId=None)), "--format", "vtt")
    return Verdict("00:00:00.500" in ran.out or "\n00:00.500" in ran.out, " ".join(ran.out.split())[:60])


@case("K1", OWNER, "an event delivered twice", "the utterance once, or the second marked duplicate_of")
def event_twice(world: World) -> Verdict:
    ran = world.turns(lines(event(utterance(0)), event(utterance(1)), event(utterance(0))))
    original = [one["text"] for one in ran.turns if not one.get("duplicate_of")]
    return Verdict(
        original == [sentence(0), sentence(1)], f"{len(original)} turns that are no duplicate; {ran.now[:30]}"
    )


@case("K1", OWNER, "equal words under two utterance ids", "two turns")
def equal_words_twice(world: World) -> Verdict:
    other = utterance(0, utteranceId="ffffffff-aaaa-4aaa-8aaa-aaaaaaaaaaaa")
    other["alternatives"][0]["offsetMs"] += 4000
    ran = world.turns(lines(event(utterance(0)), event(other)))
    ok = ran.code == 0 and ran.texts == [sentence(0)] * 2 and not any(one.get("duplicate_of") for one in ran.turns)
    return Verdict(ok, ran.now)


@case("K1", OWNER, "a list of events in one document", "read, or named for what it is")
def list_of_events(world: World) -> Verdict:
    return read_or_refused(world.turns([event(utterance(0)), event(utterance(1))]), 2, "event")


@case("K1", OWNER, "a list of events over many lines", "read, or named for what it is")
def pretty_list_of_events(world: World) -> Verdict:
    raw = json.dumps([event(utterance(0)), event(utterance(1))], indent=1)
    return read_or_refused(world.turns(raw), 2, "event")


@case("K1", OWNER, "two layers of gzip", "read, or “packed twice”")
def gzip_twice(world: World) -> Verdict:
    raw = gzip.compress(gzip.compress(json.dumps(speech(3)).encode()))
    return read_or_refused(world.turns(raw), 3, "twice")


@case("K1", OWNER, "bytes behind the gzip", "read with a note, or named: bytes after the end of the gzip")
def bytes_behind_gzip(world: World) -> Verdict:
    raw = gzip.compress(json.dumps(speech(3)).encode()) + b"trailing bytes"
    ran = world.turns(raw)
    return Verdict(all_turns(ran, 3) or refused(ran, "gzip", "after") or refused(ran, "gzip", "behind"), ran.now)


def _more_behind(ran: Ran) -> bool:
    """Named for what it is: something stands behind the document. Nothing is cut off, and no download would help."""
    named = refused(ran, "document", "after") or refused(ran, "document", "behind")
    return named and "in the middle" not in ran.err


def _behind(world: World, tail: bytes) -> Verdict:
    ran = world.turns(json.dumps(speech(3)).encode() + tail)
    return Verdict(all_turns(ran, 3) or _more_behind(ran), ran.now)


@case("K1", OWNER, "NUL bytes behind the document", "read, or named: more text after the document's end")
def nul_behind(world: World) -> Verdict:
    return _behind(world, b"\0\0\0")


@case("K1", OWNER, "^Z behind the document", "read, or named: more text after the document's end")
def control_z_behind(world: World) -> Verdict:
    return _behind(world, b"\r\n\x1a")


@case("K1", OWNER, "text behind the document", "named: more text after the document's end")
def text_behind(world: World) -> Verdict:
    ran = world.turns(json.dumps(speech(3)) + "\n-- end of file --\n")
    return Verdict(_more_behind(ran), ran.now)


def _utf16(world: World, encoding: str, mark: bytes) -> Verdict:
    ran = world.turns(mark + json.dumps(speech(3)).encode(encoding))
    return read_or_refused(ran, 3, "UTF-16")


@case("K1", OWNER, "UTF-16, little end first, with a mark", "read, or “UTF-16: save it as UTF-8”")
def utf16_little(world: World) -> Verdict:
    return _utf16(world, "utf-16-le", b"\xff\xfe")


@case("K1", OWNER, "UTF-16, big end first, with a mark", "read, or “UTF-16: save it as UTF-8”")
def utf16_big(world: World) -> Verdict:
    return _utf16(world, "utf-16-be", b"\xfe\xff")


@case("K1", OWNER, "UTF-16 without a mark", "read, or “UTF-16: save it as UTF-8”")
def utf16_bare(world: World) -> Verdict:
    return _utf16(world, "utf-16-le", b"")


def _chat(key: str) -> list[dict[str, Any]]:
    said = [{"body": sentence(at), "utc": f"2026-09-21T14:13:2{at}Z", "from": "agent"} for at in range(2)]
    return [{"id": "0d0d0000-0000-4000-8000-00000000000b", "media": "chat", key: said}]


@case(
    "K1", OWNER, "a list of recordings with `chatTranscript`", "UnknownShape, not a type error at byte 0; or the turns"
)
def chat_recordings(world: World) -> Verdict:
    ran = world.turns(_chat("chatTranscript"))
    return Verdict(all_turns(ran, 2) or refused(ran, "no known shape") or refused(ran, "chatTranscript"), ran.now)


@case("K1", OWNER, "a list of recordings whose chat stands under `transcript`", "UnknownShape; or the turns")
def chat_under_transcript(world: World) -> Verdict:
    ran = world.turns(_chat("transcript"))
    named = refused(ran, "keys") or refused(ran, "chat")
    ok = all_turns(ran, 2) or (named and "expected" not in ran.err.lower())
    return Verdict(ok, ran.now)


@case("K1", OWNER, '`{"status":"processing","transcript":[]}`', "exit 5: not ready (processing)")
def processing(world: World) -> Verdict:
    ran = world.turns({"status": "processing", "transcript": []})
    return Verdict(refused(ran, "processing", code=5), ran.now)


@case("K1", OWNER, "the same without the array", "exit 5: not ready (queued)")
def queued(world: World) -> Verdict:
    ran = world.turns({"conversation": CALL, "status": "queued"})
    return Verdict(refused(ran, "queued", code=5), ran.now)


@case(
    "K1", OWNER, "metadata whose body lies behind `downloadUrl`", "exit 3: the body lies behind downloadUrl, no address"
)
def behind_download_url(world: World) -> Verdict:
    ran = world.turns({"conversation": CALL, "status": "completed", "downloadUrl": "https://host/x?Signature=abcdef"})
    return Verdict(refused(ran, "downloadUrl") and "abcdef" not in ran.err, ran.now)


@case("K1", OWNER, "the library: `tk.read_turns` of a document that is processing", "NotReady is raised")
def library_processing(world: World) -> Verdict:
    code = (
        "import turnkeeper as tk\n"
        'try:\n    print(len(list(tk.read_turns(b\'{"status":"processing","transcript":[]}\'))), \'turns\')\n'
        "except tk.errors.NotReady as cause:\n    print('NotReady', cause)\n"
    )
    ran = world.python(code)
    return Verdict(ran.out.startswith("NotReady"), ran.now)


@case("K1", OWNER, 'tk.Selection(roles={"agents"})', "ValueError naming the roles")
def unknown_role_in_selection(world: World) -> Verdict:
    return _selection(world, "{'agents'}")


@case("K1", OWNER, 'tk.Selection(roles="agent")', "ValueError naming the roles, or it selects the agent's")
def bare_role_in_selection(world: World) -> Verdict:
    return _selection(world, "'agent'")


def _selection(world: World, roles: str) -> Verdict:
    code = (
        f"import turnkeeper as tk\ntry:\n    print(tk.Selection(roles={roles}))\n"
        "except ValueError as cause:\n    print('E', cause)\n"
    )
    ran = world.python(code)
    ok = ran.out.startswith("E ") and "customer" in ran.out
    return Verdict(ok or (roles == "'agent'" and "frozenset({'agent'})" in ran.out), ran.now)


@case("K1", OWNER, "an empty file", "exit 3 and a word")
def empty_file(world: World) -> Verdict:
    ran = world.turns(b"")
    return Verdict(refused(ran, "empty"), ran.now)


@case("K1", OWNER, "a phrase list that is there and empty, in a document that is done", "a word, or exit 0 with a note")
def done_and_empty(world: World) -> Verdict:
    ran = world.turns(speech(0))
    return Verdict(not ran.turns and bool(ran.err.strip()), ran.now)


@case("K1", OWNER, "two transcripts in one document", "the turns of both")
def two_transcripts(world: World) -> Verdict:
    document = speech(2)
    document["transcripts"].append({"transcriptId": "t-2", "language": "en-us", "phrases": [phrase(2)]})
    ran = world.turns(document)
    return Verdict(all_turns(ran, 3), ran.now)
