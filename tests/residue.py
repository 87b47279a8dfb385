"""Where texts are left: in files, in what is compressed, in the free pages and the log of SQLite files. Knows nothing
of turnkeeper.

python -m tests.residue PLACE… < TEXTS        one text a line; says which is left where, exit code 1 if any is
"""

from __future__ import annotations

import contextlib
import sys
import zlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

__all__ = ["residue"]

_SQLITE = b"SQLite format 3\0"
_WAL = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_MOST = 1 << 26
_WAL_HEADER, _FRAME_HEADER = 32, 24


def residue(places: Iterable[Path], texts: Collection[str]) -> dict[str, set[Path]]:
    """The files in which each text is left, in any capitals, in UTF-8, UTF-16 or as JSON escapes it; a file's own name
    counts as part of it."""
    wanted = {form: text for text in texts for form in _forms(text)}
    found: dict[str, set[Path]] = {}
    for place in places:
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file() and not path.is_symlink():
                for view in _views(path.read_bytes(), str(path).encode()):
                    lowered = view.lower()
                    for form, text in wanted.items():
                        if form in lowered:
                            found.setdefault(text, set()).add(path)
    return found


def _forms(text: str) -> set[bytes]:
    escaped = text.encode("ascii", "backslashreplace").replace(b"\\x", b"\\u00")
    return {form.lower() for form in (text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be"), escaped)}


def _views(data: bytes, name: bytes) -> Iterator[bytes]:
    """A file's bytes, what is compressed in them wherever it begins, and the pages of a database joined."""
    yield name
    yield data
    yield from _inflated(data)
    if data.startswith(_SQLITE):
        yield from _joined(data, 0, 0)
    elif data[:4] in _WAL:
        yield from _joined(data, _WAL_HEADER, _FRAME_HEADER)


def _inflated(data: bytes) -> Iterator[bytes]:
    for mark, bits in ((b"\x1f\x8b\x08", 31), (b"x\x01", 15), (b"x\x9c", 15), (b"x\xda", 15)):
        at = data.find(mark)
        while at >= 0:
            with contextlib.suppress(zlib.error):
                yield zlib.decompressobj(bits).decompress(data[at:], _MOST)
            at = data.find(mark, at + 1)


def _joined(data: bytes, header: int, frame: int) -> Iterator[bytes]:
    """Pages in the order of the file without what stands between the parts of a long value: a text that goes from one
    overflow page to the next is whole then."""
    if header:
        size = int.from_bytes(data[8:12], "big")
    else:
        size = int.from_bytes(data[16:18], "big")
        size = 65536 if size == 1 else size
    pages = [data[at + frame : at + frame + size] for at in range(header, len(data), size + frame)]
    yield b"".join(page[4:] for page in pages)
    yield b"".join(page[4:] for page in reversed(pages))


if __name__ == "__main__":
    left = residue(map(Path, sys.argv[1:]), [line.strip() for line in sys.stdin if line.strip()])
    for text, files in sorted(left.items()):
        print(f"{text!a}: {', '.join(sorted(map(str, files)))}")
    sys.exit(bool(left))
