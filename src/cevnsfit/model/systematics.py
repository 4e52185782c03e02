"""The kinds of systematics: a class for each, with what it adds to the expected counts (see `model.effect`)."""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import numpy as np

from cevnsfit.core.errors import CevnsfitError, UnknownNameError
from cevnsfit.core.parameters import Parameter, Scaling
from cevnsfit.core.units import INTERNAL, parse, split
from cevnsfit.detector.response import Rescale
from cevnsfit.model.effect import NOMINAL, Effect, Folded, NuclearWeight, SignalRow
from cevnsfit.model.rows import LINEAR, Excursion, excursions, through_nodes
from cevnsfit.model.shapes import counts_of
from cevnsfit.model.sources import source_of, spectral_factors
from cevnsfit.model.stages import detector_stages
from cevnsfit.physics.form_factors import form_factor
from cevnsfit.physics.interactions.terms import Target, sm_charge, target_at
from cevnsfit.spec import systematics as schema
from cevnsfit.spec.fields import SIGNAL
from cevnsfit.spec.observations import covariance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cevnsfit.core.arrays import Floats
    from cevnsfit.detector.response import Stage
    from cevnsfit.physics.sources import NeutrinoSource
    from cevnsfit.spec.load import Experiment


NEGLIGIBLE: Final = 1e-6
"""Eigenvalue of a correlation matrix below which a mode is left out, relative to the largest."""

_MUON: Final = "mu"
"""The flavour for which a ratio of charges is taken; those of the others differ by far less than the ratio does from 1."""

NS: Final = 1e-9
"""In s."""


class NormalisationEffect(Effect[schema.Normalisation]):
    """A log-normal factor, or one that differs up and down."""

    rate: ClassVar[bool] = True

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Return its parameter, which knows the factors."""
        sigma = self.entry.sigma
        sides = Scaling(1.0 + sigma, 1.0 / (1.0 + sigma)) if isinstance(sigma, float) else Scaling(1.0 + sigma.up, 1.0 - sigma.down)
        return tuple(replace(parameter, scaling=sides) for parameter in super().parameters)

    @property
    def norms(self) -> Mapping[str, float | tuple[float, float]]:
        """Return the relative error, or the factors."""
        sigma = self.entry.sigma
        return {self.name: sigma if isinstance(sigma, float) else (1.0 + sigma.up, 1.0 - sigma.down)}


class ResponseEffect(Effect[schema.ResponseVariant]):
    """Another response of the detector."""

    @property
    def variants(self) -> Mapping[str, tuple[Stage, ...]]:
        """Return both responses."""
        sides, tables = self.experiment.variants[self.key], self.experiment.tables
        return {f"{self.key}:{side}": detector_stages(stages, tables) for side, stages in sides.items()}


class NodePlaces(NamedTuple):
    """Nodes of a response in order: their sides, empty for the response as it is, and where they lie, in a unit."""

    sides: tuple[str, ...]
    at: tuple[float, ...]
    unit: str = "1"


class NodesEffect(Effect[schema.ResponseNodes]):
    """Responses at several nodes of a parameter, and cubic splines between them."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Return a unit normal, or the number itself in its own unit, within the nodes; DomainError for a centre beyond them."""
        nodes, field = self._nodes(), self.entry.field
        low, high = nodes.at[0], nodes.at[-1]
        if field is not None and self.entry.sigma is None:
            about, value = self.entry.description if self.entry.description else field, nodes.at[nodes.sides.index("")]
            return (Parameter(self.name, "nuisance", value, low, high, unit=nodes.unit, description=about),)
        found = replace(super().parameters[0], lower=max(-5.0, low), upper=min(5.0, high))
        found.checked(found.centre)
        return (found,)

    @property
    def variants(self) -> Mapping[str, tuple[Stage, ...]]:
        """Return the response at each node but the nominal one."""
        sides, tables = self.experiment.variants[self.key], self.experiment.tables
        return {f"{self.key}:{side}": detector_stages(sides[side], tables) for side in self._nodes().sides if side}

    def signal_rows(self, folded: Folded) -> tuple[SignalRow, ...]:
        """Return the rows of all nodes."""
        nodes = self._nodes()
        mixes = [folded.variant(f"{self.key}:{side}" if side else NOMINAL) for side in nodes.sides]
        one = np.ones_like(folded.standard)
        return tuple(SignalRow(excursion, mix, one) for excursion, mix in through_nodes(self.name, nodes.at, nodes.sides.index(""), mixes))

    def _nodes(self) -> NodePlaces:
        sides = self.experiment.variants[self.key]
        if self.entry.field is None:
            return _ordered({side: node.at for side, node in zip(sides, self.entry.nodes, strict=True)}, 0.0)
        stage, _, name = self.entry.field.partition(".")
        values = {side: float(getattr(stages[stage], name)) for side, stages in sides.items()}
        nominal = float(getattr(self.experiment.spec.response[stage], name))
        (largest, unit), at = max(zip(map(split, map(str, self.entry.values)), values.values(), strict=True), key=lambda pair: abs(pair[1]))
        if self.entry.sigma is None:
            return _ordered({side: value * largest / at for side, value in values.items()}, nominal * largest / at)._replace(
                unit=unit if unit else "1"
            )
        sigma = split(str(self.entry.sigma))[0] * at / largest
        return _ordered({side: (value - nominal) / sigma for side, value in values.items()}, 0.0)


def _ordered(positions: Mapping[str, float], nominal: float) -> NodePlaces:
    """Return nodes in order with the nominal one, in place of one where it is."""
    apart = 1e-9 * (max(positions.values()) - min(positions.values()))
    kept = sorted([(nominal, ""), *((at, side) for side, at in positions.items() if abs(at - nominal) > apart)])
    return NodePlaces(tuple(side for _, side in kept), tuple(at for at, _ in kept))


class ScaleEffect(Effect[schema.EnergyScale]):
    """A wrong energy scale: the signal folded again, and shapes of backgrounds on stretched axes."""

    @property
    def variants(self) -> Mapping[str, tuple[Stage, ...]]:
        """Return both scales behind the response."""
        if SIGNAL not in self.entry.acts_on:
            return {}
        stages = detector_stages(self.experiment.spec.response, self.experiment.tables)
        return {f"{self.key}:{side}": (*stages, scale) for side, scale in self._scales().items()}

    def background_rows(self, name: str, template: Floats) -> tuple[tuple[Excursion, Floats], ...]:
        """Return the excursions with the counts of the template."""
        energy, *others = self.experiment.axes
        shape = self.experiment.spec.backgrounds[name].shape
        sides = []
        for scale in self._scales().values():
            moved = replace(energy, edges=tuple(scale.origin(np.asarray(energy.edges)).tolist()))
            values = counts_of(self.experiment, shape, (moved, *others))
            sides.append(values * (template.sum() / values.sum()))
        return excursions(self.name, template, *sides)

    def _scales(self) -> dict[str, Rescale]:
        unit = INTERNAL[self.experiment.axes[0].quantity]
        offset = 0.0 if self.entry.offset is None else parse(self.entry.offset, unit)
        return {side: Rescale(1.0 + sign * self.entry.sigma, sign * offset) for side, sign in (("up", 1.0), ("down", -1.0))}


class FluxEffect(Effect[schema.FluxShape]):
    """Other spectra of the source."""

    @property
    def variants(self) -> Mapping[str, tuple[Stage, ...]]:
        """Return the nominal response for both sides."""
        nominal = detector_stages(self.experiment.spec.response, self.experiment.tables)
        return {f"{self.key}:{side}": nominal for side in ("up", "down")}

    @property
    def sources(self) -> Mapping[str, NeutrinoSource]:
        """Return the source with the spectra of both sides."""
        nominal, factors = source_of(self.experiment), spectral_factors(self.entry, self.experiment.tables)
        known = {*(e.flavour for e in nominal.emissions), *(name for e in nominal.emissions for name in e.names)}
        for name in self.entry.spectra:
            if name not in known:
                what = f"spectrum or flavour in {self.experiment.name}, systematics.{self.key}.spectra:"
                raise UnknownNameError(what, name, known)
        return {f"{self.key}:{side}": nominal.reshaped(factor, self.entry.spectra) for side, factor in factors.items()}


class ShiftEffect(Effect[schema.ArrivalShift]):
    """A beam that comes later or earlier, and with it the signal and what it makes."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Return the shift: in units of the standard error of a normal prior, in ns within the bounds of a flat one."""
        prior = self.entry.flat
        if prior is None:
            return super().parameters
        low, high = (round(end / NS, 9) for end in (prior.low, prior.high))
        return (Parameter(self.name, "nuisance", 0.0, low, high, unit="ns", description=self.entry.about),)

    @property
    def moves(self) -> float:
        """Return the standard error of a normal prior, 1 ns with a flat one."""
        return NS if self.entry.sigma is None else self.entry.sigma


class TemplateEffect(Effect[schema.TemplateVariant]):
    """A released excursion of the shape of one component."""

    def signal_rows(self, folded: Folded) -> tuple[SignalRow, ...]:
        """Return the rows as ratios to the released nominal template.

        They are scaled so that the counts of the Standard Model stay as they are: an excursion is a shape, rates have systematics of their own.
        """
        nominal, standard, limit = self._released(self.entry.nominal), folded.standard, self.entry.limit

        def ratio(column: str) -> Floats:
            values = self._released(column)
            values = values * (nominal.sum() / values.sum())
            quotient = np.divide(values, nominal, out=np.ones_like(nominal), where=nominal > 0)
            quotient = np.clip(quotient, 1.0 - limit, 1.0 + limit)
            return np.asarray(quotient * (standard.sum() / (quotient @ standard)))

        down = None if self.entry.down is None else ratio(self.entry.down)
        rows = excursions(self.name, np.ones_like(nominal), ratio(self.entry.up), down)
        return tuple(SignalRow(excursion, folded.variant(NOMINAL), values) for excursion, values in rows)

    def background_rows(self, name: str, template: Floats) -> tuple[tuple[Excursion, Floats], ...]:
        """Return the excursions with the counts of the template."""
        del name
        up, down = (None if column is None else self._released(column) for column in (self.entry.up, self.entry.down))
        assert up is not None
        if self.entry.axis is not None:
            nominal = self._released(self.entry.nominal)
            ratio = np.divide(template, nominal, out=np.zeros_like(template), where=nominal > 0)
            up, down = up * ratio, None if down is None else down * ratio
        total = template.sum()
        return excursions(self.name, template, up * (total / up.sum()), None if down is None else down * (total / down.sum()))

    def _released(self, column: str) -> Floats:
        """Return a released template in all bins; along one axis it is the same in those of the others."""
        axes, table = self.experiment.axes, self.experiment.tables[self.entry.table]
        if self.entry.axis is None:
            return table.on(axes, column).ravel()
        (own,) = (axis for axis in axes if axis.name == self.entry.axis)
        values = table.on((own,), column).reshape([-1 if axis is own else 1 for axis in axes])
        return np.broadcast_to(values, [axis.nbins for axis in axes]).ravel()


class CovarianceEffect(Effect[schema.CovarianceVariant]):
    """Bins that vary together: their covariance is V = sum_k v_k v_k^T, and each mode v_k a symmetric excursion with a unit normal of its own.

    The modes are the eigenvectors of the correlations times the errors: what is negligible does not depend on how many counts a bin has.
    They belong to the bins of one channel: a matrix says nothing of what its bins have to do with those of others.
    """

    @property
    def name(self) -> str:
        """Return how the names of its parameters start."""
        return f"{self.experiment.label}.{self.key}"

    @property
    def modes(self) -> Floats:
        """Return the modes v, the largest first and its largest entry positive, shape (k, bins); `NEGLIGIBLE` ones are left out."""
        bins = math.prod(axis.nbins for axis in self.experiment.axes)
        matrix = covariance(self.experiment.tables[self.entry.table], bins, definite=False)
        sigma = np.sqrt(np.diag(matrix))
        units = np.outer(sigma, sigma)
        values, vectors = np.linalg.eigh(np.divide(matrix, units, out=np.zeros_like(matrix), where=units > 0.0))
        kept = values > NEGLIGIBLE * values[-1]
        modes = (np.sqrt(values[kept]) * vectors[:, kept]).T[::-1] * sigma
        largest = np.take_along_axis(modes, np.abs(modes).argmax(axis=1, keepdims=True), axis=1)
        return np.asarray(modes * np.sign(largest))

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Return one for each mode."""
        count, bins = self.modes.shape
        about = f"mode {{}} of {count}" + (f", {bins - count} negligible ones left out" if count < bins else "")
        names = ((f"{self.name}_{k}", about.format(k)) for k in range(1, count + 1))
        return tuple(Parameter(name, "nuisance", 0.0, -5.0, 5.0, constrained=True, description=text) for name, text in names)

    def signal_rows(self, folded: Folded) -> tuple[SignalRow, ...]:
        """Return the modes as ratios to the signal, in counts to that of the Standard Model."""
        modes = self.modes
        if not self.entry.relative:
            if np.any(modes[:, folded.standard <= 0.0]):
                message = f"{self.experiment.name}: systematics.{self.key}: counts vary in a bin in which no signal is expected"
                raise CevnsfitError(message)
            modes = np.divide(modes, folded.standard, out=np.zeros_like(modes), where=folded.standard > 0.0)
        mix = folded.variant(NOMINAL)
        return tuple(SignalRow(Excursion(p.name, LINEAR), mix, mode) for p, mode in zip(self.parameters, modes, strict=True))

    def background_rows(self, name: str, template: Floats) -> tuple[tuple[Excursion, Floats], ...]:
        """Return the modes in counts."""
        del name
        modes = self.modes * template if self.entry.relative else self.modes
        return tuple((Excursion(p.name, LINEAR), mode) for p, mode in zip(self.parameters, modes, strict=True))


class FormFactorEffect(Effect[schema.FormFactorVariant]):
    """Other densities of the nuclei: the cross section of the Standard Model with them over the one without, in every model."""

    @property
    def variants(self) -> Mapping[str, tuple[Stage, ...]]:
        """Return the nominal response for each side."""
        return dict.fromkeys(self.weights, detector_stages(self.experiment.spec.response, self.experiment.tables))

    @property
    def weights(self) -> Mapping[str, NuclearWeight]:
        """Return the ratios of the squared charges: of both signs for radii, of one for another form factor."""
        sigma = self.entry.sigma
        if sigma is None:
            return {f"{self.key}:up": self._other}
        return {f"{self.key}:{side}": functools.partial(self._larger, size) for side, size in (("up", sigma), ("down", -sigma))}

    def signal_rows(self, folded: Folded) -> tuple[SignalRow, ...]:
        """Return the rows of both sides, or those that are mirrored."""
        sides = [folded.variant(f"{self.key}:{side}") if f"{self.key}:{side}" in folded.variants else None for side in ("up", "down")]
        assert sides[0] is not None
        one = np.ones_like(folded.standard)
        rows = excursions(self.name, folded.variant(NOMINAL), sides[0], sides[1])
        return tuple(SignalRow(excursion, mix, one) for excursion, mix in rows)

    def _larger(self, size: float, target: Target) -> Floats:
        return self._ratio(target, replace(target, nf=target.neutrons(target.nuclide.r_n + size)))

    def _other(self, target: Target) -> Floats:
        assert self.entry.other is not None
        return self._ratio(target, target_at(target.nuclide, target.t, target.couplings, form_factor(self.entry.other)))

    def _ratio(self, target: Target, changed: Target) -> Floats:
        nuclide, named = target.nuclide, self.entry.nuclei
        if named and not {nuclide.symbol, nuclide.name} & set(named):
            return np.ones_like(target.t)
        return np.asarray((sm_charge(changed, _MUON) / sm_charge(target, _MUON)) ** 2)


EFFECTS: Final[dict[str, type[Effect[Any]]]] = {
    "normalisation": NormalisationEffect,
    "response": ResponseEffect,
    "response-nodes": NodesEffect,
    "energy-scale": ScaleEffect,
    "flux-shape": FluxEffect,
    "arrival-shift": ShiftEffect,
    "template": TemplateEffect,
    "covariance": CovarianceEffect,
    "form-factor": FormFactorEffect,
}
"""The class of each kind."""


def effect_of(experiment: Experiment, key: str) -> Effect[Any]:
    """Return what a systematic of an experiment does, whether it is enabled or not.

    Raises
    ------
    UnknownNameError
        If there is no class for its kind.
    """
    entry = experiment.spec.systematics[key]
    if entry.kind not in EFFECTS:
        what = f"kind of systematic in {experiment.name}, {key}:"
        raise UnknownNameError(what, entry.kind, EFFECTS)
    return EFFECTS[entry.kind](experiment, key, entry)


def effects_of(experiment: Experiment) -> tuple[Effect[Any], ...]:
    """Return what the enabled systematics of an experiment do."""
    return tuple(effect_of(experiment, key) for key, entry in experiment.spec.systematics.items() if entry.enabled)


def variants_of(experiment: Experiment) -> dict[str, tuple[Stage, ...]]:
    """Return the responses with which the signal of an experiment is folded, by name, the nominal one first."""
    nominal = detector_stages(experiment.spec.response, experiment.tables)
    return {NOMINAL: nominal} | {name: stages for effect in effects_of(experiment) for name, stages in effect.variants.items()}


def weights_of(experiment: Experiment) -> dict[str, NuclearWeight]:
    """Return the factors of the cross section of those variants in which nuclei are different."""
    return {name: weight for effect in effects_of(experiment) for name, weight in effect.weights.items()}


def sources_of(experiment: Experiment) -> dict[str, NeutrinoSource]:
    """Return the sources of those variants that have another one than the nominal one."""
    return {name: source for effect in effects_of(experiment) for name, source in effect.sources.items()}
