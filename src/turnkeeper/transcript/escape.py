"""Make text from a call harmless in a text file: characters that a terminal or an editor would obey become escapes.

Control characters, line separators, lone surrogates and the bidirectional characters that reorder other text
(embeddings, overrides, isolates: Unicode Standard Annex 9, table 4) are escaped. Other format characters belong to the
writing of many languages (joiners in Persian and Hindi, marks in Hebrew and Arabic, soft hyphens, tags of flags) and
stay.
"""

from __future__ import annotations

__all__ = ["one_line", "plain"]

_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def plain(text: str) -> str:
    """The text with control and reordering characters written as escapes."""
    if text.isprintable():
        return text
    return "".join(_escape_char(char) if _needs_escape(char) else char for char in text)


def one_line(text: str) -> str:
    """The text on one line: every run of white space becomes one space, and ``plain`` is applied."""
    return plain(" ".join(text.split()))


def _needs_escape(char: str) -> bool:
    import unicodedata  # here and not above: the command starts sooner

    return char in _REORDERING or unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")


def _escape_char(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
