"""K8, damaged archives and text that harms a terminal."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.field.case import Verdict, case
from tests.field.documents import LEG, sentence, speech
from tests.field.k1_archives import contents
from tests.field.world import World

AGO = 30 * 86_400


def _archive(world: World, calls: int = 4) -> list[str]:
    """An honest archive of so many calls; their ids."""
    platform = world.platform()
    for call in platform.ids[:calls]:
        world.cli("get", call, "--to", "archive", "--quiet")
    return platform.ids[:calls]


def _link(world: World, name: str) -> Path:
    """Something of somebody else's, and a link to it where the archive expects a folder."""
    world.file("outside/000001.json", "somebody else's")
    old = world.folder.stat().st_mtime - AGO
    os.utime(world.folder / "outside/000001.json", (old, old))
    place = world.folder / "archive" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_dir():
        place.rename(world.folder / "moved-away")
    place.symlink_to(world.folder / "outside", target_is_directory=True)
    return world.folder / "outside"


@case(
    "K8 severity 3",
    "archive",
    "raw/CALL is a link to a folder elsewhere; erase",
    "nothing behind the link is deleted; verify finds it",
)
def erase_behind_a_link(world: World) -> Verdict:
    call = _archive(world, 1)[0]
    outside = _link(world, f"raw/{call}")
    before = contents(outside)
    verify = world.cli("verify", "archive")
    ran = world.cli("erase", "archive", "--conversation", call, "--yes")
    ok = contents(outside) == before and verify.code == 3
    return Verdict(
        ok, f"verify {verify.code}, erase {ran.code}; behind the link {len(contents(outside))} of {len(before)}"
    )


@case(
    "K8 severity 3",
    "archive",
    "_turnkeeper/incoming is a link to a folder elsewhere; any verb",
    "nothing behind the link is swept",
)
def sweep_behind_a_link(world: World) -> Verdict:
    call = _archive(world, 1)[0]
    outside = _link(world, "_turnkeeper/incoming")
    for name in ("host.1.0123456789abcdef", f"{os.uname().nodename}.999999.0123456789abcdef"):
        world.file(f"outside/{name}", "mine")
        os.utime(outside / name, (1, 1))
    before = contents(outside)
    codes = [world.cli("get", call, "--to", "archive", "--quiet").code, world.export().code]
    safe = contents(outside) == before and call in world.archived()
    return Verdict(safe, f"exits {codes}; {len(contents(outside))} of {len(before)} left")


@case("K8 severity 3", "archive", "manifests/CALL is a link to another archive's", "never followed; found by verify")
def linked_manifests(world: World) -> Verdict:
    first, second = _archive(world, 2)
    place = world.folder / "archive/manifests" / first
    other = world.folder / "elsewhere"
    place.rename(other)
    place.symlink_to(other, target_is_directory=True)
    verify = world.cli("verify", "archive")
    turns = world.cli("turns", "archive")
    return Verdict(
        verify.code == 3 and {one["conversation"] for one in turns.turns} >= {second}, f"verify {verify.now[:90]}"
    )


def _heals(world: World, spoil: str) -> Verdict:
    call = _archive(world, 1)[0]
    for path in (world.folder / "archive/raw" / call).rglob("*.json"):
        path.unlink() if spoil == "missing" else path.write_bytes(b"changed")
    red = world.cli("verify", "archive").code
    world.cli("get", call, "--to", "archive", "--quiet")
    green = world.cli("verify", "archive")
    return Verdict(red == 3 and green.code == 0, f"verify {red}, after get again {green.now[:110]}")


@case("K8 severity 3", "archive", "an input is missing in raw/; get again", "healed: verify is green")
def missing_input(world: World) -> Verdict:
    return _heals(world, "missing")


@case("K8 severity 3", "archive", "an input is changed in raw/; get again", "healed: verify is green")
def changed_input(world: World) -> Verdict:
    return _heals(world, "changed")


def _one_bad_manifest(world: World, bad: str | bytes) -> Verdict:
    """turns, report and reread give the other three, and a finding."""
    calls = _archive(world)
    path = world.folder / "archive/manifests" / calls[0] / "000001.json"
    document = path.read_text()
    if bad == "truncated":
        path.write_text(document[: len(document) // 2])
    elif bad == "newer":
        path.write_text(
            document.replace("turnkeeper.manifest/1", "turnkeeper.manifest/9").replace(
                "turnkeeper.manifest/2", "turnkeeper.manifest/9"
            )
        )
    else:
        told = json.loads(document)
        told["inputs"][0]["key"] = told["views"][0]["key"] = "../../etc/passwd"
        path.write_text(json.dumps(told))
    turns = world.cli("turns", "archive")
    report = world.cli("report", "archive", "--out", "pages")
    reread = world.cli("reread", "archive", "--all")
    given = {one["conversation"] for one in turns.turns}
    pages = [call for call in calls[1:] if any(call in path.name for path in (world.folder / "pages").rglob("*.html"))]
    codes = [turns.code, report.code, reread.code]
    said = all(calls[0] in one.err + one.out for one in (turns, report, reread))
    ok = given >= set(calls[1:]) and len(pages) == 3 and codes == [3, 3, 3] and said
    return Verdict(
        ok,
        f"exits {codes}; turns of {len(given)}, pages of {len(pages)} of 3; named {said}: {report.now[:60]}",
    )


OTHERS = "the other three, and a finding that names the call"


@case("K8 severity 3", "archive", "one manifest of four is cut off", OTHERS)
def truncated_manifest(world: World) -> Verdict:
    return _one_bad_manifest(world, "truncated")


@case("K8 severity 3", "archive", "one manifest of four is of a newer version", OTHERS)
def newer_manifest(world: World) -> Verdict:
    return _one_bad_manifest(world, "newer")


@case("K8 severity 3", "archive", "one manifest of four holds the key ../../etc/passwd", OTHERS)
def climbing_key(world: World) -> Verdict:
    return _one_bad_manifest(world, "climbing")


@case("K8 severity 2", "archive", "a manifest that names another conversation", "found at once by verify and turns")
def swapped_manifest(world: World) -> Verdict:
    first, second = _archive(world, 2)
    folder = world.folder / "archive/manifests"
    (folder / first / "000001.json").write_bytes((folder / second / "000001.json").read_bytes())
    verify, turns = world.cli("verify", "archive"), world.cli("turns", "archive")
    ok = verify.code == 3 and turns.code == 3 and first in turns.err and first in verify.out + verify.err
    return Verdict(ok, f"verify {verify.code}, turns {turns.now[:100]}")


@case(
    "K8 severity 2",
    "archive",
    "two calls in one folder whose ids differ only by case",
    "the second never takes over the first",
)
def ids_by_case(world: World) -> Verdict:
    first = _archive(world, 1)[0]
    folder = world.folder / "archive/manifests"
    (folder / first).rename(folder / first.upper())
    verify, turns = world.cli("verify", "archive"), world.cli("turns", "archive")
    return Verdict(verify.code == 3 and turns.code == 3, f"verify {verify.code}, turns {turns.now[:110]}")


HARM = "\x1b]0;owned\x07\x1b[31mred\x00\u202eover\u2066isolate"


@case(
    "K8 severity 2",
    "reading",
    "`turns --format csv` of text with ESC, BEL, NUL and bidi overrides",
    "escaped as in the other formats",
)
def csv_escapes(world: World) -> Verdict:
    document = speech(1)
    document["transcripts"][0]["phrases"][0]["text"] = HARM
    ran = world.turns(document, "--format", "csv")
    raw = [f"{ord(one):#x}" for one in "\x1b\x07\x00\u202e\u2066" if one in ran.out]
    return Verdict(ran.code == 0 and not raw and "owned" in ran.out, f"exit {ran.code}, raw: {raw or 'none'}")


@case("K8 severity 2", "sound", "calls.csv of a report whose names hold ESC, BEL and bidi overrides", "escaped")
def calls_csv_escapes(world: World) -> Verdict:
    def change(request: object, answer: object) -> None:
        body = getattr(answer, "body", b"")
        if b'"name"' in body or b'"participantName"' in body:
            spoilt = body.replace(b'"name": "', b'"name":"').replace(b'"name":"', b'"name":"\\u001b[31m\\u0007\\u202e')
            spoilt = spoilt.replace(b'"participantName": "', b'"participantName":"')
            answer.body = spoilt.replace(b'"participantName":"', b'"participantName":"\\u001b[31m\\u202e')  # type: ignore[attr-defined]

    world.platform(change=change)
    world.export()
    ran = world.cli("report", "archive", "--out", "pages")
    text = (world.folder / "pages/calls.csv").read_text()
    raw = [f"{ord(one):#x}" for one in "\x1b\x07\u202e" if one in text]
    return Verdict(ran.code == 0 and not raw and text.count("\n") > 3, f"exit {ran.code}, raw: {raw or 'none'}")


def _legacy(world: World, spoil: bytes) -> Verdict:
    raw = json.dumps(
        {"turns": [{"speaker_id": "agent", "text": sentence(at), "start": at} for at in range(3)]}
    ).encode()
    ran = world.turns(raw.replace(b'"speaker_id"', spoil, 1))
    kept = ran.texts == [sentence(at) for at in range(3)]
    return Verdict((ran.code == 3 and bool(ran.err.strip())) or (ran.code == 0 and kept), ran.now)


@case(
    "K8 severity 2",
    "reading",
    'a byte that is no UTF-8 in a key of a legacy document (`"\\x89peaker_id"`)',
    "Unread, exit 3",
)
def legacy_damage_in_key(world: World) -> Verdict:
    return _legacy(world, b'"\x89peaker_id"')


@case("K8 severity 2", "reading", "the same in a field that nobody asks for", "the turns, or Unread")
def legacy_damage_in_needless(world: World) -> Verdict:
    return _legacy(world, b'"note":"\xff\xfe","speaker_id"')


@case("K8 severity 2", "reading", "the same within a text of a legacy document", "Unread, or the turn with defects")
def legacy_damage_in_text(world: World) -> Verdict:
    return _legacy(world, b'"text":"\xff\xfe","speaker_id"')


@case("K8 severity 2", "reading", "the same in a document of speech, in its head", "read (metadata), or Unread")
def speech_damage_in_head(world: World) -> Verdict:
    raw = json.dumps(speech(3)).encode().replace(LEG.encode(), b"\x89" + LEG.encode())
    ran = world.turns(raw)
    return Verdict((ran.code == 3 and bool(ran.err.strip())) or len(ran.turns) == 3, ran.now)
