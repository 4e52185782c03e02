"""The corner plot of a posterior: which parameters it shows, and what is drawn of them."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.infer.credible import QUANTILES
from cevnsfit.infer.pairs import edges_of, pair
from cevnsfit.report.posteriors import Marginals, corner_figure
from cevnsfit.report.style import SCREEN, Look
from cevnsfit.studies.posterior import logarithmic, picture_notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from cevnsfit.studies.posterior import Posterior

CORNER: Final = 5
"""Parameters of a corner plot, at most."""


def corner_picture(result: Posterior, look: Look = SCREEN) -> Figure:
    """Return the densities of the parameter of interest and the model's others, and of the nuisances most correlated with it, `CORNER` in all."""
    names, look = _of_interest(result), look.naming(result.about)
    logs = tuple(name in logarithmic(result) for name in names)
    columns = {name: result.draws[..., result.names.index(name)].ravel() for name in names}
    edges = tuple(edges_of(columns[name], log=log) for name, log in zip(names, logs, strict=True))
    marginals = Marginals(
        names=names,
        units=tuple(result.units[result.names.index(name)] for name in names),
        edges=edges,
        heights=tuple(np.histogram(columns[name], ends)[0] / len(columns[name]) for name, ends in zip(names, edges, strict=True)),
        intervals=tuple(_intervals(result, name) for name in names),
        logs=logs,
    )
    pairs = [
        pair((names[i], names[j]), (columns[names[i]], columns[names[j]]), (logs[i], logs[j]))
        for i, j in combinations(range(len(names)), 2)
    ]
    filled = f"regions: 68 and 95 %; filled: {100 * result.numbers.cl:g} % of {look.name(names[0])}, 68 % of the others"
    return corner_figure(marginals, pairs, notes=[*picture_notes(result, look), filled], look=look)


def _of_interest(result: Posterior) -> tuple[str, ...]:
    """Return the parameter of interest, others without a constraint, and constrained ones by their correlation with it."""
    poi, free = result.numbers.poi, {prior.name for prior in result.numbers.priors}
    flat = result.draws.reshape(-1, len(result.names))
    with np.errstate(invalid="ignore", divide="ignore"):
        size = np.abs(np.nan_to_num(np.corrcoef(flat, rowvar=False)))[result.names.index(poi)] if len(result.names) > 1 else np.ones(1)
    order = sorted(range(len(result.names)), key=lambda k: (result.names[k] != poi, result.names[k] not in free, -size[k]))
    return tuple(result.names[k] for k in order[:CORNER])


def _intervals(result: Posterior, name: str) -> Sequence[tuple[float, float]]:
    if name == result.numbers.poi:
        return result.numbers.intervals
    quantiles = result.numbers.marginals[result.names.index(name)].quantiles
    return ((quantiles[QUANTILES.index(0.16)], quantiles[QUANTILES.index(0.84)]),)
