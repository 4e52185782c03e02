"""Expected counts and their projections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.stats.likelihood import Likelihood

if TYPE_CHECKING:
    from cevnsfit.studies.rates import Rates


def expected(name: str, model: str, at: dict[str, float] | None = None) -> Rates:
    return cf.rates(cf.build_likelihood(name, model=model), at=at)[name]


@pytest.mark.parametrize(
    ("name", "signal", "tolerance"),
    [("coherent-csi-2017", 168.0, 0.5), ("coherent-csi-2021", 328.0, 0.5), ("coherent-lar-2020", 122.3, 0.3), ("ccm-200", 332.6, 0.3)],
)
def test_the_standard_model_expects_the_counts_of_an_independent_program(name: str, signal: float, tolerance: float) -> None:
    counts = expected(name, "sm")
    assert counts.signal.sum() == pytest.approx(signal, abs=tolerance)
    assert counts.signal.shape == tuple(axis.nbins for axis in counts.axes)
    np.testing.assert_allclose(counts.values(), sum(counts.components.values()))


def test_the_control_region_is_a_component() -> None:
    counts = expected("coherent-csi-2017", "sm")
    assert counts.components["steady_state"].sum() == pytest.approx(405.0)
    assert counts.observed is not None
    assert counts.observed.sum() == 547
    likelihood = cf.build_likelihood("coherent-csi-2017", model="sm")
    stack = likelihood.counts(components=True)["coherent-csi-2017"]
    assert stack["steady_state"].total == pytest.approx(405.0)
    assert likelihood.counts()["coherent-csi-2017"].total == pytest.approx(sum(part.total for part in stack.values()), rel=1e-12)


def test_parameters_move_the_counts() -> None:
    likelihood = cf.build_likelihood("coherent-lar-2020", model="lmu-ltau")

    def signal(**at: float) -> np.ndarray:
        return cf.rates(likelihood, at=at)["coherent-lar-2020"].signal

    standard = signal()
    np.testing.assert_allclose(signal(mass=50.0), standard, rtol=1e-12)
    np.testing.assert_allclose(signal(sns_flux=1.0), 1.1 * standard, rtol=1e-12)
    assert signal(mass=50.0, g=1e-3).sum() < 0.95 * standard.sum()  # destructive
    assert signal(mass=50.0, g=1e-3, loop_sign=-1.0).sum() > 1.05 * standard.sum()


def test_projections_keep_the_sum_of_every_component() -> None:
    counts = expected("coherent-lar-2020", "sm")
    found = counts.projections
    assert [entry.axis for entry in found] == ["e_ee", "f90", "time"]
    assert [entry.unit for entry in found] == ["keVee", "1", "us"]
    np.testing.assert_allclose(found[0].edges, np.arange(0.0, 121.0, 10.0))
    for entry in found:
        for name, values in entry.components.items():
            assert len(values) == len(entry.edges) - 1
            assert values.sum() == pytest.approx(counts.components[name].sum(), rel=1e-12)
        assert entry.observed is not None
        assert entry.observed.sum() == counts.observed.sum()
    np.testing.assert_allclose(found[2].components["cevns"], counts.signal.sum(axis=(0, 1)))


def test_a_projection_has_no_observed_counts() -> None:
    counts = expected("ccm-200", "sm")
    assert counts.observed is None
    assert counts.projections[0].observed is None


def test_rates_need_neither_axes_nor_files() -> None:
    built = cf.build_likelihood("coherent-lar-2020", "ccm-200", model="lmu-ltau")
    at = {"mass": 50.0, "g": 1e-3}
    known, hand = cf.rates(built, at=at), cf.rates(Likelihood(built.parameters, built.build), at=at)
    assert list(hand) == list(known) == ["coherent-lar-2020", "ccm-200"]
    for name, counts in hand.items():
        assert (counts.axes, counts.projections) == ((), ())
        np.testing.assert_array_equal(counts.values(), known[name].values())
        assert counts.at == {**at, "loop_sign": 1.0, "slepton_log": 0.0}
    assert known["ccm-200"].about.model == "lmu-ltau"
    assert hand["ccm-200"].about.model == ""
