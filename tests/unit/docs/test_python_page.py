"""docs/python.md lists the public names and runs; README, pages and notebooks use nothing else of the package."""

from __future__ import annotations

import ast
import inspect
import re
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

import cevnsfit as cf
from cevnsfit import plugins

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCK = re.compile(r"^(?:```python|```\{code-cell\} ipython3)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`([^`\n]+)`")
INNER = {"architecture.md", "renamed.md"}
"""Pages for those who change cevnsfit, or knew it before."""


def pages(root: Path) -> list[Path]:
    return [root / "README.md", *sorted((root / "docs").glob("*.md")), *sorted((root / "notebooks").glob("*.md"))]


def code(page: Path) -> Iterator[ast.Module]:
    """Yield the Python of a page, without lines of IPython."""
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        yield ast.parse(re.sub(r"^%.*$", "", block, flags=re.MULTILINE))


def test_pages_import_public_names_only(project_root: Path) -> None:
    seen = 0
    for page in pages(project_root):
        for node in (node for module in code(page) for node in ast.walk(module)):
            if isinstance(node, ast.Import):
                inner = [alias.name for alias in node.names if alias.name.partition(".")[0] == "cevnsfit"]
                assert inner in ([], ["cevnsfit"]), page.name
            elif isinstance(node, ast.ImportFrom) and node.module is not None and node.module.partition(".")[0] == "cevnsfit":
                known = {"cevnsfit": cf.__all__, "cevnsfit.plugins": plugins.__all__}
                assert {alias.name for alias in node.names} <= {*known[node.module]}, page.name
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "cf":
                seen += 1
                assert node.attr in cf.__all__, page.name
    assert seen > 40


def test_text_names_public_names_only(project_root: Path) -> None:
    for page in pages(project_root):
        if page.name not in INNER:
            spans = SPAN.findall(re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE))
            named = {name for span in spans for name in re.findall(r"\bcf\.(\w+)", span)}
            assert named <= {*cf.__all__}, page.name
            modules = {name for span in spans for name in re.findall(r"\bcevnsfit\.([a-z]\w*)", span)}
            assert modules <= {"plugins", "models", "experiments", "releases"}, page.name


@pytest.fixture(scope="module")
def page(project_root: Path) -> str:
    return (project_root / "docs" / "python.md").read_text(encoding="utf-8")


def test_each_public_name_has_a_row_with_arguments_that_it_takes(page: str) -> None:
    rows = re.findall(r"^\| `cf\.(\w+)(?:\(([^`]*)\))?` \| .+ \|$", page, re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(cf.__all__)
    for name, arguments in rows:
        if arguments:
            known = inspect.signature(getattr(cf, name)).parameters
            free = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
            named = re.findall(r"(\w+)=", re.sub(r"\([^()]*\)|\[[^\]]*\]|\{[^}]*\}", "", arguments))
            assert free or {*named} <= {*known}, name


@pytest.mark.slow
def test_its_lines_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found: dict[str, object] = {}
    for block in BLOCK.findall(page):
        exec(block, found)  # noqa: S102 (the code of the page)
    assert (tmp_path / "limits.csv").stat().st_size > 0


def test_what_was_renamed_exists_under_its_new_name(project_root: Path) -> None:
    text = (project_root / "docs" / "renamed.md").read_text(encoding="utf-8")
    now = [row.rstrip("| ").rpartition(" | ")[2] for row in text.splitlines() if row.startswith("| `")]
    assert len(now) > 20
    assert {name for cell in now for name in re.findall(r"\bcf\.(\w+)", cell)} <= {*cf.__all__}
    homes = {found for cell in now for found in re.findall(r"`(\w+\.\w+)\.(\w+)`", cell)}
    assert homes
    for module, name in homes:
        assert callable(getattr(import_module(f"cevnsfit.{module}"), name))
