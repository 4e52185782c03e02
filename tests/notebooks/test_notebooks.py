"""The notebooks are MyST text without outputs; building the site runs every cell of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jupytext
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(path.stem for path in FOLDER.glob("*.md"))


@pytest.fixture(params=NOTEBOOKS)
def notebook(request: pytest.FixtureRequest) -> Any:
    return jupytext.read(FOLDER / f"{request.param}.md")


def test_there_are_three() -> None:
    assert NOTEBOOKS == ["01-first-fit", "02-new-release", "03-ccm-forecast"]


def test_they_are_text_for_the_standard_kernel(notebook: Any) -> None:
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    assert notebook.metadata["jupytext"]["text_representation"]["format_name"] == "myst"
    assert not any(cell.get("outputs") for cell in notebook.cells)
    assert notebook.cells[0].source.startswith("# ")
