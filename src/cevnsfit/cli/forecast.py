"""`cevnsfit forecast`: what planned experiments are expected to exclude and discover."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cevnsfit.cli import output
from cevnsfit.cli.options import (
    AtOption,
    DaskOption,
    ElectronsOption,
    ExperimentsArgument,
    JobsOption,
    JsonOption,
    ModelOption,
    OverlapOption,
    SetOption,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Executor

    from cevnsfit.studies.forecast import Forecast, Plan
    from cevnsfit.studies.whatif import WhatIf

    Where = tuple[Path | None, Executor | None]

_MASSES: Final = "mass=1:1000:13:log"


def forecast(  # noqa: PLR0913, PLR0917 (typer: an argument an option)
    experiments: ExperimentsArgument,
    model: ModelOption,
    at: AtOption = None,
    truth: Annotated[
        list[str] | None,
        typer.Option("--truth", metavar="NAME=VALUE", help="Model parameter that is true, else the Standard Model; repeatable."),
    ] = None,
    existing: Annotated[
        list[str] | None, typer.Option("--with", metavar="EXP", help="Existing experiment to combine with; repeatable.")
    ] = None,
    observed: Annotated[bool, typer.Option("--observed", help="Observed data for the experiments of --with, not Asimov data.")] = False,
    grid: Annotated[
        str | None,
        typer.Option("--grid", metavar="NAME=START:STOP:COUNT[:log]", help=f"Values of a parameter that is not held; {_MASSES}."),
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option("--vary", metavar="PATH=START:STOP:COUNT[:log]", help="Scan a field of experiment.yaml; repeatable."),
    ] = None,
    poi: Annotated[
        str | None, typer.Option("--poi", metavar="NAME", help="Parameter of interest; by default the model's coupling.")
    ] = None,
    cl: Annotated[float, typer.Option("--cl", help="Confidence level.")] = 0.90,
    dof: Annotated[int, typer.Option("--dof", help="Degrees of freedom of the threshold.")] = 1,
    toys: Annotated[int, typer.Option("--toys", metavar="N", help="Bands from N toys; 0 for asymptotic ones.")] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the toys.")] = 1,
    jobs: JobsOption = 1,
    dask: DaskOption = None,
    changes: SetOption = None,
    allow_overlap: OverlapOption = False,
    electrons: ElectronsOption = False,
    folder: Annotated[Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder for table, JSON and picture.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Print expected limits with their 68 % and 95 % bands and the discovery reach; scan any field of experiment.yaml."""
    from cevnsfit.cli.options import analysis, confidence, held
    from cevnsfit.studies.forecast import Plan
    from cevnsfit.studies.workers import workers

    confidence([cl], dof)
    plan = Plan(
        analysis(experiments, model, changes, allow_overlap=allow_overlap, electrons=electrons),
        existing=analysis([] if existing is None else existing, model, None).experiments,
        truth=tuple(held(truth).items()),
        observed=observed,
        cl=cl,
        dof=dof,
        toys=toys,
        seed=seed,
        poi=poi,
    )
    with workers(jobs, dask) as executor:
        if vary:
            _vary(plan, vary, held(at), (folder, executor), as_json=as_json)
        elif _open(model, held(at)):
            _curve(plan, grid, held(at), (folder, executor), as_json=as_json)
        else:
            _single(plan, held(at), (folder, executor), as_json=as_json)


def _open(model: str, at: "Mapping[str, float]") -> list[str]:
    """Return the nonlinear parameters of the model that are not held."""
    from cevnsfit.studies.setup import check_model

    physics = check_model(model)
    return [] if physics is None else [p.name for p in physics.parameters if p.kind == "nonlinear" and not p.fixed and p.name not in at]


def _single(plan: "Plan", at: "Mapping[str, float]", where: "Where", *, as_json: bool) -> None:
    from cevnsfit.core.documents import plain, write_document
    from cevnsfit.studies.forecast import forecast

    folder, executor = where
    results = forecast(plan, at, executor=executor)
    lines = plain(results)
    document = {**lines[-1], "forecasts": lines, "provenance": _origin(plan, at)}
    if folder is not None:
        write_document(folder / "forecast.json", document, indent=1)
    if as_json:
        output.print_json(document)
    else:
        for result in results:
            _print(result)
    _stop_if_invalid(results)


def _print(result: "Forecast") -> None:
    from cevnsfit.infer.sensitivity import DISCOVERY
    from cevnsfit.report.tables import format_intervals

    found = result.sensitivity
    poi, (low2, low1, _, high1, high2) = found.median.poi, found.bands
    reach = ", ".join(f"{_number(value)} at {sigma:g} sigma" for sigma, value in zip(DISCOVERY, found.discovery, strict=True))
    counts = ", ".join(f"{count:.1f} ({name})" for name, count in result.events.items())
    output.print_lines(
        f"{result.label}: {poi} at {100 * found.median.cl:g} % CL, {found.median.dof} dof, {found.median.method}",
        f"  {result.data}; {counts} signal events of the Standard Model, {found.live_bins} bins",
        f"  median limit: {_number(found.limit)}, 68 % [{_number(low1)}, {_number(high1)}], 95 % [{_number(low2)}, {_number(high2)}]",
        f"  bands: {found.bands_method}{f', {found.failed} failed' if found.failed else ''}",
        f"  allowed:  {format_intervals(found.median.allowed)}",
        f"  excluded: {format_intervals(found.median.excluded)}",
        f"  discovery: {reach}",
        *([f"  {result.caveat}"] if result.caveat else []),
    )


def _origin(plan: "Plan", at: "Mapping[str, float]") -> "dict[str, Any]":
    from cevnsfit.studies.provenance import provenance

    return provenance(plan.analysis.holding(at), seed=plan.seed if plan.toys else None, existing=plan.existing)


def _number(value: float) -> str:
    import math

    return f"{value:.4g}" if math.isfinite(value) else "none"


def _curve(plan: "Plan", grid: str | None, at: "Mapping[str, float]", where: "Where", *, as_json: bool) -> None:
    from cevnsfit.core.documents import plain, write_document
    from cevnsfit.studies.forecast import forecast_curve, write_forecast, write_forecast_plot
    from cevnsfit.studies.grids import parse_grid

    folder, executor = where
    name, values = parse_grid(_MASSES if grid is None else grid)
    with output.progress("forecast") as progress:
        curve = forecast_curve(plan, name, values, at, progress, executor)
    unit = _parameter_unit(plan, name)
    poi = curve[0][0].sensitivity.median.poi
    document = {"parameter": name, "unit": unit, "points": plain(curve), "provenance": _origin(plan, at)}
    files = []
    if folder is not None:
        files = [write_forecast(curve, (name, unit), folder / "forecast.csv"), write_document(folder / "forecast.json", document, indent=1)]
        files.append(write_forecast_plot(curve, ((name, unit), (poi, "1")), plan.analysis.model, folder / "forecast.png"))
    if as_json:
        output.print_json({**document, "files": files})
    else:
        _print_curve(curve, name, unit)
        output.print_lines(*(str(file) for file in files))
    _stop_if_invalid([entry for point in curve for entry in point])


def _parameter_unit(plan: "Plan", name: str) -> str:
    from cevnsfit.studies.setup import check_model

    physics = check_model(plan.analysis.model)
    return next((p.unit for p in (() if physics is None else physics.parameters) if p.name == name), "1")


def _print_curve(curve: "Sequence[Sequence[Forecast]]", name: str, unit: str) -> None:
    from cevnsfit.infer.sensitivity import DISCOVERY

    for position, first in enumerate(curve[0]):
        rows = []
        for point in curve:
            found = point[position].sensitivity
            low2, low1, _, high1, high2 = map(_number, found.bands)
            rows.append(
                (
                    f"{point[position].at[name]:.4g}",
                    _number(found.limit),
                    f"{low1} .. {high1}",
                    f"{low2} .. {high2}",
                    *map(_number, found.discovery),
                )
            )
        median = first.sensitivity.median
        title = f"{first.label}: limit on {median.poi} at {100 * median.cl:g} % CL, {median.dof} dof"
        headers = (f"{name} [{unit}]", "median", "68 %", "95 %", *(f"discovery at {z:g} sigma" for z in DISCOVERY))
        output.table(title, headers, rows)
        output.print_lines(f"{first.data}; bands: {first.sensitivity.bands_method}", *([first.caveat] if first.caveat else []))


def _vary(plan: "Plan", texts: "Sequence[str]", at: "Mapping[str, float]", where: "Where", *, as_json: bool) -> None:
    from cevnsfit.core.documents import plain, write_document
    from cevnsfit.studies.grids import parse_grids
    from cevnsfit.studies.whatif import vary, write_whatif, write_whatif_plot

    folder, executor = where
    with output.progress("what if") as progress:
        result = vary(plan, parse_grids(texts), at, progress, executor)
    document = {**plain(result), "provenance": _origin(plan, at)}
    files = []
    if folder is not None:
        files = [write_whatif(result, folder / "whatif.csv"), write_document(folder / "whatif.json", document, indent=1)]
        files.append(write_whatif_plot(result, folder / "whatif.png"))
    if as_json:
        output.print_json({**document, "files": files})
        return
    _print_whatif(result)
    output.print_lines(*(str(file) for file in files))


def _print_whatif(result: "WhatIf") -> None:
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
    output.table(f"{result.label}: limit on {result.poi} at {100 * result.cl:g} % CL, {result.dof} dof{held}", headers, rows)
    output.print_lines(result.data)


def _stop_if_invalid(results: "Sequence[Forecast]") -> None:
    bad = [result for result in results if not result.sensitivity.median.valid]
    output.stop_if(bool(bad), f"{len(bad)} forecasts have profiled points near the minimum that did not converge")
