"""Intervals and limits of one parameter by any method, and the significance of its signal, at one place or anywhere."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.infer import intervals as profiles
from cevnsfit.infer.cls import cls_limit, cls_limit_toys, cls_values, signal_test
from cevnsfit.infer.critical import CriticalValues, allowed_columns, require_map
from cevnsfit.infer.discovery import Discovery, discovery, with_toys
from cevnsfit.infer.elsewhere import GlobalSignificance
from cevnsfit.infer.elsewhere import global_significance as anywhere
from cevnsfit.infer.feldman_cousins import feldman_cousins
from cevnsfit.infer.hypothesis import default_hypothesis
from cevnsfit.infer.nonlinear import nonlinear_intervals
from cevnsfit.infer.runner import HERE
from cevnsfit.infer.toys import Toys
from cevnsfit.stats.data import observed_data
from cevnsfit.studies.fitting import asked_parameter, nonlinear_in_question, poi_name, prepared
from cevnsfit.studies.grids import axis_of
from cevnsfit.studies.toy_runs import description, runner
from cevnsfit.studies.verbs import verb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike

    from cevnsfit.infer.intervals import Intervals
    from cevnsfit.infer.planes import PlaneAxis
    from cevnsfit.stats.joint import Joint
    from cevnsfit.stats.likelihood import Likelihood
    from cevnsfit.studies.workers import Progress, Workers


METHODS: Final = ("profile", "feldman-cousins", "cls")

RATIO: Final = 3
"""Numbers measured on each pseudo-experiment: -2 ln lambda at the tested value, at the best fit, and the parameter there."""


@verb
def intervals(  # noqa: PLR0913 (store, workers and progress say where, not what)
    likelihood: Likelihood,
    poi: str | None = None,
    *,
    at: Mapping[str, float] | None = None,
    cl: float = 0.90,
    dof: int = 1,
    method: str = "profile",
    toys: Toys | None = None,
    critical: CriticalValues | None = None,
    store: str | Path | None = None,
    workers: Workers = None,
    progress: Progress | None = None,
) -> Intervals:
    """Return all allowed and excluded intervals of one parameter, with every branch.

    Parameters
    ----------
    likelihood
        From `build_likelihood`.
    poi
        The parameter, of any kind; by default the first coupling of the model that is not held, or its only parameter.
    at
        Held parameters. A mass must be among them if the model has one, unless it floats.
    cl, dof
        Confidence level, and degrees of freedom of the asymptotic threshold.
    method
        "profile" (asymptotic), "feldman-cousins", or "cls" for an upper limit.
    toys
        Number and seed of pseudo-experiments: for Feldman-Cousins 2048 at a value by default; CLs is asymptotic without any.
    critical
        From `critical_values`, of the same experiments, for "feldman-cousins": no pseudo-experiments are generated.
    store
        Folder in which they are kept; the same call resumes a stopped run.
    workers
        Number of processes, address of a Dask scheduler, or an executor; the results do not depend on it.
    progress
        Called with (finished, asked for so far) chunks.

    Raises
    ------
    CevnsfitError
        If the method does not fit the question.
    UnknownNameError, DomainError
        If a parameter is unknown, or a held one outside its domain.

    References
    ----------
    Cowan, Cranmer, Gross and Vitells, Eur. Phys. J. C 71 (2011) 1554; Feldman and Cousins, Phys. Rev. D 57 (1998) 3873; Read, J. Phys. G 28
    (2002) 2693.

    Examples
    --------
    >>> import cevnsfit as cf
    >>> likelihood = cf.build_likelihood("coherent-lar-2020", model="lmu-ltau")
    >>> limit = cf.intervals(likelihood, "g", at={"mass": 100.0}, cl=0.90)
    >>> [[round(end, 4) for end in ends] for ends in limit.allowed]
    [[0.0, 0.0032], [0.007, 0.0076]]
    """
    if method not in METHODS:
        message = f"unknown method '{method}'; known: {', '.join(METHODS)}"
        raise CevnsfitError(message)
    profiles.threshold(cl, dof)
    held = {} if at is None else dict(at)
    if critical is not None:
        return _by_map(likelihood, poi, held, cl, critical, alone=method == "feldman-cousins" and toys is None and store is None)
    nonlinear = nonlinear_in_question(likelihood, held, poi)
    if method == "profile":
        if toys is not None or store is not None:
            message = "the profile-likelihood method uses no toys; choose the method feldman-cousins or cls"
            raise CevnsfitError(message)
        return _profiled(likelihood, poi, held, nonlinear, profiles.Level(cl, dof))
    if nonlinear:
        message = f"{', '.join(nonlinear)} rebuilds the templates: only the profile-likelihood method knows such parameters"
        raise CevnsfitError(message)
    name, joint, others = _asked(likelihood, poi, held)
    if method == "cls" and toys is None:
        test = signal_test(joint, name, at=others)
        limit = cls_limit(test, cl=cl)
        ends = [end for end in (limit.allowed[0][1], *limit.expected) if math.isfinite(end)]
        values = np.linspace(test.value, test.value + 1.3 * (max(ends, default=limit.domain[1]) - test.value), 41)[1:]
        return replace(limit, profile=np.array([values, cls_values(test, values)]))
    chosen = Toys() if toys is None else toys
    identity = description(likelihood, held, chosen.seed, method=method, poi=name, cl=cl)
    with runner(identity, RATIO, store=store, workers=workers, progress=progress) as here:
        if method == "cls":
            return cls_limit_toys(signal_test(joint, name, at=others), cl=cl, toys=chosen, run=here)
        return feldman_cousins(default_hypothesis(joint.physical, name, at=others), cl=cl, toys=chosen, run=here)


def _by_map(
    likelihood: Likelihood, poi: str | None, held: Mapping[str, float], cl: float, critical: CriticalValues, *, alone: bool
) -> Intervals:
    """Return the interval below critical values that are known; CevnsfitError unless they are all that is asked for."""
    require_map(critical, alone=alone)
    name, joint, others = _asked(likelihood, poi, held)
    critical.require(likelihood, [name], held)
    return HERE(allowed_columns([default_hypothesis(joint.physical, name, at=others)], [critical.heights(cl)], cl=cl, dof=1))[0]


def _asked(likelihood: Likelihood, poi: str | None, held: Mapping[str, float]) -> tuple[str, Joint, dict[str, float]]:
    """Return the parameter of interest, the likelihood at its held nonlinear parameters, and the other held values."""
    joint, others = prepared(likelihood, held, () if poi is None else (poi,))
    return poi_name(joint, poi, held), joint, others


def _profiled(
    likelihood: Likelihood, poi: str | None, held: Mapping[str, float], nonlinear: Sequence[str], level: profiles.Level
) -> Intervals:
    if not nonlinear:
        name, joint, others = _asked(likelihood, poi, held)
        return profiles.intervals(joint, name, cl=level.cl, dof=level.dof, at=others)
    joint, others = prepared(likelihood, held, () if poi is None else (poi,), released=nonlinear)
    name = asked_parameter(joint, poi, nonlinear, {**held, **others})
    floating = [one for one in nonlinear if one != name]
    return nonlinear_intervals(likelihood, name, cl=level.cl, dof=level.dof, at=held, floating=floating, data=observed_data(joint))


@verb
def significance(
    likelihood: Likelihood,
    poi: str | None = None,
    *,
    at: Mapping[str, float] | None = None,
    toys: Toys | None = None,
    store: str | Path | None = None,
    workers: Workers = None,
    progress: Progress | None = None,
) -> Discovery:
    """Return the significance with which a parameter exceeds its value without signal, asymptotic if that is valid, otherwise from pseudo-experiments.

    Parameters
    ----------
    likelihood
        From `build_likelihood`.
    poi
        The parameter; by default the first coupling of the model that is not held.
    at
        Held parameters; a mass must be among them.
    toys
        Number and seed of pseudo-experiments, which are then always used; by default 2048 if the asymptotic result is not valid.
    store, workers, progress
        As for `intervals`.

    Examples
    --------
    >>> import cevnsfit as cf
    >>> found = cf.significance(cf.build_likelihood("coherent-csi-2021", model="signal-strength"))
    >>> round(found.significance, 1)
    11.2
    """
    held = {} if at is None else dict(at)
    name, joint, others = _asked(likelihood, poi, held)
    found = discovery(joint, name, at=others)
    if toys is None and not (found.remark and math.isfinite(found.statistic)):
        return found
    chosen = Toys() if toys is None else toys
    identity = description(likelihood, held, chosen.seed, method="discovery", poi=name)
    with runner(identity, RATIO, store=store, workers=workers, progress=progress) as here:
        return with_toys(found, chosen, here, asked=toys is not None)


@verb
def global_significance(
    likelihood: Likelihood,
    poi: str | None = None,
    *,
    at: Mapping[str, float] | None = None,
    toys: Toys | None = None,
    store: str | Path | None = None,
    workers: Workers = None,
    progress: Progress | None = None,
    **grid: ArrayLike,
) -> GlobalSignificance:
    """Return the significance of a signal at an unknown value of a nonlinear parameter, given as `name=values`, for example mass=...

    Parameters
    ----------
    likelihood
        From `build_likelihood`.
    poi
        The parameter of the signal; by default the first coupling of the model that is not held.
    at
        Held parameters.
    toys
        Number and seed of pseudo-experiments without signal. None by default: then there is a local p-value alone.
    store, workers, progress
        As for `intervals`.
    **grid
        Increasing values of the scanned parameter. Pseudo-experiments and data are scanned alike, so that a p-value from toys is one of this grid.

    Raises
    ------
    CevnsfitError
        Unless one nonlinear parameter is scanned, on which the prediction without signal does not depend.
    DomainError
        If a value lies outside its domain.

    References
    ----------
    Gross and Vitells, Eur. Phys. J. C 70 (2010) 525, arXiv:1005.1891.

    Examples
    --------
    >>> import cevnsfit as cf
    >>> likelihood = cf.build_likelihood("coherent-lar-2020", model="lmu-ltau")
    >>> found = cf.global_significance(likelihood, "g", mass=[10.0, 100.0, 1000.0], toys=cf.Toys(128))
    >>> found.local_p <= found.global_p
    True
    """
    held = {} if at is None else dict(at)
    axis = _scanned_axis(likelihood, grid, held)
    joint, _ = prepared(likelihood, held, () if poi is None else (poi,), released=(axis.name,))
    name = poi_name(joint, poi, held)
    chosen = Toys() if toys is None else toys
    values = {axis.name: [float(value) for value in axis.values]}
    identity = description(likelihood, held, chosen.seed, method="global-significance", poi=name, grid=values)
    kept = None if toys is None else store
    with runner(identity, len(axis.values), store=kept, workers=workers, progress=progress) as here:
        return anywhere(likelihood, name, axis, at=held, toys=toys, run=here)


def _scanned_axis(likelihood: Likelihood, grid: Mapping[str, ArrayLike], held: Mapping[str, float]) -> PlaneAxis:
    """Return the only scanned parameter with its values; errors are those of `global_significance`."""
    if len(grid) != 1:
        named = f" ({', '.join(grid)})" if grid else ""
        message = (
            f"a global significance scans one parameter, for example mass=[...], got {len(grid)}{named}; upcrossings are those of a line"
        )
        raise CevnsfitError(message)
    ((name, given),) = grid.items()
    parameter = likelihood.parameters[name]
    if parameter.kind != "nonlinear" or name in held:
        why = "held" if name in held else f"a {parameter.kind} parameter: q0 is scanned along one that rebuilds the signal, such as a mass"
        message = f"{name} cannot be scanned, it is {why}"
        raise CevnsfitError(message)
    return axis_of(likelihood, name, given, least=1)
