"""Run a command and turn its error into text and an exit code."""

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
    """Run a command and return its exit code.

    No error shows a stack trace, because a traceback could quote a transcript. An unexpected exception becomes a
    ``Defect``: one line with its type and place.
    """
    # Files are private to the user unless ``--shared`` is given.
    os.umask(0o077)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL and threading.current_thread() is threading.main_thread():
        # Treat SIGTERM like Ctrl-C, so that a stopped service also cleans up. Keep a handler that the caller has set.
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
        # The reader closed the pipe, as in ``turnkeeper turns … | head``. That is not an error.
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
    """Print a warning without the line of code that it comes from."""
    from turnkeeper.cli.console import print_note

    print_note(f"turnkeeper: {message}")


def _refuse_closed_output() -> None:
    """Raise ``StoreRefused`` if standard output is closed (``>&-``), before any work is done."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - open until the process ends
    if sys.stdout is None:
        hint = "Redirect it to a file, or to /dev/null."
        raise StoreRefused("standard output is closed", operation="print", hint=hint)


def _use_utf8() -> None:
    """Print UTF-8 in the C locale, where Python would use ASCII and could not print most transcripts."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() in ("ascii", "us-ascii", "ansi_x3.4-1968"):
            stream.reconfigure(encoding="utf-8")


def _system_error(cause: Exception) -> TurnkeeperError | None:
    """Translate an ``OSError`` about a path argument or standard output; None for other exceptions.

    Errors in archives and spools are translated by the modules that own them.
    """
    if not isinstance(cause, OSError):
        return None
    if cause.errno == errno.ENAMETOOLONG:
        return Misconfigured("a name that was given is too long", hint="Check the paths of the command.")
    if cause.errno not in _FULL and cause.errno != errno.EBADF:
        return None
    from turnkeeper.cli.console import discard_output

    # Buffered output would fail again when Python flushes it at exit.
    discard_output()
    if cause.errno in _FULL:
        said = "no room left for what is printed"
        return DiskFull(said, operation="print", hint="Free some space, or print to another place.")
    return StoreRefused("the output cannot be written", operation="print", hint="Check where it is redirected to.")
