"""Experiments and a signal model to a likelihood."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError, OverlapError, Problem, SpecError, UnknownNameError
from cevnsfit.core.parameters import merge
from cevnsfit.core.threads import on_one_thread
from cevnsfit.model.nuclei import nuclei_of
from cevnsfit.model.prediction import model_of, released_model
from cevnsfit.model.rows import coefficients
from cevnsfit.model.signal import Signal, counts_of, nominal_of
from cevnsfit.model.systematics import effects_of
from cevnsfit.physics.interactions import signal_model
from cevnsfit.physics.sources import lepton_flavour, source_flavours
from cevnsfit.spec.load import FILE
from cevnsfit.spec.yaml_source import read_yaml
from cevnsfit.stats.likelihood import Likelihood
from cevnsfit.stats.rule import amplitudes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.core.analysis import SignalSystematics
    from cevnsfit.core.parameters import ParameterSet
    from cevnsfit.model.prediction import Model
    from cevnsfit.physics.interactions.terms import PreparedModel, SignalModel
    from cevnsfit.spec.load import Experiment
    from cevnsfit.stats.channel import Channel

    Nominal = tuple[Signal, tuple[PreparedModel, ...], NDArray[np.float64]]

_log = logging.getLogger(__name__)

RELEASED: Final = "released-templates"


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
    labels = {experiment.name: experiment.spec.label for experiment in experiments if experiment.spec.label}
    return Likelihood(_merged(made.models), made, nominal, axes=axes, inputs=inputs, labels=labels)


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
        beside = {channel.name: channel for model in self.models for channel in model.counting.beside}
        return (*(channel(values) for channel in self.channels), *beside.values())

    def counts(self, values: Mapping[str, float]) -> dict[str, NDArray[np.float64]]:
        """Return the nominal counts of each channel at values of all parameters, shape (nb,)."""
        return {name: counts_of(signal, prepared, values) + background for name, (signal, prepared, background) in self.nominal.items()}

    def __reduce__(self) -> tuple[Callable[..., Assembly], tuple[object, ...]]:
        return assembly, (self.experiments, self.model, self.treatment, self.electrons)


def assembly(experiments: tuple[Experiment, ...], model: str, treatment: SignalSystematics, electrons: bool) -> Assembly:
    """Return experiments with a named signal model and a treatment of the signal's systematics."""
    parts = tuple(part for experiment in experiments for part in experiment.parts)
    if model == RELEASED:
        models = tuple(released_model(part) for part in parts)
    else:
        physics = signal_model(model)
        physics = physics if physics.targets is None else physics.targets([nuclei_of(part) for part in parts])
        models = tuple(model_of(part, physics, treatment, electrons=electrons) for part in parts)
        _check_species(models, physics)
    _check_regions(models)
    channels = tuple(entry.channels() for entry in models)
    _log.info("%s: folded with %s", model, ", ".join(part.label for part in parts))
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
    groups = _groups(models)
    told: dict[tuple[str, str], set[str]] = {}
    for model in models:
        for p in model.parameters:
            told.setdefault((model.experiment.name, p.name), set()).update({p.description} - {""})
    several = {place for place, texts in told.items() if len(texts) > 1}
    first = {name: text for (experiment, name), texts in reversed(told.items()) for text in texts if (experiment, name) not in several}
    return merge(
        [
            replace(
                p, description="" if (model.experiment.name, p.name) in several else first.get(p.name, ""), group=groups.get(p.name, "")
            )
            for p in model.parameters
        ]
        for model in models
    )


def _groups(models: Sequence[Model]) -> dict[str, str]:
    """Return the group of each parameter that has one; an experiment may leave it to the others.

    Raises
    ------
    SpecError
        If two experiments put a parameter into different groups.
    """
    found: dict[str, tuple[str, Experiment]] = {}
    for model in models:
        for p in model.parameters:
            group, other = found.setdefault(p.name, (p.group, model.experiment)) if p.group else ("", model.experiment)
            if group != p.group:
                path, file = ("systematics", p.name, "group"), model.experiment.folder / FILE
                message = f"{p.name} is shared, and in the group '{p.group}' here, but '{group}' in {other.name}; give it one"
                raise SpecError([Problem(str(file), read_yaml(file).line(path) if file.is_file() else None, ".".join(path), message)])
    return {name: group for name, (group, _) in found.items()}


def _check_species(models: Sequence[Model], physics: SignalModel) -> None:
    """Raise UnknownNameError if a term of the model is one of a species that no beam has."""
    predictions = [model.prediction for model in models if model.prediction is not None]
    there = {flavour for prediction in predictions for flavour in prediction.signal.flux.flavours}
    shapes = physics.shapes()
    named = {term.flavour for prediction in predictions for prepared in prediction.prepared for term in prepared(shapes)}
    for name in sorted(named - there):
        if source_flavours(name) == (name,) and lepton_flavour(name) == name:
            kind = f"species of the beam in the model {physics.name}"
            raise UnknownNameError(kind, name, [*there])


def _check_regions(models: Sequence[Model]) -> None:
    """Raise CevnsfitError if the workspace of an experiment has signal in a channel that the experiment does not have."""
    own = {(model.experiment.name, region) for model in models for region in model.counting.regions[:1]}
    for model in models:
        for region in model.counting.regions:
            if (model.experiment.name, region) not in own:
                message = f"{model.experiment.name}: {region} of the workspace has signal too; describe it as one of the `channels` of the experiment"
                raise CevnsfitError(message)


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
