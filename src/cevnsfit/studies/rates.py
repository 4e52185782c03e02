"""Expected counts of experiments, component by component."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from cevnsfit.core.documents import About, Document, keys_of
from cevnsfit.core.histograms import Histogram
from cevnsfit.core.threads import on_one_thread
from cevnsfit.infer.grid import joint_at
from cevnsfit.infer.planes import Projection
from cevnsfit.infer.spread import spread_before
from cevnsfit.spec.fields import SIGNAL
from cevnsfit.stats.joint import expected
from cevnsfit.studies.verbs import about, checked_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cevnsfit.core.axes import Axis
    from cevnsfit.infer.spread import Spread
    from cevnsfit.stats.gaussian import Errors
    from cevnsfit.stats.likelihood import Likelihood

MOST: Final = 400
"""Bins of a projection, at most."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Rates(Histogram):
    """Expected counts of one experiment: a histogram of all components, without axes where a likelihood that was built by hand has none.

    Attributes
    ----------
    experiment
        Its name.
    components
        Counts of each component, shape (bins of each axis).
    observed
        Observed counts in the same shape, or None.
    at
        Values of the model's parameters at which they are expected.
    about
        What the likelihood is about.
    errors
        Errors of the observed values, None where these are counts.
    spread
        How uncertain the expected counts are; None where it is not known.
    """

    document: ClassVar[Mapping[str, str | None]] = {
        "units": "units",
        "signal": "signal",
        "total": "contents",
        "axes": "edges",
        "values": None,
        "components": "totals",
        "observed": None,
        "squares": None,
        "errors": None,
        "spread": None,
        **keys_of(About, "about"),
        "about": None,
    }

    experiment: str
    components: Mapping[str, NDArray[np.float64]]
    observed: NDArray[np.float64] | None
    at: Mapping[str, float]
    about: About
    errors: Errors | None = field(default=None, kw_only=True)
    spread: Spread | None = field(default=None, kw_only=True)

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
        """Return the counts of the signal; 0 without one."""
        return self.components.get(SIGNAL, 0.0 * self.contents)

    @property
    def seen(self) -> float | None:
        """Return the observed counts in all bins, or None."""
        return None if self.observed is None else float(self.observed.sum())

    @property
    def projections(self) -> tuple[Projection, ...]:
        """Return the counts along each axis, in bins that can be told apart: of more than `MOST` several are joined where these divide evenly."""
        return tuple(self._along(place, axis) for place, axis in enumerate(self.axes))

    def _along(self, place: int, axis: Axis) -> Projection:
        size = self.contents.shape[place]
        joined = next((k for k in range(-(-size // MOST), size // 2 + 1) if size % k == 0), 1)
        shape = (*self.contents.shape[:place], size // joined, joined, *self.contents.shape[place + 1 :])
        others = tuple(i for i in range(len(shape)) if i != place)
        return Projection(
            self.experiment,
            axis.name,
            axis.unit,
            axis.display_edges[::joined],
            None if self.observed is None else self.observed.reshape(shape).sum(axis=others),
            {name: values.reshape(shape).sum(axis=others) for name, values in self.components.items()},
            errors=None if self.errors is None else self.errors.along(shape, place),
            uncertainty=None if self.spread is None else self.spread.along(shape, place),
            fitted=self.spread is not None and self.spread.fitted,
            caveat=self.about.caveat,
        )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ChannelRates(Document):
    """Expected counts of an experiment with several channels.

    Attributes
    ----------
    experiment
        Its name.
    parts
        Counts of each channel, by its name.
    about
        What the likelihood is about.
    """

    document: ClassVar[Mapping[str, str | None]] = {
        **{key: key for key in ("channels", "units", "signal", "total", "axes", "at")},
        "components": "totals",
        "parts": None,
        **keys_of(About, "about"),
        "about": None,
    }

    experiment: str
    parts: Mapping[str, Rates]
    about: About

    @property
    def channels(self) -> list[str]:
        """Return the names of the channels."""
        return list(self.parts)

    @property
    def at(self) -> Mapping[str, float]:
        """Return the values of the model's parameters at which counts are expected."""
        return next(iter(self.parts.values())).at

    @property
    def axes(self) -> dict[str, NDArray[np.float64]] | list[dict[str, NDArray[np.float64]]]:
        """Return the bin edges of each axis, in its unit; where they are not the same in all channels, one mapping for each of them."""
        first, *others = (part.axes for part in self.parts.values())
        edges = [part.edges for part in self.parts.values()]
        return edges[0] if all(other == first for other in others) else edges

    @property
    def units(self) -> dict[str, str]:
        """Return the unit of each axis."""
        return {name: unit for part in self.parts.values() for name, unit in part.units.items()}

    @property
    def signal(self) -> list[NDArray[np.float64]]:
        """Return the counts of the signal in each channel."""
        return [part.signal for part in self.parts.values()]

    @property
    def total(self) -> list[NDArray[np.float64]]:
        """Return the counts of all components in each channel."""
        return [part.contents for part in self.parts.values()]

    @property
    def totals(self) -> dict[str, float]:
        """Return the counts of each component in all channels."""
        names = dict.fromkeys(name for part in self.parts.values() for name in part.components)
        return {name: sum(part.totals.get(name, 0.0) for part in self.parts.values()) for name in names}

    @property
    def seen(self) -> float | None:
        """Return the counts observed in all channels; None where one has none."""
        found = [part.seen for part in self.parts.values()]
        return None if None in found else sum(count for count in found if count is not None)

    @property
    def projections(self) -> tuple[Projection, ...]:
        """Return the counts of each channel along each axis."""
        return tuple(projection for part in self.parts.values() for projection in part.projections)


@on_one_thread
def rates(likelihood: Likelihood, *, at: Mapping[str, float] | None = None) -> dict[str, Rates | ChannelRates]:
    """Return the expected and observed counts of each experiment by name; by channel if it has several.

    Parameters
    ----------
    likelihood
        From `build_likelihood`.
    at
        Values of parameters of any kind; defaults, at which nuisances are nominal, for the rest.

    Raises
    ------
    UnknownNameError, DomainError
        If a parameter is unknown, or a value is outside its domain.

    Examples
    --------
    >>> import cevnsfit as cf
    >>> found = cf.rates(cf.build_likelihood("coherent-csi-2021", model="lmu-ltau"), at={"mass": 20.0, "g": 5e-4})
    >>> {name: round(total) for name, total in found["coherent-csi-2021"].totals.items()}
    {'cevns': 315, 'steady_state': 1291, 'beam_neutrons': 18, 'neutrino_induced_neutrons': 6}
    """
    known = checked_at(likelihood, at)
    return counts_at(likelihood, known, spread_before(likelihood, known))


def counts_at(
    likelihood: Likelihood, at: Mapping[str, float], spreads: Mapping[str, Spread], *, profiled: bool = False
) -> dict[str, Rates | ChannelRates]:
    """Return `rates` with the spreads of channels; a background that a control region measures is what was counted there over the ratio, unless it is `profiled`."""
    joint, others = joint_at(likelihood, at)
    counts = expected(joint, joint.parameters.vector(others), profiled=profiled)
    used = {p.name: float(at.get(p.name, p.default)) for p in likelihood.parameters if p.kind != "nuisance"}
    known = replace(about(likelihood, at), held=())  # counts name all values that they are at
    found: dict[str, Rates | ChannelRates] = {}
    several: dict[str, dict[str, Rates]] = {}
    for channel in joint.channels:
        if channel.auxiliary:
            continue
        parts = {name: values.reshape(channel.bins) for name, values in counts[channel.name].items()}
        total, observed = np.sum([*parts.values()], axis=0), None if channel.observed is None else channel.observed.reshape(channel.bins)
        squares = None if channel.errors is None else channel.errors.variances.reshape(channel.bins)
        axes = likelihood.axes.get(channel.name, ())
        counted = Rates(
            axes,
            total,
            channel.name,
            parts,
            observed,
            used,
            known,
            squares=squares,
            errors=channel.errors,
            spread=spreads.get(channel.name),
        )
        if channel.experiment:
            own = several.setdefault(channel.experiment, {})
            own[channel.name.removeprefix(f"{channel.experiment}.")] = counted
            found[channel.experiment] = ChannelRates(channel.experiment, own, known)
        else:
            found[channel.name] = counted
    return found
