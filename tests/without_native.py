"""The suite as it is where nothing was built: ``python -m pytest -p tests.without_native``.

Also for a process of a test's own that is to be like this one: it imports this first.
"""

from __future__ import annotations

import sys

assert "turnkeeper" not in sys.modules, "this comes before turnkeeper, or what is there has the part in C already"
sys.modules["turnkeeper.jsonstream._native"] = None  # type: ignore[assignment] # so Python says that there is none


def pytest_sessionfinish() -> None:
    """That all of it really ran without."""
    from turnkeeper.jsonstream.native import native

    assert native is None
