"""What must hold whatever the experiment: limits, polynomials, an independent integration, units, order, exposure."""

from __future__ import annotations

import math
import shutil
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import integrate, special, stats

from cevnsfit.core.paths import data_root
from cevnsfit.model.build import likelihood_of
from cevnsfit.physics.interactions import model_names, signal_model
from cevnsfit.spec.load import load_experiment
from cevnsfit.stats.data import observed_data
from cevnsfit.stats.engine import nll2
from cevnsfit.stats.joint import expected

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cevnsfit.spec.load import Experiment

RELEASED = ("coherent-csi-2017", "coherent-csi-2021", "coherent-lar-2020")
PROJECTED = ("ccm-200",)
NO_LIMIT = {"neutron-radius", "neutron-skin", "sm-axial", "axial", "contact"}
"""Models whose defaults are not the Standard Model of the shipped radii, or have its axial part."""


@cache
def shipped(name: str) -> Experiment:
    return load_experiment(name)


@cache
def bare(name: str) -> Experiment:
    """Return a shipped experiment without systematics: one response to fold instead of up to seven."""
    return load_experiment(name, {"systematics": {}})


@cache
def standard_counts(name: str) -> np.ndarray:
    return counts(bare(name), "sm")["cevns"]


def counts(experiment: Experiment, model: str, **values: float) -> dict[str, np.ndarray]:
    """Return the counts of each component, all parameters at their defaults but for `values`."""
    likelihood = likelihood_of([experiment], model)
    shape = {name: value for name, value in values.items() if name in likelihood.nonlinear}
    joint = likelihood.at(shape)
    theta = joint.parameters.vector({name: value for name, value in values.items() if name not in shape})
    return expected(joint, theta)[experiment.name]


@pytest.mark.parametrize("name", [*RELEASED, *PROJECTED])
@pytest.mark.parametrize("model", [name for name in model_names() if name not in NO_LIMIT])
def test_every_model_without_its_couplings_is_the_standard_model(name: str, model: str) -> None:
    standard = standard_counts(name)
    assert standard.sum() > 10
    # the default of sigma_ar is that of natural argon, 0.13 % below that of Ar-40 alone
    other = model == "cross-section" and bare(name).spec.target.compound == "Ar[40]"
    np.testing.assert_allclose(counts(bare(name), model)["cevns"], standard, rtol=2e-3 if other else 1e-12, atol=1e-12 * standard.max())


@pytest.mark.parametrize("name", RELEASED)
def test_the_neutron_radius_meets_the_standard_model_at_the_radius_of_the_table(name: str) -> None:
    symbols = ("Ar",) if "lar" in name else ("Cs", "I")
    experiment = load_experiment(name, {"target.radii": {s: {"proton": "4.5 fm", "neutron": "4.8 fm"} for s in symbols}, "systematics": {}})
    both = [counts(experiment, "sm")["cevns"], counts(experiment, "neutron-radius", r_n=4.8)["cevns"]]
    np.testing.assert_allclose(both[1], both[0], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", RELEASED)
@pytest.mark.parametrize(("model", "parameter", "powers"), [("lmu-ltau", "g", (0, 2, 4)), ("weak-mixing-angle", "sin2_theta_w", (0, 1, 2))])
def test_counts_are_a_polynomial_with_the_declared_powers(name: str, model: str, parameter: str, powers: tuple[int, ...]) -> None:
    shape = {"mass": 30.0} if model == "lmu-ltau" else {}
    points = np.array([1.0, 2.0, 3.0, 4.0, 5.0]) * (1e-4 if model == "lmu-ltau" else 0.07)
    joint = likelihood_of([shipped(name)], model).at(shape)
    channel = joint.channels[0]
    index = channel.coefficients.parameters.index(parameter)
    signal = np.array([component == "cevns" for component in channel.components])
    assert sorted(set(channel.coefficients.powers[signal, index].tolist())) == list(powers)
    values = np.array([expected(joint, joint.parameters.vector({parameter: x}))[name]["cevns"] for x in points])
    scaled = points / points[-1]
    solved = np.linalg.solve(scaled[:3, None] ** np.array(powers), values[:3])
    np.testing.assert_allclose(scaled[3:, None] ** np.array(powers) @ solved, values[3:], rtol=1e-9, atol=1e-9 * values.max())


@pytest.mark.parametrize("model", ["universal", "b-l", "lmu-ltau", "le-lmu"])
def test_the_templates_are_the_square_of_the_summed_amplitude(model: str) -> None:
    experiment, g, mass = shipped("coherent-csi-2021"), 2e-4, 25.0
    from cevnsfit.model.signal import contract, fold_signal
    from cevnsfit.physics.sources import lepton_flavour, pion_decay_at_rest

    signal = fold_signal(experiment)
    shapes = signal_model(model).shapes({"mass": mass})
    squares = []
    for target in signal.targets:
        amplitude: dict[str, np.ndarray] = {}
        for term in signal_model(model).prepare(target)(shapes):
            if term.kernel != "vector":
                continue
            value = sum(vector * math.prod(g**power for _, power in monomial) for monomial, vector in term.charge.items())
            amplitude[term.flavour] = amplitude.get(term.flavour, 0.0) + value
        squares.append(np.array([amplitude[lepton_flavour(name)] ** 2 for name in pion_decay_at_rest()]))
    direct = contract(signal, np.concatenate(squares, axis=1)[None, :, :, None])[0, 0].ravel()
    np.testing.assert_allclose(counts(experiment, model, g=g, mass=mass)["cevns"], direct, rtol=1e-10)


# --- an independent integration ----------------------------------------------------------------------------------------------------

M_MU, M_PI, G_F, HBAR_C_CM = 105.6583755, 139.57039, 1.1663788e-11, 1.973269804e-11
TAU_PI, TAU_MU = 26.033e-9, 2196.98e-9
ARGON = {36: (0.003336, 35.96754510), 38: (0.000629, 37.96273210), 40: (0.996035, 39.96238312)}


def helm(q: float, radius: float) -> float:
    x, s = q / 197.3269804, 0.9
    r0 = math.sqrt(5.0 / 3.0 * (radius**2 - 3.0 * s**2))
    return 3.0 * float(special.spherical_jn(1, x * r0)) / (x * r0) * math.exp(-((x * s) ** 2) / 2.0)


def continuum(flavour: str, energy: np.ndarray) -> np.ndarray:
    x = energy / M_MU
    return 192.0 / M_MU * x**2 * (0.5 - x) if flavour == "nu_e" else 64.0 / M_MU * x**2 * (0.75 - x)


def argon_spectrum(edges: np.ndarray, flavour: str, table: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return counts in bins of E_ee (keV) of LAr 2020 for one neutrino per cm^2 and flavour."""
    total = np.zeros(len(edges) - 1)
    g_p = {"nu_e": 0.0382, "nu_mu": 0.0300, "nubar_mu": 0.0300}[flavour]
    nuclei = 24.4e3 * 6.02214076e23 / sum(fraction * mass for fraction, mass in ARGON.values())
    line = (M_PI**2 - M_MU**2) / (2.0 * M_PI)
    for number, (fraction, atomic) in ARGON.items():
        mass = atomic * 931.49410372 - 18 * 0.51099895

        def rate(t: float, mass: float = mass, number: int = number) -> np.ndarray:
            least = 0.5 * (t + math.sqrt(t**2 + 2.0 * mass * t))

            def density(energy: np.ndarray) -> np.ndarray:
                return continuum(flavour, energy) * (1.0 - t / energy - mass * t / (2.0 * energy**2))

            if flavour == "nu_mu":
                flux = 1.0 - t / line - mass * t / (2.0 * line**2)
            else:  # a cubic: five nodes are exact
                flux = integrate.fixed_quad(density, least, M_MU / 2.0, n=5)[0]
            q = math.sqrt(2.0 * mass * t + t**2)
            charge = g_p * 18 * helm(q, 3.448) - 0.5117 * (number - 18) * helm(q, 3.55)
            seen = (0.246 + 0.78 * t) * t * 1e3  # keVee
            width = 0.58 * math.sqrt(seen)
            inside = np.diff(special.ndtr((edges - seen) / width))
            return nuclei * G_F**2 * mass / math.pi * HBAR_C_CM**2 * charge**2 * flux * np.interp(seen, *table) * inside

        end_energy = line if flavour == "nu_mu" else M_MU / 2.0
        end = 2.0 * end_energy**2 / (mass + 2.0 * end_energy)
        kinks = [t for t in (-0.246 + np.sqrt(0.246**2 + 4 * 0.78e-3 * table[0])) / (2 * 0.78) if 0 < t < end]
        total += fraction * integrate.quad_vec(rate, 1e-9, end, points=kinks, epsabs=1e-17, epsrel=1e-6)[0]
    return total


def arrival(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return prompt and delayed probabilities for a Gaussian pulse, mean 440 ns, sigma 150 ns."""
    cdf = [stats.exponnorm.cdf(edges, tau / 150e-9, loc=440e-9, scale=150e-9) for tau in (TAU_PI, TAU_MU)]
    delayed = (TAU_MU * cdf[1] - TAU_PI * cdf[0]) / (TAU_MU - TAU_PI)
    return np.diff(cdf[0]), np.diff(delayed)


@pytest.mark.parametrize(("flat", "rtol"), [(True, 1e-4), (False, 1e-3)])
def test_liquid_argon_agrees_with_an_independent_integration_over_energy_recoil_and_time(*, flat: bool, rtol: float) -> None:
    """The released efficiency has a kink every half keV, which the recoil nodes do not follow."""
    change = {"response.efficiency": {"kind": "constant-efficiency", "axis": "e_ee", "value": 0.7}}
    experiment = load_experiment("coherent-lar-2020", change if flat else None)
    curve = load_experiment("coherent-lar-2020").tables["efficiency.csv"]
    table = (np.array([0.0, 100.0]), np.full(2, 0.7)) if flat else (curve.columns["e_ee"] * 1e3, curve.columns["efficiency"])
    edges = np.linspace(0.0, 120.0, 13)
    energy = {flavour: argon_spectrum(edges, flavour, table) for flavour in ("nu_mu", "nubar_mu", "nu_e")}
    prompt, delayed = arrival(np.linspace(-0.1e-6, 4.9e-6, 11))
    by_time = np.outer(energy["nu_mu"], prompt) + np.outer(energy["nubar_mu"] + energy["nu_e"], delayed)
    given = experiment.tables["f90_given_energy.csv"].columns["probability"]
    fluence = 0.09 * 13.8e22 / (4.0 * math.pi * 2750.0**2)
    wanted = fluence * by_time[:, None, :] * given[:, :, None]
    found = counts(experiment, "sm")["cevns"].reshape(wanted.shape)
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=1e-5)
    assert found.sum() == pytest.approx(wanted.sum(), rel=rtol, abs=0.0)
    assert flat or found.sum() == pytest.approx(122.3, abs=0.3)


# --- what changes nothing, and what changes in proportion --------------------------------------------------------------------------

UNITS = {
    "coherent-csi-2017": (
        ("14.57 kg", "14570 g"),
        ("19.3 m", "1930 cm"),
        ("13.348 PE/keVee", "13348 PE/MeVee"),
        ("0.4942 / PE", "494.2 / kPE"),
        ("10.8507 PE", "0.0108507 kPE"),
        ("{unit: us, start: 0, stop: 6, bins: 12}", "{unit: ns, start: 0, stop: 6000, bins: 12}"),
        ("10 %", "0.1"),
    ),
    "coherent-csi-2021": (
        ("14.6 kg", "0.0146 t"),
        ("19.3 m", "0.0193 km"),
        ("13.3511348464619 PE/keVee", "13351.1348464619 PE/MeVee"),
        ("9.56 / keVee", "9560 / MeVee"),
        ("{start: 0.52 us, rate: 0.0494 / us}", "{start: 520 ns, rate: 4.94e-5 / ns}"),
        ("{kind: exponential, rate: 0.0494 / us}", "{kind: exponential, rate: 49400 / s}"),
    ),
    "coherent-lar-2020": (
        ("24.4 kg", "24400 g"),
        ("440 ns", "0.44 us"),
        ("150 ns", "1.5e-7 s"),
        ("0.00078 keVee/keVnr**2", "0.78 MeVee/MeVnr**2"),
        ("0.58 keVee**0.5", "0.018341210428976586 MeVee**0.5"),
        ("{unit: keVee, start: 0, stop: 120, bins: 12}", "{unit: MeVee, start: 0, stop: 0.12, bins: 12}"),
        ("{unit: us, start: -0.1, stop: 4.9, bins: 10}", "{unit: ns, start: -100, stop: 4900, bins: 10}"),
    ),
}


@pytest.mark.parametrize("name", RELEASED)
def test_other_units_in_the_file_change_nothing(tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(data_root() / "experiments" / name, tmp_path / name)
    text = (folder / "experiment.yaml").read_text(encoding="utf-8")
    for old, new in UNITS[name]:
        assert old in text, old
        text = text.replace(old, new)
    (folder / "experiment.yaml").write_text(text, encoding="utf-8")
    one, other = (likelihood_of([load_experiment(where)], "lmu-ltau").at({"mass": 20.0}) for where in (name, folder))
    assert one.parameters.names == other.parameters.names
    reference = one.channels[0].templates
    np.testing.assert_allclose(other.channels[0].templates, reference, rtol=1e-9, atol=1e-11 * np.abs(reference).max())
    np.testing.assert_allclose(other.channels[0].coefficients.norm_hi, one.channels[0].coefficients.norm_hi, rtol=1e-15)


def test_the_order_of_experiments_changes_nothing(rng_values: Mapping[str, float]) -> None:
    pair = [shipped("coherent-csi-2021"), shipped("coherent-lar-2020")]
    found = []
    for experiments in (pair, pair[::-1]):
        joint = likelihood_of(experiments, "lmu-ltau").at({"mass": 100.0})
        values = {name: value for name, value in rng_values.items() if name in joint.parameters}
        found.append(float(nll2(joint, joint.parameters.vector({**values, "g": 1e-3})[None], observed_data(joint))[0]))
        assert len(values) > 10
    assert found[1] == pytest.approx(found[0], rel=1e-13, abs=0.0)


@pytest.fixture
def rng_values() -> dict[str, float]:
    """Return small pulls of every nuisance of the pair."""
    joint = likelihood_of([shipped("coherent-csi-2021"), shipped("coherent-lar-2020")], "lmu-ltau").at({})
    pulls = np.random.default_rng(7).uniform(-0.9, 0.9, len(joint.parameters))
    return {p.name: float(x) for p, x in zip(joint.parameters, pulls, strict=True) if p.constrained}


def test_experiments_share_the_flux_and_nothing_else(rng_values: Mapping[str, float]) -> None:
    pair = [shipped("coherent-csi-2021"), shipped("coherent-lar-2020")]
    both, *single = (likelihood_of(entry, "lmu-ltau").at({"mass": 100.0}) for entry in (pair, pair[:1], pair[1:]))
    assert set(single[0].parameters.names) & set(single[1].parameters.names) == {"g", "sns_flux"}
    total = 0.0
    for joint in single:
        values = {name: value for name, value in rng_values.items() if name in joint.parameters}
        total += float(nll2(joint, joint.parameters.vector({**values, "g": 1e-3})[None], observed_data(joint))[0])
    together = float(nll2(both, both.parameters.vector({**rng_values, "g": 1e-3})[None], observed_data(both))[0])
    assert together == pytest.approx(total - rng_values["sns_flux"] ** 2, rel=1e-12, abs=0.0)


@pytest.mark.parametrize("name", RELEASED)
@pytest.mark.parametrize(
    ("path", "factor", "power"),
    [("source.exposure_pot", 2.0, 1), ("source.yield_per_pot", 0.5, 1), ("target.mass", 3.0, 1), ("source.distance", 2.0, -2)],
)
def test_the_signal_scales_with_exposure_and_nothing_else_does(name: str, path: str, factor: float, power: int) -> None:
    section, key = path.split(".")
    spec = shipped(name).spec
    now = getattr(getattr(spec, section), key)
    unit = {"mass": " g", "distance": " cm"}.get(key, "")
    changed = load_experiment(name, {path: f"{now * factor!r}{unit}" if unit else now * factor, "systematics": {}})
    one, other = counts(bare(name), "sm"), counts(changed, "sm")
    np.testing.assert_allclose(other.pop("cevns"), one.pop("cevns") * factor**power, rtol=1e-12)
    assert one.keys() == other.keys()
    for component, values in one.items():
        np.testing.assert_array_equal(other[component], values)
