"""The platform's door against the simulator over real sockets: every promise of the media page, each provoked."""

from __future__ import annotations

import json
import logging
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from turnkeeper.errors import Denied, LinkExpired, Misconfigured, NotFound, NotReady, Throttled, TurnkeeperError
from turnkeeper.events import Event, Renewed, Retried, Waiting
from turnkeeper.genesys.client import Genesys
from turnkeeper.genesys.results import FoundTranscripts, TranscriptBody
from turnkeeper.payloads.details import Details, read_details
from turnkeeper.settings import JwtSettings, PlatformSettings
from turnkeeper.simulator import Running, Simulation, serve

pytestmark = pytest.mark.anyio
# The simulation's conversations are over for days by then.
NOW = datetime(2026, 12, 24, 12, 0, tzinfo=UTC)
INLINE, LINKED, TRANSFERRED = 0, 1, 3


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class SimulatedClock:
    """Lives by the simulation's frozen clock; sleeping moves it. Nothing here ever really waits."""

    def __init__(self, simulation: Simulation) -> None:
        self._clock = simulation.clock
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.epoch_ms() / 1000, UTC)

    def monotonic(self) -> float:
        return self._clock.epoch_ms() / 1000

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._clock.advance(round(max(seconds, 0) * 1000))
        await anyio.lowlevel.checkpoint()


class World:
    def __init__(self, running: Running, door: Genesys, clock: SimulatedClock, events: list[Event]) -> None:
        self.running, self.door, self.clock, self.events = running, door, clock, events

    async def details(self, index: int) -> Details:
        with await self.door.details(self.running.conversation_ids[index]) as body, body.open() as reader:
            return read_details(reader.read())

    async def get(self, index: int, api: Any = None, **more: Any) -> FoundTranscripts:
        found = await self.door.transcripts(
            self.running.conversation_ids[index], await self.details(index), api=api, **more
        )
        self.bodies = {_kind(body): _read(body.spool) for body in found.bodies}
        return found

    def count(self) -> dict[str, int]:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            f"{self.running.base_url}/_sim/requests"
        ) as answer:
            return dict(json.load(answer))

    def renewed(self) -> list[str]:
        return [event.what for event in self.events if isinstance(event, Renewed)]


def _kind(body: TranscriptBody) -> str:
    return body.source.split("/")[0] + ("+" if body.metadata else "")


def _read(spool: Any) -> bytes:
    with spool, spool.open() as reader:
        return bytes(reader.read())


@asynccontextmanager
async def world(*faults: str, simulation: dict[str, Any] | None = None, **changes: Any) -> AsyncIterator[World]:
    simulated = Simulation(**{"conversations": 20, "faults": frozenset(faults), "now": NOW} | (simulation or {}))
    events: list[Event] = []
    with serve(simulated) as running:
        settings = PlatformSettings(
            client_id=running.client_id, client_secret=running.client_secret, base_url=running.base_url
        ).but(**changes)
        clock = SimulatedClock(simulated)
        async with Genesys(settings, clock=clock, listener=events.append) as door:
            here = World(running, door, clock, events)
            yield here
            count = here.count()
    assert count["authorization_on_storage"] == 0
    told = str(events)
    assert "X-Amz" not in told
    assert running.client_secret not in told


@pytest.fixture(scope="module", autouse=True)
def _no_proxy() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "*")
        yield


@pytest.fixture(scope="module")
def clean(_no_proxy: None) -> dict[str, bytes]:
    """What an untroubled platform gives."""

    async def fetch() -> dict[str, bytes]:
        async with world() as here:
            await here.get(LINKED)
            media = here.bodies["media"]
            await here.get(LINKED, "speech")
            return {"media": media, "speech": here.bodies["speech"]}

    return anyio.run(fetch)


RECOVERED = (
    "expired-link",
    "expired-token-link",
    "gone-link",
    "redirect",
    "throttle",
    "throttle=2",
    "throttle-bare",
    "tenant-throttle=3",
    "server-error",
    "html-error=2",
    "slow-drip",
    "cut-body",
    "cut-body=3",
    "no-range",
    "token-expiry",
    "token-expiry=1",
    "gzip",
    "clock-skew",
    "bearer-leak-bait",
)


@pytest.mark.parametrize("fault", RECOVERED)
async def test_a_passing_trouble_changes_no_byte(clean: dict[str, bytes], fault: str) -> None:
    async with world(fault) as here:
        await here.get(LINKED, "media")
        assert here.bodies["media"] == clean["media"]
        await here.get(LINKED, "speech")
        assert here.bodies["speech"] == clean["speech"]


async def test_troubles_together_change_no_byte(clean: dict[str, bytes]) -> None:
    together = ("expired-link", "cut-body", "gzip", "throttle", "html-error", "token-expiry", "redirect")
    async with world(*together) as here:
        await here.get(LINKED)
        assert here.bodies["media"] == clean["media"]


async def test_a_changed_document_is_never_mixed_with_its_former_self(clean: dict[str, bytes]) -> None:
    async with world("cut-body-changed") as here:
        await here.get(LINKED, "speech")
        assert json.loads(here.bodies["speech"]) == json.loads(clean["speech"])
        assert here.bodies["speech"] != clean["speech"]


async def test_each_dialect_gives_its_own_documents() -> None:
    async with world() as here:
        inline = await here.get(INLINE)
        assert (inline.dialect, list(here.bodies)) == ("media", ["media"])
        linked = await here.get(LINKED)
        assert list(here.bodies) == ["media+", "media"]
        assert linked.bodies[0].spool.withheld == ("downloadUrl query",)
        assert b"X-Amz" not in here.bodies["media+"]
        assert json.loads(here.bodies["media+"])["downloadUrl"].startswith(here.running.storage_url)
        transferred = await here.get(TRANSFERRED, "speech")
        assert len([body for body in transferred.bodies if body.communication]) == 2


async def test_a_link_is_never_asked_twice_and_renewals_are_bounded() -> None:
    async with world("dead-link") as here:
        with pytest.raises(LinkExpired) as caught:
            await here.get(LINKED, "speech")
        count = here.count()
        assert count["storage"] == 4
        # One link for each download, and the other leg's: this one's trouble does not end the walk.
        assert count["transcripturl"] == 5
        assert "X-Amz" not in str(caught.value)
        assert here.renewed() == ["link"] * 3


async def test_throttled_for_ever_is_bounded_and_names_the_limit() -> None:
    async with world("throttle-forever") as here:
        with pytest.raises(Throttled) as caught:
            await here.details(INLINE)
        assert caught.value.limit_key == "client.credentials.token.rate.per.minute"
        assert here.clock.slept == [1.0] * 7
        assert here.count()["details"] == 8


async def test_a_tenants_limit_says_that_a_second_client_does_not_help() -> None:
    async with world("tenant-throttle=1") as here:
        with pytest.raises(Throttled, match="second OAuth client does not help") as caught:
            await here.details(INLINE)
        assert caught.value.limit_key == "org.app.user.rate.per.minute"
        retried = [event for event in here.events if isinstance(event, Retried)]
        assert {event.limit_key for event in retried} == {"org.app.user.rate.per.minute"}


async def test_without_retry_after_the_back_off_is_jittered() -> None:
    async with world("throttle-bare=1") as here:
        with pytest.raises(Throttled):
            await here.details(INLINE)
        assert len(set(here.clock.slept)) == 7
        assert max(here.clock.slept) <= 30


async def test_a_small_budget_is_planned_not_overrun() -> None:
    async with world(simulation={"rate_limit": 6}) as here:
        for _ in range(20):
            await here.details(INLINE)
        assert here.count().get("refused_429", 0) == 0
        assert here.count()["peak_in_window"] == 6
        assert sum(here.clock.slept) < 4 * 62


async def test_fifty_at_once_share_a_token_and_the_budget() -> None:
    async with world(simulation={"rate_limit": 20}) as here, anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(here.details, number % 20)
    count = here.running.simulation.counts.snapshot()
    assert count["token"] == 1
    assert count.get("refused_429", 0) == 0


async def test_an_expired_token_is_renewed_silently() -> None:
    async with world(simulation={"token_seconds": 300}) as here:
        await here.details(INLINE)
        here.clock._clock.advance(400_000)
        await here.details(INLINE)
        assert here.count()["token"] == 2
        assert here.count().get("refused_401", 0) == 0


async def test_tokens_that_are_refused_for_ever_are_denied() -> None:
    async with world("token-dead") as here:
        with pytest.raises(Denied, match="role") as caught:
            await here.details(INLINE)
        assert caught.value.exit_code == 4
        assert here.count()["tokens_issued"] == 2


async def test_the_token_endpoints_refusal_names_where_it_was_asked() -> None:
    async with world("wrong-region") as here:
        with pytest.raises(Denied, match="GENESYS_BASE_URL") as caught:
            await here.door.token_probe()
        assert here.running.client_secret not in str(caught.value)


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
async def test_a_signed_assertion_is_accepted(alg: str) -> None:
    async with world() as here:
        running = here.running
        key = running.private_key_pem if alg == "RS256" else running.ec_private_key_pem
        jwt = JwtSettings(private_key=key, client_id=running.private_key_client_id, alg=alg)
        settings = PlatformSettings(jwt=jwt, base_url=running.base_url)
        async with Genesys(settings, clock=here.clock) as door:
            assert (await door.probe("/api/v2/tokens/me")).status == 200


async def test_a_wrong_key_is_denied() -> None:
    async with world() as here:
        jwt = JwtSettings(private_key=here.running.ec_private_key_pem, client_id=here.running.client_id, alg="ES256")
        async with Genesys(PlatformSettings(jwt=jwt, base_url=here.running.base_url), clock=here.clock) as door:
            with pytest.raises(Denied, match="private key"):
                await door.token_probe()


@pytest.mark.parametrize("api", ["auto", "speech", "media"])
async def test_denied_names_the_permissions(api: str) -> None:
    async with world("denied") as here:
        with pytest.raises(Denied) as caught:
            await here.get(INLINE, api)
        for word in ("recording:recording:view", "speechAndTextAnalytics:data:view", "division"):
            assert word in str(caught.value)


async def test_names_come_with_their_bytes_or_name_the_permission() -> None:
    async with world() as here:
        details = await here.details(INLINE)
        names = await here.door.names("users", details.user_ids)
        assert set(names.names) == set(details.user_ids)
        assert json.loads(_read(names.body))["entities"][0]["name"] in names.names.values()
    async with world("denied-users") as here:
        with pytest.raises(Denied, match="directory:user:view"):
            await here.door.names("users", details.user_ids)


async def test_not_ready_is_polled_and_then_told() -> None:
    async with world("not-ready") as here:
        await here.get(INLINE)
        assert [event.status for event in here.events if isinstance(event, Waiting)] == ["queued", "processing"]
        assert here.clock.slept == [5.0, 5.0]
    async with world("forever-processing") as here:
        with pytest.raises(NotReady, match="still processing after 30 s") as caught:
            await here.get(INLINE, wait_seconds=30)
        assert caught.value.exit_code == 5


async def test_a_fresh_conversation_is_waited_for() -> None:
    async with world() as here:
        end = (await here.details(LINKED)).end
    assert end is not None
    soon = datetime.fromtimestamp(end / 1000, UTC) + timedelta(minutes=2)
    async with world("empty-first", simulation={"now": soon}) as here:
        await here.get(INLINE)
        assert json.loads(here.bodies["media"])["transcript"]
        assert here.clock.slept == [5.0]
    async with world("not-ready", simulation={"now": soon}) as here:
        await here.get(LINKED, "speech")
        assert here.clock.slept == [5.0, 5.0]


async def test_an_old_conversation_is_not_waited_for() -> None:
    async with world("not-ready") as here:
        with pytest.raises(NotReady):
            await here.get(LINKED, "speech")
        assert here.clock.slept == []


async def test_an_unknown_conversation_is_not_found() -> None:
    async with world() as here:
        with pytest.raises(NotFound):
            await here.door.details("00000000-0000-4000-8000-000000000000")
        with pytest.raises(NotFound):
            await here.door.transcripts("00000000-0000-4000-8000-000000000000")


@pytest.mark.parametrize(("missing", "dialect"), [("media-missing", "speech"), ("speech-missing", "media")])
async def test_the_other_dialect_is_found_by_itself(missing: str, dialect: str) -> None:
    async with world(missing) as here:
        assert (await here.get(INLINE)).dialect == dialect
        assert (await here.get(LINKED)).dialect == dialect


@pytest.mark.parametrize(
    "fault", ["html-body", "empty-body", "truncated-json", "unknown-shape", "legacy", "wrong-type"]
)
async def test_what_arrived_whole_is_given_out_unread(fault: str) -> None:
    async with world(fault) as here:
        assert (await here.get(LINKED)).bodies


async def test_a_large_document_streams_through_gzip(tmp_path: Any) -> None:
    async with world("gzip", simulation={"giant_mb": 8}) as here:
        giant = here.running.giant_id
        assert giant is not None
        found = await here.door.transcripts(giant, None)
        sizes = [body.spool.size for body in found.bodies]
        for body in found.bodies:
            body.spool.close()
        assert sizes[-1] > 7 << 20


@pytest.mark.parametrize("fault", ["bearer-leak-bait", "redirect", "expired-link"])
async def test_no_log_record_holds_a_secret(caplog: pytest.LogCaptureFixture, fault: str) -> None:
    caplog.set_level(logging.DEBUG)
    async with world(fault) as here:
        await here.get(LINKED, "media")
        records = [str(record.__dict__) for record in caplog.records]
        bearers = list(here.running.simulation.tokens._issued)
    assert any("httpcore2" in record for record in records)
    assert any("mediaTranscripts" in record for record in records)
    for secret in ("X-Amz", here.running.client_secret, *bearers):
        assert not [record for record in records if secret in record]


async def test_every_refusal_is_one_of_ours() -> None:
    async with world("server-error=99") as here:
        with pytest.raises(TurnkeeperError) as caught:
            await here.details(INLINE)
        assert caught.value.operation == "details"
        assert "8 attempts" in str(caught.value)
    with pytest.raises(Misconfigured):
        Genesys(PlatformSettings(region="atlantis"))
