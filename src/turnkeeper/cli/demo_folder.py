"""The folders where the demo leaves its archive and its pages. Only those of an earlier demo are replaced."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection
from pathlib import Path

from turnkeeper.archive import keys
from turnkeeper.archive.archive import Archive
from turnkeeper.errors import Misconfigured

__all__ = ["DemoFolder"]

_FORMAT = "turnkeeper.demo/1"
_MARK = "_turnkeeper/demo.json"
_REPORT_MARK = "demo.json"
_OURS = {*keys.FOLDERS, "directory", "_turnkeeper"}


class DemoFolder:
    """The archive's folder, and beside it the folder of its pages. Each is new or contains the demo's mark file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.report = folder.with_name(f"{folder.name}-report")

    def refuse_strangers(self) -> None:
        """Raise ``Misconfigured`` if a folder holds anything that no demo left, because it would be lost."""
        if _is_occupied(self.folder):
            ours = _marked_conversations(self.folder / _MARK)
            if ours is None:
                raise _foreign_folder(self.folder, "exists and was not left by the demo")
            if _holds_foreign_files(self.folder, ours):
                raise _foreign_folder(self.folder, "holds more than the demo left there")
        if _is_occupied(self.report) and _marked_conversations(self.report / _REPORT_MARK) is None:
            raise _foreign_folder(self.report, "exists and was not left by the demo")

    def leave(self, archive: Archive, conversations: Collection[str]) -> None:
        """Copy an archive here in place of an earlier demo's, which is removed only when the copy is complete."""
        # Checked again: somebody may have used the folder while the demo ran.
        self.refuse_strangers()
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        # Beside the target, because a rename works only within one file system.
        with tempfile.TemporaryDirectory(dir=self.folder.parent, prefix=".turnkeeper-demo-") as name:
            made, earlier = Path(name) / "new", Path(name) / "earlier"
            archive.copy_to(str(made))
            _write_mark(made / _MARK, sorted(conversations))
            if self.folder.exists():
                self.folder.rename(earlier)
            made.rename(self.folder)

    def mark_report(self) -> None:
        """Mark the folder of pages as the demo's."""
        _write_mark(self.report / _REPORT_MARK, [])


def _is_occupied(folder: Path) -> bool:
    """Whether something exists there. A symbolic link counts, because its target belongs to somebody."""
    return folder.is_symlink() or folder.is_file() or (folder.is_dir() and any(folder.iterdir()))


def _marked_conversations(mark: Path) -> set[str] | None:
    """Return the conversations that a mark file names, None without one."""
    # A link to the mark of some demo does not make another folder one.
    if mark.parent.is_symlink() or mark.is_symlink():
        return None
    try:
        found = json.loads(mark.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        return None
    return {str(one) for one in found.get("conversations", [])}


def _holds_foreign_files(folder: Path, ours: Collection[str]) -> bool:
    """Whether the folder also holds other calls or other files than the demo's."""
    if folder.is_symlink() or any(path.name not in _OURS for path in folder.iterdir()):
        return True
    # A real call may have been exported into the demo's archive.
    manifests = folder / "manifests"
    return manifests.is_dir() and any(path.name not in ours for path in manifests.iterdir())


def _foreign_folder(folder: Path, why: str) -> Misconfigured:
    hint = "Name a new folder with --folder, or remove this one yourself if nobody needs it."
    return Misconfigured(why, operation="demo", key=str(folder), hint=hint)


def _write_mark(mark: Path, conversations: list[str]) -> None:
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(json.dumps({"format": _FORMAT, "conversations": conversations}, indent=1), encoding="utf-8")
