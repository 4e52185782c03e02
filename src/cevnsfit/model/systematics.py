"""What systematics do to the expected counts: one class for each kind.

A systematic says which parameters it has, what has to be folded once more for it, and which rows it adds to the signal and to the
backgrounds. It sees the names of the folded variants and counts of the Standard Model, not the signal itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

import numpy as np

from cevnsfit.core.errors import UnknownNameError
from cevnsfit.core.parameters import Parameter
from cevnsfit.model.rows import excursions
from cevnsfit.model.sources import source_of, spectral_factors
from cevnsfit.model.stages import detector_stages
from cevnsfit.spec import systematics as schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cevnsfit.detector.response import Stage
    from cevnsfit.model.rows import Excursion
    from cevnsfit.physics.sources import NeutrinoSource
    from cevnsfit.spec.load import Experiment

    Floats = NDArray[np.float64]

NOMINAL: Final = "nominal"
"""Name of the variant that no systematic has changed."""

NS: Final = 1e-9
"""In s."""

S = TypeVar("S", bound=schema.SystematicSpec)


@dataclass(frozen=True, slots=True, eq=False)
class Folded:
    """What a systematic sees of the folded signal.

    Attributes
    ----------
    variants
        Names of the variants.
    standard
        Nominal counts of CEvNS in the Standard Model, shape (bins,).
    """

    variants: tuple[str, ...]
    standard: Floats

    def variant(self, name: str) -> Floats:
        """Return the combination of variants that is one of them, shape (variants,)."""
        return np.array([float(entry == name) for entry in self.variants])


@dataclass(frozen=True, slots=True, eq=False)
class SignalRow:
    """A row of the signal: a combination of the folded variants, shape (variants,), times a factor in each bin, shape (bins,)."""

    excursion: Excursion | None
    mix: Floats
    ratio: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Effect(Generic[S]):
    """What one systematic of an experiment does; here: what follows from the variants it asks for, with one parameter.

    Attributes
    ----------
    experiment
        The description.
    key
        Name of the systematic in it.
    entry
        Its section.
    """

    experiment: Experiment
    key: str
    entry: S
    rate: ClassVar[bool] = False
    """Whether it changes rates alone, which a fit of shapes holds."""

    @property
    def name(self) -> str:
        """Return the name of its parameter, or how the names of several start."""
        return self.experiment.spec.parameter_name(self.key)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Return its parameters."""
        return (Parameter(self.name, "nuisance", 0.0, -5.0, 5.0, constrained=True, description=self.entry.about),)

    @property
    def norms(self) -> Mapping[str, float]:
        """Return the relative errors of log-normal factors on the components that it acts on, by parameter."""
        return {}

    @property
    def variants(self) -> Mapping[str, tuple[Stage, ...]]:
        """Return the responses with which the signal has to be folded once more, by name ("KEY:up" and "KEY:down")."""
        return {}

    @property
    def sources(self) -> Mapping[str, NeutrinoSource]:
        """Return the sources of those variants that have another one."""
        return {}

    @property
    def moves(self) -> float:
        """Return by how much later, in s, one unit of its parameter makes the components arrive that it acts on; 0 where it moves nothing."""
        return 0.0

    def signal_rows(self, folded: Folded) -> tuple[SignalRow, ...]:
        """Return the rows that it adds to the signal: those to what was folded once more for it at +1 and -1 standard deviation."""
        if f"{self.key}:up" not in folded.variants:
            return ()
        nominal, up, down = (folded.variant(name) for name in (NOMINAL, f"{self.key}:up", f"{self.key}:down"))
        one = np.ones_like(folded.standard)
        return tuple(SignalRow(excursion, mix, one) for excursion, mix in excursions(self.name, nominal, up, down))

    def background_rows(self, template: Floats) -> tuple[tuple[Excursion, Floats], ...]:
        """Return the templates that it adds to that of a background, shape (bins,)."""
        del template
        return ()


class NormalisationEffect(Effect[schema.Normalisation]):
    """A log-normal factor."""

    rate: ClassVar[bool] = True

    @property
    def norms(self) -> Mapping[str, float]:
        """Return the relative error."""
        return {self.name: self.entry.sigma}


class ResponseEffect(Effect[schema.ResponseVariant]):
    """Another response of the detector."""

    @property
    def variants(self) -> Mapping[str, tuple[Stage, ...]]:
        """Return both responses."""
        sides, tables = self.experiment.variants[self.key], self.experiment.tables
        return {f"{self.key}:{side}": detector_stages(stages, tables) for side, stages in sides.items()}


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

    def background_rows(self, template: Floats) -> tuple[tuple[Excursion, Floats], ...]:
        """Return the excursions with the counts of the template."""
        up, down = (None if name is None else self._released(name) for name in (self.entry.up, self.entry.down))
        assert up is not None
        total = template.sum()
        return excursions(self.name, template, up * (total / up.sum()), None if down is None else down * (total / down.sum()))

    def _released(self, column: str) -> Floats:
        return self.experiment.tables[self.entry.table].on(self.experiment.axes, column).ravel()


EFFECTS: Final[dict[str, type[Effect[Any]]]] = {
    "normalisation": NormalisationEffect,
    "response": ResponseEffect,
    "flux-shape": FluxEffect,
    "arrival-shift": ShiftEffect,
    "template": TemplateEffect,
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


def sources_of(experiment: Experiment) -> dict[str, NeutrinoSource]:
    """Return the sources of those variants that have another one than the nominal one."""
    return {name: source for effect in effects_of(experiment) for name, source in effect.sources.items()}
