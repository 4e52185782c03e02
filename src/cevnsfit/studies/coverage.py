"""The coverage study: how often intervals of each method contain the truth."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from cevnsfit.core.documents import Document
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.core.version import installed_version
from cevnsfit.infer.coverage import QUANTITIES, Coverage, is_near, studied
from cevnsfit.infer.hypothesis import default_hypothesis
from cevnsfit.infer.intervals import intervals, threshold
from cevnsfit.infer.toys import Toys
from cevnsfit.io.tables import cell, write_rows
from cevnsfit.report.coverage import CoverageLine, coverage_figure
from cevnsfit.report.style import AxisLabel, save_figure
from cevnsfit.studies.fitting import prepared
from cevnsfit.studies.grids import parse_grid
from cevnsfit.studies.setup import check_model, described, parse_assignments
from cevnsfit.studies.toy_runs import description, runner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.infer.planes import Interval
    from cevnsfit.infer.runner import Procedure
    from cevnsfit.stats.likelihood import Likelihood
    from cevnsfit.studies.workers import Workers

    Progress = Callable[[int, int], None]

TABLE: Final = "coverage.csv"
PICTURE: Final = "coverage.png"

_TOYS: Final = Toys(512)


@dataclasses.dataclass(frozen=True, slots=True)
class Truths:
    """What is studied.

    Attributes
    ----------
    poi
        The parameter.
    values
        Its true values.
    cl
        Confidence level.
    nested
        Pseudo-experiments at each true value for Feldman-Cousins intervals, with more for each of them; 0 for none. The number in
        `toys` is that for the other methods.
    over
        Name and values of a held parameter, such as the mass, at each of which the study is made, without the true values that the observed
        data exclude by five standard deviations; None for one study of all true values.
    """

    poi: str
    values: tuple[float, ...]
    cl: float = 0.90
    nested: int = 0
    over: tuple[str, tuple[float, ...]] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class CoverageRow:
    """The study at one setting.

    Attributes
    ----------
    setting
        Value of the held parameter of `Truths.over`; None without one.
    allowed
        The intervals that the observed data allow, by profile likelihood.
    coverage
        Of each true value and method.
    """

    setting: float | None
    allowed: tuple[Interval, ...]
    coverage: tuple[Coverage, ...]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class CoverageStudy(Document):
    """A coverage study: what was studied, the seed, and one row for each setting."""

    document: ClassVar[Mapping[str, str | None]] = {
        **{key: f"analysis.{key}" for key in ("experiments", "model")},
        **{key: f"truths.{key}" for key in ("poi", "cl")},
        "over": "over",
        "at": "analysis.held",
        "valid": "valid",
        "analysis": None,
        "truths": None,
    }

    analysis: Analysis
    truths: Truths
    seed: int
    rows: tuple[CoverageRow, ...]

    @property
    def failed(self) -> int:
        """Return the number of pseudo-experiments whose fits failed."""
        return sum(entry.failed for row in self.rows for entry in row.coverage)

    @property
    def valid(self) -> bool:
        """Return whether no pseudo-experiment was lost."""
        return self.failed == 0

    @property
    def over(self) -> str | None:
        """Return the held parameter whose values are the settings; None without one."""
        return None if self.truths.over is None else self.truths.over[0]


def parse_truths(texts: Sequence[str], units: Mapping[str, str] | None = None) -> tuple[str, tuple[float, ...]]:
    """Return the parameter and its values from texts "name=value" and "name=start:stop:count[:log]"; `units` are those of the parameters.

    Raises
    ------
    CevnsfitError
        If there is none, or they name different parameters.
    """
    pairs: list[tuple[str, float]] = []
    for text in texts:
        if ":" in text:
            name, values = parse_grid(text)
            pairs += [(name, float(value)) for value in values]
        else:
            pairs += parse_assignments([text], units).items()
    names = sorted({name for name, _ in pairs})
    if len(names) != 1:
        message = f"true values of one parameter are needed, for example --true g=1e-3 --true g=2e-3; got {', '.join(names) or 'none'}"
        raise CevnsfitError(message)
    return names[0], tuple(value for _, value in pairs)


@on_one_thread
def coverage(  # noqa: PLR0913 (store, workers and progress say where, not what)
    likelihood: Likelihood,
    poi: str,
    true: Sequence[float],
    *,
    at: Mapping[str, float] | None = None,
    cl: float = 0.90,
    nested: int = 0,
    over: tuple[str, Sequence[float]] | None = None,
    toys: Toys = _TOYS,
    store: str | Path | None = None,
    workers: Workers = None,
    progress: Progress | None = None,
) -> CoverageStudy:
    """Return how often intervals of each method contain the truth.

    Parameters
    ----------
    likelihood
        From `build_likelihood`.
    poi, true
        The parameter, and its true values.
    at
        Held parameters. A mass must be among them when the model has one, or be in `over`.
    cl
        Confidence level of the intervals.
    nested
        Pseudo-experiments at each true value for Feldman-Cousins intervals, with more for each of them; 0 for none.
    over
        Name and values of a held parameter, at each of which the study is made, without the true values that the observed data exclude by five
        standard deviations.
    toys
        Number at each true value for the other methods, and seed.
    store, workers, progress
        As for `intervals`.

    Raises
    ------
    CevnsfitError
        If a parameter is both held and varied.
    """
    threshold(cl, 1)
    held = {} if at is None else dict(at)
    truths = Truths(poi, tuple(float(value) for value in true), cl, nested, None if over is None else (over[0], tuple(map(float, over[1]))))
    name, values = (None, (None,)) if truths.over is None else truths.over
    both = [text for text in (poi, name) if text is not None and text in held]
    if both or poi == name:
        message = f"{', '.join(both) if both else poi} is both held (--at) and varied (--true, --grid)"
        raise CevnsfitError(message)
    settings = None if truths.over is None else [name, list(values)]
    identity = description(likelihood, held, toys.seed, method="coverage", poi=poi, truths=list(truths.values), cl=cl, over=settings)
    places = [held if name is None or value is None else {**held, name: value} for value in values]
    with runner(identity, QUANTITIES, store=store, workers=workers, progress=progress) as here:
        rows = here(_rows(likelihood, places, truths, toys))
    return CoverageStudy(described(likelihood, held), truths, toys.seed, rows)


def _rows(likelihood: Likelihood, places: Sequence[Mapping[str, float]], truths: Truths, toys: Toys) -> Procedure[tuple[CoverageRow, ...]]:
    """Return the study at each place, a set of held parameters."""
    return tuple((yield [_row(likelihood, place, truths, toys, number) for number, place in enumerate(places)]))


def _row(likelihood: Likelihood, place: Mapping[str, float], truths: Truths, toys: Toys, number: int) -> Procedure[CoverageRow]:
    """Return the study at one place; `number` is its number."""
    joint, held = prepared(likelihood, place, (truths.poi,))
    test = default_hypothesis(joint, truths.poi, at=held)
    first, setting = 2 * number * len(truths.values), None if truths.over is None else place[truths.over[0]]
    found = yield [
        studied(test, value, cl=truths.cl, toys=toys, nested=truths.nested, point=first + 2 * k)
        for k, value in enumerate(truths.values)
        if setting is None or is_near(test, value)
    ]
    allowed = intervals(joint, truths.poi, cl=truths.cl, at=held).allowed
    return CoverageRow(setting, allowed, tuple(entry for several in found for entry in several))


# --- output ------------------------------------------------------------------------------------------------------------------------


def notes_of(study: CoverageStudy) -> list[str]:
    """Return what a table or a picture of a coverage study must say."""
    held = "".join(f", {name} = {value:g}" for name, value in study.analysis.held.items())
    entries = [entry for row in study.rows for entry in row.coverage]
    over = [] if study.truths.over is None else ["not studied: true values that the observed data exclude by five standard deviations"]
    return [
        f"{' + '.join(study.analysis.experiments)}, {study.analysis.model}{held}",
        f"{100 * study.truths.cl:g} % CL, 1 dof; {sum(entry.toys for entry in entries)} toys, seed {study.seed}, {study.failed} failed",
        *over,
    ]


def write_coverage(study: CoverageStudy, folder: Path) -> tuple[Path, Path]:
    """Write the table and the picture, and return both paths."""
    (name, unit), poi = _setting(study), study.truths.poi
    comments = ["how often intervals contain the truth", *notes_of(study), f"cevnsfit {installed_version()}"]
    headers = [
        *([f"{name} [{unit}]"] if name else []),
        f"true_{poi} [1]",
        "method",
        "coverage [1]",
        "error [1]",
        "toys",
        "failed",
        "quantile",
    ]
    lines = [
        [
            *([] if row.setting is None else [cell(row.setting)]),
            cell(entry.truth),
            entry.method,
            cell(entry.covered),
            cell(entry.error),
            str(entry.toys),
            str(entry.failed),
            cell(entry.quantile),
        ]
        for row in study.rows
        for entry in row.coverage
    ]
    return write_rows(folder / TABLE, comments, headers, lines), save_figure(coverage_picture(study), folder / PICTURE)


def coverage_picture(study: CoverageStudy, ax: Axes | None = None) -> Figure:
    """Return the picture of a coverage study."""
    name, unit = _setting(study)
    curves = [
        CoverageLine(
            method,
            row.setting,
            np.array([[e.truth, e.covered, e.error, e.quantile] for e in row.coverage if e.method == method]),
            row.allowed,
        )
        for row in study.rows
        for method in dict.fromkeys(entry.method for entry in row.coverage)
    ]
    notes = [*notes_of(study), f"{'bars' if name else 'grey'}: what the observed data allow at this level (profile likelihood)"]
    held = AxisLabel(name, unit) if name else None
    return coverage_figure(curves, study.truths.poi, held, cl=study.truths.cl, notes=notes, ax=ax)


def _setting(study: CoverageStudy) -> tuple[str, str]:
    """Return name and unit of the held parameter whose values are the settings; an empty name without one."""
    name, physics = "" if study.over is None else study.over, check_model(study.analysis.model) if study.analysis.model else None
    return name, next((p.unit for p in (() if physics is None else physics.parameters) if p.name == name), "1")
