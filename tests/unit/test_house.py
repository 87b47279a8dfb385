"""The house in figures: sizes, names and cycles that a linter does not count."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import median

import turnkeeper as tk

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


def _places(kinds: tuple[type[ast.AST], ...]) -> dict[str, set[str]]:
    """Every name of a definition of these kinds, with the modules in which it stands."""
    places: dict[str, set[str]] = defaultdict(set)
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, kinds):
                places[node.name].add(str(path.relative_to(SOURCE)))  # type: ignore[attr-defined]
    return places


def test_a_class_has_a_name_of_its_own() -> None:
    assert not {
        name: places
        for name, places in _places((ast.ClassDef,)).items()
        if len(places) > 1 and not name.startswith("_")
    }


def test_no_module_hides_a_public_name() -> None:
    """Importing a submodule sets its name in the package, in place of a function that is called the same."""
    modules = {path.stem for path in SOURCE.glob("*.py")} | {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert modules & set(tk.__all__) <= {"errors"}


def _name(path: Path) -> str:
    parts = ("turnkeeper", *path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(path: Path, modules: set[str]) -> Iterator[str]:
    """The modules of the package that one imports, also lazily or only for types."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module in modules:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name for name in inner if name in modules)
            if any(name not in modules for name in inner):
                yield node.module


def test_there_are_no_cycles() -> None:
    """Not even of lazy and type-only imports. The package's own face names all modules, and none may import it."""
    names = {_name(path): path for path in MODULES}
    graph = {name: set(_imports(path, set(names))) for name, path in names.items() if name != "turnkeeper"}
    assert not [name for name, imported in graph.items() if "turnkeeper" in imported]
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as cause:
        raise AssertionError(" -> ".join(cause.args[1])) from None


def test_a_private_helper_says_what_it_does() -> None:
    """A word that several modules use for a helper of their own (`_read`, `_name`) finds nothing under grep."""
    helpers = _places((ast.FunctionDef, ast.AsyncFunctionDef))
    words = {name: places for name, places in helpers.items() if name.startswith("_") and "_" not in name[1:]}
    assert not {name: sorted(places) for name, places in words.items() if len(places) > 3}
