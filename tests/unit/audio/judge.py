"""What ffmpeg makes of a file: the judge of how long a recording is."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["ffmpeg_ms"]


def ffmpeg_ms(path: Path, *, clock: bool = False) -> float | None:
    """Milliseconds that ffmpeg decodes; None where it gives nothing. With ``clock`` gaps in the file's times count."""
    rate = 48_000
    filters = ["-af", "aresample=async=1:min_hard_comp=0.2"] if clock else []
    command = ["ffmpeg", "-v", "error", "-nostdin", "-i", str(path), "-map", "0:a:0", *filters]
    command += ["-ac", "1", "-ar", str(rate), "-f", "s16le", "-t", "86400", "-"]
    count = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as done:
        assert done.stdout is not None
        while block := done.stdout.read(1 << 20):
            count += len(block)
    return count / 2 / rate * 1000 if count else None
