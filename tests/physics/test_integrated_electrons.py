"""Cross sections of every model on free electrons, averaged over pion decay at rest, against sums of Dirac matrices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from dirac_sums import (
    ALPHA,
    CHIRAL,
    G_F,
    M_E,
    M_MU,
    M_TAU,
    STANDARD_RADIUS,
    V2,
    dipole,
    fermion_scalar,
    integrated,
    loop,
    photon_shift,
)
from electron_scattering import electron_cross_section

from cevnsfit.physics.couplings import electron_couplings
from cevnsfit.physics.interactions import electrons_at, model_names, signal_model
from cevnsfit.physics.kinematics import recoil_nodes
from cevnsfit.physics.nuclei import composition
from cevnsfit.physics.sources import pion_decay_at_rest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Function = Callable[[float], float]

LEPTON = {"nu_mu": "mu", "nubar_mu": "mu", "nu_e": "e"}
# g_V and g_A of electrons (arXiv:2205.09484)
ELECTRON = {"e": (0.9524, 0.4938), "mu": (-0.0394, -0.5062)}
SEEN = 0.1
"""Threshold of electron recoils in MeV, above the K shell of caesium: all 55 electrons are free."""


def electrons(model: str, source: str, values: Mapping[str, float]) -> float:
    """Return the package's cross section of one electron above `SEEN`."""
    sources = pion_decay_at_rest()
    t, weights = recoil_nodes(M_E, [sources[source]], kinks=(SEEN,), panels=9)
    at = electron_cross_section(
        signal_model(model), electrons_at(composition("Cs")[0][0], t, electron_couplings()), source, sources[source], values
    )
    return float((weights * at)[t > SEEN].sum()) / 55.0


def chiral_sum(source: str, shift: Function, incoherent: tuple[Function, ...] = ()) -> float:
    """Return the cross section of L = -2 sqrt2 G_F [nubar gamma^m P_L nu] [ebar gamma_m (g_L P_L + g_R P_R) e], g_V moved by shifts."""
    vector, axial = ELECTRON[LEPTON[source]]
    anti = source.startswith("nubar")
    total = 0.0
    for v, a, delta in ((vector, axial, shift), *((0.0, 0.0, other) for other in incoherent)):

        def left(t: float, v: float = v, a: float = a, delta: Function = delta) -> float:
            return 0.5 * (v + delta(t) + a)

        def right(t: float, v: float = v, a: float = a, delta: Function = delta) -> float:
            return 0.5 * (v + delta(t) - a)

        # |M|^2 = g_L^2 L + g_R^2 R + g_L g_R (B - L - R), where B has g_L = g_R = 1
        squares: dict[str, Function] = {
            "left": lambda t, left=left, right=right: left(t) * (left(t) - right(t)),
            "right": lambda t, left=left, right=right: right(t) * (right(t) - left(t)),
            "both": lambda t, left=left, right=right: left(t) * right(t),
        }
        total += sum(integrated(CHIRAL[name, anti], source, M_E, SEEN, square) for name, square in squares.items())
    return 8.0 * G_F**2 * total


@pytest.mark.parametrize("source", LEPTON)
def test_electrons_in_the_standard_model(source: str) -> None:
    expected = chiral_sum(source, lambda _: 0.0)
    cases: dict[str, dict[str, float]] = {
        "sm": {},
        "nsi": {"eps_ee_u": 1.0, "eps_mumu_u": 1.0},
        "nsi-nucleons": {"eps_ee_p": 1.0, "eps_mumu_p": 1.0},
        "contact": {"eps_V_u": 1.0, "eps_A_u": 1.0},
    }
    cases |= {name: {"g": 1e-3, "mass": 3.0} for name in ("axial", "pseudoscalar", "tensor")}
    for name, values in cases.items():
        assert electrons(name, source, values) == pytest.approx(expected, rel=1e-6, abs=0.0)


# q_nu q_e
CHARGES = {
    "universal": {"e": 1, "mu": 1},
    "b-l": {"e": 1, "mu": 1},
    "b-3l-e": {"e": 9, "mu": 0},
    "b-3l-mu": {"e": 0, "mu": 0},
    "b-3l-tau": {"e": 0, "mu": 0},
    "b-2l-e-l-mu": {"e": 4, "mu": 2},
    "b-y-l-mu-l-tau": {"e": 0, "mu": 0},
    "le-lmu": {"e": 1, "mu": -1},
    "le-ltau": {"e": 1, "mu": 0},
}


@pytest.mark.parametrize("source", LEPTON)
@pytest.mark.parametrize("name", CHARGES)
def test_electrons_with_vector_mediators(name: str, source: str) -> None:
    g, mass = 3e-5, 4.0
    product = CHARGES[name][LEPTON[source]]
    expected = chiral_sum(source, lambda t: product * g**2 * V2 / (2.0 * M_E * t + mass**2))
    assert electrons(name, source, {"g": g, "mass": mass}) == pytest.approx(expected, rel=1e-6, abs=0.0)
    if name == "universal":
        values = {"g": g, "mass": mass, "q_e": 0.5, f"q_nu_{LEPTON[source]}": 2.0}
        assert electrons("vector", source, values) == pytest.approx(expected, rel=1e-6, abs=0.0)


@pytest.mark.parametrize("source", LEPTON)
def test_electrons_with_a_loop(source: str) -> None:
    g, mass, sleptons = 1e-3, 3.0, 4.0
    sign = {"e": 0.0, "mu": 1.0}[LEPTON[source]]

    def shift(t: float) -> float:
        q2 = 2.0 * M_E * t
        return -sign * V2 * g**2 * 2.0 * ALPHA / math.pi * (loop(q2, M_MU, M_TAU) + sleptons / 24.0) / (q2 + mass**2)

    values = {"g": g, "mass": mass, "slepton_log": sleptons}
    assert electrons("lmu-ltau", source, values) == pytest.approx(chiral_sum(source, shift), rel=1e-6, abs=0.0)

    def tree(t: float) -> float:
        return -V2 * g * 2e-6 * math.sqrt(4.0 * math.pi * ALPHA) / (2.0 * M_E * t + mass**2)

    mixed = chiral_sum(source, lambda t: shift(t) + sign * tree(t))
    assert electrons("lmu-ltau-mixing", source, {**values, "eps_tree": 2e-6}) == pytest.approx(mixed, rel=1e-6, abs=0.0)
    photon = {"g": g, "mass": mass, "eps": 2e-6, f"q_nu_{LEPTON[source]}": -3.0}
    assert electrons("dark-photon", source, photon) == pytest.approx(chiral_sum(source, lambda t: -3.0 * tree(t)), rel=1e-6, abs=0.0)


@pytest.mark.parametrize("source", LEPTON)
def test_electrons_with_couplings_in_one_direction(source: str) -> None:
    values = {"eps_ee": 0.12, "eps_mumu": -0.2, "eps_emu": 0.1, "eps_etau": -0.3, "eps_mutau": 0.2}
    eps, others = {"e": (0.12, (0.1, -0.3)), "mu": (-0.2, (0.1, 0.2))}[LEPTON[source]]
    electron = math.sqrt(5.0) * math.cos(math.radians(-40.0)) * math.sin(math.radians(25.0))
    expected = chiral_sum(source, lambda _: eps * electron, tuple(lambda _, other=other: other * electron for other in others))
    assert electrons("nsi-eta", source, {**values, "eta": -40.0, "phi": 25.0}) == pytest.approx(expected, rel=1e-6, abs=0.0)


@pytest.mark.parametrize("source", LEPTON)
def test_electrons_with_scalars_and_moments(source: str) -> None:
    standard = chiral_sum(source, lambda _: 0.0)
    g, mass = 4e-5, 3.0
    scalar = integrated(fermion_scalar, source, M_E, SEEN, lambda t: (g**2 / (2.0 * M_E * t + mass**2)) ** 2)
    assert scalar > 0.02 * standard
    values = {"g": g, "mass": mass}
    assert electrons("scalar-universal", source, values) == pytest.approx(standard + scalar, rel=1e-6, abs=0.0)
    split = {**values, "q_e": 0.25, f"q_nu_{LEPTON[source]}": 4.0}
    assert electrons("scalar", source, split) == pytest.approx(standard + scalar, rel=1e-6, abs=0.0)
    magneton = math.sqrt(4.0 * math.pi * ALPHA) / (2.0 * M_E)
    squared = {"e": 9.0 + 1.0 + 4.0, "mu": 25.0 + 1.0 + 16.0}[LEPTON[source]] * 1e-20
    moment = magneton**2 * squared * integrated(dipole, source, M_E, SEEN, lambda _: 1.0)
    assert moment > 0.02 * standard
    moments = {"mu_nu_e": 3e-10, "mu_nu_mu": 5e-10, "mu_emu": 1e-10, "mu_etau": 2e-10, "mu_mutau": 4e-10}
    assert electrons("magnetic-moment", source, moments) == pytest.approx(standard + moment, rel=1e-6, abs=0.0)


@pytest.mark.parametrize("source", LEPTON)
@pytest.mark.parametrize("kind", ["millicharge", "radius2"])
def test_electrons_with_photon_exchange(kind: str, source: str) -> None:
    flavour = LEPTON[source]
    model, prefix, unit = ("millicharge", "millicharge", 1e-12) if kind == "millicharge" else ("charge-radius", "r2", 3.0)
    own, transitions = {"e": 1.5 * unit, "mu": -2.0 * unit}, {"emu": 1.2 * unit, "etau": 0.5 * unit, "mutau": 2.5 * unit}
    values = {f"{prefix}_nu_{f}": value for f, value in own.items()} | {f"{prefix}_{pair}": value for pair, value in transitions.items()}
    standard = 0.0 if kind == "millicharge" else STANDARD_RADIUS[flavour]
    others = [value for pair, value in transitions.items() if pair.startswith(flavour) or (flavour == "mu" and pair == "emu")]

    def shift_of(value: float) -> Function:
        # the electron has charge -1
        return lambda t: -photon_shift(t, M_E, **{kind: value})

    expected = chiral_sum(source, shift_of(own[flavour] - standard), tuple(shift_of(value) for value in others))
    assert electrons(model, source, values) == pytest.approx(expected, rel=1e-6, abs=0.0)


def test_every_model_with_electrons_is_integrated() -> None:
    with_electrons = {"sm", "nsi", "nsi-nucleons", "nsi-eta", *CHARGES, "vector", "lmu-ltau", "scalar-universal", "scalar"}
    with_electrons |= {"magnetic-moment", "charge-radius", "millicharge", "axial", "pseudoscalar", "tensor", "contact"}
    with_electrons |= {"dark-photon", "lmu-ltau-mixing"}
    assert {name for name in model_names() if signal_model(name).electrons is not None} == with_electrons
