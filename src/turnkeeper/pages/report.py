"""Write reports: one call as a single HTML file, or many calls as a folder to share. Each report is one audit line."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec

from turnkeeper.archive import metadata
from turnkeeper.archive.archive import Archive
from turnkeeper.archive.manifest import Manifest
from turnkeeper.atomic_file import output_path
from turnkeeper.display import html_table, one_line
from turnkeeper.errors import Misconfigured, NotFound, Skippable, StoreRefused, Unread
from turnkeeper.events import Listener, Paged, silent
from turnkeeper.ids import check_id
from turnkeeper.pages.assets import PageTemplate, assets, page_template
from turnkeeper.pages.call import CallPage, find_gaps, read_call
from turnkeeper.pages.call_list import ListedCall, write_assets, write_csv, write_index
from turnkeeper.pages.call_names import CallNames, call_facts
from turnkeeper.pages.page import AudioPlacement, audio_file_name, write_page
from turnkeeper.pages.page_data import CallFacts, Gap, PageData, PageRecording
from turnkeeper.pages.period import Period
from turnkeeper.pages.report_journal import JOURNAL_NAME, JournalEntry, ReportJournal

__all__ = ["Report", "report"]

FORMAT = "turnkeeper.page/3"


@dataclass
class Report:
    """The result of ``report``. ``path`` is the file to open.

    ``written`` pages are new, ``kept`` ones were unchanged, ``removed`` ones belonged to calls that are gone or out of
    range. ``without_page`` maps the id of each call that has no page to the reason. ``notes`` are remarks for a person.
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
        """Add a note. An empty one is ignored."""
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
    """Write one conversation as a single HTML file ``out``, or without ``conversation`` a folder with a list of calls.

    The folder holds ``index.html``, ``calls.csv`` and a page per call that started at ``since`` or later and before
    ``until`` (naive times are UTC). A second run writes only the pages whose call changed, and removes those of calls
    that are no longer in the archive or the range. ``embed`` puts audio into the pages instead of beside them; by
    default a single file has it inside and a folder has it beside. ``listener`` receives a ``Paged`` event per call.

    One line is added to the archive's audit before any page is written. If the archive is read-only, there is no line,
    and a note says so.

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
    output_path(target)
    if target.is_dir():
        hint = "Name a file: --out call.html."
        raise StoreRefused("is a folder", operation="write the report", key=str(target), hint=hint)
    folder = f"{target.stem}-audio"
    placement = AudioPlacement(embed, target.parent / folder, f"{folder}/")
    call, template = read_call(archive, manifest, CallNames(archive)), page_template("call")
    result = Report(target, calls=1, written=1)
    result.remark(archive.audit.record_reading("view", conversations=[conversation]))
    write_page(archive, call, template, target, placement, inputs=_inputs_hash(manifest, template, embed=embed))
    return result


class _FolderReport:
    """Writes or updates one report folder."""

    def __init__(self, archive: Archive, folder: Path, *, embed: bool, listener: Listener) -> None:
        self._archive, self._folder, self._embed, self._listener = archive, folder, embed, listener
        self._call_names = CallNames(archive)
        self._page, self._index = page_template("folder/call"), page_template("folder/index")
        self._assets = folder / "assets"
        self._placement = AudioPlacement(embed, folder / "calls" / "audio", "audio/")

    def make(self, since: datetime | None, until: datetime | None) -> Report:
        journal = self._open_journal()
        result = Report(self._folder / "index.html")
        # A call whose manifest cannot be read has no start. It must not be taken for one outside the range, so
        # ``_start_of`` notes it in ``result``.
        conversations = list(
            Period(since, until).conversations(self._archive, lambda name: self._start_of(name, result))
        )
        limits = {name: moment.isoformat() for name, moment in (("since", since), ("until", until)) if moment}
        audit = self._archive.audit
        result.remark(audit.record_reading("report", conversations=conversations, calls=len(conversations), **limits))
        with journal:
            write_assets(self._assets)
            reported = set()
            for place, conversation in enumerate(conversations):
                self._listener(Paged(conversation=conversation, done=place, calls=len(conversations)))
                if manifest := self._read_manifest(conversation, result):
                    self._make_page(manifest, journal, result)
                elif conversation in result.without_page:
                    self._list_damaged(conversation, journal, result)
                else:
                    continue  # it was erased while the report was made
                reported.add(conversation)
            result.calls = len(reported)
            self._sweep(reported, journal, result)
            entries = [journal.entries[conversation].listed for conversation in sorted(journal.entries)]
            entries.sort(key=lambda call: (-(call.facts.start or 0), call.conversation))
            write_index(entries, self._index, result.path)
            write_csv(entries, self._folder / "calls.csv")
            journal.rewrite()
        self._listener(Paged(done=len(conversations), calls=len(conversations)))
        return result

    def _read_manifest(self, conversation: str, result: Report | None = None) -> Manifest | None:
        """Return the current manifest. If it cannot be read, note that its call has no page."""
        try:
            return self._archive.manifest(conversation)
        except Skippable as cause:
            if result is not None:
                result.without_page[conversation] = cause.message
            return None

    def _start_of(self, conversation: str, result: Report) -> int | None:
        """Return when a call began, in epoch milliseconds: from its details, else from its transcript."""
        manifest = self._read_manifest(conversation, result)
        if manifest is None:
            return None
        details = self._call_names.details(manifest)
        if details and details.start is not None:
            return details.start
        if manifest.unread:
            return None
        return read_call(self._archive, manifest, self._call_names).data.facts.start

    def _make_page(self, manifest: Manifest, journal: ReportJournal, result: Report) -> None:
        conversation = manifest.conversation
        inputs = _inputs_hash(manifest, self._page, embed=self._embed)
        known = journal.entries.get(conversation)
        path = self._page_path(conversation)
        # Somebody may have deleted the page: then it is made again.
        if known and known.inputs == inputs and path.exists() == known.listed.page:
            result.kept += 1
            if not known.listed.page:
                result.without_page[conversation] = "; ".join(map(str, known.listed.missing))
            return
        try:
            if manifest.unread:
                raise Unread(manifest.unread.message, operation="report", key=conversation)
            call = read_call(self._archive, manifest, self._call_names)
            write_page(self._archive, call, self._page, path, self._placement, inputs=inputs, home="../index.html")
        except Skippable as cause:
            path.unlink(missing_ok=True)
            result.without_page[conversation] = cause.message
            journal.add(JournalEntry(inputs=inputs, listed=self._entry_without_page(manifest, cause)))
            return
        audio = [] if self._embed else [audio_file_name(key) for sound in call.audio for key in sound.audio]
        journal.add(JournalEntry(inputs=inputs, audio=audio, listed=_list_entry(call)))
        result.written += 1

    def _list_damaged(self, conversation: str, journal: ReportJournal, result: Report) -> None:
        """List a call whose manifest cannot be read, with the reason.

        Its entry has no hash of inputs, so the next report tries again.
        """
        self._page_path(conversation).unlink(missing_ok=True)
        reason = result.without_page[conversation]
        bare = ListedCall(
            conversation=conversation,
            facts=CallFacts(),
            missing=[Gap("The call's record cannot be read", reason)],
            page=False,
        )
        journal.add(JournalEntry(inputs="", listed=bare))

    def _entry_without_page(self, manifest: Manifest, cause: Skippable) -> ListedCall:
        """Return the list entry of a call that has no page, with the reason."""
        details = self._call_names.details(manifest)
        facts = call_facts(None, details, self._call_names.names_for(manifest))
        gaps = find_gaps(manifest, has_audio=True)
        return ListedCall(
            conversation=manifest.conversation,
            facts=facts if details else CallFacts(),
            missing=gaps if manifest.unread else [*gaps, Gap("The page could not be made", cause.message)],
            page=False,
        )

    def _sweep(self, reported: set[str], journal: ReportJournal, result: Report) -> None:
        """Remove pages of calls that were erased or are out of range, and files that no page loads."""
        # A page can be without an entry: its line was cut off by a crash, or another version wrote other fields.
        pages = {path.stem for path in (self._folder / "calls").glob("*.html")}
        for conversation in (pages | journal.entries.keys()) - reported:
            (self._folder / "calls" / f"{conversation}.html").unlink(missing_ok=True)
            journal.drop(conversation)
            result.removed += 1
        _keep_only(self._placement.folder, {name for entry in journal.entries.values() for name in entry.audio})
        _keep_only(self._assets, set(assets()))

    def _page_path(self, conversation: str) -> Path:
        return self._folder / "calls" / f"{check_id(conversation)}.html"

    def _open_journal(self) -> ReportJournal:
        """Open the folder's journal.

        Raises ``Misconfigured`` if the folder holds foreign files, lies in an archive, or is another archive's report.
        """
        # Refuses a folder inside an archive before anything is created there.
        output_path(self._folder / "index.html")
        note = metadata.read_metadata(self._archive.store)
        identity = note.id if note and note.id else self._archive.url
        self._refuse_foreign_folder()
        owner = hashlib.sha256(identity.encode()).hexdigest()
        journal = ReportJournal(self._folder, owner)
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
            self._folder.is_dir() and any(self._folder.iterdir()) and not (self._folder / JOURNAL_NAME).exists()
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
    data = call.data
    verdicts = [_list_verdict(data, recording) for recording in data.recordings]
    order = ("incomplete", "mismatch", "unmeasured", "unverified", "differs", "corrected", "remarked", "verified")
    return ListedCall(
        conversation=data.conversation,
        facts=data.facts,
        seconds=data.length / 1000,
        turns=data.summary.total_turns,
        confidence=data.summary.avg_confidence if data.summary.turns_with_confidence else None,
        verdict=next((each for each in order if each in verdicts), ""),
        missing=data.missing,
    )


def _list_verdict(data: PageData, recording: PageRecording) -> str:
    """Return the verdict that the list shows for a recording.

    Missing sound is more important than what was measured on the rest. A recording is not called verified if there is
    a remark about its file, or if turns lie outside it.
    """
    if recording.incomplete:
        return "incomplete"
    sync = recording.sync or {}
    measured = str(sync.get("verdict", "unmeasured"))
    if measured == "corrected" and not sync.get("applied"):
        return "differs"
    outside = any("outside" in turn.flags for turn in data.turns)
    return "remarked" if measured == "verified" and (recording.notes or outside) else measured


def _inputs_hash(manifest: Manifest, page: PageTemplate, *, embed: bool) -> str:
    """Return a hash of everything that a page is made from. The manifest holds the hash of each object."""
    sums = sorted([item.sha256 for item in manifest.inputs] + [view.sha256 for view in manifest.views])
    parts = (FORMAT, page.version, embed, manifest.generation, manifest.archived_at, manifest.producer, sums)
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()
