"""Response and axes in experiment.yaml: frozen pydantic classes in internal units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

import numpy as np
from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    model_validator,
)

from cevnsfit.core.axes import Axis, internal, unit_of
from cevnsfit.spec.fields import (
    EnergyAxis,
    Rate,
    Spec,
    TableColumn,
    TablePath,
    Time,
    Width,
    in_unit,
    in_unit_of_axis,
    steps_on_axis,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cevnsfit.spec.tables import InputTable

ROOM: Final = 1e-3
"""By which probabilities may be more than 1: what is published is rounded."""

# --- response ----------------------------------------------------------------------------------------------------------------------


class ConstantQuenching(Spec):
    """E_ee = factor T."""

    kind: Literal["constant-quenching"]
    factor: Annotated[PositiveFloat, in_unit(""), Field(le=1)]


class LinearQuenching(Spec):
    """E_ee = (constant + slope T) T."""

    kind: Literal["linear-quenching"]
    constant: Annotated[PositiveFloat, Field(le=1)]
    slope: Annotated[float, in_unit("MeVee/MeVnr**2")]


class PolynomialQuenching(Spec):
    """E_ee = sum_n coefficients[n - 1] T^n with E_ee in MeVee and T in MeVnr."""

    kind: Literal["polynomial-quenching"]
    coefficients: Annotated[tuple[float, ...], Field(min_length=1)]


class TableQuenching(TableColumn):
    """A quenching factor interpolated linearly in T, flat beyond the ends of the curve."""

    kind: Literal["table-quenching"]


class LindhardQuenching(Spec):
    """E_ee = T k g/(1 + k g), the model of Lindhard for a material of atomic number z."""

    kind: Literal["lindhard-quenching"]
    k: Annotated[PositiveFloat, Field(le=1)]
    z: Annotated[float, Field(ge=1, le=118)]


class LightYield(Spec):
    """Mean number of photoelectrons = value E_ee."""

    kind: Literal["light-yield"]
    value: Annotated[PositiveFloat, in_unit("PE/MeVee")]


class PoissonSmearing(Spec):
    """Poisson in the number of photoelectrons; count k belongs to the bin [k, k + 1)."""

    kind: Literal["poisson-smearing"]


class GaussianSmearing(Spec):
    """Gaussian in the energy of `axis` with sigma^2 = noise^2 + stochastic^2 E + linear^2 E^2."""

    kind: Literal["gaussian-smearing"]
    axis: Literal["e_ee", "t_recoil"] = "e_ee"
    noise: Annotated[NonNegativeFloat, in_unit_of_axis("{}")] = 0.0
    stochastic: Annotated[NonNegativeFloat, in_unit_of_axis("{}**0.5")] = 0.0
    linear: Annotated[NonNegativeFloat, in_unit("")] = 0.0

    @model_validator(mode="after")
    def _has_width(self) -> GaussianSmearing:
        if not any((self.noise, self.stochastic, self.linear)):
            message = "give at least one of noise, stochastic and linear"
            raise ValueError(message)
        return self


class GammaSmearing(Spec):
    """Gamma in photoelectrons with mean E_ee light_yield and shape parameter constant + slope E_ee."""

    kind: Literal["gamma-smearing"]
    light_yield: Annotated[PositiveFloat, in_unit("PE/MeVee")]
    constant: PositiveFloat
    slope: Annotated[NonNegativeFloat, in_unit("1/MeVee")]


class ResponseMatrix(Spec):
    """Probabilities of the bins of all axes but time, at recoil energies.

    A curve has one of the `columns` for each bin, in C order; a binned table has a row for each recoil energy and bin, and one `column`.
    """

    kind: Literal["response-matrix"]
    table: TablePath
    columns: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    column: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> ResponseMatrix:
        if (self.columns is None) == (self.column is None):
            message = "give either columns (one for each bin), or column (of a table with a row for each recoil energy and bin)"
            raise ValueError(message)
        return self

    def probabilities(self, table: InputTable) -> NDArray[np.float64]:
        """Return the probabilities of the bins at the recoil energies of the table, shape (bins, energies)."""
        if self.column is not None:
            return table.matrix(self.column)
        assert self.columns is not None
        return np.array([table.values(name) for name in self.columns])


class _OnAxis(Spec):
    """Base of stages whose fields carry the unit of an axis that they name."""

    axis: EnergyAxis


class Step(Spec):
    """A factor that holds from a position upwards, until the next step."""

    start: float = Field(alias="from")
    factor: NonNegativeFloat


class LogisticEfficiency(_OnAxis):
    """amplitude / (1 + exp(-steepness (x - position))) + offset, clipped at 0, times plateaus."""

    kind: Literal["logistic-efficiency"]
    amplitude: float
    steepness: Annotated[float, in_unit_of_axis("1/{}")]
    position: Annotated[float, in_unit_of_axis("{}")]
    offset: float = 0.0
    steps: Annotated[tuple[Step, ...], BeforeValidator(steps_on_axis, json_schema_input_type=list[dict[str, float | str]])] = ()

    @model_validator(mode="after")
    def _is_a_probability(self) -> LogisticEfficiency:
        largest = (max(self.amplitude, 0.0) + self.offset) * max([step.factor for step in self.steps], default=1.0)
        if largest > 1.0 + ROOM:
            message = f"the efficiency reaches {largest:.4g}, and is at most 1 (amplitude + offset, times the steps; 0.9, not 90, is 90 %)"
            raise ValueError(message)
        return self


class TableEfficiency(_OnAxis, TableColumn):
    """An efficiency: a curve interpolated linearly, or steps in the bins of a table; flat beyond its ends."""

    kind: Literal["table-efficiency"]


class ConstantEfficiency(_OnAxis):
    """One efficiency everywhere."""

    kind: Literal["constant-efficiency"]
    value: Annotated[float, in_unit(""), Field(gt=0, le=1)]


Stage = Annotated[
    ConstantQuenching
    | LinearQuenching
    | PolynomialQuenching
    | TableQuenching
    | LindhardQuenching
    | LightYield
    | PoissonSmearing
    | GaussianSmearing
    | GammaSmearing
    | ResponseMatrix
    | LogisticEfficiency
    | TableEfficiency
    | ConstantEfficiency,
    Field(discriminator="kind"),
]


class AxisSpec(Spec):
    """Bins of one axis: either all edges, or start, stop and number of equal bins."""

    unit: str
    edges: Annotated[tuple[float, ...], Field(min_length=2)] | None = None
    start: float | None = None
    stop: float | None = None
    bins: Annotated[int, Field(gt=0, le=10_000)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> AxisSpec:
        regular = (self.start, self.stop, self.bins)
        given = [part is not None for part in regular]
        if (self.edges is not None) == any(given) or (any(given) and not all(given)):
            message = "give either edges, or start, stop and bins"
            raise ValueError(message)
        if not np.all(np.diff(self._values()) > 0):
            message = "edges must increase: bins overlap or are empty"
            raise ValueError(message)
        return self

    def _values(self) -> list[float]:
        if self.edges is not None:
            return list(self.edges)
        assert self.start is not None
        assert self.stop is not None
        assert self.bins is not None
        return [float(edge) for edge in np.linspace(self.start, self.stop, self.bins + 1)]

    def to_axis(self, name: str) -> Axis:
        """Return the axis with edges in internal units."""
        edges = internal(np.array(self._values()), name, self.unit)
        return Axis(name, tuple(float(f"{edge:.15g}") for edge in edges), unit_of(name, self.unit))


class Auxiliary(TableColumn):
    """P(axis | given) of an observable that the recoil energy fixes statistically, such as F90.

    `electrons` is the column of the same table for electron recoils; without it the window on this axis is taken to cut them all.
    """

    given: str
    electrons: str | None = None


class TimeEfficiency(Spec):
    """1 before `start`, exp(-rate (t - start)) after it."""

    kind: Literal["exponential"] = "exponential"
    start: Time
    rate: Rate


class TableTimeEfficiency(TableColumn):
    """An efficiency in time: a curve, or steps in the bins of a table in time, or in energy and time; flat beyond its ends."""

    kind: Literal["table"]


AnyTimeEfficiency = Annotated[TimeEfficiency | TableTimeEfficiency, Field(discriminator="kind")]


class ExponentialDelay(Spec):
    """Recorded `delay` later, and later still by a time that falls off exponentially."""

    kind: Literal["exponential"]
    delay: Time = 0.0
    decay: Width


class GaussianDelay(Spec):
    """Recorded `delay` later, with a normal resolution."""

    kind: Literal["gaussian"]
    delay: Time = 0.0
    sigma: Width


class TableDelay(TableColumn):
    """Recorded later by a time whose density is a curve, linear between its points, in any normalisation."""

    kind: Literal["table"]


TimeStage = Annotated[ExponentialDelay | GaussianDelay | TableDelay, Field(discriminator="kind")]
