"""What planned experiments are expected to exclude and discover, alone and together with existing ones."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from cevnsfit.core.documents import Document, keys_of
from cevnsfit.core.errors import CevnsfitError, DomainError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.core.version import installed_version
from cevnsfit.infer.hypothesis import hypothesis
from cevnsfit.infer.intervals import Intervals
from cevnsfit.infer.runner import Runner
from cevnsfit.infer.sensitivity import DISCOVERY, SIGMAS, Outlook, Sensitivity, outlook, sensitivity
from cevnsfit.infer.toy_limits import toy_bands
from cevnsfit.infer.toys import Toys
from cevnsfit.io.tables import cell, write_rows
from cevnsfit.model.build import SIGNAL
from cevnsfit.report.forecasts import LimitBand, forecast_figure
from cevnsfit.report.style import AxisLabel, save_figure
from cevnsfit.spec.load import Experiment, load_experiment
from cevnsfit.stats.joint import expected
from cevnsfit.studies.fitting import poi_name
from cevnsfit.studies.setup import (
    build,
    caveat,
    check_floating,
    check_model,
    digest_of,
    fix,
    load_experiments,
    own_name,
    require_digest,
    split_path,
)
from cevnsfit.studies.workers import results

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.stats.likelihood import Likelihood

    Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that defines a forecast but for the held parameters, as plain values.

    Attributes
    ----------
    analysis
        The planned experiments, the model, and changes of fields, which act on the planned experiments.
    existing
        Experiments with which they are combined; changes of a systematic that they share act on them too.
    truth
        Parameters of the model that are true, as (name, value); the Standard Model by default.
    observed
        Whether existing experiments enter with their observed counts and not with Asimov data.
    cl, dof
        Confidence level and degrees of freedom of the threshold.
    toys, seed
        Number of pseudo-experiments for the bands, 0 for asymptotic ones, and their seed.
    poi
        The parameter of interest; None for the model's coupling.
    """

    analysis: Analysis
    existing: tuple[str, ...] = ()
    truth: tuple[tuple[str, float], ...] = ()
    observed: bool = False
    cl: float = 0.90
    dof: int = 1
    toys: int = 0
    seed: int = 1
    poi: str | None = None

    @property
    def planned(self) -> Analysis:
        """Return the analysis of the planned experiments, without the changes of existing ones (EXP:path)."""
        existing = set(map(own_name, self.existing))
        own = (pair for pair in self.analysis.overrides if split_path(pair[0])[0] not in existing)
        return replace(self.analysis, overrides=tuple(own))


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """Experiments of one line of a forecast, ready to be given data.

    Attributes
    ----------
    label
        Their names, joined with " + ".
    experiments
        The experiments.
    likelihood
        Their likelihood, before it gets Asimov data.
    real
        Names of those that keep their observed counts.
    """

    label: str
    experiments: tuple[Experiment, ...]
    likelihood: Likelihood
    real: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Forecast(Document):
    """The expected result of one set of experiments at one setting of the held parameters.

    Attributes
    ----------
    label
        The experiments, joined with " + ".
    at
        Held parameters.
    sensitivity
        Limit, bands and discovery reach.
    data
        What the data are.
    events
        Signal counts that the Standard Model expects, by experiment.
    caveat
        What the model leaves out, or an empty string.
    """

    document: ClassVar[Mapping[str, str | None]] = {
        **keys_of(Intervals, "sensitivity.median"),
        **{key: f"sensitivity.{key}" for key in ("limit", "bands_method", "live_bins")},
        "failed_toys": "sensitivity.failed",
        "valid": "sensitivity.valid",
        "bands": "bands",
        "discovery": "discovery",
        "sensitivity": None,
    }

    label: str
    at: Mapping[str, float]
    sensitivity: Sensitivity
    data: str
    events: Mapping[str, float]
    caveat: str

    @property
    def bands(self) -> dict[str, float]:
        """Return the limits at -2 to 2 standard deviations, by these."""
        return by_sigma(self.sensitivity.bands)

    @property
    def discovery(self) -> dict[str, float]:
        """Return the values that are discovered, by the significance in standard deviations."""
        return {f"{z:g}": value for z, value in zip(DISCOVERY, self.sensitivity.discovery, strict=True)}


def by_sigma(limits: Sequence[float]) -> dict[str, float]:
    """Return limits by the standard deviations at which they lie."""
    return {f"{z:+g}" if z else "0": value for z, value in zip(SIGMAS, limits, strict=True)}


def settings(plan: Plan) -> tuple[Setting, ...]:
    """Return the planned experiments alone, and their combination with the existing ones where there are any.

    Raises
    ------
    CevnsfitError
        If experiments or the model cannot be used, or experiments share events.
    """
    check_model(plan.analysis.model)
    planned = load_experiments(plan.planned)
    result = [_setting(plan, planned, ())]
    if plan.existing:
        known = tuple(_existing(name, plan.analysis.overrides) for name in plan.existing)
        real = tuple(e.name for e in known if plan.observed and e.spec.has_data)
        result.append(_setting(plan, (*planned, *known), real))
    return tuple(result)


def _setting(plan: Plan, experiments: tuple[Experiment, ...], real: tuple[str, ...]) -> Setting:
    likelihood = build(plan.analysis, experiments)
    return Setting(" + ".join(e.name for e in experiments), experiments, likelihood, real)


def _existing(name: str, changes: Sequence[tuple[str, str]]) -> Experiment:
    """Return an existing experiment; of the changes its own (EXP:path) and those of its shared systematics act on it."""
    experiment = load_experiment(name)
    shared = {f"systematics.{key}" for key, systematic in experiment.spec.systematics.items() if systematic.shared}
    asked = [(*split_path(path), value) for path, value in changes]
    here = {
        path: value for scope, path, value in asked if scope == experiment.name or (not scope and ".".join(path.split(".")[:2]) in shared)
    }
    return load_experiment(name, here) if here else experiment


def asimov_and_real(plan: Plan, setting: Setting, at: Mapping[str, float]) -> tuple[Likelihood, Likelihood]:
    """Return the likelihood with Asimov data in all experiments, and the one in which some keep their observed counts.

    Nonlinear parameters among `at` are true as they are held unless the truth says otherwise.
    """
    shapes = {name: value for name, value in at.items() if setting.likelihood.parameters[name].kind == "nonlinear"}
    truth = {**shapes, **dict(plan.truth)}
    nuisances = [name for name in truth if setting.likelihood.parameters[name].kind == "nuisance"]
    if nuisances:
        message = f"{nuisances[0]} is a systematic; the truth is given by parameters of the model"
        raise CevnsfitError(message)
    asimov = setting.likelihood.with_data("asimov", truth)
    return asimov, setting.likelihood.with_data("asimov", truth, keep=setting.real) if setting.real else asimov


def outlook_at(plan: Plan, setting: Setting, at: Mapping[str, float]) -> Outlook:
    """Return the true value on Asimov and on real data at the held parameters.

    Raises
    ------
    CevnsfitError
        If a mass is not held, or there is no parameter of interest.
    """
    missing = [p.name for p in setting.likelihood.nonlinear if not p.fixed and p.name not in at]
    if missing:
        message = f"{', '.join(missing)} must be held: add --at {missing[0]}=VALUE"
        raise CevnsfitError(message)
    fix(setting.likelihood, at)
    asimov, real = asimov_and_real(plan, setting, at)
    joint, held = fix(asimov, at)
    poi = poi_name(joint, plan.poi, at)
    check_floating(plan.analysis.floating, at, (poi,))
    truth = dict(plan.truth).get(poi, joint.parameters[poi].default)
    fluctuating = tuple(e.name for e in setting.experiments if e.name not in setting.real)
    test = hypothesis(joint, poi, truth, at=held)
    other = test if real is asimov else hypothesis(fix(real, at)[0], poi, truth, at=held)
    return outlook(test, other, fluctuating, cl=plan.cl, dof=plan.dof)


@on_one_thread
def forecast(
    plan: Plan, at: Mapping[str, float], prepared: Sequence[Setting] | None = None, executor: Executor | None = None
) -> tuple[Forecast, ...]:
    """Return the forecast of the planned experiments alone and, where there are existing ones, of the combination.

    Parameters
    ----------
    plan
        What is planned.
    at
        Held parameters; a mass must be among them when the model has one.
    prepared
        From `settings`, to build the likelihoods once for many calls.
    executor
        Where pseudo-experiments are generated; this process by default. The numbers do not depend on it.
    """
    if plan.toys < 0:
        message = f"toys = {plan.toys} must not be negative"
        raise DomainError(message)
    result = []
    for setting in settings(plan) if prepared is None else prepared:
        here = outlook_at(plan, setting, at)
        found = sensitivity(here)
        if plan.toys > 0:
            found = toy_bands(here, found, Toys(plan.toys, plan.seed), Runner(executor))
        result.append(Forecast(setting.label, dict(at), found, statement(plan, setting), events(setting), caveat(plan.planned.holding(at))))
    return tuple(result)


@on_one_thread
def forecast_curve(
    plan: Plan,
    name: str,
    values: NDArray[np.float64],
    at: Mapping[str, float],
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> tuple[tuple[Forecast, ...], ...]:
    """Return the forecasts at each value of a held parameter, for example of the mass.

    Parameters
    ----------
    plan
        What is planned.
    name, values
        The parameter and its values, shape (n,).
    at
        Other held parameters.
    progress
        Called with (finished, all).
    executor
        Where the values are computed; this process by default. The numbers do not depend on it.
    """
    places = [{**at, name: float(value)} for value in values]
    prepared = settings(plan)
    if executor is not None:
        digest = digest_of(prepared[-1].experiments)
        return tuple(results(executor, forecast_task, [(plan, place, digest) for place in places], progress))
    return tuple(results(None, forecast, [(plan, place, prepared) for place in places], progress))


def forecast_task(plan: Plan, at: Mapping[str, float], digest: str) -> tuple[Forecast, ...]:
    """Return a forecast in a worker process, which builds the likelihoods once; `digest` is that of the experiments."""
    return forecast(plan, at, _prepared(plan, digest))


@functools.lru_cache(maxsize=2)
def _prepared(plan: Plan, digest: str) -> tuple[Setting, ...]:
    prepared = settings(plan)
    require_digest(prepared[-1].experiments, digest)
    return prepared


def statement(plan: Plan, setting: Setting) -> str:
    """Return what the data of a forecast are."""
    truth = ", ".join(f"{name} = {value:g}" for name, value in plan.truth)
    where = f"at {truth}" if truth else "of the Standard Model"
    asimov = [e.name for e in setting.experiments if e.name not in setting.real]
    text = f"Asimov data {where} for {', '.join(asimov)}"
    return f"{text}; observed data of {', '.join(setting.real)}" if setting.real else text


def events(setting: Setting) -> dict[str, float]:
    """Return the signal counts that the Standard Model expects in each experiment."""
    joint = setting.likelihood.at({})
    counts = expected(joint, joint.parameters.defaults())
    return {name: float(components.get(SIGNAL, np.zeros(1)).sum()) for name, components in counts.items()}


# --- output ------------------------------------------------------------------------------------------------------------------------


def write_forecast(curve: Sequence[Sequence[Forecast]], x: AxisLabel, path: Path) -> Path:
    """Write limits, bands and discovery reach against one parameter as CSV, and return the path; an empty cell means that there is none.

    Parameters
    ----------
    curve
        From `forecast_curve`.
    x
        The parameter and its unit.
    path
        The file.
    """
    first = curve[0][0]
    poi = first.sensitivity.median.poi
    bands = [f"{poi}_{'minus' if z < 0 else 'plus'}_{abs(z):g}_sigma [1]" for z in SIGMAS if z != 0.0]
    headers = ["label", f"{x.name} [{x.unit}]", f"{poi}_limit [1]", *bands, *(f"{poi}_discovery_{z:g}_sigma [1]" for z in DISCOVERY)]
    rows = []
    for point in curve:
        for entry in point:
            found = entry.sensitivity
            spread = [value for z, value in zip(SIGMAS, found.bands, strict=True) if z != 0.0]
            rows.append([entry.label, f"{entry.at[x.name]:.10g}", *map(cell, [found.limit, *spread, *found.discovery])])
    return write_rows(path, _comments(curve), headers, rows)


def _comments(curve: Sequence[Sequence[Forecast]]) -> list[str]:
    median = curve[0][0].sensitivity.median
    return [
        f"expected limits at {median.cl:g} CL, {median.dof} dof, {median.method}",
        f"bands: {curve[0][0].sensitivity.bands_method}",
        *(f"{entry.label}: {entry.data}" for entry in curve[0]),
        *(f"caveat: {text}" for text in {entry.caveat for entry in curve[0] if entry.caveat}),
        f"cevnsfit {installed_version()}",
    ]


def write_forecast_plot(curve: Sequence[Sequence[Forecast]], x: AxisLabel, y: AxisLabel, model: str, path: Path) -> Path:
    """Write the picture of limits against one parameter, see `curve_picture`."""
    return save_figure(curve_picture(curve, x, y, model), path)


def curve_picture(curve: Sequence[Sequence[Forecast]], x: AxisLabel, y: AxisLabel, model: str, ax: Axes | None = None) -> Figure:
    """Return limits with bands against one parameter; `x` and `y` are the parameter and the limit."""
    values = np.array([point[0].at[x.name] for point in curve])
    lines = []
    for position, entry in enumerate(curve[0]):
        found = [point[position].sensitivity for point in curve]
        lines.append(
            LimitBand(
                entry.label,
                values,
                np.array([f.limit for f in found]),
                np.array([f.bands for f in found]),
                np.array([f.discovery for f in found]),
            )
        )
    notes = [*_comments(curve)[:-1]]
    return forecast_figure(lines, x, y, discovery=DISCOVERY, model=model, notes=notes, ax=ax)
