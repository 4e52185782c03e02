"""Folders whose response or backgrounds follow a parameter: against foldings and integrals made at its values."""

from __future__ import annotations

import json
import pickle
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

import cevnsfit as cf
from cevnsfit.core.errors import CevnsfitError, SpecError
from cevnsfit.model.build import likelihood_of
from cevnsfit.spec.load import Experiment, load_experiment
from cevnsfit.stats.joint import expected

if TYPE_CHECKING:
    from pathlib import Path

    from cevnsfit.core.parameters import Parameter

    Fields = dict[str, Any]

EDGES = [0.2, 0.25, 0.3, 0.36, 0.43, 0.5, 0.6, 0.75, 1.0, 1.5]
KEV = 1e-3
LINES = {"l1": 1.297, "m": 0.158}


def fields(**sections: Any) -> Fields:
    """Return the description of a germanium detector under the sun."""
    return {
        "schema_version": 1,
        "name": "toy",
        "title": "A toy",
        "source": {"kind": "solar", "fluxes": {"b8": "5.16e6 / cm**2 / s"}, "live_time": "5 yr"},
        "target": {"compound": "Ge", "mass": "100 t"},
        "axes": {"e_ee": {"unit": "keVee", "edges": EDGES}},
        "response": {
            "quenching": {"kind": "lindhard-quenching", "k": 0.157, "z": 32},
            "smearing": {"kind": "gaussian-smearing", "noise": "0.0685 keVee", "stochastic": "0.018 keVee**0.5"},
        },
        **sections,
    }


def made(folder: Path, description: Fields, **files: str) -> Experiment:
    """Return the experiment of a folder, whose description is JSON, which is YAML."""
    folder.mkdir(exist_ok=True)
    (folder / "experiment.yaml").write_text(json.dumps(description, indent=1), encoding="utf-8")
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return load_experiment(folder)


def counts(experiment: Experiment, component: str = "cevns", **values: float) -> np.ndarray:
    joint = likelihood_of([experiment], "sm").at({})
    return expected(joint, joint.parameters.vector({name.replace("__", "."): value for name, value in values.items()}))["toy"][component]


def parameter(experiment: Experiment, name: str) -> Parameter:
    return likelihood_of([experiment], "sm").parameters[name]


def background(factor: Fields, count: Fields | None = None, **others: Fields) -> Fields:
    """Return sections with a background of one factor in energy, and `others`."""
    shape = {"kind": "product", "factors": {"e_ee": factor}}
    count = {"kind": "free", "mean": 1000} if count is None else count
    return {"backgrounds": {"flat": {"shape": shape, "count": count}, **others}}


def table(edges: list[float], **columns: Any) -> str:
    head = ",".join(["e_ee_low [keVee]", "e_ee_high [keVee]", *(f"{name} [1]" for name in columns)])
    rows = zip(edges[:-1], edges[1:], *columns.values(), strict=True)
    return "\n".join([head, *(",".join(repr(float(value)) for value in row) for row in rows)]) + "\n"


# --- responses ---------------------------------------------------------------------------------------------------------------------------

VALUES = [0.12, 0.125, 0.13, 0.135, 0.14, 0.145, 0.15, 0.157, 0.16, 0.165, 0.17, 0.175, 0.18, 0.185, 0.19, 0.195]
LINDHARD = {"kind": "response-nodes", "field": "quenching.k", "values": VALUES}


@pytest.mark.parametrize("k", [0.1243, 0.1355, 0.157, 0.1701, 0.19])
def test_lindhard_k_between_nodes_is_a_new_folding(tmp_path: Path, k: float) -> None:
    """Bins with a millionth of the counts are steep functions of k."""
    nodes = made(tmp_path, fields(systematics={"k": LINDHARD}))
    direct = load_experiment(tmp_path, {"response.quenching.k": k, "systematics.k.enabled": False})
    true = counts(direct)
    np.testing.assert_allclose(counts(nodes, toy__k=k), true, rtol=1e-4, atol=1e-6 * true.sum())


def test_lindhard_k_has_its_own_value_or_a_deviation(tmp_path: Path) -> None:
    flat = made(tmp_path, fields(systematics={"k": {**LINDHARD, "values": [v for v in VALUES if v != 0.157]}}))
    found = parameter(flat, "toy.k")
    assert (found.default, found.lower, found.upper, found.constrained, found.unit) == (0.157, 0.12, 0.195, False, "1")
    normal = load_experiment(tmp_path, {"systematics.k.sigma": 0.004})
    found = parameter(normal, "toy.k")
    assert (found.default, found.constrained) == (0.0, True)
    assert (found.lower, found.upper) == (-5.0, 5.0)
    np.testing.assert_allclose(counts(normal, toy__k=2.0), counts(flat, toy__k=0.165), rtol=1e-12)


def test_a_centre_must_lie_between_the_nodes(tmp_path: Path) -> None:
    entry = {**LINDHARD, "sigma": 0.02, "centre": 1.5}
    assert parameter(made(tmp_path, fields(systematics={"k": entry})), "toy.k").default == 1.5
    with pytest.raises(CevnsfitError, match=r"toy.k = 2 is outside its domain \[-1.85, 1.9\]"):
        parameter(load_experiment(tmp_path, {"systematics.k.centre": 2}), "toy.k")


def test_a_number_with_a_unit_keeps_it(tmp_path: Path) -> None:
    entry = {"kind": "response-nodes", "field": "smearing.noise", "values": [f"{value} eVee" for value in range(60, 77, 2)]}
    experiment = made(tmp_path, fields(systematics={"noise": entry}))
    found = parameter(experiment, "toy.noise")
    assert found.unit == "eVee"
    assert (found.default, found.lower, found.upper) == pytest.approx((68.5, 60.0, 76.0), rel=1e-12)
    direct = load_experiment(tmp_path, {"response.smearing.noise": "63 eVee", "systematics.noise.enabled": False})
    true = counts(direct)
    np.testing.assert_allclose(counts(experiment, toy__noise=63.0), true, rtol=1e-4, atol=1e-6 * true.sum())


def test_nodes_in_standard_deviations(tmp_path: Path) -> None:
    def node(at: float) -> Fields:
        return {"at": at, "set": {"quenching.k": 0.157 + 0.006 * at}}

    nodes = made(tmp_path, fields(systematics={"k": {"kind": "response-nodes", "nodes": [node(at) for at in (3, -3, -1.5, 1.5)]}}))
    found = parameter(nodes, "toy.k")
    assert (found.default, found.lower, found.upper, found.constrained) == (0.0, -3.0, 3.0, True)
    for at in (-3.0, -1.5, 0.0, 1.5, 3.0):
        direct = load_experiment(tmp_path, {"response.quenching.k": 0.157 + 0.006 * at, "systematics.k.enabled": False})
        np.testing.assert_allclose(counts(nodes, toy__k=at), counts(direct), rtol=1e-5)


def test_data_sets_share_a_quenching_parameter_and_the_band_of_a_table(tmp_path: Path) -> None:
    table_text = "t_recoil [keVnr],qf [1],low [1],high [1]\n0.1,0.12,0.10,0.14\n2,0.17,0.15,0.19\n10,0.22,0.2,0.24\n"
    quenching = {"kind": "table-quenching", "table": "qf.csv", "column": "qf"}
    band = {"kind": "response", "shared": True, "up": {"quenching.column": "high"}, "down": {"quenching.column": "low"}}
    lindhard, read = fields(systematics={"k": {**LINDHARD, "shared": True}}), fields(systematics={"qf": band})
    read["response"]["quenching"] = quenching
    for description, name in ((lindhard, "k"), (read, "qf")):
        pair = []
        for number in (1, 2):
            own = {**description, "name": f"toy{number}"}
            own["target"] = {"compound": "Ge", "mass": f"{number} kg"}
            pair.append(made(tmp_path / f"{name}{number}", own, qf=table_text))
        joint = likelihood_of(pair, "sm").at({})
        assert [p.name for p in joint.parameters] == [name]
        value = 0.14 if name == "k" else 1.0
        found = expected(joint, joint.parameters.vector({name: value}))
        np.testing.assert_allclose(2.0 * found["toy1"]["cevns"], found["toy2"]["cevns"], rtol=1e-12)
        assert not np.allclose(found["toy1"]["cevns"], expected(joint, joint.parameters.defaults())["toy1"]["cevns"], rtol=0.05)
    direct = load_experiment(tmp_path / "qf1", {"response.quenching.column": "high", "systematics.qf.enabled": False})
    joint = likelihood_of([direct], "sm").at({})
    np.testing.assert_allclose(found["toy1"]["cevns"], expected(joint, joint.parameters.defaults())["toy1"]["cevns"], rtol=1e-5)


def test_an_energy_scale_folds_into_stretched_bins(tmp_path: Path) -> None:
    scale = {"kind": "energy-scale", "sigma": "2 %", "offset": "5 eVee"}
    experiment = made(tmp_path, fields(systematics={"scale": scale}))
    for sign in (1.0, -1.0):
        edges = [round((edge - sign * 0.005) / (1.0 + 0.02 * sign), 12) for edge in EDGES]
        direct = load_experiment(tmp_path, {"axes.e_ee.edges": edges, "systematics.scale.enabled": False})
        np.testing.assert_allclose(counts(experiment, toy__scale=sign), counts(direct), rtol=1e-5)
    unsmeared = load_experiment(tmp_path, {"response": {"quenching": fields()["response"]["quenching"]}})
    direct = load_experiment(
        tmp_path,
        {"response": {"quenching": fields()["response"]["quenching"]}, "axes.e_ee.edges": edges, "systematics.scale.enabled": False},
    )
    np.testing.assert_allclose(counts(unsmeared, toy__scale=-1.0), counts(direct), rtol=1e-5)


@pytest.mark.parametrize("kind", ["exponential", "table", "joint"])
def test_an_energy_scale_stretches_backgrounds(tmp_path: Path, kind: str) -> None:
    """A table goes on beyond its ends with the density there, which an exponential leaves within one bin."""
    fine = [round(0.2 + 0.01 * k, 3) for k in range(131)]
    shape = np.exp(-2.0 * np.array(fine[:-1])) - np.exp(-2.0 * np.array(fine[1:]))
    sections = background(
        {"kind": "exponential", "rate": "2 / keVee"} if kind == "exponential" else {"kind": "table", "table": "t.csv", "column": "n"}
    )
    if kind == "joint":
        sections["backgrounds"]["flat"]["shape"] = {"kind": "joint", "table": "t.csv", "column": "n"}
    scale = {"kind": "energy-scale", "sigma": "3 %", "components": ["cevns", "flat"]}
    experiment = made(tmp_path, fields(**sections, systematics={"scale": scale}), t=table(fine, n=shape))
    for sign in (1.0, -1.0):
        stretched = np.diff(np.exp(-2.0 * np.array(EDGES) / (1.0 + 0.03 * sign)))
        np.testing.assert_allclose(
            counts(experiment, "flat", toy__scale=sign), 1000.0 * stretched / stretched.sum(), rtol=3e-3 if kind != "exponential" else 1e-12
        )


def test_an_energy_scale_stretches_what_is_defined_on_the_window(tmp_path: Path) -> None:
    """The z of a polynomial is that of the window of the axis, which a wrong scale does not move."""
    scale = {"kind": "energy-scale", "sigma": "3 %", "components": ["flat"]}
    sections = background({"kind": "polynomial", "slope": -0.4, "curvature": 0.2})
    experiment = made(tmp_path, fields(**sections, systematics={"scale": scale}))

    def density(energy: float) -> float:
        z = (energy - 0.85) / 0.65
        return 1.0 - 0.4 * z + 0.1 * (3.0 * z**2 - 1.0)

    for sign in (1.0, -1.0):
        true = np.array([quad(density, a / (1.0 + 0.03 * sign), b / (1.0 + 0.03 * sign))[0] for a, b in pairwise(EDGES)])
        np.testing.assert_allclose(counts(experiment, "flat", toy__scale=sign), 1000.0 * true / true.sum(), rtol=1e-9)


# --- shapes ------------------------------------------------------------------------------------------------------------------------------

DENSITIES = {
    "exponential": ("rate", "{} / keVee", (0.5, 1.7, 6.0), lambda x, v: np.exp(-v * x)),
    "power-law": ("index", "{}", (-0.5, 1.0, 3.0), lambda x, v: x**-v),
    "polynomial": ("slope", "{}", (-0.8, 0.1, 0.9), lambda x, v: 1.0 + v * (x - 0.85) / 0.65),
    "line": ("position", "{} keVee", (0.5, 0.55, 0.9), lambda x, v: norm.pdf(x, v, 0.07)),
}


@pytest.mark.parametrize("kind", DENSITIES)
@pytest.mark.parametrize("constrained", [False, True])
def test_shapes_with_a_parameter_are_the_integrals_at_its_value(tmp_path: Path, kind: str, constrained: bool) -> None:
    field, unit, (low, value, high), density = DENSITIES[kind]
    number = {"value": unit.format(value), "low": unit.format(low), "high": unit.format(high)}
    sigma = 0.2 * (high - low)
    number |= {"sigma": unit.format(sigma)} if constrained else {}
    factor = {"kind": kind, field: number} | ({"width": "70 eVee"} if kind == "line" else {})
    experiment = made(tmp_path, fields(**background(factor)))
    found = parameter(experiment, f"toy.flat_{field}")
    assert found.constrained is constrained
    if not constrained:
        assert (found.default, found.lower, found.upper) == (value, low, high)
    joint = likelihood_of([experiment], "sm").at({})

    def integrals(at: float) -> np.ndarray:
        return np.array([quad(density, a, b, args=(at,), epsabs=0, epsrel=1e-11)[0] for a, b in pairwise(EDGES)])

    for at in [value, *np.random.default_rng(3).uniform(low, high, 7)]:
        theta = joint.parameters.vector({f"toy.flat_{field}": (at - value) / sigma if constrained else at, "toy.flat_norm": 2.0})
        true = integrals(at)
        true *= 2000.0 / (integrals(value).sum() if kind == "line" else true.sum())
        np.testing.assert_allclose(expected(joint, theta)["toy"]["flat"], true, rtol=1e-5, atol=2e-3 if kind == "line" else 0.0)


def test_two_numbers_of_a_shape_multiply_their_splines(tmp_path: Path) -> None:
    """A line whose position and width float, over the whole of both ranges, and one number on each of two axes."""
    factor = {
        "kind": "line",
        "position": {"value": "0.52 keVee", "low": "0.45 keVee", "high": "0.6 keVee"},
        "width": {"value": "70 eVee", "sigma": "4 eVee", "low": "60 eVee", "high": "80 eVee"},
    }
    experiment = made(tmp_path, fields(**background(factor)))
    joint = likelihood_of([experiment], "sm").at({})
    area = 1000.0 / np.diff(norm.cdf([0.2, 1.5], 0.52, 0.07))[0]
    for position, width in [(0.52, 0.07), (0.45, 0.06), (0.6, 0.08), (0.493, 0.0637), (0.577, 0.0651), (0.46, 0.078)]:
        theta = joint.parameters.vector({"toy.flat_position": position, "toy.flat_width": round((width - 0.07) / 0.004, 9)})
        true = area * np.diff(norm.cdf(np.array(EDGES), position, width))
        np.testing.assert_allclose(expected(joint, theta)["toy"]["flat"], true, rtol=3e-5, atol=5e-3)
    number = {"value": "1 / us", "low": "0.2 / us", "high": "3 / us"}
    shape = {
        "e_ee": {"kind": "exponential", "rate": {"value": "2 / keVee", "sigma": "0.2 / keVee"}},
        "time": {"kind": "exponential", "rate": number},
    }
    sections = {
        "backgrounds": {"flat": {"shape": {"kind": "product", "factors": shape}, "count": {"kind": "gaussian", "mean": 100, "sigma": 10}}}
    }
    axes = {"e_ee": {"unit": "keVee", "edges": EDGES}, "time": {"unit": "us", "edges": [0, 1, 2, 6]}}
    source = {"name": "sns", "exposure_pot": 1.0e23, "yield_per_pot": 0.08, "distance": "20 m"}
    experiment = made(tmp_path, fields(**sections, axes=axes, source=source))
    found = counts(experiment, "flat", toy__flat_e_ee_rate=3.5, toy__flat_time_rate=2.3, toy__flat_norm=-1.0)
    three = {"kind": "polynomial", "slope": {"value": 0, "sigma": 0.1}, "curvature": {"value": 0, "sigma": 0.1}}
    with pytest.raises(SpecError, match="3 numbers of this shape float; at most 2 can"):
        load_experiment(tmp_path, {"backgrounds.flat.shape.factors.e_ee": three})
    energy, time = -np.diff(np.exp(-2.7 * np.array(EDGES))), -np.diff(np.exp(-2.3 * np.array([0, 1, 2, 6])))
    np.testing.assert_allclose(found, 90.0 * np.outer(energy / energy.sum(), time / time.sum()).ravel(), rtol=3e-5, atol=1e-4)


def test_a_gaussian_count_multiplies_any_shape(tmp_path: Path) -> None:
    number = {"value": "2 / keVee", "low": "1 / keVee", "high": "4 / keVee"}
    experiment = made(
        tmp_path, fields(**background({"kind": "exponential", "rate": number}, {"kind": "gaussian", "mean": 500, "sigma": 100}))
    )
    shape = -np.diff(np.exp(-3.3 * np.array(EDGES)))
    found = counts(experiment, "flat", toy__flat_rate=3.3, toy__flat_norm=1.5)
    np.testing.assert_allclose(found, 650.0 * shape / shape.sum(), rtol=1e-5)


def test_an_exponential_in_time_is_what_it_was_and_may_float() -> None:
    csi = load_experiment("coherent-csi-2021")
    floating = load_experiment(
        "coherent-csi-2021",
        {"backgrounds.steady_state.shape.factors.time.rate": {"value": "0.0494 / us", "low": "0 / us", "high": "0.2 / us"}},
    )
    one, other = (likelihood_of([entry], "sm").at({}) for entry in (csi, floating))
    assert other.parameters["coherent-csi-2021.steady_state_rate"].unit == "1 / us"
    theta = other.parameters.vector({"coherent-csi-2021.steady_state_rate": 0.15, "coherent-csi-2021.steady_state_norm": 1.0})
    ratio = expected(other, theta)["coherent-csi-2021"]["steady_state"].reshape(9, 11).sum(axis=0)
    edges = np.array(csi.axes[-1].display_edges)
    wanted = -np.diff(np.exp(-0.15 * edges))
    np.testing.assert_allclose(ratio / ratio.sum(), wanted / wanted.sum(), rtol=1e-5)
    same = [expected(joint, joint.parameters.defaults())["coherent-csi-2021"]["steady_state"] for joint in (one, other)]
    np.testing.assert_allclose(*same, rtol=1e-14)


def dresden() -> Fields:
    """Return a constant with an exponential, and three lines tied together."""

    def line(name: str, position: str, count: Fields, width: str | None = "68.5 eVee") -> Fields:
        factor = {"kind": "line", "position": position} | ({} if width is None else {"width": width})
        return {name: {"shape": {"kind": "product", "factors": {"e_ee": factor}}, "count": count}}

    number = {"value": "4 / keVee", "low": "1 / keVee", "high": "12 / keVee"}
    return background(
        {"kind": "uniform"},
        {"kind": "free", "mean": 3000},
        rise={
            "shape": {"kind": "product", "factors": {"e_ee": {"kind": "exponential", "rate": number}}},
            "count": {"kind": "free", "mean": 500},
        },
        **line("l1", "1.297 keVee", {"kind": "free", "mean": 800}),
        **line("l2", "1.142 keVee", {"kind": "tied", "to": "l1", "ratio": 0.008}),
        **line("m", "158 eVee", {"kind": "tied", "to": "l1", "ratio": 0.16, "sigma": "3 %"}),
    )


def test_lines_are_tied_by_their_areas(tmp_path: Path) -> None:
    """The M line lies below the threshold: what is seen of it is its tail."""
    experiment = made(tmp_path, fields(**dresden()))
    names = [p.name for p in likelihood_of([experiment], "sm").parameters]
    assert names == ["toy.flat_norm", "toy.rise_norm", "toy.rise_rate", "toy.l1_norm", "toy.m_norm"]
    area = 800.0 * 1.5 / (norm.cdf(1.5, 1.297, 0.0685) - norm.cdf(0.2, 1.297, 0.0685))
    edges = np.array(EDGES)
    for name, position, ratio, values in (
        ("l1", 1.297, 1.0, {}),
        ("l2", 1.142, 0.008, {}),
        ("m", 0.158, 0.16, {}),
        ("m", 0.158, 0.16 * 1.03**2, {"toy__m_norm": 2.0}),
    ):
        true = area * ratio * np.diff(norm.cdf(edges, position, 0.0685))
        np.testing.assert_allclose(counts(experiment, name, toy__l1_norm=1.5, **values), true, rtol=1e-8, atol=1e-10)


def test_a_line_has_the_resolution_of_the_detector(tmp_path: Path) -> None:
    experiment = made(tmp_path, fields(**background({"kind": "line", "position": "0.5 keVee"})))
    width = np.sqrt(0.0685**2 + 0.018**2 * 0.5)
    true = np.diff(norm.cdf(np.array(EDGES), 0.5, width))
    np.testing.assert_allclose(counts(experiment, "flat"), 1000.0 * true / true.sum(), rtol=1e-9, atol=1e-10)
    with pytest.raises(CevnsfitError, match="a line in e_ee needs a width"):
        counts(load_experiment(tmp_path, {"response": {"quenching": fields()["response"]["quenching"]}}))


def test_a_tied_count_follows_a_gaussian_one(tmp_path: Path) -> None:
    sections = dresden()
    sections["backgrounds"]["l1"]["count"] = {"kind": "gaussian", "mean": 800, "sigma": 80}
    experiment = made(tmp_path, fields(**sections))
    for name in ("l1", "l2", "m"):
        np.testing.assert_allclose(counts(experiment, name, toy__l1_norm=2.0), 1.2 * counts(experiment, name), rtol=1e-12)


def test_a_tied_count_follows_a_released_one(tmp_path: Path) -> None:
    released = {"signal": {"table": "t.csv", "column": "n"}, "counts": {"l1": {"kind": "gaussian", "mean": 400, "sigma": 40}}}
    experiment = made(tmp_path, fields(**dresden(), released=released), t=table(EDGES, n=np.ones(len(EDGES) - 1)))
    joint = likelihood_of([experiment], "released-templates").at({})
    found = expected(joint, joint.parameters.defaults())["toy"]
    assert found["l1"].sum() == pytest.approx(400.0)
    for name in ("l2", "m"):
        np.testing.assert_allclose(found[name], counts(experiment, name) / 2.0, rtol=1e-12)


def test_backgrounds_of_two_experiments_share_a_nuisance_and_a_free_factor(tmp_path: Path) -> None:
    sections = background({"kind": "uniform"}, {"kind": "known", "mean": 100})
    sections["systematics"] = {"muons": {"kind": "normalisation", "shared": True, "sigma": "10 %", "components": ["flat"]}}
    shape = {"kind": "product", "factors": {"e_ee": {"kind": "uniform"}}}
    pair = []
    for number in (1, 2):
        sections["backgrounds"]["radon"] = {"shape": shape, "count": {"kind": "free", "mean": 50 * number, "shared": "radon"}}
        pair.append(made(tmp_path / f"toy{number}", {**fields(**sections), "name": f"toy{number}"}))
    joint = likelihood_of(pair, "sm").at({})
    assert sorted(joint.parameters.names) == ["muons", "radon"]
    found = expected(joint, joint.parameters.vector({"muons": 2.0, "radon": 1.5}))
    for number in (1, 2):
        assert found[f"toy{number}"]["flat"].sum() == pytest.approx(121.0)
        assert found[f"toy{number}"]["radon"].sum() == pytest.approx(75.0 * number)


# --- statistical errors, one axis ---------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")
def test_statistical_errors_of_templates_are_those_of_staterror(tmp_path: Path) -> None:
    """The table is twice as fine as the bins, so that errors add in quadrature; two backgrounds share the factors."""
    pyhf = pytest.importorskip("pyhf")
    fine = sorted({*EDGES, *((a + b) / 2 for a, b in pairwise(EDGES))})
    rng = np.random.default_rng(4)
    simulated = {name: rng.poisson(20.0 * np.exp(-np.linspace(0, 2, 18))).astype(float) for name in ("a", "b")}
    columns = {**simulated, **{f"{name}_error": np.sqrt(values) for name, values in simulated.items()}}
    observed = np.array([70.0, 60, 40, 51, 42, 30, 23, 12, 9])
    backgrounds = {
        name: {
            "shape": {"kind": "joint", "table": "t.csv", "column": name, "errors": f"{name}_error"},
            "count": {"kind": "known", "mean": mean},
        }
        for name, mean in (("a", 200.0), ("b", 130.0))
    }
    description = fields(backgrounds=backgrounds, observed={"table": "o.csv", "column": "n"})
    experiment = made(tmp_path, description, t=table(fine, **columns), o=table(EDGES, n=observed))
    likelihood = likelihood_of([experiment], "sm")
    assert [p.name for p in likelihood.parameters] == [f"toy.stat[{k}]" for k in range(9)]
    samples = []
    for name, mean in (("a", 200.0), ("b", 130.0)):
        scale = mean / simulated[name].sum()
        data, errors = scale * simulated[name].reshape(9, 2).sum(axis=1), scale * np.sqrt(simulated[name].reshape(9, 2).sum(axis=1))
        modifier = {"name": "stat", "type": "staterror", "data": errors.tolist()}
        samples.append({"name": name, "data": data.tolist(), "modifiers": [modifier]})
    spec = {"channels": [{"name": "c", "samples": samples}]}
    model = pyhf.Model(spec, poi_name=None)
    relative = np.sqrt(sum(np.square(s["modifiers"][0]["data"]) for s in samples)) / sum(np.array(s["data"]) for s in samples)
    pulls = rng.normal(size=9)
    joint = likelihood.at({})
    found = sum(expected(joint, pulls)["toy"][name] for name in ("a", "b"))
    np.testing.assert_allclose(found, model.expected_actualdata(1.0 + relative * pulls), rtol=1e-6)


def test_statistical_errors_need_a_column_and_few_bins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = {"kind": "joint", "table": "t.csv", "column": "n", "errors": "f"}
    description = fields(backgrounds={"flat": {"shape": shape, "count": {"kind": "known", "mean": 9}}})
    with pytest.raises(SpecError, match=r"backgrounds.flat.shape.errors: t.csv: unknown column 'f'"):
        made(tmp_path, description, t=table(EDGES, n=np.ones(9), e=np.ones(9)))
    shape["errors"] = "e"
    experiment = made(tmp_path, description)
    assert len(likelihood_of([experiment], "sm").parameters) == 9
    monkeypatch.setattr("cevnsfit.model.backgrounds.MAX_NUMBERS", 80)
    with pytest.raises(CevnsfitError, match="at most 8 bins, not 9"):
        likelihood_of([experiment], "sm")


def test_a_variation_of_one_axis_reshapes_a_product(tmp_path: Path) -> None:
    description = fields(
        source={"name": "sns", "exposure_pot": 1.0e23, "yield_per_pot": 0.08, "distance": "20 m"},
        axes={"e_ee": {"unit": "keVee", "edges": EDGES}, "time": {"unit": "us", "edges": [0, 1, 2, 6]}},
        backgrounds={
            "beam": {
                "shape": {
                    "kind": "product",
                    "factors": {"e_ee": {"kind": "table", "table": "t.csv", "column": "n"}, "time": {"kind": "uniform"}},
                },
                "count": {"kind": "gaussian", "mean": 90, "sigma": 9},
            }
        },
        systematics={
            name: {"kind": "template", "component": component, "table": "t.csv", "axis": "e_ee", "nominal": "n", "up": "u"}
            for name, component in (("bend", "beam"), ("signal", "cevns"))
        },
    )
    n, u = np.linspace(9, 1, 9), np.linspace(6, 4, 9)
    experiment = made(tmp_path, description, t=table(EDGES, n=n, u=u))
    found = counts(experiment, "beam", toy__bend=1.0).reshape(9, 3)
    np.testing.assert_allclose(found, 90.0 * np.outer(u / u.sum(), [1 / 6, 1 / 6, 4 / 6]), rtol=1e-12)
    plain, bent = (counts(experiment, toy__signal=value).reshape(9, 3) for value in (0.0, 1.0))
    wanted = plain * np.clip(u * n.sum() / u.sum() / n, 0.1, 1.9)[:, None]
    np.testing.assert_allclose(bent, wanted * plain.sum() / wanted.sum(), rtol=1e-12)
    with pytest.raises(SpecError, match=r"systematics.bend.axis: unknown axis 'pe'; .*e_ee"):
        load_experiment(tmp_path, {"systematics.bend.axis": "pe"})


# --- the whole --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_fits_find_shapes_and_quenching(tmp_path: Path) -> None:
    experiment = made(tmp_path, fields(**dresden(), systematics={"k": LINDHARD}))
    truth = {"toy.rise_rate": 6.0, "toy.l1_norm": 1.1}
    likelihood = cf.build_likelihood(experiment, model="signal-strength").with_data("asimov", **truth)
    found = cf.fit(likelihood)
    assert found.valid
    assert found.values["signal_strength"] == pytest.approx(1.0, abs=1e-3)
    assert found.values["toy.rise_rate"] == pytest.approx(6.0, rel=1e-3)
    again = pickle.loads(pickle.dumps(likelihood))
    assert again.logpdf(found.values) == likelihood.logpdf(found.values)
    found = cf.fit(cf.build_likelihood(experiment, model="sm").with_data("asimov", **truth, **{"toy.k": 0.1433}))
    assert found.valid
    assert found.values["toy.k"] == pytest.approx(0.1433, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("edges", [[0.2, 1.5], None])
def test_no_events_and_one_bin(tmp_path: Path, edges: list[float] | None) -> None:
    bins = EDGES if edges is None else edges
    number = {"value": "4 / keVee", "low": "1 / keVee", "high": "12 / keVee"}
    sections = background({"kind": "exponential", "rate": number}, {"kind": "gaussian", "mean": 5, "sigma": 2})
    sections |= {"observed": {"table": "o.csv", "column": "n"}, "axes": {"e_ee": {"unit": "keVee", "edges": bins}}}
    experiment = made(tmp_path, fields(**sections), o=table(bins, n=np.zeros(len(bins) - 1)))
    found = cf.fit(cf.build_likelihood(experiment, model="signal-strength"))
    assert np.isfinite(found.nll2)


@pytest.mark.parametrize(
    ("factor", "wanted"),
    [
        ({"kind": "exponential", "rate": 2}, r"flat.shape.factors.e_ee.rate: 2 has no unit; .*2 / keVee"),
        ({"kind": "exponential", "rate": "2 / us"}, "wanted 1/keVee"),
        ({"kind": "exponential", "rate": {"value": "2 / keVee", "low": "1 / keVee"}}, "needs low and high, or sigma"),
        ({"kind": "exponential", "rate": {"value": "9 / keVee", "low": "1 / keVee", "high": "4 / keVee"}}, "must lie from low to high"),
        ({"kind": "exponential", "rate": {"value": "9 / keVee", "sigma": "0 / keVee"}}, "sigma must be above 0"),
        ({"kind": "line", "position": "1 PE"}, "wanted keVee"),
        ({"kind": "line", "position": {"valu": 1}}, "unknown field 'valu'; did you mean value"),
    ],
)
def test_impossible_numbers_are_named(tmp_path: Path, factor: Fields, wanted: str) -> None:
    with pytest.raises(SpecError, match=wanted):
        made(tmp_path, fields(**background(factor)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("factor", "wanted"),
    [
        ({"kind": "polynomial", "slope": 1.5}, "negative, infinite or empty at slope = 1.5"),
        ({"kind": "line", "position": "1 keVee", "width": "0 keVee"}, "negative, infinite or empty"),
        ({"kind": "line", "position": "9 keVee", "width": "0.1 keVee"}, r"backgrounds\.\w+: its shape has nothing in the window"),
        (
            {"kind": "line", "position": {"value": "1 keVee", "low": "0.3 keVee", "high": "1.4 keVee"}, "width": "1 eVee"},
            "give a narrower range",
        ),
    ],
)
def test_impossible_shapes_are_refused(tmp_path: Path, factor: Fields, wanted: str) -> None:
    with pytest.raises(CevnsfitError, match=wanted):
        counts(made(tmp_path, fields(**background(factor))))


@pytest.mark.parametrize(
    ("systematic", "wanted"),
    [
        ({**LINDHARD, "nodes": [{"at": 1, "set": {}}]}, "give either nodes"),
        ({"kind": "response-nodes", "field": "quenching.k"}, "give either nodes"),
        ({**LINDHARD, "centre": 0.5}, "a number that floats freely has no centre"),
        (
            {"kind": "response-nodes", "nodes": [{"at": 1, "set": {"quenching.k": 0.1}}], "centre": -0.5},
            "the centre must lie between the nodes",
        ),
        ({"kind": "response-nodes", "nodes": [{"at": 0, "set": {"quenching.k": 0.1}}]}, "at 0 is the response as it is"),
        ({**LINDHARD, "field": "quenching.q"}, "unknown field 'q'"),
        ({**LINDHARD, "field": "quenching"}, "is not a number of a response stage|Input should be"),
        ({**LINDHARD, "values": [0.16, 0.17]}, "on both sides of quenching.k"),
        ({**LINDHARD, "values": [0.1, 0.1, 0.17]}, "must be different"),
        ({**LINDHARD, "values": [0.1, "17 %"]}, "their units the same"),
        ({"kind": "energy-scale"}, "give sigma"),
        ({"kind": "energy-scale", "offset": "5 eVnr"}, "systematics.bad.offset: '5 eVnr'.*wanted keVee"),
    ],
)
def test_impossible_nodes_and_scales_are_named(tmp_path: Path, systematic: Fields, wanted: str) -> None:
    with pytest.raises(SpecError, match=wanted):
        made(tmp_path, fields(systematics={"bad": systematic}))


def test_an_unknown_or_tied_background_is_no_tie(tmp_path: Path) -> None:
    sections = dresden()
    sections["backgrounds"]["m"]["count"]["to"] = "l2"
    with pytest.raises(SpecError, match=r"backgrounds.m.count.to: unknown background with a count of its own 'l2'"):
        made(tmp_path, fields(**sections))


def test_whole_photoelectrons_have_no_scale() -> None:
    with pytest.raises(SpecError, match=r"systematics.scale: smearing has bins of its own"):
        load_experiment("coherent-csi-2017", {"systematics.scale": {"kind": "energy-scale", "sigma": 0.01}})
