"""Which bodies say nothing, so that the platform is asked again while the call is fresh."""

from __future__ import annotations

import pytest

from turnkeeper.payloads.transcript_link import is_empty
from turnkeeper.spool import Spool


@pytest.mark.parametrize(
    ("body", "empty"),
    [
        (b"", True),
        (b"null", True),
        (b"[]", True),
        (b"{}", True),
        (b' { "transcripts" : [] } ', True),
        (b'{"transcripts":[{"phrases":[]}]}', False),
        (b'{"transcript":[]}', True),
        (b'{"transcripts":[{"phrases":[{"text":"hi"}]}]}', False),
        (b'{"status":"sorry"}', False),
        (b'{"transcripts":[{"words":[1]}]}', False),
        (b"[" * 5000, False),
        (b'"' + b" " * 70_000 + b'"', False),
    ],
)
def test_what_is_empty(body: bytes, empty: bool) -> None:
    """K8: {"transcripts":[]}, null, [] behind a fresh speech link."""
    with Spool() as spool:
        spool.write(body)
        assert is_empty(spool.seal()) is empty
