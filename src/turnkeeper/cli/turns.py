"""``turnkeeper turns``: any payload to turns, as a Unix filter."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Literal

from turnkeeper.audio.timeline import span
from turnkeeper.cli.console import say
from turnkeeper.cli.options import Choice, Destination, Platform, platform_settings, selection, store_settings
from turnkeeper.runs.turns import open_transcripts, spooled
from turnkeeper.transcript.assembly import Assembly
from turnkeeper.transcript.formats import TurnWriter, turn_writer
from turnkeeper.transcript.select import Selection

__all__ = ["turns"]


def turns(
    place: str = "-",
    /,
    *,
    format: Literal["jsonl", "csv", "txt"] = "jsonl",  # noqa: A002 - the option is called --format
    fields: str = "",
    head: int | None = None,
    sample_rate: int | None = None,
    choice: Choice | None = None,
    platform: Platform | None = None,
    destination: Destination | None = None,
) -> int:
    """The turns of any payload, one per line.

    Reads every shape that turnkeeper knows: the speech analytics file, the media transcript, live transcription
    events, older shapes, and archives of its own. Constant memory, gzip or not.

        turnkeeper turns call.json --role agent
        curl -s … | turnkeeper turns - --format csv > turns.csv
        turnkeeper turns s3://calls/genesys --interaction 4d3c… --format txt

    Parameters
    ----------
    place
        A file, an http(s):// address, an archive's folder or address, or - for standard input.
    format
        jsonl (everything), csv or txt (to read).
    fields
        Only these fields, separated by commas.
    head
        Stop after this many turns.
    sample_rate
        Adds start_sample and end_sample at this rate in Hz, exact and half-open.
    """
    chosen = selection(choice or Choice())
    writer = turn_writer(format, sys.stdout, fields=_names(fields), span=_spans(sample_rate))
    count, seen = 0, set[str]()
    with _opened(place, chosen, platform or Platform(), destination or Destination()) as transcripts:
        for transcript in transcripts:
            seen.add(transcript.header.conversation)
            rest = None if head is None else head - count
            count += _write(transcript, chosen, writer, rest)
            if head is not None and count >= head:
                break
    writer.finish()
    if not count and chosen:
        _explain(chosen, seen)
    return 0


def _explain(chosen: Selection, seen: set[str]) -> None:
    """Why nothing was printed: silence alone would look like an empty call."""
    missed = sorted(chosen.interactions - seen)
    if missed:
        say(
            f"nothing here of interaction {', '.join(missed)}"
            + (f" (found: {', '.join(sorted(seen))})" if seen else "")
        )
    else:
        say(f"no turn matches {chosen.sentence()}")


def _write(transcript: Assembly, chosen: Selection, writer: TurnWriter, most: int | None) -> int:
    count = 0
    for turn in islice(chosen.apply(transcript.turns(), transcript.header.conversation), most):
        writer.write(turn, transcript.header)
        count += 1
    return count


@contextmanager
def _opened(
    place: str, chosen: Selection, platform: Platform, destination: Destination
) -> Iterator[Iterator[Assembly]]:
    settings, store = platform_settings(platform), store_settings(destination, platform.ca)
    look = partial(open_transcripts, interactions=chosen.interactions, platform=settings, store=store)
    if place == "-":
        with spooled(sys.stdin.buffer) as body:
            yield look(body)
    else:
        yield look(place)


def _names(fields: str) -> list[str] | None:
    return [name.strip() for name in fields.split(",") if name.strip()] or None


def _spans(rate: int | None) -> Callable[[int, int], tuple[int, int]] | None:
    if rate is None:
        return None
    span(0, 0, rate)  # refuse an impossible rate before anything is read

    def samples(start_ms: int, end_ms: int) -> tuple[int, int]:
        mapped = span(start_ms, end_ms, rate)
        return mapped.start, mapped.end

    return samples
