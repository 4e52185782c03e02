"""Settings and fixtures of the whole test suite."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import matplotlib as mpl
import pytest

mpl.use("agg")
hypothesis.settings.register_profile("cevnsfit", deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("nightly", hypothesis.settings.get_profile("cevnsfit"), max_examples=2000)
hypothesis.settings.load_profile("cevnsfit")


@pytest.fixture(scope="session")
def project_root() -> Path:
    """Return the folder of pyproject.toml."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data(project_root: Path) -> Path:
    """Return the folder of the official release files, or skip: they are not part of the project."""
    folder = project_root.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the official release files (../shared/data) are not on this machine")
    return folder
