"""Experiments and a signal model to a likelihood; the only place where description, physics and detector meet."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError, OverlapError
from cevnsfit.core.parameters import merge
from cevnsfit.core.threads import on_one_thread
from cevnsfit.model.backgrounds import background_rows, control_counts
from cevnsfit.model.onset import movement_of, moving_effect
from cevnsfit.model.rows import Factors, TemplateRow, coefficients
from cevnsfit.model.signal import (
    Signal,
    Squares,
    by_arrival,
    charges,
    contract,
    counts_of,
    fold_signal,
    kernels_of,
    nominal_of,
    nuclei_of,
    squares_of,
    with_kernels,
)
from cevnsfit.model.systematics import NOMINAL, Folded, SignalRow, effects_of
from cevnsfit.model.window import require_signal
from cevnsfit.model.workspace import Counting, counting
from cevnsfit.physics.interactions import signal_model
from cevnsfit.physics.interactions.terms import Target
from cevnsfit.spec import fields
from cevnsfit.stats.channel import Channel, ControlRegion
from cevnsfit.stats.gaussian import Errors, correlated
from cevnsfit.stats.likelihood import Likelihood
from cevnsfit.stats.rule import amplitudes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.core.analysis import SignalSystematics
    from cevnsfit.core.parameters import Parameter, ParameterSet
    from cevnsfit.model.onset import Movement
    from cevnsfit.model.systematics import Effect
    from cevnsfit.physics.interactions.terms import ElectronTarget, Monomial, PreparedModel, SignalModel
    from cevnsfit.spec.load import Experiment
    from cevnsfit.stats.moving import Moving

    Nominal = tuple[Signal, tuple[PreparedModel, ...], NDArray[np.float64]]

SIGNAL: Final = fields.SIGNAL
RELEASED: Final = "released-templates"


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """The signal of a model in one experiment, ready to give templates at any value of the nonlinear parameters.

    Attributes
    ----------
    signal
        The folded signal.
    prepared
        For each target, the model's terms as a function of the nonlinear parameters.
    monomials
        Monomials of the signal in the couplings.
    mix, ratios
        Rows for each monomial: combinations of the variants, shape (rows, variants), times a factor in each bin, shape (rows, bins).
    movement
        What moves in time with a parameter, None for nothing.
    """

    signal: Signal
    prepared: tuple[PreparedModel, ...]
    monomials: tuple[Monomial, ...]
    mix: NDArray[np.float64]
    ratios: NDArray[np.float64]
    movement: Movement | None = None

    def templates(self, values: Mapping[str, float]) -> tuple[NDArray[np.float64], Moving | None]:
        """Return the rows at values of the nonlinear parameters, shape (rows * monomials, bins), and those of the channel that move."""
        squares = squares_of(self.signal, self.prepared, values)
        signal = with_kernels(self.signal, kernels_of(squares))
        monomials, q = charges(signal, squares)
        assert monomials == self.monomials
        counts = by_arrival(signal, q)
        mixed = np.tensordot(self.mix, counts.reshape(*counts.shape[:3], -1), axes=(1, 1))
        rows = np.tensordot(mixed, signal.flux.times, axes=(1, 0)).reshape(len(mixed), len(monomials), -1) * self.ratios[:, None, :]
        held = mixed.transpose(0, 2, 1, 3).reshape(-1, mixed.shape[1], mixed.shape[3])
        return rows.reshape(-1, rows.shape[-1]), None if self.movement is None else self.movement.of(held)


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """One experiment with one signal model.

    Attributes
    ----------
    experiment
        The description.
    parameters
        The parameters.
    prediction
        The signal; None when a released template stands in for it.
    counting
        What does not depend on the nonlinear parameters: backgrounds, observed counts, control region.
    factors
        What multiplies each row: those of the prediction (row-major over rows, monomials), then the others.
    """

    experiment: Experiment
    parameters: tuple[Parameter, ...]
    prediction: Prediction | None
    counting: Counting
    factors: tuple[Factors, ...]

    @property
    def further(self) -> bool:
        """Return whether its histogram is more than nominal counts: with a measured background, errors, or nuisances that are not centred at 0."""
        centred = all(parameter.centre == 0.0 for parameter in self.parameters)
        return self.counting.control is not None or self.counting.errors is not None or not centred

    def channels(self) -> Callable[[Mapping[str, float]], Channel]:
        """Return the function that gives the channel at values of the nonlinear parameters."""
        bins = tuple(axis.nbins for axis in self.experiment.axes)
        movement = None if self.prediction is None else self.prediction.movement
        rule = coefficients(self.factors, () if movement is None else (movement.parameter,))
        components, fixed = tuple(row.component for row in self.factors), self.fixed()
        owner = self.experiment.name if self.experiment.channel else ""

        def channel(values: Mapping[str, float]) -> Channel:
            signal, moving = (fixed[:0], None) if self.prediction is None else self.prediction.templates(values)
            templates = np.concatenate([signal, fixed])
            counting = self.counting
            data = (counting.observed, counting.control, bins, moving, owner, counting.errors)
            return Channel(self.experiment.label, templates, rule, components, *data)

        return channel

    def fixed(self) -> NDArray[np.float64]:
        """Return the templates that no nonlinear parameter changes, shape (rows, bins)."""
        bins = math.prod(axis.nbins for axis in self.experiment.axes)
        return np.array([row.template for row in self.counting.rows]).reshape(-1, bins)


@on_one_thread
def likelihood_of(
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
    made = assembly(tuple(experiments), model, treatment, electrons)
    nominal = None if any(entry.prediction is None or entry.further for entry in made.models) else made.counts
    axes = {part.label: part.axes for experiment in experiments for part in experiment.parts}
    inputs = {experiment.name: experiment.digests for experiment in experiments}
    return Likelihood(_merged(made.models), made, nominal, axes=axes, inputs=inputs)


@dataclass(frozen=True, slots=True, eq=False)
class Assembly:
    """Experiments with a signal model: what gives the channels of a likelihood; made by `assembly`, from which it is made again when it is unpickled.

    Attributes
    ----------
    experiments, model, treatment, electrons
        What it is made of.
    models
        Each experiment with the model, channel by channel.
    channels
        The functions that give their channels.
    nominal
        Nominal signals, the terms of the model, and backgrounds by channel; empty where a released template stands in for a signal.
    """

    experiments: tuple[Experiment, ...]
    model: str
    treatment: SignalSystematics
    electrons: bool
    models: tuple[Model, ...]
    channels: tuple[Callable[[Mapping[str, float]], Channel], ...]
    nominal: Mapping[str, Nominal]

    def __call__(self, values: Mapping[str, float]) -> tuple[Channel, ...]:
        """Return the channels at values of the nonlinear parameters."""
        return tuple(channel(values) for channel in self.channels)

    def counts(self, values: Mapping[str, float]) -> dict[str, NDArray[np.float64]]:
        """Return the nominal counts of each channel at values of all parameters, shape (nb,)."""
        return {name: counts_of(signal, prepared, values) + background for name, (signal, prepared, background) in self.nominal.items()}

    def __reduce__(self) -> tuple[Callable[..., Assembly], tuple[object, ...]]:
        return assembly, (self.experiments, self.model, self.treatment, self.electrons)


def assembly(experiments: tuple[Experiment, ...], model: str, treatment: SignalSystematics, electrons: bool) -> Assembly:
    """Return experiments with a named signal model and a treatment of the signal's systematics."""
    parts = tuple(part for experiment in experiments for part in experiment.parts)
    if model == RELEASED:
        models = tuple(_released(part) for part in parts)
    else:
        physics = signal_model(model)
        physics = physics if physics.targets is None else physics.targets([nuclei_of(part) for part in parts])
        models = tuple(_build(part, physics, treatment, electrons=electrons) for part in parts)
    channels = tuple(entry.channels() for entry in models)
    return Assembly(experiments, model, treatment, electrons, models, channels, _nominal(models))


def _nominal(models: Sequence[Model]) -> dict[str, Nominal]:
    """Return the nominal signal and background of each experiment; none where a released template stands in for a signal."""
    parameters = _merged(models)
    parts: dict[str, Nominal] = {}
    for model in models:
        if model.prediction is None:
            return {}
        fixed = model.fixed()
        rule = coefficients(model.factors[len(model.factors) - len(fixed) :])
        defaults = np.array([[parameters[name].default for name in rule.parameters]])
        parts[model.experiment.label] = (
            nominal_of(model.prediction.signal),
            model.prediction.prepared,
            amplitudes(rule, defaults)[0] @ fixed,
        )
    return parts


def _merged(models: Sequence[Model]) -> ParameterSet:
    """Return the parameters of all models; channels of one experiment may give a parameter several sizes, and then it has no description."""
    _check_sizes(models)
    told: dict[tuple[str, str], set[str]] = {}
    for model in models:
        for p in model.parameters:
            told.setdefault((model.experiment.name, p.name), set()).update({p.description} - {""})
    several = {place for place, texts in told.items() if len(texts) > 1}
    first = {name: text for (experiment, name), texts in reversed(told.items()) for text in texts if (experiment, name) not in several}
    return merge(
        [replace(p, description="" if (model.experiment.name, p.name) in several else first.get(p.name, "")) for p in model.parameters]
        for model in models
    )


def _check_sizes(models: Sequence[Model]) -> None:
    """Raise CevnsfitError if two experiments give a shared systematic different sizes."""
    sizes: dict[str, dict[str, set[str]]] = {}
    for model in models:
        used = {parameter.name for parameter in model.parameters}
        for effect in effects_of(model.experiment):
            if effect.entry.shared and used & {parameter.name for parameter in effect.parameters}:
                sizes.setdefault(effect.key, {}).setdefault(model.experiment.name, set()).add(effect.entry.definition)
    for key, found in sizes.items():
        single = {name: next(iter(texts)) for name, texts in found.items() if len(texts) == 1}
        one, *others = single or ("",)
        for other in others:
            if single[other] != single[one]:
                message = (
                    f"{key} is shared, and has two sizes: {single[one]} in {one}, {single[other]} in {other}; give it one, for example with "
                    f"--set {other}:systematics.{key}.sigma=..., or with overrides in an analysis file"
                )
                raise CevnsfitError(message)


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


def _data(experiment: Experiment) -> tuple[NDArray[np.float64] | None, ControlRegion | None, Errors | None]:
    """Return what was observed, the control region, and the errors of the former, each where there is one."""
    found, control = experiment.observation, _control(experiment)
    if found is None:
        return None, control, None
    if found.covariance is not None:
        return found.values, control, correlated(found.covariance)
    return found.values, control, None if found.up is None or found.down is None else Errors(found.up, found.down)


def _control(experiment: Experiment) -> ControlRegion | None:
    for name, entry in experiment.spec.control_region.items():
        return ControlRegion(control_counts(experiment, entry), entry.ratio, name)
    return None


def _prepared(physics: SignalModel, target: Target | ElectronTarget) -> PreparedModel:
    if isinstance(target, Target):
        return physics.prepare(target)
    if physics.electrons is None:
        message = f"the model '{physics.name}' says nothing of electrons; leave out the electron recoils"
        raise CevnsfitError(message)
    return physics.electrons(target)


def _build(experiment: Experiment, physics: SignalModel, treatment: SignalSystematics, *, electrons: bool) -> Model:
    effects = effects_of(experiment)
    shift = moving_effect(experiment, effects)
    bare = fold_signal(experiment, electrons=electrons, moving=shift is not None)
    require_signal(experiment, bare)
    prepared = tuple(_prepared(physics, target) for target in bare.targets)
    squares = squares_of(bare, prepared, physics.shapes())
    signal = with_kernels(bare, kernels_of(squares))
    monomials, _ = charges(signal, squares)
    on_signal = [effect for effect in effects if SIGNAL in effect.entry.acts_on]
    systematics = [parameter for effect in on_signal for parameter in _held(effect, treatment)]
    further = [parameter for effect in effects if effect not in on_signal for parameter in effect.parameters]
    rows = _signal_rows(signal, on_signal)
    norms = {name: sigma for effect in on_signal for name, sigma in effect.norms.items()}
    backgrounds = _described(experiment, effects) if experiment.workspace is None else counting(experiment)
    _check_shared(experiment, systematics, backgrounds.parameters)
    factors = [Factors(SIGNAL, dict(monomial), norms, row.excursion) for row in rows for monomial in monomials]
    ratios = np.array([row.ratio for row in rows])
    movement = None if shift is None else movement_of(experiment, shift, signal.flux, backgrounds.rows)
    if shift is not None and np.any(ratios != 1.0):
        message = f"{experiment.name}: systematics.{shift.key}: a signal with released excursions of its shape cannot be moved in time"
        raise CevnsfitError(message)
    prediction = Prediction(signal, prepared, monomials, np.array([row.mix for row in rows]), ratios, movement)
    parameters = (*physics.parameters, *systematics, *backgrounds.parameters, *further)
    return Model(experiment, parameters, prediction, backgrounds, (*factors, *(row.factors for row in backgrounds.rows)))


def _held(effect: Effect[Any], treatment: SignalSystematics) -> tuple[Parameter, ...]:
    """Return the parameters of a systematic on the signal, as they are treated; the data say when the beam arrives, under every treatment."""
    held = effect.moves == 0.0 and (treatment == "hold" or (treatment == "shapes" and effect.rate))
    return tuple(replace(parameter, fixed=held) for parameter in effect.parameters)


def _check_shared(experiment: Experiment, systematics: Sequence[Parameter], others: Sequence[Parameter]) -> None:
    """Raise CevnsfitError if a parameter of the workspace has the name of a systematic that is not meant."""
    given = experiment.spec.workspace
    meant = () if given is None else given.shared.values()
    clashes = {parameter.name for parameter in systematics} & {parameter.name for parameter in others} - {*meant}
    if given is not None and clashes:
        message = f"{experiment.name}: {', '.join(sorted(clashes))} is a systematic and a parameter of {given.file}; rename one, or list it in shared"
        raise CevnsfitError(message)


def _described(experiment: Experiment, effects: Sequence[Effect[Any]]) -> Counting:
    """Return the backgrounds and counts that the description has itself."""
    rows, parameters = background_rows(experiment, {n: b.count for n, b in experiment.spec.backgrounds.items()}, effects)
    return Counting(tuple(rows), tuple(parameters), *_data(experiment))


def _signal_rows(signal: Signal, effects: Sequence[Effect[Any]]) -> tuple[SignalRow, ...]:
    """Return the rows of the signal for each monomial, the nominal one first."""
    folded = Folded(signal.variants, standard_counts(signal))
    nominal = SignalRow(None, folded.variant(NOMINAL), np.ones_like(folded.standard))
    return (nominal, *(row for effect in effects for row in effect.signal_rows(folded)))


def standard_counts(signal: Signal) -> NDArray[np.float64]:
    """Return the nominal counts of CEvNS in the Standard Model in all bins, shape (bins,)."""
    physics = signal_model("sm")
    nuclei = [squares_of(signal, [physics.prepare(target)], {})[0] if isinstance(target, Target) else {} for target in signal.targets]
    squares: list[Squares] = list(nuclei)
    folded = with_kernels(signal, kernels_of(squares))
    _, q = charges(folded, squares)
    return np.asarray(contract(folded, q)[0, 0].ravel())


def _released(experiment: Experiment) -> Model:
    """Return the model of the released templates: their signal times `signal_strength`, and the background counts."""
    strength = signal_model("signal-strength").parameters[0]
    given, released = experiment.spec.workspace, experiment.spec.released
    if given is not None and given.signal:
        found = counting(experiment, strength)
    elif released is not None:
        template = experiment.tables[released.signal.table].on(experiment.axes, released.signal.column).ravel()
        counts = {name: released.counts.get(name, background.count) for name, background in experiment.spec.backgrounds.items()}
        rows, parameters = background_rows(experiment, counts, ())
        signal = TemplateRow(Factors(SIGNAL, {strength.name: 1}, {}), template)
        found = Counting((signal, *rows), (strength, *parameters), *_data(experiment))
    else:
        message = f"{experiment.name} has no released signal template; 'released-templates' needs the section 'released', or the signal of a workspace"
        raise CevnsfitError(message)
    return Model(experiment, found.parameters, None, found, tuple(row.factors for row in found.rows))
