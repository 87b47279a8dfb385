"""A hint names the tool that turnkeeper was installed with."""

from __future__ import annotations

from pathlib import Path

import pytest

from turnkeeper.installation import install_hint, installer, upgrade_hint


@pytest.mark.parametrize(
    ("prefix", "note", "found"),
    [
        ("/home/me/.venv", "pip\n", "pip"),
        ("/home/me/.venv", "uv", "uv pip"),
        ("/home/me/.local/share/pipx/venvs/turnkeeper", "pip", "pipx"),
        ("/home/me/.local/share/uv/tools/turnkeeper", "uv", "uv tool"),
        ("/usr", "", "pip"),
    ],
)
def test_the_installer_is_known_by_the_environment(prefix: str, note: str, found: str) -> None:
    assert installer(Path(prefix).parts, note) == found


def test_hints_are_sentences_with_a_command() -> None:
    assert install_hint("audio").endswith("install 'turnkeeper[audio]'.")
    assert upgrade_hint().startswith("Upgrade turnkeeper: ")
