"""The notebooks are MyST text without outputs, and every cell of them runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jupytext
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(path.stem for path in FOLDER.glob("*.md"))


@pytest.fixture(params=NOTEBOOKS)
def notebook(request: pytest.FixtureRequest) -> Any:
    return jupytext.read(FOLDER / f"{request.param}.md")


@pytest.fixture
def _source_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the kernel import the package from the source tree."""
    known = os.environ.get("PYTHONPATH")
    source = str(FOLDER.parent / "src")
    monkeypatch.setenv("PYTHONPATH", source if known is None else os.pathsep.join([source, known]))


def test_there_are_three() -> None:
    assert NOTEBOOKS == ["01-first-fit", "02-new-release", "03-ccm-forecast"]


def test_they_are_text_for_the_standard_kernel(notebook: Any) -> None:
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    assert notebook.metadata["jupytext"]["text_representation"]["format_name"] == "myst"
    assert not any(cell.get("outputs") for cell in notebook.cells)
    assert notebook.cells[0].source.startswith("# ")


@pytest.mark.slow
@pytest.mark.usefixtures("_source_tree")
def test_every_cell_runs_and_figures_are_shown(notebook: Any, tmp_path: Path) -> None:
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output for output in outputs if output.output_type == "error"] == []
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 2
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    assert [output for output in outputs if output.output_type == "display_data" and "image/png" not in output.data] == []
