"""Templates of parameters that are zero and do not float are left out, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.core.parameters import ParameterSet
from cevnsfit.infer.profile import profile, zero_indices
from cevnsfit.stats.binding import bind_data
from cevnsfit.stats.data import observed_data
from cevnsfit.stats.engine import evaluate_problem, hessian
from cevnsfit.stats.joint import join

if TYPE_CHECKING:
    from cevnsfit.stats.joint import Joint

USED = ("eps_ee_u", "eps_mumu_u")


@pytest.fixture(scope="module")
def nsi() -> Joint:
    experiments = [cf.load_experiment(name) for name in ("coherent-csi-2021", "coherent-lar-2020")]
    return cf.build_likelihood(*experiments, model="nsi").at({})


def test_value_gradient_and_hessian_are_the_same(nsi: Joint) -> None:
    rng, names = np.random.default_rng(5), nsi.parameters.names
    theta = rng.normal(0.0, 0.3, (6, len(names))) * [p.kind == "nuisance" or p.name in USED for p in nsi.parameters]
    floating = np.array([i for i, p in enumerate(nsi.parameters) if p.kind == "nuisance" or p.name == "eps_ee_u"])
    absent = zero_indices(theta, floating)
    assert {names[i] for i in absent} == {name for name in names if name.startswith("eps_")} - set(USED)
    data, rows = observed_data(nsi), np.arange(6)
    full, reduced = bind_data(nsi, data, floating), bind_data(nsi, data, floating, absent)
    assert [len(c.merge) for c in reduced.channels] < [len(c.merge) / 3 for c in full.channels]
    one, other = evaluate_problem(full, theta, rows), evaluate_problem(reduced, theta, rows)
    np.testing.assert_allclose(other.value, one.value, rtol=1e-12)
    np.testing.assert_allclose(other.gradient, one.gradient, rtol=1e-9, atol=1e-8)
    for found, expected in zip(hessian(reduced, other, rows, rows), hessian(full, one, rows, rows), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_held_excursions_are_left_out_too(nsi: Joint) -> None:
    held = np.array([i for i, p in enumerate(nsi.parameters) if p.kind == "polynomial" or p.name.endswith(".efficiency")])
    data, none = observed_data(nsi), np.empty(0, dtype=np.int64)
    some, fewer = bind_data(nsi, data, none, held[:-1]), bind_data(nsi, data, none, held)
    assert len(fewer.channels[0].merge) < len(some.channels[0].merge)
    theta = np.zeros((1, len(nsi.parameters)))
    values = [evaluate_problem(bound, theta, np.zeros(1, dtype=np.int64)).value[0] for bound in (some, fewer)]
    assert values[0] == pytest.approx(values[1], rel=1e-12)


def test_a_profile_is_that_of_a_likelihood_without_the_other_couplings(nsi: Joint) -> None:
    grid = {"eps_ee_u": np.linspace(-0.2, 0.6, 9), "eps_mumu_u": np.full(9, 0.02)}
    found = profile(nsi, grid)
    nowhere = join(
        ParameterSet(tuple(replace(p, default=1e-300 if p.name.startswith("eps_") else p.default) for p in nsi.parameters)), nsi.channels
    )
    everything = profile(nowhere, grid)
    assert found.converged.all()
    np.testing.assert_allclose(found.nll2, everything.nll2, rtol=0, atol=1e-6)
