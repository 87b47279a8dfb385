"""Find the fetched bodies that say nothing new, compared with the archived ones, so that they are not stored again.

The platform's answers differ in their bytes although they say the same: the order of fields, ids of annotations and
users who have nothing to do with the call change from one request to the next. So they are compared by what is read
from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from turnkeeper.archive import inputs
from turnkeeper.archive.manifest import Input
from turnkeeper.archive.name_lists import NameCache, relevant_ids
from turnkeeper.errors import Unread
from turnkeeper.model import Recording
from turnkeeper.payloads.customers import read_customers
from turnkeeper.payloads.details import Details, read_details
from turnkeeper.payloads.directory import read_names
from turnkeeper.payloads.recordings import read_recordings
from turnkeeper.spool import Source

__all__ = ["UnchangedInputs"]


class UnchangedInputs:
    """Compares fetched bodies with the ``earlier`` inputs of a conversation.

    ``read_back`` returns the archived bytes of an input. ``is_stored`` says whether a list of names is in the archive.
    """

    def __init__(
        self,
        earlier: Sequence[Input],
        read_back: inputs.ReadBack,
        names: NameCache,
        is_stored: Callable[[Input], bool],
    ) -> None:
        self._earlier = earlier
        self._read_back = read_back
        self._names = names
        self._is_stored = is_stored

    def remove_from(
        self, fetched: Mapping[Input, Source], details: Details | None
    ) -> tuple[dict[Input, Source], Details | None]:
        """The fetched bodies that say something new, and the conversation's details as far as they were parsed.

        ``details`` is what the fetched details say, if they were parsed already.
        """
        bodies = self._without_details(fetched, details)
        if details is None and any(inputs.is_directory(body.source) for body in bodies):
            details = self._parse_details(bodies)
        bodies = self._without_names(bodies, details)
        return self._without_recordings(bodies), details

    def _without_details(self, fetched: Mapping[Input, Source], details: Details | None) -> dict[Input, Source]:
        """Leave out details that say what the archived ones say.

        The platform returns the same conversation as a document of its own, as an element of a query and as a row of a
        job, with other bytes each time.
        """
        new, known = _find(fetched, inputs.CONVERSATION), _find(self._earlier, inputs.CONVERSATION)
        if new is None or known is None or new == known:
            return dict(fetched)
        try:
            is_same = _comparable_facts(fetched[new], details) == _comparable_facts(self._read_back(known))
        except Unread:
            is_same = False  # one of them cannot be read: store the new bytes
        return _without(fetched, new) if is_same else dict(fetched)

    def _parse_details(self, fetched: Mapping[Input, Source]) -> Details | None:
        """What the fetched details say, or else the archived ones; None if there are none that can be read."""
        new = _find(fetched, inputs.CONVERSATION)
        known = new or _find(self._earlier, inputs.CONVERSATION)
        if known is None:
            return None
        try:
            source = fetched[known] if known is new else self._read_back(known)
            with source.open() as body:
                return read_details(body.read())
        except Unread:
            return None

    def _without_names(self, fetched: Mapping[Input, Source], details: Details | None) -> dict[Input, Source]:
        """Leave out lists that add no name of a person or a queue of this conversation.

        One way of fetching lists everybody, another only those who took part. So the lists are compared only by the ids
        that this conversation needs.
        """
        # The first generation stores its lists, so that it can be read without any other.
        if not self._earlier:
            return dict(fetched)
        known = {body.source: body for body in self._earlier if inputs.is_directory(body.source)}

        def adds_no_name(body: Input, source: Source) -> bool:
            if not inputs.is_directory(body.source):
                return False
            before = known.get(body.source)
            # A list that is gone from the archive is replaced, although the new one may name nobody else.
            if before == body or (before and not self._is_stored(before)):
                return False
            ids = relevant_ids(body.source, details)
            if before is None:
                return ids is not None and not self._names.names_any(body.sha256, source, ids)
            return self._names.adds_nothing(
                body.sha256, source, before.sha256, lambda: read_names(self._read_back(before)), ids
            )

        return {body: source for body, source in fetched.items() if not adds_no_name(body, source)}

    def _without_recordings(self, fetched: Mapping[Input, Source]) -> dict[Input, Source]:
        """Leave out a list of recordings that says nothing new.

        Annotations get new ids in each answer. An answer that lacks a recording whose audio is archived does not
        replace one that has it, because it says when that audio starts.
        """
        new, known = _find(fetched, inputs.RECORDINGS), _find(self._earlier, inputs.RECORDINGS)
        if new is None or known is None or new.sha256 == known.sha256:
            return dict(fetched)
        archived = {recording for body in self._earlier if (recording := inputs.recording_of(body.source))}
        try:
            says_more = _says_more(_recordings(fetched[new]), _recordings(self._read_back(known)), archived)
        except Unread:
            says_more = True
        return dict(fetched) if says_more else _without(fetched, new)


def _find(bodies: Iterable[Input], source: str) -> Input | None:
    return next((body for body in bodies if body.source == source), None)


def _without(fetched: Mapping[Input, Source], unchanged: Input) -> dict[Input, Source]:
    return {body: source for body, source in fetched.items() if body != unchanged}


def _comparable_facts(source: Source, details: Details | None = None) -> tuple[object, object]:
    with source.open() as body:
        data = body.read()
    return details or read_details(data), read_customers(data)


def _recordings(source: Source) -> dict[str, Recording]:
    with source.open() as body:
        return {recording.id: recording for recording in read_recordings(body.read())}


def _says_more(new: Mapping[str, Recording], known: Mapping[str, Recording], archived: set[str]) -> bool:
    if (archived & known.keys()) - new.keys():
        return False
    return {name: _with_known_duration(recording, known.get(name)) for name, recording in new.items()} != known


def _with_known_duration(new: Recording, known: Recording | None) -> Recording:
    """The new entry, with the known duration if it has none: the list without media does not give the duration."""
    if known is None or new.duration_ms is not None:
        return new
    return msgspec.structs.replace(new, duration_ms=known.duration_ms)
