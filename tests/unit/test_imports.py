"""Modules import each other one way, and a class name means one class."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import cevnsfit

ROOT = Path(cevnsfit.__file__).parent

CIRCLES: set[frozenset[str]] = set()
"""Import circles that are still there; none may join them."""

TWICE: set[str] = set()
"""Class names that are still used twice; none may join them."""


@cache
def trees() -> dict[str, ast.Module]:
    """Return the syntax tree of each module."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imported(tree: ast.Module) -> set[str]:
    """Return the modules of the project that one imports anywhere, those for type checking included."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in trees() else node.module for name in names}
    return found & set(trees())


def circles(imports: dict[str, set[str]]) -> set[frozenset[str]]:
    """Return the largest sets of modules in which each one imports, in the end, each other one."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            new = imports[waiting.pop()] - seen
            seen |= new
            waiting += new
        return seen

    reach = {module: reached(module) for module in imports}
    return {frozenset({other for other in reach[module] if module in reach[other]}) for module in imports if module in reach[module]}


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}) == {frozenset({"b", "c"})}


def test_modules_import_each_other_one_way() -> None:
    assert len(trees()) > 150
    assert circles({module: imported(tree) - {module} for module, tree in trees().items()}) == CIRCLES


def test_a_class_name_is_used_once() -> None:
    names = Counter(node.name for tree in trees().values() for node in tree.body if isinstance(node, ast.ClassDef))
    assert {name for name, count in names.items() if count > 1} == TWICE
