"""Charges of nuclei in the currents of quarks, and the caveat of what is a convention."""

from __future__ import annotations

import pytest

from cevnsfit.core.analysis import Analysis
from cevnsfit.physics.couplings import COUPLING_SETS
from cevnsfit.physics.form_factors import FORM_FACTORS
from cevnsfit.physics.interactions import Target, signal_model, target_at
from cevnsfit.physics.interactions.axial import axial_charge, spin_charge, standard_axial
from cevnsfit.physics.interactions.currents import AXIAL_CHARGES, COHERENT_TENSOR, CURRENTS, PION_MASS
from cevnsfit.physics.interactions.scalar import QUARK_MASSES
from cevnsfit.physics.nuclei import composition
from cevnsfit.studies.setup import caveat


def target(compound: str, t: float = 1e-9) -> Target:
    return target_at(composition(compound)[0][0], [t], COUPLING_SETS["default"], FORM_FACTORS["helm"])


def test_spins_of_a_free_proton_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    on = target("Cs")
    monkeypatch.setattr("cevnsfit.physics.interactions.axial._SPINS", {on.nuclide.name: (0.5, 0.5, 0.0)})
    assert spin_charge(on, 1.0, 7.0)[0] == pytest.approx(1.0, rel=1e-6, abs=0.0)


def test_standard_axial_part_is_the_isovector_one() -> None:
    on = target("Cs")
    quarks = CURRENTS["A"].charges(on)
    assert standard_axial(on)[0] == pytest.approx(axial_charge("Cs-133"), rel=1e-6, abs=0.0)
    # Delta u - Delta d of the lattice against g_A of neutron decay: within 5 %
    assert 0.5 * (quarks["u"] - quarks["d"])[0] == pytest.approx(axial_charge("Cs-133"), rel=0.06, abs=0.0)
    assert quarks["u"] + quarks["d"] == pytest.approx(
        (AXIAL_CHARGES["u"] + AXIAL_CHARGES["d"]) * spin_charge(on, 1.0, 1.0), rel=1e-9, abs=0.0
    )


def test_pseudoscalar_charges_obey_goldberger_treiman_and_the_pion_pole() -> None:
    at_rest, moving = target("I"), target_at(composition("I")[0][0], [0.008], COUPLING_SETS["default"], FORM_FACTORS["unity"])
    differences = [(charges["u"] - charges["d"])[0] for charges in map(CURRENTS["P"].charges, (at_rest, moving))]
    light = 0.5 * sum(QUARK_MASSES.values())
    # 2 m_q <i gamma_5> is the divergence of the axial current: m g_A sigma_3/m_q
    expected = at_rest.nuclide.mass * 2.0 * axial_charge("I-127") / light
    assert differences[0] == pytest.approx(expected, rel=1e-6, abs=0.0)
    assert differences[1] / differences[0] == pytest.approx(PION_MASS**2 / (PION_MASS**2 + moving.q2[0]), rel=1e-6, abs=0.0)
    assert 0.85 < differences[1] / differences[0] < 0.95


def test_condensate_is_that_of_chiral_perturbation_theory() -> None:
    # B_0 m_u = (6.1 +- 0.5)e-3 GeV^2, B_0 m_d = (13.3 +- 0.5)e-3 GeV^2 (arXiv:1707.06998)
    condensate = PION_MASS**2 / sum(QUARK_MASSES.values())
    assert condensate * QUARK_MASSES["u"] == pytest.approx(6.1e3, abs=0.5e3)
    assert condensate * QUARK_MASSES["d"] == pytest.approx(13.3e3, abs=1.0e3)


@pytest.mark.parametrize("letter", ["A", "P"])
def test_nuclei_without_spin_have_no_spin_dependent_charge(letter: str) -> None:
    assert all(values.tolist() == [0.0] for values in CURRENTS[letter].charges(target("Ar[40]")).values())


@pytest.mark.parametrize(
    ("letter", "up", "down"), [("V", 18 * 2 + 22, 18 + 22 * 2), ("T", 18 * 0.784 - 22 * 0.204, 22 * 0.784 - 18 * 0.204)]
)
def test_coherent_charges_add_up_nucleons(letter: str, up: float, down: float) -> None:
    charges = CURRENTS[letter].charges(target("Ar[40]"))
    assert (charges["u"][0], charges["d"][0]) == pytest.approx((up, down), rel=1e-6, abs=0.0)


def test_the_convention_of_the_tensor_charge_is_a_caveat_with_electrons_too() -> None:
    for electrons in (False, True):
        analysis = Analysis(("coherent-csi-2021",), "tensor", electrons=electrons)
        assert caveat(analysis) == COHERENT_TENSOR
        assert caveat(Analysis(("coherent-csi-2021",), "scalar-universal", electrons=electrons)) == ("" if electrons else "CEvNS only")


def test_the_caveat_of_contact_interactions_is_that_of_their_tensor() -> None:
    model = signal_model("contact")
    assert [model.caveat({"eps_S_u": 1.0}, free) for free in ((), ("eps_V_u",))] == ["", ""]
    assert [model.caveat({name: 0.1}) for name in ("eps_T_u", "eps_T_d")] == [COHERENT_TENSOR, COHERENT_TENSOR]
    assert model.caveat({}, ("eps_T_d",)) == COHERENT_TENSOR
    assert model.whole_label.endswith("unless eps_T_u = eps_T_d = 0")
