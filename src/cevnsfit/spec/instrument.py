"""Source, target, response and axes in experiment.yaml: frozen pydantic classes in internal units."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cevnsfit.core.axes import Axis
from cevnsfit.core.units import INTERNAL, parse
from cevnsfit.spec.fields import (
    BeamEnergy,
    EnergyAxis,
    Length,
    Mass,
    Name,
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

# --- source and target -------------------------------------------------------------------------------------------------------------


class GaussianPulse(Spec):
    """One Gaussian of a proton pulse."""

    weight: PositiveFloat = 1.0
    mean: Time
    sigma: Width


class GaussianArrival(Spec):
    """Arrival times from a proton pulse that is a sum of Gaussians."""

    kind: Literal["gaussians"]
    pulses: Annotated[tuple[GaussianPulse, ...], Field(min_length=1)]


class RectangleArrival(Spec):
    """Arrival times from a rectangular proton pulse."""

    kind: Literal["rectangle"]
    start: Time
    width: Width


class TableArrival(Spec):
    """Probabilities per time bin, as released."""

    kind: Literal["table"]
    table: TablePath
    prompt: str
    delayed: str


Arrival = Annotated[GaussianArrival | RectangleArrival | TableArrival, Field(discriminator="kind")]


Flavour = Literal["nu_e", "nubar_e", "nu_mu", "nubar_mu", "nu_tau", "nubar_tau"]


class FluxSpec(Spec):
    """An imported flux: neutrinos per proton in bins of energy (e_nu), and of arrival time where the two do not factorise.

    `scale` multiplies the tables; `offset` is the time of their zero on the time axis of the experiment.
    """

    flavours: Annotated[dict[Flavour, TableColumn], Field(min_length=1)]
    scale: PositiveFloat = 1.0
    offset: Time = 0.0


class Source(Spec):
    """The neutrino source; `name` is a file in data/sources whose fields are the defaults of this section."""

    name: Name
    spectrum: Literal["pion-decay-at-rest"] = "pion-decay-at-rest"
    exposure_pot: PositiveFloat | None = None
    exposure_gwh: PositiveFloat | None = None
    proton_energy: BeamEnergy | None = None
    flux: FluxSpec | None = None
    yield_per_pot: Annotated[PositiveFloat | None, Field(validate_default=True)] = None
    distance: Length
    arrival: Arrival | None = None
    references: tuple[str, ...] = ()

    @field_validator("yield_per_pot")
    @classmethod
    def _one_normalisation(cls, value: float | None, info: ValidationInfo) -> float | None:
        flux = info.data.get("flux")
        if value is None and flux is None and "flux" in info.data:
            message = "this field is required (or flux, which has the yield inside)"
            raise ValueError(message)
        if value is not None and flux is not None:
            message = "leave it out: the tables of flux are in neutrinos per proton (flux.scale multiplies them)"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _exposed(self) -> Source:
        if self.exposure_pot is None and (self.exposure_gwh is None or self.proton_energy is None):
            message = "give exposure_pot, or exposure_gwh together with proton_energy"
            raise ValueError(message)
        return self

    @property
    def protons(self) -> float:
        """Return the number of protons on target; from the beam energy in GWh where no count is given."""
        if self.exposure_pot is not None:
            return self.exposure_pot
        assert self.exposure_gwh is not None
        assert self.proton_energy is not None
        joule_per_mev = 1.602176634e-13
        return self.exposure_gwh * 3.6e12 / (self.proton_energy * joule_per_mev)


class Radii(Spec):
    """Rms radii of one element or nuclide that replace the shipped ones."""

    proton: Annotated[PositiveFloat, in_unit("cm")]
    neutron: Annotated[PositiveFloat, in_unit("cm")]


class Target(Spec):
    """The detector material."""

    compound: str
    mass: Mass
    radii: dict[str, Radii] = Field(default_factory=dict)


# --- response ----------------------------------------------------------------------------------------------------------------------


class ConstantQuenching(Spec):
    """E_ee = factor T."""

    kind: Literal["constant-quenching"]
    factor: PositiveFloat


class LinearQuenching(Spec):
    """E_ee = (constant + slope T) T."""

    kind: Literal["linear-quenching"]
    constant: PositiveFloat
    slope: Annotated[float, in_unit("MeVee/MeVnr**2")]


class PolynomialQuenching(Spec):
    """E_ee = sum_n coefficients[n - 1] T^n with E_ee in MeVee and T in MeVnr."""

    kind: Literal["polynomial-quenching"]
    coefficients: Annotated[tuple[float, ...], Field(min_length=1)]


class TableQuenching(Spec):
    """A quenching factor interpolated linearly in T, flat beyond the ends of the curve."""

    kind: Literal["table-quenching"]
    table: TablePath
    column: str


class LightYield(Spec):
    """Mean number of photoelectrons = value E_ee."""

    kind: Literal["light-yield"]
    value: Annotated[PositiveFloat, in_unit("PE/MeVee")]


class PoissonSmearing(Spec):
    """Poisson in the number of photoelectrons; count k belongs to the bin [k, k + 1)."""

    kind: Literal["poisson-smearing"]


class GaussianSmearing(Spec):
    """Gaussian in E_ee with sigma = stochastic sqrt(E_ee)."""

    kind: Literal["gaussian-smearing"]
    stochastic: Annotated[PositiveFloat, in_unit("MeVee**0.5")]


class GammaSmearing(Spec):
    """Gamma in photoelectrons with mean E_ee light_yield and nonlinear parameter constant + slope E_ee."""

    kind: Literal["gamma-smearing"]
    light_yield: Annotated[PositiveFloat, in_unit("PE/MeVee")]
    constant: PositiveFloat
    slope: Annotated[NonNegativeFloat, in_unit("1/MeVee")]


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
    steps: Annotated[tuple[Step, ...], BeforeValidator(steps_on_axis)] = ()


class TableEfficiency(_OnAxis):
    """An efficiency curve interpolated linearly, flat beyond its ends."""

    kind: Literal["table-efficiency"]
    table: TablePath
    column: str


class ConstantEfficiency(_OnAxis):
    """One efficiency everywhere."""

    kind: Literal["constant-efficiency"]
    value: Annotated[float, Field(gt=0, le=1)]


Stage = Annotated[
    ConstantQuenching
    | LinearQuenching
    | PolynomialQuenching
    | TableQuenching
    | LightYield
    | PoissonSmearing
    | GaussianSmearing
    | GammaSmearing
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
        kind = {"f90": "number"}.get(name, name)
        unit = INTERNAL[kind]
        if kind == "number":
            return Axis(name, tuple(self._values()))
        scale = parse(f"1 {self.unit}", unit)
        return Axis(name, tuple(float(f"{edge * scale:.15g}") for edge in self._values()))


class Auxiliary(TableColumn):
    """P(axis | given) of an observable that the recoil energy fixes statistically, such as F90.

    `electrons` is the column of the same table for electron recoils; without it the window on this axis is taken to cut them all.
    """

    given: EnergyAxis
    electrons: str | None = None


class TimeEfficiency(Spec):
    """1 before `start`, exp(-rate (t - start)) after it."""

    start: Time
    rate: Rate
