"""``tools.trace_lives`` counts functions of turnkeeper, and nothing else, in every thread."""

from __future__ import annotations

import pytest
from tools.trace_lives import Life, lives

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def traced() -> dict[str, Life]:
    return {life.name: life for life in lives(["get", "turns"])}


def test_a_life_passes_functions_of_the_package(traced: dict[str, Life]) -> None:
    entry = traced["turns"].files["cli/__init__.py"]
    assert entry[0].startswith("main:")
    assert len(traced["turns"].files) > 5
    assert traced["turns"].functions > len(traced["turns"].files)


def test_only_functions_count(traced: dict[str, Life]) -> None:
    spelled = [name.rpartition(":")[0] for life in traced.values() for names in life.files.values() for name in names]
    assert not [name for name in spelled if name.endswith(">")]
    assert not [file for life in traced.values() for file in life.files if file.startswith("simulator")]


def test_a_function_counts_once(traced: dict[str, Life]) -> None:
    for names in traced["get"].files.values():
        assert len(set(names)) == len(names)


def test_worker_threads_are_traced_too(traced: dict[str, Life]) -> None:
    """``get`` parses its transcript in a worker thread, with the functions that ``turns`` parses a file with."""
    got, read = ({(file, name) for file, names in traced[life].files.items() for name in names} for life in traced)
    assert len(got & read) > len(read) / 3
