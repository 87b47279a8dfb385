"""What a page is told, as JSON inside it; ``web/src/document.ts`` is its other side. Absent means omitted.

Times are milliseconds of the conversation, samples count from a recording's first one. Names on the wire are short
because a long call has thousands of turns.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from turnkeeper.model import Role, Summary

__all__ = ["CallFacts", "Gap", "Mark", "PageCall", "PagePerson", "PageRecording", "PageTurn"]


class PageTurn(msgspec.Struct, omit_defaults=True, kw_only=True, gc=False):
    """One turn. ``who`` is a place in ``PageCall.people``; ``words`` holds four integers a word: offset and length in
    UTF-16 units of ``text``, start and end; ``low`` the places of words that the platform doubts.

    ``at`` is the first sample of the turn in recording number ``rec``, None where no recording has it. ``defects``
    names fields that could not be right.
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
    """Somebody who took part; ``talk`` is the union of their turns in milliseconds."""

    role: Role
    name: str = ""
    queue: str = ""
    start: int | None = None
    end: int | None = None
    turns: int = 0
    talk: int = 0


class Mark(msgspec.Struct, omit_defaults=True):
    """A stretch worth seeing: ``overtalk``, ``silence``, a ``pause``, or a ``cut`` that the audio lacks; the last two
    with the platform's reason."""

    kind: str
    start: int
    end: int
    reason: str = ""


class Gap(NamedTuple):
    """What an archive lacks of a call, in words of somebody who listens to calls; ``detail`` names ids and causes."""

    words: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.words} ({self.detail})" if self.detail else self.words


class PageRecording(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Audio and where it lies. Each ``src`` is ``#id`` of an element with base64, or an address relative to the page;
    there are two where each side has a file of its own.

    ``segments`` holds four integers each: start and end in milliseconds, start and end in samples. ``peaks`` is the
    id of the element that holds the audiowaveform file, empty where there is none. ``incomplete`` says what is missing
    in the sound.
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
    """What the platform's details say of the call, by name. ``start`` is epoch milliseconds."""

    start: int | None = None
    direction: str = ""
    media: str = ""
    language: str = ""
    customers: list[str] = []
    agents: list[str] = []
    queues: list[str] = []
    wrapups: list[str] = []


class PageCall(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Everything on a page but the bytes of audio and peaks."""

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
