"""Guards for output files: a verb replaces only files that it wrote itself."""

from __future__ import annotations

from pathlib import Path

from turnkeeper.errors import Misconfigured

__all__ = ["refuse_foreign_file", "set_aside"]

_HEAD = 4096


def refuse_foreign_file(path: Path, mark: str, option: str) -> None:
    """Raise ``Misconfigured`` where ``path`` is a folder, or a file that does not hold ``mark`` near its beginning."""
    if not path.exists():
        return
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as cause:
        raise Misconfigured(f"cannot be read ({cause.strerror})", operation=f"write {option}", key=str(path)) from None
    if head and mark.encode() not in head:
        hint = f"Name a new file with {option}, or remove this one yourself."
        said = "exists, and turnkeeper did not write it"
        raise Misconfigured(said, operation=f"write {option}", key=str(path), hint=hint)


def set_aside(path: Path) -> Path | None:
    """Move an existing file to the first free numbered name (``proof.json.1``) and return it; None without a file."""
    if not path.exists():
        return None
    number = 1
    while (aside := path.with_name(f"{path.name}.{number}")).exists():
        number += 1
    path.rename(aside)
    return aside
