from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cevnsfit.studies.setup import all_models

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result


def test_list(command: Callable[..., Result]) -> None:
    result = command("models")
    assert result.exit_code == 0
    assert all(name in result.stdout for name in all_models())


def test_list_as_json(command: Callable[..., Result]) -> None:
    entries = json.loads(command("models", "--json").stdout)
    assert tuple(entry["name"] for entry in entries) == all_models()
    universal = next(entry for entry in entries if entry["name"] == "universal")
    assert universal["label"] == "CEvNS only"
    assert {"g", "mass"} <= set(universal["parameters"])
    assert next(entry for entry in entries if entry["name"] == "vector")["label"] == "CEvNS only unless q_e = 0"


@pytest.mark.parametrize("name", all_models())
def test_show(command: Callable[..., Result], name: str) -> None:
    assert command("models", "show", name).exit_code == 0
    shown = json.loads(command("models", "show", name, "--json").stdout)
    assert shown["name"] == name
    assert all(parameter["lower"] is None or parameter["lower"] <= parameter["default"] for parameter in shown["parameters"])


def test_show_prints_the_lagrangian_and_units(command: Callable[..., Result]) -> None:
    text = command("models", "show", "lmu-ltau").stdout
    assert "L = g Z'_mu" in text
    assert "MeV" in text
    assert "q_u = q_d = 1/3, q_nu = q_l = -3 (e), 0 (mu), 0 (tau)" in command("models", "show", "b-3l-e").stdout
    held = command("models", "show", "nsi").stdout
    assert "eps_ee_u         polynomial, held" in held


def test_a_typo_is_answered_with_near_names(refused: Callable[..., str]) -> None:
    assert "did you mean lmu-ltau" in refused("models", "show", "lmu-tau")
    assert "released-templates" in refused("fit", "coherent-lar-2020", "-m", "released-template")
