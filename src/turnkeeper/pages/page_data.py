"""The JSON data inside a call's page. ``web/src/document.ts`` declares the same types. Defaults are omitted.

Times are milliseconds from the conversation's start. Samples count from the recording's first sample. Field names are
short because a long call has thousands of turns.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from turnkeeper.model import Role, Summary

__all__ = ["CallFacts", "Gap", "Mark", "PageData", "PagePerson", "PageRecording", "PageTurn"]


class PageTurn(msgspec.Struct, omit_defaults=True, kw_only=True, gc=False):
    """One turn.

    ``who`` is an index into ``PageData.people``. ``words`` holds four integers per word: offset and length in UTF-16
    units of ``text``, start and end in milliseconds. ``low`` holds the indices of words with low confidence. ``at`` is
    the turn's first sample in recording number ``rec``, or None if no recording holds it. ``defects`` names the fields
    whose value in the payload cannot be right.
    """

    role: Role
    text: str
    start: int | None = None
    end: int | None = None
    who: int | None = None
    conf: float | None = None
    mood: float | None = None
    dup: bool = False
    over: bool = False
    words: list[int] = []
    low: list[int] = []
    rec: int = 0
    at: int | None = None
    flags: list[str] = []
    defects: list[str] = []


class PagePerson(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One participant. ``talk`` is the length of the union of their turns in milliseconds."""

    role: Role
    name: str = ""
    queue: str = ""
    start: int | None = None
    end: int | None = None
    turns: int = 0
    talk: int = 0


class Mark(msgspec.Struct, omit_defaults=True):
    """A marked stretch of time. ``kind`` is ``overtalk``, ``silence``, ``pause``, or ``cut`` (missing in the audio).

    A pause and a cut have the platform's reason.
    """

    kind: str
    start: int
    end: int
    reason: str = ""


class Gap(NamedTuple):
    """Something that an archive lacks of a call. ``words`` are for listeners; ``detail`` names ids and causes."""

    words: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.words} ({self.detail})" if self.detail else self.words


class PageRecording(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One recording.

    Each ``src`` is the ``#id`` of an element with base64, or an address relative to the page. There are two if each
    side of the call has its own file. Each of ``segments`` holds four integers: start and end in milliseconds, start
    and end in samples. ``peaks`` is the id of the element with the audiowaveform data, empty if there is none.
    ``incomplete`` says what is missing in the sound.
    """

    rate: int
    frames: int
    type: str
    src: list[str]
    codec: str = ""
    roles: list[str] = []
    segments: list[list[int]] = []
    peaks: str = ""
    sync: dict[str, object] | None = None
    notes: list[str] = []
    incomplete: list[str] = []


class CallFacts(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Facts of a call, with names instead of ids. ``start`` is epoch milliseconds."""

    start: int | None = None
    direction: str = ""
    media: str = ""
    language: str = ""
    customers: list[str] = []
    agents: list[str] = []
    queues: list[str] = []
    wrapups: list[str] = []


class PageData(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Everything that a page shows, except the bytes of audio and peaks."""

    conversation: str
    facts: CallFacts
    summary: Summary
    length: int
    people: list[PagePerson]
    turns: list[PageTurn]
    marks: list[Mark]
    recordings: list[PageRecording] = []
    talk: dict[str, int] = {}
    overtalk: int = 0
    missing: list[Gap] = []
    notes: list[str] = []
    archived: str = ""
    producer: str = ""
