"""K2, one field, one turn or one item that cost the whole."""

from __future__ import annotations

import json
import urllib.request
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.field.case import Verdict, case
from tests.field.documents import BEGAN, media, phrase, sentence, speech
from tests.field.spoiled import Answer, Request
from tests.field.world import Platform, Ran, World

MANY = 500
ODD = 250


def _one_odd(world: World, document: dict[str, Any], plain: dict[str, Any]) -> Verdict:
    """All turns, the others as they would be without the odd one, which alone is marked."""
    ran, whole = world.turns(document), world.turns(plain, name="plain.json")
    marked = [at for at, one in enumerate(ran.turns) if one.get("defects")]
    texts = sorted(ran.texts) == sorted(whole.texts)
    ours = {one["text"]: one for one in ran.turns}
    same = [one for one in whole.turns if ours.get(one["text"]) == one]
    ok = ran.code in (0, 3) and len(whole.turns) == MANY and texts and len(marked) == 1 and len(same) == MANY - 1
    return Verdict(ok, f"{ran.now[:100]}; {len(ran.turns)} turns, {len(marked)} marked, {len(same)} unchanged")


def _phrases(**odd: Any) -> dict[str, Any]:
    document = speech(MANY)
    document["transcripts"][0]["phrases"][ODD] = phrase(ODD, **odd)
    return document


def _turns(**odd: Any) -> dict[str, Any]:
    document = media(MANY)
    document["transcript"][ODD] |= odd
    return document


RIGHT = "500 turns, one marked with `defects`"


@case("K2", "reading", "one phrase of 500 lasts -3 s", RIGHT)
def phrase_ends_before_start(world: World) -> Verdict:
    return _one_odd(world, _phrases(duration={"milliseconds": -3000}), speech(MANY))


@case("K2", "reading", 'one phrase of 500 has confidence "high"', RIGHT)
def confidence_is_a_word(world: World) -> Verdict:
    return _one_odd(world, _phrases(confidence="high"), speech(MANY))


@case("K2", "reading", "the start of one phrase of 500 is an object", RIGHT)
def start_is_an_object(world: World) -> Verdict:
    return _one_odd(world, _phrases(startTimeMs={"at": 1}), speech(MANY))


@case("K2", "reading", "the text of one phrase of 500 is an array", "499 turns as they were, the odd one marked")
def text_is_an_array(world: World) -> Verdict:
    plain = speech(MANY)
    ran, whole = world.turns(_phrases(text=["a", "b"])), world.turns(plain, name="plain.json")
    same = [one for one in whole.turns if one in ran.turns]
    marked = sum(bool(one.get("defects")) for one in ran.turns)
    return Verdict(len(same) == MANY - 1 and marked == 1, f"{ran.now[:80]}; {len(same)} unchanged, {marked} marked")


@case("K2", "reading", "one word of one phrase of 500 has a start that is a word", RIGHT)
def odd_word(world: World) -> Verdict:
    plain, words = speech(MANY), [{"word": "sentence", "startTimeMs": BEGAN + 1, "duration": {"milliseconds": 5}}]
    odd = deepcopy(plain)
    plain["transcripts"][0]["phrases"][ODD]["words"] = words
    odd["transcripts"][0]["phrases"][ODD]["words"] = [{**words[0], "startTimeMs": "soon"}]
    return _one_odd(world, odd, plain)


@case("K2", "reading", "one turn of 500 of the media shape ends before it starts", RIGHT)
def media_ends_before_start(world: World) -> Verdict:
    return _one_odd(world, _turns(end_time=1.0), media(MANY))


@case("K2", "reading", 'one turn of 500 of the media shape has confidence "high"', RIGHT)
def media_confidence_is_a_word(world: World) -> Verdict:
    return _one_odd(world, _turns(confidence="high"), media(MANY))


@case("K2", "reading", "one turn of 500 of the media shape starts at an object", RIGHT)
def media_start_is_an_object(world: World) -> Verdict:
    return _one_odd(world, _turns(start_time={"at": 1}), media(MANY))


@case("K2", "reading", "one participant without an id in a media document", "every turn of the others as it was")
def odd_participant(world: World) -> Verdict:
    document = media(4)
    document["participants"].append({"id": {"odd": True}, "name": 7, "role": ["x"]})
    ran = world.turns(document)
    return Verdict(ran.code in (0, 3) and ran.texts == [sentence(at) for at in range(4)], ran.now)


@case("K2", "reading", "`turns --strict` of a document with an odd phrase", "refused as before, exit 3")
def strict_refuses(world: World) -> Verdict:
    ran = world.turns(_phrases(confidence="high"), "--strict")
    return Verdict(ran.code == 3 and "confidence" in ran.err, ran.now)


def _same_times(world: World, document: dict[str, Any]) -> Verdict:
    ran, whole = world.turns(document), world.turns(speech(3), name="plain.json")
    times = [(one.get("start_time"), one.get("end_time")) for one in ran.turns]
    plain = [(one["start_time"], one["end_time"]) for one in whole.turns]
    return Verdict(ran.code == 0 and times == plain and len(plain) == 3, f"{ran.now[:90]}; {times}")


@case("K2", "reading", "conversationStartTime in ISO 8601", "read, with the same times")
def iso_start(world: World) -> Verdict:
    return _same_times(world, speech(3, conversationStartTime="2026-09-21T14:13:20.000Z"))


@case("K2", "reading", "every time of the head in ISO 8601, with an offset", "read, with the same times")
def iso_head(world: World) -> Verdict:
    document = speech(3, conversationStartTime="2026-09-21T16:13:20+02:00", startTime="2026-09-21T14:13:20Z")
    for person in document["participants"]:
        person["startTimeMs"] = "2026-09-21T14:13:20Z"
    return _same_times(world, document)


@case("K2", "reading", "times of phrases as strings of digits", "read, with the same times")
def numeric_strings(world: World) -> Verdict:
    document = speech(3)
    for one in document["transcripts"][0]["phrases"]:
        one["startTimeMs"] = str(one["startTimeMs"])
    return _same_times(world, document)


@case("K2", "reading", "times of phrases in ISO 8601", "read, with the same times")
def iso_phrases(world: World) -> Verdict:
    document = speech(3)
    for at, one in enumerate(document["transcripts"][0]["phrases"]):
        one["startTimeMs"] = f"2026-09-21T14:13:{20 + 2 * at}.500Z"
    return _same_times(world, document)


@case(
    "K2",
    "reading",
    "conversationStartTime is an object, which nobody needs",
    "read: phrases and participants have times",
)
def needless_metadata(world: World) -> Verdict:
    ran = world.turns(speech(3, conversationStartTime={"odd": 1}, duration="long", mediaType=7))
    return Verdict(ran.code in (0, 3) and ran.texts == [sentence(at) for at in range(3)], ran.now)


def _strays(world: World) -> list[Ran]:
    platform = world.platform()
    world.cli("get", platform.ids[0], "--to", "archive", "--quiet")
    for name in ("manifests/stray.json", "manifests/.odd/000001.json", "raw/.DS_Store", "transcripts/x y.json"):
        world.file(f"archive/{name}", "{}")
    (world.folder / "archive/raw/empty").mkdir()
    verbs = (("verify", "archive"), ("turns", "archive"), ("reread", "archive", "--all"))
    return [*(world.cli(*verb) for verb in verbs), world.export()]


@case("K2", "archive", "stray files in a folder's archive", "verify lists them (3), every other verb goes on (0)")
def stray_files(world: World) -> Verdict:
    verify, turns, reread, export = _strays(world)
    ok = verify.code == 3 and "stray.json" in verify.out + verify.err and bool(turns.turns)
    ok = ok and turns.code in (0, 3) and reread.code in (0, 3) and export.code in (0, 3) and len(world.archived()) >= 4
    return Verdict(ok, f"exits {[one.code for one in (verify, turns, reread, export)]}: {verify.now[:80]}")


def _by_jobs(world: World, cursors: tuple[str, ...]) -> Verdict:
    """Every page of a job's results is the first one, with these cursors in turn: nothing ever ends it."""
    pages: list[Any] = []

    def change(request: Request, answer: Answer) -> None:
        if request.path.partition("?")[0].endswith("/results"):
            pages.append(pages[0] if pages else answer.json)
            answer.say(200, {**pages[0], "cursor": cursors[len(pages) % len(cursors)]})

    world.platform(change=change, conversations=8, now=datetime(2026, 10, 10, tzinfo=UTC))
    ran = world.export("--by", "jobs", timeout=30)
    ok = ran.code in (1, 3) and 2 <= len(pages) < 40 and bool(ran.err.strip())
    return Verdict(ok, f"{ran.now}; {len(pages)} pages asked")


@case("K2", "platform", "a cursor of a job's results that never changes", "an error: no progress; few requests")
def cursor_never_changes(world: World) -> Verdict:
    return _by_jobs(world, ("AAAA-same-cursor",))


@case("K2", "platform", "two cursors of a job's results in turn, for ever", "an error: no progress; few requests")
def cursors_in_a_ring(world: World) -> Verdict:
    return _by_jobs(world, ("AAAA", "BBBB"))


@case(
    "K2",
    "platform",
    "a page of the details query that repeats for ever",
    "an error: no progress; the window stays open",
)
def page_repeats(world: World) -> Verdict:
    pages: list[Any] = []

    def change(request: Request, answer: Answer) -> None:
        if request.path.endswith("/conversations/details/query") and answer.status == 200:
            first = pages[0] if pages else answer.json
            pages.append(first)
            if first.get("conversations"):
                answer.json = {**first, "totalHits": 100_000}

    world.platform(change=change)
    ran = world.export("--by", "query", timeout=30)
    return Verdict(ran.code in (1, 3) and len(pages) < 60, f"{ran.now}; {len(pages)} pages asked")


def _exported_recordings(world: World, root: Path, call: str, began_ms: int) -> None:
    """The platform's own export of one recording, as it lies in a bucket."""
    at = datetime.fromtimestamp(began_ms / 1000, UTC)
    hour = f"year={at.year}/month={at.month:02}/day={at.day:02}/hour={at.hour:02}"
    folder = f"{root}/0e0e0000-0000-4000-8000-00000000000e/{hour}/conversation_id={call}"
    world.file(f"{folder}/r1.wav", _wav(60))
    told = {
        "recordingId": "r1",
        "conversationId": call,
        "mediaType": "Call",
        "startTime": began_ms,
        "durationMs": 60_000,
    }
    world.file(f"{folder}/r1.wav_metadata.json", told)


def _wav(seconds: int) -> bytes:
    size = 8000 * seconds
    head = b"RIFF" + (36 + size).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    form = (7).to_bytes(2, "little") + (1).to_bytes(2, "little") + (8000).to_bytes(4, "little") * 2
    return (
        head
        + form
        + (1).to_bytes(2, "little")
        + (8).to_bytes(2, "little")
        + b"data"
        + size.to_bytes(4, "little")
        + b"\x5a\xd5" * (size // 2)
    )


def _audio_from(world: World, *others: str) -> Verdict:
    platform = world.platform()
    call = platform.ids[0]
    root = world.folder / "bucket"
    _exported_recordings(world, root, call, _began(platform))
    for other in others:
        world.file(f"bucket/{other}", "not a recording")
    ran = world.cli("get", call, "--to", "archive", "--audio", "--audio-from", str(root), "--quiet")
    sounds = [
        path for path in (world.folder / "archive").rglob("*") if path.is_file() and path.read_bytes()[:4] == b"RIFF"
    ]
    return Verdict(len(sounds) == 1, f"{ran.now[:100]}; {len(sounds)} recordings archived")


def _began(platform: Platform) -> int:
    return int(platform.running.simulation.schedule.began(0))


@case("K2", "sound", "--audio-from a folder that also holds query results", "the recording is found")
def audio_beside_query_results(world: World) -> Verdict:
    return _audio_from(world, "athena-results/0001.csv", "0000.csv")


@case("K2", "sound", "--audio-from a folder that also holds another organisation's", "the recording is found")
def audio_beside_another_organisation(world: World) -> Verdict:
    other = "01010000-0000-4000-8000-000000000001/year=2026/month=01/day=01/hour=00/conversation_id=abc/r.wav"
    return _audio_from(world, other)


@case(
    "K2",
    "runs",
    "one call ends in the year 9999, west of Greenwich",
    "that one is settled, the others are archived, exit 0 or 3",
)
def one_extreme_date(world: World) -> Verdict:
    def change(request: Request, answer: Answer) -> None:
        if request.path.endswith("/conversations/details/query") and answer.status == 200:
            page = answer.json
            for one in (page.get("conversations") or [])[:1]:
                one["conversationEnd"] = "9999-12-31T23:59:59.999-14:00"
            answer.json = page

    platform = world.platform(change=change)
    ran = world.export()
    others = [one for one in world.archived() if one in platform.ids]
    return Verdict(ran.code in (0, 3) and len(others) >= 3, f"{ran.now}; {len(others)} of 4 archived")


def _ids(world: World, encode: Any) -> Verdict:
    platform = world.platform()
    ids = world.file("ids.txt", encode(platform.ids[:3]))
    ran = world.cli("export", "--to", "archive", "--ids", ids, "--quiet")
    read = ran.code == 0 and world.archived() == sorted(platform.ids[:3])
    return Verdict(read or (ran.code == 2 and "UTF-16" in ran.err), ran.now)


@case("K2", "runs", "--ids file with a byte order mark and CRLF", "read")
def ids_with_mark(world: World) -> Verdict:
    return _ids(world, lambda ids: b"\xef\xbb\xbf" + "".join(f"{one}\r\n" for one in ids).encode())


@case("K2", "runs", "--ids file in UTF-16", "read, or named")
def ids_in_utf16(world: World) -> Verdict:
    return _ids(world, lambda ids: "".join(f"{one}\r\n" for one in ids).encode("utf-16"))


@case("K2", "platform", "`Retry-After: 12.000`", "waits 12 s: one refusal")
def retry_after_with_decimals(world: World) -> Verdict:
    refusals: list[float] = []

    def change(request: Request, answer: Answer) -> None:
        if not request.path.endswith("/conversations/details/query"):
            return
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(clock, timeout=20) as told:
            now = _epoch(json.load(told))
        if not refusals or now < refusals[0] + 12:
            refusals.append(now)
            answer.say(429, {"code": "too.many.requests", "status": 429}, Retry_After="12.000")

    platform = world.platform()
    clock = platform.running.clock_url
    platform.spoiled.change = change
    ran = world.export()
    return Verdict(
        ran.code == 0 and len(refusals) == 1 and len(world.archived()) == 4, f"{ran.now[:50]}; {len(refusals)} refusals"
    )


def _epoch(told: Any) -> float:
    value = next(iter(told.values())) if isinstance(told, dict) else told
    return float(value) if isinstance(value, int | float) else datetime.fromisoformat(str(value)).timestamp()
