from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from particle import Particle

from cevnsfit.core.elements import elements
from cevnsfit.core.errors import CevnsfitError, SpecError, UnknownNameError
from cevnsfit.physics import nuclei
from cevnsfit.physics.constants import ATOMIC_MASS_UNIT, AVOGADRO, ELECTRON_MASS, FM
from cevnsfit.physics.nuclei import composition, fallback_radii, formula_units_per_gram

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("compound", "name", "mass"), [("Ar", "Ar-40", 37215.53), ("CsI", "Cs-133", 123772.54), ("CsI", "I-127", 118183.68)]
)
def test_nuclear_masses(compound: str, name: str, mass: float) -> None:
    found = {nuclide.name: nuclide for nuclide, _ in composition(compound)}
    assert found[name].mass == pytest.approx(mass, abs=0.01)


def test_nuclear_mass_is_the_atomic_mass_of_particle_without_its_electrons() -> None:
    caesium = composition("Cs")[0][0]
    assert caesium.mass + 55 * ELECTRON_MASS == pytest.approx(Particle.from_nucleus_info(z=55, a=133).mass, rel=1e-6, abs=0.0)


def test_the_frozen_table_agrees_with_masses_from_elsewhere_and_with_itself() -> None:
    """Standard weights are those of samples on Earth, for which the middle of an interval of abundances may be off by parts in 10 000."""
    table = elements()
    assert [{isotope.Z for isotope in element.isotopes.values()} for element in table.values()] == [{z} for z in range(1, 119)]
    natural = [element.isotopes[number] for element in table.values() for number in element.natural]
    assert len(natural) == 289
    for isotope in natural[1:]:  # the proton of Particle has no electron
        assert isotope.mass * ATOMIC_MASS_UNIT == pytest.approx(Particle.from_nucleus_info(z=isotope.Z, a=isotope.A).mass, rel=1e-9)
    for symbol, element in table.items():
        parts = [element.isotopes[number] for number in element.natural]
        if parts:
            assert sum(part.abundance for part in parts) == pytest.approx(100.0, abs=1e-9), symbol
            assert sum(part.abundance * part.mass for part in parts) / 100.0 == pytest.approx(
                element.weight, rel=4e-3 if symbol == "Li" else 5e-4
            )


@pytest.mark.parametrize(
    ("compound", "isotopes", "count"), [("CsI", 2, 2.0), ("Ar", 3, 1.0), ("Ge", 5, 1.0), ("NaI", 2, 2.0), ("Xe", 9, 1.0)]
)
def test_compounds_hold_every_isotope(compound: str, isotopes: int, count: float) -> None:
    nuclides = composition(compound)
    assert len(nuclides) == isotopes
    assert sum(number for _, number in nuclides) == pytest.approx(count, rel=1e-12, abs=0.0)


def test_argon_is_mostly_argon_40() -> None:
    assert {nuclide.name: number for nuclide, number in composition("Ar")}["Ar-40"] == pytest.approx(0.996, abs=5e-4)


def test_one_isotope_can_be_named() -> None:
    ((nuclide, number),) = composition("Ar[40]")
    assert (nuclide.name, nuclide.N, number) == ("Ar-40", 22, 1.0)


@pytest.mark.parametrize("compound", ["CsI", "Ge", "CaWO4"])
def test_the_nuclei_of_a_gram_weigh_a_gram(compound: str) -> None:
    grams = sum((n.mass + n.Z * ELECTRON_MASS) / 931.49410372 * count for n, count in composition(compound)) / AVOGADRO
    assert grams * formula_units_per_gram(compound) == pytest.approx(1.0, rel=2e-4)


def test_shipped_radii() -> None:
    caesium, iodine = (nuclide for nuclide, _ in composition("CsI"))
    assert (caesium.r_p, caesium.r_n, iodine.r_p, iodine.r_n) == pytest.approx(
        [r * FM for r in (4.804, 5.01, 4.749, 4.94)], rel=1e-6, abs=0.0
    )
    assert {(round(n.r_p / FM, 3), round(n.r_n / FM, 3)) for n, _ in composition("Ar")} == {(3.448, 3.55)}


def test_radii_can_be_replaced_and_the_nuclide_goes_before_the_element() -> None:
    argon = {n.name: n for n, _ in composition("Ar", {"Ar": (3e-13, 3.1e-13), "Ar-40": (3.4e-13, 3.5e-13)})}
    assert (argon["Ar-36"].r_p, argon["Ar-40"].r_p, argon["Ar-40"].r_n) == (3e-13, 3.4e-13, 3.5e-13)


def test_fallback_is_near_measured_radii() -> None:
    for nuclide, _ in (*composition("Ge"), *composition("Xe"), *composition("CsI")):
        r_p, r_n = fallback_radii(nuclide.Z, nuclide.A)
        assert r_p == pytest.approx(nuclide.r_p, rel=0.02, abs=0.0)
        assert r_n == pytest.approx(nuclide.r_n, rel=0.025, abs=0.0)


def test_a_nuclide_of_no_table_has_the_fallback_radii() -> None:
    gold = composition("Au")[0][0]
    assert (gold.r_p, gold.r_n) == fallback_radii(79, 197)


def test_enriched_elements_share_the_rest_as_in_nature() -> None:
    found = {nuclide.A: number for nuclide, number in composition("Ge", isotopes={"Ge-76": 0.87})}
    nature = {nuclide.A: number for nuclide, number in composition("Ge")}
    assert found[76] == pytest.approx(0.87, rel=1e-12)
    assert found[70] / found[74] == pytest.approx(nature[70] / nature[74], rel=1e-12)
    assert sum(found.values()) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("isotopes", [{"Ge-76": 1.2}, {"Ge-76": 0.5, "Ge-74": 0.6}, {"Xe-136": 0.5}, {"Ge76": 0.5}, {"Ge-120": 0.5}])
def test_isotopes_that_cannot_be(isotopes: dict[str, float]) -> None:
    with pytest.raises(CevnsfitError, match=r"isotopes|nuclide|there is no"):
        composition("Ge", isotopes=isotopes)


@pytest.mark.parametrize(("isotopes", "dopants"), [({}, {"Tl": 0.001}), ({"Ge-76": 0.87}, {"NaI": 0.1}), ({"Ge-76": 1.0}, {})])
def test_dopants_are_mass_fractions(isotopes: dict[str, float], dopants: dict[str, float]) -> None:
    units = formula_units_per_gram("Ge", isotopes=isotopes, dopants=dopants)
    masses = {
        n.name: units * count * (n.mass + n.Z * ELECTRON_MASS) / 931.49410372 / AVOGADRO
        for n, count in composition("Ge", isotopes=isotopes, dopants=dopants)
    }
    assert sum(masses.values()) == pytest.approx(1.0, rel=3e-6)
    host = sum(mass for name, mass in masses.items() if name.startswith("Ge-"))
    assert host == pytest.approx(1.0 - sum(dopants.values()), rel=3e-6)


def test_unknown_element_lists_near_matches() -> None:
    with pytest.raises(UnknownNameError, match=r"element 'Xy'.*Xe"):
        composition("XyI")


@pytest.mark.parametrize("compound", ["", "csI", "Cs(", "Tc", "Ca(OH)", "Ca)2", "2", "Ge[]"])
def test_what_is_no_compound_is_an_error(compound: str) -> None:
    with pytest.raises(CevnsfitError, match=r"formula|isotopes"):
        composition(compound)


def test_a_damaged_table_names_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "nuclei"
    folder.mkdir()
    (folder / "radii.csv").write_text("# radii\nZ [1],A [1],r_p [fm],r_n [fm]\n18,0,3.4,3.5\n53,0,4.7\n", encoding="utf-8")
    monkeypatch.setattr(nuclei, "data_root", lambda: tmp_path)
    with pytest.raises(SpecError, match=r"radii.csv:4: expected four numbers"):
        composition("Ar")
