"""Parameters whose effect HistFactory does not have (shifts of arrival times, splines between templates): where they are held in it, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.infer.columns import at_values, searched
from cevnsfit.infer.fit import fit
from cevnsfit.infer.grid import joint_at
from cevnsfit.infer.lines import free_couplings
from cevnsfit.infer.multistart import profile_minima
from cevnsfit.io.exports.histfactory import unknown_to

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cevnsfit.stats.data import Data
    from cevnsfit.stats.likelihood import Likelihood

CLOSE: Final = 10.0
"""Height of -2 ln lambda above its minimum up to which the error of freezing is looked for: 3 standard deviations."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """Parameters that float in a likelihood and not in its export.

    Attributes
    ----------
    values
        Where they are held, in units of the parameters.
    units
        These units.
    error
        Largest change of -2 ln lambda, relative to its minimum, along each coupling where it is below `CLOSE`; 0 without couplings.
    """

    values: Mapping[str, float]
    units: Mapping[str, str]
    error: float

    def __str__(self) -> str:
        places = (f"{name} = {value:.6g}{'' if self.units[name] == '1' else f' {self.units[name]}'}" for name, value in self.values.items())
        cost = f"; -2 ln lambda is off by up to {self.error:.2g} along a coupling, where it is less than {CLOSE:g} above its minimum"
        where = f"what HistFactory does not have is frozen at the best fit, {', '.join(places)} (--at holds it elsewhere)"
        return f"{where}{cost if self.error > 0.0 else ''}"


def frozen_in_export(likelihood: Likelihood, points: Sequence[Mapping[str, float]], data: Data) -> Frozen | None:
    """Return where parameters that float and that HistFactory does not have are held in an export, None without any.

    Parameters
    ----------
    likelihood, data
        The likelihood, and the data it is exported with.
    points
        Held parameters of each part. That is the best fit of a single one, and that of several without new physics, which they have in common.
    """
    joint, values = joint_at(likelihood, points[0])
    unknown = dict.fromkeys(name for channel in joint.channels for name in unknown_to(channel))
    names = [name for name in unknown if name not in values and not joint.parameters[name].fixed]
    if not names:
        return None
    nominal = {name: joint.parameters[name].default for name in free_couplings(joint, values)} if len(points) > 1 else {}
    best = fit(joint, at={**values, **nominal}, data=data, minos=()).values
    held = {name: best[name] for name in names}
    units = {name: joint.parameters[name].unit for name in names}
    return Frozen(held, units, max(_error(likelihood, point, held, data) for point in points))


def _error(likelihood: Likelihood, point: Mapping[str, float], held: Mapping[str, float], data: Data) -> float:
    joint, values = joint_at(likelihood, point)
    errors = [0.0]
    for name in free_couplings(joint, values):
        curve = searched(joint, name, CLOSE, at=values, data=data)
        there = profile_minima(joint, at_values(name, curve.values, {**values, **held}), data=data, start=curve.theta)
        exact, frozen = curve.nll2 - curve.nll2.min(), there.nll2 - there.nll2.min()
        near = exact < CLOSE
        errors.append(float(np.abs(frozen[near] - exact[near]).max()))
    return max(errors)
