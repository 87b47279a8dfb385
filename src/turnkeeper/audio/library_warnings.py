"""Turn what C libraries print on standard error while they decode into notes.

libmpg123 (inside libsndfile) reports damage as text on file descriptor 2 and nowhere else.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["LibraryWarnings"]

_LOCK = threading.Lock()
_MOST = 3
# "[src/libmpg123/layer3.c:INT123_do_layer3():1804] error: dequantization failed!", "Note: …", "Warning: …".
_THEIRS = re.compile(
    rb"^(?:\[[\w/.]+:[^\]]*\] )?(?:(?:error|warning|note): .*|.*(?:mpg123|bitrate|Xing|MPEG|resync).*)$",
    re.I,
)
_PLACE = re.compile(r"^\[[^\]]*\]\s*")


class LibraryWarnings:
    """Lines that a C library printed, each kind once, in ``notes``.

    Without ``noisy`` nothing is captured, because capturing takes time.
    """

    def __init__(self, *, noisy: bool) -> None:
        self.notes: list[str] = []
        self._noisy = noisy

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Capture what is written to file descriptor 2 within the context.

        Lines that are not a decoder's are passed on afterwards. The descriptor belongs to the process, so only one
        thread at a time can be here.
        """
        if not self._noisy:
            yield
            return
        with _LOCK, tempfile.TemporaryFile() as captured:
            try:
                terminal = os.dup(2)
            except OSError:
                yield  # there is no standard error, so nothing can reach it
                return
            with suppress(AttributeError, ValueError, OSError):
                sys.stderr.flush()
            # The library writes to the descriptor itself, so replacing ``sys.stderr`` would not catch it.
            os.dup2(captured.fileno(), 2)
            try:
                yield
            finally:
                os.dup2(terminal, 2)
                os.close(terminal)
                self._sort_lines(captured.read() if not captured.seek(0) else b"")

    def _sort_lines(self, text: bytes) -> None:
        for line in text.splitlines():
            if _THEIRS.match(line.strip()):
                message = _PLACE.sub("", line.decode("utf-8", "replace").strip())[:120]
                words = f"the decoder says: {message}"
                if words not in self.notes and len(self.notes) < _MOST:
                    self.notes.append(words)
            elif line.strip():
                with suppress(OSError):
                    os.write(2, line + b"\n")
