"""Text from a call, made harmless for a text file: what a terminal or an editor would obey is spelled out."""

from __future__ import annotations

__all__ = ["one_line", "plain"]


def plain(text: str) -> str:
    """The text with control, bidi-override and other format characters written as escapes."""
    if text.isprintable():
        return text
    return "".join(char if char == "\u200d" or not _unsafe(char) else _escape(char) for char in text)


def one_line(text: str) -> str:
    """The text on one line: every run of white space is one space, what is left of ``plain``'s concern is escaped."""
    return plain(" ".join(text.split()))


def _unsafe(char: str) -> bool:
    import unicodedata  # here and not above: the command starts sooner

    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
