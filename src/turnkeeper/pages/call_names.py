"""Names of the people, queues and wrap-up codes of a call, from its details and the archived lists of names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from turnkeeper.archive.archive import Archive
from turnkeeper.archive.manifest import Manifest
from turnkeeper.errors import NotFound, Unread
from turnkeeper.model import Participant, TranscriptHeader
from turnkeeper.pages.page_data import CallFacts
from turnkeeper.payloads.details import Details, read_details
from turnkeeper.payloads.directory import read_names
from turnkeeper.spool import BytesSource

__all__ = ["CallNames", "call_facts"]

MAX_CACHED_LISTS = 256


class CallNames:
    """Reads names by id. Lists are cached, because the calls of an archive share them."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._lists: dict[str, dict[str, str]] = {}

    def names_for(self, manifest: Manifest) -> dict[str, str]:
        """Return the names of a conversation by id. A list that cannot be read is skipped."""
        names: dict[str, str] = {}
        for item in manifest.inputs:
            if item.source.startswith("directory/"):
                names |= self._name_list(item.key)
        return names

    def details(self, manifest: Manifest) -> Details | None:
        """Return the platform's details of the conversation, or None if the archive has none that can be read."""
        for item in manifest.inputs:
            if item.source == "conversation":
                try:
                    return read_details(self._archive.store.get(item.key))
                except (NotFound, Unread):
                    return None
        return None

    def _name_list(self, key: str) -> dict[str, str]:
        if key not in self._lists:
            while len(self._lists) >= MAX_CACHED_LISTS:
                self._lists.pop(next(iter(self._lists)))
            try:
                self._lists[key] = read_names(BytesSource(self._archive.store.get(key)))
            except (NotFound, Unread):
                self._lists[key] = {}
        return self._lists[key]


def call_facts(header: TranscriptHeader | None, details: Details | None, names: dict[str, str]) -> CallFacts:
    """Collect the facts of a call from its transcript and its details. An id without a name stands for itself."""
    people = header.participants if header else ()
    base = header.time_base.epoch_ms if header else None
    languages = _distinct(leg.language for leg in header.communications) if header else []
    return CallFacts(
        start=details.start if details and details.start is not None else base,
        direction=(details.direction or "") if details else "",
        media=(header.media_type or "") if header else "",
        language=", ".join(languages),
        customers=_names_of_role(people, "customer") or _names_in_details(details, ("customer", "external"), names),
        agents=_names_of_role(people, "agent") or _names_in_details(details, ("agent", "user"), names),
        queues=_names_of([p.queue_id for p in people] + list(details.queue_ids if details else ()), names),
        wrapups=_names_of(details.wrap_up_codes if details else (), names),
    )


def _names_of_role(people: Sequence[Participant], role: str) -> list[str]:
    return _distinct(person.name for person in people if person.role == role)


def _names_in_details(details: Details | None, purposes: tuple[str, ...], names: dict[str, str]) -> list[str]:
    found = [person for person in details.participants if person.purpose in purposes] if details else []
    return _distinct(names.get(person.user_id or "", person.name or "") for person in found)


def _names_of(ids: Iterable[str | None], names: dict[str, str]) -> list[str]:
    return _distinct(names.get(each, each) for each in ids if each)


def _distinct(values: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(value for value in values if value))
