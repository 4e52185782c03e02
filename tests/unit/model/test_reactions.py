"""Reactions with a cross section in a table, against integrals of scipy; the cross sections are made up."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr

import cevnsfit as cf
from cevnsfit.core.errors import DomainError, SpecError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

M_MU, AVOGADRO = 105.6583755, 6.02214076e23
POT, PER_POT, DISTANCE = 1e23, 0.09, 2000.0
FLUENCE = POT * PER_POT / (4.0 * math.pi * DISTANCE**2)
Q = 1.44
BINS = np.arange(0.0, 58.1, 2.0)
EDGES = (5.0, 15.0, 25.0, 35.0, 50.0)
ENERGIES = np.linspace(1.44, 56.44, 23)

SOURCE = "source: {name: sns, exposure_pot: 1.0e+23, yield_per_pot: 0.09, distance: 20 m}"
NORM = "systematics:\n  sns_flux: {kind: normalisation, shared: true, sigma: 10 %, components: [cevns]}"
HEAD = "schema_version: 1\nname: NAME\ntitle: made up\nstatus: projection\n"

D2O = f"""{HEAD.replace("NAME", "heavy-water")}
{SOURCE}
target:
  compound: D2O
  mass: 592 kg
  cevns: false
  reactions:
    cc: {{on: H-2, table: sigma.csv, flavours: {{nu_e: nu_e}}, q_value: 1.44 MeV}}
axes:
  e_ee: {{unit: MeVee, edges: [5, 15, 25, 35, 50]}}
  time: {{unit: us, edges: [0, 1, 3, 10]}}
response:
  smearing: {{kind: gaussian-smearing, stochastic: 0.6 MeVee**0.5}}
  efficiency: {{kind: constant-efficiency, axis: e_ee, value: 0.8}}
{NORM}
"""

CSI = f"""{HEAD.replace("NAME", "iodine")}
{SOURCE}
target:
  compound: CsI
  mass: 1 t
  reactions:
    cc: {{on: I-127, table: bins.csv, flavours: {{nu_e: nu_e, nu_mu: inelastic}}}}
axes:
  e_ee: {{unit: keVee, edges: [1, 5, 10000, 30000, 60000]}}
response:
  quenching: {{kind: constant-quenching, factor: 0.1}}
  smearing: {{kind: gaussian-smearing, linear: 0.1}}
{NORM}
"""


def sigma(energy: np.ndarray) -> np.ndarray:
    """Return a made-up cross section, two bodies far above the threshold, in cm^2."""
    return 1e-43 * np.maximum(energy - Q, 0.0) ** 2


def into_bins(energy: np.ndarray) -> np.ndarray:
    """Return made-up cross sections into the visible bins, shape (energies, bins), in cm^2: flat up to the energy less 3 MeV."""
    most = np.maximum(energy - 3.0, 1e-9)[:, None]
    share = np.clip((most - BINS[:-1]) / np.diff(BINS), 0.0, 1.0) * np.diff(BINS)
    return 2e-43 * np.maximum(energy[:, None] - 3.0, 0.0) ** 2 * share / most


def folder_of(path: Path, text: str) -> Path:
    path.mkdir()
    (path / "experiment.yaml").write_text(text, encoding="utf-8")
    rows = [f"{e:.12g},{s:.12g}" for e, s in zip(ENERGIES, sigma(ENERGIES), strict=True)]
    (path / "sigma.csv").write_text("\n".join(["# Made up.", "e_nu [MeV],nu_e [cm2]", *rows]), encoding="utf-8")
    table = into_bins(ENERGIES)
    cells = [(e, *pair, s) for e, row in zip(ENERGIES, table, strict=True) for *pair, s in zip(BINS, BINS[1:], row, strict=False)]
    rows = [f"{e:.12g},{low:g},{high:g},{s:.12g},{0.3 * s:.12g}" for e, low, high, s in cells]
    header = "e_nu [MeV],e_ee_low [MeVee],e_ee_high [MeVee],nu_e [cm**2],inelastic [cm**2]"
    (path / "bins.csv").write_text("\n".join(["# Made up.", header, *rows]), encoding="utf-8")
    return path


@pytest.fixture
def water(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "heavy-water", D2O)


@pytest.fixture
def iodine(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "iodine", CSI)


def michel(energy: float) -> float:
    """Return the spectrum of nu_e of muon decay at rest, 1/MeV."""
    x = energy / M_MU
    return 192.0 / M_MU * x**2 * (0.5 - x)


def seen(mean: float, low: float, high: float, width: Callable[[float], float]) -> float:
    return float(ndtr((high - mean) / width(mean)) - ndtr((low - mean) / width(mean)))


def counts(folder: Path | str, model: str = "sm", **at: float) -> np.ndarray:
    (found,) = cf.rates(cf.build_likelihood(folder, model=model), at=at).values()
    return np.asarray(found.signal)


def expected_water(survival: Callable[[float], float]) -> list[float]:
    """Return the counts in energy of the curve, all times together where the pulse and the muon allow it."""
    deuterons = 2.0 * 592e3 * AVOGADRO / 20.0276  # g/mol
    points = ENERGIES[ENERGIES < M_MU / 2.0]

    def at(energy: float, low: float, high: float) -> float:
        cross = float(np.interp(energy, ENERGIES, sigma(ENERGIES)))
        return michel(energy) * cross * survival(energy) * seen(energy - Q, low, high, lambda e: 0.6 * math.sqrt(e))

    return [
        0.8
        * FLUENCE
        * deuterons
        * sum(quad(at, *ends, (low, high), epsrel=1e-9)[0] for ends in zip(points, [*points[1:], M_MU / 2.0], strict=True))
        for low, high in pairwise(EDGES)
    ]


def test_a_curve_agrees_with_an_independent_integral(water: Path) -> None:
    found = counts(water)
    whole = expected_water(lambda _: 1.0)
    arrives = found.sum(axis=1) / np.array(whole)
    np.testing.assert_allclose(arrives, arrives[0], rtol=1e-4)
    delayed = cf.rates(cf.build_likelihood(water, model="sm", changes={"axes": {"e_ee": {"unit": "MeVee", "edges": list(EDGES)}}}))
    np.testing.assert_allclose(delayed["heavy-water"].signal, whole, rtol=1e-4)
    assert 0.95 < arrives[0] < 1.0
    assert found.sum() > 10.0


def test_bins_agree_with_an_independent_integral_and_add_to_recoils(iodine: Path) -> None:
    found = counts(iodine)
    nuclei = 1e6 * AVOGADRO / 259.809  # g/mol
    table = into_bins(ENERGIES)
    line = (139.57039**2 - M_MU**2) / (2.0 * 139.57039)
    points = ENERGIES[ENERGIES < M_MU / 2.0]
    rate = np.zeros(len(BINS) - 1)
    for k, column in enumerate(table.T):
        for ends in zip(points, [*points[1:], M_MU / 2.0], strict=True):
            rate[k] += quad(lambda e, column=column: michel(e) * float(np.interp(e, ENERGIES, column)), *ends, epsrel=1e-10)[0]
        rate[k] += 0.3 * float(np.interp(line, ENERGIES, column))
    middle = 0.5 * (BINS[1:] + BINS[:-1])
    edges = (1e-3, 5e-3, 10.0, 30.0, 60.0)
    windows = [[seen(mean, low, high, lambda e: 0.1 * e) for mean in middle] for low, high in pairwise(edges)]
    expected = FLUENCE * nuclei * np.array(windows) @ rate
    recoils = counts_without_reactions(iodine)
    np.testing.assert_allclose(found - recoils, expected, rtol=1e-4, atol=1e-6)
    assert recoils[0] > 10.0
    assert expected[-1] > 10.0


def counts_without_reactions(folder: Path) -> np.ndarray:
    likelihood = cf.build_likelihood(folder, model="sm", changes={"target.reactions": {}})
    return np.asarray(cf.rates(likelihood)["iodine"].signal)


def test_oscillations_act_on_reactions(water: Path) -> None:
    amplitude, splitting = 0.4, 3.0

    def survival(energy: float) -> float:
        return 1.0 - amplitude * math.sin(1.26693268 * splitting * (DISTANCE / 1e5) / (energy / 1e3)) ** 2

    axes = {"axes": {"e_ee": {"unit": "MeVee", "edges": list(EDGES)}}}
    at = {"delta_m2": splitting, "sin2_2theta_ee": amplitude}
    found = cf.rates(cf.build_likelihood(water, model="sterile", changes=axes), at=at)
    np.testing.assert_allclose(found["heavy-water"].signal, expected_water(survival), rtol=1e-4)


def test_the_spectrum_of_muon_decay_is_that_of_reactions_too(water: Path) -> None:
    omega, axes = 0.3, {"axes": {"e_ee": {"unit": "MeVee", "edges": list(EDGES)}}}

    def ratio(energy: float) -> float:
        x = 2.0 * energy / M_MU
        return 1.0 + omega * (8.0 / 3.0) * (4.0 * x - 3.0) / (12.0 * (1.0 - x)) if x < 1.0 else 0.0

    found = cf.rates(cf.build_likelihood(water, model="muon-decay", changes=axes), at={"omega_l": omega})
    np.testing.assert_allclose(found["heavy-water"].signal, expected_water(ratio), rtol=1e-4)


def test_strengths_scale_reactions_and_other_models_leave_them(water: Path, iodine: Path) -> None:
    standard = counts(water)
    np.testing.assert_allclose(counts(water, "signal-strength", signal_strength=1.7), 1.7 * standard)
    np.testing.assert_allclose(counts(water, "flavour-strengths", strength_nu_e=0.5, strength_nu_mu=3.0), 0.5 * standard)
    np.testing.assert_allclose(counts(water, "source-strengths", rate_nu_e=0.5, rate_nu_mu=3.0), 0.5 * standard)
    np.testing.assert_allclose(counts(water, "lmu-ltau", g=1e-3, mass=10.0), standard)
    both = counts(iodine, "lmu-ltau", g=2e-3, mass=10.0)
    np.testing.assert_allclose(both[2:], counts(iodine)[2:])
    assert abs(both[0] / counts(iodine)[0] - 1.0) > 0.01


def test_heavy_water_measures_the_flux_for_everybody(water: Path) -> None:
    def error(*experiments: str | Path) -> float:
        likelihood = cf.build_likelihood(*experiments, model="lmu-ltau").with_data("asimov")
        return float(cf.fit(likelihood, at={"mass": 50.0, "g": 0.0}).errors["sns_flux"])

    alone, both = error("coherent-csi-2021"), error("coherent-csi-2021", water)
    assert both < 0.8 * alone


WRONG = [
    ("on: H-2", "on: I", r"target.reactions.cc.on: I is not in the material"),
    ("on: H-2", "on: H-1", r"H-1 is not in the material"),  # heavy water has none
    ("on: H-2", "on: Xx", r"unknown element 'Xx'"),
    ("{nu_e: nu_e}", "{nu_x: nu_e}", r"nu_x"),
    ("{nu_e: nu_e}", "{nu_e: nu_f}", r"target.reactions.cc.flavours.nu_e: sigma.csv: unknown column 'nu_f'"),
    (", q_value: 1.44 MeV", "", r"sigma.csv: a cross section is a curve"),
    ("sigma.csv", "bins.csv", r"bins.csv: a cross section is a curve"),
    ("e_ee: {unit: MeVee", "t_recoil: {unit: MeVnr", r"must be in keVee or PE, not in keVnr"),
    ("    cc: {on: H-2, table: sigma.csv, flavours: {nu_e: nu_e}, q_value: 1.44 MeV}\n", "", r"target.(reactions|cevns)"),
]


@pytest.mark.parametrize(("old", "new", "message"), WRONG)
def test_what_cannot_be_is_refused_with_its_field(water: Path, old: str, new: str, message: str) -> None:
    text = (water / "experiment.yaml").read_text(encoding="utf-8")
    assert old in text
    (water / "experiment.yaml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(SpecError, match=message):
        cf.load_experiment(water)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("e_nu [MeV],nu_e [cm2]\n0,0\n60,-1e-40", "column 'nu_e' has 1 negative entries"),
        ("e_nu [MeV],nu_e [cm2]\n30,0\n20,1e-40", "column 'e_nu' must increase"),
        ("e_nu [MeV],nu_e [m]\n0,0\n60,1e-40", r"column 'nu_e' is in \[m\], but \[cm\*\*2\] is needed"),
        ("e_nu [MeV],nu_e [1]\n0,0\n60,1e-40", r"column 'nu_e' is in \[1\]"),
    ],
)
def test_tables_that_hold_no_cross_section_are_refused(water: Path, table: str, message: str) -> None:
    (water / "sigma.csv").write_text(table, encoding="utf-8")
    with pytest.raises(SpecError, match=message):
        cf.load_experiment(water)


def test_a_table_that_ends_below_the_spectrum_is_refused(water: Path) -> None:
    (water / "sigma.csv").write_text("e_nu [MeV],nu_e [cm2]\n0,0\n40,1e-40", encoding="utf-8")
    with pytest.raises(DomainError, match=r"target.reactions.cc: sigma.csv ends at 40 MeV, and nu_e have up to 52.83 MeV"):
        cf.build_likelihood(water, model="sm")


def test_a_change_of_units_changes_nothing(water: Path) -> None:
    before = counts(water)
    rows = [f"{1e-3 * e:.12g},{1e-4 * s:.12g}" for e, s in zip(ENERGIES, sigma(ENERGIES), strict=True)]
    (water / "sigma.csv").write_text("\n".join(["e_nu [GeV],nu_e [m**2]", *rows]), encoding="utf-8")
    np.testing.assert_allclose(counts(water), before, rtol=1e-9)


def test_response_matrices_and_cut_electrons_refuse_reactions() -> None:
    entry = {"cc": {"on": "Ar", "table": "f90.csv", "flavours": {"nu_e": "probability"}, "q_value": "1 MeV"}}
    with pytest.raises(SpecError, match=r"auxiliary\.f90: it cuts all but recoils of nuclei"):
        cf.load_experiment("coherent-lar-2020", {"target.reactions": entry})
    with pytest.raises(SpecError, match="a response matrix begins with recoils of nuclei"):
        cf.load_experiment("xenonnt-s2only-2026", {"target.reactions": {"cc": {**entry["cc"], "on": "Xe"}}})
