"""The bare loop: ``python -m benchmarks.export.bare ARCHIVE LIKE``. It asks what the export asked and puts what it put.

``LIKE`` is a folder that an export has filled: which communications to ask for, and the bytes of every object, are read
from there before the clock starts. No parsing, no hashing, no retries, no ledger: the least that anybody's script does.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import obstore
from obstore.store import S3Store

from benchmarks.export.ours import SINCE, UNTIL, peak_mb
from turnkeeper.environment import environment

AT_ONCE = 24
HOME = "/api/v2/speechandtextanalytics"


@dataclass(frozen=True)
class Call:
    """One conversation: the communications to ask for, and the objects to put."""

    id: str
    asked: list[str]
    objects: list[tuple[str, bytes]]


def planned(like: Path) -> list[Call]:
    """What the export did, read from what it left."""
    calls = []
    for path in sorted((like / "_turnkeeper/states").rglob("*.json")):
        for call in json.loads(path.read_bytes())["calls"]:
            asked = [leg["id"] for leg in call.get("legs", ()) if leg.get("asks")]
            calls.append(Call(call["conversation"], asked, objects_of(like, call["conversation"])))
    return calls


def objects_of(like: Path, conversation: str) -> list[tuple[str, bytes]]:
    folders = [like / "raw" / conversation, like / "manifests" / conversation]
    files = [path for folder in folders for path in sorted(folder.rglob("*.json"))]
    files += [like / view / f"{conversation}.json" for view in ("transcripts", "summaries")]
    return [(path.relative_to(like).as_posix(), path.read_bytes()) for path in files if path.exists()]


class Loop:
    """One client for the platform, one for storage, one store."""

    def __init__(self, archive: str) -> None:
        found = environment()
        bucket, _, self.prefix = archive.removeprefix("s3://").partition("/")
        self.base = found["GENESYS_BASE_URL"]
        self.secret = (found["GENESYS_CLIENT_ID"], found["GENESYS_CLIENT_SECRET"])
        self.platform, self.storage = httpx2.AsyncClient(), httpx2.AsyncClient()
        self.store = S3Store(bucket, endpoint=found["AWS_ENDPOINT_URL"], client_options={"allow_http": True})

    async def run(self, calls: list[Call]) -> None:
        grant = {"grant_type": "client_credentials"}
        answer = await self.platform.post(f"{self.base}/oauth/token", data=grant, auth=self.secret)
        self.platform.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        await self.discover()
        waiting = list(calls)

        async def worker() -> None:
            while waiting:
                await self.visit(waiting.pop())

        async with anyio.create_task_group() as tasks:
            for _ in range(AT_ONCE):
                tasks.start_soon(worker)

    async def discover(self) -> None:
        """Every page of every day, and one search a page, as the export does."""
        day = SINCE
        while day < UNTIL:
            number, size = 1, 100
            while size == 100:
                size = len(await self.page(day, number))
                number += 1
            day += timedelta(days=1)

    async def page(self, day: Any, number: int) -> list[Any]:
        interval = f"{day:%Y-%m-%dT%H:%M:%S.000Z}/{day + timedelta(days=1):%Y-%m-%dT%H:%M:%S.000Z}"
        asked = {"interval": interval, "paging": {"pageSize": 100, "pageNumber": number}}
        answer = await self.platform.post(f"{self.base}/api/v2/analytics/conversations/details/query", json=asked)
        found: list[Any] = answer.json().get("conversations", [])
        if found:
            between = {
                "startValue": found[0]["conversationStart"][:19],
                "endValue": found[-1]["conversationStart"][:19],
            }
            rule = {"type": "DATE_RANGE", "fields": ["conversationStartTime"], "dateFormat": "yyyy-MM-dd'T'HH:mm:ss"}
            search = {"types": ["transcripts"], "query": [rule | between], "pageSize": 100, "pageNumber": 1}
            search["returnFields"] = ["conversationId", "communicationId"]
            await self.platform.post(f"{self.base}{HOME}/transcripts/search", json=search)
        return found

    async def visit(self, call: Call) -> None:
        for communication in call.asked:
            path = f"{HOME}/conversations/{call.id}/communications/{communication}/transcripturl"
            answer = await self.platform.get(f"{self.base}{path}")
            if answer.status_code == 200:
                await self.storage.get(answer.json()["url"])
        if call.objects:
            await anyio.to_thread.run_sync(self.put, call)

    def put(self, call: Call) -> None:
        for key, data in call.objects:
            mode = "create" if key.startswith("manifests/") else "overwrite"
            obstore.put(self.store, f"{self.prefix}/{key}", data, mode=mode)


async def main(archive: str, like: str) -> None:
    calls = planned(Path(like))
    # What is held ready here is not the loop's own: it must not be looked through whenever the loop's garbage is.
    gc.collect()
    gc.freeze()
    loop = Loop(archive)
    began = time.process_time()
    await loop.run(calls)
    cpu = time.process_time() - began
    done = sum(bool(call.objects) for call in calls)
    print(json.dumps({"cpu": cpu, "mb": peak_mb(), "done": done, "visited": len(calls)}))


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:])
