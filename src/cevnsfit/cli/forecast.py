"""`cevnsfit forecast`: what planned experiments are expected to exclude and discover."""

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from cevnsfit.cli.command import command, option
from cevnsfit.cli.options import (
    GRID,
    AnalysisOptions,
    LevelOptions,
    PoiOption,
    WorkerOptions,
    assignments,
    experiments_known,
    levels_at,
)
from cevnsfit.cli.output import Answer, lost, progress, table
from cevnsfit.core.documents import plain, write_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Executor

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.studies.forecast import Forecast
    from cevnsfit.studies.whatif import WhatIf

_MASSES: Final = "mass=1:1000:13:log"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastOptions:
    """What is true, what the planned experiments are combined with, what is varied, and where it is written."""

    truth: Annotated[
        list[str] | None, option("--true", "Model parameter that is true, else the Standard Model; repeatable.", "NAME=VALUE")
    ] = None
    existing: Annotated[
        list[str] | None, option("--with", "Existing experiment to combine with; repeatable.", "EXP", experiments_known)
    ] = None
    observed: Annotated[bool, option("--observed", "Observed data for the experiments of --with, not Asimov data.")] = False
    grid: Annotated[str | None, option("--grid", f"Values of a parameter that is not held; {_MASSES}.", GRID)] = None
    vary: Annotated[list[str] | None, option("--vary", "Scan a field of experiment.yaml; repeatable.", "PATH=START:STOP:COUNT[:log]")] = (
        None
    )
    poi: PoiOption = None
    toys: Annotated[int, option("--toys", "Bands from N toys; 0 for asymptotic ones.", "N")] = 0
    seed: Annotated[int, option("--seed", "Seed of the toys.")] = 1
    folder: Annotated[Path | None, option("--output -o", "Folder for table, JSON and picture.", "DIR")] = None

    def lines(self, planned: "Analysis", level: LevelOptions) -> "list[functools.partial[Any]]":
        """Return `forecast` with everything given but what is held: of the planned experiments alone, and together with existing ones."""
        from cevnsfit.infer.toys import Toys
        from cevnsfit.studies.forecast import combined, forecast, planned_alone
        from cevnsfit.studies.setup import build, own_name

        toys = None if self.toys == 0 else Toys(self.toys, self.seed)
        ask = functools.partial(forecast, poi=self.poi, true=assignments(self.truth, planned.model), cl=level.cl, dof=level.dof, toys=toys)
        lines: list[functools.partial[Any]] = [functools.partial(ask, build(planned_alone(planned, self.known)))]
        if self.known:
            likelihood, names = build(combined(planned, self.known)), set(map(own_name, self.known))
            measured = [channel.name for channel in likelihood.at({}).channels if channel.observed is not None]
            lines.append(functools.partial(ask, likelihood, observed=[name for name in measured if self.observed and name in names]))
        return lines

    @property
    def known(self) -> tuple[str, ...]:
        """Return the existing experiments."""
        from cevnsfit.spec.catalog import located

        return located(() if self.existing is None else self.existing)


@command(
    "experiments model at truth existing observed grid vary poi cl dof toys seed jobs dask profile profile_signal changes allow_overlap electrons folder"
)
def forecast(what: AnalysisOptions, asked: ForecastOptions, level: LevelOptions, workers: WorkerOptions) -> Answer:
    """Print expected limits with their 68 % and 95 % bands and the discovery reach; scan any field of experiment.yaml."""
    from cevnsfit.studies.fitting import unheld

    levels_at([level.cl], level.dof)
    planned = what.analysis
    lines = asked.lines(planned, level)
    with workers.open() as executor:
        if asked.vary:
            return _vary(planned, asked, lines, executor)
        if unheld(lines[0].args[0], planned.held):
            return _curve(planned, asked, lines, executor)
        return _single(planned, asked, lines, executor)


def _origin(planned: "Analysis", asked: ForecastOptions) -> "dict[str, Any]":
    from cevnsfit.studies.forecast import planned_alone
    from cevnsfit.studies.provenance import provenance

    found = provenance(planned_alone(planned, asked.known), seed=asked.seed if asked.toys else None, existing=asked.known)
    return {**found, "overrides": planned.overrides}


def _single(planned: "Analysis", asked: ForecastOptions, lines: "Sequence[functools.partial[Any]]", executor: "Executor | None") -> Answer:
    results = [line(at=planned.held, workers=executor) for line in lines]
    forecasts = plain(results)
    document = {**forecasts[-1], "forecasts": forecasts, "provenance": _origin(planned, asked)}
    if asked.folder is not None:
        write_document(asked.folder / "forecast.json", document, indent=1)
    return Answer(document, _text(results), incomplete=_invalid(results))


def _curve(planned: "Analysis", asked: ForecastOptions, lines: "Sequence[functools.partial[Any]]", executor: "Executor | None") -> Answer:
    from cevnsfit.report.style import AxisLabel
    from cevnsfit.studies.forecast import forecast_curve, write_forecast, write_forecast_plot
    from cevnsfit.studies.grids import parse_grid
    from cevnsfit.studies.setup import units_of

    name, values = parse_grid(_MASSES if asked.grid is None else asked.grid)
    with progress("forecast") as tell:
        curve = forecast_curve(lines, [{**planned.held, name: float(value)} for value in values], executor, tell)
    unit = units_of(planned.model).get(name, "1")
    poi, x = curve[0][0].sensitivity.median.poi, AxisLabel(name, unit)
    document = {"parameter": name, "unit": unit, "points": plain(curve), "provenance": _origin(planned, asked)}
    files, folder = [], asked.folder
    if folder is not None:
        files = [write_forecast(curve, x, folder / "forecast.csv"), write_document(folder / "forecast.json", document, indent=1)]
        files.append(write_forecast_plot(curve, x, AxisLabel(poi, "1"), planned.model, folder / "forecast.png"))
    return Answer(document, _curve_text(curve, name, unit), files, incomplete=_invalid([entry for point in curve for entry in point]))


def _vary(planned: "Analysis", asked: ForecastOptions, lines: "Sequence[functools.partial[Any]]", executor: "Executor | None") -> Answer:
    from cevnsfit.studies.forecast import acting
    from cevnsfit.studies.grids import parse_grids
    from cevnsfit.studies.whatif import as_planned, write_whatif, write_whatif_plot

    grids = parse_grids(() if asked.vary is None else asked.vary)
    with progress("what if") as tell:
        vary = {acting(path, planned, asked.known): values for path, values in grids.items()}
        result = as_planned(lines[-1](at=planned.held, vary=vary, workers=executor, progress=tell), tuple(grids), asked.known)
    document = {**plain(result), "provenance": _origin(planned, asked)}
    files, folder = [], asked.folder
    if folder is not None:
        files = [write_whatif(result, folder / "whatif.csv"), write_document(folder / "whatif.json", document, indent=1)]
        files.append(write_whatif_plot(result, folder / "whatif.png"))
    return Answer(document, _whatif_text(result), files)


def _invalid(results: "Sequence[Forecast]") -> str:
    bad = sum(not result.sensitivity.median.valid for result in results)
    return (
        f"{bad} forecasts have profiled points near the minimum that did not converge"
        if bad
        else lost(sum(result.sensitivity.failed for result in results))
    )


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "none"


def _text(results: "Sequence[Forecast]") -> "Iterator[str]":
    from cevnsfit.infer.sensitivity import DISCOVERY
    from cevnsfit.report.tables import format_intervals

    for result in results:
        found = result.sensitivity
        poi, (low2, low1, _, high1, high2) = found.median.poi, found.bands
        reach = ", ".join(f"{_number(value)} at {sigma:g} sigma" for sigma, value in zip(DISCOVERY, found.discovery, strict=True))
        counts = ", ".join(f"{count:.1f} ({name})" for name, count in result.events.items())
        yield f"{result.about.label}: {poi} at {100 * found.median.cl:g} % CL, {found.median.dof} dof, {found.median.method}"
        yield f"  {result.data}; {counts} signal events of the Standard Model, {found.live_bins} bins"
        yield f"  median limit: {_number(found.limit)}, 68 % [{_number(low1)}, {_number(high1)}], 95 % [{_number(low2)}, {_number(high2)}]"
        yield f"  bands: {found.bands_method}{f', {found.failed} failed' if found.failed else ''}"
        yield f"  allowed:  {format_intervals(found.median.allowed)}"
        yield f"  excluded: {format_intervals(found.median.excluded)}"
        yield f"  discovery: {reach}"
        if result.about.caveat:
            yield f"  {result.about.caveat}"


def _curve_text(curve: "Sequence[Sequence[Forecast]]", name: str, unit: str) -> "Iterator[str]":
    from cevnsfit.infer.sensitivity import DISCOVERY

    for position, first in enumerate(curve[0]):
        rows = []
        for point in curve:
            found = point[position].sensitivity
            low2, low1, _, high1, high2 = map(_number, found.bands)
            start = (f"{point[position].at[name]:.4g}", _number(found.limit), f"{low1} .. {high1}", f"{low2} .. {high2}")
            rows.append((*start, *map(_number, found.discovery)))
        median = first.sensitivity.median
        title = f"{first.about.label}: limit on {median.poi} at {100 * median.cl:g} % CL, {median.dof} dof"
        headers = (f"{name} [{unit}]", "median", "68 %", "95 %", *(f"discovery at {z:g} sigma" for z in DISCOVERY))
        yield table(title, headers, rows)
        yield f"{first.data}; bands: {first.sensitivity.bands_method}"
        if first.about.caveat:
            yield first.about.caveat


def _whatif_text(result: "WhatIf") -> "Iterator[str]":
    headers = (*(f"{f.path} [{f.unit}]" for f in result.fields), "events (SM)", "median limit", "68 %", "95 %", "statistics alone", "ratio")
    rows = [
        (
            *(f"{value:.4g}" for value in row.values),
            f"{row.events:.1f}",
            _number(row.limit),
            f"{_number(row.bands[1])} .. {_number(row.bands[3])}",
            f"{_number(row.bands[0])} .. {_number(row.bands[4])}",
            _number(row.statistics_only),
            _number(row.limit / row.statistics_only) if row.statistics_only > 0.0 else "none",
        )
        for row in result.rows
    ]
    held = "".join(f", {name} = {value:g}" for name, value in result.at.items())
    yield table(f"{result.about.label}: limit on {result.poi} at {100 * result.cl:g} % CL, {result.dof} dof{held}", headers, rows)
    yield result.data
