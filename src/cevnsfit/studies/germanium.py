"""The numbers of data/published that germanium has, computed; and strengths and counts of any experiment with their errors."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.spec.fields import SIGNAL
from cevnsfit.spec.load import load_experiment
from cevnsfit.stats.joint import expected
from cevnsfit.studies.fitting import fit
from cevnsfit.studies.setup import build_likelihood

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cevnsfit.core.arrays import Floats
    from cevnsfit.core.axes import Axis
    from cevnsfit.infer.results import FitResult
    from cevnsfit.studies.fitting import Fit


STRENGTH: Final = "signal_strength"

_DIODES: Final = "coherent-ge-mini-2024"
_REACTOR: Final = "conus-plus-2025"
_POINT_CONTACT: Final = "dresden-ii-2022"
_QUENCHING: Final = "response.quenching.column"
_NO_NEUTRONS: Final = {"backgrounds.beam_neutrons.count": {"kind": "known", "mean": 1e-9}}
_BEAM_ON: Final = {**_NO_NEUTRONS, "backgrounds.steady_state.count": {"kind": "free", "mean": 151}}


@dataclass(frozen=True, slots=True)
class PublishedCurve:
    """A published curve and ours: its table in the data, the names of its columns, and (abscissa, published, ours) at every point."""

    file: str
    columns: tuple[str, str]
    points: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True)
class Ours:
    """A computed number, its error, and the curve that it is the rms difference of; None where it has none."""

    value: float
    error: float | None = None
    curve: PublishedCurve | None = None


def germanium_checks() -> dict[str, Callable[[object], Ours]]:
    """Return the functions that compute the numbers of germanium, by their ids."""
    found: dict[str, Callable[[object], Ours]] = {
        "ge-mini-2024.predicted.below": lambda _: signal_counts(_DIODES, {"response.selection.column": "below"}),
        "conus-plus-2025.significance.published": lambda _: signal_significance(_REACTOR),
        "ge-mini-2024.drawn": lambda _: drawn_deviation(_DIODES),
        "ge-mini-2024.fitted.on": lambda _: fitted_signal(_DIODES, _BEAM_ON),
    }
    for suffix in ("", ".published"):
        found[f"ge-mini-2024.predicted{suffix}"] = lambda _: signal_counts(_DIODES)
        found[f"ge-mini-2024.fitted{suffix}"] = lambda _: fitted_signal(_DIODES, _NO_NEUTRONS)
        found[f"ge-mini-2024.significance{suffix}"] = lambda _: signal_significance(_DIODES, _NO_NEUTRONS)
        found[f"conus-plus-2025.predicted{suffix}"] = lambda _: signal_counts(_REACTOR)
        found[f"conus-plus-2025.fitted{suffix}"] = lambda _: fitted_signal(_REACTOR)
    profiled = functools.cache(_profiled)
    for column in ("fef", "ybe"):
        found[f"dresden-ii.predicted.{column}"] = functools.partial(_a_day, {_QUENCHING: column})
        found[f"dresden-ii.strength.{column}"] = lambda _, column=column: with_error(profiled(column), STRENGTH)  # type: ignore[misc]
        found[f"dresden-ii.significance.{column}"] = lambda _, column=column: Ours(profiled(column).significance)  # type: ignore[misc]
    return found


def _a_day(changes: Mapping[str, object], _: object) -> Ours:
    return Ours(signal_counts(_POINT_CONTACT, changes).value / 96.4)


def signal_significance(name: str, changes: Mapping[str, object] | None = None) -> Ours:
    """Return the significance of the signal in an experiment with some fields changed."""
    return Ours(fit(build_likelihood(name, model="signal-strength", changes=changes), minos=()).significance)


def _profiled(column: str) -> Fit:
    """Return the fit of Dresden-II with one of its quenching factors, the systematics of the signal profiled."""
    likelihood = build_likelihood(_POINT_CONTACT, model="signal-strength", changes={_QUENCHING: column}, signal_systematics="profile")
    return fit(likelihood, minos=(STRENGTH,))


def with_error(best: FitResult, parameter: str) -> Ours:
    """Return the best value of a parameter with the mean of its two profile errors."""
    return Ours(best.values[parameter], (best.upper[parameter] - best.lower[parameter]) / 2.0)


def signal_counts(name: str, changes: Mapping[str, object] | None = None) -> Ours:
    """Return the counts of the Standard Model in an experiment with some fields changed, all channels together."""
    joint = build_likelihood(name, model="sm", changes=changes).at({})
    return Ours(sum(float(counts[SIGNAL].sum()) for counts in expected(joint, joint.parameters.defaults()).values()))


def fitted_signal(name: str, changes: Mapping[str, object] | None = None) -> Ours:
    """Return the fitted counts of the signal in an experiment with some fields changed, with the mean of the two profile errors."""
    strength = with_error(fit(build_likelihood(name, model="signal-strength", changes=changes), minos=(STRENGTH,)), STRENGTH)
    predicted = signal_counts(name, changes).value
    return Ours(strength.value * predicted, math.nan if strength.error is None else strength.error * predicted)


def drawn_deviation(name: str) -> Ours:
    """Return the largest difference to the signal that a collaboration has drawn in bins of time, in counts at its normalisation."""
    experiment = load_experiment(name)
    joint = build_likelihood(experiment, model="sm").at({})
    ours = expected(joint, joint.parameters.defaults())[name][SIGNAL].ravel()
    columns = [experiment.tables["counts.csv"].on(experiment.axes, f"drawn_{part}").ravel() for part in ("prompt", "delayed")]
    drawn = np.sum(columns, axis=0)
    ours = ours * (np.sum(drawn) / ours.sum())
    return Ours(float(np.max(np.abs(ours - drawn))), curve=binned(f"experiments/{name}/counts.csv", experiment.axes[-1], drawn, ours))


def binned(file: str, axis: Axis, published: Floats, ours: Floats) -> PublishedCurve:
    """Return counts in the bins of an axis, each at its middle, as a curve."""
    middles = (axis.display_edges[:-1] + axis.display_edges[1:]) / 2.0
    return PublishedCurve(file, (axis.label, "counts"), tuple(zip(middles.tolist(), published.tolist(), ours.tolist(), strict=True)))
