"""The engine against loops of fits: microseconds a point, and the ratio to a reference in the same run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.infer.profile import floating_indices, profile
from cevnsfit.stats.binding import bind_data
from cevnsfit.stats.data import observed_data
from cevnsfit.stats.engine import evaluate_problem, hessian

if TYPE_CHECKING:
    from collections.abc import Callable

    from cevnsfit.stats.joint import Joint
    from cevnsfit.stats.likelihood import Likelihood

    MinuitFit = Callable[[Joint, np.ndarray, tuple[str, ...], dict], tuple[np.ndarray, float]]


def _standard_model(joint: Joint) -> np.ndarray:
    return profile(joint, {"g": np.zeros(1)}).theta[0]


def _minuit_loop(minuit_fit: MinuitFit, joint: Joint, values: np.ndarray, start: np.ndarray) -> float:
    """Return the sum of conditional minima, each fit started from the one before."""
    total, point, known = 0.0, start.copy(), {}
    for value in values:
        point[joint.parameters.index("g")] = value
        point, minimum = minuit_fit(joint, point, ("g",), known)
        total += minimum
    return total


@pytest.mark.benchmark(group="one profiled point of the combination, all nuisances")
def bench_batched_profile(benchmark: Any, combination: Likelihood, masses: np.ndarray, couplings: np.ndarray) -> None:
    joints = [combination.at({"mass": float(mass)}) for mass in masses]
    start = _standard_model(joints[0])
    benchmark.extra_info["per"] = len(masses) * len(couplings)
    results = benchmark(lambda: [profile(joint, {"g": couplings}, start=start) for joint in joints])
    assert sum(result.fallbacks for result in results) == 0


@pytest.mark.benchmark(group="one profiled point of the combination, all nuisances")
def bench_iminuit_loop(benchmark: Any, combination: Likelihood, minuit_fit: MinuitFit) -> None:
    joint = combination.at({"mass": 10.0})
    values = np.geomspace(1e-5, 2e-3, 20)
    start = _standard_model(joint)
    benchmark.extra_info["per"] = len(values)
    benchmark.pedantic(_minuit_loop, (minuit_fit, joint, values, start), rounds=3)


@pytest.mark.benchmark(group="one conditional fit of the released LAr templates")
def bench_lar_released_batched(benchmark: Any) -> None:
    joint = cf.build_likelihood("coherent-lar-2020", model="released-templates").at({})
    values = np.linspace(0.0, 3.0, 1000)
    benchmark.extra_info["per"] = len(values)
    result = benchmark(lambda: profile(joint, {"signal_strength": values}))
    assert result.converged.all()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.benchmark(group="one conditional fit of the released LAr templates")
def bench_lar_released_pyhf(benchmark: Any) -> None:
    import pyhf

    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=0.01))
    joint = cf.build_likelihood("coherent-lar-2020", model="released-templates").at({})
    (channel,) = joint.channels
    rows = dict.fromkeys(channel.components)
    samples = []
    for name in rows:
        mine = [m for m, component in enumerate(channel.components) if component == name]
        nominal = channel.templates[mine[0]]
        modifiers: list[dict[str, object]] = [{"name": "mu", "type": "normfactor", "data": None}] if name == "cevns" else []
        for m in mine[1:]:
            step = channel.templates[m]
            parameter = channel.coefficients.parameters[channel.coefficients.excursion_index[m]]
            data = {"hi_data": (nominal + step).tolist(), "lo_data": (nominal - step).tolist()}
            modifiers.append({"name": parameter, "type": "histosys", "data": data})
        samples.append({"name": name, "data": nominal.tolist(), "modifiers": modifiers})
    assert channel.observed is not None
    workspace = pyhf.Workspace(
        {
            "channels": [{"name": "lar", "samples": samples}],
            "observations": [{"name": "lar", "data": channel.observed.tolist()}],
            "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
            "version": "1.0.0",
        }
    )
    model = workspace.model()
    data = workspace.data(model)
    _, value = benchmark.pedantic(lambda: pyhf.infer.mle.fixed_poi_fit(1.0, data, model, return_fitted_val=True), rounds=3)
    assert np.isfinite(value)


@pytest.mark.benchmark(group="expected counts at a new mass and coupling, against all templates of that mass")
def bench_counts(benchmark: Any, combination: Likelihood, masses: np.ndarray) -> None:
    benchmark.extra_info["per"] = len(masses)
    benchmark(lambda: [combination.counts({"mass": float(mass), "g": 3e-4}) for mass in masses])


@pytest.mark.benchmark(group="expected counts at a new mass and coupling, against all templates of that mass")
def bench_new_mass(benchmark: Any, combination: Likelihood, masses: np.ndarray) -> None:
    benchmark.extra_info["per"] = len(masses)
    benchmark(lambda: [combination.at({"mass": float(mass)}) for mass in masses])


@pytest.mark.benchmark(group="templates of the combination at a new mass: of a mediator, of the lepton in up-scattering")
@pytest.mark.parametrize(("model", "name"), [("universal", "mass"), ("upscatter-vector", "m_n"), ("dipole-portal", "m_n")])
def bench_new_mass_of(benchmark: Any, model: str, name: str) -> None:
    likelihood = cf.build_likelihood("coherent-csi-2021", "coherent-lar-2020", model=model)
    values = np.geomspace(5.0, 40.0, 20)
    benchmark.extra_info["per"] = len(values)
    benchmark(lambda: [likelihood.at({name: float(value)}) for value in values])


@pytest.mark.benchmark(group="arithmetic: value, gradient and Hessian of 128 points against matrix products alone")
def bench_kernel(benchmark: Any, combination: Likelihood) -> None:
    joint = combination.at({"mass": 10.0})
    theta = profile(joint, {"g": np.linspace(0.0, 1e-3, 128)}).theta
    bound, rows = bind_data(joint, observed_data(joint), floating_indices(joint, ("g",), None)), np.arange(128)
    benchmark.extra_info["flop"] = 128 * sum(
        4 * channel.templates.size + (0 if channel.pairs is None else 2 * channel.pairs.size) for channel in bound.channels
    )
    benchmark(lambda: hessian(bound, evaluate_problem(bound, theta, rows), rows, rows))


@pytest.mark.benchmark(group="arithmetic: value, gradient and Hessian of 128 points against matrix products alone")
def bench_dgemm(benchmark: Any) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random((500, 500)), rng.random((500, 500))
    benchmark.extra_info["flop"] = 2 * 500**3
    benchmark(lambda: a @ b)
