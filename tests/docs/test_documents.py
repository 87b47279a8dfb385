"""Documentation is executed: every command and snippet of README and docs runs here, in the order of its page.

Placeholders are filled in (a conversation of the simulator, a bucket of SeaweedFS); nothing else is changed. The output
that a ``console`` block shows is compared with what its commands print.
"""

from __future__ import annotations

import atexit
import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Platform, credentials
from tests.e2e.test_align import CALLS, FOLDER
from tests.e2e.test_align import transcript as spoken
from tests.unit.audio.sounds import bursts, write_sound
from tests.views import view_path
from turnkeeper.cli.app import VERBS, command_line
from turnkeeper.cli.local_s3 import LocalS3

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
CHECKOUTS = Path(tempfile.mkdtemp(prefix="turnkeeper-checkouts-"))
atexit.register(shutil.rmtree, CHECKOUTS, ignore_errors=True)
LANGUAGES = {"python", "bash", "sh", "console", "json", "toml", "crontab", "ini", "dockerfile", ""}
AT_HOME = ("make ", "python3 -m venv", "python3 -m pip", ".venv/", ". .venv/")
"""Commands of somebody who stands in a checkout."""
INSTALLED = "/opt/turnkeeper/bin/turnkeeper"


@dataclass(frozen=True)
class Block:
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    return [Block(language, text) for language, text in FENCE.findall(page.read_text())]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_snippet_runs(page: Path, platform: Platform, s3: LocalS3, tmp_path: Path) -> None:
    # The first twenty have transcripts that can be read; one comes late.
    running = platform(conversations=20)
    conversation = running.conversation_ids[0]
    env = {**os.environ, **credentials(running, **s3.environment())}
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
    fill = {"CONVERSATION": conversation, "4d3c2b1a-…": conversation, "--port 8080": "--port 0"}
    fill |= {INSTALLED: "turnkeeper"}
    _prepare(tmp_path, env, conversation)
    with ExitStack() as servers:
        for block in blocks(page):
            _run(page, block, fill, env, tmp_path, servers)


def _run(
    page: Path, block: Block, fill: Mapping[str, str], env: dict[str, str], tmp_path: Path, servers: ExitStack
) -> None:
    assert block.language in LANGUAGES, f"{page.name}: nobody runs {block.language} blocks"
    text = _filled(block.text, fill)
    if block.language == "json":
        json.loads(text)
    elif block.language == "toml":
        tomllib.loads(text)
    elif block.language == "python":
        _python(text, env, tmp_path)
    elif block.language == "sh":
        _shell(f"set -eu\n{text}", env, tmp_path)  # a script as a whole
    elif block.language == "dockerfile":
        _container(text)
    elif block.language == "console":
        _session(text, env, tmp_path, servers)
    else:
        for command in _commands(block.language, text):
            _shell(command, env, tmp_path)


def _commands(language: str, text: str) -> list[str]:
    """What a shell, cron or systemd would run of a block; nothing of one without a language."""
    if language == "bash":
        return text.splitlines()
    if language == "crontab":
        return re.findall(r"^(?:\S+ ){5}(.+)$", text, re.M)
    if language == "ini":
        unit = configparser.ConfigParser(strict=False, interpolation=None)
        unit.read_string(text)
        return [unit["Service"]["ExecStart"]] if "Service" in unit else []
    return []


def _container(text: str) -> None:
    """Not built here, since that takes somebody's base image: it names none, and does not stay root."""
    steps = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    assert [what for step, what in steps if step == "FROM"] == ["${BASE}"]
    assert [what for step, what in steps if step == "USER"] not in ([], ["0"], ["root"])
    assert json.loads(dict(steps)["ENTRYPOINT"]) == ["turnkeeper"]


def _prepare(folder: Path, env: dict[str, str], conversation: str) -> None:
    """What pages take for granted: an archive with one call, the call as a file, a profile, something to hear."""
    profile = {"base_url": env["GENESYS_BASE_URL"], "client_id": env["GENESYS_CLIENT_ID"]}
    profile |= {"client_secret_env": "ACME_SECRET", "archive": str(folder / "acme")}
    env |= {"TURNKEEPER_PROFILES": str(folder / "profiles.toml"), "ACME_SECRET": env["GENESYS_CLIENT_SECRET"]}
    lines = [f"{key} = {json.dumps(value)}" for key, value in profile.items()]
    (folder / "profiles.toml").write_text("\n".join(["[acme]", *lines, ""]))
    _shell(f"turnkeeper get {conversation} --to turnkeeper-archive", env, folder)
    shutil.copy(FOLDER / "offset.opus", folder / "support.opus")
    spoken(CALLS["offset"], folder).rename(folder / "support.json")
    shutil.copy(view_path(folder / "turnkeeper-archive", conversation), folder / "call.json")
    (folder / "ids.txt").write_text(f"{conversation}\n")
    sounds = bursts(120)
    write_sound(folder / "call.wav", sounds, subtype="ULAW")
    for name, channel in (("customer.wav", sounds[:1]), ("agent.wav", sounds[1:])):
        write_sound(folder / name, channel, subtype="ULAW")


def _filled(text: str, fill: Mapping[str, str]) -> str:
    for placeholder, value in fill.items():
        text = text.replace(placeholder, value)
    return text


def _python(text: str, env: Mapping[str, str], folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{text}\n{done.stderr}"


def _shell(command: str, env: Mapping[str, str], folder: Path) -> None:
    if not command.strip() or command.startswith("export "):
        return  # credentials: this test has set them already
    if command.startswith("podman build "):
        return  # takes a base image; what it builds is looked at by _container
    if command.startswith("podman run "):
        command = command[command.index(" turnkeeper ") + 1 :]
    if "simulate" in command:
        _served(command, env, folder)
        return
    if "--follow" in command:
        _followed(command, env, folder)
        return
    where = _checkout(folder) if command.startswith(AT_HOME) else folder
    done = subprocess.run(
        ["bash", "-c", command], cwd=where, env=env, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def _session(text: str, env: dict[str, str], folder: Path, servers: ExitStack) -> None:
    """A session at a prompt: each ``$ command`` prints what stands below it, where ``…`` stands for anything."""
    for command, shown in re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", text, re.M):
        if command.startswith("export "):
            continue  # credentials: they are set already
        if command.startswith("turnkeeper simulate "):
            printed = _simulated(command, env, folder, servers)
        else:
            done = subprocess.run(
                ["bash", "-c", f"exec 2>&1; {command}"],
                cwd=folder,
                env={**env, "PYTHONUNBUFFERED": "1"},  # as at a prompt, where both streams appear in order
                capture_output=True,
                text=True,
                timeout=120,
            )
            code = re.search(r"# .*exit code (\d)", command)
            assert done.returncode == int(code[1] if code else 0), f"{command}\n{done.stdout}"
            printed = done.stdout
        pattern = ".*".join(map(re.escape, shown.strip().split("…")))
        assert re.fullmatch(pattern, printed.strip(), re.S), f"{command}\n{printed}\nis not\n{shown}"


def _simulated(command: str, env: dict[str, str], folder: Path, servers: ExitStack) -> str:
    """A simulator that runs to the end of the page: the commands after it talk to it. Returns the line it printed."""
    start = ["bash", "-c", f"exec {command}"]
    process = servers.enter_context(subprocess.Popen(start, cwd=folder, env=env, stdout=subprocess.PIPE, text=True))
    servers.callback(process.terminate)
    assert process.stdout is not None
    line = process.stdout.readline()
    ready = json.loads(line)
    env |= {f"GENESYS_{name.upper()}": ready[name] for name in ("base_url", "client_id", "client_secret")}
    env.pop("TURNKEEPER_CLOCK_URL")
    return line


def _served(command: str, env: Mapping[str, str], folder: Path) -> None:
    """A server: it must print its line when it is ready, and stop when it is told to."""
    start = ["bash", "-c", f"exec {command}"]
    with subprocess.Popen(start, cwd=folder, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert "base_url" in json.loads(process.stdout.readline())
        finally:
            process.terminate()
            assert process.wait(timeout=20) == 0


def _followed(command: str, env: Mapping[str, str], folder: Path) -> None:
    """A service: events (asked for here, to see them) say that it works, and it ends when it is told to."""
    start = ["bash", "-c", f"exec {command} --json"]
    with subprocess.Popen(
        start, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        try:
            assert "event" in json.loads(process.stderr.readline())
        finally:
            process.terminate()
            out, _ = process.communicate(timeout=60)
        assert (process.returncode, json.loads(out)["ended"]) == (130, "interrupted")


def _checkout(folder: Path) -> Path:
    """A clean copy of this checkout, as a new user would have it: no venv, no leftovers.

    It stands apart from the suite's output, which is scanned for secrets: third-party code spells some.
    """
    copy = CHECKOUTS / folder.name
    if not copy.exists():
        tracked = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        for name in tracked.stdout.splitlines():
            target = copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
    return copy


def test_the_command_lines_page_names_every_verb_and_option() -> None:
    page = (ROOT / "docs/cli.md").read_text()
    for verb in VERBS:
        assert f"`turnkeeper {verb}`" in page
        arguments = command_line(verb)[verb].assemble_argument_collection()
        names = {name for argument in arguments for name in argument.names if name.startswith("--")}
        missing = {name for name in names if f"`{name}`" not in page}
        assert not missing, f"docs/cli.md does not name {missing} of {verb}"


def test_every_verb_has_its_row_in_the_librarys_table() -> None:
    page = (ROOT / "docs/library.md").read_text()
    assert all(f"turnkeeper {verb}" in page for verb in VERBS)


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "ARCHITECTURE.md"]:
        for target, heading in re.findall(r"\]\((?!http)([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text()):
            there = page.parent / target if target else page
            assert there.exists(), f"{page.name}: {target}"
            assert not heading or heading in _anchors(there), f"{page.name}: {target}#{heading}"


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_path_that_a_page_for_contributors_names_exists(page: str) -> None:
    named = set(re.findall(r"`([\w./-]+)`", (ROOT / page).read_text()))
    tops = ("src/", "tests/", "docs/", "native/", "web/", "tools/", "benchmarks/")
    paths = {name for name in named if name.startswith(tops) or name in ("native", "web")}
    assert len(paths) > 10
    assert not [path for path in sorted(paths) if not (ROOT / path).exists()]


def test_every_module_that_the_architecture_names_exists() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    package = ROOT / "src/turnkeeper"
    rooms = {path.name for path in package.iterdir() if path.is_dir()}
    drawn = re.findall(r"\b([a-z_]+)/([a-z_]+)\b", "".join(block.text for block in blocks(ROOT / "ARCHITECTURE.md")))
    named = {*drawn, *re.findall(r"`([a-z_]+)\.([a-z_]+)`", page)}
    places = [package / room / module for room, module in named if room in rooms]
    assert len(places) > 10
    assert not [place.name for place in places if not (place.is_dir() or place.with_suffix(".py").exists())]


def test_every_module_that_a_page_for_contributors_runs_exists() -> None:
    modules = re.findall(r"python -m ([\w.]+)", (ROOT / "CONTRIBUTING.md").read_text())
    places = {module: ROOT / module.replace(".", "/") for module in modules}
    missing = [name for name, place in places.items() if not (place.with_suffix(".py").exists() or place.is_dir())]
    assert not missing


def test_the_architecture_names_every_room() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    rooms = [path for path in (ROOT / "src/turnkeeper").iterdir() if path.is_dir() and (path / "__init__.py").exists()]
    assert not [room.name for room in rooms if f"`src/turnkeeper/{room.name}/`" not in page]


def test_the_architecture_shows_the_layers_that_are_checked() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [re.sub(r" ?\|? ?\(\w+\)", "", line).strip() for line in contracts[0]["layers"]]
    rows = re.findall(r"^\| \d+ \| (.+?) \|$", page, re.M)
    shown = [row.replace("`", "").replace("\\|", "|") for row in rows]
    assert shown == [layer for layer in layers if layer]
