"""How a command ends: the one place where an error becomes text and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable

from turnkeeper.errors import Defect, TurnkeeperError

__all__ = ["guarded"]


def guarded(command: Callable[[], object]) -> int:
    """Run a command; its exit code.

    Neither a mistake of the user's nor one of turnkeeper's shows a stack trace: an exception that no room expected is
    one line that names its type and place (``Defect``), since a traceback may quote a transcript.
    """
    try:
        code = command()
        sys.stdout.flush()
    except TurnkeeperError as error:
        from turnkeeper.cli.console import complain

        complain(error)
        return error.exit_code
    except BrokenPipeError:
        # Whoever reads us has seen enough (`turnkeeper turns … | head`).
        from turnkeeper.cli.console import hush

        hush()
        return 0
    except KeyboardInterrupt:
        sys.stderr.write("turnkeeper: interrupted; nothing half-written is left, run the same command again to go on\n")
        return 130
    except Exception as cause:
        from turnkeeper.cli.console import complain

        complain(Defect.of(cause))
        return Defect.exit_code
    return code if isinstance(code, int) else 0
