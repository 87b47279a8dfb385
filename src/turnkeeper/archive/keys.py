"""What goes where: the only file that knows the archive's folders. Pure.

raw/{conversation}/{communication|_media|_conversation}/{sha256[:16]}.json      audio/…   inputs
manifests/{conversation}/{generation:06d}.json                                            the commit points
transcripts/{conversation}/{sha256[:16]}.json  selections/{conversation}/{filter}/{sha256[:16]}.json    views
summaries/…  alignment/…  peaks/{conversation}/{recording}/{sha256[:16]}.dat              views
directory/{kind}/{sha256[:16]}.json                                                       names, as of a day
_turnkeeper/{tombstones|erasing}/{conversation}.json                                      its own notes
_turnkeeper/audit/chain/{number // 1000:06d}/{number:09d}.json

A view has a name, which says what it is (``transcripts/{conversation}.json``), and a key, which also says what is in it
(``stored_view``). In an archive of version 1 the name was the key.
"""

from __future__ import annotations

import re

from turnkeeper.errors import Misconfigured
from turnkeeper.ids import check_id, is_id
from turnkeeper.storage.keys import check_key

__all__ = [
    "AUDIT",
    "AUDIT_BLOCK",
    "ERASING",
    "FOLDERS",
    "LEGACY_VIEWS",
    "MANIFESTS",
    "OWN_FOLDERS",
    "PROBE",
    "RUNS",
    "STATES",
    "SUPERSEDED",
    "TABLES",
    "TOMBSTONES",
    "WINDOWS",
    "alignment",
    "audio",
    "audit",
    "audit_block",
    "conversation_of",
    "directories",
    "directory",
    "erasing",
    "is_reserved",
    "manifest",
    "manifests",
    "parse_audit",
    "parse_manifest",
    "parse_note",
    "parse_raw",
    "parse_superseded",
    "peaks",
    "places",
    "probe",
    "raw",
    "run",
    "selection",
    "stored_view",
    "summary",
    "superseded",
    "tombstone",
    "transcript",
    "view_name",
    "window",
]

PROBE = "_turnkeeper/probe.json"
MANIFESTS = "manifests/"
RUNS = "_turnkeeper/runs/"
STATES = "_turnkeeper/states/"
WINDOWS = "_turnkeeper/windows/"
TOMBSTONES = "_turnkeeper/tombstones/"
ERASING = "_turnkeeper/erasing/"
AUDIT = "_turnkeeper/audit/"
AUDIT_BLOCK = 1000
"""So many lines of the audit stand in one folder."""
SUPERSEDED = "_turnkeeper/superseded/"
TABLES = "tables/"
FOLDERS = (
    "manifests",
    "transcripts",
    "summaries",
    "alignment",
    "selections",
    "peaks",
    "audio",
    "attachments",
    "raw",
)
"""Where a conversation's objects are: what leads readers to them first, the platform's own words last."""
OWN_FOLDERS = ("_turnkeeper/notes", "_turnkeeper/holds")
"""Where later versions keep what people note of a conversation, and why it must not be erased."""
LEGACY_VIEWS = ("transcripts", "summaries", "alignment")
"""The folders in which a view of version 1 stands directly, under the conversation's id."""

_manifest = re.compile(r"manifests/([^/]+)/([0-9]{6}|[1-9][0-9]{6,})\.json")
_raw = re.compile(r"raw/([^/]+)/([^/]+)/[0-9a-f]{16}\.json")
_of_conversation = re.compile(rf"(?:(?:{'|'.join(FOLDERS)})/([^/]+)/.+|(?:{'|'.join(LEGACY_VIEWS)})/([^/]+)\.json)")
_note = re.compile(r"_turnkeeper/(?:tombstones|erasing)/([^/]+)\.json")
_own = re.compile(r"_turnkeeper/(?:notes/([^/]+)/.+|holds/([^/]+)\.json)")
_audit = re.compile(r"_turnkeeper/audit/chain/[0-9]{6,}/([0-9]{9,})\.json")
_view = re.compile(
    r"((?:transcripts|summaries|alignment)/[^/]+|(?:selections|peaks)/[^/]+/[^/]+)/[0-9a-f]{16}(\.json|\.dat)"
)
_superseded = re.compile(r"_turnkeeper/superseded/([0-9]{4}-[0-9]{2}-[0-9]{2})/([^/]+)\.json")
_reserved = re.compile(r"raw/[^/]+/_(?:digital|context|bots)/.+|attachments/[^/]+/.+")


def raw(conversation: str, part: str, sha256: str) -> str:
    """A transcript body or conversation details; ``part`` is a communication's id, or ``_media``, ``_conversation``."""
    check_id(part.removeprefix("_"), "communication")
    return f"raw/{check_id(conversation)}/{part}/{_short(sha256)}.json"


def audio(conversation: str, recording: str, sha256: str, extension: str) -> str:
    """One recording of a conversation."""
    named = f"{check_id(recording, 'recording')}.{_short(sha256)}.{check_id(extension, 'extension')}"
    return f"audio/{check_id(conversation)}/{named}"


def directory(kind: str, sha256: str) -> str:
    """Names of users, queues or wrap-up codes as they were when they were asked for."""
    return f"directory/{check_id(kind, 'directory')}/{_short(sha256)}.json"


def directories(kind: str) -> str:
    """The folder of all lists of names of one kind."""
    return f"directory/{check_id(kind, 'directory')}/"


def manifests(conversation: str) -> str:
    """The folder of one conversation's generations."""
    return f"{MANIFESTS}{check_id(conversation)}/"


def manifest(conversation: str, generation: int) -> str:
    """One generation of one conversation; generations count from 1."""
    return f"{manifests(conversation)}{generation:06d}.json"


def transcript(conversation: str) -> str:
    """The name of the view with every turn."""
    return f"transcripts/{check_id(conversation)}.json"


def selection(conversation: str, slug: str) -> str:
    """The name of the view of one filter; ``slug`` is the filter's own spelling of itself."""
    return check_key(f"selections/{check_id(conversation)}/{slug}.json")


def summary(conversation: str) -> str:
    """The name of the summary view."""
    return f"summaries/{check_id(conversation)}.json"


def alignment(conversation: str) -> str:
    """The name of the view of sample indices per turn."""
    return f"alignment/{check_id(conversation)}.json"


def peaks(conversation: str, recording: str) -> str:
    """The name of one recording's waveform view."""
    return f"peaks/{check_id(conversation)}/{check_id(recording, 'recording')}.dat"


def stored_view(name: str, sha256: str) -> str:
    """The key of a view with these bytes: a name never changes its bytes, so a reader never sees half an update."""
    stem, _, extension = name.rpartition(".")
    return check_key(f"{stem}/{_short(sha256)}.{extension}")


def view_name(key: str) -> str:
    """The name of the view that is stored under a key. A key of version 1 is a name already."""
    found = _view.fullmatch(key)
    return f"{found[1]}{found[2]}" if found else key


def places(conversation: str) -> tuple[str, ...]:
    """Everywhere a conversation's objects are, in the order of ``FOLDERS``: folders end with a slash, the others are
    single keys."""
    check_id(conversation)
    found: list[str] = []
    for folder in FOLDERS:
        found.append(f"{folder}/{conversation}/")
        if folder in LEGACY_VIEWS:
            found.append(f"{folder}/{conversation}.json")
    return (*found, f"_turnkeeper/notes/{conversation}/", f"_turnkeeper/holds/{conversation}.json")


def tombstone(conversation: str) -> str:
    """The note that a conversation was erased."""
    return f"{TOMBSTONES}{check_id(conversation)}.json"


def erasing(conversation: str) -> str:
    """The note that a conversation's erasure is not finished."""
    return f"{ERASING}{check_id(conversation)}.json"


def superseded(day: str, conversation: str) -> str:
    """The note that views of a conversation were superseded on a day (UTC) and are to be swept."""
    return check_key(f"{SUPERSEDED}{day}/{check_id(conversation)}.json")


def audit(number: int) -> str:
    """One line of the audit; they count from 1."""
    return check_key(f"{audit_block(number // AUDIT_BLOCK)}{number:09d}.json")


def audit_block(block: int) -> str:
    """A folder of the audit's chain, with up to a thousand lines; they count from 0."""
    return f"{AUDIT}chain/{block:06d}/"


def probe(name: str) -> str:
    """A short-lived object for trying out what a store permits."""
    return f"_turnkeeper/probe/{check_id(name, 'probe')}.json"


def window(name: str, start: str, end: str) -> str:
    """What was found when one stretch of time was listed; ``name`` is its filter's slug, times are RFC 3339."""
    stretch = f"{start}--{end}".replace(":", "").replace("+", "")
    return f"{WINDOWS}{check_id(name, 'filter')}/{check_id(stretch, 'window')}.json"


def run(started: str, ended: str) -> str:
    """The report of one run; times are RFC 3339."""
    return check_key(RUNS + f"{started}--{ended}".replace(":", "").replace("+", "") + ".json")


def followed(started: str) -> str:
    """The report of a day of a run that follows: rewritten until the day is over."""
    return run(started, "follow")


def parse_manifest(key: str) -> tuple[str, int] | None:
    """The conversation and generation of a manifest's key; None for any other key."""
    found = _parsed(_manifest, key)
    return (found[1], int(found[2])) if found else None


def parse_raw(key: str) -> tuple[str, str] | None:
    """The conversation and part of a raw input's key; None for any other key."""
    found = _parsed(_raw, key)
    return (found[1], found[2]) if found else None


def conversation_of(key: str) -> str | None:
    """The conversation that an input, a view, a manifest, a note or a hold belongs to by its key; None for any other
    key."""
    found = _parsed(_of_conversation, key) or _parsed(_own, key)
    return (found[1] or found[2]) if found else None


def parse_note(key: str) -> str | None:
    """The conversation of a tombstone's or unfinished erasure's key; None for any other key."""
    found = _parsed(_note, key)
    return found[1] if found else None


def parse_audit(key: str) -> int | None:
    """The number of a line of the audit's chain; None for any other key, also for a line of version 1."""
    found = _audit.fullmatch(key)
    return int(found[1]) if found and audit(int(found[1])) == key else None


def parse_superseded(key: str) -> tuple[str, str] | None:
    """The day and conversation of a note of superseded views; None for any other key."""
    found = _superseded.fullmatch(key)
    return (found[1], found[2]) if found and is_id(found[2]) else None


def is_reserved(key: str) -> bool:
    """Whether it stands in a place that this version does not write: digital messages, context, bots, attachments."""
    return bool(_reserved.fullmatch(key))


def _parsed(form: re.Pattern[str], key: str) -> re.Match[str] | None:
    """The key in one of the forms above. What a person left in the folders has no id where a conversation's would be,
    and nobody else must be asked about it: ``check_id`` would end a whole verification."""
    found = form.fullmatch(key)
    return found if found and is_id(found[1] or found[2]) else None


def _short(sha256: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise Misconfigured(f"{sha256[:80]!a} is not a SHA-256", operation="name an object")
    return sha256[:16]
