"""K1, success that lost everything: verbs, addresses and archives."""

from __future__ import annotations

import hashlib
import json
import shlex
from pathlib import Path

from tests.field.case import Verdict, case
from tests.field.world import World

NOBODY = "11111111-1111-4111-8111-111111111111"


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder with the hash of what is in it."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _two_addresses(world: World, first: str, second: str) -> Verdict:
    """``get`` of two calls into two addresses: both refused, or each archive holds its own call only."""
    platform = world.platform()
    runs = [
        world.cli("get", call, "--to", to, "--quiet")
        for call, to in zip(platform.ids[:2], (first, second), strict=True)
    ]
    places = [path for path in world.folder.rglob("manifests") if path.is_dir()]
    each = [sorted(one.name for one in place.iterdir()) for place in places]
    refused = [ran.code for ran in runs] == [2, 2] and not places
    own = [ran.code for ran in runs] == [0, 0] and sorted(each) == sorted([[one] for one in platform.ids[:2]])
    named = refused or all(place.parent.name in (first + second) for place in places)
    return Verdict((refused or own) and named, f"exits {[ran.code for ran in runs]}; {[p.parent.name for p in places]}")


@case("K1", "archive", '--to "file://…/Queue #1", then #2', "the address as written, or refused")
def hash_in_file_address(world: World) -> Verdict:
    base = world.folder / "calls"
    return _two_addresses(world, f"file://{base}/Queue #1", f"file://{base}/Queue #2")


@case("K1", "archive", '--to "file://…/a?x=1", then ?x=2', "the address as written, or refused")
def query_in_file_address(world: World) -> Verdict:
    base = world.folder / "calls"
    return _two_addresses(world, f"file://{base}/a?x=1", f"file://{base}/a?x=2")


@case("K1", "archive", 'a folder called "Queue #1", then #2', "the address as written")
def hash_in_folder(world: World) -> Verdict:
    return _two_addresses(world, "Queue #1", "Queue #2")


@case("K1", "runs", "export --ids with an id nobody knows", "the platform knows no such conversation, exit 3")
def unknown_id(world: World) -> Verdict:
    platform = world.platform()
    ids = world.file("ids.txt", f"{platform.ids[0]}\n{NOBODY}\n")
    ran = world.cli("export", "--to", "archive", "--ids", ids, "--quiet")
    told = NOBODY in ran.out + ran.err
    return Verdict(ran.code == 3 and told and platform.ids[0] in world.archived(), ran.now)


@case("K1", "runs", "export --queue with a queue's name", "the name is resolved, or refused with exit 2")
def queue_by_name(world: World) -> Verdict:
    world.platform()
    ran = world.export("--queue", "Billing")
    resolved = ran.code == 0 and ran.json.get("found", 0) > 0
    return Verdict(resolved or (ran.code == 2 and "queue" in ran.err.lower()), ran.now)


@case(
    "K1",
    "runs",
    "export --queue with a name or id that nobody has",
    "refused, naming it; never 0 found with exit 0",
)
def unknown_queue(world: World) -> Verdict:
    world.platform()
    ran = world.export("--queue", "NoSuchQueue")
    return Verdict(ran.code in (2, 3) and "NoSuchQueue" in ran.err, ran.now)


@case("K1", "runs", "demo --folder A_REAL_ARCHIVE", "refused, exit 2; archive and report untouched")
def demo_over_an_archive(world: World) -> Verdict:
    platform = world.platform()
    world.cli("get", platform.ids[0], "--to", "archive", "--quiet")
    world.file("archive-report/index.html", "my own page")
    before = contents(world.folder / "archive"), contents(world.folder / "archive-report")
    ran = world.cli("demo", "--folder", "archive", timeout=45)
    after = contents(world.folder / "archive"), contents(world.folder / "archive-report")
    ok = ran.code == 2 and before == after and bool(before[0])
    return Verdict(ok, f"{ran.now}; {'untouched' if before == after else 'CHANGED'}")


@case("K1", "runs", "demo --folder with files of somebody's own", "refused, exit 2; the files untouched")
def demo_over_a_folder(world: World) -> Verdict:
    world.file("mine/letter.txt", "dear")
    before = contents(world.folder / "mine")
    ran = world.cli("demo", "--folder", "mine", timeout=45)
    return Verdict(ran.code == 2 and contents(world.folder / "mine") == before, ran.now)


@case("K1", "runs", "demo beside an ordinary folder called like its report", "the folder is not replaced")
def demo_beside_a_report(world: World) -> Verdict:
    world.file("fresh-report/letter.txt", "dear")
    before = contents(world.folder / "fresh-report")
    ran = world.cli("demo", "--folder", "fresh", timeout=45)
    kept = contents(world.folder / "fresh-report") == before
    return Verdict(ran.code == 2 and kept, f"{ran.now[:60]}; {'untouched' if kept else 'REPLACED'}")


@case("K1", "runs", "get, export, get of one unchanged call", "one generation")
def one_generation(world: World) -> Verdict:
    platform = world.platform()
    call = platform.ids[0]
    codes = [world.cli("get", call, "--to", "archive", "--quiet").code, world.export().code]
    codes.append(world.cli("get", call, "--to", "archive", "--quiet").code)
    generations = [one for one in world.manifests() if one.startswith(call)]
    return Verdict(
        codes == [0, 0, 0] and generations == [f"{call}/000001"], f"exits {codes}, generations {len(generations)}"
    )


@case("K1", "runs", "export, get, export of one unchanged call", "one generation")
def one_generation_export_first(world: World) -> Verdict:
    platform = world.platform()
    call = platform.ids[1]
    codes = [world.export().code, world.cli("get", call, "--to", "archive", "--quiet").code, world.export().code]
    generations = [one for one in world.manifests() if one.startswith(call)]
    return Verdict(codes == [0, 0, 0] and len(generations) == 1, f"exits {codes}, generations {len(generations)}")


@case("K1", "runs", "status of an archive that get made", "counts, or “no export has run here”")
def status_after_get(world: World) -> Verdict:
    platform = world.platform()
    world.cli("get", platform.ids[0], "--to", "archive", "--quiet")
    ran = world.cli("status", "archive", "--no-ask")
    facts = json.loads(world.cli("status", "archive", "--no-ask", "--json").out)
    counted = facts.get("done") == 1 or facts.get("transcripts") == 1
    return Verdict(
        counted or "no export has run" in (ran.out + ran.err).lower(), f"exit {ran.code}, done {facts.get('done')}"
    )


@case("K1", "reading", "turns ARCHIVE --conversation UNKNOWN", "a sentence, exit 3")
def unknown_interaction(world: World) -> Verdict:
    platform = world.platform()
    world.cli("get", platform.ids[0], "--to", "archive", "--quiet")
    ran = world.cli("turns", "archive", "--conversation", NOBODY)
    return Verdict(ran.code == 3 and NOBODY in ran.err, ran.now)


@case("K1", "reading", "the same with one that is known beside it", "its turns, a sentence for the other, exit 3")
def unknown_beside_known(world: World) -> Verdict:
    platform = world.platform()
    world.cli("get", platform.ids[0], "--to", "archive", "--quiet")
    ran = world.cli("turns", "archive", "--conversation", NOBODY, "--conversation", platform.ids[0])
    return Verdict(ran.code == 3 and NOBODY in ran.err and bool(ran.turns), ran.now)


@case(
    "K1",
    "runs",
    "get without audio",
    "no aligned_turns, or where the samples are stored, or the command that gives them",
)
def aligned_without_audio(world: World) -> Verdict:
    platform = world.platform()
    document = world.cli("get", platform.ids[0], "--to", "archive", "--quiet").json
    claimed = document.get("aligned_turns", 0)
    place = document.get("alignment") or {}
    stored = [path for path in (world.folder / "archive").rglob("*") if path.is_file() and "align" in str(path)]
    command = shlex.split(place.get("computed_by", ""))
    sampled = [one for one in world.cli(*command[1:]).turns if "start_sample" in one] if command else []
    ok = bool(document["total_turns"]) and (not claimed or bool(stored) or len(sampled) == claimed)
    return Verdict(ok, f"aligned_turns {claimed}, {len(stored)} alignments stored, {len(sampled)} turns with samples")
