"""The attacks on a store's answers: which requests, and what comes instead."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, urlsplit

from tests.hostile.store_proxy import Break
from tests.hostile.wire import Answer, Request

__all__ = ["STORE_ATTACKS", "StoreAttack"]

Forward = Callable[[], Answer]
Which = Callable[[Request], bool]


@dataclass(frozen=True)
class StoreAttack:
    """One broken answer of the store. ``verb`` is the command that meets it; ``broken`` is made anew for each run;
    ``well`` says that the attacked run must end with exit code 0 all the same."""

    name: str
    verb: str
    broken: Callable[[], Break]
    read_only: bool = False
    well: bool = False
    env: tuple[tuple[str, str], ...] = ()


def _is_list(request: Request) -> bool:
    return request.method == "GET" and "list-type" in request.query


def _lists_manifests(request: Request) -> bool:
    return _is_list(request) and request.query.get("prefix", "").endswith("/manifests/")


def _is_get(request: Request) -> bool:
    return request.method == "GET" and "list-type" not in request.query


def _is_put(request: Request) -> bool:
    return request.method == "PUT"


def _is_raw(request: Request) -> bool:
    return "/raw/" in request.path


def _creates(request: Request) -> bool:
    return request.method == "PUT" and "if-none-match" in request.headers


def _error(status: int, code: str, message: str = "Please try again.") -> Answer:
    text = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Answer(status, text.encode(), {"Content-Type": "application/xml"})


def _where(which: Which, spoil: Callable[[Request, Forward], Answer], times: int | None = None) -> Callable[[], Break]:
    """Break the answers to these requests: the first so many, or all."""

    def made() -> Break:
        count, lock = itertools.count(1), threading.Lock()

        def broken(request: Request, forward: Forward) -> Answer:
            if not which(request):
                return forward()
            with lock:
                number = next(count)
            return spoil(request, forward) if times is None or number <= times else forward()

        return broken

    return made


def _instead(answer: Answer) -> Callable[[Request, Forward], Answer]:
    return lambda request, forward: answer


def _truncated(request: Request, forward: Forward) -> Answer:
    data = forward().packed()
    return Answer(raw=lambda wire: wire.sendall(data[:-20]))


def _half(request: Request, forward: Forward) -> Answer:
    honest = forward()
    return replace(honest, body=honest.body[: len(honest.body) // 2]) if honest.status in (200, 206) else honest


def _other_bytes(request: Request, forward: Forward) -> Answer:
    honest = forward()
    return replace(honest, body=honest.body.replace(b"a", b"b")) if honest.status in (200, 206) else honest


def _lost(request: Request, forward: Forward) -> Answer:
    return Answer(200, _error(200, "InternalError").body, {"ETag": '"0123"', "Content-Type": "application/xml"})


def _other_size(request: Request, forward: Forward) -> Answer:
    honest = forward()
    return honest.but(Content_Length="7") if honest.status == 200 else honest


def _odd_etag(request: Request, forward: Forward) -> Answer:
    return forward().but(ETag="nonsense, W/\"x\" '<xml>'")


def _no_etag(request: Request, forward: Forward) -> Answer:
    honest = forward()
    return replace(honest, headers={name: value for name, value in honest.headers.items() if name.lower() != "etag"})


def _echoed(status: int) -> Callable[[Request, Forward], Answer]:
    def spoil(request: Request, forward: Forward) -> Answer:
        said = " ".join(f"{name}: {value}" for name, value in request.headers.items()).replace("<", "&lt;")
        return _error(status, "AccessDenied" if status == 403 else "InternalError", f"{request.target} {said}")

    return spoil


def _same_token(request: Request, forward: Forward) -> Answer:
    """Truncated for ever, and always to be gone on with by the same token."""
    honest = forward()
    body = honest.body.replace(b"<IsTruncated>false</IsTruncated>", b"<IsTruncated>true</IsTruncated>")
    body = body.replace(
        b"</ListBucketResult>", b"<NextContinuationToken>same</NextContinuationToken></ListBucketResult>"
    )
    return replace(honest, body=body)


def _without_token(request: Request, forward: Forward) -> Answer:
    """Ask as if for the first page: the token in the request is ours, and the store does not know it."""
    token = parse_qs(urlsplit(request.target).query).get("continuation-token", ["0"])[0]
    number = int(token) if token.isdigit() else 0
    key = request.query.get("prefix", "") + f"endless-{number}.json"
    name = f"<Contents><Key>{key}</Key><Size>1</Size><LastModified>2026-10-05T00:00:00.000Z</LastModified></Contents>"
    text = (
        '<?xml version="1.0"?><ListBucketResult><IsTruncated>true</IsTruncated>'
        f"<NextContinuationToken>{number + 1}</NextContinuationToken>{name}</ListBucketResult>"
    )
    return Answer(200, text.encode(), {"Content-Type": "application/xml"})


_XML = '<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>{}</ListBucketResult>'


def _odd_keys(request: Request, forward: Forward) -> Answer:
    honest = forward()
    odd = "".join(
        f"<Contents><Key>{key}</Key><Size>1</Size><LastModified>2026-10-05T00:00:00.000Z</LastModified></Contents>"
        for key in ("archive/manifests/../../x.json", "archive/manifests//x.json", "archive/raw/", "elsewhere/x")
    ).encode()
    return replace(honest, body=honest.body.replace(b"</ListBucketResult>", odd + b"</ListBucketResult>"))


_CONFLICT = _error(409, "ConditionalRequestConflict", "The conditional request cannot succeed.")
_SLOW = _error(503, "SlowDown", "Reduce your request rate.")
_IMPATIENT = (("TURNKEEPER_LIST_TIMEOUT", "2"),)

STORE_ATTACKS: tuple[StoreAttack, ...] = (
    StoreAttack(
        "every write fails once (500)", "export", _where(_is_put, _instead(_error(500, "InternalError")), 1), well=True
    ),
    StoreAttack("every write fails (500)", "export", _where(_is_put, _instead(_error(500, "InternalError")))),
    StoreAttack(
        "the store wants everybody to slow down (503), ten times",
        "export",
        _where(_is_put, _instead(_SLOW), 10),
    ),
    # For half a minute, and for ever: tests/unit/storage/test_faults.py, where nobody has to wait.
    StoreAttack("409 ConditionalRequestConflict, three times", "export", _where(_creates, _instead(_CONFLICT), 3)),
    StoreAttack(
        "inputs are answered 200 with an XML error, and not kept",
        "export",
        _where(lambda request: _is_put(request) and _is_raw(request), _lost),
    ),
    StoreAttack(
        "manifests are answered 200 with an XML error, and not kept",
        "export",
        _where(lambda request: _is_put(request) and "/manifests/" in request.path, _lost),
    ),
    StoreAttack("the ETag of what is written is nonsense", "export", _where(_is_put, _odd_etag), well=True),
    StoreAttack("writes are answered without an ETag", "export", _where(_is_put, _no_etag)),
    StoreAttack("403 that repeats the request", "export", _where(_is_put, _echoed(403))),
    StoreAttack("500 that repeats the request", "export", _where(_is_put, _echoed(500))),
    StoreAttack("a list is an XML error with 200", "export", _where(_is_list, _instead(_error(200, "InternalError")))),
    StoreAttack("a list is a page of HTML", "export", _where(_is_list, _instead(Answer(200, b"<html>login</html>")))),
    StoreAttack("a list names keys that are none, and others' keys", "export", _where(_is_list, _odd_keys)),
    StoreAttack("a list goes on by the same token for ever", "export", _where(_is_list, _same_token), env=_IMPATIENT),
    StoreAttack("a list goes on for ever", "export", _where(_is_list, _without_token)),
    StoreAttack("an object's body stops early", "verify", _where(_is_get, _truncated), read_only=True),
    StoreAttack(
        "an object's body is half of it, with the length to match", "verify", _where(_is_get, _half), read_only=True
    ),
    StoreAttack(
        "an object has other bytes", "verify", _where(lambda r: _is_get(r) and _is_raw(r), _other_bytes), read_only=True
    ),
    StoreAttack("HEAD names another size", "verify", _where(lambda r: r.method == "HEAD", _other_size), read_only=True),
    StoreAttack(
        "reads fail once (500)", "verify", _where(_is_get, _instead(_error(500, "InternalError")), 1), read_only=True
    ),
    StoreAttack("reads fail (500)", "verify", _where(_is_get, _instead(_error(500, "InternalError"))), read_only=True),
    StoreAttack(
        "reads are refused (403), repeating the request", "verify", _where(_is_get, _echoed(403)), read_only=True
    ),
    StoreAttack(
        "a list goes on by the same token for ever, while verifying",
        "verify",
        _where(_is_list, _same_token),
        read_only=True,
        env=_IMPATIENT,
    ),
    StoreAttack(
        "a list is an XML error with 200, while verifying",
        "verify",
        _where(_is_list, _instead(_error(200, "InternalError"))),
        read_only=True,
    ),
    StoreAttack(
        "a list is an XML error with 200 once, while verifying",
        "verify",
        _where(_lists_manifests, _instead(_error(200, "SlowDown")), 1),
        read_only=True,
        well=True,
    ),
    StoreAttack("a list goes on for ever, while verifying", "verify", _where(_is_list, _without_token), read_only=True),
)
