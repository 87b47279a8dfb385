"""``turnkeeper turns``: any payload to turns, as a Unix filter."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from turnkeeper.cli.filter import Request, write_turns
from turnkeeper.cli.options import (
    PlatformOptions,
    StoreOptions,
    TurnOptions,
    platform_settings,
    selection,
    store_settings,
)
from turnkeeper.transcript.turn_lines import Format

__all__ = ["turns"]


def turns(
    place: Annotated[str, Parameter(allow_leading_hyphen=True)] = "-",
    /,
    *,
    format: Format = "jsonl",  # noqa: A002 - the option is called --format
    fields: str = "",
    head: int | None = None,
    sample_rate: int | None = None,
    strict: Annotated[bool, Parameter(negative="")] = False,
    choice: TurnOptions | None = None,
    platform: PlatformOptions | None = None,
    destination: StoreOptions | None = None,
) -> int:
    """The turns of any payload, one per line.

    Reads every shape that turnkeeper knows: the speech analytics file, the media transcript, live transcription
    events, older shapes, and archives of its own. Constant memory, gzip or not.

        turnkeeper turns call.json --role agent
        curl -s … | turnkeeper turns - --format csv > turns.csv
        turnkeeper turns s3://calls/genesys --conversation 4d3c… --format txt

    Parameters
    ----------
    place
        A file, an http(s):// address, an archive's folder or address, or - for standard input.
    format
        jsonl (everything), csv, txt (to read), or labels on a time line: vtt, srt, textgrid (Praat), rttm, audacity.
    fields
        Only these fields, separated by commas.
    head
        Stop after this many turns.
    sample_rate
        Adds start_sample and end_sample at this rate in Hz, exact and half-open.
    strict
        Refuse a document in which a field cannot be right. Without it the turn is printed with the names of such fields
        in defects.
    """
    choice, platform, destination = (
        choice or TurnOptions(),
        platform or PlatformOptions(),
        destination or StoreOptions(),
    )
    request = Request(place, format, fields, head, sample_rate, strict=strict)
    store = store_settings(destination, platform.ca)
    return write_turns(request, selection(choice), platform_settings(platform), store)
