"""Exported likelihoods are the same functions in the other tool: -2 ln L of pyhf, its CLs limit, and a refit of what comes back."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.special import gammaln, xlogy

from cevnsfit.core.analysis import Analysis, Constraint, Correlation
from cevnsfit.core.errors import CevnsfitError, ResultError
from cevnsfit.infer.cls import cls_limit, signal_test
from cevnsfit.infer.fit import fit
from cevnsfit.io.exports.histfactory import INTERPOLATION, measured_name
from cevnsfit.io.exports.hs3 import load_pyhs3, read_hs3, write_hs3
from cevnsfit.io.exports.workspace import read_workspace
from cevnsfit.stats.data import observed_data, observed_or_asimov, without_block
from cevnsfit.stats.engine import nll2
from cevnsfit.stats.joint import expected_totals
from cevnsfit.stats.poisson import on_off
from cevnsfit.studies.export_likelihood import hs3, workspaces, write_workspaces
from cevnsfit.studies.setup import build

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint

pyhf = pytest.importorskip("pyhf")
pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")

POINTS = 50
MASS = 30.0
ONSET = "coherent-csi-2021.onset"
CASES = [
    pytest.param(("coherent-csi-2017",), "lmu-ltau", id="csi-2017"),
    pytest.param(("coherent-csi-2021",), "lmu-ltau", id="csi-2021"),
    pytest.param(("coherent-lar-2020",), "b-l", id="lar-2020"),
    pytest.param(("coherent-csi-2021", "coherent-lar-2020"), "lmu-ltau", id="combined", marks=pytest.mark.slow),
    pytest.param(("ccm-200-realistic",), "universal", id="a projection with a control region"),
]


@pytest.fixture
def minuit() -> Iterator[None]:
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-3))
    yield
    pyhf.set_backend("numpy", "scipy")


def held(experiments: tuple[str, ...]) -> dict[str, float]:
    """Return the mass, and the onset of CsI 2021, which the formats do not have."""
    return {"mass": MASS, ONSET: 60.0} if "coherent-csi-2021" in experiments else {"mass": MASS}


def possible_points(joint: Joint, rng: np.random.Generator, *, positive: bool = False) -> np.ndarray:
    """Return points inside the bounds where every plain bin (with `positive` every bin) has positive counts; nuisances go beyond 1."""
    found: list[np.ndarray] = []
    while len(found) < POINTS:
        theta = np.array(
            [
                rng.uniform(max(p.lower, -2.5), min(p.upper, 2.5)) if p.kind == "nuisance" else 10 ** rng.uniform(-5, -2.5)
                for p in joint.parameters
            ]
        )
        if ONSET in joint.parameters:
            theta[joint.parameters.index(ONSET)] = 60.0
        totals = expected_totals(joint, theta)
        used = [total[:, channel.templates.any(axis=0)] for channel, total in zip(joint.channels, totals, strict=True)]
        if all(
            (channel.control is not None and not positive) or total.min() > 0 for channel, total in zip(joint.channels, used, strict=True)
        ):
            found.append(theta)
    return np.array(found)


def constants(joint: Joint, data: Data) -> float:
    """Return what pyhf has more than -2 ln lambda: the saturated Poisson terms and the norms of the constraints."""
    counts = [*data.counts, *(item for item in data.control if item is not None)]
    saturated = sum(float(2 * np.sum(n - xlogy(n, n) + gammaln(n + 1))) for n in counts)
    return saturated + int(joint.constrained.sum()) * float(np.log(2 * np.pi))


def pyhf_parameters(model: Any, joint: Joint, data: Data, theta: np.ndarray, monomials: dict[str, dict[str, int]]) -> np.ndarray:
    """Return pyhf's parameters at ours; shapefactors are the backgrounds that the control region gives in closed form."""
    values = dict(zip(joint.parameters.names, theta, strict=True))
    totals = expected_totals(joint, theta)
    measured = {
        measured_name(channel.name): on_off(total, counts, control, channel.control.ratio).background[0]
        for channel, total, counts, control in zip(joint.channels, totals, data.counts, data.control, strict=True)
        if channel.control is not None and control is not None
    }
    result: list[float] = []
    for name in model.config.par_order:
        if name in monomials:
            result.append(float(np.prod([values[key] ** power for key, power in monomials[name].items()])))
        else:
            result += list(measured[name]) if name in measured else [values[name]]
    return np.array(result)


@pytest.mark.parametrize(("experiments", "model"), CASES)
def test_likelihood_is_the_same_in_pyhf(experiments: tuple[str, ...], model: str) -> None:
    analysis = Analysis(experiments, model)
    likelihood = build(analysis)
    joint, data = likelihood.at({"mass": MASS}), observed_or_asimov(likelihood.at({}))
    made = workspaces(build(analysis), at=held(experiments))
    workspace = pyhf.Workspace(made.base)
    theirs = workspace.model(modifier_settings=INTERPOLATION)
    seen = workspace.data(theirs)
    points = possible_points(joint, np.random.default_rng(6))
    parameters = [pyhf_parameters(theirs, joint, data, theta, made.metadata["normfactors"]) for theta in points]
    found = [-2.0 * float(theirs.logpdf(entry, seen)[0]) - constants(joint, data) for entry in parameters]
    np.testing.assert_allclose(found, nll2(joint, points, data), rtol=1e-8)


def test_background_of_the_control_region_is_at_its_best() -> None:
    analysis = Analysis(("coherent-csi-2017",), "lmu-ltau")
    likelihood = build(analysis)
    joint, data = likelihood.at({"mass": MASS}), observed_or_asimov(likelihood.at({}))
    workspace = pyhf.Workspace(workspaces(build(analysis), at={"mass": MASS}).base)
    model = workspace.model()
    best = pyhf_parameters(model, joint, data, joint.parameters.vector({"g": 1e-3}), {"g2": {"g": 2}, "g4": {"g": 4}})
    place = model.config.par_slice(measured_name("coherent-csi-2017"))
    rng = np.random.default_rng(1)
    value = float(model.logpdf(best, workspace.data(model))[0])
    for _ in range(20):
        moved = best.copy()
        moved[place] = np.abs(best[place] + rng.normal(0.0, 0.01, len(best[place])))
        assert float(model.logpdf(moved, workspace.data(model))[0]) < value


@pytest.mark.slow
@pytest.mark.usefixtures("minuit")
def test_cls_limit_of_pyhf_is_ours() -> None:
    analysis = Analysis(("coherent-lar-2020",), "released-templates")
    workspace = pyhf.Workspace(workspaces(build(analysis)).base)
    model = workspace.model()
    assert model.config.poi_name == "signal_strength"
    ((_, limit),) = cls_limit(signal_test(build(analysis).at({}), "signal_strength"), cl=0.9).allowed
    bounds = model.config.suggested_bounds()
    bounds[model.config.poi_index] = (0.0, 10.0)
    found = float(pyhf.infer.hypotest(limit, workspace.data(model), model, par_bounds=bounds, test_stat="qtilde"))
    assert found == pytest.approx(0.1, abs=1e-5)


@pytest.mark.parametrize(
    ("experiments", "model", "at"),
    [(("coherent-csi-2017",), "lmu-ltau", {"mass": MASS}), (("coherent-lar-2020",), "released-templates", {})],
)
def test_refit_of_what_comes_back(experiments: tuple[str, ...], model: str, at: dict[str, float], tmp_path: Path) -> None:
    analysis = Analysis(experiments, model)
    file, _ = write_workspaces(workspaces(build(analysis), at=at), tmp_path / "likelihood.json")
    again = read_workspace(file)
    before, after = fit(build(analysis), at=at, minos=()), fit(again, minos=())
    assert set(after.values) == set(before.values) - {p.name for p in build(analysis).nonlinear}
    assert after.nll2 == pytest.approx(before.nll2, abs=1e-6)
    for name in after.floating:
        assert after.values[name] == pytest.approx(before.values[name], abs=1e-3 * before.errors[name])
        assert after.errors[name] == pytest.approx(before.errors[name], rel=1e-3)


@pytest.mark.slow
def test_patches_give_the_likelihood_at_each_mass(tmp_path: Path) -> None:
    analysis = Analysis(("coherent-csi-2021",), "b-l")
    masses = [5.0, 12.5, 200.0]
    files = write_workspaces(workspaces(build(analysis), at={ONSET: 60.0}, grid={"mass": masses}), tmp_path)
    likelihood = build(analysis)
    rng = np.random.default_rng(3)
    for mass, name in zip(masses, ("mass_5", "mass_12p5", "mass_200"), strict=True):
        joint = likelihood.at({"mass": mass})
        again = read_workspace(files[0], files[2], name).at({})
        points = possible_points(joint, rng)
        order = [joint.parameters.index(parameter) for parameter in again.parameters.names]
        np.testing.assert_allclose(
            nll2(again, points[:, order], observed_data(again)), nll2(joint, points, observed_data(joint)), rtol=1e-10
        )


def pyhs3_nll2(document: dict[str, Any], points: list[dict[str, float]]) -> np.ndarray:
    """Return -2 ln L of pyhs3; its product over bins is only finite after the rewrites that its default mode makes."""
    library = load_pyhs3()
    from pyhs3.compile import function
    from pytensor.compile.mode import get_mode
    from pytensor.graph.traversal import explicit_graph_inputs

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log_prob = library.Workspace(**document).model("analysis", progress=False).log_prob
        inputs = list(explicit_graph_inputs([log_prob]))
        mode = get_mode("FAST_COMPILE").including("canonicalize", "stabilize", "specialize")
        evaluate = function(inputs, log_prob, mode=mode)
        return np.array([-2.0 * float(np.squeeze(evaluate(*(point[entry.name] for entry in inputs)))) for point in points])


HS3_CASES = [
    pytest.param(("coherent-csi-2021",), "lmu-ltau", id="csi-2021", marks=pytest.mark.slow),
    pytest.param(("coherent-csi-2017",), "lmu-ltau", id="a control region", marks=pytest.mark.slow),
    pytest.param(("coherent-lar-2020",), "b-l", id="lar-2020", marks=pytest.mark.slow),
    pytest.param(("coherent-csi-2021", "coherent-lar-2020"), "lmu-ltau", id="combined", marks=pytest.mark.slow),
    pytest.param(("ccm-200",), "universal", id="a projection with empty bins", marks=pytest.mark.slow),
]


QUENCHING = "coherent-csi-2021.quenching_0"


def test_a_constraint_around_another_centre_is_the_same_in_pyhf() -> None:
    analysis = Analysis(("coherent-csi-2021",), "lmu-ltau", constraints=(Constraint(QUENCHING, 0.7, 1.0),))
    likelihood = build(analysis)
    joint, data = likelihood.at({"mass": MASS}), observed_data(likelihood.at({}))
    made = workspaces(likelihood, at=held(analysis.experiments))
    workspace = pyhf.Workspace(made.base)
    theirs = workspace.model(modifier_settings=INTERPOLATION)
    seen = workspace.data(theirs)
    points = possible_points(joint, np.random.default_rng(6))[:20]
    bare, counts, block = without_block(joint, data)
    assert block.names == (QUENCHING,)
    parameters = [pyhf_parameters(theirs, bare, counts, theta, made.metadata["normfactors"]) for theta in points]
    shift = constants(bare, counts)
    found = [-2.0 * float(theirs.logpdf(entry, seen)[0]) - shift for entry in parameters]
    np.testing.assert_allclose(found, nll2(joint, points, data), rtol=1e-8)


@pytest.mark.parametrize(
    ("analysis", "named"),
    [
        (Analysis(("coherent-csi-2021",), "lmu-ltau", constraints=(Constraint("sns_flux", 0.95, 0.03),)), "sns_flux"),
        (Analysis(("coherent-csi-2021",), "lmu-ltau", correlations=(Correlation("sns_flux", QUENCHING, 0.5),)), f"sns_flux, {QUENCHING}"),
        (Analysis(("coherent-csi-2021",), "signal-strength", constraints=(Constraint("signal_strength", 1.0, 0.1),)), "signal_strength"),
    ],
)
def test_what_pyhf_does_not_know_is_refused(analysis: Analysis, named: str) -> None:
    with pytest.raises(CevnsfitError, match=f"pyhf knows no correlations.* the constraint of {named} is none; `--to hs3` takes it"):
        workspaces(build(analysis), at=held(analysis.experiments) if analysis.model == "lmu-ltau" else {ONSET: 60.0})


GIVEN = Analysis(
    ("coherent-csi-2021",),
    "lmu-ltau",
    constraints=(Constraint("sns_flux", 0.95, 0.03), Constraint("g", 1e-4, 2e-4)),
    correlations=(Correlation("sns_flux", QUENCHING, 0.6), Correlation("sns_flux", "g", -0.3)),
)


@pytest.mark.slow
def test_a_block_of_constraints_comes_back_from_hs3(tmp_path: Path) -> None:
    pytest.importorskip("pyhs3", reason="the extra [hs3] is not installed", exc_type=ImportError)
    likelihood = build(GIVEN)
    (file,) = write_hs3(hs3(likelihood, at=held(GIVEN.experiments)), tmp_path / "hs3.json")
    again = read_hs3(file)
    joint, back = likelihood.at({"mass": MASS}), again.at({})
    points = possible_points(joint, np.random.default_rng(6))
    order = [joint.parameters.index(name) for name in back.parameters.names]
    np.testing.assert_allclose(nll2(back, points[:, order], observed_data(back)), nll2(joint, points, observed_data(joint)), rtol=1e-10)
    assert [text.split(" = ")[0] for text in again.constraints] == ["g", "sns_flux", QUENCHING]
    text = file.read_text(encoding="utf-8")
    place, end = text.index("exp(-0.5*((") + len("exp(-0.5*(("), text.index(")", text.index("exp(-0.5*(("))
    rounded = repr(float(text[place:end]) * (1.0 + 1e-14))  # on another machine
    (tmp_path / "rounded.json").write_text(text[:place] + rounded + text[end:], encoding="utf-8")
    assert read_hs3(tmp_path / "rounded.json").constraints == again.constraints
    (tmp_path / "other.json").write_text(text[:place] + "1" + text[place:], encoding="utf-8")
    with pytest.raises(ResultError, match="auxiliary distributions have no counterpart"):
        read_hs3(tmp_path / "other.json")


@pytest.mark.slow
def test_a_block_of_constraints_is_the_same_in_pyhs3() -> None:
    pytest.importorskip("pyhs3", reason="the extra [hs3] is not installed", exc_type=ImportError)
    likelihood = build(GIVEN)
    joint = likelihood.at({"mass": MASS})
    data, points = observed_data(joint), possible_points(joint, np.random.default_rng(6), positive=True)[:10]
    values = [dict(zip(joint.parameters.names, theta, strict=True)) for theta in points]
    bare, counts, _ = without_block(joint, data)
    found = pyhs3_nll2(hs3(likelihood, at=held(GIVEN.experiments)), values) - constants(bare, counts)
    np.testing.assert_allclose(found, nll2(joint, points, data), rtol=1e-8)


@pytest.mark.parametrize(("experiments", "model"), HS3_CASES)
def test_likelihood_is_the_same_in_pyhs3(experiments: tuple[str, ...], model: str) -> None:
    pytest.importorskip("pyhs3", reason="the extra [hs3] is not installed", exc_type=ImportError)
    analysis = Analysis(experiments, model)
    likelihood = build(analysis)
    joint, data = likelihood.at({"mass": MASS}), observed_or_asimov(likelihood.at({}))
    points, parameters = [], []
    for theta in possible_points(joint, np.random.default_rng(6), positive=True):
        values = dict(zip(joint.parameters.names, theta, strict=True))
        totals = expected_totals(joint, theta)
        for channel, total, counts, control in zip(joint.channels, totals, data.counts, data.control, strict=True):
            if channel.control is not None and control is not None:
                background = on_off(total, counts, control, channel.control.ratio).background[0]
                values |= {f"{measured_name(channel.name)}_{k}": max(float(b), 1e-12) for k, b in enumerate(background)}
        points.append(theta)
        parameters.append(values)
    found = pyhs3_nll2(hs3(build(analysis), at=held(experiments)), parameters) - constants(joint, data)
    np.testing.assert_allclose(found, nll2(joint, np.array(points), data), rtol=1e-8)


@pytest.mark.slow
def test_loggers_survive_pyhs3() -> None:
    pytest.importorskip("pyhs3", reason="the extra [hs3] is not installed", exc_type=ImportError)
    code = (
        "import logging\n"
        "mine = logging.getLogger('mine')\n"
        "before = list(logging.getLogger().handlers)\n"
        "from cevnsfit.io.exports.hs3 import load_pyhs3\n"
        "load_pyhs3()\n"
        "assert not mine.disabled\n"
        "assert logging.getLogger().handlers == before\n"
        "assert logging.getLogger().level == logging.WARNING\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("experiments", "model", "at"),
    [
        (("coherent-csi-2017",), "lmu-ltau", {"mass": MASS}),
        (("coherent-lar-2020",), "released-templates", {}),
        (("ccm-200",), "b-l", {"mass": MASS}),
    ],
)
def test_refit_of_what_comes_back_as_hs3(experiments: tuple[str, ...], model: str, at: dict[str, float], tmp_path: Path) -> None:
    pytest.importorskip("pyhs3", reason="the extra [hs3] is not installed", exc_type=ImportError)
    analysis = Analysis(experiments, model)
    (file,) = write_hs3(hs3(build(analysis), at=at), tmp_path / "hs3.json")
    likelihood, again = build(analysis), read_hs3(file)
    assert set(again.parameters.names) == {p.name for p in likelihood.parameters if p.kind != "nonlinear"}
    before, after = fit(likelihood, at=at, data=observed_or_asimov(likelihood.at({})), minos=()), fit(again, minos=())
    assert after.nll2 == pytest.approx(before.nll2, abs=1e-6)
    for name in after.floating:
        width = 1e-6 if np.isnan(before.errors[name]) else 1e-3 * before.errors[name]
        assert after.values[name] == pytest.approx(before.values[name], abs=width)
        assert after.errors[name] == pytest.approx(before.errors[name], rel=1e-3, nan_ok=True)
