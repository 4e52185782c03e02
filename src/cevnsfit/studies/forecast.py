"""What experiments are expected to exclude and to discover."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, overload

import numpy as np

from cevnsfit.core.documents import Result, in_common, keys_of, notes_of_all
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.infer.critical import ordered
from cevnsfit.infer.intervals import Intervals, Level
from cevnsfit.infer.runner import Call, Runner, every
from cevnsfit.infer.sensitivity import DISCOVERY, Sensitivity, sensitivity, toy_bands
from cevnsfit.infer.toys import Toys
from cevnsfit.io.tables import cell, write_rows
from cevnsfit.report.forecasts import LimitBand, expected_figure, forecast_figure
from cevnsfit.report.style import SCREEN, AxisLabel, Look
from cevnsfit.report.tables import Sheet, format_intervals
from cevnsfit.spec.load import load_experiment
from cevnsfit.studies.asimov import asked_outlook, by_sigma, events, limit_cells, limit_headers, limit_text, limit_texts, statement
from cevnsfit.studies.setup import changes_of, own_name, split_path, units_of
from cevnsfit.studies.verbs import verb
from cevnsfit.studies.whatif import WhatIf, what_if
from cevnsfit.studies.workers import executing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.stats.likelihood import Likelihood
    from cevnsfit.studies.workers import Progress, Workers

    Values = Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Forecast(Result):
    """The expected result of experiments at one setting of the held parameters.

    Attributes
    ----------
    at
        Held parameters.
    data
        What the data are.
    events
        Signal counts that the Standard Model expects, by experiment.
    sensitivity
        Limit, bands and discovery reach.
    """

    document: ClassVar[Mapping[str, str | None]] = {
        "label": "about.label",
        **keys_of(Intervals, "sensitivity.median"),
        **{key: f"about.{key}" for key in ("experiments", "model", "lagrangian", "caveat")},
        **{key: f"sensitivity.{key}" for key in ("limit", "bands_method", "live_bins", "valid")},
        "failed_toys": "sensitivity.failed",
        "bands": "bands",
        "discovery": "discovery",
        "sensitivity": None,
    }

    at: Mapping[str, float]
    data: str
    events: Mapping[str, float]
    sensitivity: Sensitivity

    @property
    def bands(self) -> dict[str, float]:
        """Return the limits at -2 to 2 standard deviations, by these."""
        return by_sigma(self.sensitivity.bands)

    @property
    def discovery(self) -> dict[str, float]:
        """Return the values that are discovered, by the significance in standard deviations."""
        return {f"{z:g}": value for z, value in zip(DISCOVERY, self.sensitivity.discovery, strict=True)}


@overload
def forecast(
    likelihood: Likelihood, poi: str | None = ..., *, at: Values | None = ..., true: Values | None = ..., observed: Sequence[str] = ...,
    cl: float = ..., dof: int = ..., method: str = ..., toys: Toys | None = ..., vary: None = ..., workers: Workers = ..., progress: Progress | None = ...,
) -> Forecast: ...  # fmt: skip


@overload
def forecast(
    likelihood: Likelihood, poi: str | None = ..., *, at: Values | None = ..., true: Values | None = ..., observed: Sequence[str] = ...,
    cl: float = ..., dof: int = ..., method: str = ..., toys: Toys | None = ..., vary: Mapping[str, ArrayLike], workers: Workers = ..., progress: Progress | None = ...,
) -> WhatIf: ...  # fmt: skip


@verb
def forecast(  # noqa: PLR0913 (workers and progress say where, not what)
    likelihood: Likelihood,
    poi: str | None = None,
    *,
    at: Values | None = None,
    true: Values | None = None,
    observed: Sequence[str] = (),
    cl: float = 0.90,
    dof: int = 1,
    method: str = "profile",
    toys: Toys | None = None,
    vary: Mapping[str, ArrayLike] | None = None,
    workers: Workers = None,
    progress: Progress | None = None,
) -> Forecast | WhatIf:
    """Return the expected limit with its bands and the discovery reach; with `vary` a table of limits against fields of the experiments.

    Parameters
    ----------
    likelihood
        Of all experiments, planned and existing ones.
    poi
        The parameter; by default the first coupling of the model that is not held.
    at
        Held parameters; a mass must be among them. The true value of a nonlinear one is the held value, unless `true` says otherwise.
    true
        True values of parameters of the model; the Standard Model by default.
    observed
        Experiments that keep their observed counts; all others have Asimov data.
    cl, dof, workers, progress
        As for `intervals`.
    method
        "profile", or "feldman-cousins": then the toys are those of each critical value and those of the bands, 512 by default.
    toys
        Number and seed of pseudo-experiments for the bands, which are asymptotic by default.
    vary
        Values of fields of experiment.yaml by dotted path, in all combinations: in the experiments that have the field, or in some of
        them ("EXP:path", "EXP,EXP:path"). The files are read again: a likelihood that was built by hand has none.

    Raises
    ------
    CevnsfitError
        If the question does not suit the model, or a field cannot be varied.

    References
    ----------
    Cowan, Cranmer, Gross and Vitells, Eur. Phys. J. C 71 (2011) 1554, sections 3.2 and 4.

    Examples
    --------
    >>> import cevnsfit as cf
    >>> likelihood = cf.build_likelihood("ccm-200", model="lmu-ltau")
    >>> round(cf.forecast(likelihood, "g", at={"mass": 30.0}).sensitivity.limit, 5)
    0.00144
    >>> table = cf.forecast(likelihood, "g", at={"mass": 30.0}, vary={"source.exposure_pot": [1e22, 1e23]})
    >>> [round(row.limit, 5) for row in table.rows]
    [0.0016, 0.00137]
    """
    held, truth, level = {} if at is None else dict(at), {} if true is None else dict(true), Level(cl, dof)
    expect = functools.partial(asked_outlook, poi=poi, at=held, true=truth, observed=tuple(observed), level=level)
    data = statement(likelihood, truth, observed)
    by_order = asked_method(method, dof)
    with executing(workers) as executor:
        if vary is not None:
            if toys is not None or by_order:
                message = "the bands of a what-if table are asymptotic: it takes no pseudo-experiments"
                raise CevnsfitError(message)
            fields, rows, name = what_if(likelihood, vary, expect, executor, progress)
            return WhatIf(data, fields, rows, name, cl, dof, held)
        here, run = expect(likelihood), Runner(executor, progress=progress)
        if by_order:
            return Forecast(held, data, events(likelihood), ordered(here, Toys(512) if toys is None else toys, run))
        found = sensitivity(here)
        if toys is not None:
            found = toy_bands(here, found, toys, run)
    return Forecast(held, data, events(likelihood), found)


def asked_method(method: str, dof: int) -> bool:
    """Return whether limits are those of Feldman and Cousins; CevnsfitError for an unknown method, or one that does not suit the degrees of freedom."""
    if method not in {"profile", "feldman-cousins"}:
        message = f"unknown method '{method}'; known: profile, feldman-cousins"
        raise CevnsfitError(message)
    if method == "feldman-cousins" and dof != 1:
        message = f"Feldman-Cousins limits of one parameter have no other degrees of freedom than 1, got {dof}"
        raise CevnsfitError(message)
    return method == "feldman-cousins"


def forecast_curve(
    lines: Sequence[Callable[..., Forecast]],
    places: Sequence[Mapping[str, float]],
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> tuple[tuple[Forecast, ...], ...]:
    """Return the forecasts of each line, `forecast` of a likelihood with everything given but `at`, at each place, held parameters."""
    calls = [Call(functools.partial(line, at=place), ()) for place in places for line in lines]
    found = Runner(executor, progress=progress)(every(calls))
    return tuple(tuple(found[k : k + len(lines)]) for k in range(0, len(found), len(lines)))


# --- planned experiments and existing ones ---------------------------------------------------------------------------------------------


def planned_alone(planned: Analysis, existing: Sequence[str]) -> Analysis:
    """Return the analysis of planned experiments without the changes of existing ones (EXP:path)."""
    names = set(map(own_name, existing))
    return replace(planned, overrides=tuple(pair for pair in planned.overrides if split_path(pair[0])[0] not in names))


def combined(planned: Analysis, existing: Sequence[str]) -> Analysis:
    """Return the analysis of planned and existing experiments; a change acts where `acting` says."""
    overrides = tuple((acting(path, planned, existing), text) for path, text in planned.overrides)
    return replace(planned, experiments=(*planned.experiments, *existing), overrides=overrides)


def acting(path: str, planned: Analysis, existing: Sequence[str]) -> str:
    """Return the path of a change with the experiments on which it acts, unless it names them.

    These are the planned ones that have the field, and the existing ones that share the systematic.
    """
    if not existing or split_path(path)[0]:
        return path
    alone = planned_alone(planned, existing)
    changed = zip(alone.experiments, changes_of(replace(alone, overrides=(*alone.overrides, (path, "null")))), strict=True)
    (part, name), known = (*path.split("."), "")[:2], {own_name(name): load_experiment(name).spec.systematics for name in existing}
    shared = [experiment for experiment, found in known.items() if part == "systematics" and name in found and found[name].shared]
    return f"{','.join([*(own_name(name) for name, fields in changed if path in fields), *shared])}:{path}"


# --- output ------------------------------------------------------------------------------------------------------------------------


def write_forecast(several: Sequence[Forecast], name: str, path: Path) -> Path:
    """Write limits, bands and discovery reach against a held parameter as CSV, and return the path; an empty cell means that there is none."""
    poi = several[0].sensitivity.median.poi
    headers = ["label", f"{name} [{_unit(several, name)}]", *limit_headers(poi), *(f"{poi}_discovery_{z:g}_sigma [1]" for z in DISCOVERY)]
    rows = [[entry.about.label, f"{entry.at[name]:.10g}", *_cells(entry.sensitivity)] for entry in several]
    return write_rows(path, [*_comments(several), *notes_of_all([entry.about for entry in several])], headers, rows)


def _unit(several: Sequence[Forecast], name: str) -> str:
    return units_of(several[0].about.model).get(name, "1")


def _cells(found: Sensitivity) -> list[str]:
    return [*limit_cells(found.limit, found.bands), *map(cell, found.discovery)]


def _comments(several: Sequence[Forecast]) -> list[str]:
    first = several[0].sensitivity
    return [
        f"expected limits at {first.median.cl:g} CL, {first.median.dof} dof, {first.median.method}",
        f"bands: {first.bands_method}",
        *(f"{line[0].about.label}: {line[0].data}" for line in lines_of(several)),
    ]


def varied(several: Sequence[Forecast]) -> str:
    """Return the held parameter of which forecasts have several values; empty if there is none."""
    return next((name for name in several[0].at if len({one.at.get(name) for one in several}) > 1), "")


def lines_of(several: Sequence[Forecast]) -> list[list[Forecast]]:
    """Return the forecasts of each set of experiments."""
    lines: dict[str, list[Forecast]] = {}
    for one in several:
        lines.setdefault(one.about.label, []).append(one)
    return [*lines.values()]


def _text(result: Forecast) -> Iterator[str | Sheet]:
    """Yield the expected limit with its bands, and the discovery reach."""
    found = result.sensitivity
    poi, (low2, low1, _, high1, high2) = found.median.poi, found.bands
    reach = ", ".join(f"{limit_text(value)} at {sigma:g} sigma" for sigma, value in zip(DISCOVERY, found.discovery, strict=True))
    counts = ", ".join(f"{count:.1f} ({name})" for name, count in result.events.items())
    yield f"{result.about.label}: {poi} at {100 * found.median.cl:g} % CL, {found.median.dof} dof, {found.median.method}"
    yield f"  {result.data}; {counts} signal events of the Standard Model, {found.live_bins} bins"
    yield f"  median limit: {limit_text(found.limit)}, 68 % [{limit_text(low1)}, {limit_text(high1)}], 95 % [{limit_text(low2)}, {limit_text(high2)}]"
    yield f"  bands: {found.bands_method}{f', {found.failed} failed' if found.failed else ''}"
    yield f"  allowed:  {format_intervals(found.median.allowed)}"
    yield f"  excluded: {format_intervals(found.median.excluded)}"
    yield f"  discovery: {reach}"


def texts(several: Sequence[Forecast]) -> Iterator[str | Sheet]:
    """Yield expected limits at each value of a held parameter, a table for each set of experiments; one after the other if all values are the same."""
    name = varied(several)
    if not name:
        for one in several:
            yield from _text(one)
        return
    headers = (
        f"{name} [{_unit(several, name)}]",
        "median",
        "68 %",
        "95 %",
        *(f"discovery at {z:g} sigma" for z in DISCOVERY),
    )
    for line in lines_of(several):
        first, median = line[0], line[0].sensitivity.median
        rows = [
            (f"{one.at[name]:.4g}", *limit_texts(one.sensitivity.limit, one.sensitivity.bands), *map(limit_text, one.sensitivity.discovery))
            for one in line
        ]
        yield Sheet(f"{first.about.label}: limit on {median.poi} at {100 * median.cl:g} % CL, {median.dof} dof", headers, rows)
        yield f"{first.data}; bands: {first.sensitivity.bands_method}"


def forecast_picture(several: Sequence[Forecast], ax: Axes | None = None, look: Look = SCREEN) -> Figure:
    """Return limits with bands against a held parameter that has several values; as bars if there is none."""
    name, poi = varied(several), several[0].sensitivity.median.poi
    look = look.naming(*(one.about for one in several))
    bands = []
    for line in lines_of(several):
        numbers = [(one.at.get(name, 0.0), one.sensitivity.limit, one.sensitivity.bands, one.sensitivity.discovery) for one in line]
        bands.append(LimitBand(look.joined(line[0].about.experiments), *map(np.array, zip(*numbers, strict=True))))
    first = several[0]
    model = look.headline(replace(in_common([one.about for one in several])[0], experiments=()))
    notes = [text for text in (model, first.about.lagrangian, *_comments(several)) if text]
    if not name:
        return expected_figure(bands, poi, discovery=DISCOVERY, notes=notes, look=look, ax=ax)
    x, y = AxisLabel(name, _unit(several, name)), AxisLabel(poi, "1")
    look = look.titled(look.name(first.about.model))
    return forecast_figure(bands, x, y, discovery=DISCOVERY, notes=notes, look=look, ax=ax)
