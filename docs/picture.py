"""Make the README's picture from a real run of the demo: ``.venv/bin/python docs/picture.py``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from turnkeeper.settings import environment

WIDTH = 108
# rich's template fetches a font from a content network; a picture must not.
OFFLINE = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.S)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "turnkeeper", "demo"],
            cwd=folder,
            env={**environment(), "FORCE_COLOR": "1", "COLUMNS": str(WIDTH)},
            capture_output=True,
            text=True,
            check=True,
        )
    console = Console(record=True, width=WIDTH, file=Path(os.devnull).open("w"))  # noqa: SIM115 - as long as the script
    console.print(Text("$ turnkeeper demo", style="bold"))
    console.print(Text.from_ansi(done.stdout))
    target = Path(__file__).parent / "demo.svg"
    console.save_svg(str(target), title="turnkeeper demo", theme=MONOKAI, code_format=OFFLINE, unique_id="demo")
    sys.stdout.write(f"{target}\n")


if __name__ == "__main__":
    main()
