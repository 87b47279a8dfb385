"""``report``: pages over an archive, one call as a file or many as a folder to share. Its reading is audited."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec

from turnkeeper.archive import metadata
from turnkeeper.archive.archive import Archive
from turnkeeper.archive.manifest import Manifest
from turnkeeper.atomic_file import outfile
from turnkeeper.display import html_table, one_line
from turnkeeper.errors import Misconfigured, NotFound, Skippable, StoreRefused, Unread
from turnkeeper.events import Listener, Paged, silent
from turnkeeper.ids import check_id
from turnkeeper.pages.assets import Shell, assets, shell
from turnkeeper.pages.call import CallPage, missing, read_call
from turnkeeper.pages.call_list import ListedCall, write_assets, write_csv, write_index
from turnkeeper.pages.call_names import CallNames, facts
from turnkeeper.pages.page import Placing, beside, write_page
from turnkeeper.pages.page_data import CallFacts, Gap, PageCall, PageRecording
from turnkeeper.pages.period import Period
from turnkeeper.pages.report_journal import NAME, Entry, Journal

__all__ = ["Report", "report"]

FORMAT = "turnkeeper.page/3"


@dataclass
class Report:
    """What was made. ``path`` is what to open; pages are counted as ``written`` now, ``kept`` from before, ``removed``.

    ``without_page`` says of each call that has none why; ``notes`` what else a person should know.
    """

    __repr__ = one_line
    _repr_html_ = html_table

    path: Path
    calls: int = 0
    written: int = 0
    kept: int = 0
    removed: int = 0
    without_page: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def remark(self, note: str) -> None:
        """Add a note, where there is anything to say."""
        self.notes += [note] if note else []


def report(
    archive: Archive | str,
    conversation: str | None = None,
    *,
    out: Path | str,
    since: datetime | None = None,
    until: datetime | None = None,
    embed: bool | None = None,
    listener: Listener = silent,
) -> Report:
    """One conversation as a single HTML file ``out``; without ``conversation``, a folder ``out`` with a list of calls.

    The folder holds ``index.html``, ``calls.csv`` and a page per call that started at ``since`` or later and before
    ``until`` (naive times are UTC). Making it again writes only pages whose call changed, and removes those of calls
    that are no longer in the archive or the range. ``embed`` puts audio into the pages instead of beside them; unless
    told otherwise a single file has it inside and a folder beside. ``listener`` hears how far a folder is (``Paged``).

    The archive's audit gets one line, whatever the number of pages, before they are written; of an archive that cannot
    be written a note says that there is none.

    Raises ``NotFound`` or ``Unread`` for a conversation without a transcript that can be read, ``StoreRefused``
    where ``out`` is a folder, ``DiskFull`` where there is no room, ``Misconfigured`` where it cannot be written, is a
    device, a pipe, inside an archive or another archive's report, or where the pages are not built.
    """
    opened = Archive(archive) if isinstance(archive, str) else archive
    target = Path(out)
    if conversation is not None:
        return _single_page(opened, check_id(conversation), target, embed=embed is not False)
    return _FolderReport(opened, target, embed=bool(embed), listener=listener).make(since, until)


def _single_page(archive: Archive, conversation: str, target: Path, *, embed: bool) -> Report:
    manifest = archive.manifest(conversation)
    if manifest is None:
        raise NotFound("not in the archive", operation="report", key=conversation)
    if manifest.unread:
        hint = "After an upgrade that knows its shape, run turnkeeper reread."
        said = f"kept, but it cannot be read: {manifest.unread.message}"
        raise Unread(said, operation="report", key=conversation, hint=hint)
    outfile(target)
    if target.is_dir():
        hint = "Name a file: --out call.html."
        raise StoreRefused("is a folder", operation="write the report", key=str(target), hint=hint)
    folder = f"{target.stem}-audio"
    placing = Placing(embed, target.parent / folder, f"{folder}/")
    call, built = read_call(archive, manifest, CallNames(archive)), shell("call")
    made = Report(target, calls=1, written=1)
    made.remark(archive.audit.record_reading("view", conversations=[conversation]))
    write_page(archive, call, built, target, placing, inputs=_inputs_hash(manifest, built, embed=embed))
    return made


class _FolderReport:
    """A report folder in the making."""

    def __init__(self, archive: Archive, folder: Path, *, embed: bool, listener: Listener) -> None:
        self._archive, self._folder, self._embed, self._listener = archive, folder, embed, listener
        self._naming = CallNames(archive)
        self._page, self._index = shell("folder/call"), shell("folder/index")
        self._assets = folder / "assets"
        self._placing = Placing(embed, folder / "calls" / "audio", "audio/")

    def make(self, since: datetime | None, until: datetime | None) -> Report:
        journal = self._open_journal()
        made = Report(self._folder / "index.html")
        # A call whose manifest cannot be read has no start, so it is named and not taken for one outside the range.
        wanted = list(Period(since, until).conversations(self._archive, lambda name: self._start_of(name, made)))
        facts = {name: moment.isoformat() for name, moment in (("since", since), ("until", until)) if moment}
        audit = self._archive.audit
        made.remark(audit.record_reading("report", conversations=wanted, calls=len(wanted), **facts))
        with journal:
            write_assets(self._assets)
            seen = set()
            for place, conversation in enumerate(wanted):
                self._listener(Paged(conversation=conversation, done=place, calls=len(wanted)))
                if manifest := self._read_manifest(conversation, made):
                    self._make_page(manifest, journal, made)
                elif conversation in made.without_page:
                    self._list_damaged(conversation, journal, made)
                else:
                    continue  # it was erased while the report was made
                seen.add(conversation)
            made.calls = len(seen)
            self._sweep(seen, journal, made)
            entries = [journal.entries[conversation].listed for conversation in sorted(journal.entries)]
            entries.sort(key=lambda call: (-(call.facts.start or 0), call.conversation))
            write_index(entries, self._index, made.path)
            write_csv(entries, self._folder / "calls.csv")
            journal.rewrite()
        self._listener(Paged(done=len(wanted), calls=len(wanted)))
        return made

    def _read_manifest(self, conversation: str, made: Report | None = None) -> Manifest | None:
        """The current generation. One that cannot be read costs its own page, and that is said."""
        try:
            return self._archive.manifest(conversation)
        except Skippable as cause:
            if made is not None:
                made.without_page[conversation] = cause.message
            return None

    def _start_of(self, conversation: str, made: Report) -> int | None:
        """When a call began, epoch milliseconds: by its details, else by its transcript."""
        manifest = self._read_manifest(conversation, made)
        if manifest is None:
            return None
        details = self._naming.details(manifest)
        if details and details.start is not None:
            return details.start
        if manifest.unread:
            return None
        return read_call(self._archive, manifest, self._naming).page.facts.start

    def _make_page(self, manifest: Manifest, journal: Journal, made: Report) -> None:
        conversation = manifest.conversation
        inputs = _inputs_hash(manifest, self._page, embed=self._embed)
        known = journal.entries.get(conversation)
        path = self._page_path(conversation)
        if known and known.inputs == inputs and path.exists() == known.listed.page:
            made.kept += 1
            if not known.listed.page:
                made.without_page[conversation] = "; ".join(map(str, known.listed.missing))
            return
        try:
            if manifest.unread:
                raise Unread(manifest.unread.message, operation="report", key=conversation)
            call = read_call(self._archive, manifest, self._naming)
            write_page(self._archive, call, self._page, path, self._placing, inputs=inputs, home="../index.html")
        except Skippable as cause:
            path.unlink(missing_ok=True)
            made.without_page[conversation] = cause.message
            journal.add(Entry(inputs=inputs, listed=self._entry_without_page(manifest, cause)))
            return
        audio = [] if self._embed else [beside(key) for sound in call.sounds for key in sound.audio]
        journal.add(Entry(inputs=inputs, audio=audio, listed=_list_entry(call)))
        made.written += 1

    def _list_damaged(self, conversation: str, journal: Journal, made: Report) -> None:
        """A call whose manifest cannot be read stands in the list with the reason, and is looked at again each time."""
        self._page_path(conversation).unlink(missing_ok=True)
        reason = made.without_page[conversation]
        bare = ListedCall(
            conversation=conversation,
            facts=CallFacts(),
            missing=[Gap("The call's record cannot be read", reason)],
            page=False,
        )
        journal.add(Entry(inputs="", listed=bare))

    def _entry_without_page(self, manifest: Manifest, cause: Skippable) -> ListedCall:
        """A call without a page still stands in the list, with the reason."""
        details = self._naming.details(manifest)
        told = facts(None, details, self._naming.of(manifest))
        gaps = missing(manifest, heard=True)
        return ListedCall(
            conversation=manifest.conversation,
            facts=told if details else CallFacts(),
            missing=gaps if manifest.unread else [*gaps, Gap("The page could not be made", cause.message)],
            page=False,
        )

    def _sweep(self, seen: set[str], journal: Journal, made: Report) -> None:
        """What was erased from the archive, or is out of range, leaves the folder; so does what no page loads."""
        # A page may have no entry: the journal's line was torn, or written by a version that knew other fields.
        pages = {path.stem for path in (self._folder / "calls").glob("*.html")}
        for conversation in (pages | journal.entries.keys()) - seen:
            (self._folder / "calls" / f"{conversation}.html").unlink(missing_ok=True)
            journal.drop(conversation)
            made.removed += 1
        _keep_only(self._placing.folder, {name for entry in journal.entries.values() for name in entry.audio})
        _keep_only(self._assets, set(assets()))

    def _page_path(self, conversation: str) -> Path:
        return self._folder / "calls" / f"{check_id(conversation)}.html"

    def _open_journal(self) -> Journal:
        """The folder's journal. Other people's files, an archive and another archive's report are left alone."""
        outfile(self._folder / "index.html")
        note = metadata.read_layout(self._archive.store)
        named = note.id if note and note.id else self._archive.url
        self._refuse_foreign_folder()
        owner = hashlib.sha256(named.encode()).hexdigest()
        journal = Journal(self._folder, owner)
        if journal.owner not in ("", owner):
            raise Misconfigured(
                "is the report of another archive",
                operation="report",
                key=str(self._folder),
                hint="Name a new folder with --out.",
            )
        return journal

    def _refuse_foreign_folder(self) -> None:
        if (self._folder.exists() and not self._folder.is_dir()) or (
            self._folder.is_dir() and any(self._folder.iterdir()) and not (self._folder / NAME).exists()
        ):
            raise Misconfigured(
                "exists and is not a report",
                operation="report",
                key=str(self._folder),
                hint="Name a new folder with --out; for one call name its id as well.",
            )


def _keep_only(folder: Path, names: set[str]) -> None:
    if folder.is_dir():
        for path in folder.iterdir():
            if path.name not in names:
                path.unlink()


def _list_entry(call: CallPage) -> ListedCall:
    page = call.page
    verdicts = [_list_verdict(page, recording) for recording in page.recordings]
    order = ("incomplete", "mismatch", "unmeasured", "unverified", "differs", "corrected", "remarked", "verified")
    return ListedCall(
        conversation=page.conversation,
        facts=page.facts,
        seconds=page.length / 1000,
        turns=page.summary.total_turns,
        confidence=page.summary.avg_confidence if page.summary.turns_with_confidence else None,
        verdict=next((each for each in order if each in verdicts), ""),
        missing=page.missing,
    )


def _list_verdict(page: PageCall, recording: PageRecording) -> str:
    """What the list says of a recording: missing sound before anything that was measured of the rest; and nothing is
    simply in sync where there is a remark about the file, or turns lie outside it."""
    if recording.incomplete:
        return "incomplete"
    sync = recording.sync or {}
    measured = str(sync.get("verdict", "unmeasured"))
    if measured == "corrected" and not sync.get("applied"):
        return "differs"
    outside = any("outside" in turn.flags for turn in page.turns)
    return "remarked" if measured == "verified" and (recording.notes or outside) else measured


def _inputs_hash(manifest: Manifest, page: Shell, *, embed: bool) -> str:
    """A hash of everything a page is made from; the manifest names each object with its own."""
    sums = sorted([taken.sha256 for taken in manifest.inputs] + [view.sha256 for view in manifest.views])
    told = (FORMAT, page.version, embed, manifest.generation, manifest.archived_at, manifest.producer, sums)
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()
