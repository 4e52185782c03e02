"""Limits on simplified models: check points by an independent program and by hand, what is not tested, and what is summed."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from lhc_ratios import lhc_ratios

from cevnsfit.core.paths import data_root
from cevnsfit.moments.bprime import bprime_lifetime
from cevnsfit.moments.decays import Decays, decays
from cevnsfit.moments.lhc import LhcMaps, alike, judge, lhc_maps
from cevnsfit.moments.superpartners import GEV, Sleptons, Superpartners, gauginos, superpartners
from cevnsfit.physics.constants import ELECTRON_MASS, MUON_MASS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

FAR = 1e5


@pytest.fixture(scope="module")
def maps() -> LhcMaps:
    return lhc_maps()


def sleptons(lepton: float, masses: tuple[float, float], sneutrino: float = FAR) -> Sleptons:
    """Return unmixed ones, the left one first; masses in GeV."""
    squared = np.array([masses]) ** 2 * GEV**2
    return Sleptons(lepton, squared, np.eye(2)[None], np.array([(sneutrino * GEV) ** 2]))


def model(
    gaugino: tuple[float, float, float] = (100.0, FAR, FAR),
    selectron: tuple[float, float] = (FAR, FAR),
    smuon: tuple[float, float] = (FAR, FAR),
    sneutrino: float = FAR,
    smuon_sneutrino: float | None = None,
) -> Superpartners:
    """Return superpartners at one point, M1, M2 and mu as given; masses in GeV."""
    m1, m2, mu = (value * GEV for value in gaugino)
    families = {
        "e": sleptons(ELECTRON_MASS, selectron, sneutrino),
        "mu": sleptons(MUON_MASS, smuon, smuon_sneutrino or sneutrino),
        "tau": sleptons(MUON_MASS, (FAR, FAR)),
    }
    return Superpartners(gauginos(m1, m2, mu, 1e4), families)


def fractions(*, slepton: float = 1.0, w: float = 0.0, e: float = 0.0, z: float = 0.0, h: float = 0.0, length: float = 0.0) -> Decays:
    """Return branching fractions at one point, the same for both sleptons, both families and both neutralinos."""
    one, two = np.ones(1), np.ones((1, 2))
    zero = {"e": 0.0 * two, "mu": 0.0 * two}
    return Decays(
        slepton={"e": slepton * two, "mu": slepton * two},
        chargino={"W": w * one, "e": e * one, "mu": 0.0 * one, "other": (1.0 - w - e) * one},
        neutralino={"Z": z * two, "h": h * two, **zero, "other": (1.0 - z - h) * two},
        chargino_length=length * one,
        splitting=one,
    )


def muons_lack(partners: Superpartners, modes: Decays, maps: LhcMaps, name: str) -> bool:
    entry = next(entry for entry in maps.maps if entry.name == name)
    return bool(judge(partners, modes, replace(maps, maps=(entry,))).fewer_muons[0])


@pytest.mark.parametrize(
    ("mass", "lightest", "muons", "name", "ratio"),
    [
        (700.0, 1.01, True, "ATLAS-SUSY-2018-32.TSlepSlep", 1.24),
        (180.0, 165.0, True, "ATLAS-SUSY-2018-16.TSlepSlep", 1.52),
        (300.0, 100.0, False, "CMS-SUS-20-001.TSlepSlep", 9.9),
        (300.0, 100.0, True, "CMS-SUS-20-001.TSlepSlep", 19.9),
    ],
)
def test_sleptons_of_both_chiralities(mass: float, lightest: float, muons: bool, name: str, ratio: float, maps: LhcMaps) -> None:
    """Found by hand in the published maps, with straight lines of the limit itself between the points: up to 2 % above those of its logarithm."""
    pair = (mass, mass)
    partners = model((lightest, FAR, FAR), selectron=pair, smuon=pair if muons else (FAR, FAR))
    assert lhc_ratios(partners, fractions(), maps)[name] == pytest.approx(ratio, rel=0.025)


def test_decoupled_smuons_are_not_counted_and_the_verdict_says_so(maps: LhcMaps) -> None:
    electrons, both = model(selectron=(300.0, 300.0)), model(selectron=(300.0, 300.0), smuon=(300.0, 300.0))
    alone, joint = judge(electrons, fractions(), maps), judge(both, fractions(), maps)
    assert joint.ratio == pytest.approx(2.0 * alone.ratio, rel=1e-9)
    assert (alone.fewer_muons[0], joint.fewer_muons[0]) == (True, False)
    assert maps[int(alone.analysis[0])].name == "CMS-SUS-20-001.TSlepSlep"
    assert alone.excluded[0]


def test_states_of_different_mass_are_tested_one_by_one(maps: LhcMaps) -> None:
    """Within 5 % they are summed; far apart the stronger one decides, whichever it is."""
    left, right = (judge(model(selectron=pair), fractions(), maps).ratio[0] for pair in ((300.0, FAR), (FAR, 300.0)))
    assert judge(model(selectron=(300.0, 300.0)), fractions(), maps).ratio[0] == pytest.approx(left + right, rel=1e-9)
    assert judge(model(selectron=(300.0, 320.0)), fractions(), maps).ratio[0] == pytest.approx(left, rel=1e-9)
    assert judge(model(selectron=(600.0, 300.0)), fractions(), maps).ratio[0] == pytest.approx(right, rel=1e-9)
    assert left > right


def test_branching_fractions_enter_squared_and_a_rare_decay_is_no_test(maps: LhcMaps) -> None:
    partners = model(selectron=(300.0, 300.0))
    whole, half = (judge(partners, fractions(slepton=part), maps).ratio[0] for part in (1.0, 0.5))
    assert half == pytest.approx(0.25 * whole, rel=1e-9)
    rare = judge(partners, fractions(slepton=0.09), maps)
    assert math.isnan(rare.ratio[0])
    assert (rare.analysis[0], rare.tested[0], rare.excluded[0]) == (-1, False, False)


@pytest.mark.parametrize(
    ("lightest", "selectron"),
    [(100.0, (99.0, 99.0)), (100.0, (100.0, 100.0)), (100.0, (1500.0, 1500.0)), (900.0, (905.0, 990.0)), (100.0, (math.nan, math.nan))],
)
def test_outside_of_all_maps_a_point_is_not_tested(lightest: float, selectron: tuple[float, float], maps: LhcMaps) -> None:
    verdict = judge(model((lightest, FAR, FAR), selectron=selectron), fractions(), maps)
    assert math.isnan(verdict.ratio[0])
    assert not verdict.tested[0]
    assert lhc_ratios(model((lightest, FAR, FAR), selectron=selectron), fractions(), maps) == {}


@pytest.mark.parametrize("squared", [-9e10, 99.0**2 * 1e6])
def test_nothing_is_tested_where_the_lightest_neutralino_decays_to_a_slepton(squared: float, maps: LhcMaps) -> None:
    """It is no missing energy then; a sneutrino below it leaves it invisible."""
    partners = model(selectron=(300.0, 300.0), smuon=(FAR, 300.0))
    family = replace(partners.sleptons["mu"], squared=np.array([[9e10, squared]]))
    found = judge(replace(partners, sleptons={**partners.sleptons, "mu": family}), fractions(w=1.0, z=1.0), maps)
    assert math.isnan(found.ratio[0])
    light = model(selectron=(300.0, 300.0), sneutrino=90.0)
    assert judge(light, fractions(), maps).ratio == pytest.approx(judge(model(selectron=(300.0, 300.0)), fractions(), maps).ratio, rel=1e-9)


def test_a_stable_chargino_below_all_neutralinos_is_tested(maps: LhcMaps) -> None:
    partners = model((FAR, 300.0, FAR), selectron=(400.0, 400.0))
    stable = replace(fractions(w=1.0, length=math.inf), splitting=np.array([-0.1 * GEV]))
    assert list(lhc_ratios(partners, stable, maps)) == ["ATLAS-SUSY-2018-42.THSCPM1b"]


def test_the_loop_decides_whether_the_lightest_neutralino_is_missing_energy(maps: LhcMaps) -> None:
    """At tree level this chargino lies below N1 by 0.1 GeV, with its loop above."""
    partners = model((FAR, 300.0, FAR), selectron=(400.0, 400.0))
    light = replace(partners.gauginos, chargino_mass=np.array([[FAR, 299.9]]) * GEV)
    name = "CMS-SUS-20-001.TSlepSlep"
    assert name not in lhc_ratios(replace(partners, gauginos=light), replace(fractions(), splitting=np.array([-1.0])), maps)
    assert name in lhc_ratios(replace(partners, gauginos=light), replace(fractions(), splitting=np.array([60.0])), maps)


def test_no_points(maps: LhcMaps) -> None:
    names = ("M1", "M2", "mu", "selectron_L", "selectron_R", "tan_beta", "hierarchy")
    partners = superpartners({name: np.empty(0) for name in names})
    verdict = judge(partners, decays(partners), maps)
    assert verdict.ratio.shape == verdict.analysis.shape == verdict.fewer_muons.shape == (0,)


@pytest.mark.parametrize(
    ("boson", "name", "low", "high"),
    [
        ("ww", "ATLAS-SUSY-2018-32.TChiWW", 380.0, 450.0),
        ("z", "ATLAS-SUSY-2018-41.TChiWZ", 900.0, 1000.0),
        ("h", "ATLAS-SUSY-2018-41.TChiWH", 1000.0, 1090.0),
        ("h", "ATLAS-SUSY-2019-08.TChiWH", 700.0, 780.0),
        ("z", "ATLAS-SUSY-2019-09.TChiWZ", 600.0, 680.0),
        ("z", "CMS-SUS-20-001.TChiWZ", 700.0, 780.0),
    ],
)
def test_winos_are_excluded_to_the_published_masses(boson: str, name: str, low: float, high: float, maps: LhcMaps) -> None:
    """420, 960, 1060, 740, 640 and 750 GeV for a light neutralino, as the abstracts and summaries of the publications say."""
    modes = fractions(w=1.0, z=float(boson == "z"), h=float(boson == "h"))
    below, above = (lhc_ratios(model((10.0, mass, FAR)), modes, maps)[name] for mass in (low, high))
    assert below > 1.0 > above


def test_reach_of_compressed_winos_and_higgsinos(maps: LhcMaps) -> None:
    """Wino 223 GeV at 10 GeV, where the publication has 240 GeV; off-shell winos 300 GeV; higgsinos of 100 GeV are excluded, of 230 GeV not."""
    modes = fractions(w=1.0, z=1.0)

    def winos(mass: float, splitting: float, name: str) -> float:
        return lhc_ratios(model((mass - splitting, mass, FAR)), modes, maps)[name]

    soft = "ATLAS-SUSY-2018-16.TChiWZoff"
    assert winos(223.0, 10.0, soft) == pytest.approx(1.0, abs=0.02)
    assert winos(200.0, 10.0, soft) > 1.0 > winos(240.0, 10.0, soft)
    assert winos(295.0, 40.0, "ATLAS-SUSY-2019-09.TChiWZoff") > 1.0 > winos(320.0, 40.0, "ATLAS-SUSY-2019-09.TChiWZoff")
    # a bino and a wino of one mass, M1 = M2, split the higgsinos evenly
    for mu, excluded in ((110.0, True), (240.0, False)):
        partners = superpartners(
            {
                name: np.array([value])
                for name, value in {
                    "M1": 1000.0,
                    "M2": 1000.0,
                    "mu": mu,
                    "tan_beta": 10.0,
                    "hierarchy": 1.0,
                    "selectron_L": 5e3,
                    "selectron_R": 5e3,
                }.items()
            }
        )
        found = lhc_ratios(partners, decays(partners), maps)["ATLAS-SUSY-2019-09.TChiWZoff-higgsino"]
        assert (found > 1.0) == excluded


def test_charginos_through_sleptons_need_these_half_way(maps: LhcMaps) -> None:
    """With all flavours the published reach is 1000 GeV; electrons alone are 4/9 of the leptons counted, a quarter squared."""
    partners = model((10.0, 900.0, FAR), sneutrino=455.0)
    name = "ATLAS-SUSY-2018-32.TChipChimSlepSlep"
    both = replace(fractions(), chargino={"W": np.zeros(1), "e": np.full(1, 1 / 3), "mu": np.full(1, 1 / 3), "other": np.full(1, 1 / 3)})
    assert lhc_ratios(partners, both, maps)[name] > 1.0
    alone = lhc_ratios(partners, fractions(e=1.0), maps)[name]
    assert alone == pytest.approx(2.25 * lhc_ratios(partners, both, maps)[name], rel=1e-9)
    assert muons_lack(partners, fractions(e=1.0), maps, name)
    assert name not in lhc_ratios(model((10.0, 900.0, FAR), sneutrino=700.0), fractions(e=1.0), maps)
    # muons by sneutrinos that are not half way have other momenta
    heavy = model((10.0, 900.0, FAR), sneutrino=455.0, smuon_sneutrino=700.0)
    assert lhc_ratios(heavy, both, maps)[name] == pytest.approx(0.25 * lhc_ratios(partners, both, maps)[name], rel=1e-9)
    assert muons_lack(heavy, both, maps, name)
    assert not muons_lack(partners, both, maps, name)


def test_long_lived_charginos(maps: LhcMaps) -> None:
    """A pure wino of 0.2 ns below 660 GeV; a stable one by its map; between 1 ns and the detector nothing is said."""
    track, stable = "ATLAS-SUSY-2018-19.disappearing", "ATLAS-SUSY-2018-42.THSCPM1b"
    two_tenths = 0.2 * 29.979

    def wino(mass: float, length: float) -> dict[str, float]:
        return lhc_ratios(model((FAR, mass, FAR)), fractions(w=1.0, length=length), maps)

    assert wino(659.0, two_tenths)[track] > 1.0 > wino(661.0, two_tenths)[track]
    assert wino(300.0, 0.5 * two_tenths) == {}
    assert wino(300.0, 20 * two_tenths) == {}
    assert wino(300.0, math.inf)[stable] > 1.0
    # both must fly 10 m, with a momentum of 1.4 masses
    assert wino(300.0, 1000.0)[stable] == pytest.approx(math.exp(-2.0 / 1.4) * wino(300.0, math.inf)[stable], rel=1e-9)
    assert lhc_ratios(model((FAR, FAR, 209.0)), fractions(w=1.0, length=0.03 * 29.979), maps)[track] > 1.0
    assert lhc_ratios(model((FAR, FAR, 211.0)), fractions(w=1.0, length=0.03 * 29.979), maps)[track] < 1.0


def test_alike() -> None:
    first, second = np.array([100.0, 100.0, 100.0, 100.0]), np.array([104.0, 106.0, 97.0, 96.0])
    assert alike(first, second, np.zeros(4)).tolist() == [True, False, True, True]
    assert alike(first, second, np.full(4, 88.0)).tolist() == [True, False, True, False]


def test_limits_are_published_points_and_nothing_outside(maps: LhcMaps) -> None:
    """Every point of every map; a step beyond the heaviest mass is not extrapolated."""
    for entry in maps.maps:
        if entry.topology == "disappearing":
            continue
        lines = [line for line in (data_root() / "lhc" / f"{entry.name}.csv").read_text("utf-8").splitlines() if line[0] != "#"]
        names = [cell.split(" [")[0] for cell in lines[0].split(",")]
        columns = dict(zip(names, np.array([line.split(",") for line in lines[1:]], dtype=np.float64).T, strict=True))
        masses = np.stack([columns[name] for name in entry.masses], axis=1)
        found = entry.limit(masses)
        known = np.isfinite(found)
        assert known.mean() > 0.99, entry.name
        assert found[known] == pytest.approx(columns["limit"][known], rel=1e-6)
        masses[:, 0] += 5000.0
        assert np.isnan(entry.limit(masses)).all()


def test_one_point_of_many_is_judged_as_it_is_alone(maps: LhcMaps) -> None:
    stream = np.random.default_rng(1)
    columns = {name: stream.uniform(100.0, 1000.0, 25_000) for name in ("M1", "M2", "mu", "selectron_L", "selectron_R")}
    columns |= {"tan_beta": stream.uniform(10.0, 50.0, 25_000), "hierarchy": 100.0 ** stream.random(25_000)}
    columns["mu"] *= -1.0
    partners = superpartners(columns)
    modes = decays(partners)
    verdict = judge(partners, modes, maps)
    assert 0.5 < verdict.tested.mean() < 0.95
    point = int(np.nanargmax(verdict.ratio))
    only = partners.at(np.arange(25_000) == point)
    tests = lhc_ratios(only, decays(only), maps)
    best = maps[int(verdict.analysis[point])]
    assert max(tests, key=lambda name: tests[name]) == best.name
    assert tests[best.name] == pytest.approx(verdict.ratio[point], rel=1e-9)


@pytest.mark.parametrize("name", ["M0", "M1", "M2", "mu", "tan_beta", "selectron_L", "A", "hierarchy", "boson_g"])
@pytest.mark.parametrize("tan_beta", [1.0, 20.0])
def test_a_point_that_is_not_a_number_leaves_the_others_alone(name: str, tan_beta: float, maps: LhcMaps) -> None:
    values = {"M0": 90.0, "M1": 300.0, "M2": 300.0, "mu": -300.0, "tan_beta": tan_beta, "selectron_L": 500.0, "selectron_R": 500.0}
    values |= {"A": 0.0, "hierarchy": 1.0, "boson_mass": 25.0, "boson_g": 1e-3}
    alone = {key: np.array([value]) for key, value in values.items()}
    columns = {key: np.array([math.nan if key == name else value, value]) for key, value in values.items()}
    found = []
    for inputs in (alone, columns):
        partners = superpartners(inputs)
        found.append((judge(partners, decays(partners), maps).ratio, bprime_lifetime(partners, inputs)))
    (ratio, lifetime), (ratios_of_both, lifetimes) = found
    assert ratios_of_both[1] == pytest.approx(ratio[0], rel=1e-9)
    assert lifetimes[1] == pytest.approx(lifetime[0], rel=1e-9, abs=0.0)
    assert math.isnan(lifetimes[0])
    if name in ("M1", "M2", "mu", "tan_beta", "selectron_L"):
        assert math.isnan(ratios_of_both[0])
