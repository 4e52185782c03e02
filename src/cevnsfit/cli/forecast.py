"""`cevnsfit forecast`: what planned experiments are expected to exclude and discover."""

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from cevnsfit.cli.command import command, option
from cevnsfit.cli.options import (
    GRID,
    LOOK,
    AnalysisOptions,
    LevelOptions,
    LookOptions,
    PoiOption,
    WorkerOptions,
    assignments,
    drawn,
    experiments_known,
)
from cevnsfit.cli.output import Answer, progress
from cevnsfit.core.documents import plain, write_document

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.studies.forecast import Forecast

_MASSES: Final = "mass=1:1000:13:log"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastOptions(LookOptions):
    """What is true, what the planned experiments are combined with, what is varied, and where it is written."""

    truth: Annotated[
        list[str] | None, option("--true", "True value of a model parameter; by default the Standard Model; repeatable.", "NAME=VALUE")
    ] = None
    existing: Annotated[
        list[str] | None, option("--with", "Existing experiment to combine with; repeatable.", "EXP", experiments_known)
    ] = None
    observed: Annotated[bool, option("--observed", "Use observed data, not Asimov data, for the experiments of --with.")] = False
    grid: Annotated[str | None, option("--grid", f"Values of a parameter that is not held; {_MASSES}.", GRID)] = None
    vary: Annotated[list[str] | None, option("--vary", "Scan a field of experiment.yaml; repeatable.", "PATH=START:STOP:COUNT[:log]")] = (
        None
    )
    poi: PoiOption = None
    method: Annotated[str, option("--method", "Of the limits.", "profile|feldman-cousins")] = "profile"
    toys: Annotated[int, option("--toys", "Bands from N toys; 0 for asymptotic ones.", "N")] = 0
    seed: Annotated[int, option("--seed", "Seed of the toys.")] = 1
    folder: Annotated[Path | None, option("--output -o", "Folder for table, JSON and picture.", "DIR")] = None

    def lines(self, planned: "Analysis", level: LevelOptions) -> "list[functools.partial[Any]]":
        """Return `forecast` with everything given but what is held: of the planned experiments alone, and together with existing ones."""
        from cevnsfit.infer.toys import Toys
        from cevnsfit.studies.forecast import combined, forecast, planned_alone
        from cevnsfit.studies.setup import build, own_name

        toys = Toys(self.number, self.seed) if self.number else None
        ask = functools.partial(
            forecast, poi=self.poi, true=assignments(self.truth, planned.model), cl=level.cl, dof=level.dof, method=self.method, toys=toys
        )
        lines: list[functools.partial[Any]] = [functools.partial(ask, build(planned_alone(planned, self.known)))]
        if self.known:
            likelihood, names = build(combined(planned, self.known)), set(map(own_name, self.known))
            measured = dict.fromkeys(channel.owner for channel in likelihood.at({}).channels if channel.observed is not None)
            lines.append(functools.partial(ask, likelihood, observed=[name for name in measured if self.observed and name in names]))
        return lines

    @property
    def number(self) -> int:
        """Return the number of toys: 0 for asymptotic bands."""
        return 512 if self.toys == 0 and self.method == "feldman-cousins" else self.toys

    @property
    def known(self) -> tuple[str, ...]:
        """Return the existing experiments."""
        from cevnsfit.spec.catalog import located

        return located(() if self.existing is None else self.existing)


@command(
    f"experiments model at truth existing observed grid vary poi cl dof method toys seed jobs dask profile profile_signal changes allow_overlap electrons constrain correlate folder {LOOK}"
)
def forecast(what: AnalysisOptions, asked: ForecastOptions, level: LevelOptions, workers: WorkerOptions) -> Answer:
    """Print expected limits with their 68 % and 95 % bands and the discovery reach; scan any field of experiment.yaml."""
    from cevnsfit.studies.fitting import unheld

    planned = what.analysis
    replace(asked, xlim=None, ylim=None).over()
    lines = asked.lines(planned, level)
    with workers.open() as executor:
        if asked.vary:
            return _vary(planned, asked, lines, executor)
        if unheld(lines[0].args[0], {*planned.held, asked.poi or ""}):
            return _curve(planned, asked, lines, executor)
        return _single(planned, asked, lines, executor)


def _origin(planned: "Analysis", asked: ForecastOptions) -> "dict[str, Any]":
    from cevnsfit.studies.forecast import planned_alone
    from cevnsfit.studies.provenance import provenance

    found = provenance(planned_alone(planned, asked.known), seed=asked.seed if asked.number else None, existing=asked.known)
    return {**found, "overrides": planned.overrides}


def _single(planned: "Analysis", asked: ForecastOptions, lines: "Sequence[functools.partial[Any]]", executor: "Executor | None") -> Answer:
    results = [line(at=planned.held, workers=executor) for line in lines]
    forecasts = plain(results)
    return _answer({**forecasts[-1], "forecasts": forecasts}, results, planned, asked, incomplete=_invalid(results))


def _curve(planned: "Analysis", asked: ForecastOptions, lines: "Sequence[functools.partial[Any]]", executor: "Executor | None") -> Answer:
    from cevnsfit.studies.forecast import forecast_curve, write_forecast
    from cevnsfit.studies.grids import parse_grid
    from cevnsfit.studies.setup import units_of

    name, values = parse_grid(_MASSES if asked.grid is None else asked.grid, units_of(planned.model))
    with progress("forecast") as tell:
        curve = forecast_curve(lines, [{**planned.held, name: float(value)} for value in values], executor, tell)
    results = [entry for point in curve for entry in point]
    document = {"parameter": name, "unit": units_of(planned.model).get(name, "1"), "points": plain(curve)}
    return _answer(document, results, planned, asked, functools.partial(write_forecast, results, name), incomplete=_invalid(results))


def _vary(planned: "Analysis", asked: ForecastOptions, lines: "Sequence[functools.partial[Any]]", executor: "Executor | None") -> Answer:
    from cevnsfit.studies.forecast import acting
    from cevnsfit.studies.grids import parse_grids
    from cevnsfit.studies.whatif import as_planned, write_whatif

    grids = parse_grids(() if asked.vary is None else asked.vary)
    with progress("what if") as tell:
        vary = {acting(path, planned, asked.known): values for path, values in grids.items()}
        result = as_planned(lines[-1](at=planned.held, vary=vary, workers=executor, progress=tell), tuple(grids), asked.known)
    return _answer(plain(result), result, planned, asked, functools.partial(write_whatif, result))


def _answer(
    document: "dict[str, Any]",
    shown: object,
    planned: "Analysis",
    asked: ForecastOptions,
    write: "Callable[[Path], Path] | None" = None,
    *,
    incomplete: str = "",
) -> Answer:
    """Return the answer of a forecast; what `write` makes, the document and the picture are left in the folder."""
    from cevnsfit.studies.shown import table

    document = {**document, "provenance": _origin(planned, asked)}
    files, name = [], "whatif" if asked.vary else "forecast"
    if asked.folder is not None:
        files += [] if write is None else [write(asked.folder / f"{name}.csv")]
        files.append(write_document(asked.folder / f"{name}.json", document, indent=1))
        axes = [(document["parameter"], document["unit"])] if "parameter" in document else []
        files += drawn(shown, asked.folder / f"{name}.png", asked.over(axes=axes))
    return Answer(document, [table(shown)], files if files or write is not None else None, incomplete=incomplete)


def _invalid(results: "Sequence[Forecast]") -> str:
    from cevnsfit.infer.results import lost

    bad = sum(not result.sensitivity.median.valid for result in results)
    return (
        f"{bad} forecasts have profiled points near the minimum that did not converge"
        if bad
        else lost(sum(result.sensitivity.failed for result in results))
    )
