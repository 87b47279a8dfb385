"""The keys of all objects of an archive. No other module knows the archive's folders. Pure.

raw/{conversation}/{communication|_media|_conversation}/{sha256[:16]}.json      audio/…   inputs
manifests/{conversation}/{generation:06d}.json                                            the commit points
transcripts/{conversation}/{sha256[:16]}.json  selections/{conversation}/{filter}/{sha256[:16]}.json    views
summaries/…  alignment/…  peaks/{conversation}/{recording}/{sha256[:16]}.dat              views
directory/{kind}/{sha256[:16]}.json                                                       names, as of a day
_turnkeeper/{tombstones|erasing}/{conversation}.json                                      its own notes
_turnkeeper/audit/chain/{number // 1000:06d}/{number:09d}.json

A view has a name, which says what it is (``transcripts/{conversation}.json``), and a key, which also contains the hash
of its content (``stored_view``). In an archive of version 1 the name was the key.
"""

from __future__ import annotations

import re
from datetime import date

from turnkeeper.errors import Misconfigured
from turnkeeper.ids import check_id, is_id
from turnkeeper.storage.key_rules import check_key

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
"""Lines of the audit in one folder."""
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
"""The folders of conversations' objects. Manifests come first, since they name the others, and inputs come last."""
OWN_FOLDERS = ("_turnkeeper/notes", "_turnkeeper/holds")
"""The folders in which later versions store people's notes about a conversation, and why it must not be erased."""
LEGACY_VIEWS = ("transcripts", "summaries", "alignment")
"""The folders in which a view of version 1 is stored directly, under the conversation's id."""

# A number of more digits has no leading zero, so each generation has exactly one key.
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
    name = f"{check_id(recording, 'recording')}.{_short(sha256)}.{check_id(extension, 'extension')}"
    return f"audio/{check_id(conversation)}/{name}"


def directory(kind: str, sha256: str) -> str:
    """A list of names of users, queues or wrap-up codes, as it was when it was fetched."""
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
    """The name of the view of one filter; ``slug`` is ``Selection.slug``."""
    return check_key(f"selections/{check_id(conversation)}/{slug}.json")


def summary(conversation: str) -> str:
    """The name of the summary view."""
    return f"summaries/{check_id(conversation)}.json"


def alignment(conversation: str) -> str:
    """The name of the view with the sample range of each turn."""
    return f"alignment/{check_id(conversation)}.json"


def peaks(conversation: str, recording: str) -> str:
    """The name of one recording's waveform view."""
    return f"peaks/{check_id(conversation)}/{check_id(recording, 'recording')}.dat"


def stored_view(name: str, sha256: str) -> str:
    """The key of a view with these bytes. An object never changes its content, so no reader sees half an update."""
    stem, _, extension = name.rpartition(".")
    return check_key(f"{stem}/{_short(sha256)}.{extension}")


def view_name(key: str) -> str:
    """The name of the view that is stored under a key. A key of version 1 is a name already."""
    match = _view.fullmatch(key)
    return f"{match[1]}{match[2]}" if match else key


def places(conversation: str) -> tuple[str, ...]:
    """Every place of a conversation's objects, in the order of ``FOLDERS``: folders, which end with a slash, and single
    keys."""
    check_id(conversation)
    places: list[str] = []
    for folder in FOLDERS:
        places.append(f"{folder}/{conversation}/")
        if folder in LEGACY_VIEWS:
            places.append(f"{folder}/{conversation}.json")
    return (*places, f"_turnkeeper/notes/{conversation}/", f"_turnkeeper/holds/{conversation}.json")


def tombstone(conversation: str) -> str:
    """The record that a conversation was erased."""
    return f"{TOMBSTONES}{check_id(conversation)}.json"


def erasing(conversation: str) -> str:
    """The record that a conversation's erasure is not finished."""
    return f"{ERASING}{check_id(conversation)}.json"


def superseded(day: str, conversation: str) -> str:
    """The note that views of a conversation were superseded on a day (UTC), to be deleted later."""
    return check_key(f"{SUPERSEDED}{day}/{check_id(conversation)}.json")


def audit(number: int) -> str:
    """One line of the audit; ``number`` counts from 1."""
    return check_key(f"{audit_block(number // AUDIT_BLOCK)}{number:09d}.json")


def audit_block(block: int) -> str:
    """A folder of the audit's chain, with up to a thousand lines; ``block`` counts from 0."""
    return f"{AUDIT}chain/{block:06d}/"


def probe(name: str) -> str:
    """A short-lived object, to try what a store permits."""
    return f"_turnkeeper/probe/{check_id(name, 'probe')}.json"


def window(name: str, start: str, end: str) -> str:
    """The record that a window of time was listed; ``name`` is its filter's slug, times are RFC 3339."""
    window_id = f"{start}--{end}".replace(":", "").replace("+", "")
    return f"{WINDOWS}{check_id(name, 'filter')}/{check_id(window_id, 'window')}.json"


def run(started: str, ended: str) -> str:
    """The report of one run; times are RFC 3339."""
    return check_key(RUNS + f"{started}--{ended}".replace(":", "").replace("+", "") + ".json")


def followed(started: str) -> str:
    """The report of one day of a ``--follow`` run, which is rewritten until the day is over."""
    return run(started, "follow")


def parse_manifest(key: str) -> tuple[str, int] | None:
    """The conversation and generation of a manifest's key; None for any other key."""
    match = _match_with_id(_manifest, key)
    return (match[1], int(match[2])) if match else None


def parse_raw(key: str) -> tuple[str, str] | None:
    """The conversation and part of a raw input's key; None for any other key."""
    match = _match_with_id(_raw, key)
    return (match[1], match[2]) if match else None


def conversation_of(key: str) -> str | None:
    """The conversation that an input, a view, a manifest, a note or a hold belongs to by its key; None for any other
    key."""
    match = _match_with_id(_of_conversation, key) or _match_with_id(_own, key)
    return (match[1] or match[2]) if match else None


def parse_note(key: str) -> str | None:
    """The conversation of a tombstone's or unfinished erasure's key; None for any other key."""
    match = _match_with_id(_note, key)
    return match[1] if match else None


def parse_audit(key: str) -> int | None:
    """The number of a line of the audit's chain; None for any other key, also for a line of version 1."""
    match = _audit.fullmatch(key)
    # A line that was moved to another folder is not part of the chain.
    return int(match[1]) if match and audit(int(match[1])) == key else None


def parse_superseded(key: str) -> tuple[str, str] | None:
    """The day and conversation of a note of superseded views; None for any other key."""
    match = _superseded.fullmatch(key)
    return (match[1], match[2]) if match and is_id(match[2]) and _is_date(match[1]) else None


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def is_reserved(key: str) -> bool:
    """Whether it is in a place that only later versions write: digital messages, context, bots, attachments."""
    return bool(_reserved.fullmatch(key))


def _match_with_id(pattern: re.Pattern[str], key: str) -> re.Match[str] | None:
    """Match a key that has a valid id in the place of the conversation's.

    A file that a person put into a folder may have anything there. It is no object of a conversation, and must not
    reach ``check_id``, whose error would end a whole verification.
    """
    match = pattern.fullmatch(key)
    return match if match and is_id(match[1] or match[2]) else None


def _short(sha256: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise Misconfigured(f"{sha256[:80]!a} is not a SHA-256", operation="name an object")
    return sha256[:16]
