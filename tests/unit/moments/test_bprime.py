"""The B'-ino: decoupling, orthogonality, the loop of the radiative decay in limits, and lifetimes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import dblquad

from cevnsfit.moments import bprime
from cevnsfit.moments.bprime import BPrime, bprime_lifetime, moment, neutralinos, next_width, radiative_width, sector
from cevnsfit.moments.couplings import Vertices, ordered
from cevnsfit.moments.decays import LSP_KINDS, lightest
from cevnsfit.moments.slepton_loops import f1c, f1n
from cevnsfit.moments.superpartners import G1, Superpartners, superpartners
from cevnsfit.physics.constants import FINE_STRUCTURE, TAU_MASS

BASE = {
    "M1": 200.0,
    "M2": 600.0,
    "mu": 800.0,
    "selectron_L": 500.0,
    "selectron_R": 450.0,
    "hierarchy": 2.0,
    "tan_beta": 20.0,
    "stau_ratio": 1.0,
}
BOSON = {"M0": 100.0, "boson_mass": 20.0, "boson_g": 8e-4}


def columns(**changes: float) -> dict[str, np.ndarray]:
    return {name: np.array([value]) for name, value in {**BASE, **BOSON, **changes}.items()}


def lifetime(**changes: float) -> float:
    values = columns(**changes)
    return float(bprime_lifetime(superpartners(values), values)[0])


def sector_at(**changes: float) -> tuple[Superpartners, BPrime]:
    values = columns(**changes)
    partners = superpartners(values)
    return partners, sector(partners, values)


def test_a_decoupled_sector_leaves_the_four_of_the_mssm() -> None:
    partners, found = sector_at(boson_g=0.0, boson_mass=0.0)
    masses, shares = neutralinos(partners.gauginos, found)
    assert found.kinetic[0] == found.down[0] == 0.0
    expected = np.sort(np.concatenate([partners.gauginos.neutralino_mass[0], [1e5, bprime.BREAKING_MASS, -bprime.BREAKING_MASS]]))
    np.testing.assert_allclose(masses[0], expected, rtol=1e-12)
    np.testing.assert_allclose(shares[0] @ shares[0].T, np.eye(7), atol=1e-12)
    own = np.abs(shares[0, :, :4]).max(axis=1) > 1e-3
    np.testing.assert_allclose(np.abs(shares[0, own, :4]), np.abs(partners.gauginos.neutralino[0]), atol=1e-10)


def test_the_matrix_with_large_mixings() -> None:
    partners, _ = sector_at()
    found = BPrime(np.array([-3e5]), np.array([4e4]), np.array([0.1]), np.array([0.3]), np.array([2e3]), breaking=5e5)
    masses, shares = neutralinos(partners.gauginos, found)
    kinetic = np.eye(7)
    kinetic[0, 4] = kinetic[4, 0] = 0.3
    # states are normalised by the kinetic terms, and the masses come back
    np.testing.assert_allclose(shares[0] @ kinetic @ shares[0].T, np.eye(7), atol=1e-12)
    inverse = np.linalg.inv(shares[0])
    matrix = inverse @ np.diag(masses[0]) @ inverse.T
    assert matrix[4, 4] == pytest.approx(-3e5, rel=1e-9)
    assert matrix[2, 4] == pytest.approx(2e3, rel=1e-6)
    # two fields of charge 1 with equal values: the squares of their mixings add up to the squared mass of the boson
    assert matrix[4, 5] ** 2 + matrix[4, 6] ** 2 == pytest.approx(4e4**2, rel=1e-9)
    assert matrix[5, 6] == pytest.approx(5e5, rel=1e-9)
    np.testing.assert_allclose(np.trace(matrix), partners.gauginos.neutralino_mass.sum() - 3e5, rtol=1e-9)


def test_mixing_by_loops() -> None:
    _, equal = sector_at()
    _, heavy = sector_at(stau_ratio=10.0)
    # slepton_log/24 of the boson's mixing belongs to scalars; gauginos have -g_1 g'/(16 pi^2) slepton_log
    expected = -G1 * 8e-4 / (16.0 * math.pi**2) * 4.0 * math.log(10.0)
    assert heavy.kinetic[0] == pytest.approx(expected, rel=1e-4)
    assert 0.0 < -equal.kinetic[0] < 1e-5 * -heavy.kinetic[0]
    # Yukawa couplings see the difference of left and right sleptons
    _, alike = sector_at(selectron_L=450.0)
    assert abs(alike.down[0]) < 0.1 * abs(equal.down[0])
    assert equal.down[0] == pytest.approx(
        -math.sqrt(2.0) * 8e-4 * 0.2 * TAU_MASS / (16.0 * math.pi**2) * 2.0 * math.log(500.0 / 450.0), rel=0.1
    )


def test_the_lightest_state_is_the_one_of_the_matrix() -> None:
    stream = np.random.default_rng(3)
    size = 2000
    values = {name: stream.uniform(100.0, 1000.0, size) * stream.choice([-1.0, 1.0], size) for name in ("M0", "M1", "M2", "mu")}
    values |= {name: np.full(size, 2000.0) for name in ("selectron_L", "selectron_R")}
    values |= {"hierarchy": np.ones(size), "tan_beta": stream.uniform(5.0, 50.0, size), "stau_ratio": np.full(size, 100.0)}
    values |= {"boson_mass": np.full(size, 200.0), "boson_g": np.full(size, 2e-3)}
    partners = superpartners(values)
    masses, shares = neutralinos(partners.gauginos, sector(partners, values))
    first = shares[np.arange(size), np.abs(masses).argmin(axis=1)] ** 2
    kinds = lightest(partners, values["M0"] * 1e3)
    neutral = kinds != LSP_KINDS.index("chargino")
    prime = first[:, 4] > 0.5
    assert (prime == (kinds == LSP_KINDS.index("B'")))[neutral].all()
    largest = np.stack([first[:, 0], first[:, 1], first[:, 2] + first[:, 3]]).argmax(axis=0)
    assert (largest == kinds)[neutral & ~prime].all()


@pytest.mark.parametrize(
    ("parent", "lsp", "slepton"), [(300.0, 100.0, 400.0), (-300.0, 290.0, 310.0), (0.01, 0.0, 1000.0), (399.0, -50.0, 400.0)]
)
def test_loop_functions_are_the_feynman_integrals(parent: float, lsp: float, slepton: float) -> None:
    # photon from lepton and from slepton, both with s of the lepton's... parameters as they come out of the two triangles
    lepton = 1e-3 * slepton

    def both(weight: object, massless: float) -> float:
        def integrand(y: float, x: float) -> float:
            first, second = y, 1.0 - x - y
            inside = x * (first * parent**2 + second * lsp**2)
            fermion = x * slepton**2 + (1.0 - x) * massless**2 - inside
            scalar = x * massless**2 + (1.0 - x) * slepton**2 - inside
            return weight(x, first, second, fermion, scalar)  # type: ignore[operator]

        return float(dblquad(integrand, 0.0, 1.0, 0.0, lambda x: 1.0 - x, epsabs=1e-14, epsrel=1e-7)[0])

    same = both(lambda x, i, j, f, s: x * (i * parent - j * lsp) * (1.0 / f + 1.0 / s), 0.0)
    flip = both(lambda x, _i, _j, f, s: (1.0 - x) / f + x / s, lepton)
    t = 0.5 + bprime._NODES
    z = (t * parent**2 + (1.0 - t) * lsp**2) / slepton**2
    found = ((t * parent - (1.0 - t) * lsp) * bprime._same(z) @ bprime._WEIGHTS) / slepton**2
    assert found == pytest.approx(same, rel=2e-3)
    assert bprime._flip(z, np.array([1e6])) @ bprime._WEIGHTS / slepton**2 == pytest.approx(flip, rel=5e-3)


PARENT, LSP = np.array([3e5]), np.array([1e5])


def vertices(left: float, right: float, masses: tuple[float, float] = (1e6, 1e6)) -> Vertices:
    """Return the couplings of one state to sleptons that are unmixed, and to a lepton of 1 MeV."""
    return Vertices(1.0, np.array([masses]), np.array([1e6]), np.array([[[left, 0.0]]]), np.array([[[0.0, right]]]), np.ones((1, 1)))


def test_the_loop_of_heavy_sleptons() -> None:
    parent, lsp = np.array([2e3]), np.array([500.0])
    # the photon on the lepton is F1C(0)/24, on the slepton F1N(0)/24, as in g - 2; opposite signs of the masses add
    expected = (f1c(1e-9) + f1n(1e-9)) / 24.0
    assert expected == pytest.approx(0.25, rel=1e-6)
    left = vertices(1.0, 0.0)
    assert moment(left, left, parent, lsp)[0] == pytest.approx(expected * 1500.0 / 1e12, rel=1e-3)
    assert moment(left, left, parent, -lsp)[0] == pytest.approx(expected * 2500.0 / 1e12, rel=1e-3)
    # flip of the lepton: ln(M^2/m^2) - 1, the factor of Zee's model of neutrino masses
    both = Vertices(1.0, left.masses, left.sneutrino, np.ones((1, 1, 2)), np.zeros((1, 1, 2)), np.ones((1, 1)))
    other = replace(both, left=both.right, right=both.left)
    assert moment(both, other, parent, lsp)[0] == pytest.approx(2.0 * (math.log(1e12) - 1.0) / 1e12, rel=1e-3)
    assert moment(other, both, parent, lsp)[0] == pytest.approx(-moment(both, other, parent, lsp)[0], rel=1e-12)


def test_a_photino_does_not_turn_into_a_b_prime() -> None:
    # vector-like couplings to sleptons of one mass: charge conjugation forbids the photon; sleptons of two masses allow it
    photino = vertices(1.0, 1.0)
    assert moment(photino, photino, PARENT, LSP)[0] == pytest.approx(0.0, abs=1e-18)
    split = vertices(1.0, 1.0, (1e6, 7e5))
    assert abs(moment(split, split, PARENT, LSP)[0]) > 1e-8
    # a bino has -2 Y of 1 and 2: not vector-like
    assert abs(moment(vertices(0.5, 1.0), photino, PARENT, LSP)[0]) > 1e-8
    # equal states have no transition at all
    left = vertices(1.0, 0.0)
    assert moment(left, left, PARENT, PARENT)[0] == pytest.approx(0.0, abs=1e-18)


def test_muons_and_taus_cancel_but_for_their_masses() -> None:
    def moments(lepton_mass: float | None = None, **changes: float) -> np.ndarray:
        partners, found = sector_at(**changes)
        fields = ordered(partners.gauginos)
        prime = replace(fields, neutralino_mass=found.m0[:, None], neutralino=np.zeros((1, 1, 4)))
        result = []
        for name, charge in (("mu", 1.0), ("tau", -1.0)):
            sleptons = partners.sleptons[name]
            sleptons = sleptons if lepton_mass is None else replace(sleptons, lepton_mass=lepton_mass)
            own, direct = Vertices.of(sleptons, fields), Vertices.of(sleptons, prime, -math.sqrt(2.0) * charge * found.g[:, None])
            result.append(moment(own, direct, fields.neutralino_mass[:, 0], found.m0)[0])
        return np.array(result)

    equal = moments(1.0)
    assert equal[0] == pytest.approx(-equal[1], rel=1e-9)
    real = moments()
    assert 0.0 < abs(real.sum()) < 0.2 * abs(real[0])
    # heavier staus no longer cancel smuons: all of the smuons' loop is left
    heavy = moments(stau_ratio=20.0)
    assert heavy.sum() == pytest.approx(heavy[0], rel=0.05)


def test_the_radiative_width() -> None:
    # g_eff^2 (m_i^2 - m_j^2)^3/(8 pi m_i^5), g_eff = e m_i K/(16 pi^2)
    width = radiative_width(np.array([2e5, 1e5, 0.0]), np.array([-1e5, 2e5, 0.0]), np.array([1e-9, 1e-9, 1e-9]))
    charge = math.sqrt(4.0 * math.pi * FINE_STRUCTURE)
    effective = charge * 2e5 * 1e-9 / (16.0 * math.pi**2)
    assert width[0] == pytest.approx(effective**2 * 3e10**3 / (8.0 * math.pi * 2e5**5), rel=1e-12)
    assert list(width[1:]) == [0.0, 0.0]


def test_lifetimes_scale() -> None:
    base = lifetime(stau_ratio=1.0)
    assert lifetime(stau_ratio=1.0, boson_g=4e-4) == pytest.approx(4.0 * base, rel=1e-3)
    # through heavy sleptons 1/M^4: pairs of leptons and photon alike
    far, farther = (lifetime(selectron_L=value, selectron_R=value) for value in (5e3, 10e3))
    assert farther / far == pytest.approx(16.0, rel=0.05)
    # a small splitting lives long
    assert lifetime(M0=198.0, hierarchy=100.0) > 1e4 * lifetime(hierarchy=100.0)
    # N1, nearly a bino, to muons, taus and neutrinos: 2 (1/4 + 1 + 1/4) (sqrt2 g')^2 2 g_1^2/(4 M^4) against muons, both signs of masses apart
    partners, found = sector_at(selectron_L=5e3, selectron_R=5e3, mu=9e3, M2=9e3)
    width = next_width(partners, found)[0]
    rate = bprime.fermion_to_pair(np.array([2e5]), np.array([1e5]), 0.0, np.ones(1), -np.ones(1))[0]
    expected = 2.0 * (0.25 + 1.0 + 0.25) * 2.0 * (8e-4) ** 2 * 2.0 * G1**2 / (4.0 * (1e7) ** 4) * rate
    assert width == pytest.approx(expected, rel=0.02)


def test_sleptons_with_charge_are_prompt_and_selectrons_are_not() -> None:
    # a sneutrino of the muon: (sqrt2 g')^2 m/(16 pi) (1 - r^2)^2
    light = {"M1": 900.0, "M2": 900.0, "mu": 900.0, "selectron_L": 300.0, "selectron_R": 400.0}
    values = columns(**light, hierarchy=0.5)
    partners = superpartners(values)
    mass = math.sqrt(partners.sleptons["mu"].sneutrino[0])
    width = 2.0 * (8e-4) ** 2 * mass / (16.0 * math.pi) * (1.0 - (1e5 / mass) ** 2) ** 2
    assert lifetime(**light, hierarchy=0.5) == pytest.approx(bprime.HBAR / width, rel=1e-3)
    # selectrons have only the mixing of the B'-ino, of loops
    assert 1e6 * lifetime(**light, hierarchy=0.5) < lifetime(**light) < 1e-3
    assert lifetime(**light) > 1e3 * lifetime(**light, stau_ratio=3.0)


def test_nothing_to_say_without_a_light_b_prime() -> None:
    assert math.isnan(lifetime(M0=300.0))
    chargino = {"M1": 180.0, "M2": -530.0, "mu": -130.0, "tan_beta": 1.5, "M0": 100.0}
    assert math.isnan(lifetime(**chargino))
    # no coupling, no decay that is computed
    assert math.isnan(lifetime(boson_g=0.0))


@pytest.mark.parametrize(
    "changes",
    [
        {"M0": 0.0},
        {"M0": -100.0},
        {"M0": 199.99999},
        {"M0": 10.0, "M1": 0.0, "M2": 100.0},
        {"boson_mass": 0.0},
        {"boson_mass": math.nan, "boson_g": 0.0},
        {"boson_g": 1.0},
        {"selectron_L": 150.0, "hierarchy": 1.0, "A": 1e5},
        {"stau_ratio": 1e3},
        {"M1": 100.0, "M0": 100.0},
    ],
)
def test_degenerate_input(changes: dict[str, float]) -> None:
    found = lifetime(**changes)
    assert math.isnan(found) or found > 0.0
