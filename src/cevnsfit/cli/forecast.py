"""`cevnsfit forecast`: what planned experiments are expected to exclude and discover."""

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
from cevnsfit.cli.output import Answer, progress
from cevnsfit.core.documents import plain, write_document

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from cevnsfit.core.parameters import Parameter
    from cevnsfit.studies.forecast import Forecast, Plan

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

    def plan(self, what: AnalysisOptions, level: LevelOptions) -> "Plan":
        """Return what is planned."""
        from cevnsfit.spec.catalog import located
        from cevnsfit.studies.forecast import Plan

        return Plan(
            what.analysis,
            existing=located(() if self.existing is None else self.existing),
            truth=tuple(assignments(self.truth, what.model).items()),
            observed=self.observed,
            cl=level.cl,
            dof=level.dof,
            toys=self.toys,
            seed=self.seed,
            poi=self.poi,
        )


@command(
    "experiments model at truth existing observed grid vary poi cl dof toys seed jobs dask profile profile_signal changes allow_overlap electrons folder"
)
def forecast(what: AnalysisOptions, asked: ForecastOptions, level: LevelOptions, workers: WorkerOptions) -> Answer:
    """Print expected limits with their 68 % and 95 % bands and the discovery reach; scan any field of experiment.yaml."""
    levels_at([level.cl], level.dof)
    plan = asked.plan(what, level)
    held = plan.analysis.held
    with workers.open() as executor:
        if asked.vary:
            return _vary(plan, asked, executor)
        if any(p.kind == "nonlinear" and not p.fixed and p.name not in held for p in _parameters(what.model)):
            return _curve(plan, asked, executor)
        return _single(plan, asked, executor)


def _parameters(model: str) -> "tuple[Parameter, ...]":
    from cevnsfit.studies.setup import check_model

    physics = check_model(model)
    return () if physics is None else physics.parameters


def _origin(plan: "Plan") -> "dict[str, Any]":
    from cevnsfit.studies.provenance import provenance

    found = provenance(plan.planned, seed=plan.seed if plan.toys else None, existing=plan.existing)
    return {**found, "overrides": plan.analysis.overrides}


def _single(plan: "Plan", asked: ForecastOptions, executor: "Executor | None") -> Answer:
    from cevnsfit.studies.forecast import forecast
    from cevnsfit.studies.shown import table

    results = forecast(plan, plan.analysis.held, executor=executor)
    lines = plain(results)
    document = {**lines[-1], "forecasts": lines, "provenance": _origin(plan)}
    if asked.folder is not None:
        write_document(asked.folder / "forecast.json", document, indent=1)
    return Answer(document, [table(results)], incomplete=_invalid(results))


def _curve(plan: "Plan", asked: ForecastOptions, executor: "Executor | None") -> Answer:
    from cevnsfit.report.style import AxisLabel
    from cevnsfit.report.tables import ResultTable
    from cevnsfit.studies.forecast import forecast_curve, write_forecast, write_forecast_plot
    from cevnsfit.studies.grids import parse_grid
    from cevnsfit.studies.texts import forecasts

    name, values = parse_grid(_MASSES if asked.grid is None else asked.grid)
    with progress("forecast") as tell:
        curve = forecast_curve(plan, name, values, plan.analysis.held, tell, executor)
    unit = next((p.unit for p in _parameters(plan.analysis.model) if p.name == name), "1")
    poi, x = curve[0][0].sensitivity.median.poi, AxisLabel(name, unit)
    document = {"parameter": name, "unit": unit, "points": plain(curve), "provenance": _origin(plan)}
    files, folder = [], asked.folder
    if folder is not None:
        files = [write_forecast(curve, x, folder / "forecast.csv"), write_document(folder / "forecast.json", document, indent=1)]
        files.append(write_forecast_plot(curve, x, AxisLabel(poi, "1"), plan.analysis.model, folder / "forecast.png"))
    incomplete = _invalid([entry for point in curve for entry in point])
    return Answer(document, [ResultTable(tuple(forecasts(curve, name, unit)))], files, incomplete=incomplete)


def _vary(plan: "Plan", asked: ForecastOptions, executor: "Executor | None") -> Answer:
    from cevnsfit.studies.grids import parse_grids
    from cevnsfit.studies.shown import table
    from cevnsfit.studies.whatif import vary, write_whatif, write_whatif_plot

    with progress("what if") as tell:
        result = vary(plan, parse_grids(() if asked.vary is None else asked.vary), plan.analysis.held, tell, executor)
    document = {**plain(result), "provenance": _origin(plan)}
    files, folder = [], asked.folder
    if folder is not None:
        files = [write_whatif(result, folder / "whatif.csv"), write_document(folder / "whatif.json", document, indent=1)]
        files.append(write_whatif_plot(result, folder / "whatif.png"))
    return Answer(document, [table(result)], files)


def _invalid(results: "Sequence[Forecast]") -> str:
    from cevnsfit.infer.results import lost

    bad = sum(not result.sensitivity.median.valid for result in results)
    return (
        f"{bad} forecasts have profiled points near the minimum that did not converge"
        if bad
        else lost(sum(result.sensitivity.failed for result in results))
    )
