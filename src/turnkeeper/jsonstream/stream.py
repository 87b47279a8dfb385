"""Stream a JSON document: batches of the elements of chosen arrays, and the rest of the document. Constant memory.

Why it is fast: inside a chosen array the separator between two elements is learned from the first two, for example
``},{"start_time"``. One ``rfind`` in the newest chunk finds a cut, and a typed decoder reads everything before it in
one call. The decoder is also the verifier. JSON is read from left to right, so ``[`` + text + ``]`` parses only when
the cut stands between two elements of this array. A wrong guess is refused and the next one is tried, then the exact
scan.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, BinaryIO, Protocol

import msgspec

from turnkeeper.errors import TooLarge, Unread
from turnkeeper.jsonstream.decoders import decoder_for
from turnkeeper.jsonstream.errors import byte_offset, not_json, not_utf8, too_deep, too_large, truncated
from turnkeeper.jsonstream.limits import Limits
from turnkeeper.jsonstream.native import ColumnReader
from turnkeeper.jsonstream.outline import Outline, Path
from turnkeeper.jsonstream.salvage import Flaw, salvage_struct
from turnkeeper.jsonstream.scan import ElementScan, element_offset, nesting_within
from turnkeeper.jsonstream.text_reader import TextReader

__all__ = ["Batch", "ElementType", "Stream", "async_batches", "batches_of", "element_name", "stream_batches"]

CHUNK = 80 << 10
"""80 KiB. A chunk, its objects and the batch before it then stay in the second-level cache: 32 KiB, 96 KiB and more all
cost about 7 % more time.
"""

_PATIENCE = 4
"""How many chunks may pass without a learned separator before the exact scan runs, and how many batches the part in C
may refuse before it is no longer asked.
"""

_NEXT = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"[^"\\]{1,64}"')
_CLOSERS = re.compile(rb"[\]}\" \t\r\n]{1,8}$")
_TYPED = re.compile(r"(.*?)(?: - at `\$(?:\[(\d+)\])?(.*)`)?$", re.DOTALL)


class Batch(msgspec.Struct, frozen=True):
    """Some elements of one array.

    ``first`` is the index of the first of them. ``parents`` holds the indices of the arrays around it
    (``transcripts[2].phrases`` has ``(2,)``). ``offset`` is the byte of the body at which the batch begins. ``flaws``
    lists the values that could not be read, by index within the batch.
    """

    path: Path
    parents: tuple[int, ...]
    first: int
    offset: int
    items: Sequence[Any]
    flaws: Mapping[int, Sequence[Flaw]] = {}


def element_name(path: Path, parents: tuple[int, ...], index: int, member: str = "") -> str:
    """The name of an element or of its member in an error: ``transcripts[0].phrases[3].text``."""
    around, name = iter(parents), ""
    for step in path:
        name += f"[{next(around)}]" if step == "[]" else f".{step}" if name else step
    name = f"{name}[{index}]"
    return name + (f".{member}" if member and not member.startswith("[") else member)


class ElementType:
    """How the elements of an array are decoded.

    Where ``table`` applies, elements are read into columns by the part in C. Otherwise a batch is decoded as
    ``narrow``, which is fast, and as ``wide`` where that fails. Elements that are of neither type are salvaged as
    ``wide``, field by field, unless the document has to be exact.
    """

    def __init__(self, narrow: Any, wide: Any = None, *, table: ColumnReader | None = None) -> None:
        self.narrow = narrow
        self.table = table if table is not None and table.native else None
        self._wide = narrow if wide is None else wide
        self._decoders = [_list_decoder(kind).decode for kind in (narrow, wide) if kind is not None]
        self._salvageable = isinstance(self._wide, type) and issubclass(self._wide, msgspec.Struct)

    def decode(self, text: bytes | memoryview) -> list[Any]:
        """Decode the text of an array. Raises ``ValidationError`` where an element has another type."""
        for decode in self._decoders[:-1]:
            try:
                return decode(text)  # type: ignore[no-any-return]
            except msgspec.ValidationError:
                continue
        return self._decoders[-1](text)  # type: ignore[no-any-return]

    def salvage(self, text: bytes | memoryview) -> tuple[list[Any], dict[int, list[Flaw]]] | None:
        """The elements as far as they can be read, and the flaws by index; None where the type cannot be salvaged."""
        if not self._salvageable:
            return None
        items, found = [], {}
        for index, value in enumerate(_list_decoder(Any).decode(text)):
            flaws: list[Flaw] = []
            items.append(salvage_struct(value, self._wide, flaws))
            if flaws:
                found[index] = flaws
        return items, found


class _Elements:
    """The array being read. ``text[0]`` is its ``[``, or the comma before the next element, overwritten by ``[``.

    ``opened_at`` is the body offset of the array's ``[``, ``origin`` that of ``text[0]``, ``count`` the number of
    elements given so far.
    """

    def __init__(
        self, path: Path, parents: tuple[int, ...], opened_at: int, scan: ElementScan, kind: ElementType
    ) -> None:
        self.path, self.parents = path, parents
        self.kind, self.table, self.refusals = kind, kind.table, 0
        self.flaws: Mapping[int, Sequence[Flaw]] = {}
        self.opened_at = self.origin = opened_at
        self.count = 0
        self.text = bytearray(b"[")
        self.scan = scan
        self.after_comma = False

    def refuse(self) -> None:
        """Count a batch that the part in C refused although it could be read. After a few it is no longer asked."""
        self.refusals += 1
        if self.refusals >= _PATIENCE:
            self.table = None

    def advance(self, comma: int, count: int) -> None:
        """Drop the text before ``comma``, which held ``count`` elements."""
        self.text = self.text[comma:]
        self.text[0] = 0x5B
        self.origin += comma
        self.count += count
        self.after_comma = True
        self.scan.restart()


class Stream:
    """A push parser of one document.

    ``feed`` takes bytes and gives batches; ``finish`` gives the last ones. Afterwards ``skeleton`` is the rest of the
    document, with the target arrays empty, and ``repaired`` the number of lone surrogates that became U+FFFD.

    ``targets`` maps the path of each array to the type of its elements. Raises ``Unread`` and ``TooLarge`` with offset
    and field, and never gives wrong data. Without ``strict``, values that no type asks for are not inspected: UTF-8 is
    checked in decoded strings and in the skeleton only, and within an element the decoder's own limit on nesting holds.
    With ``salvage`` an element of another type costs only the fields that are wrong (see ``Batch.flaws``).
    """

    def __init__(
        self,
        targets: Mapping[Path, Any],
        limits: Limits | None = None,
        *,
        chunk: int = CHUNK,
        strict: bool = True,
        salvage: bool = False,
    ) -> None:
        self._limits = limits or Limits()
        self._kinds = dict(targets)
        self._salvage = salvage
        # Kept per path and not per array: the phrases of the next transcript are written by the same program.
        self._separators: dict[Path, list[tuple[bytes, int]]] = {}
        self._skeleton = Outline(targets, self._limits)
        self._elements: _Elements | None = None
        self._reader = TextReader(strict=strict)
        self._strict = strict
        self._chunk = chunk
        self._waiting: list[bytes] = []
        self._waits = 0
        self._end_of_text = -1
        self.skeleton: object = None

    @property
    def repaired(self) -> int:
        """How many lone surrogates became U+FFFD so far."""
        return self._reader.repaired

    @property
    def size(self) -> int:
        """Bytes of the decompressed body so far."""
        return self._reader.offset

    def feed(self, data: bytes) -> list[Batch]:
        """Take bytes of any length, and give the batches that are complete.

        Small pieces are gathered first, large ones cut up.
        """
        return list(self.batches(data))

    def batches(self, data: bytes) -> Iterator[Batch]:
        """Like ``feed``, lazily. Exhaust the iterator before the next call."""
        for piece in self._reader.pieces(data):
            self._waiting.append(piece)
            self._waits += len(piece)
            # Decoding many small pieces would cost more than joining them first.
            if self._waits >= self._chunk // 2:
                yield from self._parse_waiting()

    def finish(self) -> list[Batch]:
        """End the body. Raises ``Unread`` where it is truncated, or where the skeleton is not JSON."""
        self._waiting.append(self._reader.finish())
        found = list(self._parse_waiting())
        # What follows an array may open the next one, so this goes on until the document's end.
        while (elements := self._elements) is not None:
            found += self._batches_by_scan(elements)
            if self._elements is elements:
                raise truncated(self._reader.offset)
            found += self._advance(1)
        self.skeleton = self._skeleton.finish(self._reader.offset)
        return found

    def _parse_waiting(self) -> Iterator[Batch]:
        data = b"".join(self._waiting)
        self._waiting, self._waits = [], 0
        begin = self._reader.offset - len(data)
        if self._end_of_text < 0 and data:
            self._skeleton.start_at(begin)
        for start in range(0, len(data), self._chunk):
            piece = data[start : start + self._chunk]
            self._end_of_text = begin + start + len(piece)
            yield from self._parse_piece(piece)

    def _parse_piece(self, data: bytes) -> Iterator[Batch]:
        old = 1
        if self._elements is None:
            self._skeleton.feed(data)
        else:
            old = len(self._elements.text)
            self._elements.text += data
        yield from self._advance(old)

    def _advance(self, old: int) -> Iterator[Batch]:
        """Go on through arrays and the text between them until more bytes are needed. New bytes begin at ``old``."""
        while (elements := self._elements or self._open_elements()) is not None:
            yield from self._parse_elements(elements, old)
            if self._elements is elements:
                return
            old = 1

    def _open_elements(self) -> _Elements | None:
        """The target array that just opened, with the text behind its bracket; None where none did."""
        path = self._skeleton.opened
        if path is None:
            return None
        rest = self._skeleton.take()
        scan = ElementScan(self._skeleton.depth, self._limits.nesting)
        parents, opened_at = self._skeleton.parents[:-1], self._end_of_text - len(rest) - 1
        kind = self._kinds[path]
        self._elements = _Elements(
            path, parents, opened_at, scan, kind if isinstance(kind, ElementType) else ElementType(kind)
        )
        self._elements.text += rest
        return self._elements

    def _parse_elements(self, elements: _Elements, old: int) -> Iterator[Batch]:
        if elements.path not in self._separators:
            elements.scan.run(elements.text, elements.origin, stop_at_comma=True)
            self._learn_separator(elements)
            old = 1
        batch = self._batch_by_separator(elements, old)
        if batch is not None:
            yield batch
        elif elements.path not in self._separators or len(elements.text) > _PATIENCE * self._chunk:
            yield from self._batches_by_scan(elements)

    def _learn_separator(self, elements: _Elements) -> None:
        """Learn the text around the comma just found as the separator, once with and once without the brackets to its
        left.
        """
        comma, text = elements.scan.comma, elements.text
        # Only objects have a usable separator: their first key is rare in text, a comma alone is not.
        following = _NEXT.match(text, comma + 1) if comma > 0 else None
        if following is None:
            return
        closers = _CLOSERS.search(text[max(comma - 8, 1) : comma])
        left = closers[0] if closers else b""
        right = bytes(text[comma : following.end()])
        # The shorter one also fits elements that end in another way, for example without a list.
        known = {left + right: len(left), left[-1:] + right: len(left[-1:])}
        self._separators[elements.path] = list(known.items())

    def _batch_by_separator(self, elements: _Elements, old: int) -> Batch | None:
        """A batch that is cut at the last learned separator in the new text.

        None where there is none, or where the guess was wrong.
        """
        for separator, shift in self._separators.get(elements.path, ()):
            found, end = 0, len(elements.text)
            # Two tries: the last separator may stand within a string or a nested array, the one before it rarely does.
            for _ in range(2):
                found = elements.text.rfind(separator, max(old - len(separator) + 1, 1), end)
                if found < 0:
                    break
                # One byte less than the match, so that the same match is not found again.
                end = found + len(separator) - 1
                items = self._try_cut(elements, found + shift)
                if items:
                    return self._finish_batch(elements, found + shift, items)
        return None

    def _try_cut(self, elements: _Elements, comma: int) -> Sequence[Any] | None:
        try:
            return self._decode_elements(elements, comma)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # The guess was wrong: put the comma back that ``_decode_elements`` replaced by a bracket.
            elements.text[comma] = 0x2C
            return None

    def _decode_elements(self, elements: _Elements, cut: int) -> Sequence[Any]:
        elements.text[cut] = 0x5D
        elements.flaws = {}
        if elements.table is None:
            return self._decode_typed(elements, cut)
        found = elements.table.read(elements.text, 0, strict=self._strict)
        # The part in C stops at the first closing bracket of the array. Anywhere else than at the cut, the guess was
        # wrong.
        if found is not None and found[1] == cut + 1:
            return found[0]
        items = self._decode_typed(elements, cut)
        elements.refuse()
        return items

    def _decode_typed(self, elements: _Elements, cut: int) -> Sequence[Any]:
        # A bytearray cannot grow while a view of it exists, so the views are released here.
        with memoryview(elements.text) as whole, whole[: cut + 1] as part:
            # Raw elements are views of what they were decoded from, and this buffer goes on changing.
            text = bytes(part) if elements.kind.narrow is msgspec.Raw else part
            try:
                return elements.kind.decode(text)
            except msgspec.ValidationError:
                found = elements.kind.salvage(text) if self._salvage else None
                if found is None:
                    raise
            items, elements.flaws = found
            return items

    def _finish_batch(self, elements: _Elements, cut: int, items: Sequence[Any]) -> Batch:
        self._check_limits(elements, cut, items)
        batch = Batch(elements.path, elements.parents, elements.count, elements.origin, items, elements.flaws)
        elements.advance(cut, len(items))
        return batch

    def _batches_by_scan(self, elements: _Elements) -> Iterator[Batch]:
        """All whole elements of the buffer, cut by the exact scan. Continues behind the array where it has ended."""
        scan = elements.scan
        scan.run(elements.text, elements.origin)
        cut = scan.end if scan.end >= 0 else scan.comma
        if cut < 0:
            if len(elements.text) > self._limits.element:
                raise self._too_large(elements, 0, elements.origin + 1)
            return
        ended = scan.end >= 0
        items = self._decode_certain(elements, cut)
        # ``[1,]`` and ``[,1]``: a decoder of a part of the array would not see the missing value.
        if not items and (elements.after_comma or not ended):
            offset = elements.origin + cut
            raise Unread(
                f"a value is missing before byte {offset}", offset=offset, field=self._element_name(elements, 0)
            )
        rest = elements.text[cut + 1 :]
        excised = elements.origin + cut - elements.opened_at - 1
        if items:
            yield self._finish_batch(elements, cut, items)
        if ended:
            self._elements = None
            self._skeleton.close(excised, rest)

    def _decode_certain(self, elements: _Elements, cut: int) -> Sequence[Any]:
        """Decode up to a cut that is known to be right. An error of the decoder is then the document's fault."""
        try:
            return self._decode_elements(elements, cut)
        except RecursionError:
            raise too_deep(elements.origin, self._limits.nesting) from None
        except msgspec.ValidationError as cause:
            raise self._wrong_type(elements, cause) from None
        except msgspec.DecodeError as cause:
            raise not_json(elements.origin + (byte_offset(cause) or cut)) from None
        except UnicodeDecodeError:
            raise not_utf8(elements.text[:cut], elements.origin) from None

    def _wrong_type(self, elements: _Elements, cause: msgspec.ValidationError) -> Unread:
        match = _TYPED.match(str(cause))
        message, index, field = (match[1], int(match[2] or 0), match[3] or "") if match else ("", 0, "")
        offset = elements.origin + element_offset(elements.text, index)
        name = self._element_name(elements, index, field.lstrip("."))
        message = message.replace("`", "").replace("Expected", "expected")
        raise Unread(f"{name}: {message}, in the element at byte {offset}", offset=offset, field=name)

    def _element_name(self, elements: _Elements, index: int, field: str = "") -> str:
        return element_name(elements.path, elements.parents, elements.count + index, field)

    def _check_limits(self, elements: _Elements, cut: int, items: Sequence[Any]) -> None:
        if cut > self._limits.element:
            self._check_sizes(elements, cut)
        if not self._strict:
            return
        above = self._skeleton.depth
        count = len(items) if _is_struct(elements.kind.narrow) else 0
        # The text behind the cut is looked at too: that costs less than a copy, and can only ask for the exact scan.
        if not nesting_within(elements.text, count, self._limits.nesting - above):
            ElementScan(above, self._limits.nesting).run(elements.text[: cut + 1], elements.origin)

    def _check_sizes(self, elements: _Elements, cut: int) -> None:
        scan, before, index = ElementScan(0, 1 << 62), 0, 0
        while before < cut:
            scan.comma = -1
            scan.run(elements.text, 0, stop_at_comma=True)
            after = scan.comma if scan.comma >= 0 else cut
            if after - before > self._limits.element:
                raise self._too_large(elements, index, elements.origin + before + 1)
            before, index = after, index + 1

    def _too_large(self, elements: _Elements, index: int, offset: int) -> TooLarge:
        return too_large("element", offset, self._limits.element, self._element_name(elements, index))


class BatchParser(Protocol):
    """A push parser of one body: ``Stream``, or ``DocumentStream`` for a body of several documents."""

    def batches(self, data: bytes) -> Iterable[Batch]: ...

    def finish(self) -> Iterable[Batch]: ...


def stream_batches(stream: BatchParser, source: BinaryIO) -> Iterator[Batch]:
    """Read a file to its end."""
    # A buffered file's ``read1`` goes past its buffer, which is worth a tenth of the whole.
    read = getattr(source, "read1", source.read)
    while data := read(CHUNK):
        yield from stream.batches(data)
    yield from stream.finish()


def batches_of(stream: BatchParser, pieces: Iterable[bytes]) -> Iterator[Batch]:
    """Read an iterator of bytes to its end."""
    for data in pieces:
        yield from stream.batches(data)
    yield from stream.finish()


async def async_batches(stream: BatchParser, pieces: AsyncIterable[bytes]) -> AsyncIterator[Batch]:
    """Read an asynchronous iterator of bytes to its end, for example the body of a response."""
    async for data in pieces:
        for batch in stream.batches(data):
            yield batch
    for batch in stream.finish():
        yield batch


@cache
def _list_decoder(kind: Any) -> Any:
    """The decoder of a list of ``kind``. Cached, because creating one takes longer than decoding a small body."""
    return decoder_for(list[kind])


def _is_struct(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)
