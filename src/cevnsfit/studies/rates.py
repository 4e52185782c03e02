"""Expected counts of one experiment at nominal nuisances."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from cevnsfit.core.documents import Document
from cevnsfit.core.threads import on_one_thread
from cevnsfit.infer.planes import Projection
from cevnsfit.model.build import SIGNAL
from cevnsfit.model.workspace import MEASURED
from cevnsfit.stats.joint import expected
from cevnsfit.studies.setup import build, fix, load_experiments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.core.axes import Axis
    from cevnsfit.spec.load import Experiment
    from cevnsfit.stats.joint import Joint


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Rates(Document):
    """Expected counts of one experiment.

    Attributes
    ----------
    experiment
        Its name.
    axes
        Its axes, in order.
    components
        Counts of each component, shape (bins of each axis).
    observed
        Observed counts in the same shape, or None.
    at
        Values of the model's parameters at which they are expected, where they were asked for.
    """

    document: ClassVar[Mapping[str, str | None]] = {
        **{key: key for key in ("units", "signal", "total")},
        "axes": "edges",
        "components": "totals",
        "observed": None,
    }

    experiment: str
    axes: tuple[Axis, ...]
    components: Mapping[str, NDArray[np.float64]]
    observed: NDArray[np.float64] | None
    at: Mapping[str, float] = field(default_factory=dict)

    @property
    def edges(self) -> dict[str, NDArray[np.float64]]:
        """Return the bin edges of each axis, in its unit."""
        return {axis.name: axis.display_edges for axis in self.axes}

    @property
    def units(self) -> dict[str, str]:
        """Return the unit of each axis."""
        return {axis.name: axis.unit for axis in self.axes}

    @property
    def totals(self) -> dict[str, float]:
        """Return the counts of each component in all bins."""
        return {name: float(values.sum()) for name, values in self.components.items()}

    @property
    def signal(self) -> NDArray[np.float64]:
        """Return the counts of the signal."""
        return self.components[SIGNAL]

    @property
    def total(self) -> NDArray[np.float64]:
        """Return the counts of all components."""
        return np.asarray(np.sum(list(self.components.values()), axis=0))


@on_one_thread
def rates(analysis: Analysis, *, at: Mapping[str, float] | None = None) -> Rates:
    """Return the expected counts of the one experiment of an analysis, nuisances at their nominal values unless in `at` (of the analysis)."""
    chosen = analysis.holding(at)
    (experiment,) = load_experiments(chosen)
    likelihood = build(chosen, [experiment], fitted=False)
    joint, values = fix(likelihood, chosen.held)
    used = {p.name: chosen.held.get(p.name, p.default) for p in likelihood.parameters if p.kind != "nuisance"}
    return replace(counts_at(experiment, joint, joint.parameters.vector(values), measured=None), at=used)


def counts_at(experiment: Experiment, joint: Joint, theta: NDArray[np.float64], measured: NDArray[np.float64] | None) -> Rates:
    """Return the counts of one experiment of a joint likelihood at `theta`.

    Parameters
    ----------
    experiment
        The experiment.
    joint
        The likelihood it is part of.
    theta
        All parameters, shape (n,).
    measured
        The background of its control region, shape (bins,); None for control counts over their ratio.
    """
    shape = tuple(axis.nbins for axis in experiment.axes)
    position = [channel.name for channel in joint.channels].index(experiment.name)
    channel = joint.channels[position]
    components = {name: counts.reshape(shape) for name, counts in expected(joint, theta)[experiment.name].items()}
    if channel.control is not None:
        name = next(iter(experiment.spec.control_region), MEASURED)
        background = channel.control.counts / channel.control.ratio if measured is None else measured
        components[name] = background.reshape(shape)
    observed = None if channel.observed is None else channel.observed.reshape(shape)
    return Rates(experiment.name, experiment.axes, components, observed)


def projections(counts: Rates) -> tuple[Projection, ...]:
    """Return the counts along each axis."""
    result = []
    for position, axis in enumerate(counts.axes):
        others = tuple(i for i in range(len(counts.axes)) if i != position)
        result.append(
            Projection(
                experiment=counts.experiment,
                axis=axis.name,
                unit=axis.unit,
                edges=axis.display_edges,
                observed=None if counts.observed is None else counts.observed.sum(axis=others),
                components={name: values.sum(axis=others) for name, values in counts.components.items()},
            )
        )
    return tuple(result)
