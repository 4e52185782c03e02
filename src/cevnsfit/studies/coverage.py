"""The coverage study: how often intervals of each method contain the truth."""

from __future__ import annotations

import dataclasses
import functools
import operator
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from cevnsfit.core.documents import Result
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.infer.coverage import QUANTITIES, Coverage, is_near, studied
from cevnsfit.infer.hypothesis import at_value, default_hypothesis
from cevnsfit.infer.intervals import intervals, threshold
from cevnsfit.infer.results import lost
from cevnsfit.infer.runner import Call, every
from cevnsfit.infer.toys import Toys
from cevnsfit.io.tables import cell, write_rows
from cevnsfit.report.coverage import CoverageLine, coverage_figure
from cevnsfit.report.style import SCREEN, AxisLabel, Look, save_figures
from cevnsfit.studies.fitting import prepared
from cevnsfit.studies.grids import numbers, parse_grid
from cevnsfit.studies.setup import parse_assignments, units_of
from cevnsfit.studies.toy_runs import description, runner
from cevnsfit.studies.verbs import verb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cevnsfit.infer.planes import Interval
    from cevnsfit.infer.runner import Procedure
    from cevnsfit.stats.likelihood import Likelihood
    from cevnsfit.studies.workers import Progress, Workers


TABLE: Final = "coverage.csv"
PICTURE: Final = "coverage.png"

_TOYS: Final = Toys(512)


@dataclasses.dataclass(frozen=True, slots=True)
class CoverageRow:
    """The study at one setting.

    Attributes
    ----------
    setting
        Value of the held parameter that is varied; None without one.
    allowed
        The intervals that the observed data allow, by profile likelihood.
    coverage
        Of each true value and method.
    """

    setting: float | None
    allowed: tuple[Interval, ...]
    coverage: tuple[Coverage, ...]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class CoverageStudy(Result):
    """A coverage study.

    Attributes
    ----------
    poi, true
        The parameter, and its true values.
    at
        Held parameters.
    over
        The held parameter whose values are the settings of the rows; None without one.
    cl
        Confidence level of the intervals.
    nested
        Pseudo-experiments at each true value for Feldman-Cousins intervals; 0 for none.
    seed
        Seed of all random streams.
    rows
        The study at each setting.
    """

    document: ClassVar[Mapping[str, str]] = {"valid": "valid"}

    poi: str
    true: tuple[float, ...]
    at: Mapping[str, float]
    over: str | None
    cl: float
    nested: int
    seed: int
    rows: tuple[CoverageRow, ...] = ()

    @property
    def failed(self) -> int:
        """Return the number of pseudo-experiments whose fits failed."""
        return sum(entry.failed for row in self.rows for entry in row.coverage)

    @property
    def valid(self) -> bool:
        """Return whether no pseudo-experiment was lost."""
        return self.failed == 0

    @property
    def doubt(self) -> str:
        """Return how many pseudo-experiments were lost, in words."""
        return lost(self.failed)


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
            name, values = parse_grid(text, units)
            pairs += [(name, float(value)) for value in values]
        else:
            pairs += parse_assignments([text], units).items()
    names = sorted({name for name, _ in pairs})
    if len(names) != 1:
        message = f"true values of one parameter are needed, for example --true g=1e-3 --true g=2e-3; got {', '.join(names) or 'none'}"
        raise CevnsfitError(message)
    return names[0], tuple(value for _, value in pairs)


@verb
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
        Held parameters. A mass must be among them if the model has one, or be in `over`.
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

    Examples
    --------
    >>> import cevnsfit as cf
    >>> likelihood = cf.build_likelihood("coherent-lar-2020", model="signal-strength")
    >>> study = cf.coverage(likelihood, "signal_strength", [1.0], toys=cf.Toys(128))
    >>> [entry.method for entry in study.rows[0].coverage]
    ['profile', 'cls']
    """
    threshold(cl, 1)
    held = {} if at is None else dict(at)
    name, values = (None, (None,)) if over is None else (over[0], tuple(map(float, over[1])))
    both = [text for text in (poi, name) if text is not None and text in held]
    if both or poi == name:
        message = f"{', '.join(both) if both else poi} is both held (--at) and varied (--true, --grid)"
        raise CevnsfitError(message)
    truths = tuple(np.atleast_1d(numbers(poi, true)).tolist())
    if not truths:
        message = f"true values of {poi} are needed"
        raise CevnsfitError(message)
    study = CoverageStudy(poi, truths, held, name, cl, nested, toys.seed)
    settings = None if name is None else [name, list(values)]
    identity = description(likelihood, held, toys.seed, method="coverage", poi=poi, truths=list(study.true), cl=cl, over=settings)
    with runner(identity, QUANTITIES, store=store, workers=workers, progress=progress) as here:
        rows = here(every([_row(likelihood, study, setting, toys, number) for number, setting in enumerate(values)]))
    return dataclasses.replace(study, rows=tuple(rows))


def _row(likelihood: Likelihood, study: CoverageStudy, setting: float | None, toys: Toys, number: int) -> Procedure[CoverageRow]:
    """Return the study at one setting; `number` is its number."""
    place = study.at if study.over is None or setting is None else {**study.at, study.over: setting}
    joint, held = prepared(likelihood, place, (study.poi,))
    test, limits = yield [
        Call(functools.partial(default_hypothesis, at=held), (joint, study.poi)),
        Call(functools.partial(intervals, cl=study.cl, at=held), (joint, study.poi)),
    ]
    values = yield [Call(at_value, (test, value)) for value in study.true]
    first = 2 * number * len(study.true)
    found = yield [
        studied(one, cl=study.cl, toys=toys, nested=study.nested, point=first + 2 * k)
        for k, one in enumerate(values)
        if setting is None or is_near(one)
    ]
    return CoverageRow(setting, limits.allowed, tuple(entry for several in found for entry in several))


# --- output ------------------------------------------------------------------------------------------------------------------------


def notes_of(study: CoverageStudy, look: Look = SCREEN) -> list[str]:
    """Return what a table or a picture of a coverage study must say, with names as a look prints them."""
    entries = [entry for row in study.rows for entry in row.coverage]
    over = [] if study.over is None else ["not studied: true values that the observed data exclude by five standard deviations"]
    return [
        look.headline(study.about),
        f"{100 * study.cl:g} % CL, 1 dof; {sum(entry.toys for entry in entries)} toys, seed {study.seed}, {study.failed} failed",
        *over,
    ]


def write_coverage(study: CoverageStudy, folder: Path, look: Look = SCREEN) -> list[Path]:
    """Write the table and the picture, and return the paths."""
    (name, unit), poi = _setting(study), study.poi
    comments = ["how often intervals contain the truth", *notes_of(study), *study.about.notes]
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
        [*setting, cell(e.truth), e.method, cell(e.covered), cell(e.error), e.toys, e.failed, cell(e.quantile)]
        for row in study.rows
        for setting in [[] if row.setting is None else [cell(row.setting)]]
        for e in row.coverage
    ]
    return [write_rows(folder / TABLE, comments, headers, lines), *save_figures(coverage_picture(study, look=look), folder / PICTURE, look)]


def coverage_picture(study: CoverageStudy, ax: Axes | None = None, look: Look = SCREEN) -> Figure:
    """Return the picture of a coverage study."""
    (name, unit), look = _setting(study), look.naming(study.about)
    numbers = operator.attrgetter("truth", "covered", "error", "quantile")
    curves = [
        CoverageLine(method, row.setting, np.array([numbers(e) for e in row.coverage if e.method == method]), row.allowed)
        for row in study.rows
        for method in dict.fromkeys(entry.method for entry in row.coverage)
    ]
    notes = [
        *notes_of(study, look),
        *([study.about.lagrangian] if study.about.lagrangian else []),
        f"{'bars' if name else 'grey'}: what the observed data allow at this level (profile likelihood)",
    ]
    held = AxisLabel(name, unit) if name else None
    return coverage_figure(curves, study.poi, held, cl=study.cl, notes=notes, look=look, ax=ax)


def _setting(study: CoverageStudy) -> tuple[str, str]:
    """Return name and unit of the held parameter whose values are the settings; an empty name without one."""
    name = "" if study.over is None else study.over
    return name, units_of(study.about.model).get(name, "1")
