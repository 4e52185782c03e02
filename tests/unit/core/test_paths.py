"""Where the shipped data lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cevnsfit.core.paths import data_root

if TYPE_CHECKING:
    from pathlib import Path


def test_the_source_tree_is_found(project_root: Path) -> None:
    assert data_root() == project_root / "data"
    assert (data_root() / "experiments").is_dir()
