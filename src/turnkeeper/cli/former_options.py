"""Former names of options. They work for one more release, with a notice."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["FORMER_OPTIONS", "with_current_names"]

FORMER_OPTIONS = {
    ("get", "--interaction"): "--conversation",
    ("turns", "--interaction"): "--conversation",
    ("clip", "--interaction"): "--conversation",
    ("reread", "--every"): "--all",
    ("doctor", "--to"): "",
}
"""(verb, former name) -> current name; empty if the value is now the first argument."""


def with_current_names(arguments: Sequence[str]) -> list[str]:
    """Replace former names in a command line, and print one notice about them on standard error."""
    verb, words, notices = (arguments[0] if arguments else ""), list[str](), dict[str, None]()
    for at, word in enumerate(arguments):
        if word == "--":
            words += arguments[at:]
            break
        name, equals, value = word.partition("=")
        new = FORMER_OPTIONS.get((verb, name))
        if new is None:
            words.append(word)
            continue
        words += [part for part in (f"{new}{equals}{value}" if new else value,) if part]
        notices[f"{name} is {new or 'the first argument'} now"] = None
    if notices and sys.stderr:  # there is none after 2>&-
        sys.stderr.write(f"turnkeeper: {'; '.join(notices)}; the old name ends with the next release\n")
    return words
