"""Print help and version without importing the option parser.

Importing the parser and the verbs takes ten times as long as printing their help. So the help pages are stored as text
in ``help_pages``, as the parser prints them at 80 columns. ``python -m tools.make_help`` writes them, and a test
compares them with the parser's output.
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
"""The page of ``turnkeeper --help``. It is no valid verb, because its name has a hyphen."""
COLUMNS = 80


def help_text(arguments: Sequence[str]) -> str | None:
    """Return what a command line prints if it only asks for help or the version; None for any other command line.

    None also if the terminal has less than 80 columns or does not use UTF-8. The parser then formats the page.
    """
    if arguments == ["--version"]:
        return f"{__version__}\n"
    words = arguments[: arguments.index("--")] if "--" in arguments else arguments
    named = [word for word in words if word not in ("--help", "-h")]
    is_asked = len(named) < len(words) or not words
    # Verbs consist of letters. Any other word could name a file outside the folder of pages.
    if not is_asked or (named and not named[0].isalpha()) or not _page_fits():
        return None
    page = PAGES / f"{named[0] if named else ROOT}.txt"
    return page.read_text(encoding="utf-8") if page.is_file() else None


def _page_fits() -> bool:
    encoding = getattr(sys.stdout, "encoding", None) or ""  # there is no standard output after >&-
    return shutil.get_terminal_size().columns >= COLUMNS and encoding.lower().replace("-", "") == "utf8"
