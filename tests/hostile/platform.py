"""A small honest platform on raw sockets, whose answers an attack may break before they go out.

Shares no code with turnkeeper's own simulator. Three doors: the API, storage for presigned links, and an origin
elsewhere to which nobody has any business to bring a token.
"""

from __future__ import annotations

import base64
import re
import struct
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from tests.hostile.truth import CLIENT_ID, NOW, SECRET, Call, calls, made_secret
from tests.hostile.wire import Answer, Request, Server

__all__ = ["BEARER", "SECRETS", "SIGNATURE", "Platform", "Spoil"]

BEARER, SIGNATURE, SESSION = (made_secret(name) for name in ("bearer", "signature", "session"))
BASIC = base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()
SECRETS = {"client secret": SECRET, "Basic header": BASIC, "bearer": BEARER, "signature": SIGNATURE, "session": SESSION}

Spoil = Callable[["Platform", Request, Answer], Answer]
"""Gives what goes out instead of the honest answer."""

_ID = r"([^/]+)"
_ROUTES = (
    ("token", "POST", "/oauth/token"),
    ("organisation", "GET", "/api/v2/(?:organizations|tokens)/me"),
    ("query", "POST", "/api/v2/analytics/conversations/details/query"),
    ("availability", "GET", "/api/v2/analytics/conversations/details/jobs/availability"),
    ("job", "POST", "/api/v2/analytics/conversations/details/jobs"),
    ("results", "GET", f"/api/v2/analytics/conversations/details/jobs/{_ID}/results"),
    ("job", "GET", f"/api/v2/analytics/conversations/details/jobs/{_ID}"),
    ("cancel", "DELETE", f"/api/v2/analytics/conversations/details/jobs/{_ID}"),
    ("details", "GET", f"/api/v2/analytics/conversations/{_ID}/details"),
    ("by id", "GET", "/api/v2/analytics/conversations/details"),
    ("search", "POST", "/api/v2/speechandtextanalytics/transcripts/search"),
    ("link", "GET", f"/api/v2/speechandtextanalytics/conversations/{_ID}/communications/{_ID}/transcripturl"),
    ("media", "GET", f"/api/v2/conversations/media/{_ID}/transcripts"),
    ("users", "GET", "/api/v2/users"),
    ("queues", "GET", "/api/v2/routing/queues"),
    ("wrapups", "GET", "/api/v2/routing/wrapupcodes"),
    ("recordings", "GET", f"/api/v2/conversations/{_ID}/recording(?:s|metadata)"),
    ("batch", "POST", "/api/v2/recording/batchrequests"),
    ("batch", "GET", f"/api/v2/recording/batchrequests/{_ID}"),
    ("file", "GET", f"/files/{_ID}/{_ID}"),
    ("sound", "GET", f"/sound/{_ID}"),
)


class Platform:
    """The organisation, its three doors, and its clock, which nothing moves but those who sleep on it."""

    def __init__(self, count: int = 6) -> None:
        self.calls = calls(count)
        self.now = NOW
        self.attack: tuple[str, Spoil] | None = None
        self.asked: Counter[str] = Counter()
        self.strays: list[str] = []
        """Requests that brought a token or a secret to where it does not belong."""
        self._lock = threading.Lock()
        self._by_id = {call.id: call for call in self.calls}
        self._batch: list[Any] = []
        self._job: tuple[str, str] = ("", "")
        self.api, self.storage, self.elsewhere = (Server(one) for one in (self._api, self._storage, self._foreign))

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for server in (self.api, self.storage, self.elsewhere):
                stack.enter_context(server)
            self._doors = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._doors.close()

    def environment(self) -> dict[str, str]:
        """The environment of a user of this platform, living by its clock."""
        return {
            "GENESYS_BASE_URL": self.api.url,
            "GENESYS_CLIENT_ID": CLIENT_ID,
            "GENESYS_CLIENT_SECRET": SECRET,
            "GENESYS_API": "speech",
            "TURNKEEPER_CLOCK_URL": f"{self.api.url}/_clock",
        }

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self.now += timedelta(seconds=seconds)

    def link(self, path: str) -> str:
        """A presigned address at the storage door."""
        query = f"X-Amz-Expires=600&X-Amz-Security-Token={SESSION}&X-Amz-Signature={SIGNATURE}"
        return f"{self.storage.url}{path}?X-Amz-Date={self.now:%Y%m%dT%H%M%SZ}&{query}"

    # The doors.

    def _api(self, request: Request) -> Answer:
        if request.path == "/_clock":
            return self._clock(request)
        name, arguments = _route(request)
        if name != "token" and request.headers.get("authorization") != f"Bearer {BEARER}":
            return _refused(401, "bad.credentials")
        return self._spoiled(name, arguments, request)

    def _storage(self, request: Request) -> Answer:
        if "authorization" in request.headers:
            self.strays.append(f"storage was sent a token: {request.path}")
        if request.query.get("X-Amz-Signature") != SIGNATURE:
            return Answer(403, b"<Error><Code>AccessDenied</Code></Error>", {"Content-Type": "application/xml"})
        name, arguments = _route(request)
        return self._spoiled(name, arguments, request)

    def _foreign(self, request: Request) -> Answer:
        everything = f"{request.target} {request.headers} {request.body.decode(errors='replace')}"
        brought = [name for name, value in SECRETS.items() if value in everything]
        if brought:
            self.strays.append(f"an origin elsewhere was sent {', '.join(brought)}")
        return Answer.of({"status": "elsewhere", "conversations": [], "totalHits": 0, "url": f"{request.target}"})

    def _spoiled(self, name: str, arguments: tuple[str, ...], request: Request) -> Answer:
        honest = getattr(self, f"_answer_{name.replace(' ', '_')}", self._missing)(request, *arguments)
        with self._lock:
            self.asked[name] += 1
        if self.attack is None or self.attack[0] != name:
            return honest
        return self.attack[1](self, request, honest)

    def _clock(self, request: Request) -> Answer:
        until = (request.json or {}).get("until", "")
        with self._lock:
            if until:
                self.now = max(self.now, datetime.fromisoformat(until))
            return Answer.of({"now": self.now.astimezone(UTC).isoformat().replace("+00:00", "Z")})

    # The honest answers.

    def _missing(self, request: Request, *_: str) -> Answer:
        return _refused(404, "not.found")

    def _answer_token(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Basic {BASIC}":
            return Answer.of({"error": "invalid_client", "error_description": "authentication failed"}, 401)
        return Answer.of({"access_token": BEARER, "token_type": "bearer", "expires_in": 86_399})

    def _answer_organisation(self, request: Request) -> Answer:
        return Answer.of({"id": "hostile-organisation", "name": "Hostile"})

    def _answer_query(self, request: Request) -> Answer:
        asked = request.json
        found = self._within(asked["interval"])[:: -1 if asked.get("order") == "desc" else 1]
        size, number = asked["paging"]["pageSize"], asked["paging"]["pageNumber"]
        page = found[(number - 1) * size : number * size]
        return Answer.of({"conversations": [one.details() for one in page], "totalHits": len(found)})

    def _answer_availability(self, request: Request) -> Answer:
        return Answer.of({"dataAvailabilityDate": "2026-10-07T00:00:00.000Z"})

    def _answer_job(self, request: Request, job: str = "") -> Answer:
        if request.method == "POST":
            self._job = (request.json["interval"], "")
            return Answer.of({"jobId": "job-1"}, 202)
        return Answer.of({"jobId": job, "state": "FULFILLED"})

    def _answer_cancel(self, request: Request, job: str) -> Answer:
        return Answer(204)

    def _answer_results(self, request: Request, job: str) -> Answer:
        """Two conversations a page; the cursor is where to go on, and absent at the end."""
        cursor = request.query.get("cursor", "0")
        found, at = self._within(self._job[0]), int(cursor) if cursor.isdigit() else 0
        page: dict[str, Any] = {"conversations": [one.details() for one in found[at : at + 2]]}
        return Answer.of(page | ({"cursor": str(at + 2)} if at + 2 < len(found) else {}))

    def _answer_details(self, request: Request, conversation: str) -> Answer:
        call = self._by_id.get(conversation)
        return Answer.of(call.details()) if call else _refused(404, "resource.not.found")

    def _answer_by_id(self, request: Request) -> Answer:
        wanted = request.query.get("id", "").split(",")
        return Answer.of({"conversations": [self._by_id[one].details() for one in wanted if one in self._by_id]})

    def _answer_search(self, request: Request) -> Answer:
        asked = request.json["query"][0]
        found = [
            {"conversationId": call.id, "communicationId": leg.id}
            for call in self._within(f"{asked['startValue']}/{asked['endValue']}")
            for leg in call.legs
        ]
        size, number = request.json["pageSize"], request.json["pageNumber"]
        return Answer.of({"total": len(found), "results": found[(number - 1) * size : number * size]})

    def _answer_link(self, request: Request, conversation: str, communication: str) -> Answer:
        call = self._by_id.get(conversation)
        if call is None or communication not in {leg.id for leg in call.legs}:
            return _refused(404, "not.found")
        return Answer.of({"url": self.link(f"/files/{conversation}/{communication}")})

    def _answer_file(self, request: Request, conversation: str, communication: str) -> Answer:
        call = self._by_id[conversation]
        return Answer.of(call.file(next(leg for leg in call.legs if leg.id == communication)))

    def _answer_media(self, request: Request, conversation: str) -> Answer:
        call = self._by_id.get(conversation)
        return Answer.of(call.media()) if call else _refused(404, "not.found")

    def _answer_users(self, request: Request) -> Answer:
        return _directory({call.agent for call in self.calls}, "Ada")

    def _answer_queues(self, request: Request) -> Answer:
        return _directory({call.queue for call in self.calls}, "Orders")

    def _answer_wrapups(self, request: Request) -> Answer:
        return _directory(set(), "")

    def _answer_recordings(self, request: Request, conversation: str) -> Answer:
        call = self._by_id[conversation]
        told = call.recorded()
        if not request.path.endswith("metadata"):
            told["mediaUris"] = {"S": {"mediaUri": self.link(f"/sound/{call.recording}")}}
        return Answer.of([told])

    def _answer_batch(self, request: Request, batch: str = "") -> Answer:
        if request.method == "POST":
            self._batch = request.json["batchDownloadRequestList"]
            return Answer.of({"id": "batch-1"})
        results = [
            {
                "conversationId": one["conversationId"],
                "recordingId": self._by_id[one["conversationId"]].recording,
                "resultUrl": self.link(f"/sound/{self._by_id[one['conversationId']].recording}"),
                "contentType": "audio/wav",
            }
            for one in self._batch
        ]
        counts = {"expectedResultCount": len(results), "resultCount": len(results), "errorCount": 0}
        return Answer.of({"id": batch, "status": "Completed", "results": results, **counts})

    def _answer_sound(self, request: Request, recording: str) -> Answer:
        return Answer(200, _wav(), {"Content-Type": "audio/wav"})

    def _within(self, interval: str) -> list[Call]:
        start, end = (_moment(text) for text in interval.split("/"))
        return [call for call in self.calls if start <= call.start < end]


def _route(request: Request) -> tuple[str, tuple[str, ...]]:
    for name, method, pattern in _ROUTES:
        if method == request.method and (found := re.fullmatch(pattern, request.path)):
            return name, found.groups()
    return "unknown", ()


def _refused(status: int, code: str) -> Answer:
    return Answer.of({"code": code, "message": "The request was refused.", "status": status}, status)


def _directory(ids: set[str], name: str) -> Answer:
    entities = [{"id": one, "name": name} for one in sorted(ids)]
    return Answer.of({"entities": entities, "pageCount": 1, "pageNumber": 1, "total": len(entities)})


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _wav(seconds: int = 1, rate: int = 8000) -> bytes:
    """A stereo recording in which nobody speaks loudly."""
    samples = b"".join(struct.pack("<hh", at % 400, -(at % 300)) for at in range(seconds * rate))
    shape = struct.pack("<HHIIHH", 1, 2, rate, rate * 4, 4, 16)
    chunks = b"fmt " + struct.pack("<I", len(shape)) + shape + b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks
