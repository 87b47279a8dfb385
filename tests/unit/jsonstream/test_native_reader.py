"""The native reader as an object: what it may be told, what it keeps, what it forgets, and who may ask at once."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.jsonstream.elements import CASES, SIX, Case, dice, plain_arrays
from tests.unit.jsonstream.spelling import spelled
from turnkeeper.jsonstream.native import ColumnReader, Columns, Field, native
from turnkeeper.payloads.dialects import phrases

pytestmark = pytest.mark.needs(part="native")

ROOT = Path(__file__).parents[3]
every_case = pytest.mark.parametrize("case", CASES, ids=repr)


ONE: Any = ("one", "", "whole", False, ...)
TWO: Any = ("two", "", "whole", False, ...)
STRICT = True


def reader(fields: Any = (ONE, TWO), passed: Any = ()) -> Any:
    return native.Reader(fields, passed)


# ---- what it may be told ----


@pytest.mark.parametrize(
    ("wrong", "kind", "said"),
    [
        ({"fields": (ONE, ("two", "", "wholly", False, ...))}, ValueError, "wholly is no form"),
        ({"fields": (ONE, ("k" * 70, "", "whole", False, ...))}, ValueError, "too long a key"),
        ({"fields": (ONE, ("é" * 35, "", "whole", False, ...))}, ValueError, "too long a key"),
        ({"fields": (ONE, ("two", "k" * 40, "whole", False, ...))}, ValueError, "too long a key"),
        ({"fields": (ONE, ('t"wo', "", "whole", False, ...))}, ValueError, "no key without escapes"),
        ({"fields": (ONE, ("t\\wo", "", "whole", False, ...))}, ValueError, "no key without escapes"),
        ({"fields": (ONE, ("t\nwo", "", "whole", False, ...))}, ValueError, "no key without escapes"),
        ({"fields": (ONE, ("t\0wo", "", "whole", False, ...))}, ValueError, "null character"),
        ({"fields": (ONE, ONE)}, ValueError, "one is a key twice"),
        ({"fields": ()}, ValueError, "no fields"),
        ({"fields": (ONE, ONE[:4])}, TypeError, "5 arguments"),
        ({"fields": (ONE, (1, *TWO[1:]))}, TypeError, "must be str"),
        ({"fields": (ONE, list(TWO))}, TypeError, "is no tuple"),
        ({"fields": (ONE, None)}, TypeError, "is no tuple"),
        ({"fields": [ONE, TWO]}, TypeError, "must be tuple"),
        ({"fields": tuple((f"k{n}", "", "whole", False, ...) for n in range(17))}, ValueError, "more than 16 fields"),
        ({"passed": ["words"]}, TypeError, "must be tuple"),
        ({"passed": (1,)}, TypeError, "bad argument"),
        ({"passed": ("k" * 40,)}, ValueError, "too long a key"),
        ({"passed": ("a", "b", "c", "d", "e")}, ValueError, "more than 4 keys"),
    ],
)
def test_what_makes_no_reader(wrong: dict[str, Any], kind: type[Exception], said: str) -> None:
    for _ in range(2):
        with pytest.raises(kind, match=said):
            reader(**wrong)


@pytest.mark.parametrize("wrong", [(), ((ONE,),), ((ONE,), (), 1)])
def test_too_few_and_too_many_arguments(wrong: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        native.Reader(*wrong)


@pytest.mark.parametrize("wrong", [("[]", 0, True), (b"[]",), (b"[]", "0", True), (None, 0, True), (b"[]", 0, True, 1)])
def test_texts_that_are_none(wrong: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        reader().columns(*wrong)


def test_a_text_in_pieces_is_no_text() -> None:
    with pytest.raises(BufferError):
        reader().columns(memoryview(b"[ ] ")[::2], 0, STRICT)


@pytest.mark.parametrize("at", [-1, -(1 << 62), 3, 1 << 62])
def test_a_place_outside_the_text_holds_nothing(at: int) -> None:
    assert reader().columns(b"[]", at, STRICT) is None
    assert reader().columns(b"", at, STRICT) is None


# ---- columns ----


@every_case
@given(data=st.data())
@settings(max_examples=40)
def test_columns_are_rows(case: Case, data: Any) -> None:
    raw = spelled(data.draw(plain_arrays(case)), data.draw(dice)) + b"]       "
    found = case.table.read(raw, 0, strict=True)
    assert found is not None
    columns = found[0]
    assert [*columns] == [columns[at] for at in range(len(columns))] == list(zip(*columns.lists, strict=True))


def test_absent_fields() -> None:
    raw = (
        b'[{"text":"a","startTimeMs":1,"duration":{"milliseconds":2}},'
        b'{"duration":{"milliseconds":4},"startTimeMs":3,"text":"b"}]     '
    )
    found, end = phrases.TURNS.read(raw, 0, strict=True) or ([], 0)
    assert isinstance(found, Columns)
    assert end == len(raw) - 5
    assert found.lists == ([1, 3], [2, 4], ["a", "b"], [None] * 2, [None] * 2, [None] * 2, [None] * 2)
    assert phrases.TURNS.read(raw.replace(b"}]", b"}"), 0, strict=True) is None


# ---- what nobody asked for ----

DAMAGED = [
    b'[{"word" 1}]',
    b'[{"word":"a" "b"}]',
    b"[1 2]",
    b'["\xff\x01"]',
    b"[01]",
    b'["\\x"]',
    b"[,]",
    b"[}]",
    b"[nul]",
]
SOUND = [b"[]", b"[1]", b'[{"word":"a"}]', b'[ {"words": [ ] } ]', b"null", b"{}", b'"]"', b"1.5", b"[[[]]]"]


@pytest.mark.parametrize("key", phrases.WORDS)
@pytest.mark.parametrize("words", DAMAGED)
def test_damage_that_nobody_asked_for_is_passed_over_unless_strict(key: str, words: bytes) -> None:
    element = b'{"startTimeMs":1,"text":"","%s" :\n%s,"duration":{"milliseconds":2}}' % (key.encode(), words)
    raw = b"[%s,%s]      " % (element, element)
    assert phrases.TURNS.read(raw, 0, strict=True) is None
    found = phrases.TURNS.read(raw, 0, strict=False)
    assert found is not None
    assert [row[:2] for row in found[0]] == [(1, 2)] * 2
    # Under another key, and within another value, it is looked at in any case.
    assert phrases.TURNS.read(raw.replace(key.encode(), b"others"), 0, strict=False) is None
    assert phrases.TURNS.read(raw.replace(words, b'{"words":%s}' % words), 0, strict=False) is None


@pytest.mark.parametrize("words", SOUND)
@pytest.mark.parametrize("strict", [True, False])
def test_what_is_sound_is_passed_over_in_any_case(words: bytes, strict: bool) -> None:
    raw = b'[{"startTimeMs":1,"text":"","words":%s,"duration":{"milliseconds":2},"decoratedWords":%s}]      ' % (
        words,
        words,
    )
    assert phrases.TURNS.read(raw, 0, strict=strict) is not None


# ---- what it keeps and forgets ----

GOOD = (
    b'[{"speaks":"somebody","t":"a text","gr\xc3\xb6\xc3\x9fe":1.5,"lasting":{"n":7},"count":1234567},'
    b'{"speaks":null}]    '
)
LATE = {
    "no end": GOOD.replace(b"}]", b"}"),
    "no JSON": GOOD.replace(b"null", b"nul"),
    "a key twice": GOOD.replace(b'"speaks":null', b'"speaks":"somebody else","speaks":null'),
    "a key missing": GOOD.replace(b'"speaks":null', b'"t":"some text"'),
    "not UTF-8": GOOD.replace(b'"speaks":null', b'"speaks":"aaaa","t":"\xff"'),
    "half a surrogate": GOOD.replace(b'"speaks":null', b'"speaks":"bbbb","t":"\\ud800"'),
    "another form": GOOD.replace(b'"speaks":null', b'"speaks":"cccc","count":1.5'),
    "an object twice": GOOD.replace(b"null", b'"dddd","lasting":{"n":77777,"n":88888}'),
    "an object cut off": GOOD.replace(b"null}", b'"eeee","lasting":{"n":99999'),
    "within an object": GOOD.replace(b"null", b'"ffff","lasting":{"n":99999,"m":01}'),
    "behind an element": GOOD.replace(b"null}", b'"gggg"};'),
    "at once": b"{}",
    "nothing": b"",
}
LEAKS = 20
"""Blocks that Python may keep for itself meanwhile; a leak of one a reading would be a thousand."""


@contextmanager
def nothing_kept() -> Iterator[None]:
    before = sys.getallocatedblocks()
    yield
    assert sys.getallocatedblocks() - before < LEAKS


def often(work: Callable[[], object]) -> None:
    for _ in range(1000):
        work()


@pytest.mark.parametrize("raw", [GOOD, *LATE.values()], ids=["good", *LATE])
def test_reading_keeps_nothing(raw: bytes) -> None:
    made: Any = SIX.table._reader
    assert (made.columns(raw, 0, STRICT) is None) == (raw is not GOOD)
    often(lambda: made.columns(raw, 0, STRICT))
    with nothing_kept():
        often(lambda: made.columns(raw, 0, STRICT))


def test_a_reader_that_is_made_or_not_made_keeps_nothing() -> None:
    def made() -> None:
        again = reader(passed=("words",))
        assert again.columns(b'[{"one":1,"two":2}]       ', 0, STRICT)

    def not_made() -> None:
        for wrong in (("two", "", "wholly", False, object()), ("one", "", "whole", False, object())):
            with pytest.raises((TypeError, ValueError)):
                reader((ONE, wrong), ("words",))

    for work in (made, not_made):
        often(work)
        with nothing_kept():
            often(work)


def references(*them: object) -> list[int]:
    return [sys.getrefcount(one) for one in them]


def test_references_come_back() -> None:
    alone, default = object(), object()
    (mine,) = references(alone)
    before = references(default)
    held = ColumnReader(Field("name", "name"), Field("d", "text", absent=default))
    raw = b'[{"name":"somebody"},{"name":"somebody"},{"name":"another"},{"name":"somebody"}]'
    found = held.read(raw, 0, strict=True)
    assert found is not None
    name = found[0].lists[0][0]
    assert [one is name for one in found[0].lists[0]] == [True, True, False, True]
    assert all(one is default for one in found[0].lists[1])
    # Three elements and the reader's memory, beside `name` here.
    assert references(name) == [mine + 4]
    # Four elements, the table's field and the reader's.
    assert references(default) == [before[0] + 4 + 2]
    del found
    assert references(name) == [mine + 1]
    assert references(default) == [before[0] + 2]
    del held
    assert references(name) == [mine]
    assert references(default) == before


def test_names_that_are_remembered_push_each_other_out_and_are_never_mixed_up() -> None:
    names = [f"speaker {n}" for n in range(3000)] + ["x" * length for length in range(60)] + ["é", "", "ab", "ba"]
    for _ in range(2):
        raw = b"[%s]" % b",".join(b'{"speaks":"%s"}' % name.encode() for name in names)
        found = SIX.table.read(raw, 0, strict=True)
        assert found is not None
        assert found[0].lists[1] == names


BIG = """
import resource, sys
from tests.unit.jsonstream.elements import SIX

def megabytes():
    if sys.platform == "linux":
        return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)

texts = ["a" * 60000, "é" * 30000, "€" * 20000, "😀" * 15000]
plain = [b'{"speaks":"s","t":"%s"}' % text.encode() for text in texts]
escaped = [b'{"speaks":"s","t":"\\\\n%s"}' % text.encode() for text in texts]
wrong = [b'{"speaks":"s","t":"%s\\\\ud800"}' % texts[0].encode(), b'{"speaks":"s","t":"%s\\xff"}' % texts[1].encode()]
bodies = [b"[" + b",".join([*some, *more]) + b"]        " for some in (plain, escaped) for more in ([], *zip(wrong))]
def often(count):
    for _ in range(count):
        for body in bodies:
            SIX.table.read(body, 0, strict=True)
assert [SIX.table.read(body, 0, strict=True) is None for body in bodies] == [False, True, True] * 2
often(5)
before = megabytes()
often(50)
print(megabytes() - before)
"""


def test_long_texts_are_not_kept_either() -> None:
    """These are not blocks of Python's own memory: measured from outside, in a process of their own."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(BIG)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    # One text kept of each body would be 15 megabytes.
    assert float(done.stdout) < 4


def test_a_text_that_stands_twice_is_one_object() -> None:
    raw = b'[{"plain":"%b","decorated":"%b"},{"plain":"no","decorated":"on"},{"plain":"on","decorated":"on"}]'
    table = ColumnReader(Field("plain", "text"), Field("decorated", "text"))
    for said in ("", "yes", "é", "€😀", "\\u00e9"):
        found = table.read(raw % (said.encode(), said.encode()), 0, strict=True)
        assert found is not None
        plain, decorated = found[0].lists
        assert plain[0] is decorated[0]
        assert [plain[1:], decorated[1:]] == [["no", "on"], ["on", "on"]]


def test_the_last_text_is_forgotten_with_the_bytes_it_was_made_of() -> None:
    """The same buffer is read into again and again, and two texts of one length may stand at the same place in it."""
    table, buffer = ColumnReader(Field("t", "text")), bytearray(b'[{"t":"one"}]')
    for said in (b"one", b"two", b"x\\n"):
        buffer[7 : 7 + len(said)] = said
        found = table.read(buffer, 0, strict=True)
        assert found is not None
        assert found[0].lists == ([said.decode().replace("\\n", "\n")],)


# ---- several at once ----


@pytest.fixture
def hurried() -> Iterator[None]:
    """Threads that take turns much more often than usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("hurried")
def test_several_threads_read_with_one_reader() -> None:
    def body(thread: int) -> bytes:
        rows = (
            b'{"speaks":"thread %d-%d","t":"%s","count":%d,"%s":0.%d}'
            % (thread, n % 70, f"é{thread}".encode() * 9, thread * n, b"gr\xc3\xb6\xc3\x9fe", n)
            for n in range(200)
        )
        return b"[" + b",".join(rows) + b"]        "

    def read(thread: int) -> list[Any]:
        raw, seen = body(thread), []
        for _ in range(200):
            found = SIX.table.read(raw, 0, strict=True)
            assert found is not None
            assert not seen or seen[-1] == found[0].lists
            seen = [found[0].lists]
        return seen[0]

    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(read, range(6)))
    for thread, lists in enumerate(together):
        found = SIX.table.read(body(thread), 0, strict=True)
        assert found is not None
        assert lists == found[0].lists
    assert together[3][1] == [f"thread 3-{n % 70}" for n in range(200)]
