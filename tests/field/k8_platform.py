"""K8, a hostile or broken platform, as far as an HTTP proxy can play it. What needs raw sockets is in tests/hostile."""

from __future__ import annotations

import base64
import gzip
import json
import resource
from collections.abc import Callable
from typing import Any

from tests.field.case import Verdict, case
from tests.field.documents import BEGAN
from tests.field.spoiled import Answer, Change, Request, Spoiled
from tests.field.world import Platform, Ran, World

QUERY = "/conversations/details/query"
LINK = "/transcripturl"
MANY = 105
SIGNATURE = "5ee1f00dfacade5ee1f00d"


def on_page(change: Callable[[Any], None]) -> Change:
    """Change every honest page of the details query that holds conversations."""

    def spoil(request: Request, answer: Answer) -> None:
        if request.path.endswith(QUERY) and answer.status == 200 and answer.json.get("conversations"):
            page = answer.json
            change(page)
            answer.json = page

    return spoil


def _healed(world: World, platform: Platform, first: Ran, count: int = 4) -> Verdict:
    """The run that was lied to did not end well, and an honest one brings everything."""
    claimed = first.code == 0 and len(world.archived()) < count
    platform.heal()
    platform.advance(3600)
    second = world.export()
    status = world.cli("status", "archive")
    ok = not claimed and second.code == 0 and len(world.archived()) == count and status.code == 0
    return Verdict(
        ok, f"exit {first.code}, then {second.code} and status {status.code}; {len(world.archived())} of {count}"
    )


def _no_page(world: World, status: int, body: Any, **headers: str) -> Verdict:
    def change(request: Request, answer: Answer) -> None:
        if request.path.endswith(QUERY):
            answer.say(status, body, **headers)

    platform = world.platform(change=change)
    return _healed(world, platform, world.export())


OPEN = "an error, the window stays open: an honest run brings all"


@case("K8 severity 5", "platform", "the details query answers 200 with `{}`", OPEN)
def query_answers_nothing(world: World) -> Verdict:
    return _no_page(world, 200, {})


@case("K8 severity 5", "platform", 'the details query answers 200 with `{"status":"maintenance"}`', OPEN)
def query_answers_maintenance(world: World) -> Verdict:
    return _no_page(world, 200, {"status": "maintenance"})


@case("K8 severity 5", "platform", "the details query answers 202", OPEN)
def query_answers_202(world: World) -> Verdict:
    return _no_page(world, 202, {"conversations": [], "totalHits": 0})


@case("K8 severity 5", "platform", "the details query answers 206", OPEN)
def query_answers_206(world: World) -> Verdict:
    return _no_page(world, 206, {"conversations": []}, Content_Range="bytes 0-20/4000")


@case("K8 severity 5", "platform", "the details query says 4 hits and no conversations", OPEN)
def query_hides_hits(world: World) -> Verdict:
    return _no_page(world, 200, {"totalHits": 4})


@case("K8 severity 5", "platform", "the details query answers a list", OPEN)
def query_answers_a_list(world: World) -> Verdict:
    return _no_page(world, 200, [])


def _redirected(world: World, status: int) -> Verdict:
    def empty(request: Request, answer: Answer) -> None:
        answer.say(200, {"conversations": [], "totalHits": 0})

    def change(request: Request, answer: Answer) -> None:
        if request.path.endswith(QUERY):
            answer.say(status, {}, Location=f"{elsewhere.url}/there")

    platform = world.platform()
    elsewhere = world.stack.enter_context(Spoiled(platform.running.base_url, empty))
    platform.spoiled.change = change
    verdict = _healed(world, platform, world.export())
    asked = sum(elsewhere.asked.values())
    return Verdict(verdict.ok and not asked, f"{verdict.now}; {asked} requests went elsewhere")


@case("K8 severity 5", "platform", "the query's POST is redirected (302) to another origin that answers JSON", OPEN)
def query_redirected_302(world: World) -> Verdict:
    return _redirected(world, 302)


@case("K8 severity 5", "platform", "the same with 307", OPEN)
def query_redirected_307(world: World) -> Verdict:
    return _redirected(world, 307)


@case(
    "K8 severity 5",
    "runs",
    "a day was closed by an answer that was none; `status` on an honest platform",
    "asks every day of the range: not exit 0 with missing 0",
)
def status_asks_every_day(world: World) -> Verdict:
    def change(request: Request, answer: Answer) -> None:
        if request.path.endswith(QUERY):
            answer.say(200, {})

    platform = world.platform(change=change)
    world.export()
    platform.heal()
    ran = world.cli("status", "archive", "--since", "2026-10-05", "--until", "2026-10-07")
    return Verdict(ran.code != 0 and bool(ran.out + ran.err), ran.now)


@case(
    "K8 severity 5", "runs", "a window that an older version closed wrongly", "found and opened again: all 4 calls come"
)
def old_window_opened_again(world: World) -> Verdict:
    world.platform()
    world.cli("get", "00000000-0000-4000-8000-000000000000", "--to", "archive", "--quiet")
    window = {"format": "turnkeeper.window/1", "start": "2026-10-05T00:00:00.000Z", "end": "2026-10-06T00:00:00.000Z"}
    name = "2026-10-05T000000.000Z--2026-10-06T000000.000Z.json"
    world.file(f"archive/_turnkeeper/windows/all/{name}", {**window, "filter": "all"})
    ran = world.export()
    return Verdict(ran.code == 0 and len(world.archived()) == 4, f"{ran.now[:60]}; {len(world.archived())} of 4")


def _all_listed(world: World, platform: Platform, first: Ran) -> Verdict:
    """Neither run claims more than it saw, and after an honest one every conversation of the range is known."""
    known = first.json.get("found", 0) if first.out else 0
    claimed = first.code == 0 and known < MANY
    platform.heal()
    platform.advance(3600)
    second = world.export()
    again = second.json.get("found", 0) if second.out else 0
    status = json.loads(world.cli("status", "archive", "--json").out)
    missing = sum(day.get("missing", 0) for day in status["days"])
    states = sum(sum(day["states"].values()) for day in status["days"])
    ok = not claimed and max(known, again) >= MANY and not missing and states >= MANY
    return Verdict(ok, f"exits {first.code}, {second.code}; found {known}, {again}; {states} known of {MANY}")


@case("K8 severity 4", "platform", "page 1 says 105, page 2 is `{}`", "an error, the window stays open")
def second_page_empty(world: World) -> Verdict:
    def change(request: Request, answer: Answer) -> None:
        if request.path.endswith(QUERY) and request.json["paging"]["pageNumber"] > 1:
            answer.say(200, {})

    platform = world.platform(change=change, conversations=MANY)
    return _all_listed(world, platform, world.export())


@case(
    "K8 severity 4",
    "platform",
    "page 1 comes one short of its hundred while totalHits stays",
    "an error, or all 105 in the end",
)
def short_page(world: World) -> Verdict:
    def change(request: Request, answer: Answer) -> None:
        if request.path.endswith(QUERY) and answer.status == 200:
            page = answer.json
            if len(page.get("conversations") or []) > 50:
                page["conversations"].pop(37)
                answer.json = page

    platform = world.platform(change=change, conversations=MANY)
    return _all_listed(world, platform, world.export())


def _odd_id(world: World, odd: str) -> Verdict:
    def change(page: Any) -> None:
        page["conversations"].insert(1, {**page["conversations"][0], "conversationId": odd})
        page["totalHits"] = page.get("totalHits", 0) + 1

    platform = world.platform(change=on_page(change))
    ran = world.export()
    others = set(platform.ids) & set(world.archived())
    said = bool(ran.err.strip()) or "refused" in ran.out or "invalid" in ran.out.lower()
    return Verdict(ran.code == 3 and len(others) == 4 and said, f"{ran.now}; {len(others)} of 4 others")


LISTED = "that one is listed as refused (3); the rest go on"


@case("K8 severity 4", "platform", "one conversation's id is `../x`", LISTED)
def id_climbs(world: World) -> Verdict:
    return _odd_id(world, "../x")


@case("K8 severity 4", "platform", "one conversation's id is `a/b`", LISTED)
def id_with_slash(world: World) -> Verdict:
    return _odd_id(world, "a/b")


@case("K8 severity 4", "platform", "one conversation's id holds NUL", LISTED)
def id_with_nul(world: World) -> Verdict:
    return _odd_id(world, "a\0b")


@case("K8 severity 4", "platform", "one conversation's id has 100 kB", LISTED)
def id_huge(world: World) -> Verdict:
    return _odd_id(world, "x" * 100_000)


def _others_archived(world: World, change: Change, *options: str, least: int = 3) -> Verdict:
    """No trace of the stack, an exit that is done or partly done, and the conversations that were not touched."""
    platform = world.platform()
    platform.spoiled.change = change
    ran = world.export(*options, timeout=90)
    count = len(set(platform.ids) & set(world.archived()))
    return Verdict(ran.code in (0, 3) and count >= least, f"{ran.now}; {count} of 4")


AS_IF_ABSENT = "as if absent: no traceback, the others are archived"


def _first(path: str, spoil: Callable[[Answer], None]) -> Change:
    """Spoil the first answer of a path that ends so."""

    def change(request: Request, answer: Answer) -> None:
        if request.path.partition("?")[0].endswith(path) and request.count == 1:
            spoil(answer)

    return change


@case("K8 severity 4", "platform", "429 with a Retry-After in a year of 20 digits", AS_IF_ABSENT)
def retry_after_far_year(world: World) -> Verdict:
    def spoil(answer: Answer) -> None:
        answer.say(429, {}, Retry_After="Mon, 01 Jan 20260000000000000000 00:00:00 GMT")

    return _others_archived(world, _first(QUERY, spoil), least=4)


@case("K8 severity 4", "platform", "429 with a Retry-After of 400 digits", AS_IF_ABSENT)
def retry_after_huge(world: World) -> Verdict:
    return _others_archived(world, _first(QUERY, lambda answer: answer.say(429, {}, Retry_After="9" * 400)), least=4)


@case("K8 severity 4", "platform", "429 with Retry-After: -5 and with nan", AS_IF_ABSENT)
def retry_after_odd(world: World) -> Verdict:
    def change(request: Request, answer: Answer) -> None:
        if request.path.endswith(QUERY) and request.count <= 2:
            answer.say(429, {}, Retry_After=("-5", "nan")[request.count - 1])

    return _others_archived(world, change, least=4)


def _one_link(world: World, url: str, *options: str) -> Verdict:
    """One conversation's link points there."""
    spoiled: list[str] = []

    def change(request: Request, answer: Answer) -> None:
        call = request.path.partition("/communications/")[0]
        if request.path.endswith(LINK) and answer.status == 200 and (not spoiled or spoiled[0] == call):
            spoiled[:] = [call]
            answer.json = {**answer.json, "url": url}

    return _others_archived(world, change, "--api", "speech", *options)


@case("K8 severity 4", "platform", "one link names port 99999", AS_IF_ABSENT)
def link_to_no_port(world: World) -> Verdict:
    return _one_link(world, "http://127.0.0.1:99999/x?X-Amz-Signature=abc")


@case("K8 severity 4", "platform", "one link is no address: `http://[::1`", AS_IF_ABSENT)
def link_is_no_address(world: World) -> Verdict:
    return _one_link(world, "http://[::1/x")


@case("K8 severity 4", "platform", "one link is a `file:///etc/passwd`", AS_IF_ABSENT)
def link_to_a_file(world: World) -> Verdict:
    return _one_link(world, "file:///etc/passwd")


@case("K8 severity 4", "platform", "a link's file answers 206 with a Content-Range of 6,000 digits", AS_IF_ABSENT)
def content_range_huge(world: World) -> Verdict:
    spoiled: list[str] = []
    platform = world.platform()

    def change(request: Request, answer: Answer) -> None:
        call = request.path.partition("/communications/")[0]
        if request.path.endswith(LINK) and answer.status == 200 and (not spoiled or spoiled[0] == call):
            spoiled[:] = [call]
            answer.json = {**answer.json, "url": f"{platform.spoiled.url}/files/x"}
        elif request.path.startswith("/files/"):
            answer.say(206, b'{"transcripts":', Content_Range=f"bytes 0-14/{'9' * 6000}")

    platform.spoiled.change = change
    ran = world.export("--api", "speech", timeout=90)
    count = len(set(platform.ids) & set(world.archived()))
    return Verdict(ran.code in (0, 3) and count >= 3, f"{ran.now}; {count} of 4")


@case(
    "K8 severity 4", "runs", "one listed conversation says that it begins in the year 9999", "archived, or listed (3)"
)
def start_in_year_9999(world: World) -> Verdict:
    def change(page: Any) -> None:
        page["conversations"][0] |= {
            "conversationStart": "9999-12-31T23:59:59.999-12:00",
            "conversationEnd": "9999-12-31T23:59:59.999-14:00",
        }

    verdict = _others_archived(world, on_page(change))
    said = world.ran[-1].code == 3 or len(world.archived()) == 4
    return Verdict(verdict.ok and said, verdict.now)


@case("K8 severity 4", "runs", "one conversation's times are no times: 0000, a number, a word", AS_IF_ABSENT)
def times_are_no_times(world: World) -> Verdict:
    def change(page: Any) -> None:
        for one, odd in zip(page["conversations"], ("0000-00-00T00:00:00Z", 17, "yesterday"), strict=False):
            one["conversationEnd"] = odd

    return _others_archived(world, on_page(change), least=4)


@case("K8 severity 4", "platform", "rate-limit headers of 23 digits on every answer", AS_IF_ABSENT)
def rate_headers_huge(world: World) -> Verdict:
    def change(request: Request, answer: Answer) -> None:
        for name in ("inin-ratelimit-count", "inin-ratelimit-allowed", "inin-ratelimit-reset"):
            answer.headers[name] = "9" * 23

    return _others_archived(world, change, least=4)


@case("K8 severity 4", "platform", "`expires_in` beyond a float", AS_IF_ABSENT)
def expires_in_huge(world: World) -> Verdict:
    def change(request: Request, answer: Answer) -> None:
        if request.path == "/oauth/token":
            answer.body = json.dumps({**answer.json, "expires_in": 0}).replace(": 0", f": {'9' * 400}").encode()

    return _others_archived(world, change, least=4)


@case("K8 severity 4", "platform", "`expires_in` is a word", AS_IF_ABSENT)
def expires_in_word(world: World) -> Verdict:
    def change(request: Request, answer: Answer) -> None:
        if request.path == "/oauth/token":
            answer.json = {**answer.json, "expires_in": "a day"}

    return _others_archived(world, change, least=4)


def _surrogate(world: World, path: str) -> Verdict:
    """Half a surrogate pair in one name: U+FFFD, or a note; names only decorate."""

    def change(request: Request, answer: Answer) -> None:
        if path in request.path and answer.status == 200 and b'"name"' in answer.body:
            answer.body = answer.body.replace(b'"name": "', b'"name":"').replace(b'"name":"', b'"name":"\\ud800 ', 1)

    return _others_archived(world, change, least=4)


@case("K8 severity 4", "platform", "half a surrogate pair in a user's name", "all archived")
def surrogate_in_user(world: World) -> Verdict:
    return _surrogate(world, "/users")


@case("K8 severity 4", "platform", "half a surrogate pair in a queue's name", "all archived")
def surrogate_in_queue(world: World) -> Verdict:
    return _surrogate(world, "/routing/queues")


@case("K8 severity 4", "platform", "half a surrogate pair in a wrap-up code's name", "all archived")
def surrogate_in_wrapup(world: World) -> Verdict:
    return _surrogate(world, "/wrapupcodes")


@case("K8 severity 4", "reading", "half a surrogate pair in one participantName", "all archived")
def surrogate_in_participant(world: World) -> Verdict:
    def change(request: Request, answer: Answer) -> None:
        if request.path.endswith(QUERY) and answer.status == 200 and answer.json.get("conversations"):
            page = answer.json
            page["conversations"][0]["participants"][0]["participantName"] = "half \ud83d"
            answer.json = page

    return _others_archived(world, change, least=4)


@case("K8 severity 4", "platform", "names of users answer 500 for ever", "all archived: their failure is a note")
def names_fail(world: World) -> Verdict:
    def change(request: Request, answer: Answer) -> None:
        if request.path.startswith("/api/v2/users"):
            answer.say(500, {"message": "no"})

    return _others_archived(world, change, least=4)


def _secrets_in(world: World, secrets: dict[str, str]) -> list[str]:
    """Which of them stand anywhere: on the terminal, in the archive, in the state folder."""
    texts = [ran.out + ran.err for ran in world.ran]
    files = [path.read_bytes() for path in world.folder.rglob("*") if path.is_file()]
    return sorted(
        {name for name, secret in secrets.items() if any(secret in text for text in texts)}
        | {f"{name} in a file" for name, secret in secrets.items() if any(secret.encode() in one for one in files)}
    )


def _echoed(world: World, path: str, status: int, wrap: Callable[[str], Any], *options: str) -> Verdict:
    """The platform repeats the request's headers and body in its error."""
    secrets: dict[str, str] = {"signature": SIGNATURE}

    def change(request: Request, answer: Answer) -> None:
        header = request.headers.get("Authorization") or request.headers.get("authorization") or ""
        if header:
            secrets[header.partition(" ")[0].lower()] = header.partition(" ")[2]
        if request.path.partition("?")[0].endswith(path):
            echo = f"{header} {request.body.decode()} X-Amz-Signature={SIGNATURE}&X-Amz-Security-Token={SIGNATURE}"
            answer.say(status, wrap(echo))

    platform = world.platform(change=change)
    secret = platform.running.client_secret
    secrets |= {"secret": secret, "basic": base64.b64encode(f"{platform.running.client_id}:{secret}".encode()).decode()}
    ran = world.export(*options, timeout=90)
    found = _secrets_in(world, secrets)
    return Verdict(not found and ran.code != 0, f"exit {ran.code}; found: {', '.join(found) or 'none'}")


SILENT = "known secrets replaced by value wherever they stand"


@case("K8 severity 3", "platform", "the token endpoint echoes the request in its 400", SILENT)
def login_echoes(world: World) -> Verdict:
    return _echoed(world, "/oauth/token", 400, lambda echo: {"error": "invalid_request", "error_description": echo})


@case("K8 severity 3", "platform", "the details query echoes the request in its 400", SILENT)
def query_echoes(world: World) -> Verdict:
    return _echoed(
        world, QUERY, 400, lambda echo: {"message": f"you sent {echo}", "code": "bad.request", "status": 400}
    )


@case("K8 severity 3", "platform", "the transcript endpoint echoes the request in its 403, as text", SILENT)
def transcript_echoes(world: World) -> Verdict:
    return _echoed(world, LINK, 403, lambda echo: echo.encode(), "--api", "speech")


@case("K8 severity 3", "platform", "the transcript endpoint echoes the request in its 500", SILENT)
def transcript_echoes_500(world: World) -> Verdict:
    return _echoed(world, LINK, 500, lambda echo: {"message": echo, "code": echo, "errors": [echo]}, "--api", "speech")


@case(
    "K8 severity 3", "platform", "a link without scheme, with a signature", "no signature on the terminal or in a file"
)
def signature_without_scheme(world: World) -> Verdict:
    def change(request: Request, answer: Answer) -> None:
        if request.path.endswith(LINK) and answer.status == 200:
            answer.json = {**answer.json, "url": f"host/x?X-Amz-Signature={SIGNATURE}"}

    world.platform(change=change)
    ran = world.export("--api", "speech", timeout=90)
    found = _secrets_in(world, {"signature": SIGNATURE})
    return Verdict(not found and ran.code != 0, f"exit {ran.code}; found: {', '.join(found) or 'none'}")


def _kept_link(world: World, spell: Callable[[bytes], bytes]) -> Verdict:
    """A signed address hidden in the details of each conversation, which are kept as they came."""
    link = f"https://b.s3.amazonaws.com/x?X-Amz-Signature={SIGNATURE}"

    def change(request: Request, answer: Answer) -> None:
        if request.path.endswith((QUERY, "/details")) and answer.status == 200:
            page = answer.json
            for one in page.get("conversations", [page]):
                one["participants"][0]["attachments"] = [{"hidden": {"KEY": link}}]
            answer.body = spell(json.dumps(page).encode())

    platform = world.platform(change=change)
    ran = world.export()
    found = _secrets_in(world, {"signature": SIGNATURE})
    named = sum("attachments" in path.read_text() for path in world.folder.glob("archive/manifests/*/*.json"))
    ok = not found and ran.code in (0, 3) and len(set(platform.ids) & set(world.archived())) == named == 4
    return Verdict(ok, f"{ran.now[:40]}; named in {named} manifests; found: {', '.join(found) or 'none'}")


WITHHELD = "withheld, and named in the manifest; all archived"


@case("K8 severity 2", "platform", "a nested `downloadUrl` in a kept document", WITHHELD)
def nested_download_url(world: World) -> Verdict:
    return _kept_link(world, lambda body: body.replace(b'"KEY"', b'"downloadUrl"'))


@case("K8 severity 2", "platform", "a nested `download_url` in a kept document", WITHHELD)
def nested_snake_url(world: World) -> Verdict:
    return _kept_link(world, lambda body: body.replace(b'"KEY"', b'"download_url"'))


@case("K8 severity 2", "platform", "a nested `waveUri` in a kept document", WITHHELD)
def nested_wave_uri(world: World) -> Verdict:
    return _kept_link(world, lambda body: body.replace(b'"KEY"', b'"waveUri"'))


@case("K8 severity 2", "platform", 'a nested `"media\\u0055ri"` in a kept document', WITHHELD)
def nested_escaped_uri(world: World) -> Verdict:
    return _kept_link(world, lambda body: body.replace(b'"KEY"', b'"media\\u0055ri"'))


@case("K8 severity 2", "platform", "a signed address under a key that nobody knows, its slashes escaped", WITHHELD)
def signature_under_any_key(world: World) -> Verdict:
    return _kept_link(world, lambda body: body.replace(b'"KEY"', b'"whatever"').replace(b"//", b"\\/\\/"))


@case(
    "K8 severity 3",
    "platform",
    "details of one call of 300 MB (300 kB in gzip)",
    "bounded: RSS under 300 MB, the others are archived",
)
def details_bomb(world: World) -> Verdict:
    def change(request: Request, answer: Answer) -> None:
        if request.path.endswith(QUERY) and request.count == 1 and answer.status == 200:
            page = answer.json
            page["conversations"][0]["padding"] = "@"
            head, tail = json.dumps(page).encode().split(b'"@"')
            packed = gzip.compress(head + b"[" + b"{},\n" * (75 << 20) + b"{}]" + tail, 1)
            answer.say(200, packed, Content_Encoding="gzip")

    platform = world.platform(change=change)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    ran = world.cli("-c", _MEASURE, timeout=120) if world.command[1:2] != ("-m",) else _measured(world)
    peak = int(ran.err.rpartition("PEAK ")[2] or 0)
    count = len(set(platform.ids) & set(world.archived()))
    return Verdict(
        0 < peak < 300 << 10 and ran.code in (0, 1, 3),
        f"{ran.now[:60]}; peak {peak >> 10} MB (was {before >> 10}); {count} of 4",
    )


_MEASURE = (
    "import resource, subprocess, sys\n"
    "done = subprocess.run([sys.executable, '-m', 'turnkeeper', 'export', '--to', 'archive', '--since', '2026-10-05',"
    " '--until', '2026-10-07', '--quiet'])\n"
    "print('PEAK', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)\n"
    "sys.exit(done.returncode)\n"
)


def _measured(world: World) -> Ran:
    return world.python(_MEASURE)


@case("K8 severity 2", "runs", "one call fails; the same command again", "exit 3 while the failure is outstanding")
def failure_stays(world: World) -> Verdict:
    spoiled: list[str] = []

    def change(request: Request, answer: Answer) -> None:
        call = request.path.partition("/communications/")[0]
        if request.path.endswith(LINK) and (not spoiled or spoiled[0] == call):
            spoiled[:] = [call]
            answer.say(500, {"message": "no", "code": "internal.server.error", "status": 500})

    platform = world.platform(change=change)
    codes = [world.export("--api", "speech", timeout=90).code for _ in range(2)]
    status = world.cli("status", "archive").code
    return Verdict(
        codes == [3, 3] and status == 3,
        f"exits {codes}, status {status}; {len(world.archived())} archived of {len(platform.ids)}",
    )


@case("K8 severity 2", "runs", "one transcript is unread; the same command again", "exit 3 while it is outstanding")
def unread_stays(world: World) -> Verdict:
    world.platform("unknown-shape")
    codes = [world.export("--api", "speech", timeout=90).code for _ in range(2)]
    return Verdict(codes == [3, 3], f"exits {codes}")


def _fresh_nothing(world: World, body: Any) -> Verdict:
    """Behind every link stands nothing for the first half hour; the turns come later."""
    platform = world.platform(now=_soon_after())

    def change(request: Request, answer: Answer) -> None:
        if request.path.endswith(LINK) and answer.status == 200:
            answer.json = {**answer.json, "url": f"{platform.spoiled.url}/files/x"}
        elif request.path.startswith("/files/"):
            answer.say(200, body)

    platform.spoiled.change = change
    first = world.export("--api", "speech", timeout=90)
    platform.heal()
    platform.advance(2 * 86_400)
    second = world.export("--api", "speech", timeout=90)
    ran = world.cli("turns", "archive")
    calls = {one["conversation"] for one in ran.turns}
    return Verdict(len(calls) == 4, f"exits {first.code}, {second.code}; turns of {len(calls)} of 4 calls in the end")


def _soon_after() -> Any:
    from datetime import UTC, datetime

    return datetime(2026, 10, 5, 7, 0, tzinfo=UTC)


LATER = "asked again while fresh: the turns come"


@case("K8 severity 2", "runs", '`{"transcripts":[]}` behind every fresh link', LATER)
def fresh_empty_transcripts(world: World) -> Verdict:
    return _fresh_nothing(world, {"transcripts": []})


@case("K8 severity 2", "runs", "`null` behind every fresh link", LATER)
def fresh_null(world: World) -> Verdict:
    return _fresh_nothing(world, None)


@case("K8 severity 2", "runs", "`[]` behind every fresh link", LATER)
def fresh_empty_list(world: World) -> Verdict:
    return _fresh_nothing(world, [])


@case(
    "K8 severity 2",
    "runs",
    "a document of 15 damaged turns on the way into an archive",
    "done with defects, counted; exit 0 or 3",
)
def damaged_turns_in_archive(world: World) -> Verdict:
    platform = world.platform("end-before-start")
    ran = world.export("--api", "speech", timeout=90)
    turns = world.cli("turns", "archive")
    marked = sum(bool(one.get("defects")) for one in turns.turns)
    ok = ran.code in (0, 3) and len(world.archived()) == len(platform.ids) and marked > 0
    return Verdict(
        ok and BEGAN > 0, f"exit {ran.code}; {len(world.archived())} of {len(platform.ids)}, {marked} turns marked"
    )
