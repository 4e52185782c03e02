"""How uncertain expected counts are: after a fit, from its covariance, and before one, from the constraints of the nuisances.

To first order the counts mu(theta) vary with the covariance J C J^T, with J their derivatives in what floats. J C^(1/2) has a row of counts for each
independent direction; those of a sum of bins are the sums. A background that a control region measures is profiled in each bin, and varies with theta;
what its counts leave open at fixed theta, 1/(n/mu^2 + m/b^2), is independent in each bin and comes on top: the covariance of (theta, b) in blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.linalg import block_diag

from cevnsfit.infer.grid import joint_at
from cevnsfit.stats.data import constraints_of
from cevnsfit.stats.joint import expected_totals
from cevnsfit.stats.poisson import on_off

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cevnsfit.core.arrays import Floats
    from cevnsfit.core.parameters import Parameter
    from cevnsfit.infer.results import FitResult
    from cevnsfit.stats.channel import Channel
    from cevnsfit.stats.joint import Joint
    from cevnsfit.stats.likelihood import Likelihood


STEP: Final = 1e-3
"""Step of the derivatives, in standard deviations."""


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """One standard deviation of the counts that are expected in the bins of a channel.

    Attributes
    ----------
    modes
        Shifts of the counts along independent directions of the parameters, shape (k, nb).
    variances
        What is independent in each bin, shape (nb,).
    fitted
        Whether it is that of a fit, and not that of the constraints.
    """

    modes: Floats
    variances: Floats
    fitted: bool

    def along(self, shape: tuple[int, ...], axis: int) -> Floats:
        """Return the standard deviation of the sums over all axes but one, shape (bins of the axis,)."""
        others = tuple(i for i in range(len(shape)) if i != axis)
        modes = self.modes.reshape(-1, *shape).sum(axis=tuple(1 + i for i in others))
        return np.asarray(np.sqrt(np.sum(modes**2, axis=0) + self.variances.reshape(shape).sum(axis=others)))


def spread_after(likelihood: Likelihood, best: FitResult) -> dict[str, Spread]:
    """Return the spread of each channel after a fit, with the counts at its minimum; none where the fit has no errors.

    A parameter without an error, at the end of its domain, does not vary.
    """
    found = np.array([best.errors[name] for name in best.floating])
    sigma = np.where(np.isfinite(found), found, 0.0)
    if not sigma.any():
        return {}
    values, vectors = np.linalg.eigh(np.nan_to_num(best.correlation))
    root = (vectors * np.sqrt(np.fmax(values, 0.0))).T
    sizes = dict(zip(best.floating, sigma.tolist(), strict=True))
    return {name: Spread(root @ slopes, rest, fitted=True) for name, (slopes, rest) in _slopes(likelihood, best.values, sizes).items()}


def spread_before(likelihood: Likelihood, at: Mapping[str, float]) -> dict[str, Spread]:
    """Return the spread of each channel by the constraints of what is not held, and by the counts of control regions."""
    joint = joint_at(likelihood, at)[0]
    normal = zip(joint.parameters, joint.constrained, strict=True)
    sizes = {p.name: 1.0 for p, constrained in normal if constrained and not p.fixed and p.name not in at}
    block = constraints_of(joint).given(at)
    sigmas = np.sqrt(np.diag(block.covariance))
    root = block_diag(np.eye(len(sizes)), np.linalg.cholesky(block.covariance / np.outer(sigmas, sigmas)).T)
    sizes |= dict(zip(block.names, sigmas.tolist(), strict=True))
    centred = {p.name: p.default for p in likelihood.nonlinear if p.name in sizes}
    found = _slopes(likelihood, {**centred, **at}, sizes, profiled=False)
    return {name: Spread(root @ slopes, rest, fitted=False) for name, (slopes, rest) in found.items()}


def _slopes(
    likelihood: Likelihood, at: Mapping[str, float], sizes: Mapping[str, float], *, profiled: bool = True
) -> dict[str, tuple[Floats, Floats]]:
    """Return for each channel the derivatives of its counts in some parameters times their sizes, (k, nb), and what else varies, (nb,)."""
    joint, others = joint_at(likelihood, at)
    here = joint.parameters.vector(others)
    slopes = {channel.name: np.zeros((len(sizes), channel.templates.shape[1])) for channel in joint.channels}
    linear = [place for place, name in enumerate(sizes) if name not in likelihood.nonlinear]
    moved = np.zeros((len(linear), len(here)))
    for row, place in enumerate(linear):
        name = [*sizes][place]
        moved[row, joint.parameters.index(name)] = STEP * sizes[name]
    low, high = (_counts(joint, here + sign * moved, profiled=profiled) for sign in (-1.0, 1.0))
    for name, counts in slopes.items():
        counts[linear] = (high[name] - low[name]) / (2.0 * STEP)
    for place, (name, size) in enumerate(sizes.items()):
        if name in likelihood.nonlinear and size > 0.0:
            ends = _ends(likelihood.parameters[name], float(at[name]), STEP * size)
            down, up = (_counts(joint_at(likelihood, {**at, name: end})[0], here[None], profiled=profiled) for end in ends)
            for channel, counts in slopes.items():
                counts[place] = (up[channel][0] - down[channel][0]) * size / (ends[1] - ends[0])
    rest = _measured_spread(joint, here, profiled=profiled)
    return {name: (counts, rest[name]) for name, counts in slopes.items()}


def _ends(parameter: Parameter, value: float, step: float) -> tuple[float, float]:
    return max(value - step, parameter.lower), min(value + step, parameter.upper)


def _counts(joint: Joint, theta: Floats, *, profiled: bool) -> dict[str, Floats]:
    """Return the counts of each channel at parameters (P, n), shape (P, nb), with backgrounds of control regions where they are `profiled`."""
    totals = expected_totals(joint, theta)
    return {
        channel.name: total + (_background(channel, total) if profiled else 0.0)
        for channel, total in zip(joint.channels, totals, strict=True)
    }


def _background(channel: Channel, total: Floats) -> Floats:
    if channel.control is None or channel.observed is None:
        return np.zeros_like(total)
    return on_off(total, channel.observed, channel.control.counts, channel.control.ratio).background


def _measured_spread(joint: Joint, theta: Floats, *, profiled: bool) -> dict[str, Floats]:
    """Return the variances of the backgrounds of control regions at fixed parameters (n,), shape (nb,): 0 where none is left."""
    result = {}
    for channel, total in zip(joint.channels, expected_totals(joint, theta[None]), strict=True):
        control = channel.control
        if control is None:
            result[channel.name] = np.zeros(total.shape[1])
        elif channel.observed is None or not profiled:
            result[channel.name] = control.counts / control.ratio**2
        else:
            background = _background(channel, total)[0]
            empty = (background <= 0.0) | (control.counts + channel.observed <= 0.0)
            size = np.where(empty, 1.0, background)
            inverse = channel.observed / (total[0] + size) ** 2 + control.counts / size**2
            result[channel.name] = np.where(empty, 0.0, 1.0 / np.where(empty, 1.0, inverse))
    return result
