"""Walk the pages of an Ogg file: its streams, how long each says it is, and what is damaged. Decodes nothing.

Pages as in RFC 3533, section 6; Opus in Ogg as in RFC 7845. A file may contain several streams one after another
("chained"). Each begins with a page that has the flag 0x02.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from turnkeeper.audio.byte_ranges import ByteRange, skip_id3_tags

__all__ = ["Link", "Ogg", "read_ogg"]

_HEADER = 27
_CONTINUED, _FIRST, _LAST = 0x01, 0x02, 0x04
_NO_GRANULE = (1 << 64) - 1
_SEARCHED = 1 << 16
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
# Samples at 48 kHz of one Opus frame, by the upper five bits of its packet's first byte (RFC 6716, section 3.1).
_OPUS_FRAMES = (480, 960, 1920, 2880) * 3 + (480, 960) * 2 + (120, 240, 480, 960) * 4


@dataclass
class Link:
    """One stream of a chain: its bytes, its format, and the ends of its clock.

    ``rate`` is the rate in Hz in its header, ``clock_rate`` that of its clock (48,000 for Opus). ``first`` and ``last``
    are positions of the clock in samples at ``clock_rate``, None where no page has any.
    """

    region: ByteRange
    serial: int
    codec: str = ""
    rate: int = 0
    channels: int = 0
    clock_rate: int = 0
    pre_skip: int = 0
    first: int | None = None
    last: int | None = None
    ended: bool = False

    @property
    def lasts(self) -> float | None:
        """Seconds according to its own clock; None where it has none."""
        if self.last is None or not self.clock_rate:
            return None
        return max(0, self.last - (self.first or 0) - self.pre_skip) / self.clock_rate


@dataclass
class Ogg:
    """All streams of a file, in order. ``damage`` says what is wrong with its pages, ``lost`` that some are missing."""

    links: list[Link] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    mixed: bool = False
    """Whether streams lie beside one another (a picture, a second voice)."""
    beside: int = 0
    """How many of those are sound beside the first stream."""

    @property
    def even(self) -> bool:
        """Whether all streams have the same number of channels."""
        return len({link.channels for link in self.links}) < 2


@dataclass(frozen=True)
class _Page:
    at: int
    end: int
    flags: int
    granule: int
    serial: int
    number: int
    body: bytes
    sizes: bytes

    def packet(self) -> bytes:
        """The bytes of the first packet, as far as they are in this page."""
        size = 0
        for length in self.sizes:
            size += length
            if length < 255:
                break
        return self.body[:size]

    def packets(self) -> Iterator[bytes]:
        """The packets that begin in this page, as far as they are in it."""
        at, size, begun = 0, 0, not self.flags & _CONTINUED
        for length in self.sizes:
            size += length
            if length < 255:
                if begun:
                    yield self.body[at : at + size]
                at, size, begun = at + size, 0, True
        if size and begun:
            yield self.body[at : at + size]


def read_ogg(file: BinaryIO) -> Ogg | None:
    """Walk through the pages and check each, reading the file once. None where the file is not Ogg."""
    at = skip_id3_tags(file)
    file.seek(at)
    if file.read(4) != b"OggS":
        return None
    found = Ogg()
    numbers: dict[int, int] = {}
    for page in _walk_pages(file, at, found):
        _add_page(found, page, numbers)
    if not found.links:
        return None
    if not found.links[-1].ended:
        found.damage.append("the Ogg stream has no end mark: it may be cut off")
    return found


def _add_page(found: Ogg, page: _Page, numbers: dict[int, int]) -> None:
    link = found.links[-1] if found.links else None
    if page.flags & _FIRST:
        # A first page right behind another first page, before any sound: streams beside one another, not a chain.
        if link is not None and link.region[1] == page.at and link.last is None and link.serial != page.serial:
            found.mixed = True
            found.beside += bool(_begin_link(page).codec)
            return
        found.links.append(_begin_link(page))
        numbers[page.serial] = page.number
        return
    if link is None or page.serial != link.serial:
        found.mixed = True
        return
    # Page numbers count by one per stream (RFC 3533), so a jump is a lost page.
    if page.number != numbers[page.serial] + 1:
        _add_once(found.lost, "pages of the Ogg stream are missing or damaged")
    numbers[page.serial] = page.number
    link.region = (link.region[0], page.end)
    link.ended = link.ended or bool(page.flags & _LAST)
    # Header pages have granule 0, and pages on which no packet ends have none (-1).
    if page.granule not in (0, _NO_GRANULE):
        if link.first is None:
            link.first = _first_granule(link, page)
        link.last = page.granule


def _add_once(into: list[str], words: str) -> None:
    if words not in into:
        into.append(words)


def _begin_link(page: _Page) -> Link:
    """A stream from its first page.

    Layouts: RFC 7845, section 5.1; Vorbis I, section 4.2.2; the Ogg mapping of FLAC.
    """
    link, head = Link((page.at, page.end), page.serial), page.packet()
    if head[:8] == b"OpusHead" and len(head) >= 19:
        link.codec, link.channels, link.clock_rate = "opus", head[9], 48_000
        link.pre_skip = int.from_bytes(head[10:12], "little")
        link.rate = _opus_rate(int.from_bytes(head[12:16], "little"))
    elif head[:7] == b"\x01vorbis" and len(head) >= 16:
        link.codec, link.channels = "vorbis", head[11]
        link.rate = link.clock_rate = int.from_bytes(head[12:16], "little")
    elif head[:5] == b"\x7fFLAC" and len(head) >= 34:
        link.codec = "flac"
        link.rate = link.clock_rate = int.from_bytes(head[27:30], "big") >> 4
        link.channels = (head[29] >> 1 & 7) + 1
    link.ended = bool(page.flags & _LAST)
    return link


def _opus_rate(named: int) -> int:
    """The rate at which libsndfile gives Opus: that of the header, rounded up to one that Opus has."""
    return next((rate for rate in (8_000, 12_000, 16_000, 24_000) if 0 < named <= rate), 48_000)


def _first_granule(link: Link, page: _Page) -> int:
    """The clock's position before the first page with sound. A stream that was cut out of another begins late."""
    # A last page may have a lower granule than its packets (end trimming, RFC 7845, section 4.4), which tells no
    # beginning.
    if link.codec != "opus" or page.flags & _LAST:
        return 0
    return max(0, page.granule - sum(map(_opus_samples, page.packets())))


def _opus_samples(packet: bytes) -> int:
    if not packet:
        return 0
    frames = _OPUS_FRAMES[packet[0] >> 3]
    code = packet[0] & 3
    count = (1, 2, 2)[code] if code < 3 else (packet[1] & 63 if len(packet) > 1 else 0)
    return frames * count


def _walk_pages(file: BinaryIO, at: int, found: Ogg) -> Iterator[_Page]:
    size = file.seek(0, 2)
    while at < size:
        page = _read_page(file, at)
        if page is not None:
            yield page
            at = page.end
            continue
        # Resynchronise at the next capture pattern; the checksum tells a page from sound that looks like one.
        following = _next_page_start(file, at + 1, size)
        if following is None and size - at < _HEADER + 255 * 256:
            return  # a page that was cut off: the missing end mark says so
        _add_once(found.damage, "bytes of the file belong to no page of the Ogg stream")
        if following is None:
            return
        at = following


def _read_page(file: BinaryIO, at: int) -> _Page | None:
    """The page at ``at``; None where there is none, it is truncated, or its checksum is wrong."""
    file.seek(at)
    head = file.read(_HEADER)
    if len(head) < _HEADER or head[:5] != b"OggS\0":
        return None
    sizes = file.read(head[26])
    body = file.read(sum(sizes))
    if len(sizes) < head[26] or len(body) < sum(sizes):
        return None
    if _ogg_crc32(head[:22] + bytes(4) + head[26:] + sizes + body) != int.from_bytes(head[22:26], "little"):
        return None
    return _Page(
        at=at,
        end=at + _HEADER + len(sizes) + len(body),
        flags=head[5],
        granule=int.from_bytes(head[6:14], "little"),
        serial=int.from_bytes(head[14:18], "little"),
        number=int.from_bytes(head[18:22], "little"),
        body=body,
        sizes=sizes,
    )


def _ogg_crc32(data: bytes) -> int:
    """The CRC-32 of Ogg (RFC 3533, section 6): the polynomial of zlib's, with reversed bits in each byte and without
    inversion. So zlib can compute it.
    """
    # zlib inverts the register before and after; 0xFFFFFFFF on both sides undoes that.
    value = zlib.crc32(data.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{value:032b}"[::-1], 2)


def _next_page_start(file: BinaryIO, at: int, size: int) -> int | None:
    while at < size:
        file.seek(at)
        data = file.read(_SEARCHED)
        place = data.find(b"OggS")
        if place >= 0:
            return at + place
        if len(data) < _SEARCHED:
            return None
        # The pattern may lie across two reads: three of its four bytes are read again.
        at += len(data) - 3
    return None
