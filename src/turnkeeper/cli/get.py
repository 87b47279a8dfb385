"""``turnkeeper get``: one conversation into an archive."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from turnkeeper.cli.console import event_listener, print_json, print_note
from turnkeeper.cli.options import (
    AudioOptions,
    PlatformOptions,
    StoreOptions,
    TurnOptions,
    archive_address,
    platform_settings,
    selection,
    store_settings,
)
from turnkeeper.errors import Misconfigured
from turnkeeper.exporter.get import GetResult
from turnkeeper.exporter.get import get as fetch
from turnkeeper.settings import clock_from_environment

__all__ = ["get"]

DEFAULT_ARCHIVE = "turnkeeper-archive"


def get(
    conversation: Annotated[str, Parameter(env_var="GENESYS_CONVERSATION_ID", show_env_var=True)] = "",
    /,
    *,
    to: str = "",
    platform: PlatformOptions | None = None,
    destination: StoreOptions | None = None,
    choice: TurnOptions | None = None,
    sample_rate: int = 48_000,
    audio: AudioOptions | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(alias="-q", negative="")] = False,
) -> int:
    """One conversation into an archive; prints its summary as JSON.

    Every byte the platform gives is kept first, with names of people, queues and wrap-up codes; then the transcript is
    built: merged over all legs, attributed to roles, summarised. Running it again is always safe.

    With `--audio` the recordings are archived too, with their waveforms and an alignment that says which samples each
    turn is. Whether the audio is where the platform says is measured and printed (`--sync`).

        turnkeeper get 4d3c… --to s3://calls/genesys --audio --sync correct

    With `--role` and its kin the chosen turns are written to `selections/` as well.

        turnkeeper get 4d3c… --to s3://calls/genesys --role agent

    Exit code 5 says that there is no transcript yet: run it again later, or give `--wait`. Exit code 3 says that the
    transcript arrived and is kept, but could not be read (`turnkeeper reread` after an upgrade), or that a recording
    is missing or cannot be read: `recordings` says why.

    Parameters
    ----------
    conversation
        The conversation's id.
    to
        Where to keep it: a folder, or an s3://, gs://, az:// or file:// address; else the organisation's archive. [env:
        TURNKEEPER_ARCHIVE]
    sample_rate
        Hz at which turns are mapped to audio samples.
    json
        Short for --log-format json: JSON lines on standard error, the summary in one line.
    quiet
        No progress at all.
    """
    listener = event_listener(as_json=json, quiet=quiet)
    if not conversation:
        raise Misconfigured("no conversation was named", hint="Give its id, or set GENESYS_CONVERSATION_ID.")
    platform, destination, choice = (
        platform or PlatformOptions(),
        destination or StoreOptions(),
        choice or TurnOptions(),
    )
    audio = audio or AudioOptions()
    chosen = selection(choice)
    to = archive_address(to, platform)
    if not to and not quiet:
        print_note(f"no --to and no TURNKEEPER_ARCHIVE: keeping it in ./{DEFAULT_ARCHIVE}")
    result = fetch(
        conversation,
        to=to or DEFAULT_ARCHIVE,
        platform=platform_settings(platform),
        store=store_settings(destination, platform.ca),
        selections=[chosen] if chosen else [],
        sample_rate=sample_rate,
        audio=audio.audio,
        sync=audio.sync,
        audio_format=audio.audio_format,
        audio_from=audio.audio_from,
        clock=clock_from_environment(),
        listener=listener,
    )
    print_json(result.document)
    if result.kept.summary is None:
        print_note(
            "the transcript is kept but cannot be read; after an upgrade run: turnkeeper reread " + result.archive
        )
        return 3
    return _audio_code(result)


def _audio_code(result: GetResult) -> int:
    """Print what is wrong with the recordings. Return the exit code: 5 if waiting helps, 3 for anything else."""
    if not result.audio:
        return 0
    incomplete = [
        recording for recording in result.kept.manifest.recordings if recording.state not in ("done", "redacted")
    ]
    for recording in incomplete:
        print_note(f"recording {recording.id}: {recording.state}: {recording.reason}")
    if incomplete and all(recording.state == "waiting" for recording in incomplete) and not result.troubles:
        return 5
    return 3 if incomplete or result.troubles else 0
