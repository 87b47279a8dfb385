"""Presigned URLs: issued with a signature over path and query, and checked by computing it again."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import threading
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote, urlencode

from turnkeeper.simulator.clock import SimulatorClock, iso, to_epoch_ms

_SIGNATURE = "X-Amz-Signature"


class Links:
    """Issues and checks the presigned URLs of one simulation."""

    def __init__(self, seed: int, clock: SimulatorClock, seconds: float) -> None:
        self._key = hashlib.sha256(f"{seed}:storage-key".encode()).digest()
        self._clock = clock
        self._seconds = max(1, round(seconds))
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._failing: dict[str, str] = {}

    def issue(self, path: str, doom: str | None = None) -> str:
        """Return path and query of a new link. With ``doom`` the storage port will refuse it in that way."""
        now = self._clock.epoch_ms()
        # An expired link looks like one that was signed too long ago.
        if doom == "expired":
            now -= (self._seconds + 60) * 1000
        query = self._unsigned_query(now)
        query[_SIGNATURE] = self._signature(path, query)
        if doom is not None:
            with self._lock:
                self._failing[query[_SIGNATURE]] = doom
        return f"{quote(path)}?{urlencode(query)}"

    def genuine(self, path: str, query: Mapping[str, str]) -> bool:
        """Whether the signature belongs to this path and query."""
        unsigned = {name: value for name, value in query.items() if name != _SIGNATURE}
        return hmac.compare_digest(query.get(_SIGNATURE, "").encode(), self._signature(path, unsigned).encode())

    def doom(self, query: Mapping[str, str]) -> str | None:
        """Return the way in which this link must fail, or None."""
        return self._failing.get(query.get(_SIGNATURE, ""))

    def expired(self, query: Mapping[str, str]) -> bool:
        """Whether the link has expired by the simulation's clock."""
        return self._clock.epoch_ms() >= self.expiry_ms(query)

    @staticmethod
    def expiry_ms(query: Mapping[str, str]) -> int:
        """When a genuine link expires."""
        issued = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%S%z")
        return to_epoch_ms(issued) + int(query["X-Amz-Expires"]) * 1000

    def _unsigned_query(self, now_ms: int) -> dict[str, str]:
        basic = iso(now_ms).replace("-", "").replace(":", "")
        nonce = hmac.digest(self._key, str(next(self._numbers)).encode(), "sha256").hex()
        return {
            "X-Amz-Security-Token": f"IQoJb3JpZ2luX2Vj{nonce}",
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Date": basic[:15] + "Z",
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Credential": f"ASIASIMULATEDKEY0001/{basic[:8]}/us-east-1/s3/aws4_request",
            "X-Amz-Expires": str(self._seconds),
        }

    def _signature(self, path: str, query: Mapping[str, str]) -> str:
        text = "\n".join([path, *(f"{name}={query[name]}" for name in sorted(query))])
        return hmac.new(self._key, text.encode(), "sha256").hexdigest()
