"""Where a finished file may be put: on nothing or on a regular file, outside any archive."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from turnkeeper.errors import Misconfigured

__all__ = ["outfile"]

_ARCHIVE = Path("_turnkeeper/archive.json")


def outfile(path: Path) -> Path:
    """The path that a finished file is moved to: ``path``, or what a link there points to.

    A move onto a device, a pipe or a socket would replace it for every program. A file inside an archive is one that
    the archive does not know. Raises ``Misconfigured`` for both. A folder is let through, since no move replaces one.
    """
    place = Path(os.path.realpath(path)) if path.is_symlink() else path
    for folder in Path(os.path.realpath(place)).parents:
        if (folder / _ARCHIVE).is_file():
            hint = "Choose a place outside the archive."
            raise Misconfigured("is inside an archive", operation="write", key=str(path), hint=hint)
    try:
        mode = place.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return place
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        hint = "Name a regular file, or one that does not exist yet."
        raise Misconfigured("is a device, a pipe or a socket", operation="write", key=str(path), hint=hint)
    return place
