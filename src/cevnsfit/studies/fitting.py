"""The best fit of an analysis with what people read from it: counts, errors, significance."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from cevnsfit.core.documents import Document
from cevnsfit.core.errors import CevnsfitError, NoDataError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.infer.fit import fit
from cevnsfit.infer.profile import profile
from cevnsfit.model.build import SIGNAL
from cevnsfit.stats.joint import Joint, join, measured_backgrounds
from cevnsfit.studies.possible import require_possible
from cevnsfit.studies.pseudo import Pseudo, data_text
from cevnsfit.studies.rates import Rates, counts_at
from cevnsfit.studies.setup import asked_to_float, build, caveat, check_floating, fix, load_experiments

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.infer.results import FitResult
    from cevnsfit.spec.load import Experiment
    from cevnsfit.stats.likelihood import Likelihood


ALL: Final = "all"
"""Name that stands for all parameters that float."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FitSummary(Document):
    """A fit and what follows from it.

    Attributes
    ----------
    fit
        The best fit.
    counts
        Expected and observed counts of each experiment at the best fit.
    significance
        sqrt(-2 ln lambda refitted without the signal minus that of the best fit), negative for a deficit: counts of the signal below 0; NaN when the refit fails, infinite where nothing but the
        signal makes the data.
    caveat
        What the prediction leaves out.
    data
        Which data were fitted, in words.
    delta_nll2_sm
        -2 ln lambda of the Standard Model (couplings at their defaults, everything else profiled or held) minus that of the best fit; NaN for a
        model without couplings.
    """

    document: ClassVar[Mapping[str, str | None]] = {
        **{key: f"fit.{key}" for key in ("valid", "reason", "nll2", "ndof", "correlation", "on_edge", "at_domain_end")},
        **{key: key for key in ("parameters", "held", "expected", "observed")},
        **dict.fromkeys(("significance", "signal_significance"), "significance"),
        "fit": None,
        "counts": None,
    }

    fit: FitResult
    counts: tuple[Rates, ...]
    significance: float
    caveat: str = ""
    data: str = "observed"
    delta_nll2_sm: float = math.nan

    @property
    def parameters(self) -> dict[str, dict[str, float]]:
        """Return value, error, and both ends of the interval of every floating parameter; NaN where these were not asked for."""
        best = self.fit
        columns = {"value": best.values, "error": best.errors, "lower": best.lower, "upper": best.upper}
        return {name: {key: values.get(name, math.nan) for key, values in columns.items()} for name in best.floating}

    @property
    def held(self) -> dict[str, float]:
        """Return the parameters that did not float."""
        return {name: value for name, value in self.fit.values.items() if name not in self.fit.floating}

    @property
    def expected(self) -> dict[str, dict[str, float]]:
        """Return the counts of each component of each experiment at the best fit."""
        return {entry.experiment: entry.totals for entry in self.counts}

    @property
    def observed(self) -> dict[str, float | None]:
        """Return the counts that each experiment observed; Asimov counts are not whole."""
        found = {entry.experiment: None if entry.observed is None else float(entry.observed.sum()) for entry in self.counts}
        return {name: int(total) if total is not None and total.is_integer() else total for name, total in found.items()}


@on_one_thread
def run_fit(
    analysis: Analysis, *, at: Mapping[str, float] | None = None, pseudo: Pseudo | None = None, minos: Collection[str] | None = None
) -> FitSummary:
    """Return the best fit of an analysis to its data.

    Parameters
    ----------
    analysis
        What to fit.
    at
        Held parameters; those of the analysis by default.
    pseudo
        Asimov data or a pseudo-experiment in the place of the observed data. A held parameter that rebuilds templates, such as a mass, is true
        as it is held unless the truth says otherwise.
    minos
        Names that get profile errors, `ALL` for all that float; by default those that are no nuisances.

    Raises
    ------
    NoDataError
        If an experiment is a projection without data, and there are no pseudo-data.
    UnknownNameError, DomainError
        If a held parameter is unknown or outside its domain.
    """
    chosen = analysis.holding(at)
    experiments = load_experiments(chosen)
    if pseudo is None:
        require_data(experiments)
    likelihood, held = build(chosen, experiments, fitted=pseudo is None), chosen.held
    check_floating(chosen.floating, held)
    fix(likelihood, held)
    if pseudo is not None:
        nonlinear = {name: value for name, value in held.items() if name in likelihood.nonlinear}
        pseudo = dataclasses.replace(pseudo, truth={**nonlinear, **pseudo.truth})
        likelihood = likelihood.with_data("asimov" if pseudo.seed is None else "toy", pseudo.truth, seed=pseudo.seed)
    result = fit(likelihood, at=held, minos=likelihood.names if minos is not None and ALL in minos else minos)
    joint, others = fix(likelihood, {name: result.values[name] for name in likelihood.nonlinear.names} | held)
    counts, significance = best_counts(experiments, likelihood, result), _significance(joint, result, others)
    signal = sum(float(values.sum()) for entry in counts for name, values in entry.components.items() if name == SIGNAL)
    significance = -significance if signal < 0.0 else significance
    return FitSummary(result, counts, significance, caveat(chosen), data_text(pseudo), _above_standard(joint, result, others))


def require_data(experiments: Sequence[Experiment]) -> None:
    """Raise NoDataError if one of the experiments has no observed counts."""
    require_observed([experiment.name for experiment in experiments if not experiment.spec.has_data])


def require_observed(missing: Sequence[str]) -> None:
    """Raise NoDataError if there are experiments without observed counts, named `missing`."""
    if missing:
        message = f"{', '.join(missing)}: no observed counts to fit; use `cevnsfit forecast` for projections"
        raise NoDataError(message)


def best_counts(experiments: Sequence[Experiment], likelihood: Likelihood, result: FitResult) -> tuple[Rates, ...]:
    """Return the counts of each experiment at the best fit."""
    joint, _ = fix(likelihood, {name: result.values[name] for name in likelihood.nonlinear.names})
    theta = np.array([result.values[name] for name in joint.parameters.names])
    measured = measured_backgrounds(joint, theta)
    return tuple(counts_at(experiment, joint, theta, background) for experiment, background in zip(experiments, measured, strict=True))


def without_signal(joint: Joint) -> Joint:
    """Return the likelihood with the signal's templates set to zero."""
    channels = []
    for channel in joint.channels:
        keep = np.array([component != SIGNAL for component in channel.components])
        channels.append(dataclasses.replace(channel, templates=channel.templates * keep[:, None]))
    return join(joint.parameters, tuple(channels))


def _significance(joint: Joint, result: FitResult, at: Mapping[str, float]) -> float:
    background = profile(without_signal(joint), {name: np.array([value]) for name, value in at.items()})
    if not background.converged[0]:
        return math.inf if math.isinf(background.nll2[0]) else math.nan
    return math.sqrt(max(float(background.nll2[0]) - result.nll2, 0.0))


def _above_standard(joint: Joint, result: FitResult, at: Mapping[str, float]) -> float:
    """Return -2 ln lambda with the couplings at their defaults minus that of the best fit, NaN without couplings or a valid minimum."""
    couplings = {p.name: p.default for p in joint.parameters.of_kind("polynomial")}
    standard = profile(joint, {name: np.array([value]) for name, value in {**at, **couplings}.items()})
    return float(standard.nll2[0]) - result.nll2 if couplings and standard.converged[0] else math.nan


def nonlinear_in_question(likelihood: Likelihood, at: Mapping[str, float], poi: str | None) -> list[str]:
    """Return the nonlinear parameters among the parameter of interest and those that were asked to float; the first is that of interest if it is one.

    A model without couplings is asked for its only parameter.
    """
    only = [p for p in likelihood.parameters if p.kind != "nuisance" and p.name not in at]
    if poi is None and len(only) == 1 and only[0].kind == "nonlinear":
        poi = only[0].name
    _require_free(poi, at)
    names = [*([] if poi is None else [poi]), *(name for name in asked_to_float(likelihood) if name != poi)]
    return [name for name in names if name in likelihood.nonlinear]


def prepared(
    likelihood: Likelihood, at: Mapping[str, float] | None, taken: Collection[str] = (), *, released: Collection[str] = ()
) -> tuple[Joint, dict[str, float]]:
    """Return the likelihood at its held nonlinear parameters, with data, and the other held values.

    Parameters
    ----------
    likelihood, at
        The likelihood, and what is held.
    taken
        Parameters of interest.
    released
        Nonlinear parameters that need not be held.

    Raises
    ------
    NoDataError
        If an experiment is a projection without data.
    CevnsfitError
        If a nonlinear parameter is not held, or a parameter should float that is.
    FitError
        If the model cannot make the data.
    UnknownNameError, DomainError
        If a held parameter is unknown or outside its domain.
    """
    held = {} if at is None else dict(at)
    check_floating(asked_to_float(likelihood), held, taken)
    require_nonlinear(likelihood, [*held, *released])
    joint, values = fix(likelihood, held)
    require_observed([channel.name for channel in joint.channels if channel.observed is None])
    require_possible(joint, likelihood.axes)
    return joint, values


def poi_name(joint: Joint, poi: str | None, at: Mapping[str, float]) -> str:
    """Return the parameter of interest: the named one, or the first polynomial one that is not held.

    Raises
    ------
    CevnsfitError
        If the model has none, or the named one is held.
    """
    if poi is not None:
        _require_free(poi, at)
        joint.parameters.index(poi)
        return poi
    names = [p.name for p in joint.parameters if p.kind == "polynomial" and p.name not in at]
    if not names:
        message = "this model has no coupling to constrain; choose one with --poi"
        raise CevnsfitError(message)
    return names[0]


def _require_free(poi: str | None, at: Collection[str]) -> None:
    if poi in at:
        message = f"{poi} is both held (--at) and the parameter of interest"
        raise CevnsfitError(message)


def asked_parameter(joint: Joint, poi: str | None, nonlinear: Sequence[str], at: Mapping[str, float]) -> str:
    """Return the parameter of interest of a model, of any kind, given the nonlinear ones in question; see `poi_name`."""
    if poi is None and nonlinear and not joint.parameters.of_kind("polynomial").names:
        return nonlinear[0]
    return poi if poi is not None and poi in nonlinear else poi_name(joint, poi, at)


def unheld(likelihood: Likelihood, at: Collection[str]) -> list[str]:
    """Return the nonlinear parameters of the model that float and are not held."""
    return [p.name for p in likelihood.nonlinear if not p.fixed and p.name not in at]


def require_nonlinear(likelihood: Likelihood, at: Collection[str]) -> None:
    """Raise CevnsfitError unless every nonlinear parameter of the model (a mass) is held, or asked for."""
    for name in at:
        likelihood.parameters.index(name)
    missing = unheld(likelihood, at)
    if missing:
        message = f"{', '.join(missing)} must be held for intervals at one value: add --at {missing[0]}=VALUE"
        raise CevnsfitError(message)


@dataclass(frozen=True, slots=True)
class SignalStrength:
    """How one experiment, or a combination, sits with the Standard Model.

    Attributes
    ----------
    label
        The experiments.
    observed, expected
        Counts in all bins, and those of the Standard Model at nominal nuisances.
    strength, error
        Signal strength and its error, backgrounds profiled and the signal's systematics held.
    nll2, ndof
        Goodness of fit at the best strength: -2 ln lambda against the saturated model.
    pull
        Signed square root of -2 ln lambda(Standard Model) minus the minimum over the strength, every systematic profiled.
    """

    label: str
    observed: float
    expected: float
    strength: float
    error: float
    nll2: float
    ndof: int
    pull: float


@on_one_thread
def signal_strength(analysis: Analysis, experiments: Sequence[Experiment]) -> SignalStrength:
    """Return how the experiments of an analysis (given loaded), taken together, sit with the Standard Model; its model is not used."""
    require_data(experiments)
    strength = dataclasses.replace(analysis, model="signal-strength", signal_systematics=None, electrons=False, floating=())
    held = build(strength, experiments)
    measured = fit(held, minos=())
    joint = build(dataclasses.replace(strength, signal_systematics="profile"), experiments).at({})
    name = "signal_strength"
    standard = profile(joint, {name: np.ones(1)})
    free = fit(joint, minos=())
    distance = max(float(standard.nll2[0]) - free.nll2, 0.0)
    nominal = [counts_at(experiment, joint, joint.parameters.defaults(), None) for experiment in experiments]
    return SignalStrength(
        label=" + ".join(experiment.name for experiment in experiments),
        observed=float(sum(entry.observed.sum() for entry in nominal if entry.observed is not None)),
        expected=float(sum(entry.total.sum() for entry in nominal)),
        strength=measured.values[name],
        error=measured.errors[name],
        nll2=measured.nll2,
        ndof=measured.ndof,
        pull=math.copysign(math.sqrt(distance), free.values[name] - 1.0),
    )
