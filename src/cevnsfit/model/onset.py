"""What moves with the beam: the time factors of signal and backgrounds, and the rows of a channel that have them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.model.backgrounds import arrival_of
from cevnsfit.model.flux import arriving
from cevnsfit.model.sources import time_axis
from cevnsfit.spec.fields import SIGNAL
from cevnsfit.stats.moving import Moving, time_factors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cevnsfit.core.arrays import Floats, Ints
    from cevnsfit.model.effect import Effect
    from cevnsfit.model.flux import Flux
    from cevnsfit.model.rows import TemplateRow
    from cevnsfit.spec.load import Experiment
    from cevnsfit.stats.interpolation import Spline


STEP: Final = 5e-9
"""Distance of the knots between which time factors are cubics, in s: pulses are ten times as wide."""


@dataclass(frozen=True, slots=True, eq=False)
class Movement:
    """What one parameter moves in the channel of an experiment.

    Attributes
    ----------
    parameter
        Its name.
    signal
        Whether the signal moves; its arrivals are the first.
    rows, constants
        The rows of backgrounds that move, counted from the first background, and their counts by arrival and bin of the other axes.
    times
        The time factors.
    """

    parameter: str
    signal: bool
    rows: Ints
    constants: Floats
    times: Spline

    def of(self, signal: Floats) -> Moving:
        """Return the rows that move, given the counts of all rows of the signal, shape (rows, arrivals of the flux, other bins)."""
        count = len(signal) if self.signal else 0
        constants = np.zeros((count, *self.constants.shape[1:]))
        constants[:, :, : signal.shape[1]] = signal[:count].transpose(0, 2, 1)
        return Moving(
            self.parameter, np.append(np.arange(count), len(signal) + self.rows), np.concatenate([constants, self.constants]), self.times
        )


def moving_effect(experiment: Experiment, effects: Sequence[Effect[Any]]) -> Effect[Any] | None:
    """Return the systematic that moves arrival times, None without one.

    Raises
    ------
    CevnsfitError
        If there are two, or no time axis.
    """
    found = [effect for effect in effects if effect.moves != 0.0]
    if len(found) > 1:
        message = f"{experiment.name}: {' and '.join(effect.key for effect in found)} both move arrival times; leave one enabled"
        raise CevnsfitError(message)
    if found and time_axis(experiment) is None:
        message = f"{experiment.name}: systematics.{found[0].key}: an arrival shift needs a time axis"
        raise CevnsfitError(message)
    return found[0] if found else None


def movement_of(experiment: Experiment, effect: Effect[Any], flux: Flux, rows: Sequence[TemplateRow]) -> Movement:
    """Return what a systematic moves, given the flux and the rows of the backgrounds.

    Raises
    ------
    CevnsfitError
        If a background has no table of arrival times, or is no product of one with the other axes.
    """
    (parameter,) = effect.parameters
    low, high = effect.moves * parameter.lower, effect.moves * parameter.upper
    shifts = STEP * np.arange(np.floor(low / STEP) - 2.0, np.ceil(high / STEP) + 3.0)
    components = effect.entry.acts_on
    moved = [name for name in experiment.spec.backgrounds if name in components]
    profiles = [
        arriving(experiment, flux.profiles, shifts)
        if SIGNAL in components
        else np.zeros((len(shifts), len(flux.times), flux.times.shape[1]))
    ]
    profiles += [arrival_of(experiment, name, shifts)[:, None] for name in moved]
    factors = np.concatenate(profiles, axis=1)
    nominal = factors[int(np.argmin(np.abs(shifts)))]
    chosen = [k for k, row in enumerate(rows) if row.factors.component in moved]
    sizes = {name: max(float(np.abs(row.template).max()) for row in rows if row.factors.component == name) for name in moved}
    constants = np.zeros((len(chosen), math.prod(axis.nbins for axis in experiment.axes[:-1]), factors.shape[1]))
    for number, k in enumerate(chosen):
        component = rows[k].factors.component
        place = len(flux.times) + moved.index(component)
        counts = rows[k].template.reshape(-1, factors.shape[2])
        constants[number, :, place] = counts.sum(axis=1) / nominal[place].sum()
        if not np.allclose(constants[number, :, place][:, None] * nominal[place], counts, rtol=1e-6, atol=1e-9 * sizes[component]):
            message = f"{experiment.name}: {component} cannot be moved: its shape is not a product of arrival times and the other axes"
            raise CevnsfitError(message)
    return Movement(
        parameter.name, SIGNAL in components, np.array(chosen, dtype=np.int64), constants, time_factors(shifts / effect.moves, factors)
    )
