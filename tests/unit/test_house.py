"""The house in figures: sizes, names and typing that a linter does not count."""

from __future__ import annotations

import ast
from pathlib import Path
from statistics import median

SOURCE = Path(__file__).parents[2] / "src/turnkeeper"
MODULES = sorted(SOURCE.rglob("*.py"))
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "common", "base", "misc", "manager"}


def _functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_modules_are_small() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in MODULES if path.name != "__init__.py"}
    assert max(lengths.values()) <= 500, max(lengths, key=lengths.__getitem__)
    assert median(lengths.values()) <= 150


def test_functions_are_small() -> None:
    lengths = {
        f"{path.name}:{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in MODULES
        for node in _functions(path)
    }
    assert max(lengths.values()) <= 80, max(lengths, key=lengths.__getitem__)
    assert median(lengths.values()) <= 10


def test_every_module_says_what_it_is() -> None:
    silent = [path.name for path in MODULES if not ast.get_docstring(ast.parse(path.read_text()))]
    assert not silent


def test_names_say_something() -> None:
    assert not [path for path in MODULES if path.stem in SAYS_NOTHING]
    classes = [
        node.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    ]
    assert not [name for name in classes if name.endswith(("Manager", "Helper", "Util", "Utils"))]
