"""Second minima in a nuisance whose two excursions resemble each other.

Expected counts are S + a U + q(a) V with V from the sum of both excursions, and q(a) about 15 a^2 near 0 (`stats.interpolation`). Data that
lie z standard deviations from S in the direction of V change the curvature of -2 ln lambda at a = 0 from 2 (1 + u^2) by -2 z v 15/8, where u
and v are the lengths of U and 8 V in standard deviations of the counts: from z = 8 (1 + u^2)/(15 v) on there is a minimum on either side. A constraint
of another width s has 1/s^2 in the place of 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.stats.engine import evaluate_problem
from cevnsfit.stats.gaussian import Measured
from cevnsfit.stats.poisson import Events

if TYPE_CHECKING:
    from cevnsfit.core.arrays import Floats, Ints
    from cevnsfit.stats.binding import BoundChannel, BoundLikelihood
    from cevnsfit.stats.engine import Piece


USUAL: Final = 4.0
"""Fluctuations of the data beyond this many standard deviations are not prepared for."""

SHORT: Final = 0.4
"""How far on the other side of 0 a second minimum is looked for, relative to the first."""

SAMPLE: Final = 4
"""Points at which it is decided which nuisances may have two minima."""


def two_sided(bound: BoundLikelihood, theta: Floats, rows: Ints) -> Ints:
    """Return the floating nuisances (positions among the floating parameters) that may have two minima near points theta, shape (P, n).

    `rows` (P,) are the data sets of the points.
    """
    some = np.unique(np.linspace(0, len(theta) - 1, SAMPLE).astype(np.int64))
    evaluation = evaluate_problem(bound, theta[some], rows[some])
    straight, bent = np.zeros((2, len(some), len(bound.floating)))
    for channel, piece in zip(bound.channels, evaluation.pieces, strict=True):
        _add_lengths(channel, piece, straight, bent)
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = 8.0 * (bound.stiff + straight) / (15.0 * np.sqrt(bent))
    result: Ints = np.flatnonzero((needed < USUAL).any(axis=0) & (bound.stiff > 0.0))
    return result


def _add_lengths(channel: BoundChannel, piece: Piece, straight: Floats, bent: Floats) -> None:
    """Add u^2 and v^2 of each nuisance in one channel, shape (P, n_f)."""
    rule, bins = channel.rule, piece.bins
    if isinstance(bins, Measured):
        variance = 2.0 / bins.curvature
    else:
        mu = bins.mu if isinstance(bins, Events) else bins.total
        everywhere = mu if channel.own is None else piece.terms.amplitudes @ channel.merge @ channel.templates
        variance = np.maximum(everywhere, 1e-3)
    columns = {int(local): column for column, local in enumerate(rule.floating)}
    shapes = np.array([place for place, local in enumerate(rule.excursion_parameters) if int(local) in columns], dtype=np.int64)
    target = channel.target[[columns[int(rule.excursion_parameters[place])] for place in shapes]]
    amplitudes = piece.terms.products[:, None, rule.group]
    for kind, (sums, unit) in enumerate(((straight, 1.0), (bent, 8.0))):
        members = rule.excursion_source == (1 + shapes + kind * len(rule.excursion_parameters))[:, None]
        moved = unit * ((amplitudes * members) @ channel.merge) @ channel.templates
        sums[:, target] += np.sum(moved**2 / variance[:, None], axis=2)


def other_side(bound: BoundLikelihood, theta: Floats, rows: Ints, place: int) -> tuple[Ints, Floats]:
    """Return which points go down on the other side of 0 of a nuisance, and the starts there.

    Parameters
    ----------
    bound
        The likelihood with its data.
    theta
        Minima, shape (P, n).
    rows
        The data set of each, shape (P,).
    place
        The nuisance, by its position among the floating parameters.

    Returns
    -------
    Positions in `theta`, shape (k,), and all parameters, shape (k, n).
    """
    index = bound.floating[place]
    trial = theta.copy()
    trial[:, index] *= -SHORT
    outward = np.sign(trial[:, index])
    slope = evaluate_problem(bound, trial, rows).gradient[:, place] * outward
    found = np.flatnonzero(slope < 0)
    return found, trial[found]
