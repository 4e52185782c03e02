"""Versions of what is installed."""

from __future__ import annotations

from importlib.metadata import EntryPoint, distribution
from typing import TYPE_CHECKING

from cevnsfit.core.version import UNKNOWN, distribution_of, package_versions
from cevnsfit.physics import interactions
from cevnsfit.physics.interactions import model_distribution
from cevnsfit.spec import catalog
from cevnsfit.spec.catalog import experiment_distribution

if TYPE_CHECKING:
    import pytest


def test_an_entry_point_belongs_to_a_distribution() -> None:
    numpy = next(iter(distribution("numpy").entry_points))
    assert distribution_of(numpy) == f"numpy {package_versions()['numpy']}"
    assert distribution_of(EntryPoint("mine", "mine:model", "cevnsfit.models")) == UNKNOWN
    assert distribution_of(None) == ""


def test_plugins_are_named_with_their_version_and_what_is_shipped_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    numpy = next(iter(distribution("numpy").entry_points))
    for module in (interactions, catalog):
        monkeypatch.setattr(module, "_plugins", lambda: {"mine": numpy, "sm": numpy, "coherent-csi-2021": numpy})
    version = package_versions()["numpy"]
    assert (model_distribution("mine"), model_distribution("sm")) == (f"numpy {version}", "")
    assert (experiment_distribution("mine"), experiment_distribution("coherent-csi-2021")) == (f"numpy {version}", "")
    assert experiment_distribution("a/folder") == ""
