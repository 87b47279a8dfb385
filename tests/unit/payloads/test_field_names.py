"""Only ``payloads`` knows the platform's field names; ``genesys/endpoints`` knows those of requests."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

SOURCE = Path(__file__).parents[3] / "src/turnkeeper"
ROOMS_OF_ANSWERS = ("payloads", "simulator")
SENT = ("genesys/endpoints/", "genesys/filters.py")
"""Where parameters and bodies of requests are written."""

# The platform's names are camel case. Not preceded or followed by what makes it a permission, a path or a parameter of
# an address (`analytics:conversationDetail:view`, `/users?pageSize=1`).
CAMEL = re.compile(r"(?<![\w:/?&=.-])[a-z]{2,}[a-z0-9]*[A-Z][A-Za-z0-9]*(?![\w:])")
OTHERS = {"macOS", "ooTextFile"}
"""Words in camel case that are not the platform's: a system, and the head of a Praat TextGrid."""


class _Text(ast.Constant):
    value: str


def _modules() -> list[Path]:
    return [path for path in sorted(SOURCE.rglob("*.py")) if path.relative_to(SOURCE).parts[0] not in ROOMS_OF_ANSWERS]


def _docstrings(tree: ast.AST) -> set[int]:
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def _field_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of each field name in a literal, in a keyword, or made by a Struct's ``rename``."""
    prose = _docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and id(node) not in prose:
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            yield from ((node.lineno, name) for name in CAMEL.findall(text) if name not in OTHERS)
        elif isinstance(node, ast.keyword) and node.arg and (CAMEL.fullmatch(node.arg) or node.arg == "rename"):
            yield node.value.lineno, node.arg


def _reads(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of each field that is read: ``answer.get("name")``, ``answer["name"]``, ``name == "field"``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
            owner, read = node.func.value, node.args[:1]
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            owner, read = node.value, [node.slice]
        elif isinstance(node, ast.Compare):
            owner, read = node, [side for side in (node.left, *node.comparators) if _is_field_name(side)]
        else:
            continue
        if not ast.unparse(owner).endswith("headers"):
            yield from ((node.lineno, part.value) for part in read if _is_text(part))


def _is_text(node: ast.expr) -> TypeGuard[_Text]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_field_name(node: ast.expr) -> bool:
    return _is_text(node) and bool(CAMEL.fullmatch(node.value))


def _label(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def test_only_payloads_holds_field_names_of_answers() -> None:
    found = [
        f"{_label(path)}:{line}: {name}"
        for path in _modules()
        if not _label(path).startswith(SENT)
        for line, name in _field_names(ast.parse(path.read_text()))
    ]
    assert found == []


def test_the_platforms_door_sends_field_names_and_reads_none() -> None:
    found = []
    for path in _modules():
        tree = ast.parse(path.read_text())
        if _label(path).startswith("genesys/"):
            found += [f"{_label(path)}:{line}: {name}" for line, name in _reads(tree)]
        if _label(path).startswith(SENT):
            found += [f"{_label(path)}:{line}: {name}" for line, name in _field_names(tree) if name == "rename"]
    assert found == []


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("x = 'conversationId'", ["conversationId"]),
        ("x = b'\"downloadUrl\"'", ["downloadUrl"]),
        ("x = f'without {y} or mediaUri'", ["mediaUri"]),
        ("f(queueId=1)", ["queueId"]),
        ("class A(msgspec.Struct, rename='camel'): ...", ["rename"]),
        ("def f():\n    '''The ``conversationId`` of a document.'''", []),
        ("x = 'analytics:conversationDetail:view'", []),
        ("x = '/api/v2/users?pageSize=1'", []),
        ("x = 'macOS'", []),
        ("x = 'Content-Type'", []),
    ],
)
def test_field_names_are_found(code: str, names: list[str]) -> None:
    assert [name for _, name in _field_names(ast.parse(code))] == names


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("answer.get('id')", ["id"]),
        ("answer['entities']", ["entities"]),
        ("name == 'mediaUri'", ["mediaUri"]),
        ("answer.headers.get('etag')", []),
        ("body = {'pageSize': 1}", []),
    ],
)
def test_reads_of_fields_are_found(code: str, names: list[str]) -> None:
    assert [name for _, name in _reads(ast.parse(code))] == names
