"""Reference points of the cross sections, from an independent program."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cevnsfit.physics.constants import FM
from cevnsfit.physics.couplings import COUPLING_SETS, tree_level
from cevnsfit.physics.cross_sections import differential_cross_section, flux_averaged_cross_section
from cevnsfit.physics.form_factors import FORM_FACTORS
from cevnsfit.physics.interactions import signal_model, sm_charge, target_at
from cevnsfit.physics.kinematics import recoil_nodes, t_max
from cevnsfit.physics.nuclei import Nuclide, composition
from cevnsfit.physics.sources import lepton_flavour, pion_decay_at_rest

UNIT_POINTS = [
    ("Ar[40]", "Ar-40", (37215.53, 47.622, -10.6344, 0.96271, 0.96050, 5.1710e-38)),
    ("CsI", "Cs-133", (123772.54, 14.335, -37.9842, 0.77736, 0.75969, 5.2441e-37)),
    ("CsI", "I-127", (118183.68, 15.013, -36.0102, 0.79098, 0.77533, 5.1769e-37)),
]
AVERAGES = [
    ("CsI", "Cs-133", (160.18, 175.63, 214.51)),
    ("CsI", "I-127", (144.84, 159.27, 194.90)),
    ("Ar[40]", "Ar-40", (14.068, 16.380, 20.807)),
]


def _nuclide(compound: str, name: str, radius: float | None = None) -> Nuclide:
    radii = None if radius is None else {name: (radius, radius)}
    return next(nuclide for nuclide, _ in composition(compound, radii) if nuclide.name == name)


@pytest.mark.parametrize(("compound", "name", "expected"), UNIT_POINTS)
def test_unit_points(compound: str, name: str, expected: tuple[float, ...]) -> None:
    mass, end, charge, f_p, f_n, sigma = expected
    nuclide = _nuclide(compound, name)
    line = pion_decay_at_rest()["nu_mu"]
    target = target_at(nuclide, [1e-12, 0.010], COUPLING_SETS["cadeddu2020"], FORM_FACTORS["helm"])
    assert nuclide.mass == pytest.approx(mass, abs=0.01)
    assert 1e3 * float(t_max(line.end, nuclide.mass)) == pytest.approx(end, rel=1e-4, abs=0.0)
    assert sm_charge(target, "mu")[0] == pytest.approx(charge, rel=1e-5, abs=0.0)
    assert (target.zf / nuclide.Z)[1] == pytest.approx(f_p, abs=1e-5)
    assert (target.nf / nuclide.N)[1] == pytest.approx(f_n, abs=1e-5)
    assert differential_cross_section(signal_model("sm"), target, "mu", line)[1] == pytest.approx(sigma, rel=1e-4, abs=0.0)


@pytest.mark.parametrize(("compound", "name", "expected"), AVERAGES)
def test_flux_averages(compound: str, name: str, expected: tuple[float, float, float]) -> None:
    a = int(name.split("-")[1])
    rms = math.sqrt(0.6 * (1.2 * a ** (1.0 / 3.0)) ** 2 + 3.0 * 0.81) * FM
    target = target_at(_nuclide(compound, name, rms), [0.01], tree_level(0.2312), FORM_FACTORS["helm"])
    for flavour, sigma in zip(("nu_mu", "nu_e", "nubar_mu"), expected, strict=True):
        spectrum = pion_decay_at_rest()[flavour]
        average = flux_averaged_cross_section(signal_model("sm"), target, lepton_flavour(flavour), spectrum)
        assert average * 1e40 == pytest.approx(sigma, rel=1e-4, abs=0.0)


@pytest.mark.parametrize("compound", ["Ar[40]", "Cs", "W[184]"])
@pytest.mark.parametrize("flavour", ["nu_mu", "nubar_mu", "nu_e"])
@pytest.mark.parametrize(("model", "values"), [("sm", {}), ("universal", {"g": 3e-5, "mass": 1.0}), ("le-lmu", {"g": 1e-3, "mass": 1.0})])
def test_default_nodes_are_good_to_1e8(compound: str, flavour: str, model: str, values: dict[str, float]) -> None:
    nuclide = composition(compound)[0][0]
    spectra = pion_decay_at_rest()

    def sigma(**options: int) -> float:
        t, w = recoil_nodes(nuclide.mass, spectra.values(), **options)
        target = target_at(nuclide, t, COUPLING_SETS["default"], FORM_FACTORS["helm"])
        return float(w @ differential_cross_section(signal_model(model), target, lepton_flavour(flavour), spectra[flavour], values))

    assert recoil_nodes(nuclide.mass, spectra.values())[0].size <= 150
    assert sigma() == pytest.approx(sigma(panels=16, order=40), rel=1e-8, abs=0.0)


def test_window_average_with_kinks_adds_up() -> None:
    argon = composition("Ar[40]")[0][0]
    spectrum = pion_decay_at_rest()["nubar_mu"]
    target = target_at(argon, [0.01], COUPLING_SETS["default"], FORM_FACTORS["helm"])
    whole = flux_averaged_cross_section(signal_model("sm"), target, "mu", spectrum)
    assert flux_averaged_cross_section(signal_model("sm"), target, "mu", spectrum, kinks=(0.02, 0.0561)) == pytest.approx(
        whole, rel=1e-10, abs=0.0
    )


def test_heavier_nuclei_scatter_as_neutrons_squared() -> None:
    spectrum = pion_decay_at_rest()["nu_mu"]
    sigma = {}
    for compound in ("Ar[40]", "Cs"):
        nuclide = composition(compound)[0][0]
        target = target_at(nuclide, [0.01], COUPLING_SETS["tree"], FORM_FACTORS["unity"])
        sigma[nuclide.N] = flux_averaged_cross_section(signal_model("sm"), target, "mu", spectrum)
    assert sigma[78] / sigma[22] == pytest.approx((78 / 22) ** 2, rel=0.02, abs=0.0)
    assert np.isfinite(list(sigma.values())).all()
