"""Versions of what is installed."""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint, distribution
from typing import TYPE_CHECKING

import pytest

from cevnsfit.core.version import UNKNOWN, distribution_of, other_versions, package_versions
from cevnsfit.physics import interactions
from cevnsfit.physics.interactions import model_distribution
from cevnsfit.spec import catalog
from cevnsfit.spec.catalog import experiment_distribution

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EntryPoint:
    """Return the entry point of a package of two modules, of no distribution."""
    package = tmp_path / "mine_of_versions"
    package.mkdir()
    (package / "__init__.py").write_text("from mine_of_versions.parts import model\n", encoding="utf-8")
    (package / "parts.py").write_text("model = 1\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return EntryPoint("mine", "mine_of_versions:model", "cevnsfit.models")


def test_an_entry_point_belongs_to_a_distribution_and_has_code(mine: EntryPoint, tmp_path: Path) -> None:
    numpy = next(iter(distribution("numpy").entry_points))
    assert re.fullmatch(rf"numpy {re.escape(package_versions()['numpy'])} \(code [0-9a-f]{{12}}\)", distribution_of(numpy))
    known = distribution_of(mine)
    assert known.startswith(f"{UNKNOWN} (code ")
    assert distribution_of(mine) == known
    (tmp_path / "mine_of_versions" / "parts.py").write_text("model = 2\n", encoding="utf-8")
    assert distribution_of(mine) != known
    assert distribution_of(EntryPoint("mine", "there_is_no_such_module:model", "cevnsfit.models")).startswith(UNKNOWN)
    assert distribution_of(None) == ""


def test_plugins_are_named_with_their_version_and_what_is_shipped_is_not(mine: EntryPoint, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (interactions, catalog):
        monkeypatch.setattr(module, "_plugins", lambda: {"mine": mine, "sm": mine, "coherent-csi-2021": mine})
    assert (model_distribution("mine"), model_distribution("sm")) == (distribution_of(mine), "")
    assert (experiment_distribution("mine"), experiment_distribution("coherent-csi-2021")) == (distribution_of(mine), "")
    assert experiment_distribution("a/folder") == ""


def test_the_versions_name_what_makes_numbers_and_where_two_sets_differ() -> None:
    here = package_versions()
    assert {"cevnsfit", "python", "numpy", "scipy", "iminuit", "pyhf", "uproot", "zarr", "pint", "emcee", "dynesty", "contourpy"} <= set(
        here
    )
    assert re.search(r"\w+ \d+\.\d+", here["BLAS"])
    assert other_versions(here, here) == ""
    assert other_versions({**here, "emcee": "1"}, {name: text for name, text in here.items() if name != "emcee"}) == ""
    assert other_versions({"numpy": "1.0", "scipy": "2"}, {"numpy": "1.1", "scipy": "2", "zarr": "3"}) == "numpy 1.0 and 1.1"
    assert other_versions({"BLAS": "openblas 0.3.30"}, {"BLAS": "mkl 2025.1, openblas 0.3.30"}) == ""
    assert other_versions({"BLAS": "openblas 0.3.30"}, {"BLAS": "mkl 2025.1"}) == "BLAS openblas 0.3.30 and mkl 2025.1"
