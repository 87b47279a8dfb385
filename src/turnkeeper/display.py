"""Representations of result classes: one line at a prompt, a table in a notebook.

Both show the fields that are set, and the number of items instead of a long collection. Classes assign the functions
to ``__repr__`` and ``_repr_html_``.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Iterator, Sized

__all__ = ["html_table", "one_line"]

_LONGEST = 80
_short = reprlib.Repr()
_short.maxstring = _LONGEST


def one_line(record: object) -> str:
    """Return ``Name(field=value, …)`` with the fields that are not empty."""
    return f"{type(record).__name__}({', '.join(f'{name}={value}' for name, value in _fields_set(record))})"


def html_table(record: object) -> str:
    """Return the same as an HTML table. Values come from outside, so they are escaped."""
    import html

    rows = "".join(
        f"<tr><th style='text-align:left'>{name}</th><td style='text-align:left'>{html.escape(value)}</td></tr>"
        for name, value in _fields_set(record)
    )
    return f"<table><caption>{type(record).__name__}</caption>{rows}</table>"


def _fields_set(record: object) -> Iterator[tuple[str, str]]:
    names: Iterable[str] = getattr(record, "__struct_fields__", ()) or getattr(record, "__dataclass_fields__", ())
    for name in names:
        value = getattr(record, name)
        if value is None or (isinstance(value, Sized) and not len(value)):
            continue
        yield name, _short_text(value)


def _short_text(value: object) -> str:
    text = _short.repr(value) if isinstance(value, str) else repr(value)
    if len(text) <= _LONGEST + 2:
        return text
    return f"{len(value)} items" if isinstance(value, Sized) else f"{type(value).__name__}(…)"
