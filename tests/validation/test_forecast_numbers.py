"""CCM as projected in arXiv:2103.10196: counts computed by an independent program, and how limits scale."""

from __future__ import annotations

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.infer.fit import fit
from cevnsfit.infer.intervals import Level
from cevnsfit.infer.sensitivity import toy_limits
from cevnsfit.infer.toys import Toys
from cevnsfit.model.build import likelihood_of
from cevnsfit.model.signal import fold_signal
from cevnsfit.model.window import kinematic_end
from cevnsfit.physics.interactions.terms import sm_charge
from cevnsfit.physics.sources import lepton_flavour, pion_decay_at_rest
from cevnsfit.spec.load import load_experiment
from cevnsfit.studies.asimov import asked_outlook

TOLERANCE = 0.005
EXPOSURE = {"source.exposure_pot": np.geomspace(1e22, 1e24, 3)}


def counts(name: str, *changes: tuple[str, str]) -> np.ndarray:
    return cf.rates(cf.build_likelihood(name, model="lmu-ltau", changes=dict(changes)))[name].signal


def by_flavour(name: str) -> dict[str, float]:
    signal = fold_signal(load_experiment(name))
    result = {}
    for f, flavour in enumerate(pion_decay_at_rest()):
        squares = np.concatenate([sm_charge(target, lepton_flavour(flavour)) ** 2 for target in signal.targets])
        result[flavour] = float((signal.folds[0, f] @ squares).sum())
    return result


def test_the_window_in_electron_equivalent_energy() -> None:
    assert counts("ccm-200").sum() == pytest.approx(332.6, rel=TOLERANCE)
    assert by_flavour("ccm-200") == {
        "nu_mu": 0.0,
        "nubar_mu": pytest.approx(249.0, rel=TOLERANCE),
        "nu_e": pytest.approx(83.5, rel=TOLERANCE),
    }


def test_the_window_in_recoil_energy() -> None:
    assert counts("ccm-200-recoil").sum() == pytest.approx(5034.0, rel=TOLERANCE)
    assert by_flavour("ccm-200-recoil") == {
        "nu_mu": pytest.approx(795.6, rel=TOLERANCE),
        "nubar_mu": pytest.approx(2616.2, rel=TOLERANCE),
        "nu_e": pytest.approx(1622.3, rel=TOLERANCE),
    }


def test_all_recoils() -> None:
    everything = counts("ccm-200-recoil", ("axes.t_recoil.start", "0"), ("axes.t_recoil.stop", "200"))
    assert everything.sum() == pytest.approx(14634.0, rel=TOLERANCE)


def test_the_spectrum_ends_where_kinematics_says() -> None:
    ends = kinematic_end(load_experiment("ccm-200"))
    assert ends["t_recoil"] == pytest.approx(0.14956, rel=1e-4)
    assert ends["e_ee"] == pytest.approx(0.05425, rel=5e-4)
    assert np.all(counts("ccm-200", ("axes.e_ee.edges", "[25, 54.25, 150]"), *_no_regular_axis())[1:] == 0.0)
    assert np.all(counts("ccm-200")[6:] == 0.0)


def _no_regular_axis() -> tuple[tuple[str, str], ...]:
    return tuple((f"axes.e_ee.{key}", "null") for key in ("start", "stop", "bins"))


@pytest.mark.parametrize(("mass", "coupling"), [(10.0, 1.5e-3), (1000.0, 1.5e-2)])
def test_the_asimov_fit_returns_the_truth(mass: float, coupling: float) -> None:
    likelihood = likelihood_of([load_experiment("ccm-200-recoil")], "lmu-ltau")
    asimov = likelihood.with_data("asimov", mass=mass, g=coupling)
    result = fit(asimov, at={"mass": mass}, minos=())
    assert result.valid
    assert result.values["g"] == pytest.approx(coupling, rel=1e-4)
    assert result.nll2 == pytest.approx(0.0, abs=1e-6)


def test_without_systematics_the_limit_falls_with_the_fourth_root_of_the_exposure() -> None:
    likelihood = cf.build_likelihood("ccm-200", model="lmu-ltau", changes={"systematics.lujan_flux.enabled": False})
    for mass in (1.0, 1000.0):
        limits = [row.limit for row in cf.forecast(likelihood, at={"mass": mass}, vary=EXPOSURE).rows]
        powers = np.diff(np.log(limits)) / np.diff(np.log(EXPOSURE["source.exposure_pot"]))
        assert powers == pytest.approx(-0.25, abs=0.005)


def last_power(name: str, model: str, mass: float) -> float:
    """Return the power of the exposure with which the limit falls between 1e23 and 1e24 protons."""
    rows = cf.forecast(cf.build_likelihood(name, model=model), at={"mass": mass}, vary=EXPOSURE).rows
    return float(np.log10(rows[-1].limit / rows[-2].limit))


@pytest.mark.slow
def test_a_flux_uncertainty_stops_heavy_mediators_and_not_light_ones() -> None:
    assert last_power("ccm-200-recoil", "universal", 1000.0) == pytest.approx(0.0, abs=0.01)
    assert last_power("ccm-200-recoil", "universal", 1.0) < -0.2
    # the electron neutrinos of L_mu - L_tau stay as they are: with another spectrum, they measure the flux in the end
    assert last_power("ccm-200", "lmu-ltau", 1000.0) == pytest.approx(0.0, abs=0.05)


@pytest.mark.slow
def test_combination_is_stronger_than_its_parts() -> None:
    sets = (["ccm-200"], ["coherent-csi-2021"], ["ccm-200", "coherent-csi-2021"])
    *alone, together = (cf.forecast(cf.build_likelihood(*names, model="lmu-ltau"), at={"mass": 30.0}).sensitivity.limit for names in sets)
    assert together < min(alone)


@pytest.mark.slow
@pytest.mark.parametrize("mass", [30.0, 1000.0])
def test_the_median_of_toys_is_the_asimov_sensitivity(mass: float) -> None:
    likelihood = cf.build_likelihood("ccm-200", model="lmu-ltau")
    expected = cf.forecast(likelihood, at={"mass": mass})
    limits = toy_limits(asked_outlook(likelihood, poi="g", at={"mass": mass}, true={}, observed=(), level=Level(0.90, 1)), Toys(500, 7))
    assert np.isfinite(limits).all()
    low, high = np.quantile(limits, [0.16, 0.84])
    # error of a median: 1.25 sigma/sqrt(n)
    error = 1.2533 * (high - low) / 2.0 / np.sqrt(len(limits))
    assert abs(np.median(limits) - expected.sensitivity.limit) < 3.0 * error
