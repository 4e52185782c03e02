"""Branching fractions of superpartners: limits, sums, an independent computation at one point, and masses that nothing tested before."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cevnsfit.moments.couplings import Vertices, chargino_couplings, four_fermion, neutrino_couplings, ordered
from cevnsfit.moments.decays import LSP_KINDS, SCENARIOS, Decays, decays, lightest, scenario
from cevnsfit.moments.superpartners import G1, G2, SIN2_THETA_Z, Superpartners, superpartners
from cevnsfit.physics.constants import HIGGS_MASS, W_MASS, Z_MASS

FAR = 1e5
"""In GeV: decoupled."""


def point(**changes: float) -> Superpartners:
    values = {"M1": FAR, "M2": FAR, "mu": FAR, "selectron_L": FAR, "selectron_R": FAR, "hierarchy": 1.0, "tan_beta": 10.0} | changes
    return superpartners({name: np.array([value]) for name, value in values.items()})


def drawn(size: int, *, signs: bool = True) -> dict[str, np.ndarray]:
    stream = np.random.default_rng(7)
    columns = {name: stream.uniform(100.0, 1000.0, size) for name in ("M1", "M2", "mu", "selectron_L", "selectron_R", "M0")}
    if signs:
        for name in ("M1", "M2", "mu"):
            columns[name] *= stream.choice([-1.0, 1.0], size)
    return {
        **columns,
        "tan_beta": stream.uniform(1.0, 50.0, size),
        "hierarchy": 100.0 ** stream.random(size),
        "stau_ratio": 1.0 + stream.random(size),
    }


def check_sums(found: Decays) -> None:
    for mapping in (found.chargino, found.neutralino):
        parts = np.stack(list(mapping.values()))
        assert ((parts >= 0.0) & (parts <= 1.0 + 1e-12)).all()
    stable = found.splitting <= 0.0
    np.testing.assert_allclose(sum(found.chargino.values())[~stable], 1.0, rtol=1e-12)
    np.testing.assert_allclose(sum(found.neutralino.values()), 1.0, rtol=1e-12)
    for fractions in found.slepton.values():
        assert ((fractions >= 0.0) & (fractions <= 1.0)).all()


def test_fractions_add_up() -> None:
    check_sums(decays(superpartners(drawn(3000))))


def test_sleptons_decay_to_what_is_lighter() -> None:
    bino = decays(point(M1=100.0, selectron_L=300.0, selectron_R=200.0))
    np.testing.assert_allclose(bino.slepton["e"], 1.0)
    # a wino triplet alone: two thirds of left sleptons to the chargino, and none of the right ones but for their mixing
    wino = decays(point(M2=100.0, selectron_L=900.0, selectron_R=800.0))
    assert wino.slepton["e"][0, 0] == pytest.approx(1.0 / 3.0, rel=0.01)
    # right sleptons go to the bino behind a heavier wino: a cascade is not the decay to N1
    both = decays(point(M1=100.0, M2=150.0, selectron_L=900.0, selectron_R=800.0))
    assert both.slepton["e"][0, 1] == pytest.approx(1.0, abs=0.01)
    assert 0.05 < both.slepton["e"][0, 0] < 0.2
    closed = decays(point(M1=400.0, selectron_L=300.0, selectron_R=200.0))
    np.testing.assert_array_equal(closed.slepton["e"], 0.0)


def test_a_lepton_needs_its_mass() -> None:
    open_, shut = (decays(point(M1=100.0, selectron_L=FAR, selectron_R=value, tan_beta=1.0)) for value in (100.2, 100.05))
    assert open_.slepton["mu"][0, 1] == 1.0
    assert shut.slepton["mu"][0, 1] == 0.0
    assert shut.slepton["e"][0, 1] == 1.0


def test_winos_above_a_bino() -> None:
    # W alone for the chargino; Z and h for the neutralino, of which h wins when mu is far: Z needs two higgsino shares
    found = decays(point(M1=100.0, M2=400.0, mu=2000.0))
    assert found.chargino["W"][0] == 1.0
    assert found.neutralino["h"][0, 0] > 0.85
    assert found.neutralino["Z"][0, 0] + found.neutralino["h"][0, 0] == pytest.approx(1.0, abs=1e-9)
    below = decays(point(M1=100.0, M2=180.0, mu=2000.0))
    assert below.neutralino["Z"][0, 0] == pytest.approx(1.0, abs=0.01)
    assert below.chargino["W"][0] == pytest.approx(1.0, rel=1e-6)


def test_higgsinos_share_z_and_h() -> None:
    # Goldstone bosons and h are one doublet: to a bino half and half over both states; to a triplet two thirds with a charged W by isospin
    bino = decays(point(M1=100.0, mu=3000.0)).neutralino
    for name in ("Z", "h"):
        assert bino[name].mean() == pytest.approx(0.5, abs=0.005)
    wino = decays(point(M2=100.0, mu=3000.0)).neutralino
    assert [wino[name].mean() for name in ("Z", "h", "other")] == pytest.approx([1 / 6, 1 / 6, 2 / 3], abs=0.005)


def test_light_sleptons_take_over() -> None:
    found = decays(point(M1=100.0, M2=500.0, mu=2000.0, selectron_L=200.0, hierarchy=4.0))
    assert found.chargino["e"][0] > 0.95
    # charged leptons and neutrinos share the wino
    assert found.neutralino["e"][0, 0] == pytest.approx(0.5, abs=0.1)
    assert found.neutralino["mu"][0, 0] == 0.0
    assert found.chargino_length[0] == 0.0
    # a sneutrino that is the lightest: no N1 in the end
    sneutrino = decays(point(M1=400.0, M2=500.0, mu=2000.0, selectron_L=200.0, hierarchy=4.0))
    assert sneutrino.chargino["other"][0] > 0.95
    assert sneutrino.chargino["e"][0] == 0.0


def test_sleptons_that_are_virtual_rival_a_weak_z() -> None:
    # wino above bino by less than m_Z, higgsinos far: Z* needs two of their shares, selectrons above the wino need none
    far, near = (decays(point(M1=150.0, M2=220.0, mu=5000.0, selectron_L=value, hierarchy=2.0)) for value in (FAR, 260.0))
    assert far.neutralino["Z"][0, 0] > 0.99
    assert far.chargino["W"][0] > 0.99
    assert near.neutralino["e"][0, 0] > 0.3
    assert 1e-4 < near.neutralino["mu"][0, 0] / near.neutralino["e"][0, 0] < 0.05
    assert near.chargino["e"][0] > 0.9
    # behind the threshold of sneutrino and selectron nothing changes much
    real = decays(point(M1=150.0, M2=220.0, mu=5000.0, selectron_L=160.0, hierarchy=2.0))
    assert near.neutralino["e"][0, 0] == pytest.approx(real.neutralino["e"][0, 0], abs=0.1)


def test_long_lived_winos() -> None:
    found = decays(point(M2=400.0))
    assert found.splitting[0] == pytest.approx(162.8, abs=1.0)
    assert found.chargino_length[0] == pytest.approx(6.2, abs=0.3)
    assert found.chargino["W"][0] == 1.0
    assert decays(point(M2=400.0, selectron_L=200.0)).chargino_length[0] == 0.0


def test_neutralinos_against_a_computation_of_their_own() -> None:
    # Gunion and Haber: helicity by helicity in closed form, mixing matrices from the masses of one point
    values = {"M1": -150.0, "M2": 420.0, "mu": 700.0, "selectron_L": 350.0, "selectron_R": 300.0, "hierarchy": 1.1, "tan_beta": 12.0}
    partners = point(**values)
    found = decays(partners).neutralino
    fields = ordered(partners.gauginos)
    m, n = fields.neutralino_mass[0], fields.neutralino[0]
    cos_w, tan_w = math.sqrt(1.0 - SIN2_THETA_Z), G1 / G2
    beta = math.atan(12.0)

    def lam(a: float, b: float, c: float) -> float:
        x = (a**2 - b**2 - c**2) ** 2 - 4.0 * b**2 * c**2
        return math.sqrt(x) if x > 0.0 and abs(a) > abs(b) + abs(c) else 0.0

    for column, i in ((0, 1), (1, 2)):
        z = 0.5 * (n[0, 3] * n[i, 3] - n[0, 2] * n[i, 2])
        r, s = (m[0] / m[i]) ** 2, (Z_MASS / m[i]) ** 2
        widths = {}
        widths["Z"] = (
            G2**2
            / cos_w**2
            * z**2
            * lam(m[i], m[0], Z_MASS)
            / (16.0 * math.pi * abs(m[i]))
            * ((1 + r - 2 * s + (1 - r) ** 2 / s) + 6.0 * m[0] / m[i])
        )
        q = 0.5 * (n[i, 2] * (n[0, 1] - tan_w * n[0, 0]) + n[0, 2] * (n[i, 1] - tan_w * n[i, 0]))
        t = 0.5 * (n[i, 3] * (n[0, 1] - tan_w * n[0, 0]) + n[0, 3] * (n[i, 1] - tan_w * n[i, 0]))
        higgs = G2 * (q * math.cos(beta) - t * math.sin(beta))
        widths["h"] = higgs**2 * lam(m[i], m[0], HIGGS_MASS) / (16.0 * math.pi * abs(m[i]) ** 3) * ((m[i] + m[0]) ** 2 - HIGGS_MASS**2)
        total = widths["Z"] + widths["h"]
        for j, boson in ((1, Z_MASS), (1, HIGGS_MASS), (0, W_MASS)):
            product = fields.chargino_mass[0, 0] if boson == W_MASS else m[j]
            assert lam(m[i], product, boson) == 0.0 or column == 1
        for name, sleptons in partners.sleptons.items():
            doublet = [G2 * n[i, 1] + G1 * n[i, 0], G1 * n[i, 0] - G2 * n[i, 1]]
            left, right = math.sqrt(sleptons.squared[0, 0]), math.sqrt(sleptons.squared[0, 1])
            pieces = [
                doublet[0] ** 2 / 2.0 * lam(m[i], left, sleptons.lepton_mass) * (m[i] ** 2 - left**2),
                2.0 * (G1 * n[i, 0]) ** 2 * lam(m[i], right, sleptons.lepton_mass) * (m[i] ** 2 - right**2),
            ]
            neutrino = math.sqrt(sleptons.sneutrino[0])
            pieces.append(doublet[1] ** 2 / 2.0 * lam(m[i], neutrino, 0.0) * (m[i] ** 2 - neutrino**2))
            norm = 2.0 / (32.0 * math.pi * abs(m[i]) ** 3)
            total += norm * sum(pieces)
            widths[name] = norm * sum(pieces[:2])
        if column == 0:  # N3, a higgsino, has more channels
            for name in ("Z", "h"):
                assert found[name][0, 0] == pytest.approx(widths[name] / total, rel=0.01)
            assert found["e"][0, 0] == pytest.approx(widths["e"] / total, rel=0.02)
        ratio = widths["h"] / widths["Z"]
        assert found["h"][0, column] / found["Z"][0, column] == pytest.approx(ratio, rel=1e-9)


def test_the_kind_of_the_lightest_superpartner() -> None:
    kinds = {
        "bino": {"M1": 100.0},
        "wino": {"M2": 100.0},
        "higgsino": {"mu": -100.0},
        "sneutrino": {"M1": 300.0, "selectron_L": 150.0},
        "charged slepton": {"M1": 300.0, "selectron_R": 150.0},
        "B'": {"M1": 300.0, "M0": -200.0},
    }
    for kind, values in kinds.items():
        m0 = np.array([values.pop("M0", FAR) * 1e3])
        assert LSP_KINDS[lightest(point(**values), m0)[0]] == kind
    # M1 of another sign than M2 and mu, small tan beta: the chargino is the lightest (arXiv:0806.3966), by 5 GeV
    charged = point(M1=180.0, M2=-530.0, mu=-130.0, tan_beta=1.5)
    assert LSP_KINDS[lightest(charged, np.array([1e9]))[0]] == "chargino"
    stable = decays(charged)
    assert stable.splitting[0] < -3000.0
    assert math.isinf(stable.chargino_length[0])
    assert sum(stable.chargino.values())[0] == 0.0
    tachyon = point(M1=100.0, selectron_L=150.0, selectron_R=150.0, hierarchy=1.0, tan_beta=1.0, A=1e6)
    assert LSP_KINDS[lightest(tachyon, np.array([1e8]))[0]] == "charged slepton"


def test_the_loop_decides_between_chargino_and_neutralino() -> None:
    # at tree level C1 is lighter than N1 by less than the loop's 165 to 350 MeV
    columns = drawn(30_000)
    columns |= {name: np.full(30_000, 2e3) for name in ("selectron_L", "selectron_R", "M0")}
    partners = superpartners(columns)
    fields = ordered(partners.gauginos)
    tree = np.abs(fields.chargino_mass[:, 0]) - np.abs(fields.neutralino_mass[:, 0])
    saved = (tree < 0.0) & (tree > -150.0)
    assert saved.sum() > 3
    assert (lightest(partners, columns["M0"] * 1e3)[saved] < 3).all()
    assert (decays(partners).chargino_length[saved] < np.inf).mean() > 0.9


def test_sleptons_give_both_members_of_a_triplet_one_width() -> None:
    # isospin: a charged wino to a bino, l and nu as fast as a neutral one to a bino with two l or two nu
    partners = point(M1=150.0, M2=220.0, mu=9e4, selectron_L=3000.0)
    fields = ordered(partners.gauginos)
    own = Vertices.of(partners.sleptons["e"], fields)
    charged, neutral = four_fermion(own, own, (1, 0), np.zeros(1))
    weak, _ = chargino_couplings(fields, own.lepton_mass)
    left = 0.5 * weak[:, 0] * own.neutral[:, 0] / own.sneutrino**2
    right = -0.5 * (neutrino_couplings(partners.sleptons["e"], fields)[:, 0] * own.left[:, 0] / own.masses**2).sum(axis=1)
    assert left[0] ** 2 == pytest.approx(charged[0] ** 2 + neutral[0] ** 2, rel=2e-3)
    sign = np.sign(fields.chargino_mass[:, 0] * fields.neutralino_mass[:, 1])
    assert left[0] == pytest.approx(-sign[0] * right[0], rel=2e-3)


def test_the_order_of_the_masses() -> None:
    columns = drawn(2000)
    codes = scenario(columns)
    assert set(codes) == set(range(len(SCENARIOS)))
    for code, name in enumerate(SCENARIOS):
        masses = np.array([np.abs(columns[part.strip("|")])[codes == code] for part in name.split(" < ")])
        assert (np.diff(masses, axis=0) >= 0.0).all()
    same = {name: np.array([200.0]) for name in ("M1", "M2", "mu")}
    assert SCENARIOS[scenario(same)[0]] == "M1 < M2 < |mu|"


@pytest.mark.parametrize(
    "changes",
    [
        {"M1": 0.0},
        {"M2": 0.0},
        {"mu": 0.0},
        {"M1": 0.0, "M2": 0.0, "mu": 0.0},
        {"M1": -200.0, "M2": 200.0, "mu": 200.0},
        {"selectron_L": 0.0, "selectron_R": 0.0},
        {"selectron_L": 200.0, "selectron_R": 200.0, "M1": 200.0, "tan_beta": 1.0},
        {"hierarchy": 0.0},
        {"tan_beta": 1.0},
        {"tan_beta": 1e6},
        {"A": 1e7},
    ],
)
def test_degenerate_and_absent_masses(changes: dict[str, float]) -> None:
    base = {"M1": 200.0, "M2": 300.0, "mu": 400.0, "selectron_L": 250.0, "selectron_R": 260.0}
    found = decays(point(**{**base, **changes}))
    check_sums(found)
    assert not np.isnan(found.chargino_length).any()


def test_no_points_at_all() -> None:
    partners = superpartners({name: values[:0] for name, values in drawn(3).items()})
    assert decays(partners).chargino["W"].shape == (0,)
    assert lightest(partners, np.zeros(0)).shape == (0,)


def test_channels_that_are_left_out_are_closed() -> None:
    # C1 to N2 and W, N2 or N3 to C2 and W
    fields = ordered(superpartners(drawn(20_000)).gauginos)
    neutral, charged = np.abs(fields.neutralino_mass), np.abs(fields.chargino_mass)
    assert (charged[:, 0] < neutral[:, 1] + W_MASS).all()
    assert (neutral[:, 2] < charged[:, 1] + W_MASS).all()
