"""The pages as ``web/`` was built, with gaps for a call's data; and the files that a folder of them shares."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

from turnkeeper.errors import Misconfigured

__all__ = ["Shell", "assets", "shell"]


class Shell:
    """One built page. ``before`` and ``after`` are the bytes around the data; ``version`` changes with each build."""

    def __init__(self, html: str) -> None:
        self._html = html
        self.version = hashlib.sha256(html.encode()).hexdigest()

    def parts(self, fill: Mapping[str, str]) -> list[bytes]:
        """The page cut where data goes: at ``<!--data-->`` and ``<!--audio-->``; ``@name@`` is filled in before.

        The values are put into attributes and text as they are: the caller escapes them.
        """
        html = self._html
        for name, value in fill.items():
            html = html.replace(f"@{name}@", value, 1)
        head, _, rest = html.partition("<!--data-->")
        return [part.encode() for part in (head, *rest.split("<!--audio-->", 1))]


def shell(name: str) -> Shell:
    """A built page: ``call``, which carries everything itself, or ``folder/call`` and ``folder/index``, which load
    ``assets``. Raises ``Misconfigured`` where the package was made without them.
    """
    try:
        return Shell(_static_files().joinpath(f"{name}.html").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Misconfigured(
            "the pages are not built",
            operation="report",
            hint="In a checkout: make pages (it needs Node.js 20 or newer and npm); else install turnkeeper anew.",
        ) from None


def assets() -> dict[str, bytes]:
    """The files that the pages of a folder load from its ``assets/``; their names hold their hashes."""
    return {each.name: each.read_bytes() for each in _static_files().joinpath("folder/assets").iterdir()}


def _static_files() -> Traversable:
    return files("turnkeeper.pages").joinpath("static")
