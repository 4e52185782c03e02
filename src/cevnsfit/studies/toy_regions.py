"""Feldman-Cousins regions of an analysis, resumable, with their table and their picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from cevnsfit.core.documents import About, Result, keys_of, plain
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.infer.critical import CriticalValues, allowed_columns, require_map
from cevnsfit.infer.feldman_cousins import MEASURED
from cevnsfit.infer.grid import columns_first
from cevnsfit.infer.intervals import threshold
from cevnsfit.infer.results import lost
from cevnsfit.infer.toy_planes import column_hypotheses, column_intervals, toy_region
from cevnsfit.infer.toys import Toys
from cevnsfit.io.tables import write_rows
from cevnsfit.report.style import SCREEN, Look, save_figures
from cevnsfit.studies.exclusion import interval_rows
from cevnsfit.studies.fitting import require_observed
from cevnsfit.studies.limits import RATIO
from cevnsfit.studies.scan import checked_plane, scans
from cevnsfit.studies.shown import plot
from cevnsfit.studies.toy_runs import description, runner
from cevnsfit.studies.verbs import verb

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import ArrayLike

    from cevnsfit.infer.intervals import Intervals
    from cevnsfit.infer.planes import Plane, Region
    from cevnsfit.infer.results import PointTest
    from cevnsfit.stats.likelihood import Likelihood
    from cevnsfit.studies.workers import Progress, Workers


TABLE: Final = "feldman_cousins.csv"
PICTURE: Final = "feldman_cousins.png"

_TOYS: Final = Toys(1024)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ToyRegion(Result):
    """A Feldman-Cousins region.

    Attributes
    ----------
    plane
        The profiled grid on which it lies.
    region
        The region.
    columns
        The interval of each column, with its pseudo-experiments.
    ordering
        Where the best fit of a pseudo-experiment was looked for.
    """

    document: ClassVar[Mapping[str, str | None]] = {
        "label": "plane.label",
        **{key: key for key in ("method", "dof", "axes", "toys_per_point", "asymptotic_points")},
        "cl": "region.cl",
        "best_fit": "plane.best",
        "columns": "named_columns",
        "plane": None,
        "region": None,
    }

    plane: Plane
    region: Region
    columns: tuple[Intervals, ...]
    ordering: str

    @property
    def method(self) -> str:
        """Return how the region was found, in one line."""
        where = "in the plane" if self.ordering == "plane" else "at the same first parameter (raster scan)"
        records = [column.toys for column in self.columns if column.toys is not None]
        if not records:
            return f"{self.columns[0].method} of each column, best fit {where}"
        toys = sum(record.toys for record in records)
        return f"Feldman-Cousins, nuisances profiled, best fit {where}; {toys} toys, seed {records[0].seed}"

    @property
    def points(self) -> tuple[PointTest, ...]:
        """Return the tested points of all columns."""
        return tuple(point for column in self.columns if column.toys is not None for point in column.toys.points)

    @property
    def toys_per_point(self) -> float:
        """Return the mean number of pseudo-experiments at the points that have any; 0 without such a point."""
        several = [point.toys for point in self.points if point.toys]
        return sum(several) / max(len(several), 1)

    @property
    def asymptotic_points(self) -> int:
        """Return the number of points that the asymptotic p-value has decided, or a statistic of `FAR`."""
        return sum(point.toys + point.failed == 0 for point in self.points)

    @property
    def effort(self) -> str:
        """Return how the points were decided, in words."""
        if not self.points:
            return "no toys but those of the map of critical values"
        tested = len(self.points) - self.asymptotic_points
        return f"{tested} points with {self.toys_per_point:.0f} toys on average; {self.asymptotic_points} far from a boundary without any"

    @property
    def failed(self) -> int:
        """Return the number of pseudo-experiments whose fits failed."""
        return sum(column.toys.failed for column in self.columns if column.toys is not None)

    @property
    def doubt(self) -> str:
        """Return why the region cannot be trusted: pseudo-experiments that were lost, or no minimum near what is allowed."""
        doubts = {column.doubt for column in self.columns} - {""}
        return lost(self.failed) if doubts and self.failed else next(iter(doubts), "")

    @property
    def dof(self) -> int:
        """Return the number of parameters that are free in the best fit of a pseudo-experiment."""
        return 2 if self.ordering == "plane" else 1

    @property
    def axes(self) -> list[dict[str, str]]:
        """Return name, unit and scale of both axes."""
        return [{"name": axis.name, "unit": axis.unit, "scale": axis.scale} for axis in self.plane.axes]

    @property
    def named_columns(self) -> list[dict[str, Any]]:
        """Return the interval of each column with the value of the first parameter."""
        x = self.plane.x
        return [
            {x.name: float(value), **{key: value for key, value in plain(column).items() if key not in keys_of(About)}}
            for value, column in zip(x.values, self.columns, strict=True)
        ]


@verb
def region(  # noqa: PLR0913 (store, workers and progress say where, not what)
    likelihood: Likelihood,
    *,
    at: Mapping[str, float] | None = None,
    cl: float = 0.90,
    ordering: str = "plane",
    toys: Toys = _TOYS,
    critical: CriticalValues | None = None,
    store: str | Path | None = None,
    workers: Workers = None,
    progress: Progress | None = None,
    **grid: ArrayLike,
) -> ToyRegion:
    """Return the Feldman-Cousins region of two parameters, of which one at least is a coupling.

    Parameters
    ----------
    likelihood
        From `build_likelihood`.
    at
        Held parameters.
    cl
        Confidence level.
    ordering
        Where the best fit of a pseudo-experiment is searched for: "plane", or "column" for a raster scan at each value of the nonlinear parameter.
    toys
        Number, at most, for each point, and seed of pseudo-experiments.
    critical
        From `critical_values`, of the same experiments: no pseudo-experiments are generated.
    store, workers, progress
        As for `intervals`.
    **grid
        Values of both parameters by name.

    Raises
    ------
    CevnsfitError
        If the grid does not suit the model, or there is no such ordering.

    Examples
    --------
    >>> import cevnsfit as cf
    >>> likelihood = cf.build_likelihood("coherent-csi-2021", model="lmu-ltau")
    >>> grid = {"mass": [300.0, 350.0, 400.0], "g": [1e-3, 3e-3, 1e-2, 3e-2]}
    >>> found = cf.region(likelihood, **grid, toys=cf.Toys(256))  # doctest: +SKIP
    >>> [column.allowed for column in found.columns]  # doctest: +SKIP
    """
    threshold(cl, 2)
    held = {} if at is None else dict(at)
    axes = columns_first(likelihood, checked_plane(likelihood, grid, held))
    require_columns(likelihood, axes[1].name)
    require_observed(likelihood.at({}).channels)
    values = {axis.name: [float(value) for value in axis.values] for axis in axes}
    identity = description(likelihood, held, toys.seed, method="feldman-cousins-region", grid=values, cl=cl, order=ordering)
    if critical is not None:
        require_map(critical, alone=toys == _TOYS and store is None)
        critical.require(likelihood, [axis.name for axis in axes], held, ordering)
    with runner(identity, MEASURED if ordering == "plane" else RATIO, store=store, workers=workers, progress=progress) as here:
        (found,) = scans({"": likelihood}, {axis.name: axis.values for axis in axes}, at=held, workers=here.executor)
        tests = here(column_hypotheses(likelihood, axes, at=held, ordering=ordering))
        if critical is None:
            columns = here(column_intervals(tests, cl=cl, toys=toys))
        else:
            heights = [critical.heights(cl, float(value)) for value in axes[0].values]
            columns = here(allowed_columns(tests, heights, cl=cl, dof=critical.dof))
    return ToyRegion(found.plane, toy_region(axes, tests, columns), columns, ordering, about=found.about)


def require_columns(likelihood: Likelihood, name: str) -> None:
    """Raise CevnsfitError if the parameter along the columns of a plane rebuilds the templates: pseudo-experiments share those of a column."""
    if name in likelihood.nonlinear:
        message = f"{name} rebuilds the templates: a region from pseudo-experiments needs a coupling, besides another one or a mass"
        raise CevnsfitError(message)


def write_region(result: ToyRegion, folder: Path, look: Look = SCREEN) -> list[Path]:
    """Write the allowed intervals of each column and the picture; return the paths."""
    x, y = result.plane.axes
    undecided = sum(column.toys.undecided for column in result.columns if column.toys is not None)
    comments = [
        f"allowed intervals of {y.name} at {100 * result.region.cl:g} % CL; interval 0: nothing is allowed",
        f"experiments: {', '.join(result.plane.experiments)}",
        *result.about.notes,
        f"method: {result.method}; {result.failed} failed; {undecided} values within the Monte Carlo error",
        result.effort,
    ]
    headers = (x.header, "interval", f"{y.name}_low [{y.unit}]", f"{y.name}_high [{y.unit}]")
    table = write_rows(folder / TABLE, comments, headers, interval_rows(x.values, [column.allowed for column in result.columns]))
    return [table, *save_figures(plot(result, look=look), folder / PICTURE, look)]
