"""Documents by another hand: made by somebody who had not seen our reader, with a style that our own documents lack.

Participants stand behind the turns of the flat shape, and without times in the native one; texts repeat rarely, are of
any length, hold quotes, brackets, line ends, emoji and escapes; ids are long; every word has an offset beside its
start. The same bytes every time.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

FIRST_MS = 1_770_000_000_000
CONVERSATION_MS = 1_772_359_200_000
ROLES = ("agent", "customer", "bot", "supervisor")
_SPOKEN = """
    okay so I am calling about my account and the last invoice because it looks like I was charged twice thank you for
    waiting could you please confirm your date of birth and the postcode yes of course it is right let me check that
    for you one moment please the agent said that it would be refunded within five working days but nothing has
    arrived yet I understand your frustration um well actually no that's fine is there anything else I can help you
    with today the router keeps blinking red since Tuesday morning über straße señor déjà façade naïve 東京 こんにちは
    привет спасибо mañana résumé
"""
WORDS = _SPOKEN.split()
EMOJI = ("🙂", "👍🏽", "🎉", "😡", "👩‍👩‍👧")
ODD = (
    'he said "no way"',
    "C:\\temp\\x",
    "line one\nline two",
    "json like },{ here",
    '[{"a":1},{"b":2}]',
    "tab\there",
    "}]},{",
    "ends with backslash \\",
    '"',
    '\\"},{\\"',
)


@dataclass(frozen=True)
class Foreign:
    """One document to be made, of ``kilobytes`` at least. ``seed`` gives others of the same style."""

    shape: str
    kilobytes: int
    pretty: bool = False
    seed: int = 0

    @property
    def name(self) -> str:
        return f"{self.shape}-by-another-hand-{'pretty' if self.pretty else 'compact'}"

    def write(self, folder: Path) -> Path:
        """Make it, once."""
        path = folder / f"{self.name}-{self.kilobytes}-{self.seed}.json"
        if not path.exists():
            with path.open("wb") as out:
                for block in self.blocks():
                    out.write(block)
        return path

    def blocks(self) -> Iterator[bytes]:
        """The document in pieces."""
        dice = random.Random(f"{self.shape} {self.kilobytes} {self.pretty} {self.seed}")
        texts = _texts(dice, min(20_000, 100 + self.kilobytes))
        head, elements, tail = (_flat if self.shape == "flat" else _native)(self, dice, texts)
        yield head
        size, separator = len(head), b""
        while size < self.kilobytes * 1000:
            block = separator + next(elements)
            separator = b","
            size += len(block)
            yield block
        yield tail

    def dumps(self, value: Any) -> bytes:
        """As a whole document is written in this style."""
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 if self.pretty else 0)


def _texts(dice: random.Random, count: int) -> list[bytes]:
    """Encoded sentences: of ten, one is in ASCII with escapes by number."""
    texts = [_sentence(dice) for _ in range(count)]
    return [json.dumps(one).encode() if dice.random() < 0.1 else orjson.dumps(one) for one in texts]


def _sentence(dice: random.Random) -> str:
    words = dice.choices(WORDS, k=min(60, 1 + int(dice.expovariate(1 / 14))))
    for odd, share in ((EMOJI, 0.06), (ODD, 0.1)):
        if dice.random() < share:
            words.insert(dice.randrange(len(words) + 1), dice.choice(odd))
    text = " ".join(words)
    return text[0].upper() + text[1:] + dice.choice((".", ".", "?", ",", ""))


Parts = tuple[bytes, Iterator[bytes], bytes]


def _flat(document: Foreign, dice: random.Random, texts: list[bytes]) -> Parts:
    ids = [f"{dice.getrandbits(64):016x}-{at:04}" for at in range(len(ROLES))]
    people = [
        {"id": key, "name": f'Person {at} "P{at}"', "role": ROLES[at], "note": "tail },{ [ ] \\ "}
        for at, key in enumerate(ids)
    ]
    head, tail = document.dumps(
        {"self": "/api/v2/x/1", "conversation": "c-1", "transcript": ["@@"], "participants": people}
    ).split(b'"@@"')
    return head, _flat_turns(document, dice, texts, ids), tail


def _flat_turns(document: Foreign, dice: random.Random, texts: list[bytes], ids: list[str]) -> Iterator[bytes]:
    form = b'{"start_time":%.2f,"end_time":%.2f,"text":%b,"speaker_id":"%b","confidence":%.2f}'
    if document.pretty:
        form = form.replace(b'":', b'": ').replace(b'"start', b'\n      "start').replace(b',"', b',\n      "')
        form = b"\n    " + form.removesuffix(b"}") + b"\n    }"
    people, end = [key.encode() for key in ids], 0.0
    while True:
        start = end + dice.random() * 0.4
        end = start + dice.random() * 9
        yield form % (start, end, dice.choice(texts), dice.choice(people), 0.5 + dice.random() / 2)


def _native(document: Foreign, dice: random.Random, texts: list[bytes]) -> Parts:
    people = [
        {"participantPurpose": who, "ani": "tel:+4915112345", "dnis": "sip:x@y", "queueId": None, "flags": []}
        for who in ("internal", "external", "acd")
    ]
    feelings = [
        {"participant": "external", "phrase": _sentence(dice), "sentiment": -0.25, "phraseIndex": at}
        for at in range(min(200, document.kilobytes // 4))
    ]
    first = {"transcriptId": "t-1", "language": "en-us", "phrases": ["@@"], "analytics": {"sentiment": feelings}}
    head, tail = document.dumps(
        {
            "organizationId": "o-1",
            "conversationId": "c-1",
            "communicationId": "m-1",
            "mediaType": "call",
            "conversationStartTime": CONVERSATION_MS,
            "participants": people,
            "transcripts": [first],
        }
    ).split(b'"@@"')
    return head, _phrases(document, dice, texts), tail


def _phrases(document: Foreign, dice: random.Random, texts: list[bytes]) -> Iterator[bytes]:
    words, now, index = [orjson.dumps(word) for word in WORDS], 0, 0
    while True:
        start, spoken = now, []
        for _ in range(8 + dice.randrange(13)):
            length = 60 + dice.randrange(600)
            spoken.append(
                b'{"word":%b,"confidence":%.4f,"startTimeMs":%d,"offset":{"milliseconds":%d},'
                b'"duration":{"milliseconds":%d}}'
                % (dice.choice(words), 0.5 + dice.random() / 2, FIRST_MS + now, now, length)
            )
            now += length
        text, sure = dice.choice(texts), 0.5 + dice.random() / 2
        made = (
            b'{"text":%b,"decoratedText":%b,"stability":1.0,"confidence":%.4f,"offset":{"milliseconds":%d},'
            b'"startTimeMs":%d,"duration":{"milliseconds":%d},"participantPurpose":"%b","phraseIndex":%d,"words":[%b]}'
            % (text, text, sure, start, FIRST_MS + start, now - start, _SIDES[index & 1], index, b",".join(spoken))
        )
        yield document.dumps(orjson.loads(made)).replace(b"\n", b"\n          ") if document.pretty else made
        index += 1


_SIDES = (b"external", b"internal")


def people_of(path: Path) -> Any:
    """The participants, from the end or the beginning of the file: a contender that streams gets them for nothing."""
    with path.open("rb") as source:
        head = source.read(1 << 16)
        source.seek(max(0, path.stat().st_size - (1 << 16)))
        text = (source.read() if b'"participants"' not in head else head).decode(errors="replace")
    at = text.index("[", text.rindex('"participants"'))
    return json.JSONDecoder().raw_decode(text, at)[0]
