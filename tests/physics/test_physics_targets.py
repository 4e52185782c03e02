"""Parameters that belong to the elements of the targets: cross sections and radii."""

from __future__ import annotations

import math

import pytest

from cevnsfit.physics.constants import FM
from cevnsfit.physics.couplings import COUPLING_SETS
from cevnsfit.physics.form_factors import FORM_FACTORS
from cevnsfit.physics.interactions import signal_model
from cevnsfit.physics.interactions.terms import SignalModel, evaluate, sm_charge, squared, target_at
from cevnsfit.physics.nuclei import composition


def on(name: str, *compounds: str) -> SignalModel:
    model = signal_model(name)
    assert model.targets is not None
    return model.targets([composition(compound) for compound in compounds])


def names(model: SignalModel) -> list[str]:
    return [parameter.name for parameter in model.parameters]


@pytest.mark.parametrize("compound", ["CsI", "Ar", "Ge", "Xe", "NaI", "CaWO4"])
@pytest.mark.parametrize("name", ["cross-section", "neutron-radii"])
def test_every_target_has_its_parameters_and_is_the_standard_model_at_their_defaults(name: str, compound: str) -> None:
    model, nuclei = on(name, compound), composition(compound)
    values = {parameter.name: parameter.default for parameter in model.parameters}
    assert values
    for nuclide, _ in nuclei:
        target = target_at(nuclide, [1e-3, 0.01, 0.02], COUPLING_SETS["default"], FORM_FACTORS["helm"], nuclei)
        for (flavour, _, _), polynomial in squared(model.prepare(target)(model.shapes())).items():
            assert evaluate(polynomial, values) == pytest.approx(sm_charge(target, flavour) ** 2, rel=1e-11, abs=0.0)


def test_names_follow_the_elements_once_each() -> None:
    assert names(on("cross-section", "CsI", "Ar", "Ge", "Ge", "NaI")) == ["sigma_csi", "sigma_ar", "sigma_ge", "sigma_nai"]
    assert names(on("neutron-radii", "CsI", "Ge", "NaI")) == ["r_n_cs", "r_n_i", "r_n_ge", "r_n_na"]
    assert names(on("neutron-radii", "H2O")) == ["r_n_h", "r_n_o"]  # deuterium has a neutron
    doped = signal_model("cross-section").targets
    assert doped is not None
    assert names(doped([composition("CsI", dopants={"Tl": 0.001})])) == ["sigma_csi"]


@pytest.mark.parametrize(("compound", "name"), [("CsI", "sigma_csi"), ("Ar", "sigma_ar"), ("Ge", "sigma_ge"), ("Xe", "sigma_xe")])
def test_what_is_known_without_a_detector_is_what_a_detector_gives(compound: str, name: str) -> None:
    """The rate at twice the default is twice that of the Standard Model only if the constant is the mean over this target."""
    nuclei, model = composition(compound), signal_model("cross-section")
    (default,) = (parameter.default for parameter in model.parameters if parameter.name == name)
    target = target_at(nuclei[0][0], [0.01], COUPLING_SETS["default"], FORM_FACTORS["helm"], nuclei)
    (polynomial,) = [p for (flavour, _, _), p in squared(model.prepare(target)({})).items() if flavour == "e"]
    assert evaluate(polynomial, {name: 2.0 * default}) == pytest.approx(2.0 * sm_charge(target, "e") ** 2, rel=1e-11, abs=0.0)


def test_isotopes_keep_their_differences_around_the_mean_radius() -> None:
    nuclei = composition("Ge")
    mean = sum(nuclide.r_n * number for nuclide, number in nuclei) / sum(number for _, number in nuclei) / FM
    (default,) = (p.default for p in signal_model("neutron-radii").parameters if p.name == "r_n_ge")
    assert default == pytest.approx(mean, rel=1e-12, abs=0.0)
    for nuclide, _ in nuclei:
        target = target_at(nuclide, [0.02], COUPLING_SETS["default"], FORM_FACTORS["helm"], nuclei)
        (moved,) = [t for t in signal_model("neutron-radii").prepare(target)({"r_n_ge": mean + 0.1}) if t.flavour == "e"]
        wanted = COUPLING_SETS["default"].proton["e"] * target.zf + COUPLING_SETS["default"].neutron * target.neutrons(
            nuclide.r_n + 0.1 * FM
        )
        assert moved.charge[()] == pytest.approx(wanted, rel=1e-12, abs=0.0)


def test_an_unknown_compound_has_the_mean_cross_section_of_its_nuclei() -> None:
    (sigma,) = (p.default for p in on("cross-section", "NaI").parameters)
    (alone,) = (p.default for p in on("cross-section", "Na").parameters)
    (iodine,) = (p.default for p in on("cross-section", "I").parameters)
    assert sigma == pytest.approx((alone + iodine) / 2.0, rel=1e-12, abs=0.0)
    assert math.isclose(alone, 6.0, rel_tol=0.3)  # N^2 of 12 against 78 in caesium
