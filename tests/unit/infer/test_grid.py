"""Columns of a plane of a real experiment, and the plane they make."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import optimize

from cevnsfit.core.errors import CevnsfitError, DomainError
from cevnsfit.infer.boundaries import block_intervals, column_boundary, levels_of, region
from cevnsfit.infer.grid import (
    MAX_MINIMA,
    Grid,
    GridColumn,
    assemble,
    grid_block,
    grid_column,
    joint_at,
    prepare_grid,
)
from cevnsfit.infer.intervals import Level, intervals, threshold
from cevnsfit.infer.planes import PlaneAxis
from cevnsfit.infer.profile import profile
from cevnsfit.model.build import likelihood_of
from cevnsfit.spec.load import load_experiment

if TYPE_CHECKING:
    from cevnsfit.stats.likelihood import Likelihood

MASSES = PlaneAxis("mass", "MeV", np.array([100.0, 316.22776601683796, 1000.0]), "log")
COUPLINGS = PlaneAxis("g", "1", np.geomspace(1e-4, 0.1, 25), "log")
AXES = (MASSES, COUPLINGS)


@pytest.fixture(scope="module")
def likelihood() -> Likelihood:
    return likelihood_of([load_experiment("coherent-csi-2021")], "lmu-ltau")


@pytest.fixture(scope="module")
def grid(likelihood: Likelihood) -> Grid:
    return prepare_grid(likelihood, AXES, at={})


@pytest.fixture(scope="module")
def columns(grid: Grid) -> tuple[GridColumn, ...]:
    return tuple(grid_column(grid, index) for index in range(3))


def test_a_column_is_the_profile_on_its_grid(likelihood: Likelihood, columns: tuple[GridColumn, ...]) -> None:
    for index, mass in enumerate(MASSES.values):
        joint = likelihood.at({"mass": float(mass)})
        near = np.flatnonzero(columns[index].nll2 < columns[index].nll2.min() + 50.0)
        direct = profile(joint, {"g": COUPLINGS.values[near]})
        np.testing.assert_allclose(columns[index].nll2[near], direct.nll2, atol=1e-5)
        assert columns[index].valid[near].all()


def test_without_coupling_every_column_is_the_standard_model(likelihood: Likelihood, columns: tuple[GridColumn, ...]) -> None:
    standard = profile(likelihood_of([load_experiment("coherent-csi-2021")], "sm").at({}), {}).nll2[0]
    assert [column.reference for column in columns] == pytest.approx([standard] * 3, abs=1e-6)
    assert likelihood.parameters["g"].default == 0.0


def test_minima_include_the_mirror_that_lies_between_grid_points(columns: tuple[GridColumn, ...]) -> None:
    for column in columns[1:]:
        known = column.minima[np.isfinite(column.minima[:, 0])]
        assert column.minima.shape == (MAX_MINIMA, 2)
        mirror = known[np.abs(known[:, 0] / column.scale - 1.0) < 0.3]
        assert len(mirror) == 1
        step = COUPLINGS.values[1] / COUPLINGS.values[0]
        beside = (COUPLINGS.values > mirror[0, 0] / step) & (COUPLINGS.values < mirror[0, 0] * step)
        assert mirror[0, 1] <= column.nll2[beside].min() + 1e-6


def test_the_plane_has_the_lowest_point_of_all_columns(grid: Grid, columns: tuple[GridColumn, ...]) -> None:
    plane = assemble(grid, columns, label="csi", model="lmu-ltau", caveat="a caveat")
    assert (plane.label, plane.model, plane.experiments) == ("csi", "lmu-ltau", ("coherent-csi-2021",))
    assert plane.nll2.shape == plane.valid.shape == (3, 25)
    lowest = min(min(column.nll2.min(), np.nanmin(column.minima[:, 1]), column.reference) for column in columns)
    assert plane.best["nll2"] == pytest.approx(lowest, abs=1e-12)
    assert plane.best["mass"] in MASSES.values
    assert plane.reference_nll2 == pytest.approx(columns[0].reference, abs=1e-6)
    assert plane.caveat == "a caveat"
    assert levels_of(plane, [Level(0.9, 2), Level(0.683, 1)]) == pytest.approx([lowest + threshold(0.9, 2), lowest + threshold(0.683, 1)])


def test_column_intervals_are_those_of_one_mass(grid: Grid, columns: tuple[GridColumn, ...]) -> None:
    for index in (0, 2):
        joint = grid.likelihood.at({"mass": float(MASSES.values[index])})
        whole = intervals(joint, "g", cl=0.9)
        (found,) = column_boundary(grid, index, columns[index], [whole.nll2 + threshold(0.9, 1)]).allowed
        assert len(found) == len(whole.allowed) == 2
        assert found[0][0] == COUPLINGS.values[0]
        np.testing.assert_allclose(
            [end for pair in found for end in pair][1:], [end for pair in whole.allowed for end in pair][1:], rtol=1e-4
        )


def test_a_crossing_is_where_the_profile_has_its_level(grid: Grid, columns: tuple[GridColumn, ...]) -> None:
    level = columns[2].reference + 4.0
    (found,) = column_boundary(grid, 2, columns[2], [level]).allowed
    joint = grid.likelihood.at({"mass": 1000.0})
    end = found[0][1]
    root = optimize.brentq(lambda g: float(profile(joint, {"g": np.array([g])}).nll2[0]) - level, 0.9 * end, 1.1 * end, rtol=1e-8)
    assert end == pytest.approx(root, rel=1e-5)


def test_the_next_column_learns_where_this_one_was_profiled(grid: Grid, columns: tuple[GridColumn, ...]) -> None:
    found = column_boundary(grid, 2, columns[2], [columns[2].reference + 4.0])
    position = grid.likelihood.at({"mass": 1000.0}).parameters.index("g")
    assert len(found.places) == len(found.theta) > 0
    np.testing.assert_allclose(found.places * columns[2].scale, found.theta[:, position], rtol=1e-12)


def test_two_levels_are_nested(grid: Grid, columns: tuple[GridColumn, ...]) -> None:
    base = columns[2].reference
    tight, loose = column_boundary(grid, 2, columns[2], [base + 1.0, base + 9.0]).allowed
    for low, high in tight:
        assert any(a <= low and high <= b for a, b in loose)


def test_a_region_of_the_plane_has_a_branch_for_heavy_mediators(grid: Grid, columns: tuple[GridColumn, ...]) -> None:
    plane = assemble(grid, columns)
    level = levels_of(plane, [Level(0.9, 2)])
    by_column = [column_boundary(grid, i, entry, level).allowed[0] for i, entry in enumerate(columns)]
    found = region(grid, plane, columns, by_column, Level(0.9, 2))
    assert found.threshold == pytest.approx(4.6052, abs=1e-4)
    assert [len(entry) for entry in found.columns][-1] == 2
    assert len(found.allowed) >= 2


def test_parameters_can_be_held_elsewhere(likelihood: Likelihood) -> None:
    joint, held = joint_at(likelihood, {"mass": 100.0, "sns_flux": 0.5, "loop_sign": -1.0})
    assert held == {"sns_flux": 0.5}
    column = grid_column(prepare_grid(likelihood, AXES, at={"sns_flux": 0.5}), 0)
    direct = profile(joint_at(likelihood, {"mass": 100.0})[0], {"g": COUPLINGS.values[:3], "sns_flux": np.full(3, 0.5)})
    np.testing.assert_allclose(column.nll2[:3], direct.nll2, atol=1e-5)
    assert joint.parameters.names == likelihood.parameters.of_kind("polynomial", "nuisance").names
    with pytest.raises(DomainError):
        joint_at(likelihood, {"sns_flux": 50.0})


def test_a_plane_needs_all_its_columns(grid: Grid, columns: tuple[GridColumn, ...]) -> None:
    with pytest.raises(CevnsfitError, match="2 columns for 3 values of mass"):
        assemble(grid, columns[:2])


def test_columns_that_start_from_one_another_are_those_that_start_alone(likelihood: Likelihood) -> None:
    axes = (PlaneAxis("mass", "MeV", np.geomspace(50.0, 400.0, 7), "log"), PlaneAxis("g", "1", np.geomspace(1e-4, 3e-2, 15), "log"))
    grid = prepare_grid(likelihood, axes, at={})
    assert [index for block in grid.blocks for index in block] == list(range(7))
    assert len(grid.blocks) > 1
    together = [column for block in range(len(grid.blocks)) for column in grid_block(grid, block)]
    level = [min(column.nll2.min() for column in together) + 4.6]
    ends = [found for b, block in enumerate(grid.blocks) for found in block_intervals(grid, b, [together[i] for i in block], level)]
    for index, column in enumerate(together):
        alone = grid_column(grid, index)
        near = alone.nll2 < alone.nll2.min() + 100.0
        assert np.count_nonzero(near) > 4
        np.testing.assert_allclose(column.nll2[near], alone.nll2[near], rtol=0.0, atol=1e-6)
        np.testing.assert_allclose(np.ravel(ends[index][0]), np.ravel(column_boundary(grid, index, column, level).allowed[0]), rtol=1e-7)
