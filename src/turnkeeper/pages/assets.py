"""Page templates built from ``web/``, and the script and style files that the pages of a folder share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

from turnkeeper.errors import Misconfigured

__all__ = ["PageTemplate", "assets", "page_template"]


class PageTemplate:
    """One page as built from ``web/``, with places for data. ``version`` is the hash of its text."""

    def __init__(self, html: str) -> None:
        self._html = html
        self.version = hashlib.sha256(html.encode()).hexdigest()

    def parts(self, fill: Mapping[str, str]) -> list[bytes]:
        """Fill in each ``@name@`` and split the page at ``<!--data-->`` and ``<!--audio-->``.

        The values go into attributes and text unchanged, so the caller must escape them.
        """
        html = self._html
        for name, value in fill.items():
            html = html.replace(f"@{name}@", value, 1)
        head, _, rest = html.partition("<!--data-->")
        return [part.encode() for part in (head, *rest.split("<!--audio-->", 1))]


def page_template(name: str) -> PageTemplate:
    """Load a template: ``call``, which is self-contained, or ``folder/call`` or ``folder/index``, which load assets.

    Raises ``Misconfigured`` if the package was built without its pages.
    """
    try:
        return PageTemplate(_static_files().joinpath(f"{name}.html").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Misconfigured(
            "the pages are not built",
            operation="report",
            hint="In a checkout: make pages (it needs Node.js 20 or newer and npm); else install turnkeeper anew.",
        ) from None


def assets() -> dict[str, bytes]:
    """Return the files that the pages of a folder load from ``assets/``. Their names hold their hashes."""
    return {each.name: each.read_bytes() for each in _static_files().joinpath("folder/assets").iterdir()}


def _static_files() -> Traversable:
    return files("turnkeeper.pages").joinpath("static")
