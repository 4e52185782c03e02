"""Two models of the same data: likelihood ratio with p-values from pseudo-experiments, and the ratio of their evidences."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from scipy.stats import chi2

from cevnsfit.core.documents import About, Result, plain
from cevnsfit.core.errors import CevnsfitError, FitError, UnknownNameError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.infer.comparison import Contest, Rival, contained, paired, ratios, rival
from cevnsfit.infer.fit import fit
from cevnsfit.infer.results import ToyRecord, lost
from cevnsfit.infer.toys import TIE, point_test
from cevnsfit.report.style import SCREEN, Look
from cevnsfit.report.tables import Sheet
from cevnsfit.report.toys import comparison_figure
from cevnsfit.studies.evidences import EvidenceRatio, evidences
from cevnsfit.studies.fitting import prepared
from cevnsfit.studies.provenance import made_from, origin_of
from cevnsfit.studies.toy_runs import description, runner
from cevnsfit.studies.verbs import about, checked_at, checked_toys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cevnsfit.infer.runner import Runner
    from cevnsfit.infer.toys import Toys
    from cevnsfit.stats.likelihood import Likelihood
    from cevnsfit.studies.workers import Progress, Workers

_log = logging.getLogger(__name__)

METHOD: Final = "likelihood ratio at the best fits, toys at each of them, nuisances profiled"


@dataclass(frozen=True, slots=True)
class BestFit:
    """The best fit of one of the models.

    Attributes
    ----------
    lagrangian
        That its couplings are those of; empty for a likelihood that was built by hand.
    nll2
        -2 ln lambda.
    free
        Parameters that float without a constraint and have an effect.
    aic, bic
        nll2 + 2 free, and nll2 + free ln(bins).
    values
        Every parameter, those that are held included.
    floating
        Those that float.
    """

    lagrangian: str
    nll2: float
    free: int
    aic: float
    bic: float
    values: Mapping[str, float]
    floating: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Comparison(Result):
    """Two models of the same data.

    Attributes
    ----------
    models
        Their names, the first and the second.
    best_fits
        Their best fits by name.
    statistic
        lambda = -2 ln L(first) / L(second), each at its best fit: above 0 where the second fits better.
    toys
        By model: how often lambda is at least as bad for it in its pseudo-experiments as in the data; empty without any.
    nested
        The model that is the other one with some parameters at their defaults; empty for none.
    wilks
        p-value of the nested one by Wilks' theorem, where that holds (see `remark`); NaN where none is nested.
    evidence
        The ratio of the evidences, None where it was not asked for.
    reason
        Why a fit cannot be trusted; empty where both can.
    """

    document: ClassVar[Mapping[str, str | None]] = {
        "ratio": "statistic", "p": "p", "toys": None, "method": "method", "remark": "remark", "valid": "valid",
    }  # fmt: skip

    models: tuple[str, str]
    best_fits: Mapping[str, BestFit]
    statistic: float
    nested: str
    wilks: float
    reason: str
    toys: Mapping[str, ToyRecord]
    evidence: EvidenceRatio | None = None

    @property
    def method(self) -> str:
        """Return how they are compared."""
        return METHOD

    @property
    def p(self) -> dict[str, dict[str, float]]:
        """Return the p-value of each model with its Monte Carlo error, and its pseudo-experiments."""
        return {name: record.tail for name, record in self.toys.items()}

    @property
    def remark(self) -> str:
        """Return what must be known to read the numbers."""
        if abs(self.statistic) <= TIE:
            return "both models fit the data equally well: the data cannot tell them apart"
        if not self.nested:
            return "neither model contains the other one: Wilks' theorem does not apply, and the toys decide"
        return (
            f"{self.nested} is the other model at some defaults: where these are ends of domains, or leave a mass without effect, Wilks' theorem "
            "does not hold, and the toys decide"
        )

    @property
    def valid(self) -> bool:
        """Return whether both fits can be trusted and no pseudo-experiment was lost."""
        return not self.doubt

    @property
    def doubt(self) -> str:
        """Return why the fits cannot be trusted, or how many pseudo-experiments were lost."""
        return self.reason if self.reason else lost(sum(record.failed for record in self.toys.values()))


@on_one_thread
def compare(  # noqa: PLR0913 (store, workers and progress say where, not what)
    likelihood: Likelihood,
    other: Likelihood,
    *,
    at: Mapping[str, float] | None = None,
    toys: Toys | None = None,
    priors: Sequence[str] | None = None,
    store: str | Path | None = None,
    workers: Workers = None,
    progress: Progress | None = None,
) -> Comparison:
    """Return how two models of the same data compare: their likelihood ratio, its p-values, and the ratio of their evidences.

    Couplings, masses and nuisances float in both, unless they are held. The order of the models changes signs alone.

    Parameters
    ----------
    likelihood, other
        Two models of the same data, from `build_likelihood`.
    at
        Held parameters, in each model that has them.
    toys
        Number and seed of the pseudo-experiments of each model; none by default.
    priors
        Asks for the evidences, with the priors of `posterior`, those of each parameter in each model that lets it float; none by default. An empty sequence asks for flat ones.
    store, workers, progress
        As for `intervals`; evidences are not kept.

    Raises
    ------
    CevnsfitError
        If the data differ, or both are the same model.
    FitError
        If a model cannot make the data.

    Examples
    --------
    >>> import cevnsfit as cf
    >>> models = [cf.build_likelihood("coherent-csi-2021", model=name) for name in ("sm", "signal-strength")]
    >>> found = cf.compare(*models)
    >>> found.models, round(found.statistic, 2)
    (('sm', 'signal-strength'), 0.01)
    """
    checked_toys(toys)
    pair = (likelihood, other)
    given = _held(pair, {} if at is None else at)
    names = _names(pair, given)
    rivals = [_fitted(one, own, name) for one, own, name in zip(pair, given, names, strict=True)]
    order = sorted((0, 1), key=lambda k: (_identity(pair[k], given[k]), len(rivals[k].best.floating), rivals[k].best.nll2))
    canonical = paired(rivals[order[0]], rivals[order[1]])
    statistic = rivals[0].best.nll2 - rivals[1].best.nll2
    records, factor = dict[str, ToyRecord](), None
    if toys is not None:
        identity = _described([pair[k] for k in order], [given[k] for k in order], toys) if store is not None else dict
        with runner(identity, 2, store=store, workers=workers, progress=progress) as here:
            found = _records(canonical, toys, here)
        records = {names[k]: found[order.index(k)] for k in (0, 1)}
    if priors is not None:
        with runner(dict, 1, workers=workers, progress=progress) as here:
            factor = evidences(rivals, given, names, priors, order, here)
    inner = next((k for k in (0, 1) if contained(rivals[k], rivals[1 - k]) and not contained(rivals[1 - k], rivals[k])), None)
    fits = {name: _best(one, model) for name, one, model in zip(names, pair, rivals, strict=True)}
    return Comparison(
        models=names,
        best_fits=fits,
        statistic=statistic,
        nested="" if inner is None else names[inner],
        wilks=math.nan if inner is None else _wilks(fits[names[inner]], fits[names[1 - inner]]),
        reason="; ".join(f"{name}: {model.best.reason}" for name, model in zip(names, rivals, strict=True) if not model.best.valid),
        toys=records,
        evidence=factor,
        about=_about(pair, given),
    )


def _held(pair: Sequence[Likelihood], at: Mapping[str, float]) -> list[dict[str, float]]:
    """Return what is held in each model; UnknownNameError if a parameter is one of neither."""
    checked = [checked_at(one, {}) for one in pair]
    known = list(dict.fromkeys(name for one in pair for name in one.parameters.names))
    for name in at:
        if name not in known:
            kind = "parameter"
            raise UnknownNameError(kind, name, known)
    return [
        {**own, **checked_at(one, {k: v for k, v in at.items() if k in one.parameters})} for own, one in zip(checked, pair, strict=True)
    ]


def _names(pair: Sequence[Likelihood], given: Sequence[Mapping[str, float]]) -> tuple[str, str]:
    """Return the names of two models, numbered where they are the same; CevnsfitError for the same model with the same settings."""
    if pair[0] is pair[1] or (pair[0].origin is not None and _identity(pair[0], given[0]) == _identity(pair[1], given[1])):
        message = "both are the same model with the same settings: there is nothing to compare"
        raise CevnsfitError(message)
    first, second = ("model" if one.origin is None else one.origin.model for one in pair)
    return (first, second) if first != second else (f"{first} (1)", f"{second} (2)")


def _identity(likelihood: Likelihood, at: Mapping[str, float]) -> str:
    """Return what says which model it is; empty for one that was built by hand."""
    return "" if likelihood.origin is None else str(plain(likelihood.origin.holding(at)))


def _about(pair: Sequence[Likelihood], given: Sequence[Mapping[str, float]]) -> About:
    """Return what both are about, without a model; the caveats of both."""
    first, second = (about(one, own) for one, own in zip(pair, given, strict=True))
    caveat = "; ".join(dict.fromkeys(filter(None, (first.caveat, second.caveat))))
    return replace(first, model="", lagrangian="", caveat=caveat, printed={**second.printed, **first.printed})


def _fitted(likelihood: Likelihood, at: Mapping[str, float], name: str) -> Rival:
    """Return a model with its best fit; FitError, with its name, where it cannot make the data."""
    try:
        prepared(likelihood, at, released=likelihood.nonlinear.names)
        return rival(likelihood, fit(likelihood, at=at, minos=()))
    except FitError as error:
        message = f"{name} cannot make the data: {error}"
        raise FitError(message) from None


def _best(likelihood: Likelihood, model: Rival) -> BestFit:
    found, bins = model.best, model.truth[0].nbins
    free = bins - found.ndof
    lagrangian = about(likelihood, {}).lagrangian
    bic = found.nll2 + free * math.log(bins)
    return BestFit(lagrangian, found.nll2, free, found.nll2 + 2 * free, bic, found.values, found.floating)


def _wilks(inner: BestFit, outer: BestFit) -> float:
    more = outer.free - inner.free
    return float(chi2.sf(max(inner.nll2 - outer.nll2, 0.0), more)) if more > 0 else math.nan


def _described(pair: Sequence[Likelihood], given: Sequence[Mapping[str, float]], toys: Toys) -> Any:
    """Return what identifies the pseudo-experiments: both models."""
    second = origin_of(pair[1]).holding(given[1])
    against = {**plain(second), **made_from({" + ".join(pair[1].inputs): pair[1]}, [given[1]])}
    return description(pair[0], given[0], toys.seed, method="comparison", against=against)


def _records(pair: Contest, toys: Toys, run: Runner) -> list[ToyRecord]:
    """Return the p-value of each of two models."""
    begin = time.monotonic()
    found = run(ratios(pair, toys))
    _log.info("%.3g toys a second, each fitted with both models", sum(map(len, found)) / max(time.monotonic() - begin, 1e-9))
    observed = pair.models[0].best.nll2 - pair.models[1].best.nll2
    return [
        ToyRecord(toys.seed, (point_test(math.nan, sign * observed, [sign * rows]),)) for sign, rows in zip((1, -1), found, strict=True)
    ]


# --- text and picture --------------------------------------------------------------------------------------------------------------


def text(result: Comparison) -> Iterator[str | Sheet]:
    """Yield both best fits, the ratio with its p-values, and the evidences."""
    rows = [
        (name, f"{found.free}", f"{found.nll2:.2f}", f"{found.aic:.2f}", f"{found.bic:.2f}") for name, found in result.best_fits.items()
    ]
    yield Sheet("Models", ("model", "free", "-2 ln lambda", "AIC", "BIC"), rows)
    first, second = result.models
    mine, theirs = result.best_fits[first].values, result.best_fits[second].values
    for name, values, rest in ((first, mine, theirs), (second, theirs, mine)):
        own = [f"{key} = {value:.6g}" for key, value in values.items() if key not in rest and key in result.best_fits[name].floating]
        if own:
            yield f"{name} at its best fit: {', '.join(own)}"
    better = "" if abs(result.statistic) <= TIE else f": {second if result.statistic > 0 else first} fits better"
    yield f"-2 ln L({first}) / L({second}) = {result.statistic:+.2f}{better}"
    for name, record in result.toys.items():
        (point,) = record.points
        p = f"p = {point.p:.3g} +- {point.error:.1g}" if point.p else f"p < {3 / max(point.toys, 1):.1g} (95 % CL)"
        yield f"{name}: {p} ({point.toys} toys of it, seed {record.seed}, {point.failed} failed)"
    if not math.isnan(result.wilks):
        yield f"Wilks' theorem would give {result.nested} p = {result.wilks:.3g}"
    yield result.remark
    yield from (f"{name}: {found.lagrangian}" for name, found in result.best_fits.items() if found.lagrangian)
    if result.evidence is not None:
        factor = result.evidence
        yield f"evidence of {first} over {second}: {factor.ratio:.3g} (ln = {factor.log:+.2f} +- {factor.error:.2f}), which depends on the priors"
        for name, priors in factor.priors.items():
            yield f"  {name}: {'; '.join(priors) if priors else 'constrained nuisances alone'}"


def picture(result: Comparison, ax: Axes | None = None, look: Look = SCREEN) -> Figure:
    """Return lambda in the pseudo-experiments of both models, and in the data; CevnsfitError without any."""
    if not result.toys:
        message = "there is no picture without toys: ask for some (--toys)"
        raise CevnsfitError(message)
    first, second = result.models
    samples = {first: result.toys[first].points[0].samples[0], second: -result.toys[second].points[0].samples[0]}
    look = look.naming(result.about)
    notes = [note for note in (look.headline(result.about), result.doubt) if note]
    return comparison_figure(samples, result.statistic, notes=notes, look=look, ax=ax)
