"""Documents of any size, the same bytes every time: the flat media shape, and the native speech shape with words."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

T0 = 1_791_180_970_000
ASCII = [
    "order",
    "account",
    "please",
    "number",
    "the",
    "I",
    "would",
    "like",
    "to",
    "know",
    "where",
    "my",
    "invoice",
    "yesterday",
    "thank",
    "you",
    "really",
    "address",
]
MANY = [
    "naïve",
    "façade",
    "größe",
    "straße",
    "привет",
    "спасибо",
    "こんにちは",
    "日本",
    "你好",
    "mañana",
    "señor",
    "été",
]
PEOPLE = [
    "4f0c2f3a-8d0b-4f6e-9a51-0c8f5f5b7a01",
    "b1d6a1f0-2c67-4b8d-8f40-7d1c0a9e2b02",
    "c9a3e7d2-5b14-4e3f-a6c8-1f2e3d4c5b03",
]
ROLES = ["agent", "customer", "ivr"]


Row = Callable[[int], tuple[Any, ...]]


@dataclass(frozen=True)
class Document:
    """One document to be made. ``multilingual``: in most turns a word is not ASCII."""

    shape: str
    megabytes: int
    multilingual: bool = False
    pretty: bool = False
    people_last: bool = False

    @property
    def name(self) -> str:
        text = "multilingual" if self.multilingual else "ascii"
        return f"{self.shape}-{text}-{'pretty' if self.pretty else 'compact'}{'-last' if self.people_last else ''}"

    def write(self, folder: Path) -> Path:
        """Make it, once."""
        path = folder / f"{self.name}-{self.megabytes}.json"
        if not path.exists():
            head, row, element, tail = (_flat if self.shape == "flat" else _native)(self)
            with path.open("wb") as out:
                out.write(head)
                for block in _rows(row, _template(element, self.pretty), self.megabytes << 20):
                    out.write(block)
                out.write(tail)
        return path


def _rows(row: Callable[[int], tuple[Any, ...]], template: str, size: int) -> Iterator[bytes]:
    number = done = 0
    while done < size:
        made = [template % row(number + at) for at in range(500)]
        number += len(made)
        data = (("" if done == 0 else ",") + ",".join(made)).encode()
        done += len(data)
        yield data


def _template(value: Any, pretty: bool) -> str:
    """One element as text with ``%s`` where its values go: a gigabyte is made in seconds."""
    if pretty:
        text = "\n    " + json.dumps(value, indent=2).replace("\n", "\n    ")
    else:
        text = json.dumps(value, separators=(",", ":"))
    return text.replace('"#"', "%s").replace("$", "%s")


def _parts(
    document: Document, first: dict[str, Any], people: dict[str, Any], opened: str, closed: str
) -> tuple[bytes, bytes]:
    head = json.dumps(first if document.people_last else first | people)[:-1] + opened
    tail = closed + (", " + json.dumps(people)[1:-1] if document.people_last else "") + "}\n"
    return head.encode(), tail.encode()


def _words(dice: random.Random, multilingual: bool, count: int) -> list[str]:
    return [dice.choice(MANY if multilingual and dice.random() < 0.12 else ASCII) for _ in range(count)]


def _flat(document: Document) -> tuple[bytes, Row, Any, bytes]:
    dice = random.Random(f"{document.shape} {document.multilingual}")
    pool = [" ".join(_words(dice, document.multilingual, 13)) for _ in range(5000)]
    people = {
        "participants": [{"id": key, "name": "Ann", "role": role} for key, role in zip(PEOPLE, ROLES, strict=True)]
    }
    head, tail = _parts(document, {"conversation": "bench", "status": "completed"}, people, ', "transcript": [', "]")

    element = {"start_time": "#", "end_time": "#", "text": "$", "speaker_id": "$", "confidence": "#"}

    def row(number: int) -> tuple[Any, ...]:
        start = number * 1500 + dice.randrange(1000)
        end = start + dice.randrange(200, 5000)
        return start / 1000, end / 1000, dice.choice(pool), PEOPLE[number % 3], dice.randrange(5000, 9999) / 10000

    return head, row, element, tail


def _native(document: Document) -> tuple[bytes, Row, Any, bytes]:
    dice = random.Random(f"{document.shape} {document.multilingual}")
    far = T0 + 10**11
    spans = [("ivr", T0, T0 + 60_000), ("agent", T0 + 60_000, far), ("customer", T0, far)]
    people = {"participants": [{"participantPurpose": who, "startTimeMs": a, "endTimeMs": b} for who, a, b in spans]}
    first = {"conversationId": "bench", "communicationId": "leg", "mediaType": "call", "conversationStartTime": T0}
    opened = f', "transcripts": [{{"transcriptId": "t", "language": "en-us", "startTime": {T0}, "phrases": ['
    head, tail = _parts(document, first, people, opened, "]}]")

    word = {"word": "$", "confidence": 0.9, "startTimeMs": "#", "duration": {"milliseconds": 80}}
    element = {
        "phraseIndex": "#",
        "participantPurpose": "$",
        "text": "$",
        "confidence": "#",
        "startTimeMs": "#",
        "duration": {"milliseconds": "#"},
        "words": [word] * 16,
    }

    def row(number: int) -> tuple[Any, ...]:
        start = T0 + number * 1500 + dice.randrange(1000)
        words = _words(dice, document.multilingual, 16)
        said = [value for at, word in enumerate(words) for value in (word, start + at * 80)]
        sure, length = dice.randrange(5000, 9999) / 10000, dice.randrange(200, 5000)
        return number, ("internal", "external")[number % 2], " ".join(words), sure, start, length, *said

    return head, row, element, tail
