"""Report that a run is alive: a file for health probes, and systemd's notify protocol (sd_notify(3)).

Both are updated from the event loop that does the work, so they stop if the run hangs.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from turnkeeper.atomic_file import write_atomically
from turnkeeper.clock import rfc3339
from turnkeeper.errors import TurnkeeperError
from turnkeeper.events import Alive, Event, Listed, Listener, Paused, Progressed

__all__ = ["Health"]


class Health:
    """A listener that passes every event on, except ``Alive``.

    ``file`` is rewritten at each ``Alive`` event: a JSON object with ``at`` (RFC 3339, this machine's clock),
    ``pid``, ``state`` (``starting``, ``exporting``, ``waiting``, ``stopping``), ``until`` while it waits, and the
    counts of the run. ``notify`` is the address in ``$NOTIFY_SOCKET``, empty without a service manager.

    Raises ``Misconfigured`` or ``DiskFull`` if the file cannot be written at the start. Later failures are ignored: the
    probe sees that the file is old.
    """

    def __init__(self, listener: Listener, file: Path | None = None, notify: str = "") -> None:
        self._listener = listener
        self._file = file
        self._notify = notify
        self._is_ready = False
        self._facts: dict[str, object] = {"state": "starting"}
        self._write_file()

    def __call__(self, event: Event) -> None:
        match event:
            case Alive(stopping=stopping):
                self._mark_alive(stopping=stopping)
                return
            case Paused(until=until):
                self._facts |= {"state": "waiting", "until": until}
                self._notify_service(f"STATUS=waiting until {until}")
            case Listed():
                self._facts |= {"state": "exporting", "until": ""}
            case Progressed():
                self._facts |= {name: getattr(event, name) for name in ("visited", "transcripts", "failed", "left")}
                self._facts |= {"state": "exporting", "until": ""}
                self._notify_service(f"STATUS={event.visited:,} visited, {event.left:,} to go, {event.failed:,} failed")
        self._listener(event)

    def _mark_alive(self, *, stopping: bool) -> None:
        lines = ["WATCHDOG=1"]
        # Ready means that the platform has let the run in. Only then does the first ``Alive`` come.
        if not self._is_ready:
            self._is_ready = True
            lines.append("READY=1")
        if stopping:
            self._facts |= {"state": "stopping", "until": ""}
            lines.append("STOPPING=1")
        elif self._facts["state"] == "starting":
            self._facts["state"] = "exporting"
        self._notify_service("\n".join(lines))
        with suppress(TurnkeeperError):
            self._write_file()

    def _write_file(self) -> None:
        if self._file is None:
            return
        facts = {"at": rfc3339(datetime.now(UTC)), "pid": os.getpid(), **self._facts}
        with write_atomically(self._file) as out:
            out.write(msgspec.json.encode(facts) + b"\n")

    def _notify_service(self, text: str) -> None:
        # Other addresses (``vsock:``) need another socket family. A leading @ is an abstract socket (sd_notify(3)).
        if not self._notify.startswith(("/", "@")):
            return
        address = f"\0{self._notify[1:]}" if self._notify.startswith("@") else self._notify
        # The service manager may have stopped listening. That must not end the run.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as out:
            out.sendto(text.encode(), address)
