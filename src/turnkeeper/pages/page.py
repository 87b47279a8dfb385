"""Write one call's page: an HTML file that loads nothing from a network.

Everything that comes from a call is JSON in a script element of type ``application/json``, with ``<`` escaped. The
page's script shows it as text only. The content security policy allows that one script by its hash.
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
from turnkeeper.atomic_file import write_atomically
from turnkeeper.errors import NotFound, Unread
from turnkeeper.pages.assets import PageTemplate
from turnkeeper.pages.call import CallPage
from turnkeeper.pages.page_data import PageRecording

__all__ = ["AudioPlacement", "audio_file_name", "json_element", "report_file", "title", "write_page"]

BASE64_BLOCK = 3 << 18
"""Bytes encoded at once. A multiple of three, so that the base64 of the blocks can be concatenated."""


class AudioPlacement(msgspec.Struct, frozen=True):
    """Where a page's audio goes: into the page, or into ``folder``. ``address`` is the folder relative to the page."""

    embed: bool
    folder: Path
    address: str


def write_page(
    archive: Archive,
    call: CallPage,
    template: PageTemplate,
    path: Path,
    placement: AudioPlacement,
    *,
    inputs: str,
    home: str = "",
) -> None:
    """Write the page to ``path``, whole or not at all.

    ``inputs`` is the hash that the page carries. ``home`` is the relative address of the list of calls, or empty.
    Raises what ``report_file`` raises, and ``Unread`` if audio is gone from the archive.
    """
    recordings = [
        _place_audio(archive, recording, place, call, placement) for place, recording in enumerate(call.data.recordings)
    ]
    data = msgspec.structs.replace(call.data, recordings=recordings)
    # A page that is opened from disk has no origin that ``'self'`` could name, so ``file:`` is listed too.
    media_sources = "" if placement.embed or not recordings else " 'self' file:"
    fill = {"media": media_sources, "inputs": inputs, "title": html.escape(title(call))}
    head, middle, tail = template.parts(fill)
    with report_file(path) as out:
        out.write(head)
        out.write(json_element("call", data))
        if home:
            out.write(json_element("home", home))
        for recording, sound in zip(recordings, call.audio, strict=True):
            if recording.peaks:
                _write_base64(archive.peaks(call.data.conversation, sound.peaks), recording.peaks, out)
        out.write(middle)
        for recording, sound in zip(recordings, call.audio, strict=True):
            for src, key in zip(recording.src, sound.audio, strict=True):
                if src.startswith("#"):
                    _write_base64(_open_audio(archive, key), src[1:], out)
        out.write(tail)


def json_element(identity: str, value: object) -> bytes:
    """Return a value as a JSON script element. No text in it can end the element, and no browser runs it."""
    text = msgspec.json.encode(value).replace(b"<", b"\\u003c")
    return b'<script type="application/json" id="%s">%s</script>\n' % (identity.encode(), text)


def title(call: CallPage) -> str:
    """Return the page's title: customer and agent, or the conversation's id."""
    names = [*call.data.facts.customers[:1], *call.data.facts.agents[:1]]
    words = " with ".join(names) or call.data.conversation
    return re.sub(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]", " ", words)[:200]


@contextmanager
def report_file(path: Path) -> Iterator[BinaryIO]:
    """Open a report's file for writing, and create its folder. Raises what ``write_atomically`` raises."""
    with suppress(OSError):  # opening the file raises an error that names the path
        path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path, "write the report") as out:
        yield out


def _place_audio(
    archive: Archive, recording: PageRecording, place: int, call: CallPage, placement: AudioPlacement
) -> PageRecording:
    sound = call.audio[place]
    src = [f"#audio-{place}-{part}" for part in range(len(sound.audio))]
    if not placement.embed:
        names = [audio_file_name(key) for key in sound.audio]
        for key, name in zip(sound.audio, names, strict=True):
            _copy_audio(archive, key, placement.folder / name)
        src = [f"{placement.address}{name}" for name in names]
    return msgspec.structs.replace(recording, src=src, peaks=f"peaks-{place}" if sound.peaks else "")


def audio_file_name(key: str) -> str:
    """Return the name of an audio object's copy beside a page."""
    return key.removeprefix("audio/").replace("/", ".")


def _copy_audio(archive: Archive, key: str, target: Path) -> None:
    """Copy audio beside the page. The name holds the hash, so a file of that name and size is already the copy."""
    if target.exists() and target.stat().st_size == archive.store.size(key):
        return
    with _open_audio(archive, key) as source, report_file(target) as out:
        shutil.copyfileobj(source, out, 1 << 20)


def _write_base64(opened: BinaryIO, identity: str, out: BinaryIO) -> None:
    out.write(b'<script type="text/plain" id="%s">' % identity.encode())
    with opened as source:
        while block := source.read(BASE64_BLOCK):
            # A store may give less than it is asked for, and base64 of such a block would be padded in the middle.
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
