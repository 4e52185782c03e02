"""Maps of critical values, resumable, with their table and picture, and their use for other data."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.infer import critical
from cevnsfit.infer.critical import CriticalValues
from cevnsfit.infer.feldman_cousins import MEASURED, REFINED
from cevnsfit.infer.grid import columns_first
from cevnsfit.infer.hypothesis import default_hypothesis
from cevnsfit.infer.intervals import threshold
from cevnsfit.infer.runner import Call, every
from cevnsfit.infer.toy_planes import STRIDE, column_hypotheses
from cevnsfit.infer.toys import Toys
from cevnsfit.io.tables import Table, write_table
from cevnsfit.report.style import SCREEN, Look, save_figures
from cevnsfit.report.toys import critical_figure
from cevnsfit.studies.fitting import prepared, require_observed
from cevnsfit.studies.grids import axis_of
from cevnsfit.studies.limits import RATIO
from cevnsfit.studies.scan import checked_plane, require_unheld
from cevnsfit.studies.toy_regions import require_columns
from cevnsfit.studies.toy_runs import description, runner
from cevnsfit.studies.verbs import verb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from cevnsfit.infer.hypothesis import Hypothesis
    from cevnsfit.infer.planes import PlaneAxis
    from cevnsfit.infer.runner import Procedure
    from cevnsfit.stats.likelihood import Likelihood
    from cevnsfit.studies.workers import Progress, Workers

LEVELS: Final = (0.68, 0.90, 0.95)
"""Confidence levels of a map unless others are asked for."""

TABLE: Final = "critical_values.csv"
PICTURE: Final = "critical_values.png"

_TOYS: Final = Toys(1024)


@verb
def critical_values(  # noqa: PLR0913 (store, workers and progress say where, not what)
    likelihood: Likelihood,
    *,
    at: Mapping[str, float] | None = None,
    cl: float | Sequence[float] = LEVELS,
    ordering: str = "plane",
    toys: Toys = _TOYS,
    store: str | Path | None = None,
    workers: Workers = None,
    progress: Progress | None = None,
    **grid: ArrayLike,
) -> CriticalValues:
    """Return the Feldman-Cousins critical values at nodes of one coupling, or of a plane of two parameters, for data of the same experiments.

    Parameters
    ----------
    likelihood
        From `build_likelihood`: pseudo-experiments are generated with the nuisances that fit its data best at each node.
    at
        Held parameters.
    cl
        Confidence levels.
    ordering
        As for `region`.
    toys
        Number, for each node, and seed of pseudo-experiments.
    store, workers, progress
        As for `intervals`.
    **grid
        Nodes of one or two parameters by name, twelve along each for example.

    Raises
    ------
    CevnsfitError
        If the nodes do not suit the model, or there is no such ordering.

    Examples
    --------
    >>> import cevnsfit as cf
    >>> likelihood = cf.build_likelihood("coherent-lar-2020", model="lmu-ltau")
    >>> nodes = {"mass": [100.0, 300.0, 900.0], "g": [1e-3, 3e-3, 1e-2, 3e-2]}
    >>> known = cf.critical_values(likelihood, **nodes, toys=cf.Toys(256))  # doctest: +SKIP
    >>> other = likelihood.with_data("toy", seed=1, mass=100.0, g=1e-3)  # doctest: +SKIP
    >>> cf.region(other, critical=known, mass=[100.0, 200.0, 300.0], g=nodes["g"])  # doctest: +SKIP
    """
    held, levels = {} if at is None else dict(at), tuple(float(one) for one in np.unique(cl))
    axes = _nodes(likelihood, grid, held)
    dof = 2 if len(axes) > 1 and ordering == "plane" else 1
    for level in levels:
        threshold(level, dof)
    require_columns(likelihood, axes[-1].name)
    require_observed(likelihood.at({}).channels)
    values = {axis.name: [float(value) for value in axis.values] for axis in axes}
    identity = description(likelihood, held, toys.seed, method="critical-values", grid=values, cl=list(levels), order=ordering)
    with runner(identity, MEASURED if dof > 1 else RATIO, store=store, workers=workers, progress=progress) as here:
        tests = here(_tests(likelihood, axes, held, ordering))
        points, theta = here(critical.node_tests(tests, axes, toys=toys))
    shape = tuple(len(axis.values) for axis in axes)
    found = np.concatenate([critical.critical_of(column, levels, dof) for column in points], axis=2)
    parameters = tests[0].joint.parameters
    return CriticalValues(
        axes,
        held,
        ordering if len(axes) > 1 else "column",
        levels,
        found[:, 0].reshape(len(levels), *shape),
        found[:, 1].reshape(len(levels), *shape),
        np.array([point.toys for column in points for point in column]).reshape(shape),
        sum(point.failed for column in points for point in column),
        toys.seed,
        {p.name: theta[:, :, i].reshape(shape) for i, p in enumerate(parameters) if not p.fixed and p.name not in {*values, *held}},
        critical.without_data(likelihood, axes),
    )


def _nodes(likelihood: Likelihood, grid: Mapping[str, ArrayLike], held: Mapping[str, float]) -> tuple[PlaneAxis, ...]:
    """Return the axes of a map; CevnsfitError where its nodes are too few or too many."""
    axes: tuple[PlaneAxis, ...]
    if len(grid) == 1:
        axes = tuple(axis_of(likelihood, name, nodes) for name, nodes in grid.items())
        require_unheld(grid, held)
    else:
        axes = columns_first(likelihood, checked_plane(likelihood, grid, held))
    if len(axes[-1].values) << REFINED > STRIDE:
        message = f"{axes[-1].name}: more than {STRIDE >> REFINED} nodes"
        raise CevnsfitError(message)
    return axes


def _tests(
    likelihood: Likelihood, axes: tuple[PlaneAxis, ...], held: Mapping[str, float], ordering: str
) -> Procedure[Sequence[Hypothesis]]:
    if len(axes) > 1:
        return column_hypotheses(likelihood, (axes[0], axes[1]), at=held, ordering=ordering)
    joint, others = prepared(likelihood, held, (axes[0].name,))
    return every([Call(functools.partial(default_hypothesis, joint.physical, axes[0].name, at=others), ())])


def write_critical(result: CriticalValues, folder: Path, look: Look = SCREEN) -> list[Path]:
    """Write the table of a map and its picture; return the paths."""
    table = table_of(result)
    folder.mkdir(parents=True, exist_ok=True)
    write_table(folder / TABLE, table.comments, table.columns)
    return [folder / TABLE, *save_figures(critical_picture(result, look=look), folder / PICTURE, look)]


def table_of(result: CriticalValues) -> Table:
    """Return a row for each node: its parameters, critical values with their Monte Carlo errors, pseudo-experiments and nuisances."""
    nodes = np.meshgrid(*(axis.values for axis in result.axes), indexing="ij")
    columns = {axis.header: values.ravel() for axis, values in zip(result.axes, nodes, strict=True)}
    for k, cl in enumerate(result.cls):
        columns[f"critical_{100 * cl:g} [1]".replace(".", "_")] = result.critical[k].ravel()
        columns[f"critical_{100 * cl:g}_error [1]".replace(".", "_")] = result.errors[k].ravel()
    columns["toys [1]"] = result.toys.ravel().astype(np.float64)
    comments = (
        "critical values of t = -2 ln lambda(node) + 2 ln lambda(best fit): a point is allowed for data with no larger t",
        f"experiments: {', '.join(result.about.experiments)}",
        *result.about.notes,
        *summary(result),
    )
    return Table(comments, columns)


def summary(result: CriticalValues) -> list[str]:
    """Return how a map was made, and how good it is, in words."""
    where = (
        "in the plane" if result.dof > 1 else "at the same value of the first parameter" if len(result.axes) > 1 else "along the parameter"
    )
    without = int(np.count_nonzero(result.toys == 0))
    lines = [
        f"best fit {where}; {int(result.toys.sum())} toys at {result.toys.size - without} of {result.toys.size} nodes, seed {result.seed}, {result.failed} failed",
        "generated with the nuisances that fit the data best at each node"
        + (f"; {without} nodes far from the data are asymptotic" if without else ""),
    ]
    known = [one for one in result.left_out if one["nodes"]]
    return lines + [
        f"{100 * one['cl']:g} % CL along {one['parameter']}: nodes left out are off by {one['rms']:.2f} (rms of {one['nodes']}), "
        f"{one['monte_carlo']:.2f} of it Monte Carlo"
        for one in known
    ]


def critical_picture(result: CriticalValues, ax: Axes | None = None, look: Look = SCREEN) -> Figure:
    """Return the critical values along a parameter at each level, or over a plane at the level in the middle."""
    look = look.naming(result.about)
    cl = result.cls[len(result.cls) // 2]
    level = f"{100 * cl:g} % CL, asymptotic: {threshold(cl, result.dof):.2f}; " if len(result.axes) > 1 else "dashed: asymptotic; "
    notes = [look.headline(result.about), level + summary(result)[0], summary(result)[1]]
    return critical_figure(result, notes=notes, look=look, ax=ax)
