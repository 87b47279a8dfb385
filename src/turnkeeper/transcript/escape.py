"""Text from a call, made harmless for a text file: what a terminal or an editor would obey is spelled out.

Controls, line separators, lone surrogates and the bidi characters that reorder foreign text (embeddings, overrides,
isolates: Unicode Standard Annex 9, table 4) are escaped. The other format characters belong to the writing of many
languages (joiners in Persian and Hindi, marks in Hebrew and Arabic, soft hyphens, the tags of flags) and stay.
"""

from __future__ import annotations

__all__ = ["one_line", "plain"]

_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def plain(text: str) -> str:
    """The text with controls and characters that reorder what stands around them written as escapes."""
    if text.isprintable():
        return text
    return "".join(_escape_char(char) if _needs_escape(char) else char for char in text)


def one_line(text: str) -> str:
    """The text on one line: every run of white space is one space, what is left of ``plain``'s concern is escaped."""
    return plain(" ".join(text.split()))


def _needs_escape(char: str) -> bool:
    import unicodedata  # here and not above: the command starts sooner

    return char in _REORDERING or unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")


def _escape_char(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
