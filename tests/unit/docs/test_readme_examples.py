"""README.md and docs/command-line.md: their commands print what stands there, the Python lines run, and the links of all pages lead somewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def page(project_root: Path) -> str:
    return (project_root / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "commands"),
    [
        ("README.md", ["intervals", "forecast", "export-likelihood"]),
        ("docs/command-line.md", ["rates", "rates", "fit", "intervals", "scan", "fit", "rates"]),
    ],
)
def test_commands_print_what_the_page_says(
    name: str,
    commands: list[str],
    project_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    check_commands: Callable[[str], list[str]],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert check_commands((project_root / name).read_text(encoding="utf-8")) == commands


@pytest.mark.slow
def test_python_lines_run(page: str) -> None:
    (code,) = BLOCK.findall(page)
    found: dict[str, object] = {}
    exec(code, found)  # noqa: S102 (the code of the page)
    assert len(getattr(found["limit"], "allowed", ())) == 2
    assert len(getattr(found["region"], "columns", ())) == 7
    assert getattr(found["best"], "valid", False)


def test_files_that_the_pages_link_to_exist(project_root: Path) -> None:
    pages = [*project_root.glob("*.md"), *(project_root / "docs").glob("*.md")]
    missing = [
        f"{page.name}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#]*[./][^)#]*)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not target.startswith("https://") and not (page.parent / target).exists()
    ]
    assert missing == []
