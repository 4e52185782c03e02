"""Systematics that relate bins or have sides: covariance matrices, asymmetric normalisations, centres, and sizes in which experiments differ."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core.errors import CevnsfitError, SpecError
from cevnsfit.core.paths import data_root
from cevnsfit.infer.fit import fit
from cevnsfit.io.exports import histfactory
from cevnsfit.model.build import likelihood_of
from cevnsfit.spec.load import load_experiment
from cevnsfit.stats.data import asimov_data, observed_data, toy_data
from cevnsfit.stats.joint import expected, expected_totals

if TYPE_CHECKING:
    from pathlib import Path

    from cevnsfit.stats.joint import Joint

CSI, LAR, AR750 = "coherent-csi-2017", "coherent-lar-2020", "coherent-ar-750"
AXES = {
    "axes.pe": {"unit": "PE", "start": 6, "stop": 30, "bins": 4},
    "axes.time": {"unit": "us", "start": 0, "stop": 6, "bins": 2},
    "control_region": {},
}
BINS = 8


def relative() -> np.ndarray:
    """Return a covariance with two correlated modes, and one bin that does not vary."""
    modes = 0.1 * np.array([np.linspace(0.5, 2.0, BINS), np.cos(np.arange(BINS))])
    modes[:, 3] = 0.0
    return modes.T @ modes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "mine"
    shutil.copytree(data_root() / "experiments" / CSI, target)
    write(target, relative())
    return target


def write(folder: Path, matrix: np.ndarray) -> None:
    header = ",".join(f"b{k} [1]" for k in range(matrix.shape[1]))
    rows = "\n".join(",".join(map(repr, row)) for row in matrix.tolist())
    (folder / "cov.csv").write_text(f"{header}\n{rows}\n", encoding="utf-8")


def joint_of(folder: Path, **entry: object) -> Joint:
    systematic = {"kind": "covariance", "table": "cov.csv", **entry}
    experiment = load_experiment(folder, {**AXES, "systematics.bins": systematic})
    return likelihood_of([experiment], "sm").at({})


def jacobian(joint: Joint) -> tuple[np.ndarray, np.ndarray]:
    """Return the nominal counts, and by how much one unit of each mode changes them."""
    theta = joint.parameters.defaults()
    modes = [k for k, name in enumerate(joint.parameters.names) if ".bins_" in name]
    nominal = expected_totals(joint, theta)[0][0]
    moved = np.array([expected_totals(joint, theta + np.eye(len(theta))[k])[0][0] for k in modes])
    return nominal, moved - nominal


def test_the_modes_make_up_the_covariance_of_the_signal(folder: Path) -> None:
    joint = joint_of(folder)
    (signal,) = (parts["cevns"] for parts in expected(joint, joint.parameters.defaults()).values())
    _, moved = jacobian(joint)
    assert len(moved) == 2
    assert moved.T @ moved == pytest.approx(relative() * np.outer(signal, signal), rel=1e-9, abs=1e-12)
    assert joint.parameters[f"{CSI}.bins_2"].description == "mode 2 of 2, 6 negligible ones left out"


def test_a_relative_one_on_all_components_is_one_of_the_total(folder: Path) -> None:
    nominal, moved = jacobian(joint_of(folder, components=["cevns", "prompt_neutrons"]))
    assert moved.T @ moved == pytest.approx(relative() * np.outer(nominal, nominal), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("component", ["cevns", "prompt_neutrons"])
def test_one_in_counts_is_that_of_the_counts(folder: Path, component: str) -> None:
    """Bins of very different size keep their errors: what is negligible is so by its correlations."""
    size = 10.0 ** -np.arange(BINS)
    matrix = relative() * np.outer(size, size)
    write(folder, matrix)
    _, moved = jacobian(joint_of(folder, relative=False, components=[component]))
    for k in range(BINS):
        assert (moved.T @ moved)[k, k] == pytest.approx(matrix[k, k], rel=1e-4)


def test_a_covariance_leaves_as_symmetric_histosys(folder: Path) -> None:
    joint = joint_of(folder)
    exported = histfactory.workspace(joint, asimov_data(joint, joint.parameters.defaults()), {})
    (signal,) = (s for s in exported.spec["channels"][0]["samples"] if s["name"] == "sm")
    found = {m["name"]: m for m in signal["modifiers"] if ".bins_" in m["name"]}
    assert [entry["type"] for entry in found.values()] == ["histosys"] * 2
    for entry in found.values():
        mean = (np.array(entry["data"]["hi_data"]) + np.array(entry["data"]["lo_data"])) / 2.0
        assert mean == pytest.approx(signal["data"])


@pytest.mark.parametrize(
    ("matrix", "entry", "text"),
    [
        (np.eye(BINS - 1), {}, "systematics.bins: cov.csv: a covariance matrix of 8 bins has 8 rows of 8 columns, not 7 rows of 7 columns"),
        (np.eye(BINS) + np.eye(BINS, k=1), {}, "not symmetric: 1 and 0 in bins 1 and 2"),
        (np.eye(BINS) - np.ones((BINS, BINS)) / 2.0, {}, "not positive semi-definite"),
        (np.zeros((BINS, BINS)), {}, "not positive semi-definite"),
        (np.eye(BINS), {"relative": False, "components": ["cevns", "prompt_neutrons"]}, "a covariance in counts acts on one component"),
        (np.eye(BINS), {"components": ["cevnz"]}, "unknown component 'cevnz'"),
        (np.eye(BINS), {"centre": 1.0}, "centred at 0"),
        (np.eye(BINS), {"shared": True}, "cannot be shared"),
    ],
)
def test_a_matrix_that_is_none_is_refused(folder: Path, matrix: np.ndarray, entry: dict[str, object], text: str) -> None:
    write(folder, matrix)
    with pytest.raises(SpecError, match=text.replace("(", r"\(")):
        joint_of(folder, **entry)


def test_the_modes_of_channels_have_nothing_to_do_with_each_other(folder: Path) -> None:
    (folder / "cov.csv").rename(folder / "one.csv")
    write(folder, np.diag(np.arange(1.0, BINS + 1.0)) / 100.0)
    with (folder / "experiment.yaml").open("a", encoding="utf-8") as file:
        file.write("  bins: {kind: covariance, table: cov.csv}\nchannels: {one: {systematics.bins.table: one.csv}, two: {}}\n")
    joint = likelihood_of([load_experiment(folder, AXES)], "sm").at({})

    def signal(theta: np.ndarray) -> np.ndarray:
        return np.concatenate([parts["cevns"] for parts in expected(joint, theta).values()])

    theta = joint.parameters.defaults()
    nominal = signal(theta)
    modes = [k for k, name in enumerate(joint.parameters.names) if ".bins_" in name]
    changes = np.array([signal(theta + np.eye(len(theta))[k]) / nominal - 1.0 for k in modes])
    true = np.zeros((2 * BINS, 2 * BINS))
    true[:BINS, :BINS], true[BINS:, BINS:] = relative(), np.diag(np.arange(1.0, BINS + 1.0)) / 100.0
    np.testing.assert_allclose(changes.T @ changes, true, atol=1e-9)


def sized(sigma: object, **more: object) -> Joint:
    return likelihood_of([load_experiment(CSI, {"systematics.acceptance.sigma": sigma, **more})], "sm").at({})


def test_an_asymmetric_normalisation() -> None:
    joint = sized({"up": "12 %", "down": 0.08})
    name = f"{CSI}.acceptance"
    counts = {}
    for value in (-1.0, 0.0, 1.0, 2.0):
        counts[value] = expected(joint, joint.parameters.vector({name: value}))[CSI]["cevns"].sum()
    assert counts[1.0] / counts[0.0] == pytest.approx(1.12)
    assert counts[-1.0] / counts[0.0] == pytest.approx(0.92)
    assert counts[2.0] / counts[0.0] == pytest.approx(1.12**2)
    assert joint.parameters[name].description == "normalisation of +0.12 -0.08"


@pytest.mark.parametrize(
    ("sigma", "text"),
    [
        ({"up": "12 %"}, "systematics.acceptance.sigma: down: Field required"),
        ({"up": 12, "down": 0.1}, "up: a relative error of 12 is 1200 %"),
        ({"up": 0.1, "down": "100 %"}, "down: Input should be less than 1"),
        ({"up": 0.1, "down": -0.1}, "down: Input should be greater than or equal to 0"),
        ({"up": 0.1, "down": 0.1, "side": 1}, "side: Extra inputs"),
        (-0.1, "greater than or equal to 0"),
        (1000, "a relative error of 10 is 1000 %"),
        ("large", "sigma"),
    ],
)
def test_a_bad_size_is_refused(sigma: object, text: str) -> None:
    with pytest.raises(SpecError, match=text):
        sized(sigma)


def test_a_nuisance_with_a_centre() -> None:
    """The constraint is centred there, and so is what is expected before a fit."""
    plain, moved = sized("5 %"), sized("5 %", **{"systematics.acceptance.centre": 0.3})
    name, index = f"{CSI}.acceptance", plain.parameters.index(f"{CSI}.acceptance")
    assert (moved.parameters[name].centre, moved.parameters[name].default) == (0.3, 0.3)
    assert observed_data(moved).aux[index] == 0.3
    at = {key: 0.0 for key in plain.parameters.names if key != name}
    found = [fit(joint, at=at) for joint in (plain, moved)]
    value, shifted = (one.values[name] for one in found)
    assert value < shifted < value + 0.3
    nominal = [expected(joint, joint.parameters.defaults())[CSI]["cevns"].sum() for joint in (plain, moved)]
    assert nominal[1] / nominal[0] == pytest.approx(1.05**0.3, rel=1e-3)
    likelihood = likelihood_of([load_experiment(CSI, {"systematics.acceptance.centre": 0.3, "control_region": {}})], "sm")
    assert likelihood.counts()[CSI].total == pytest.approx(
        sum(part.sum() for part in expected(likelihood.at({}), likelihood.at({}).parameters.defaults())[CSI].values())
    )
    toys = toy_data(moved, moved.parameters.defaults(), np.random.default_rng(1), 4000)
    assert toys.aux[:, index].mean() == pytest.approx(0.3, abs=0.06)


def test_a_centre_out_of_reach_is_refused() -> None:
    with pytest.raises(SpecError, match=r"acceptance\.centre: '7' should be less than or equal to 4"):
        sized("5 %", **{"systematics.acceptance.centre": 7})


def test_two_sizes_of_a_shared_nuisance_name_both_experiments_and_the_remedy() -> None:
    changed = [load_experiment(CSI), load_experiment(LAR, {"systematics.sns_flux.sigma": "12 %"})]
    text = (
        rf"sns_flux is shared, and has two sizes: normalisation of 0.1 in {CSI}, normalisation of 0.12 in {LAR}; "
        rf"give it one, for example with --set {LAR}:systematics.sns_flux.sigma=..., or with overrides in an analysis file"
    )
    with pytest.raises(CevnsfitError, match=text):
        likelihood_of(changed, "sm")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"centre": 0.5}, rf"normalisation of 0.1 in {CSI}, normalisation of 0.1 centred at 0.5 in {LAR}"),
        (
            {"kind": "response-nodes", "field": "quenching.constant", "values": [0.2, 0.246, 0.3], "sigma": None, "components": None},
            rf"in {CSI}, response-nodes from 0.2 to 0.3 in {LAR}",
        ),
    ],
)
def test_other_definitions_of_a_shared_nuisance_name_both_experiments(change: dict[str, object], text: str) -> None:
    entry = {"kind": "normalisation", "shared": True, "sigma": "10 %", "components": ["cevns"], **change}
    entry = {key: value for key, value in entry.items() if value is not None}
    changed = [load_experiment(CSI), load_experiment(LAR, {"systematics.sns_flux": entry})]
    with pytest.raises(CevnsfitError, match=text):
        likelihood_of(changed, "sm")


def test_sizes_are_compared_and_not_descriptions() -> None:
    text = {"systematics.sns_flux.description": "neutrinos per proton"}
    same = [load_experiment(CSI, text), load_experiment(LAR)]
    assert likelihood_of(same, "sm").parameters["sns_flux"].description == "neutrinos per proton"
    other = [load_experiment(CSI, text), load_experiment(LAR, {**text, "systematics.sns_flux.sigma": "12 %"})]
    with pytest.raises(CevnsfitError, match="two sizes"):
        likelihood_of(other, "sm")
