"""Exceptions that nobody expected, raised at every call through the doors for one conversation: it alone fails."""

from __future__ import annotations

import builtins
import inspect
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.unit.exporter.test_worker import CALL, DAY, Here, Platform, exported

from turnkeeper.archive.archive import Archive, CommitResult
from turnkeeper.archive.index import CallState
from turnkeeper.archive.reread import reread
from turnkeeper.errors import Defect, TurnkeeperError
from turnkeeper.exporter.feed import WindowBatch
from turnkeeper.exporter.get import export_conversation
from turnkeeper.exporter.ledger import DueConversation, Ledger, NewConversation
from turnkeeper.exporter.pipeline import Pipeline
from turnkeeper.exporter.schedule import Schedule
from turnkeeper.exporter.worker import Outcome, Worker

pytestmark = pytest.mark.anyio
EXCEPTIONS = sorted(
    (one for one in vars(builtins).values() if isinstance(one, type) and issubclass(one, Exception)),
    key=lambda one: one.__name__,
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def made(kind: type[Exception]) -> Exception:
    if issubclass(kind, UnicodeDecodeError):
        return kind("utf-8", b"\xff", 0, 1, "Mrs. Weber")
    if issubclass(kind, UnicodeEncodeError):
        return kind("utf-8", "\ud800", 0, 1, "Mrs. Weber")
    if issubclass(kind, UnicodeTranslateError):
        return kind("\ud800", 0, 1, "Mrs. Weber")
    return kind("Mrs. Weber", [ValueError()]) if issubclass(kind, ExceptionGroup) else kind("Mrs. Weber")


@dataclass
class Trap:
    """Counts calls; the one with the number ``at`` raises."""

    at: int = -1
    error: BaseException | None = None
    calls: list[str] = field(default_factory=list)

    def spring(self, name: str) -> None:
        self.calls.append(name)
        if len(self.calls) - 1 == self.at and self.error is not None:
            raise self.error


class Trapped:
    """A door whose every call goes through the trap."""

    def __init__(self, door: Any, trap: Trap) -> None:
        self._door, self._trap = door, trap

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._door, name)
        if not callable(found):
            return found
        return self._waiting(name, found) if inspect.iscoroutinefunction(found) else self._plain(name, found)

    def _plain(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def trapped(*arguments: Any, **named: Any) -> Any:
            self._trap.spring(name)
            return call(*arguments, **named)

        return trapped

    def _waiting(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        async def trapped(*arguments: Any, **named: Any) -> Any:
            await anyio.lowlevel.checkpoint()
            self._trap.spring(name)
            return await call(*arguments, **named)

        return trapped


async def nothing_listed(_: CallState) -> frozenset[str] | None:
    return None


def worker(trap: Trap) -> Worker:
    here = Here(Platform({"a": True, "b": True}, {"a", "b"}))
    archive: Any = Trapped(Archive(_store(here, trap), clock=here.clock), trap)
    door: Any = Trapped(here.door, trap)
    clock: Any = Trapped(here.clock, trap)
    return Worker(Pipeline(door, archive), Schedule(), clock, nothing_listed)


def _store(here: Here, trap: Trap) -> Any:
    return Trapped(here.archive.store, trap)


async def processed(trap: Trap) -> Outcome:
    return await worker(trap).process(DueConversation(CALL, DAY, 0))


async def test_a_clean_conversation_goes_through_every_door() -> None:
    trap = Trap()
    assert (await processed(trap)).call.state == "done"
    assert {"now", "details", "ask", "commit", "put", "put_stream", "list"} <= set(trap.calls)


@pytest.mark.parametrize("kind", EXCEPTIONS, ids=lambda kind: kind.__name__)
async def test_each_exception_at_every_call_costs_that_conversation_only(kind: type[Exception]) -> None:
    """K2: any exception that is not ours in one visit."""
    clean = Trap()
    await processed(clean)
    for at, name in enumerate(clean.calls):
        outcome = await processed(Trap(at, made(kind)))
        error = outcome.error
        # Some are expected where they come up, and then they are ours already.
        assert isinstance(error, TurnkeeperError) or outcome.call.state == "done", (name, outcome)
        if isinstance(error, Defect):
            assert outcome.call.state == "failed"
            assert outcome.call.reason.startswith("Defect: ")
            assert "Weber" not in str(error), "an exception's own words may quote a transcript"
            assert error.places or kind is StopIteration
            assert outcome.due is not None


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
async def test_an_interrupt_is_none_of_these(kind: type[BaseException]) -> None:
    """K2: KeyboardInterrupt excepted."""
    with pytest.raises(kind):
        await processed(Trap(1, kind()))


class PoisonedPlatform:
    """A door that breaks for one conversation, whatever it is asked."""

    def __init__(self, door: Any, error: Exception) -> None:
        self._door, self._error = door, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._door, name)

    async def details(self, conversation: str) -> Any:
        if conversation == "c2":
            raise self._error
        return await self._door.details(conversation)


def three() -> Callable[[], AsyncGenerator[WindowBatch]]:
    async def feed() -> AsyncGenerator[WindowBatch]:
        calls = [CallState(conversation=name, state="pending") for name in ("c1", "c2", "c3")]
        yield WindowBatch("", "", tuple(NewConversation(call) for call in calls))

    return feed


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    here = Here(Platform({}))
    book = Ledger(tmp_path / "ledger.sqlite3", here.clock)
    yield book
    book.close()


async def test_the_others_go_on_and_the_report_keeps_the_place(ledger: Ledger) -> None:
    """K2: 199 others never visited."""
    here = Here(Platform({"a": True}, {"a"}))
    broken: Any = PoisonedPlatform(here.door, ValueError("year 10000 is out of range"))
    here.door = broken
    report = await exported(here.exporter(ledger), three())
    assert (report.ended, report.visited, report.failed) == ("done", 3, 1)
    (failure,) = report.failures
    assert (failure.conversation, failure.error) == ("c2", "Defect")
    assert failure.message.startswith("ValueError at exporter/")
    assert any(place.startswith("exporter/worker.py:") for place in failure.places)
    assert report.partial
    assert ledger.counts()["failed"] == 1


async def test_a_listing_that_breaks_leaves_its_window_open_and_visits_what_was_found(ledger: Ledger) -> None:
    """K2: the same in a listing."""
    here = Here(Platform({"a": True}, {"a"}))

    async def feed() -> AsyncGenerator[WindowBatch]:
        async for batch in three()():
            yield batch
        raise RecursionError

    report = await exported(here.exporter(ledger), feed)
    assert (report.visited, report.unlisted, report.partial) == (3, 1, True)
    assert report.failures[-1].error == "Defect"


@pytest.mark.parametrize("kind", [OSError, ValueError, KeyError, RecursionError])
async def test_get_gives_one_clear_error(kind: type[Exception]) -> None:
    """K2: the same for get."""
    here = Here(Platform({"a": True}, {"a"}))
    trap = Trap(0, kind("Mrs. Weber"))
    door: Any = Trapped(here.door, trap)
    with pytest.raises(Defect) as caught:
        await export_conversation(door, here.archive, "c1")
    assert (caught.value.exit_code, caught.value.key) == (3, "c1")
    assert kind.__name__ in caught.value.message
    assert "Weber" not in str(caught.value)


class Brittle(Archive):
    """An archive that breaks at one conversation."""

    def rebuild(self, conversation: str, *arguments: Any, **named: Any) -> CommitResult:
        if conversation == "c1":
            raise ZeroDivisionError
        return super().rebuild(conversation, *arguments, **named)


async def test_reread_goes_on_past_one_that_breaks() -> None:
    """K2: the same for reread."""
    here = Here(Platform({"a": True}, {"a"}))
    await export_conversation(here.door, here.archive, "c1")
    found = list(reread(Brittle(here.archive.store, clock=here.clock), ["c1", "c2"]))
    assert [(one.conversation, one.after) for one in found] == [("c1", "unread"), ("c2", "absent")]
    assert "ZeroDivisionError" in found[0].reason
