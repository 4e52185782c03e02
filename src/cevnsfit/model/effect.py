"""What a systematic does to the expected counts, of whatever kind: its parameters, what has to be folded once more for it, its rows.

It sees the names of the folded variants and counts of the Standard Model, not the signal itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, Generic, TypeVar

import numpy as np

from cevnsfit.core.arrays import Floats
from cevnsfit.core.parameters import Parameter
from cevnsfit.model.rows import Excursion, excursions
from cevnsfit.physics.interactions.terms import Target
from cevnsfit.spec import systematics as schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cevnsfit.detector.response import Stage
    from cevnsfit.physics.sources import NeutrinoSource
    from cevnsfit.spec.load import Experiment


NuclearWeight = Callable[[Target], Floats]
"""A factor at the recoil nodes of a nuclide."""

NOMINAL: Final = "nominal"
"""Name of the variant that no systematic has changed."""

S = TypeVar("S", bound=schema.SystematicSpec)


@dataclass(frozen=True, slots=True, eq=False)
class Folded:
    """What a systematic sees of the folded signal.

    Attributes
    ----------
    variants
        Names of the variants.
    standard
        Nominal counts of CEvNS and reactions in the Standard Model, shape (bins,).
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
        centre = self.entry.centre
        return (Parameter(self.name, "nuisance", centre, -5.0, 5.0, constrained=True, description=self.entry.about, centre=centre),)

    @property
    def grouped(self) -> tuple[Parameter, ...]:
        """Return its parameters in their group of uncertainties."""
        group = "" if self.entry.group is None else self.entry.group
        return tuple(replace(parameter, group=group) for parameter in self.parameters)

    @property
    def norms(self) -> Mapping[str, float | tuple[float, float]]:
        """Return the relative errors of log-normal factors on the components that it acts on, or those at +1 and -1, by parameter."""
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
    def weights(self) -> Mapping[str, NuclearWeight]:
        """Return what multiplies the cross section on a nuclide in those variants in which nuclei are different."""
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

    def background_rows(self, name: str, template: Floats) -> tuple[tuple[Excursion, Floats], ...]:
        """Return the templates that it adds to that of the background of a name, shape (bins,)."""
        del name, template
        return ()
