"""Write the pages that ``turnkeeper VERB --help`` prints, after a change of options: ``python -m tools.make_help``.

``turnkeeper.cli.help`` says why they are kept as text.
"""

from __future__ import annotations

import io

from rich.console import Console

from turnkeeper.cli.app import VERBS, command_line
from turnkeeper.cli.help import COLUMNS, PAGES, ROOT


def page(verb: str = "") -> str:
    """The help of a verb, or of turnkeeper, as the parser prints it."""
    console = Console(file=io.StringIO(), width=COLUMNS, force_terminal=False, color_system=None)
    command_line(verb).help_print([verb] if verb else [], console=console)
    assert isinstance(console.file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


def main() -> None:
    """Write all pages; those of verbs that are gone go too."""
    made = {ROOT: page(), **{verb: page(verb) for verb in VERBS}}
    PAGES.mkdir(exist_ok=True)
    for file in PAGES.glob("*.txt"):
        if file.stem not in made:
            file.unlink()
    for name, text in made.items():
        (PAGES / f"{name}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
