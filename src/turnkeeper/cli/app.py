"""The table of verbs. Each verb's module is imported when it runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import is_dataclass

import cyclopts

from turnkeeper.cli.exit_codes import run_command
from turnkeeper.environment import environment
from turnkeeper.errors import Misconfigured
from turnkeeper.version import __version__

__all__ = ["VERBS", "command_line", "run_command_line"]

EXIT_CODES = """\
**Exit codes:** 0 done · 1 failed · 2 usage · 3 partly done, or findings (listed) · 4 not allowed · 5 not ready yet ·
6 stale · 130 interrupted. Data goes to standard output, everything else to standard error; with
`--log-format json` or `text` (TURNKEEPER_LOG_FORMAT) as lines with time and level, for services.
"""
PLATFORM = """
**Credentials** come from the environment: GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET (or GENESYS_PRIVATE_KEY /
GENESYS_JWT_CONFIG), GENESYS_REGION or GENESYS_BASE_URL; AWS credentials from the usual chain.

**No account?** `turnkeeper demo` does the whole job on this machine.
"""
STORE = """
**Credentials** of an archive in S3 come from the usual AWS chain. The platform is not asked.
"""

VERBS = {
    "demo": "The whole job on this machine: simulator, object store, 25 conversations. No account needed.",
    "get": "One conversation into an archive; prints its summary as JSON.",
    "export": "Every conversation of a range into an archive: resumable, nothing twice, nothing lost.",
    "status": "How complete an archive is: what is missing and why, day by day.",
    "retry": "What failed, once more, now.",
    "turns": "The turns of any payload as JSON lines, CSV, text, captions or labels. A Unix filter.",
    "audio": "Facts about a recording, its waveform, and whether it fits its transcript.",
    "clip": "One turn, one role, or a stretch of time as a sound file, cut on exact samples.",
    "reread": "Rebuild views from what the archive keeps, offline; reads what could not be read before.",
    "reindex": "Build the archive's index again from its manifests, offline.",
    "report": "Pages to read, hear and share: one call as a file, or a folder of calls. No server.",
    "verify": "Re-hash what an archive lists; find what is missing, changed or listed by nobody.",
    "audit": "Who did what with an archive's content, and whether a line of that is changed or gone.",
    "erase": "Erase conversations for good, every version of them, with a proof.",
    "expire": "Erase the conversations that have become too old.",
    "doctor": "Check every precondition, each with its mend.",
    "completion": "A script with which bash, zsh or fish completes verbs and options.",
    "simulate": "The platform on loopback, from a seed: try exports and faults without an account.",
}

_PLATFORM_VERBS = {"get", "export", "status", "retry", "doctor"}
_ARCHIVE_VERBS = {"turns", "clip", "reread", "reindex", "report", "verify", "audit", "erase", "expire"}


def epilogue(verb: str = "") -> str:
    """Return the text below a verb's help. Credentials are explained only for verbs that use them."""
    if not verb or verb in _PLATFORM_VERBS:
        return EXIT_CODES + PLATFORM
    return EXIT_CODES + STORE if verb in _ARCHIVE_VERBS else EXIT_CODES


def command_line(asked_verb: str = "") -> cyclopts.App:
    """Build the parser. No verb is imported yet; only the help of ``asked_verb`` comes from its module."""
    app = cyclopts.App(
        name="turnkeeper",
        help="Every turn of every call, kept: export Genesys Cloud transcripts into an archive you own.",
        help_epilogue=epilogue(),
        help_format="markdown",
        version=__version__,
        version_flags=["--version"],
        # Show only defaults that say something: not an empty text, False or None.
        default_parameter=cyclopts.Parameter(
            show_default=lambda value: value if value else None, validator=_refuse_impossible_numbers
        ),
        # The parser would exit at once. ``run_command`` says first that nothing half-written is left.
        suppress_keyboard_interrupt=False,
        # By default the parser exits itself, before ``run_command`` has flushed the output.
        result_action="return_value",
    )
    for verb, sentence in VERBS.items():
        help_text = {} if verb == asked_verb else {"help": sentence}
        app.command(f"turnkeeper.cli.{verb}:{verb}", name=verb, help_epilogue=epilogue(verb), **help_text)
    return app


def _refuse_impossible_numbers(_type: object, value: object) -> None:
    """Refuse ``inf``, ``nan`` and absurdly large numbers in every option."""
    given = vars(value).items() if is_dataclass(value) else [("", value)]
    for name, number in given:
        # A float cannot count beyond 2**53, and no number of seconds, samples or bytes is that large.
        if isinstance(number, int | float) and not abs(number) <= 2**53:
            option = f"--{name.replace('_', '-')}: " if name else ""
            raise ValueError(f"{option}{number} is beyond every number that can be meant")


def run_command_line(arguments: Sequence[str] | None = None) -> None:
    """Run one command line and end the process with its exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    form = _log_format(given) or environment().get("TURNKEEPER_LOG_FORMAT", "")
    asked_verb = next((word for word in given if word in VERBS), "")

    sys.exit(run_command(lambda: _run_logged(form, given, asked_verb) if form else command_line(asked_verb)(given)))


def _run_logged(form: str, given: Sequence[str], asked_verb: str) -> object:
    """Run a command as a service. A mistake in the command line becomes a line of the log too."""
    from turnkeeper.cli.log import start_service_log

    start_service_log(form)
    try:
        return command_line(asked_verb)(given, exit_on_error=False, print_error=False)
    except cyclopts.CycloptsError as cause:
        raise Misconfigured(str(cause), operation=asked_verb) from None


def _log_format(given: list[str]) -> str:
    """Remove ``--log-format`` from a command line, since every verb takes it. Return its value, empty if absent."""
    # Behind ``--`` every word is a value, even one that looks like this option.
    before = given[: given.index("--")] if "--" in given else given
    for at, word in enumerate(before):
        name, joined, value = word.partition("=")
        if name == "--log-format":
            value = value if joined else "".join(before[at + 1 : at + 2])
            del given[at : at + (1 if joined else 2)]
            # An option without its value must be refused as an unknown format, not ignored.
            return value or "nothing"
    return ""
