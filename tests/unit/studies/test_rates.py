"""Expected counts and their projections."""

from __future__ import annotations

import numpy as np
import pytest

from cevnsfit.core.analysis import Analysis
from cevnsfit.studies.rates import projections, rates


@pytest.mark.parametrize(
    ("name", "signal", "tolerance"),
    [("coherent-csi-2017", 168.0, 0.5), ("coherent-csi-2021", 328.0, 0.5), ("coherent-lar-2020", 122.3, 0.3), ("ccm-200", 332.6, 0.3)],
)
def test_the_standard_model_expects_the_counts_of_an_independent_program(name: str, signal: float, tolerance: float) -> None:
    counts = rates(Analysis((name,), "sm"))
    assert counts.signal.sum() == pytest.approx(signal, abs=tolerance)
    assert counts.signal.shape == tuple(axis.nbins for axis in counts.axes)
    np.testing.assert_allclose(counts.total, sum(counts.components.values()))


def test_the_control_region_is_a_component() -> None:
    counts = rates(Analysis(("coherent-csi-2017",), "sm"))
    assert counts.components["steady_state"].sum() == pytest.approx(405.0)
    assert counts.observed is not None
    assert counts.observed.sum() == 547


def test_parameters_move_the_counts() -> None:
    analysis = Analysis(("coherent-lar-2020",), "lmu-ltau")
    standard = rates(analysis).signal
    np.testing.assert_allclose(rates(analysis, at={"mass": 50.0}).signal, standard, rtol=1e-12)
    np.testing.assert_allclose(rates(analysis, at={"sns_flux": 1.0}).signal, 1.1 * standard, rtol=1e-12)
    assert rates(analysis, at={"mass": 50.0, "g": 1e-3}).signal.sum() < 0.95 * standard.sum()  # destructive
    assert rates(analysis, at={"mass": 50.0, "g": 1e-3, "loop_sign": -1.0}).signal.sum() > 1.05 * standard.sum()


def test_projections_keep_the_sum_of_every_component() -> None:
    counts = rates(Analysis(("coherent-lar-2020",), "sm"))
    found = projections(counts)
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
    counts = rates(Analysis(("ccm-200",), "sm"))
    assert counts.observed is None
    assert projections(counts)[0].observed is None
