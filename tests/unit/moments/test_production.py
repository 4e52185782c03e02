"""Cross sections of mixed states: the tables in the limits of pure ones, leading order between them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cevnsfit.core.paths import data_root
from cevnsfit.moments.couplings import ordered
from cevnsfit.moments.production import chargino_sections, neutralino_sections, pure_states, slepton_sections, wino_share
from cevnsfit.moments.superpartners import G1, G2, GEV, SIN2_THETA_Z, Gauginos, Sleptons, gauginos
from cevnsfit.physics.constants import ELECTRON_MASS, Z_MASS

PURE = pure_states()
FAR = 1e5
QUARKS = {"u": (2 / 3, 0.5, 2.0), "d": (-1 / 3, -0.5, 1.0)}
"""Charge, third component of isospin and weight, as in the proton."""


def states(m1: float, m2: float, mu: float, tan_beta: float = 10.0) -> Gauginos:
    return ordered(gauginos(m1 * GEV, m2 * GEV, mu * GEV, tan_beta))


def table(name: str, mass: float) -> float:
    return float(PURE.section(name, np.array([mass]))[0])


def sleptons(angle: float, heavy: float = 300.0, light: float = 300.0) -> Sleptons:
    cos, sin = math.cos(angle), math.sin(angle)
    return Sleptons(ELECTRON_MASS, np.array([[heavy, light]]) ** 2 * GEV**2, np.array([[[cos, sin], [-sin, cos]]]), np.array([1e10]))


def test_sections_are_interpolated_in_logarithms_and_end_with_their_table() -> None:
    rows = [line.split(",") for line in (data_root() / "lhc" / "wino_c1c1.csv").read_text("utf-8").splitlines() if line[0].isdigit()]
    masses, sections = (np.array([float(row[k]) for row in rows]) for k in (0, 1))
    assert PURE.section("wino_c1c1", masses) == pytest.approx(sections, rel=1e-12)
    between = math.sqrt(masses[3] * masses[4])
    assert table("wino_c1c1", between) == pytest.approx(math.sqrt(sections[3] * sections[4]), rel=1e-12)
    outside = PURE.section("wino_c1c1", np.array([99.9, 2000.1, 0.0, -1.0, math.nan]))
    assert np.isnan(outside).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_pure_winos(sign: int) -> None:
    fields = states(FAR, 300.0 * sign, FAR)
    assert chargino_sections(fields, PURE) == pytest.approx(table("wino_c1c1", 300.0), rel=1e-3)
    sections = neutralino_sections(fields, PURE)
    assert sections[0, 0] == pytest.approx(table("wino_c1n2", 300.0), rel=1e-3)
    assert wino_share(fields) == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize("sign", [1, -1])
def test_pure_higgsinos(sign: int) -> None:
    """C1 with either of both neutralinos."""
    fields = states(FAR, FAR, 300.0 * sign)
    assert chargino_sections(fields, PURE) == pytest.approx(table("higgsino_c1c1", 300.0), rel=5e-3)
    assert neutralino_sections(fields, PURE)[0, :2] == pytest.approx(table("higgsino_c1n2", 300.0), rel=5e-3)
    assert wino_share(fields) == pytest.approx(0.0, abs=1e-4)


def test_a_bino_is_not_made_with_a_wino() -> None:
    sections = neutralino_sections(states(100.0, 300.0, FAR), PURE)[0]
    assert sections[0] < 1e-6 * sections[1]


def test_a_phase_of_the_fields_changes_nothing() -> None:
    """All masses with the other sign: the same physics."""
    plus, minus = states(150.0, 300.0, 350.0), states(-150.0, -300.0, -350.0)
    assert chargino_sections(minus, PURE) == pytest.approx(chargino_sections(plus, PURE), rel=1e-9)
    assert neutralino_sections(minus, PURE) == pytest.approx(neutralino_sections(plus, PURE), rel=1e-9)


def vector(fields: Gauginos, s: float) -> float:
    """Return the squared vector amplitude q qbar -> C1 C1 at leading order by the couplings of photon and Z, up to a factor."""
    v, u = fields.v[0, 0, 0], fields.u[0, 0, 0]
    to_z = [-(1.0 + x**2) / 2.0 + SIN2_THETA_Z for x in (v, u)]
    total = 0.0
    for charge, isospin, weight in QUARKS.values():
        for t3 in (isospin, 0.0):
            z = (t3 - charge * SIN2_THETA_Z) / (1.0 - SIN2_THETA_Z) * s / (s - Z_MASS**2)
            total += weight * (charge * SIN2_THETA_Z - z * 0.5 * sum(to_z)) ** 2
    return total


@pytest.mark.parametrize(("m2", "mu"), [(300.0, 300.0), (250.0, 350.0), (350.0, 250.0), (300.0, -300.0)])
def test_mixed_charginos_agree_with_leading_order(m2: float, mu: float) -> None:
    fields = states(FAR, m2, mu)
    mass = abs(fields.chargino_mass[0, 0]) / GEV
    share = wino_share(fields)[0]
    assert 0.1 < share < 0.9
    s = (2.6 * mass * GEV) ** 2
    wino, higgsino = vector(states(FAR, mass, FAR), s), vector(states(FAR, FAR, mass), s)
    assert (share * math.sqrt(wino) + (1.0 - share) * math.sqrt(higgsino)) ** 2 == pytest.approx(vector(fields, s), rel=0.05)
    # and leading order explains the ratio of the tables themselves, which are of all quarks
    assert table("higgsino_c1c1", mass) / table("wino_c1c1", mass) == pytest.approx(higgsino / wino, rel=0.1)
    expected = (share * math.sqrt(table("wino_c1c1", mass)) + (1.0 - share) * math.sqrt(table("higgsino_c1c1", mass))) ** 2
    assert chargino_sections(fields, PURE) == pytest.approx(expected, rel=1e-9)


def slepton_amplitudes() -> list[tuple[float, float, float]]:
    """Return weight, left and right amplitude of each helicity of the quarks, far above the Z."""
    found = []
    for charge, isospin, weight in QUARKS.values():
        for t3 in (isospin, 0.0):
            hypercharge = G1**2 * (charge - t3)
            found.append((weight, -0.5 * hypercharge - 0.5 * G2**2 * t3, -hypercharge))
    return found


def test_interference_of_mixed_sleptons_is_positive_and_at_most_38_percent() -> None:
    """Of what is kept, for maximal mixing; the ratio of left and right agrees with the tables."""
    amplitudes = slepton_amplitudes()
    left, right, both = (sum(w * x * y for w, x, y in triple) for triple in zip_products(amplitudes))
    assert left / right == pytest.approx(table("sleptons_left", 900.0) / table("sleptons_right", 900.0), rel=0.1)
    full = sum(w * (0.5 * (x + y)) ** 2 for w, x, y in amplitudes)
    assert both > 0.0
    assert full / (0.25 * (left + right)) == pytest.approx(1.38, abs=0.01)


def zip_products(amplitudes: list[tuple[float, float, float]]) -> list[list[tuple[float, float, float]]]:
    return [[(w, x, x) for w, x, _ in amplitudes], [(w, y, y) for w, _, y in amplitudes], amplitudes]


def test_sleptons_without_mixing_are_the_tables() -> None:
    found = slepton_sections(sleptons(0.0), np.array([[300.0, 300.0]]), np.array([False]), PURE)
    assert found[0] == pytest.approx([table("sleptons_left", 300.0), table("sleptons_right", 300.0)], rel=1e-12)


@pytest.mark.parametrize("angle", [0.3, math.pi / 4])
def test_mixing_changes_nothing_where_both_states_are_summed(angle: float) -> None:
    mass = np.array([[300.0, 300.0]])
    pure = slepton_sections(sleptons(0.0), mass, np.array([True]), PURE).sum()
    assert slepton_sections(sleptons(angle), mass, np.array([True]), PURE).sum() == pytest.approx(pure, rel=1e-12)
    assert slepton_sections(sleptons(angle), mass, np.array([False]), PURE).sum() < 0.85 * pure
