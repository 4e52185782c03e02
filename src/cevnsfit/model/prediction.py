"""One experiment with one signal model: rows and parameters of its channel; here description, physics and detector meet."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.model.backgrounds import background_rows, control_counts
from cevnsfit.model.effect import NOMINAL, Folded, SignalRow
from cevnsfit.model.onset import movement_of, moving_effect
from cevnsfit.model.rows import Factors, TemplateRow, coefficients
from cevnsfit.model.signal import (
    Signal,
    Squares,
    by_arrival,
    charges,
    contract,
    fold_signal,
    kernels_of,
    squares_of,
    with_kernels,
)
from cevnsfit.model.systematics import effects_of
from cevnsfit.model.window import require_signal
from cevnsfit.model.workspace import Counting, counting
from cevnsfit.physics.interactions import signal_model
from cevnsfit.physics.interactions.common import fixed, reaction_terms
from cevnsfit.physics.interactions.terms import ElectronTarget, ReactionTarget, Target
from cevnsfit.spec.fields import SIGNAL
from cevnsfit.stats.channel import Channel, ControlRegion
from cevnsfit.stats.gaussian import Errors, correlated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.core.analysis import SignalSystematics
    from cevnsfit.core.parameters import Parameter
    from cevnsfit.model.effect import Effect
    from cevnsfit.model.onset import Movement
    from cevnsfit.model.signal import AnyTarget
    from cevnsfit.physics.interactions.terms import Monomial, PreparedModel, SignalModel
    from cevnsfit.spec.load import Experiment
    from cevnsfit.stats.moving import Moving


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


def _prepared(physics: SignalModel, target: AnyTarget) -> PreparedModel:
    if isinstance(target, Target):
        return physics.prepare(target)
    if isinstance(target, ReactionTarget):
        return fixed(reaction_terms(target)) if physics.reactions is None else physics.reactions(target)
    if physics.electrons is None:
        message = f"the model '{physics.name}' does not describe electrons; leave out the electron recoils"
        raise CevnsfitError(message)
    return physics.electrons(target)


def model_of(experiment: Experiment, physics: SignalModel, treatment: SignalSystematics, *, electrons: bool) -> Model:
    """Return an experiment with a signal model, as the systematics of its signal are treated; `electrons` for those that scatter too."""
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
    further = [parameter for effect in effects if effect not in on_signal for parameter in effect.grouped]
    rows = _signal_rows(signal, on_signal)
    norms = {name: sigma for effect in on_signal for name, sigma in effect.norms.items()}
    backgrounds = _described(experiment, effects) if experiment.workspace is None else counting(experiment)
    _check_shared(experiment, systematics, backgrounds.parameters)
    factors = [Factors(SIGNAL, dict(monomial), norms, row.excursion) for row in rows for monomial in monomials]
    ratios = np.array([row.ratio for row in rows])
    movement = None if shift is None else movement_of(experiment, shift, signal.flux, backgrounds.rows)
    if shift in on_signal and np.any(ratios != 1.0):
        message = f"{experiment.name}: systematics.{shift.key}: a signal with released excursions of its shape, or a covariance of its bins, cannot be moved in time"
        raise CevnsfitError(message)
    prediction = Prediction(signal, prepared, monomials, np.array([row.mix for row in rows]), ratios, movement)
    parameters = (*physics.parameters, *systematics, *backgrounds.parameters, *further)
    return Model(experiment, parameters, prediction, backgrounds, (*factors, *(row.factors for row in backgrounds.rows)))


def _held(effect: Effect[Any], treatment: SignalSystematics) -> tuple[Parameter, ...]:
    """Return the parameters of a systematic on the signal, as they are treated; the data say when the beam arrives, under every treatment."""
    held = effect.moves == 0.0 and (treatment == "hold" or (treatment == "shapes" and effect.rate))
    return tuple(replace(parameter, fixed=held) for parameter in effect.grouped)


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
    """Return the nominal counts of CEvNS and reactions in the Standard Model in all bins, shape (bins,)."""
    physics = signal_model("sm")
    squares: list[Squares] = [
        {} if isinstance(target, ElectronTarget) else squares_of(signal, [_prepared(physics, target)], {})[0] for target in signal.targets
    ]
    folded = with_kernels(signal, kernels_of(squares))
    _, q = charges(folded, squares)
    return np.asarray(contract(folded, q)[0, 0].ravel())


def released_model(experiment: Experiment) -> Model:
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
