"""The simplified likelihood: exact on cubics, refined to its accuracy, refused when broken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core.errors import ResultError
from cevnsfit.io.exports.simplified import (
    ACCURACY,
    FAR,
    evaluate,
    read_simplified,
    tabulate,
    weights,
    write_simplified,
)

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("mass", "g", "MeV")


def scale(mass: float) -> float:
    return float(1e-3 * np.sqrt(1.0 + (mass / 30.0) ** 2))


def nll2(mass: float, g: np.ndarray) -> np.ndarray:
    """Return a likelihood with a dip, a barrier and a mirror, whose balance moves with the mass."""
    strength = (g / scale(mass)) ** 2
    counts = 1.0 - (2.0 + 0.1 * np.sin(np.log(mass))) * strength + strength**2
    return 100.0 + 40.0 * (counts - 1.03) ** 2


def test_four_points_interpolate_cubics_exactly() -> None:
    nodes = np.array([0.0, 0.3, 1.0, 1.1, 2.0, 4.0])
    at = np.linspace(0.0, 4.0, 23)
    near, factors = weights(nodes, at)
    np.testing.assert_allclose(factors.sum(axis=1), 1.0)
    np.testing.assert_allclose(np.sum(factors * (nodes**3 - 2.0 * nodes)[near], axis=1), at**3 - 2.0 * at, atol=1e-12)


def test_the_table_is_as_good_as_it_says(tmp_path: Path) -> None:
    table = tabulate(nll2, scale, (1.0, 1000.0), names=NAMES, metadata={"model": "toy"}, minimum=100.0)
    (path,) = write_simplified(table, tmp_path / "simplified.json")
    again = read_simplified(path)
    assert (again.x, again.y, again.unit, again.metadata) == ("mass", "g", "MeV", {"model": "toy"})
    rng = np.random.default_rng(11)
    mass = np.exp(rng.uniform(0.0, np.log(1000.0), 400))
    g = np.array([scale(m) for m in mass]) * np.exp(rng.uniform(-6.0, 0.4, 400))
    true = np.array([nll2(m, np.array([y]))[0] - 100.0 for m, y in zip(mass, g, strict=True)])
    near = true < FAR
    assert near.sum() > 200
    assert table.accuracy <= ACCURACY
    np.testing.assert_allclose(evaluate(again, mass, g)[near], true[near], atol=ACCURACY)
    np.testing.assert_allclose(evaluate(again, mass[:1], np.zeros(1)), nll2(1.0, np.zeros(1)) - 100.0, atol=ACCURACY)
    assert np.all(evaluate(again, mass, 100.0 * g) >= 0.0)


def test_the_scale_is_interpolated_well_enough_too() -> None:
    def steep(mass: float, g: np.ndarray) -> np.ndarray:
        counts = (1.0 - (g / scale(mass)) ** 2) ** 2
        return 100.0 + 400.0 * (np.sqrt(counts + 1e-3) - 1.0) ** 2

    table = tabulate(steep, scale, (1.0, 1000.0), names=NAMES, metadata={}, minimum=100.0)
    rng = np.random.default_rng(11)
    mass = np.exp(rng.uniform(0.0, np.log(1000.0), 2000))
    g = np.array([scale(m) for m in mass]) * np.exp(rng.uniform(-6.0, 0.4, 2000))
    true = np.array([steep(m, np.array([y]))[0] - 100.0 for m, y in zip(mass, g, strict=True)])
    near = true < FAR
    assert near.sum() > 1000
    np.testing.assert_allclose(evaluate(table, mass, g)[near], true[near], atol=ACCURACY)


def test_a_coupling_without_effect_is_refused() -> None:
    with pytest.raises(ResultError, match="do not constrain"):
        tabulate(lambda _, g: 100.0 + 0.0 * g, scale, (1.0, 10.0), names=NAMES, metadata={})


def test_noise_never_reaches_the_accuracy() -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(ResultError, match=r"masses or|is needed"):
        tabulate(lambda m, g: nll2(m, g) + rng.uniform(0.0, 0.5, len(g)) * (g > 1e-6), scale, (1.0, 10.0), names=NAMES, metadata={})


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("schema", "other", "schema"),
        ("v", [1.0, 2.0], "shapes disagree"),
        ("t", [[1.0]], "shapes disagree"),
        ("t", [[1.0], [1.0, 2.0]], "ValueError"),
        ("log_scale", None, "shapes disagree|TypeError|ValueError"),
        ("parameters", [], "ValueError"),
        ("accuracy", 7, "TypeError"),
        ("nll2_min", "x", "ValueError"),
    ],
)
def test_broken_tables(key: str, value: object, reason: str, tmp_path: Path) -> None:
    table = tabulate(nll2, scale, (1.0, 3.0), names=NAMES, metadata={}, minimum=100.0)
    (path,) = write_simplified(table, tmp_path / "simplified.json")
    values = json.loads(path.read_text(encoding="utf-8"))
    values[key] = value
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ResultError, match=reason):
        read_simplified(path)


def test_nodes_must_increase(tmp_path: Path) -> None:
    table = tabulate(nll2, scale, (1.0, 3.0), names=NAMES, metadata={}, minimum=100.0)
    (path,) = write_simplified(table, tmp_path / "simplified.json")
    values = json.loads(path.read_text(encoding="utf-8"))
    values["v"] = values["v"][::-1]
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ResultError, match="must increase"):
        read_simplified(path)
    path.write_text(path.read_text(encoding="utf-8")[:200], encoding="utf-8")
    with pytest.raises(ResultError, match="not readable as JSON"):
        read_simplified(path)
