"""The best fit of an analysis with what people read from it: counts, errors, significance."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError, NoDataError
from cevnsfit.infer.fit import fit as minimum
from cevnsfit.infer.grid import joint_at
from cevnsfit.infer.profile import profile
from cevnsfit.infer.results import FitResult
from cevnsfit.infer.spread import spread_after
from cevnsfit.spec.fields import SIGNAL
from cevnsfit.stats.joint import Joint, join
from cevnsfit.studies.blinding import hidden, words_of
from cevnsfit.studies.possible import require_possible
from cevnsfit.studies.rates import ChannelRates, Rates, counts_at
from cevnsfit.studies.setup import asked_to_float, check_floating
from cevnsfit.studies.verbs import verb

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from cevnsfit.core.parameters import ParameterSet
    from cevnsfit.stats.channel import Channel
    from cevnsfit.stats.likelihood import Likelihood
    from cevnsfit.studies.workers import Progress

ALL: Final = "all"
"""Name that stands for all parameters that float."""


@dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class Fit(FitResult):
    """A best fit and what follows from it.

    Attributes
    ----------
    counts
        Expected and observed counts of each experiment at the best fit, by name.
    significance
        sqrt(-2 ln lambda refitted without the signal minus that of the best fit), negative for a deficit: counts of the signal below 0; NaN when the refit fails, infinite where nothing but the
        signal makes the data.
    delta_nll2_sm
        -2 ln lambda of the Standard Model (couplings at their defaults, everything else profiled or held) minus that of the best fit; NaN for a
        model without couplings.
    data
        Which data were fitted, in words.
    blind
        Blinded parameters, each with a digest of the offset that its value is moved by; see `studies.blinding` for what is left out then.
    """

    document: ClassVar[Mapping[str, str | None]] = {
        **dict.fromkeys(("values", "errors", "lower", "upper", "floating", "at_limit", "without_effect", "n_starts", "n_minima", "counts")),
        **{key: key for key in ("parameters", "held", "expected", "observed")},
        **dict.fromkeys(("significance", "signal_significance"), "significance"),
    }

    counts: Mapping[str, Rates | ChannelRates]
    significance: float
    delta_nll2_sm: float
    data: str
    blind: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, dict[str, float]]:
        """Return value, error, and both ends of the interval of every floating parameter; NaN where these were not asked for."""
        columns = {"value": self.values, "error": self.errors, "lower": self.lower, "upper": self.upper}
        return {name: {key: values.get(name, math.nan) for key, values in columns.items()} for name in self.floating}

    @property
    def held(self) -> dict[str, float]:
        """Return the parameters that did not float."""
        return {name: value for name, value in self.values.items() if name not in self.floating}

    @property
    def expected(self) -> dict[str, dict[str, float]]:
        """Return the counts of each component of each experiment at the best fit."""
        return {name: entry.totals for name, entry in self.counts.items()}

    @property
    def observed(self) -> dict[str, float | None]:
        """Return the counts that each experiment observed; Asimov counts are not whole."""
        found = {name: entry.seen for name, entry in self.counts.items()}
        return {name: int(total) if total is not None and total.is_integer() else total for name, total in found.items()}


@verb
def fit(
    likelihood: Likelihood,
    *,
    at: Mapping[str, float] | None = None,
    minos: Collection[str] | None = None,
    blind: Collection[str] = (),
    progress: Progress | None = None,
) -> Fit:
    """Return the best fit of a likelihood to its data.

    Parameters
    ----------
    likelihood
        From `build_likelihood`; Asimov data and pseudo-experiments are fitted with `likelihood.with_data`.
    at
        Held parameters; all others float unless they are held by default.
    minos
        Names of parameters that get profile errors, "all" for all that float; by default all except nuisances.
    blind
        Names of parameters, or texts "name=word", whose values are hidden behind an offset that depends on name and word: see "Blinded fits" in the documentation.
    progress
        Called with (finished, all) steps.

    Raises
    ------
    NoDataError
        If an experiment is a projection without data.
    FitError
        If the model cannot make the data.
    UnknownNameError, DomainError
        If a held parameter is unknown or outside its domain.

    Examples
    --------
    >>> import cevnsfit as cf
    >>> best = cf.fit(cf.build_likelihood("coherent-csi-2021", model="signal-strength"))
    >>> round(best.values["signal_strength"], 2), round(best.errors["signal_strength"], 2), round(best.significance, 1)
    (0.95, 0.1, 11.2)
    """
    held = {} if at is None else at
    prepared(likelihood, held, released=likelihood.nonlinear.names)
    words = words_of(blind, likelihood, held)
    wanted = likelihood.names if minos is not None and ALL in minos else minos
    if words:
        wanted = [*(likelihood.interest if wanted is None else wanted), *words]
        wanted = [name for name in dict.fromkeys(wanted) if name not in held]
    best = minimum(likelihood, at=held, minos=wanted, progress=progress)
    joint, others = joint_at(likelihood, {**held, **{name: best.values[name] for name in likelihood.nonlinear.names}})
    counts = counts_at(likelihood, best.values, spread_after(likelihood, best), profiled=True)
    significance = _significance(joint, best, others)
    signal = sum(entry.totals.get(SIGNAL, 0.0) for entry in counts.values())
    found = Fit(
        **{field.name: getattr(best, field.name) for field in dataclasses.fields(best)},
        counts=counts,
        significance=-significance if signal < 0.0 else significance,
        delta_nll2_sm=_above_standard(joint, best, others, likelihood.parameters),
        data=likelihood.data,
    )
    return dataclasses.replace(found, **hidden(best, likelihood, held, words)) if words else found


def require_observed(channels: Iterable[Channel]) -> None:
    """Raise NoDataError, which names the experiments, if there are channels without observed counts."""
    missing = dict.fromkeys(channel.owner for channel in channels if channel.observed is None)
    if missing:
        message = f"{', '.join(missing)}: no observed counts to fit; use `cevnsfit forecast` for projections"
        raise NoDataError(message)


def without_signal(joint: Joint) -> Joint:
    """Return the likelihood with the signal's templates set to zero."""
    channels = []
    for channel in joint.channels:
        keep = np.array([float(component != SIGNAL) for component in channel.components])
        moving = None if channel.moving is None else channel.moving.scaled(keep)
        channels.append(dataclasses.replace(channel, templates=channel.templates * keep[:, None], moving=moving))
    return join(joint.parameters, tuple(channels))


def _significance(joint: Joint, result: FitResult, at: Mapping[str, float]) -> float:
    background = profile(without_signal(joint), {name: np.array([value]) for name, value in at.items()})
    if not background.converged[0]:
        return math.inf if math.isinf(background.nll2[0]) else math.nan
    return math.sqrt(max(float(background.nll2[0]) - result.nll2, 0.0))


def _above_standard(joint: Joint, result: FitResult, at: Mapping[str, float], parameters: ParameterSet) -> float:
    """Return -2 ln lambda with the couplings at the defaults of `parameters` minus that of the best fit, NaN without couplings or a valid minimum."""
    couplings = {p.name: p.default for p in parameters.of_kind("polynomial")}
    standard = profile(joint, {name: np.array([value]) for name, value in {**at, **couplings}.items()})
    return float(standard.nll2[0]) - result.nll2 if couplings and standard.converged[0] else math.nan


def nonlinear_in_question(likelihood: Likelihood, at: Mapping[str, float], poi: str | None) -> list[str]:
    """Return the nonlinear parameters among the parameter of interest and those that were asked to float; the first is that of interest if it is one.

    A model without couplings is asked for its only parameter.
    """
    only = [p for p in likelihood.parameters if p.kind != "nuisance" and p.name not in at]
    if poi is None and len(only) == 1 and only[0].kind == "nonlinear":
        poi = only[0].name
    _require_free(poi, at)
    names = [*([] if poi is None else [poi]), *(name for name in asked_to_float(likelihood) if name != poi)]
    return [name for name in names if name in likelihood.nonlinear]


def prepared(
    likelihood: Likelihood, at: Mapping[str, float] | None, taken: Collection[str] = (), *, released: Collection[str] = ()
) -> tuple[Joint, dict[str, float]]:
    """Return the likelihood at its held nonlinear parameters, with data, and the other held values.

    Parameters
    ----------
    likelihood, at
        The likelihood, and what is held.
    taken
        Parameters of interest.
    released
        Nonlinear parameters that need not be held.

    Raises
    ------
    NoDataError
        If an experiment is a projection without data.
    CevnsfitError
        If a nonlinear parameter is not held, or a parameter should float that is.
    FitError
        If the model cannot make the data.
    UnknownNameError, DomainError
        If a held parameter is unknown or outside its domain.
    """
    held = {} if at is None else dict(at)
    require_coupling(likelihood, {*taken}.difference(released, held))
    check_floating(likelihood, held, taken)
    require_nonlinear(likelihood, [*held, *released])
    joint, values = joint_at(likelihood, held)
    require_observed(joint.channels)
    require_possible(joint, likelihood.axes)
    return joint, values


def require_coupling(likelihood: Likelihood, names: Iterable[str]) -> None:
    """Raise CevnsfitError if a parameter of interest rebuilds the templates."""
    for name in names:
        if name in likelihood.nonlinear:
            message = f"{name} rebuilds the templates: only `fit`, `intervals` by the profile likelihood, `scan` and `posterior` know such parameters"
            raise CevnsfitError(message)


def poi_name(joint: Joint, poi: str | None, at: Mapping[str, float]) -> str:
    """Return the parameter of interest: the named one, or the first polynomial one that is not held.

    Raises
    ------
    CevnsfitError
        If the model has none, or the named one is held.
    """
    if poi is not None:
        _require_free(poi, at)
        joint.parameters.index(poi)
        return poi
    names = [p.name for p in joint.parameters if p.kind == "polynomial" and p.name not in at]
    if not names:
        message = "this model has no coupling to constrain; choose one with --poi"
        raise CevnsfitError(message)
    return names[0]


def _require_free(poi: str | None, at: Collection[str]) -> None:
    if poi in at:
        message = f"{poi} is both held (--at) and the parameter of interest"
        raise CevnsfitError(message)


def asked_parameter(joint: Joint, poi: str | None, nonlinear: Sequence[str], at: Mapping[str, float]) -> str:
    """Return the parameter of interest of a model, of any kind, given the nonlinear ones in question; see `poi_name`."""
    if poi is None and nonlinear and not joint.parameters.of_kind("polynomial").names:
        return nonlinear[0]
    return poi if poi is not None and poi in nonlinear else poi_name(joint, poi, at)


def unheld(likelihood: Likelihood, at: Collection[str]) -> list[str]:
    """Return the nonlinear parameters of the model that float and are not held; CevnsfitError for one with a constraint, which cannot float here."""
    given = [] if likelihood.origin is None else [one.name for one in likelihood.origin.constraints]
    for name in given:
        if name in likelihood.nonlinear and name not in at:
            message = (
                f"{name} has a constraint and rebuilds the templates: what is asked for here cannot let it float; leave out the constraint"
            )
            raise CevnsfitError(message)
    return [p.name for p in likelihood.nonlinear if not p.fixed and p.name not in at]


def require_nonlinear(likelihood: Likelihood, at: Collection[str]) -> None:
    """Raise CevnsfitError unless every nonlinear parameter of the model (a mass) is held, or asked for."""
    for name in at:
        likelihood.parameters.index(name)
    missing = unheld(likelihood, at)
    if missing:
        message = (
            f"{', '.join(missing)} must be held for intervals at one value: --at {missing[0]}=VALUE, in Python at={{'{missing[0]}': VALUE}}"
        )
        raise CevnsfitError(message)
