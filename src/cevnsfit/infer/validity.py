"""Where the asymptotic distribution of q0 holds, and where pseudo-experiments are needed.

q0 without signal follows half a chi-squared where the estimate of the parameter is a normal number on a line (Wald). It is not:

- where data without signal have a second minimum, h above the first. Pseudo-experiments in which it is the lower one by q0 need a fluctuation
  of at least (q0 + h)/(2 sqrt(h)) standard deviations, sqrt(q0) for h <= q0. It matters where their number is not small against that of the
  asymptotic tail. In units of the tails: pseudo-experiments of CsI 2021 with L_mu - L_tau give 1.1 to 1.7 for h = 14 and q0 = 0.3 to 4, two
  for h < 2, one for h = 34;
- where another coupling is on the edge of its domain without signal: it takes up half of the fluctuations;
- where few events decide. Counts are whole: one bin with 25 expected events has tails of 1.15, one with 5 of 1.3. In many bins it is the
  skewness of the score that counts, that of one bin with (sum s^2/mu)^3 / (sum s^3/mu^2)^2 events;
- where the background of each bin is measured with few events: 100 bins have tails of 1.3 for 10 events in each control bin, 1.05 for 20;
- where the signal alone tells when it arrives: without it the shift takes the place that suits a fluctuation best (Davies 1987). The strength in
  CsI 2021 has tails of 2 for q0 = 3 to 4 then, and of 1.0 to 1.1 where the neutrons of the beam move along.

References
----------
Cowan, Cranmer, Gross and Vitells, Eur. Phys. J. C 71 (2011) 1554, arXiv:1007.1727, sections 3.1 and 3.6.
Chernoff, Ann. Math. Statist. 25 (1954) 573.
Davies, Biometrika 74 (1987) 33: nuisance parameters that are there only under the alternative.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import ndtr

from cevnsfit.infer.columns import searched
from cevnsfit.infer.lines import even_couplings, free_couplings
from cevnsfit.infer.minima import EXCLUDED
from cevnsfit.stats.data import asimov_data
from cevnsfit.stats.joint import expected_totals
from cevnsfit.stats.rule import amplitudes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cevnsfit.core.arrays import Floats
    from cevnsfit.infer.curve import Curve
    from cevnsfit.infer.hypothesis import Hypothesis


SHARE: Final = 0.1
"""Share of a second minimum in the tail, relative to the asymptotic one, up to which it is ignored."""

EVENTS: Final = 25.0
"""Events that decide, at least."""

CONTROL: Final = 20.0
"""Events in a control bin, at least, on average where the signal is."""

MANY: Final = 1e6
"""Root of the events that a bin with a Gaussian error stands for."""

LEAST: Final = 1e-3
"""Counts that stand for none."""

VISIBLE: Final = 1.0
"""The signal of which events are counted raises -2 ln lambda of data without signal by this."""


def doubts(test: Hypothesis, q: float) -> tuple[str, ...]:
    """Return why the asymptotic significance of q0 does not hold; empty where it does.

    Parameters
    ----------
    test
        The hypothesis without signal, with its best fit.
    q
        The observed q0.
    """
    curve = searched(test.joint, test.poi, EXCLUDED, at=test.at, data=asimov_data(test.joint, test.theta))
    return (*_second_minima(test, curve, q), *_edges(test), *_arrivals(test), *_few_events(test, curve))


def _second_minima(test: Hypothesis, curve: Curve, q: float) -> Iterator[str]:
    first = min(curve.minima, key=lambda i: abs(float(curve.values[i]) - test.value), default=curve.lowest)
    for i in (i for i in curve.minima if i != first):
        height = max(float(curve.nll2[i]), 0.0)
        if height <= q or ndtr(-(q + height) / (2 * math.sqrt(height))) > SHARE * ndtr(-math.sqrt(q)):
            yield f"data without signal have a second minimum at {test.poi} = {curve.values[i]:.4g}, {height:.2g} above the first"


def _edges(test: Hypothesis) -> Iterator[str]:
    """Name the other couplings at an end of their domain; one of which the counts know the square alone is there at 0."""
    squared = even_couplings(test.joint, test.held)
    for name in free_couplings(test.joint, test.held):
        place = test.joint.parameters.index(name)
        parameter, value = test.joint.parameters.parameters[place], test.theta[place]
        if value in {parameter.lower, parameter.upper} or (place in squared and abs(value) < 1e-6):
            yield f"{name} is on the edge of its domain without signal"


def _arrivals(test: Hypothesis) -> Iterator[str]:
    """Name the floating shifts of arrival times with which nothing moves without signal."""
    moved: dict[str, bool] = {}
    for channel, local in zip(test.joint.channels, test.joint.local, strict=True):
        if channel.moving is not None:
            there = amplitudes(channel.coefficients, test.theta[None, local])[0, channel.moving.rows] != 0.0
            name = channel.moving.parameter
            moved[name] = moved.get(name, False) or bool(np.any(channel.moving.constants[there]))
    for name, known in moved.items():
        if not known and name not in test.held and not test.joint.parameters[name].fixed:
            yield f"without signal nothing tells {name}"


def _few_events(test: Hypothesis, curve: Curve) -> Iterator[str]:
    places = np.flatnonzero(curve.nll2 > VISIBLE)
    if not len(places):
        return
    shift = curve.values[places] - test.value
    theta = test.theta.copy()
    theta[test.joint.parameters.index(test.poi)] = curve.values[places[np.argmin(np.where(shift > 0, shift, np.inf))]]
    signal, counts, control = _bins(test, theta)
    weight = signal**2 / counts
    total, skewness, measured = float(weight.sum()), float((weight * signal / counts).sum()), float((weight / control).sum())
    if total**3 < EVENTS * skewness**2:
        yield f"few events decide: as many as {total**3 / skewness**2:.2g} in one bin"
    if total < CONTROL * measured:
        yield f"backgrounds are measured with few events: {total / measured:.2g} in a bin"


def _bins(test: Hypothesis, theta: Floats) -> tuple[Floats, Floats, Floats]:
    """Return for each bin the signal at some parameters, the counts without it, and those of the control region, infinite without one.

    A control region says nothing of less than one event. A bin with an error is one of very many events, with the same signal in standard deviations.
    """
    here, there = (np.concatenate(expected_totals(test.joint, point), axis=1)[0] for point in (test.theta, theta))
    signal, data = there - here, asimov_data(test.joint, test.theta)
    control = [np.full(n.shape, math.inf) if m is None else m + 1.0 for n, m in zip(data.counts, data.control, strict=True)]
    unseen = [0.0 if channel.control is None else 1.0 / channel.control.ratio for channel in test.joint.channels]
    counts = [np.maximum(n + more, LEAST) for n, more in zip(data.counts, unseen, strict=True)]
    begin = 0
    for place, channel in enumerate(test.joint.channels):
        end = begin + len(counts[place])
        if channel.errors is not None:
            signal[begin:end], counts[place] = MANY * channel.errors.standard(signal[begin:end]), np.full(end - begin, MANY**2)
        begin = end
    return signal, np.concatenate(counts), np.concatenate(control)
