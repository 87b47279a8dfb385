"""Ways in which an archive in a folder is damaged, or was laid out to lead somebody astray."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["DAMAGES", "Damage", "Place"]


@dataclass(frozen=True)
class Place:
    """An archive, the conversation that is hit (``one``), and a folder outside that nobody may touch."""

    archive: Path
    one: str
    other: str
    victim: Path

    def manifest(self) -> Path:
        """The newest manifest of the conversation that is hit."""
        return max((self.archive / "manifests" / self.one).glob("*.json"))

    def view(self) -> Path:
        listed = json.loads(self.manifest().read_text())["views"]
        return self.archive / next(one["key"] for one in listed if one["key"].startswith("transcripts/"))


@dataclass(frozen=True)
class Damage:
    """One damage.

    ``loses`` says that the conversation that is hit cannot be read any more, ``finding`` that verify has something to
    say, ``closes`` that the archive as a whole may be refused, since nobody can tell whose it is.
    """

    name: str
    do: Callable[[Place], object]
    loses: bool = False
    finding: bool = True
    closes: bool = False


def _edited(change: Callable[[Any, Place], object]) -> Callable[[Place], object]:
    def do(place: Place) -> None:
        path = place.manifest()
        document = json.loads(path.read_text())
        change(document, place)
        path.write_text(json.dumps(document))

    return do


def _truncated(place: Place) -> None:
    path = place.manifest()
    path.write_bytes(path.read_bytes()[:200])


def _newer(document: Any, place: Place) -> None:
    document["format"] = "turnkeeper.manifest/99"


def _elsewhere(document: Any, place: Place) -> None:
    for one in (*document["inputs"], *document["views"]):
        one["key"] = "../../etc/passwd"


def _of_other(document: Any, place: Place) -> None:
    document["conversation"] = place.other


def _wrong_hash(place: Place) -> None:
    path = place.view()
    path.chmod(0o600)
    path.write_text(path.read_text().replace("Good morning", "Good evening"))


def _stray(key: str) -> Callable[[Place], object]:
    def do(place: Place) -> None:
        path = place.archive / key.replace("ONE", place.one)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")

    return do


def _marker(place: Place) -> None:
    """Zero-byte folder markers as some consoles leave them, and what desktops leave."""
    for folder in ("raw", "manifests", f"manifests/{place.one}"):
        (place.archive / folder / ".keep").write_bytes(b"")
        (place.archive / folder / ".DS_Store").write_bytes(b"x")


def _linked_away(folder: str) -> Callable[[Place], object]:
    """A folder of the archive is a link to one outside."""

    def do(place: Place) -> None:
        path = place.archive / folder.replace("ONE", place.one)
        if path.is_dir():
            shutil.rmtree(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(place.victim)

    return do


def _linked_file(place: Place) -> None:
    """An input is a link to a file outside that holds something else."""
    path = next((place.archive / "raw" / place.one).rglob("*.json"))
    path.unlink()
    path.symlink_to(place.victim / "letters.txt")


def _linked_in_circles(place: Place) -> None:
    (place.archive / "raw" / place.one / "loop").symlink_to(place.archive / "raw")


def _fifo(key: str) -> Callable[[Place], object]:
    def do(place: Place) -> None:
        path = place.archive / key.replace("ONE", place.one)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        os.mkfifo(path)

    return do


def _fifo_view(place: Place) -> None:
    path = place.view()
    path.unlink()
    os.mkfifo(path)


def _other_case(place: Place) -> None:
    """As a store that ignores case would show it: the same id in capitals, naming another's objects."""
    shutil.copytree(place.archive / "manifests" / place.one, place.archive / "manifests" / place.one.upper())


def _seven_digits(place: Place) -> None:
    path = place.manifest()
    shutil.copy(path, path.with_name("0000007.json"))


def _input_gone(place: Place) -> None:
    shutil.rmtree(place.archive / "raw" / place.one)


def _format_gone(place: Place) -> None:
    (place.archive / "_turnkeeper/archive.json").write_bytes(b"\x00\x00")


DAMAGES: tuple[Damage, ...] = (
    Damage("a manifest is cut short", _truncated, loses=True),
    Damage("a manifest is empty", lambda place: place.manifest().write_bytes(b""), loses=True),
    Damage("a manifest is of a newer format", _edited(_newer), loses=True),
    Damage("a manifest names another conversation", _edited(_of_other), loses=True),
    Damage("a manifest's keys are `../../etc/passwd`", _edited(_elsewhere), loses=True),
    Damage("a manifest is called `0000007.json`", _seven_digits),
    Damage("a second manifest under the same id in capitals", _other_case),
    Damage("a view is not what its manifest says", _wrong_hash, loses=True),
    Damage("a conversation's inputs are gone", _input_gone),
    Damage("a stray key `manifests/x.json`", _stray("manifests/x.json")),
    # An id may hold dots, and an input that no manifest names is what an interrupted export leaves.
    Damage("an input under an id with dots", _stray("raw/ONE/a..b/0123456789abcdef.json"), finding=False),
    Damage("a stray file of a person", _stray("notes about calls.txt"), finding=False),
    Damage("folder markers and desktop files", _marker, finding=False),
    Damage("`raw/ID` is a link to a folder outside", _linked_away("raw/ONE")),
    Damage("`_turnkeeper/incoming` is a link to a folder outside", _linked_away("_turnkeeper/incoming")),
    Damage("`manifests/ID` is a link to a folder outside", _linked_away("manifests/ONE")),
    Damage("an input is a link to a file outside", _linked_file),
    Damage("a link that leads back up", _linked_in_circles),
    Damage("a FIFO among the inputs", _fifo("raw/ONE/fifo/0123456789abcdef.json")),
    Damage("a manifest is a FIFO", _fifo("manifests/ONE/000001.json")),
    Damage("a view is a FIFO", _fifo_view, loses=True),
    Damage("`archive.json` is a FIFO", _fifo("_turnkeeper/archive.json"), closes=True),
    Damage("`archive.json` is damaged", _format_gone, closes=True),
)
