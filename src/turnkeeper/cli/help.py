"""Help and version, printed without the parser.

Importing the parser and the verbs takes ten times as long as printing their help. So the pages are kept beside this
file as text, as the parser prints them at 80 columns. ``python -m tools.make_help`` writes them, and a test holds them
equal to what the parser says.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from turnkeeper.version import __version__

__all__ = ["COLUMNS", "PAGES", "ROOT", "help_text"]

PAGES = Path(__file__).with_name("help_pages")
ROOT = "all-verbs"
"""The name of the page about turnkeeper itself. No word of a command line is taken for it."""
COLUMNS = 80


def help_text(arguments: Sequence[str]) -> str | None:
    """What a command line prints that only asks for help or the version; None for any other command line.

    None also where the page does not fit: in a terminal of less than 80 columns, or one that has no such letters. The
    parser then prints it as it can.
    """
    if arguments == ["--version"]:
        return f"{__version__}\n"
    words = arguments[: arguments.index("--")] if "--" in arguments else arguments
    named = [word for word in words if word not in ("--help", "-h")]
    is_asked = len(named) < len(words) or not words
    if not is_asked or (named and not named[0].isalpha()) or not _page_fits():
        return None
    page = PAGES / f"{named[0] if named else ROOT}.txt"
    return page.read_text(encoding="utf-8") if page.is_file() else None


def _page_fits() -> bool:
    encoding = getattr(sys.stdout, "encoding", None) or ""  # there is no standard output after >&-
    return shutil.get_terminal_size().columns >= COLUMNS and encoding.lower().replace("-", "") == "utf8"
