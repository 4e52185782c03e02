"""The search for minima against dense multi-start iminuit on 200 seeded random likelihoods.

One to three channels, linear and quadratic couplings, products of two, exact mirrors, destructive interference, minima on bounds, scales from 1e-6
to 1e3, up to four nuisances, control regions, Asimov data and pseudo-experiments. What iminuit finds for them is stored; for some it is looked for again.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.columns import searched
from cevnsfit.infer.lines import coupling_scales
from cevnsfit.infer.minima import Minima, free_fits, minima, start_set
from cevnsfit.infer.multistart import profile_minima
from cevnsfit.infer.profile import profile
from cevnsfit.stats.binding import BoundLikelihood, bind_data
from cevnsfit.stats.channel import Channel, Coefficients, ControlRegion
from cevnsfit.stats.data import asimov_data, observed_data, observing, toy_data
from cevnsfit.stats.engine import evaluate_problem, hessian
from cevnsfit.stats.joint import Joint, join

if TYPE_CHECKING:
    from collections.abc import Sequence

FAMILIES = ("strength", "growth", "interference", "dip", "valley", "corners", "product")
PAIRS = ("valley", "corners", "product")
STORED = Path(__file__).with_name("minima_reference.json")


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A random likelihood with the couplings that float and the value of each at which it matters."""

    joint: Joint
    couplings: tuple[str, ...]
    scales: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Monomial:
    """A template of the signal, and the powers of the couplings (x, y), in units of their scales."""

    template: np.ndarray
    powers: tuple[int, int]


def signal(family: str, shape: np.ndarray, hard: np.ndarray, other: np.ndarray) -> list[Monomial]:
    """Return the signal of one channel; `hard` and `other` (nb,) say how strongly each coupling acts in each bin."""
    s, h, k = shape, hard, other
    return {
        "strength": lambda: [Monomial(s * h, (1, 0))],
        "growth": lambda: [Monomial(s, (0, 0)), Monomial(s * h, (2, 0))],
        "interference": lambda: [Monomial(s, (0, 0)), Monomial(-2 * s * h, (1, 0)), Monomial(s * h**2 * (1 + 0.3 * k), (2, 0))],
        "dip": lambda: [Monomial(s, (0, 0)), Monomial(-2 * s * h, (2, 0)), Monomial(s * h**2, (4, 0))],
        "valley": lambda: [
            Monomial(s, (0, 0)),
            Monomial(2 * s * h, (1, 0)),
            Monomial(2 * s * k, (0, 1)),
            Monomial(s * h**2, (2, 0)),
            Monomial(2 * s * h * k, (1, 1)),
            Monomial(s * k**2, (0, 2)),
        ],
        "corners": lambda: [
            Monomial(s, (0, 0)),
            Monomial(2 * s * h, (1, 0)),
            Monomial(s * h**2, (2, 0)),
            Monomial(s[::-1], (0, 0)),
            Monomial(2 * s[::-1] * k, (0, 1)),
            Monomial(s[::-1] * k**2, (0, 2)),
        ],
        "product": lambda: [Monomial(s, (0, 0)), Monomial(-2 * s * h, (1, 1)), Monomial(s * h**2, (2, 2)), Monomial(0.2 * s * k, (2, 0))],
    }[family]()


def random_channel(
    rng: np.random.Generator, family: str, place: int, units: np.ndarray, nuisances: Sequence[str], *, exact: bool
) -> Channel:
    """Return one channel without data."""
    bins = int(rng.integers(3, 16))
    axis = np.linspace(0.0, 1.0, bins)
    shape = np.exp(-rng.uniform(0.5, 3.0) * axis)
    shape *= 10.0 ** rng.uniform(1.0, 4.0) / shape.sum()
    hard, other = (
        math.exp(0.4 * rng.standard_normal()) * (1.0 + (0.0 if exact else rng.uniform(-0.6, 0.6)) * (axis - 0.5)) for _ in range(2)
    )
    background = np.exp(-rng.uniform(0.0, 2.0) * axis)
    background *= shape.sum() * rng.uniform(0.05, 2.0) / background.sum()
    names = ("x", "y", *nuisances)
    rows: list[tuple[np.ndarray, list[int], list[float], int, int, str]] = []
    acts = {name: bool(rng.integers(2)) for name in nuisances}
    for entry in signal(family, shape, hard, other):
        template = entry.template / np.prod(units ** np.array(entry.powers))
        hi = [1.0, 1.0] + [1.08 if name == "flux" else 1.15 if name == "rate" and acts[name] else 1.0 for name in nuisances]
        powers = [*entry.powers, *(0 for _ in nuisances)]
        rows.append((template, powers, hi, -1, 0, "cevns"))
        if "tilt" in nuisances and acts["tilt"]:
            up, down = template * (1 + 0.2 * (axis - 0.5)), template * (1 - 0.15 * (axis - 0.5))
            rows.append(((up - down) / 2, powers, hi, names.index("tilt"), 1, "cevns"))
            rows.append(((up + down - 2 * template) / 16, powers, hi, names.index("tilt"), 2, "cevns"))
    control = ControlRegion(rng.poisson(2.0 * background).astype(np.float64), 2.0) if rng.random() < 0.3 else None
    if control is None or rng.random() < 0.5:
        powers = [0, 0, *(int(name == "norm") for name in nuisances)]
        hi = [1.0, 1.0, *(1.2 if name == "brn" else 1.0 for name in nuisances)]
        rows.append((background, powers, hi, -1, 0, "brn"))
    templates, powers_of, hi_of, index, kind, components = zip(*rows, strict=True)
    rule = Coefficients(names, np.array(powers_of), np.array(hi_of), 1.0 / np.array(hi_of), np.array(index), np.array(kind))
    return Channel(f"channel{place}", np.array(templates), rule, components, None, control, (bins,))


def random_domain(rng: np.random.Generator, family: str, unit: float) -> tuple[float, float]:
    """Return the domain of a coupling."""
    if family == "strength":
        return ((0.0, math.inf), (-0.02 * unit, 100.0 * unit), (0.0, 0.6 * unit))[rng.integers(3)]
    lower = (0.0, -math.inf, -50.0 * unit, 0.4 * unit)[rng.choice(4, p=(0.4, 0.3, 0.2, 0.1))]
    upper = (math.inf, 50.0 * unit, 1.2 * unit)[rng.choice(3, p=(0.5, 0.35, 0.15))]
    return lower, upper


def random_case(seed: int) -> Case:
    """Return a likelihood with its data."""
    rng = np.random.default_rng(seed)
    family = FAMILIES[seed % len(FAMILIES)]
    exact = bool(rng.random() < 0.3)
    units = 10.0 ** rng.uniform(-6.0, 3.0, size=2)
    count = int(rng.integers(0, 5))
    nuisances = tuple(np.array(("flux", "rate", "tilt", "brn", "norm"))[np.sort(rng.permutation(5)[:count])].tolist())
    channels = tuple(random_channel(rng, family, k, units, nuisances, exact=exact) for k in range(int(rng.integers(1, 4))))
    free = ("x", "y") if family in PAIRS else ("x",)
    parameters = []
    for name, unit in zip(("x", "y"), units, strict=True):
        lower, upper = random_domain(rng, family, unit)
        default, scale = min(max(0.0, lower), upper), "log" if lower == 0.0 and seed % 2 == 0 else "linear"
        parameters.append(Parameter(name, "polynomial", default, lower, upper, scale=scale, fixed=name not in free))
    parameters += [
        Parameter(name, "nuisance", *((1.0, 0.0, 100.0) if name == "norm" else (0.0, -5.0, 5.0)), constrained=name != "norm")
        for name in nuisances
    ]
    joint = join(ParameterSet(tuple(parameters)), channels)
    truth = true_parameters(rng, joint, free, units)
    data = asimov_data(joint, truth) if rng.random() < 0.2 else toy_data(joint, truth, rng, 1).take(0)
    return Case(observing(joint, data), free, units[: len(free)])


def true_parameters(rng: np.random.Generator, joint: Joint, free: Sequence[str], units: np.ndarray) -> np.ndarray:
    """Return the true parameters: half the time the defaults."""
    theta = joint.parameters.defaults()
    moved = bool(rng.random() < 0.5)
    for k, name in enumerate(free):
        parameter = joint.parameters[name]
        value = rng.uniform(-2.0, 2.0) * units[k] if moved else parameter.default
        theta[k] = min(max(value, parameter.lower), parameter.upper)
    return theta


# --- the reference ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """-2 ln lambda of a case as iminuit wants it, couplings in units of their scales."""

    joint: Joint
    bound: BoundLikelihood
    units: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    def theta(self, x: np.ndarray) -> np.ndarray:
        """Return all parameters, shape (1, n)."""
        theta = self.joint.parameters.defaults()
        theta[self.bound.floating] = np.asarray(x) * self.units
        return theta[None]

    def value(self, x: np.ndarray) -> float:
        """Return -2 ln lambda, 1e15 where it is impossible."""
        found = evaluate_problem(self.bound, self.theta(x), np.zeros(1, dtype=np.int64))
        return float(found.value[0]) if not found.impossible[0] and np.isfinite(found.value[0]) else 1e15

    def gradient(self, x: np.ndarray) -> np.ndarray:
        """Return its slope."""
        return evaluate_problem(self.bound, self.theta(x), np.zeros(1, dtype=np.int64)).gradient[0] * self.units

    def minimised(self, x: np.ndarray, strategy: int) -> np.ndarray | None:
        """Return where iminuit ends; None where it breaks down."""
        from iminuit import Minuit

        minuit = Minuit(self.value, x, grad=self.gradient)
        minuit.errordef, minuit.tol, minuit.strategy = 1.0, (1.0, 1e-3)[strategy], strategy
        minuit.limits = list(zip(self.lower, self.upper, strict=True))
        try:
            minuit.migrad(ncall=(500, 5000)[strategy], iterate=1 + strategy)
        except RuntimeError:
            return None
        return self.on_bounds(np.array(minuit.values))

    def on_bounds(self, x: np.ndarray) -> np.ndarray:
        """Return the point with parameters near a limit on it, where that is no worse."""
        for k, ends in enumerate(zip(self.lower, self.upper, strict=True)):
            for end in ends:
                moved = np.where(np.arange(len(x)) == k, end, x)
                if abs(x[k] - end) < 1e-3 and self.value(moved) <= self.value(x) + 1e-6:
                    x = moved
        return x

    def is_isolated(self, x: np.ndarray) -> bool:
        """Return whether a point is a minimum that is curved in all directions, no saddle, and no place where iminuit is stuck at a limit."""
        one = np.zeros(1, dtype=np.int64)
        evaluation = evaluate_problem(self.bound, self.theta(x), one)
        matrix = sum(hessian(self.bound, evaluation, one, one))[0] * self.units * self.units[:, None]
        outward = np.where(x <= self.lower, 1.0, -1.0) * evaluation.gradient[0] * self.units
        free = (x > self.lower) & (x < self.upper)
        curvature = np.diag(matrix)
        flat_or_inward = (outward < -1e-3) | ((np.abs(outward) < 1e-8 * (1 + np.abs(curvature))) & (curvature < 0))
        if np.any(flat_or_inward & ~free):
            return False
        part = matrix[np.ix_(free, free)]
        norm = np.sqrt(np.maximum(np.abs(np.diag(part)), 1e-12))
        return not free.any() or bool(np.linalg.eigvalsh(part / norm / norm[:, None])[0] > 5e-3)


def target(case: Case) -> Target:
    """Return the function that iminuit minimises."""
    joint = case.joint
    floating = np.array([i for i, p in enumerate(joint.parameters) if not p.fixed])
    units = np.ones(len(floating))
    units[: len(case.couplings)] = case.scales
    chosen = [joint.parameters.parameters[i] for i in floating]
    lower, upper = np.array([p.lower for p in chosen]) / units, np.array([p.upper for p in chosen]) / units
    return Target(joint, bind_data(joint, observed_data(joint), floating), units, lower, upper)


def reference_starts(size: int) -> np.ndarray:
    """Return dense starts in units of the scales, shape (S, size)."""
    if size == 1:
        rungs = np.array([0.01, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0, 1.15, 1.3, 1.5, 1.75, 2.0, 2.4, 3.0, 4.0, 6.0, 10.0, 30.0])
        return np.concatenate([rungs, -rungs])[:, None]
    line = np.array([-3.0, -1.6, -0.8, -0.2, 0.1, 0.6, 1.2, 2.5])
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)


def reference_minima(case: Case) -> list[list[float]]:
    """Return -2 ln lambda and the couplings, in units of their scales, of the isolated minima that iminuit reaches, lowest first.

    The first one is the lowest, isolated or not.
    """
    goal, size = target(case), len(case.couplings)
    default = np.array([goal.joint.parameters.parameters[i].default for i in goal.bound.floating]) / goal.units
    starts = np.unique(np.clip(reference_starts(size), goal.lower[:size], goal.upper[:size]), axis=0)
    ends: list[np.ndarray] = []
    for start in starts:
        begin = np.append(start, default[size:])
        end = goal.minimised(begin, 0) if goal.value(begin) < 1e14 else None
        if end is not None and not any(np.all(np.abs(other - end) < 0.02) for other in ends):
            ends.append(end)
    polished = [end for end in (goal.minimised(begin, 1) for begin in sorted(ends, key=goal.value)[:12]) if end is not None]
    polished.sort(key=goal.value)
    found: list[np.ndarray] = []
    for x in polished:
        new = not any(np.all(np.abs(other - x)[:size] < 0.02) for other in found)
        if new and (not found or (goal.is_isolated(x) and goal.value(x) < goal.value(found[0]) + 25.0)):
            found.append(x)
    return [[goal.value(x), *x[:size].tolist()] for x in found]


# --- the comparison -----------------------------------------------------------------------------------------------------------------


def is_known(case: Case, found: Minima, height: float, place: np.ndarray) -> bool:
    """Return whether a minimum is among those found, or -2 ln lambda only falls on some way from it to one of them."""
    joint, size = case.joint, len(case.couplings)
    known = found.theta[:, :size] / case.scales
    if np.any(np.all(np.abs(known - place) < 0.05, axis=1)):
        return True
    steps = np.linspace(0.0, 1.0, 31)[1:-1, None]
    for end in known:
        with np.errstate(divide="ignore", invalid="ignore"):
            ways = [place + (end - place) * steps, place * (end / place) ** steps]
        for way in (way for way in ways if np.isfinite(way).all()):
            fixed = {name: way[:, k] * case.scales[k] for k, name in enumerate(case.couplings)}
            if profile(joint, fixed, start=np.tile(joint.parameters.defaults(), (len(way), 1))).nll2.max() < height + 0.02:
                return True
    return False


def check(case: Case, reference: list[list[float]]) -> None:
    """Compare every way in which minima are looked for with the reference."""
    joint, data = case.joint, observed_data(case.joint)
    lowest = reference[0][0] + 1e-4
    found = minima(joint, data, at={})
    assert found.converged[0]
    assert found.nll2[0] <= lowest
    missed = [entry for entry in reference[1:] if not is_known(case, found, entry[0], np.array(entry[1:]))]
    assert not missed
    assert profile_minima(joint, {}).nll2[0] <= lowest
    assert searched(joint, "x", 2.7, at={}).nll2.min() <= lowest
    asimov = asimov_data(joint, joint.parameters.defaults())
    starts = start_set(observing(joint, asimov), asimov, at={}, truths=())
    assert free_fits(joint, data.batch(), starts, at={})[0][0] <= lowest


@pytest.mark.parametrize("seed", range(0, 200, 40))
def test_every_search_finds_the_stored_minima(seed: int) -> None:
    check(random_case(seed), json.loads(STORED.read_text())[str(seed)])


@pytest.mark.slow
def test_every_search_finds_all_stored_minima() -> None:
    stored = json.loads(STORED.read_text())
    assert sorted(map(int, stored)) == list(range(200))
    for seed, reference in stored.items():
        check(random_case(int(seed)), reference)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::iminuit.util.IMinuitWarning")
@pytest.mark.parametrize("seed", range(3, 200, 25))
def test_every_search_finds_the_minima_of_iminuit(seed: int) -> None:
    case = random_case(seed)
    check(case, reference_minima(case))


def test_the_scale_of_a_coupling_follows_its_unit() -> None:
    ratios = [coupling_scales(case.joint, case.couplings) / case.scales for case in map(random_case, range(0, 60, 3))]
    assert all(np.all((ratio > 0.02) & (ratio < 50.0)) for ratio in ratios)
