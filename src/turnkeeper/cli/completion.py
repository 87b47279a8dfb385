"""``turnkeeper completion``: what a shell needs to complete verbs and options."""

from __future__ import annotations

import sys
from typing import Literal

from turnkeeper.cli.app import command_line

__all__ = ["completion"]


def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
    """Print a script with which a shell completes verbs, options and their values.

    For bash, with the package bash-completion:

        turnkeeper completion bash > ~/.local/share/bash-completion/completions/turnkeeper

    For zsh, into a folder of $fpath, under this name:

        turnkeeper completion zsh > ~/.zfunc/_cyclopts_turnkeeper

    Parameters
    ----------
    shell
        Which shell the script is for.
    """
    sys.stdout.write(command_line().generate_completion(shell=shell))
    return 0
