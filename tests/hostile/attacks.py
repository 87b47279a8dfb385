"""The attacks on the platform's answers: one line each, what is broken and how."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.hostile.platform import SIGNATURE, Platform, Spoil
from tests.hostile.spoils import (
    another_call,
    another_leg,
    bomb,
    changed,
    chunks_cut,
    continues,
    dripping,
    echo,
    endless,
    every,
    first,
    fixed,
    headed,
    huge,
    moved,
    nested_bomb,
    shortened,
    wrong_length,
)
from tests.hostile.wire import Answer, Request

__all__ = ["ATTACKS", "KINDS", "Attack"]

KINDS = (
    "Lengths",
    "Shapes",
    "Totals and cursors",
    "Redirects",
    "Headers",
    "Time and size",
    "Echoes",
    "Ids and texts",
)
_PAGE = "<html><body>Maintenance, back soon</body></html>"
_IMPATIENT = (("TURNKEEPER_BODY_TIMEOUT", "1"), ("TURNKEEPER_MAX_BODY", "16M"))
"""So that a drip does not take an hour: a deadline and a largest size for each body."""
_SMALL = (("TURNKEEPER_BODY_TIMEOUT", "60"), ("TURNKEEPER_MAX_BODY", "4M"))
"""For what floods: the size is reached long before the deadline, on a busy machine too."""
_LAST_DAY = ("--since", "2026-10-06", "--until", "2026-10-07")


@dataclass(frozen=True)
class Attack:
    """One broken answer. ``where`` is the platform's own name of the request whose answer is broken.

    ``whole``: every honest conversation must be archived in spite of it, in the attacked run already; ``well``:
    and that run must end with exit code 0. ``env`` is the attacked run's alone.
    """

    kind: str
    name: str
    where: str
    spoil: Spoil
    verb: str = "export"
    calls: int = 3
    options: tuple[str, ...] = ()
    api: str = "speech"
    whole: bool = False
    well: bool = False
    env: tuple[tuple[str, str], ...] = ()


def _many(kind: str, where: str, *rows: tuple[str, Spoil], **more: Any) -> list[Attack]:
    return [Attack(kind, name, where, spoil, **more) for name, spoil in rows]


def _shapes(where: str, what: str, *, every: bool = False, **more: Any) -> list[Attack]:
    """The shapes that a page, an object or a list never has; the likeliest two, or ``every`` one."""
    told = (
        ("`{}`", "{}"),
        ("`[]`", "[]"),
        ("`null`", "null"),
        ('`{"status":"maintenance"}`', '{"status":"maintenance"}'),
    )
    rows = [(f"{what}: 200 and {name}", fixed(text)) for name, text in (told if every else told[:1])]
    rows.append((f"{what}: 200 and a page of HTML", fixed(_PAGE, kind="text/html")))
    return _many("Shapes", where, *rows, **more)


def _address(of: Callable[[Platform], str]) -> Spoil:
    """A link that leads somewhere else."""
    return lambda platform, request, honest: Answer.of({"url": of(platform)})


def _id(odd: str) -> Spoil:
    """One conversation more among the honest ones, whose id is none."""

    def change(document: Any) -> None:
        if document["conversations"]:
            document["conversations"].insert(1, document["conversations"][0] | {"conversationId": odd})
            document["totalHits"] += 1

    return changed(change)


def _leg(odd: str) -> Spoil:
    """One communication more in each conversation."""

    def change(document: Any) -> None:
        for one in document["conversations"]:
            session = one["participants"][-1]["sessions"][0]
            one["participants"][-1]["sessions"].append(session | {"sessionId": odd})

    return changed(change)


def _ends(end: str) -> Spoil:
    """The first conversation of a page ends then."""

    def change(document: Any) -> None:
        for one in document["conversations"][:1]:
            one["conversationEnd"] = end

    return changed(change)


def _starts(start: str) -> Spoil:
    def change(document: Any) -> None:
        for one in document["conversations"][:1]:
            one["conversationStart"] = start

    return changed(change)


def _total(of: Callable[[int], Any]) -> Spoil:
    return changed(lambda document: document | {"totalHits": of(document["totalHits"])})


def _one_short(document: Any) -> Any:
    return document | {"conversations": document["conversations"][:37] + document["conversations"][38:]}


def _named(name: str) -> Spoil:
    def change(document: Any) -> None:
        for one in document["entities"]:
            one["name"] = name

    return changed(change)


def _person(name: str) -> Spoil:
    def change(document: Any) -> None:
        for one in document["conversations"]:
            one["participants"][0]["participantName"] = name

    return changed(change)


def _again_and_again(platform: Platform, request: Request, honest: Answer) -> Answer:
    """Page 1 for ever, under a total that never ends."""
    day = [call.details() for call in platform.calls[:1]]
    return Answer.of({"conversations": day * 100, "totalHits": 10_000_000})


def _new_cursor_old_page(platform: Platform, request: Request, honest: Answer) -> Answer:
    at = int(request.query.get("cursor", "0").rpartition("-")[2])
    return Answer.of({"conversations": [platform.calls[0].details()], "cursor": f"cursor-{at + 1}"})


def _endless_directory(platform: Platform, request: Request, honest: Answer) -> Answer:
    number = request.query.get("pageNumber", "1")
    entities = [{"id": f"user-{at}", "name": "Ada"} for at in range(100)]
    return Answer.of({"entities": entities, "pageNumber": number, "nextUri": request.target})


def _throttled(retry_after: str) -> Spoil:
    body = json.dumps({"code": "too.many.requests", "message": "Rate limit exceeded.", "status": 429})
    return first(2, lambda platform, request, honest: Answer(429, body.encode(), {"Retry-After": retry_after}))


def _ranged(platform: Platform, request: Request, honest: Answer) -> Answer:
    """Cut in the middle; whoever goes on there is told a range that is a number of 6,000 digits."""
    half = len(honest.body) // 2
    digits = "9" * 6000
    head = {"ETag": '"one"', "Content-Range": f"bytes {half}-{digits}/{digits}"}
    if "range" in request.headers:
        return Answer(206, honest.body[half:], head)
    data = Answer(200, honest.body, {"ETag": '"one"'}).packed()[: -len(honest.body) + half]
    return Answer(raw=lambda wire: wire.sendall(data))


def _json_error(said: str) -> bytes:
    return json.dumps({"code": "bad.request", "message": f"Not understood: {said}", "contextId": said}).encode()


def _oauth_error(said: str) -> bytes:
    return json.dumps({"error": "invalid_request", "error_description": said}).encode()


def _xml_error(said: str) -> bytes:
    text = said.replace("&", "&amp;").replace("<", "&lt;")
    return f"<Error><Code>AccessDenied</Code><Message>Refused: {text}</Message></Error>".encode()


def _signature_alone(said: str) -> bytes:
    return f"<Error><Code>InternalError</Code><Message>x-amz-signature={SIGNATURE} is bad</Message></Error>".encode()


def _links_inside(platform: Platform, request: Request, honest: Answer) -> Answer:
    """A media document with a signed address under four spellings of its key, none where one belongs."""
    link = json.dumps(platform.link("/files/x/y"))
    more = f'"extra":{{"downloadUrl":{link}}},"download_url":{link},"waveUri":{link},"media\\u0055ri":{link}'
    return Answer(200, honest.body.rstrip()[:-1] + b"," + more.encode() + b"}", {"Content-Type": "application/json"})


def _details_of_a_gigabyte(document: Any) -> tuple[str, Any, str]:
    person = document["participants"][0]
    head = json.dumps(document | {"participants": []}).replace('"participants": []}', '"participants": [')
    return head, person, "]}"


def _page_of_a_gigabyte(document: Any) -> tuple[str, Any, str]:
    return '{"totalHits": 1000000, "conversations": [', document["conversations"][0], "]}"


def _list_of_a_gigabyte(document: Any) -> tuple[str, Any, str]:
    return "[", document[0], "]"


ATTACKS: tuple[Attack, ...] = (
    *_many(
        "Lengths",
        "file",
        ("a transcript is shorter than its Content-Length", wrong_length(100)),
        ("a transcript is longer than its Content-Length", wrong_length(-100)),
        ("a transcript in chunks stops inside one", chunks_cut),
        ("a transcript stops in the middle, with the Content-Length to match", shortened()),
        ("a transcript's Content-Length has 30 digits", headed(Content_Length="9" * 30)),
        ("a transcript's Content-Length is said twice, differently", headed(Content_Length="12, 13")),
        ("a transcript has no bytes", fixed("")),
    ),
    *_many(
        "Lengths",
        "query",
        ("a page of the details query is shorter than its Content-Length", wrong_length(100)),
        ("a page of the details query in chunks stops inside one", chunks_cut),
    ),
    Attack("Lengths", "a link in chunks stops inside one", "link", chunks_cut),
    *_shapes("query", "details query", every=True),
    *_many(
        "Shapes",
        "query",
        ("details query: 202 and `{}`", fixed("{}", 202)),
        ("details query: 206 and half of it", lambda p, r, h: Answer(206, h.body[: len(h.body) // 2])),
        ("details query: 204", lambda p, r, h: Answer(raw=lambda wire: wire.sendall(b"HTTP/1.1 204 No\r\n\r\n"))),
        ("details query: its conversations are numbers", fixed('{"conversations":[1,2,3],"totalHits":3}')),
    ),
    *_shapes("results", "a job's results", options=("--by", "jobs")),
    *_shapes("token", "token"),
    *_shapes("link", "link"),
    *_shapes("file", "transcript", every=True),
    *_shapes("search", "transcript search", whole=True),
    *_shapes("users", "names of users", whole=True),
    *_shapes("recordings", "recordings", options=("--audio",)),
    *_shapes("details", "details", verb="get"),
    Attack("Shapes", "a transcript is that of another leg of the call", "file", another_leg, calls=4),
    *_many(
        "Shapes",
        "media",
        ("media transcript of another conversation", another_call("media")),
        ("media transcript: completed, and no turn", changed(lambda document: document | {"transcript": []})),
        ("media transcript: failed, and no turn", fixed('{"status":"failed","transcript":[]}')),
        api="media",
    ),
    Attack("Shapes", "details of another conversation", "details", another_call("details"), verb="get"),
    Attack(
        "Shapes", "recordings of another conversation", "recordings", another_call("recorded"), options=("--audio",)
    ),
    *_many(
        "Shapes",
        "file",
        ('transcript of a fresh call: `{"transcripts":[]}`', fixed('{"transcripts":[]}')),
        ("transcript of a fresh call: `null`", fixed("null")),
        ("transcript of a fresh call: `[]`", fixed("[]")),
        options=_LAST_DAY,
    ),
    *_many(
        "Totals and cursors",
        "query",
        ("page 1 says 110, page 2 is `{}`", every(2, fixed("{}"))),
        ("the total shrinks from page to page", every(2, fixed('{"conversations":[],"totalHits":3}'))),
        ("a page has one conversation less than it should", every(1, changed(_one_short))),
        calls=220,
    ),
    *_many(
        "Totals and cursors",
        "query",
        ("the total is three more than what comes", _total(lambda total: total + 3)),
        ("the total is less than what comes", _total(lambda total: 1)),
        ("the total is negative", _total(lambda total: -1)),
        ("the total has 30 digits", _total(lambda total: 10**30)),
        ("the total is a text", _total(str)),
        ("the same page again and again", _again_and_again),
    ),
    *_many(
        "Totals and cursors",
        "results",
        ("a job's cursor never changes", changed(lambda document: document | {"cursor": "AAAA"})),
        ("a job's cursors change, its page does not", _new_cursor_old_page),
        options=("--by", "jobs"),
    ),
    Attack("Totals and cursors", "names of users have no last page", "users", _endless_directory, whole=True),
    *_many(
        "Redirects",
        "query",
        ("details query: 302 to another origin that answers JSON", moved(302, lambda p, r: p.elsewhere.url + "/x")),
        ("details query: 307 to another origin that answers JSON", moved(307, lambda p, r: p.elsewhere.url + "/x")),
        ("details query: in a circle", moved(307, lambda p, r: p.api.url + r.target)),
        ("details query: to port 99999", moved(302, lambda p, r: "http://127.0.0.1:99999/x")),
        ("details query: to a file", moved(302, lambda p, r: "file:///etc/passwd")),
    ),
    Attack("Redirects", "token: 307 to another origin", "token", moved(307, lambda p, r: p.elsewhere.url + "/t")),
    *_many(
        "Redirects",
        "file",
        ("download: in a circle", moved(302, lambda p, r: p.storage.url + r.target)),
        ("download: to port 99999", moved(302, lambda p, r: "http://127.0.0.1:99999/x")),
        ("download: to a file", moved(302, lambda p, r: "file:///etc/passwd")),
        ("download: to another origin that answers JSON", moved(302, lambda p, r: p.elsewhere.url + "/x")),
    ),
    *_many(
        "Redirects",
        "link",
        ("link: to port 99999", _address(lambda p: "http://127.0.0.1:99999/x?X-Amz-Signature=1")),
        ("link: to a file", _address(lambda p: "file:///etc/passwd")),
        ("link: to another service of this machine", _address(lambda p: f"{p.elsewhere.url}/x")),
        ("link: no address", _address(lambda p: "http://[::1")),
    ),
    *_many(
        "Headers",
        "query",
        ("Retry-After with a year of 20 digits", _throttled(f"Wed, 21 Oct {'9' * 20} 07:28:00 GMT")),
        ("Retry-After `12.000`", _throttled("12.000")),
        ("Retry-After of 30 digits", _throttled("9" * 30)),
        ("Retry-After `-5`", _throttled("-5")),
        ("a Date with a year of 20 digits", headed(Date=f"Wed, 21 Oct {'9' * 20} 07:28:00 GMT")),
        (
            "rate-limit figures of 23 digits",
            headed(inin_ratelimit_count="1", inin_ratelimit_allowed="9" * 23, inin_ratelimit_reset="9" * 23),
        ),
        ("a rate limit of 0", headed(inin_ratelimit_count="0", inin_ratelimit_allowed="0", inin_ratelimit_reset="0")),
        whole=True,
        well=True,
    ),
    *_many(
        "Headers",
        "query",
        ("a header of 1 MB", headed(X_Long="x" * 1_000_000)),
        ("a header with NUL", headed(X_Odd="a\0b")),
        ("an encoding that nobody asked for", headed(Content_Encoding="br, gzip, br")),
    ),
    *_many(
        "Headers",
        "token",
        ("token: `expires_in` 1e400", lambda p, r, h: Answer(200, h.body.replace(b"86399", b"1e400"))),
        ("token: `expires_in` of 400 digits", lambda p, r, h: Answer(200, h.body.replace(b"86399", b"9" * 400))),
        ("token: `expires_in` -1", changed(lambda document: document | {"expires_in": -1})),
        whole=True,
        well=True,
    ),
    *_many(
        "Headers",
        "token",
        ("token: with a line break", changed(lambda document: document | {"access_token": "x\r\nX-Evil: 1"})),
    ),
    Attack("Headers", "Content-Range with 6,000 digits", "file", _ranged),
    *_many(
        "Time and size",
        "file",
        ("a transcript drips, a byte a second", dripping()),
        ("a transcript's status line drips", dripping(b"HTTP/1.1 200")),
        ("100 Continue without an end, for a transcript", continues),
        env=_IMPATIENT,
        calls=1,
    ),
    *_many(
        "Time and size",
        "file",
        ("a transcript without an end", endless()),
        ("a transcript of 1 GB, packed", bomb(1024)),
        ("a transcript of 256 MB, packed twice", nested_bomb(256)),
        ("a transcript packed with zstd", headed(Content_Encoding="zstd")),
        env=_SMALL,
        calls=1,
    ),
    *_many(
        "Time and size",
        "query",
        ("a page of the details query drips", dripping()),
        ("100 Continue without an end, for the details query", continues),
        env=_IMPATIENT,
        calls=1,
    ),
    *_many(
        "Time and size",
        "query",
        ("a page of the details query without an end", endless()),
        ("an error without an end", endless(500)),
        ("a page of the details query of 1 GB, packed", bomb(1024)),
        ("an error of 1 GB, packed", bomb(1024, 500)),
        ("a page of the details query of 1 GB of conversations, packed", huge(_page_of_a_gigabyte)),
        env=_SMALL,
        calls=1,
    ),
    Attack("Time and size", "a token drips", "token", dripping(), env=_IMPATIENT, calls=1),
    Attack("Time and size", "a token of 1 GB, packed", "token", bomb(1024), env=_SMALL, calls=1),
    Attack(
        "Time and size",
        "details of 1 GB, packed",
        "details",
        huge(_details_of_a_gigabyte),
        verb="get",
        env=_SMALL,
        calls=1,
    ),
    Attack(
        "Time and size",
        "recordings of 1 GB, packed",
        "recordings",
        huge(_list_of_a_gigabyte),
        options=("--audio",),
        calls=1,
        env=_SMALL,
    ),
    *_many(
        "Echoes",
        "token",
        ("token: 400 that repeats the Basic header", echo(400, _oauth_error)),
        ("token: 500 that repeats the Basic header", echo(500, _oauth_error)),
    ),
    *_many(
        "Echoes",
        "query",
        ("details query: 400 that repeats the token", echo(400, _json_error)),
        ("details query: 500 that repeats the token", echo(500, _json_error)),
    ),
    *_many(
        "Echoes",
        "link",
        ("link: 403 that repeats the token", echo(403, _json_error)),
        ("link: 400 that repeats the token", echo(400, _json_error)),
    ),
    *_many(
        "Echoes",
        "file",
        ("download: 403 that repeats the signed query", echo(403, _xml_error, "application/xml")),
        ("download: 500 that repeats the signed query", echo(500, _xml_error, "application/xml")),
        ("download: 500 that names the signature alone", echo(500, _signature_alone, "application/xml")),
    ),
    Attack("Echoes", "a kept document holds signed addresses", "media", _links_inside, api="media"),
    *_many(
        "Ids and texts",
        "query",
        ("a conversation's id is `../x`", _id("../x")),
        ("a conversation's id is `a/b`", _id("a/b")),
        ("a conversation's id is NUL", _id("\0")),
        ("a conversation's id has 100 kB", _id("x" * 100_000)),
        ("a conversation's id is a lone surrogate", _id("\ud800")),
        ("a communication's id is `../x`", _leg("../x")),
        whole=True,
    ),
    *_many(
        "Ids and texts",
        "query",
        (
            "a conversation has no id",
            changed(lambda d: [one.pop("conversationId") for one in d["conversations"][:1]] and d),
        ),
        ("a conversation ends in the year 9999, west of Greenwich", _ends("9999-12-31T23:59:59.999-14:00")),
        ("a conversation ends on no day", _ends("2026-02-31T00:00:00Z")),
        ("a conversation starts in the year 1", _starts("0001-01-01T00:00:00+14:00")),
    ),
    Attack("Ids and texts", "a participant's name is a lone surrogate", "query", _person("\ud800"), whole=True),
    Attack("Ids and texts", "a user's name is a lone surrogate", "users", _named("A\ud800da"), whole=True),
    Attack("Ids and texts", "a queue's name is a lone surrogate", "queues", _named("\udfff"), whole=True),
    Attack(
        "Ids and texts",
        "a job's id is `../x`",
        "job",
        changed(lambda d: d | {"jobId": "../x"}),
        options=("--by", "jobs"),
    ),
)
