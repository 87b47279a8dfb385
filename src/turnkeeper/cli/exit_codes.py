"""How a command ends: the one place where an error becomes text and an exit code."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable

from turnkeeper.errors import Defect, DiskFull, Misconfigured, StoreRefused, TurnkeeperError

__all__ = ["run_command"]

_FULL = {errno.ENOSPC, errno.EDQUOT}


def run_command(command: Callable[[], object]) -> int:
    """Run a command; its exit code.

    Neither a mistake of the user's nor one of turnkeeper's shows a stack trace: an exception that no room expected is
    one line that names its type and place (``Defect``), since a traceback may quote a transcript.
    """
    # Whatever a command makes is its user's alone; --shared says otherwise.
    os.umask(0o077)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL and threading.current_thread() is threading.main_thread():
        # A service that is stopped ends as for Ctrl-C: what was started is ended, and nothing half-written is left.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    warnings.showwarning = _show_warning
    try:
        _refuse_closed_output()
        _use_utf8()
        code = command()
        sys.stdout.flush()
    except TurnkeeperError as error:
        from turnkeeper.cli.console import print_error

        print_error(error)
        return error.exit_code
    except BrokenPipeError:
        # Whoever reads us has seen enough (`turnkeeper turns … | head`).
        from turnkeeper.cli.console import discard_output

        discard_output()
        return 0
    except KeyboardInterrupt:
        sys.stderr.write("turnkeeper: interrupted; nothing half-written is left, run the same command again to go on\n")
        return 130
    except Exception as cause:
        from turnkeeper.cli.console import print_error

        end = _system_error(cause) or Defect.of(cause)
        print_error(end)
        return end.exit_code
    return code if isinstance(code, int) else 0


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """A warning as a person reads it, without the line of code that it comes from."""
    from turnkeeper.cli.console import print_note

    print_note(f"turnkeeper: {message}")


def _refuse_closed_output() -> None:
    """Raise ``StoreRefused`` where nothing could be printed (``>&-``), before any work is done for it."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - open until the process ends
    if sys.stdout is None:
        hint = "Redirect it to a file, or to /dev/null."
        raise StoreRefused("standard output is closed", operation="print", hint=hint)


def _use_utf8() -> None:
    """In the locale C, where Python would print nothing but ASCII: turns are written in every alphabet."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() in ("ascii", "us-ascii", "ansi_x3.4-1968"):
            stream.reconfigure(encoding="utf-8")


def _system_error(cause: Exception) -> TurnkeeperError | None:
    """What the machine refused, as an error that a person can act on; None where it is none of that.

    The rooms translate what happens in an archive or a spool. What is left are the names that a command was given and
    the output that it prints, which no room owns.
    """
    if not isinstance(cause, OSError):
        return None
    if cause.errno == errno.ENAMETOOLONG:
        return Misconfigured("a name that was given is too long", hint="Check the paths of the command.")
    if cause.errno not in _FULL and cause.errno != errno.EBADF:
        return None
    from turnkeeper.cli.console import discard_output

    # What is still to be printed would fail once more while Python ends.
    discard_output()
    if cause.errno in _FULL:
        said = "no room left for what is printed"
        return DiskFull(said, operation="print", hint="Free some space, or print to another place.")
    return StoreRefused("the output cannot be written", operation="print", hint="Check where it is redirected to.")
