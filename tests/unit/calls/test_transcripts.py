"""What a place is: an archive, or one body."""

from __future__ import annotations

from pathlib import Path

from turnkeeper.calls.transcripts import is_archive


def test_a_web_address_is_one_body_and_a_store_or_folder_is_an_archive(tmp_path: Path) -> None:
    (file := tmp_path / "call.json").write_bytes(b"{}")
    assert is_archive(tmp_path)
    assert is_archive("s3://calls/genesys")
    assert not is_archive("https://example.org/call.json")
    assert not is_archive(file)
    assert not is_archive(b"{}")
