"""A file that is written whole replaces only what turnkeeper wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from turnkeeper.cli.output_file import refuse_foreign_file, set_aside
from turnkeeper.errors import Misconfigured


def test_a_file_of_somebody_elses_is_refused(tmp_path: Path) -> None:
    """K1: the kind of demo --folder: a verb replaces what the user named."""
    file = tmp_path / "contract.json"
    refuse_foreign_file(file, "turnkeeper.", "--proof")
    file.write_text("")
    refuse_foreign_file(file, "turnkeeper.", "--proof")
    file.write_text('{"format": "turnkeeper.erasure/1"}')
    refuse_foreign_file(file, "turnkeeper.", "--proof")
    file.write_text('{"ours": 1}')
    with pytest.raises(Misconfigured, match="did not write it"):
        refuse_foreign_file(file, "turnkeeper.", "--proof")
    with pytest.raises(Misconfigured, match="cannot be read"):
        refuse_foreign_file(tmp_path, "turnkeeper.", "--proof")


def test_an_earlier_proof_is_kept_beside(tmp_path: Path) -> None:
    """K1: the same: a proof of an erasure is evidence."""
    file = tmp_path / "proof.json"
    assert set_aside(file) is None
    for number in (1, 2):
        file.write_text(str(number))
        assert set_aside(file) == tmp_path / f"proof.json.{number}"
    assert [(tmp_path / f"proof.json.{number}").read_text() for number in (1, 2)] == ["1", "2"]
