"""Kill ``reread --all`` at every instant while it brings an archive of version 1 forward.

``python -m tests.crash.forward`` prints how many instants there were, and what was lost.

Each instant is a process of its own, ended by SIGKILL before or after one change of the store. After each, what the
archive held is there, a second reread finishes, and verify finds nothing.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.crash.doors import CrashStore, Points
from turnkeeper.archive.archive import Archive
from turnkeeper.archive.index import Index
from turnkeeper.archive.reread import reread
from turnkeeper.archive.verify import Verification
from turnkeeper.clock import ManualClock
from turnkeeper.storage.folder import FolderStore
from turnkeeper.storage.object_store import Store

__all__ = ["instants", "main"]

DATA = Path(__file__).parents[1] / "data/archive-1b"
_LASTING = ("raw/", "directory/")


def main() -> int:
    """Try every instant; the number of them is printed, and each thing lost."""
    count, lost = 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        for name, nth in instants(Path(scratch)):
            count += 1
            for words in _killed(Path(scratch), name, nth):
                lost += 1
                sys.stdout.write(f"{name} ({nth}): {words}\n")
    sys.stdout.write(f"{count} instants, {lost} losses\n")
    return 1 if lost else 0


def instants(scratch: Path) -> list[tuple[str, int]]:
    """Every point that an undisturbed reread passes, each time that it does."""
    points = Points()
    _forward(CrashStore(FolderStore(_copy(scratch)), points))
    return [(name, nth) for name, count in sorted(points.met.items()) for nth in range(1, count + 1)]


def _copy(scratch: Path) -> Path:
    folder = scratch / "archive"
    shutil.rmtree(folder, ignore_errors=True)
    return Path(shutil.copytree(DATA, folder))


def _forward(store: Store) -> None:
    list(reread(Archive(store, clock=ManualClock()), every=True))


def _killed(scratch: Path, name: str, nth: int) -> Iterator[str]:
    """What is lost where the process dies at this point."""
    folder = _copy(scratch)
    before = _held(FolderStore(folder))
    child = os.fork()
    if not child:
        try:
            _forward(CrashStore(FolderStore(folder), Points(name, nth)))
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
        yield "the process did not die there"
    store = FolderStore(folder)
    yield from _differences("after the kill", before, _held(store))
    _forward(store)
    yield from _differences("after the second run", before, _held(store))
    yield from (f"verify: {finding.kind} {finding.key}" for finding in Verification(store, views=True))
    manifests = {one.conversation: one for one in Archive(store).manifests()}
    old = [view.key for one in manifests.values() for view in one.views if view.has_legacy_key]
    yield from (f"not brought forward: {key}" for key in old)
    states = Index(store)
    indexed = {call.conversation: call.generation for day in states.days() for call in states.read(day).calls}
    if indexed != {name: one.generation for name, one in manifests.items()}:
        yield f"the index says {indexed}"


def _held(store: Store) -> dict[str, bytes]:
    """Inputs by key and current views by name."""
    held = {key: store.get(key) for key in store.list("") if key.startswith(_LASTING)}
    archive = Archive(store)
    for manifest in archive.manifests():
        held |= {view.name: archive.read_view(manifest, view.name) for view in manifest.views}
    return held


def _differences(when: str, before: dict[str, bytes], now: dict[str, bytes]) -> Iterator[str]:
    yield from (f"{when}: {key} is gone" for key in before.keys() - now.keys())
    yield from (f"{when}: {key} changed" for key in before.keys() & now.keys() if before[key] != now[key])


if __name__ == "__main__":
    sys.exit(main())
