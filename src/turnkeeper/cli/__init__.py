"""One file per verb: parse options, call the library, print. Cannot do what a caller of the library cannot."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """The ``turnkeeper`` command. Ends the process with the exit code of the verb (see ``turnkeeper --help``)."""
    from turnkeeper.cli.app import start

    start(arguments)
