"""Writes one call's page: a single HTML file that loads nothing from anywhere.

Whatever came from a call is JSON inside a script element of type ``application/json``, with ``<`` escaped, and reaches
the reader as text; the page's policy runs no script but its own, by hash.
"""

from __future__ import annotations

import base64
import html
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from turnkeeper.archive.archive import Archive
from turnkeeper.atomic_file import written
from turnkeeper.errors import NotFound, Unread
from turnkeeper.pages.assets import Shell
from turnkeeper.pages.call import CallPage
from turnkeeper.pages.page_data import PageRecording

__all__ = ["Placing", "beside", "embedded", "replaced", "title", "write_page"]

BASE64_BLOCK = 3 << 18  # a multiple of three, so that the pieces of base64 join


class Placing(msgspec.Struct, frozen=True):
    """Where a page's audio goes: into the page, or into ``folder``, which the page calls ``address``."""

    embed: bool
    folder: Path
    address: str


def write_page(
    archive: Archive, call: CallPage, shell: Shell, path: Path, placing: Placing, *, inputs: str, home: str = ""
) -> None:
    """Write the page to ``path``, whole or not at all. ``home`` is the address of the list it belongs to, or empty.

    Raises what ``written`` raises, and ``Unread`` where audio is gone from the archive.
    """
    recordings = [
        _place_audio(archive, recording, place, call, placing) for place, recording in enumerate(call.page.recordings)
    ]
    told = msgspec.structs.replace(call.page, recordings=recordings)
    beside = "" if placing.embed or not recordings else " 'self' file:"
    fill = {"media": beside, "inputs": inputs, "title": html.escape(title(call))}
    head, middle, tail = shell.parts(fill)
    with replaced(path) as out:
        out.write(head)
        out.write(embedded("call", told))
        if home:
            out.write(embedded("home", home))
        for recording, sound in zip(recordings, call.sounds, strict=True):
            if recording.peaks:
                _write_base64(archive.peaks(call.page.conversation, sound.peaks), recording.peaks, out)
        out.write(middle)
        for recording, sound in zip(recordings, call.sounds, strict=True):
            for src, key in zip(recording.src, sound.audio, strict=True):
                if src.startswith("#"):
                    _write_base64(_open_audio(archive, key), src[1:], out)
        out.write(tail)


def embedded(identity: str, value: object) -> bytes:
    """A value as a script element that no text inside can end and no browser runs."""
    text = msgspec.json.encode(value).replace(b"<", b"\\u003c")
    return b'<script type="application/json" id="%s">%s</script>\n' % (identity.encode(), text)


def title(call: CallPage) -> str:
    """The browser's name for the page: who with whom, else the conversation."""
    names = [*call.page.facts.customers[:1], *call.page.facts.agents[:1]]
    words = " with ".join(names) or call.page.conversation
    return re.sub(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]", " ", words)[:200]


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """A file of a report, whose folder is made where there is none. Raises what ``written`` raises."""
    with suppress(OSError):  # opening the file says what is wrong
        path.parent.mkdir(parents=True, exist_ok=True)
    with written(path, "write the report") as out:
        yield out


def _place_audio(
    archive: Archive, recording: PageRecording, place: int, call: CallPage, placing: Placing
) -> PageRecording:
    sound = call.sounds[place]
    src = [f"#audio-{place}-{part}" for part in range(len(sound.audio))]
    if not placing.embed:
        names = [beside(key) for key in sound.audio]
        for key, name in zip(sound.audio, names, strict=True):
            _copy_audio(archive, key, placing.folder / name)
        src = [f"{placing.address}{name}" for name in names]
    return msgspec.structs.replace(recording, src=src, peaks=f"peaks-{place}" if sound.peaks else "")


def beside(key: str) -> str:
    """What an audio object is called beside a page."""
    return key.removeprefix("audio/").replace("/", ".")


def _copy_audio(archive: Archive, key: str, target: Path) -> None:
    """Audio beside the page. Its name holds its hash, so one of the same size is the same."""
    if target.exists() and target.stat().st_size == archive.store.size(key):
        return
    with _open_audio(archive, key) as source, replaced(target) as out:
        shutil.copyfileobj(source, out, 1 << 20)


def _write_base64(opened: BinaryIO, identity: str, out: BinaryIO) -> None:
    out.write(b'<script type="text/plain" id="%s">' % identity.encode())
    with opened as source:
        while block := source.read(BASE64_BLOCK):
            while len(block) % 3 and (more := source.read(BASE64_BLOCK - len(block))):
                block += more
            out.write(base64.b64encode(block))
    out.write(b"</script>\n")


def _open_audio(archive: Archive, key: str) -> BinaryIO:
    try:
        return archive.store.open(key)
    except NotFound:
        hint = "Restore it from a version or a copy, or fetch the call again."
        raise Unread("it was archived and is not there", operation="report", key=key, hint=hint) from None
