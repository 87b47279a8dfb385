"""The command line, one module per verb: read options, call the library, print. All work is done by the library."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from turnkeeper.cli.former_options import with_current_names

__all__ = ["main"]


_OTHER_SYSTEM = (
    "turnkeeper runs on Linux and macOS only. On Windows, use it in the Windows Subsystem for Linux (WSL).\n"
)


def main(arguments: Sequence[str] | None = None) -> None:
    """The ``turnkeeper`` command. Ends the process with the exit code of the verb (see ``turnkeeper --help``)."""
    try:
        import fcntl  # noqa: F401 - archives and queues use its file locks
    except ImportError:
        sys.stderr.write(_OTHER_SYSTEM)
        sys.exit(2)
    # Replaced before anything reads the options: neither the fast reader nor the parser knows a former name.
    given = with_current_names(sys.argv[1:] if arguments is None else list(arguments))
    if (short := _help_command(given) or _turns_command(given)) is not None:
        from turnkeeper.cli.exit_codes import run_command

        sys.exit(run_command(short))
    from turnkeeper.cli.app import run_command_line

    run_command_line(given)


def _help_command(arguments: Sequence[str]) -> Callable[[], int] | None:
    """Return a command that prints help or the version without importing the option parser, or None."""
    from turnkeeper.cli.help import help_text

    text = help_text(arguments)
    if text is None:
        return None

    def show() -> int:
        sys.stdout.write(text)
        return 0

    return show


def _turns_command(arguments: Sequence[str]) -> Callable[[], int] | None:
    """Return ``turns`` with plain options without the option parser, which takes most of the start-up time, or None."""
    if arguments[:1] != ["turns"]:
        return None
    from turnkeeper.cli.filter import plain_request, write_turns
    from turnkeeper.environment import environment

    # A service's log has to stand before anything is printed, and only the parser's way starts it.
    request = None if environment().get("TURNKEEPER_LOG_FORMAT") else plain_request(arguments[1:])
    if request is None:
        return None

    def verb() -> int:
        return write_turns(request, request.selection())

    return verb
