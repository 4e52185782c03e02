"""What is imported is declared: base packages in general, those of extras only inside functions."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import cevnsfit

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(cevnsfit.__file__).parent


def distribution(module: str) -> str:
    """Return the distribution that a module comes from, normalised."""
    first = module.partition(".")[0]
    own = {"ruamel": "ruamel-yaml", "yaml": "pyyaml"}
    return own[first] if first in own else first.replace("_", "-").lower()


def declared(requirements: list[str]) -> set[str]:
    """Return the normalised names of requirements."""
    return {re.split(r"[<>=!~\[ ;]", text)[0].replace("_", "-").replace(".", "-").lower() for text in requirements}


@pytest.fixture(scope="module")
def project(project_root: Path) -> Any:
    return tomllib.loads((project_root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def run(node: ast.AST, inside: bool = False) -> Iterator[tuple[str, bool]]:
    """Yield the packages of others that code imports when it runs, and whether it does so inside a function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        names: list[str] = []
        if isinstance(child, ast.Import):
            names = [alias.name for alias in child.names]
        elif isinstance(child, ast.ImportFrom) and child.module is not None:
            names = [child.module]
        yield from ((name, inside) for name in names if name.split(".")[0] not in {*sys.stdlib_module_names, "cevnsfit"})
        yield from run(child, inside or isinstance(child, ast.FunctionDef | ast.Lambda))


def optional_calls(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield package and extra of each call of `optional`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "optional":
            package, extra = (ast.literal_eval(argument) for argument in node.args)
            yield package, extra


@cache
def trees() -> list[ast.Module]:
    return [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(ROOT.rglob("*.py"))]


def test_modules_import_base_packages_and_functions_declared_ones(project: Any) -> None:
    base = declared(project["dependencies"])
    extra = declared([text for name, texts in project["optional-dependencies"].items() if name != "test" for text in texts])
    found = {(distribution(name), inside) for tree in trees() for name, inside in run(tree)}
    assert {name for name, inside in found if not inside} <= base
    assert {name for name, _ in found} <= base | extra
    assert {"numpy", "scipy", "zarr"} <= {name for name, _ in found}


def test_an_error_names_the_extra_that_declares_the_package(project: Any) -> None:
    calls = {call for tree in trees() for call in optional_calls(tree)}
    assert ("xarray", "xarray") in calls
    for package, extra in calls:
        assert distribution(package) in declared(project["optional-dependencies"][extra]), package


def test_every_base_package_is_imported(project: Any) -> None:
    assert declared(project["dependencies"]) <= {distribution(name) for tree in trees() for name, _ in run(tree)}
