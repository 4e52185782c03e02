"""Experiments and a signal model to a likelihood; the only place where description, physics and detector meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from cevnsfit.core.errors import CevnsfitError, OverlapError
from cevnsfit.core.parameters import Parameter, ParameterSet, merge
from cevnsfit.core.threads import on_one_thread
from cevnsfit.model.backgrounds import background_rows, control_counts
from cevnsfit.model.nominal import Nominal, nominal_of, signal_counts
from cevnsfit.model.rows import LINEAR, QUADRATIC, Factors, coefficients, excursion
from cevnsfit.model.signal import Signal, Squares, charges, contract, fold_signal, kernels_of, squares_of, with_kernels
from cevnsfit.model.window import require_signal
from cevnsfit.model.workspace import Counting, counting
from cevnsfit.physics.interactions import signal_model
from cevnsfit.physics.interactions.terms import Target
from cevnsfit.spec.schema import TemplateVariant
from cevnsfit.stats.channel import Channel, Coefficients, ControlRegion, amplitudes
from cevnsfit.stats.likelihood import Likelihood

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.physics.interactions.terms import ElectronTarget, Monomial, PreparedModel, SignalModel
    from cevnsfit.spec.load import Experiment

SIGNAL: Final = "cevns"
RELEASED: Final = "released-templates"
SignalSystematics = Literal["profile", "shapes", "hold"]
"""What is done with the signal's systematics: all profiled, shapes profiled and rates held, all held."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """One experiment with one signal model, ready to give templates at any value of the shape parameters.

    Attributes
    ----------
    experiment
        The description.
    signal
        The folded signal; None when the released template stands in for it.
    prepared
        For each target, the model's terms as a function of the shape parameters.
    monomials
        Monomials of the signal in the couplings.
    mix
        Signal rows per monomial as combinations of the response variants, shape (rows, variants).
    ratios
        Further signal rows per monomial: the nominal counts times these, shape (rows, bins).
    fixed
        Templates that no shape parameter changes, shape (rows, bins).
    coefficients
        The rule A(theta) for all rows: signal rows (row-major over rows, monomials), then the fixed ones.
    components
        Component of each row.
    observed
        Observed counts, shape (bins,), or None.
    control
        The control region, or None.
    """

    experiment: Experiment
    signal: Signal | None
    prepared: tuple[PreparedModel, ...]
    monomials: tuple[Monomial, ...]
    mix: NDArray[np.float64]
    ratios: NDArray[np.float64]
    fixed: NDArray[np.float64]
    coefficients: Coefficients
    components: tuple[str, ...]
    observed: NDArray[np.float64] | None
    control: ControlRegion | None


@on_one_thread
def build_likelihood(
    experiments: Sequence[Experiment],
    model: str,
    *,
    signal_systematics: SignalSystematics | None = None,
    allow_overlap: bool = False,
    electrons: bool = False,
) -> Likelihood:
    """Return the likelihood of one or more experiments for a named signal model.

    Parameters
    ----------
    experiments
        From `load_experiment`.
    model
        Name of a signal model, see `cevnsfit models`.
    signal_systematics
        What happens to the signal's systematics; by default "hold" for `signal-strength`, which measures the signal in units of
        its nominal prediction, and "profile" for every other model.
    allow_overlap
        Combine experiments even if they share events.
    electrons
        Add neutrino-electron scattering, in experiments whose response to electrons is known.

    Raises
    ------
    OverlapError
        If two of the experiments share events.
    UnknownNameError
        If there is no such model.
    """
    check_overlaps(experiments, allow_overlap=allow_overlap)
    treatment: SignalSystematics = "hold" if model == "signal-strength" else "profile"
    if signal_systematics is not None:
        treatment = signal_systematics
    if model == RELEASED:
        built = [_released(experiment) for experiment in experiments]
    else:
        physics = signal_model(model)
        built = [_build(experiment, physics, treatment, electrons=electrons) for experiment in experiments]
    models = tuple(entry for entry, _ in built)
    parameters = merge(parameters for _, parameters in built)
    return Likelihood(parameters, lambda shape: tuple(channel(entry, shape) for entry in models), _nominal(models, parameters))


def _nominal(models: Sequence[Model], parameters: ParameterSet) -> Callable[[Mapping[str, float]], dict[str, NDArray[np.float64]]] | None:
    """Return the function that gives the nominal counts of each experiment; None where a released template stands in for the signal."""
    parts: dict[str, tuple[Nominal, NDArray[np.float64]]] = {}
    for model in models:
        if model.signal is None:
            return None
        defaults = np.array([[parameters[name].default for name in model.coefficients.parameters]])
        rows = len(model.components) - len(model.fixed)
        parts[model.experiment.name] = (
            nominal_of(model.signal, model.prepared),
            amplitudes(model.coefficients, defaults)[0, rows:] @ model.fixed,
        )
    return lambda values: {name: signal_counts(nominal, values) + background for name, (nominal, background) in parts.items()}


def check_overlaps(experiments: Sequence[Experiment], *, allow_overlap: bool = False) -> None:
    """Raise OverlapError if two experiments share events, and CevnsfitError if one is given twice."""
    names = [experiment.name for experiment in experiments]
    for position, experiment in enumerate(experiments):
        if experiment.name in names[:position]:
            message = f"experiment '{experiment.name}' is given twice"
            raise CevnsfitError(message)
        for other in experiments[:position]:
            shared = other.name in experiment.spec.overlaps or experiment.name in other.spec.overlaps
            if shared and not allow_overlap:
                message = f"{other.name} and {experiment.name} share events and cannot be combined (--allow-overlap to do it anyway)"
                raise OverlapError(message)


def channel(model: Model, shape: Mapping[str, float]) -> Channel:
    """Return the channel of one experiment at values of the shape parameters."""
    experiment = model.experiment
    templates = np.concatenate([signal_templates(model, shape), model.fixed]) if model.signal is not None else model.fixed
    return Channel(
        name=experiment.name,
        templates=templates,
        coefficients=model.coefficients,
        components=model.components,
        observed=model.observed,
        control=model.control,
        shape=tuple(axis.nbins for axis in experiment.axes),
    )


def _observed(experiment: Experiment) -> NDArray[np.float64] | None:
    entry = experiment.spec.observed
    return None if entry is None else experiment.tables[entry.table].on(experiment.axes, entry.column).ravel()


def _control(experiment: Experiment) -> ControlRegion | None:
    for entry in experiment.spec.control_region.values():
        return ControlRegion(control_counts(experiment, entry), entry.ratio)
    return None


def signal_templates(model: Model, shape: Mapping[str, float]) -> NDArray[np.float64]:
    """Return the signal rows at values of the shape parameters, shape (rows * monomials, bins)."""
    assert model.signal is not None
    squares = squares_of(model.signal, model.prepared, shape)
    signal = with_kernels(model.signal, kernels_of(squares))
    monomials, q = charges(signal, squares)
    assert monomials == model.monomials
    counts = contract(signal, q)
    counts = counts.reshape(*counts.shape[:2], -1)
    mixed = np.tensordot(model.mix, counts, axes=(1, 0))
    scaled = model.ratios[:, None, :] * counts[0]
    return np.asarray(np.concatenate([mixed, scaled]).reshape(-1, counts.shape[-1]))


def _prepared(physics: SignalModel, target: Target | ElectronTarget) -> PreparedModel:
    if isinstance(target, Target):
        return physics.prepare(target)
    if physics.electrons is None:
        message = f"the model '{physics.name}' says nothing of electrons; leave out the electron recoils"
        raise CevnsfitError(message)
    return physics.electrons(target)


def _build(experiment: Experiment, physics: SignalModel, treatment: SignalSystematics, *, electrons: bool) -> tuple[Model, list[Parameter]]:
    bare = fold_signal(experiment, electrons=electrons)
    require_signal(experiment, bare)
    prepared = tuple(_prepared(physics, target) for target in bare.targets)
    squares = squares_of(bare, prepared, physics.shapes())
    signal = with_kernels(bare, kernels_of(squares))
    monomials, _ = charges(signal, squares)
    mix, ratios, rows, systematics = _signal_rows(experiment, signal, treatment)
    factors = [Factors(SIGNAL, dict(monomial), row.norms, row.excursion) for row in rows for monomial in monomials]
    backgrounds = _described(experiment) if experiment.workspace is None else counting(experiment)
    _check_shared(experiment, systematics, backgrounds.parameters)
    factors += [row for row, _ in backgrounds.rows]
    nb = int(np.prod([axis.nbins for axis in experiment.axes]))
    fixed = np.array([template for _, template in backgrounds.rows]).reshape(-1, nb)
    parameters = [*physics.parameters, *systematics, *backgrounds.parameters, *_background_nuisances(experiment, systematics)]
    components = tuple(row.component for row in factors)
    counts_seen = backgrounds.observed, backgrounds.control
    return Model(experiment, signal, prepared, monomials, mix, ratios, fixed, coefficients(factors), components, *counts_seen), parameters


def _check_shared(experiment: Experiment, systematics: Sequence[Parameter], others: Sequence[Parameter]) -> None:
    """Raise CevnsfitError if a parameter of the workspace has the name of a systematic that is not meant."""
    given = experiment.spec.workspace
    meant = () if given is None else given.shared.values()
    clashes = {parameter.name for parameter in systematics} & {parameter.name for parameter in others} - {*meant}
    if given is not None and clashes:
        message = f"{experiment.name}: {', '.join(sorted(clashes))} is a systematic and a parameter of {given.file}; rename one, or list it in shared"
        raise CevnsfitError(message)


def _described(experiment: Experiment) -> Counting:
    """Return the backgrounds and counts that the description has itself."""
    rows, parameters = background_rows(experiment, {n: b.count for n, b in experiment.spec.backgrounds.items()}, excursions=True)
    return Counting(tuple(rows), tuple(parameters), _observed(experiment), _control(experiment))


def _signal_rows(
    experiment: Experiment, signal: Signal, treatment: SignalSystematics
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[Factors], list[Parameter]]:
    """Return mix, ratios, the factors of each row, and the signal's nuisance parameters."""
    spec = experiment.spec
    variant = dict(zip(signal.variants, np.eye(len(signal.variants)), strict=True))
    nominal = variant["nominal"]
    parameters: list[Parameter] = []
    norms: dict[str, float] = {}
    standard = standard_counts(signal)
    mix: list[tuple[NDArray[np.float64], tuple[str, int] | None]] = [(nominal, None)]
    ratios: list[tuple[NDArray[np.float64], tuple[str, int]]] = []
    for key, systematic in spec.systematics.items():
        if not systematic.enabled or not _on_signal(systematic):
            continue
        name = spec.parameter_name(key)
        held = treatment == "hold" or (treatment == "shapes" and systematic.kind == "normalisation")
        parameters.append(_nuisance(name, systematic, held=held))
        if systematic.kind == "normalisation":
            norms[name] = systematic.sigma
        elif systematic.kind == "template":
            ratios += _ratios(experiment, name, systematic, standard)
        else:
            up, down = variant[f"{key}:up"], variant[f"{key}:down"]
            mix += [((up - down) / 2.0, (name, LINEAR)), ((up + down - 2.0 * nominal) / 16.0, (name, QUADRATIC))]
    rows = [Factors(SIGNAL, {}, norms, moved) for _, moved in (*mix, *ratios)]
    nb = int(np.prod([axis.nbins for axis in experiment.axes]))
    return np.array([row for row, _ in mix]), np.array([row for row, _ in ratios]).reshape(-1, nb), rows, parameters


def _on_signal(systematic: object) -> bool:
    components = getattr(systematic, "components", (getattr(systematic, "component", SIGNAL),))
    return SIGNAL in components


def _nuisance(name: str, systematic: object, *, held: bool) -> Parameter:
    kind, sigma = getattr(systematic, "kind", ""), getattr(systematic, "sigma", None)
    about = getattr(systematic, "description", "") or (f"{kind} of {sigma:.3g}" if isinstance(sigma, float) else kind)
    return Parameter(name, "nuisance", 0.0, -5.0, 5.0, constrained=True, fixed=held, description=about)


def standard_counts(signal: Signal) -> NDArray[np.float64]:
    """Return the nominal counts of CEvNS in the Standard Model in all bins, shape (bins,)."""
    physics = signal_model("sm")
    nuclei = [squares_of(signal, [physics.prepare(target)], {})[0] if isinstance(target, Target) else {} for target in signal.targets]
    squares: list[Squares] = list(nuclei)
    folded = with_kernels(signal, kernels_of(squares))
    _, q = charges(folded, squares)
    return np.asarray(contract(folded, q)[0, 0].ravel())


def _ratios(
    experiment: Experiment, name: str, systematic: object, standard: NDArray[np.float64]
) -> list[tuple[NDArray[np.float64], tuple[str, int]]]:
    """Return the rows of a released excursion of the signal, as ratios to the released nominal template.

    They are scaled so that the counts of the Standard Model stay as they are: an excursion is a shape, rates have systematics of their own.
    """
    assert isinstance(systematic, TemplateVariant)
    table = experiment.tables[systematic.table]
    nominal = table.on(experiment.axes, systematic.nominal).ravel()

    def ratio(column: str) -> NDArray[np.float64]:
        values = table.on(experiment.axes, column).ravel()
        values = values * (nominal.sum() / values.sum())
        quotient = np.divide(values, nominal, out=np.ones_like(nominal), where=nominal > 0)
        quotient = np.clip(quotient, 1.0 - systematic.limit, 1.0 + systematic.limit)
        return np.asarray(quotient * (standard.sum() / (quotient @ standard)))

    up = ratio(systematic.up)
    if systematic.down is None:
        return [(up - 1.0, (name, LINEAR))]
    odd, even = excursion(np.ones_like(up), up, ratio(systematic.down))
    return [(odd, (name, LINEAR)), (even, (name, QUADRATIC))]


def _background_nuisances(experiment: Experiment, known: Sequence[Parameter]) -> list[Parameter]:
    """Return the parameters of the systematics that act on backgrounds alone."""
    names = {parameter.name for parameter in known}
    return [
        _nuisance(experiment.spec.parameter_name(key), systematic, held=False)
        for key, systematic in experiment.spec.systematics.items()
        if systematic.enabled and not _on_signal(systematic) and experiment.spec.parameter_name(key) not in names
    ]


def _released(experiment: Experiment) -> tuple[Model, list[Parameter]]:
    """Return the model of the released templates: their signal times `signal_strength`, and the background counts."""
    strength = signal_model("signal-strength").parameters[0]
    none = np.zeros((0, 0))
    given = experiment.spec.workspace
    if given is not None and given.signal:
        found = counting(experiment, strength)
        factors, fixed = [row for row, _ in found.rows], np.array([template for _, template in found.rows])
        components = tuple(row.component for row in factors)
        rule = coefficients(factors)
        return Model(experiment, None, (), (), none, none, fixed, rule, components, found.observed, found.control), list(found.parameters)
    released = experiment.spec.released
    if released is None:
        message = f"{experiment.name} has no released signal template; 'released-templates' needs the section 'released', or the signal of a workspace"
        raise CevnsfitError(message)
    template = experiment.tables[released.signal.table].on(experiment.axes, released.signal.column).ravel()
    counts = {name: released.counts.get(name, background.count) for name, background in experiment.spec.backgrounds.items()}
    rows, parameters = background_rows(experiment, counts, excursions=False)
    factors = [Factors(SIGNAL, {strength.name: 1}, {}), *(row for row, _ in rows)]
    fixed = np.array([template, *(values for _, values in rows)])
    components = tuple(row.component for row in factors)
    counts_seen = _observed(experiment), _control(experiment)
    return Model(experiment, None, (), (), none, none, fixed, coefficients(factors), components, *counts_seen), [strength, *parameters]
