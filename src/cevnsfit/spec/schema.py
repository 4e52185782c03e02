"""The schema of experiment.yaml: frozen pydantic classes in internal units (MeV, cm, g, s, photoelectrons)."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cevnsfit.core.axes import Axis
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.units import INTERNAL, parse

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
TABLE_PATTERN: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*\.csv$"
WORKSPACE_PATTERN: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*\.json$"
TablePath = Annotated[str, Field(pattern=TABLE_PATTERN)]
EnergyAxis = Literal["t_recoil", "e_ee", "pe"]


def _quantity(value: object, unit: str) -> object:
    if isinstance(value, bool):
        message = f"'{str(value).lower()}' is not a number"
        raise ValueError(message)  # noqa: TRY004 (pydantic collects ValueError)
    if not isinstance(value, str | int | float):
        return value
    try:
        return parse(value, unit)
    except CevnsfitError as error:
        raise ValueError(str(error)) from None


def _in_unit(unit: str) -> BeforeValidator:
    return BeforeValidator(lambda value: _quantity(value, unit))


def _in_unit_of_axis(form: str) -> BeforeValidator:
    """Return a conversion to the unit of the field `axis`, which is declared before; `form` says "{}" or "1/{}"."""

    def convert(value: object, info: ValidationInfo) -> object:
        if "axis" not in info.data:
            return 1.0  # the axis is reported already
        return _quantity(value, form.format(INTERNAL[info.data["axis"]]))

    return BeforeValidator(convert)


def _steps_on_axis(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, list) or "axis" not in info.data:
        return value if "axis" in info.data else ()
    unit = INTERNAL[info.data["axis"]]
    return [{**step, "from": _quantity(step["from"], unit)} if isinstance(step, dict) and "from" in step else step for step in value]


Length = Annotated[PositiveFloat, _in_unit("cm")]
Mass = Annotated[PositiveFloat, _in_unit("g")]
Time = Annotated[float, _in_unit("s")]
Width = Annotated[PositiveFloat, _in_unit("s")]
Rate = Annotated[NonNegativeFloat, _in_unit("1/s")]
Fraction = Annotated[NonNegativeFloat, _in_unit("")]
BeamEnergy = Annotated[PositiveFloat, _in_unit("MeV")]


class Spec(BaseModel):
    """Base of all classes here: frozen, and every unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TableColumn(Spec):
    """One value column of a table."""

    table: TablePath
    column: str


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

    proton: Annotated[PositiveFloat, _in_unit("cm")]
    neutron: Annotated[PositiveFloat, _in_unit("cm")]


class Target(Spec):
    """The detector material."""

    compound: str
    mass: Mass
    radii: dict[str, Radii] = {}


# --- response ----------------------------------------------------------------------------------------------------------------------


class ConstantQuenching(Spec):
    """E_ee = factor T."""

    kind: Literal["constant-quenching"]
    factor: PositiveFloat


class LinearQuenching(Spec):
    """E_ee = (constant + slope T) T."""

    kind: Literal["linear-quenching"]
    constant: PositiveFloat
    slope: Annotated[float, _in_unit("MeVee/MeVnr**2")]


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
    value: Annotated[PositiveFloat, _in_unit("PE/MeVee")]


class PoissonSmearing(Spec):
    """Poisson in the number of photoelectrons; count k belongs to the bin [k, k + 1)."""

    kind: Literal["poisson-smearing"]


class GaussianSmearing(Spec):
    """Gaussian in E_ee with sigma = stochastic sqrt(E_ee)."""

    kind: Literal["gaussian-smearing"]
    stochastic: Annotated[PositiveFloat, _in_unit("MeVee**0.5")]


class GammaSmearing(Spec):
    """Gamma in photoelectrons with mean E_ee light_yield and shape parameter constant + slope E_ee."""

    kind: Literal["gamma-smearing"]
    light_yield: Annotated[PositiveFloat, _in_unit("PE/MeVee")]
    constant: PositiveFloat
    slope: Annotated[NonNegativeFloat, _in_unit("1/MeVee")]


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
    steepness: Annotated[float, _in_unit_of_axis("1/{}")]
    position: Annotated[float, _in_unit_of_axis("{}")]
    offset: float = 0.0
    steps: Annotated[tuple[Step, ...], BeforeValidator(_steps_on_axis)] = ()


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


# --- backgrounds -------------------------------------------------------------------------------------------------------------------


class TableFactor(TableColumn):
    """A one-dimensional shape; `efficiency` multiplies it with the detector's efficiency on this axis."""

    kind: Literal["table"]
    efficiency: bool = False


class ExponentialFactor(Spec):
    """exp(-rate t)."""

    kind: Literal["exponential"]
    rate: Rate


class UniformFactor(Spec):
    """The same density everywhere."""

    kind: Literal["uniform"]


Factor = Annotated[TableFactor | ExponentialFactor | UniformFactor, Field(discriminator="kind")]


class JointShape(TableColumn):
    """Counts over all axes of the experiment."""

    kind: Literal["joint"]


class ProductShape(Spec):
    """A product of one-dimensional shapes, one for each axis."""

    kind: Literal["product"]
    factors: dict[str, Factor]


Shape = Annotated[JointShape | ProductShape, Field(discriminator="kind")]


class GaussianCount(Spec):
    """The count in the analysis window is mean +- sigma."""

    kind: Literal["gaussian"]
    mean: PositiveFloat
    sigma: PositiveFloat


class CountedCount(TableColumn):
    """The count is a sum over a measured table, with its Poisson error, divided by `ratio`."""

    kind: Literal["counted"]
    ratio: PositiveFloat = 1.0


class AbsoluteCount(Spec):
    """The shape is already in counts (per GWh of beam when `per_gwh`), with a relative error `sigma`."""

    kind: Literal["absolute"]
    sigma: Fraction
    per_gwh: bool = False


class FreeCount(Spec):
    """The count is a free parameter, `mean` times a factor that starts at 1."""

    kind: Literal["free"]
    mean: PositiveFloat


class Projected(Spec):
    """Counts expected in the analysis window: `mean` at an exposure of `at_pot` protons, in proportion to the exposure."""

    mean: PositiveFloat
    at_pot: PositiveFloat


class ProjectedCount(Projected):
    """The count of a projection, which grows with the exposure, with a relative error `sigma`."""

    kind: Literal["projected"]
    sigma: Annotated[PositiveFloat, _in_unit("")]


Count = Annotated[GaussianCount | CountedCount | AbsoluteCount | FreeCount | ProjectedCount, Field(discriminator="kind")]


class Background(Spec):
    """A background with a known shape and a prior on its count."""

    shape: Shape
    count: Count


class ProjectedBackground(Projected):
    """A background that a projection expects in its analysis window."""

    shape: Shape


class ControlRegionSpec(Spec):
    """A sample that measures one background in each bin: it expects ratio times that background.

    Its counts are a column of a table; those of a projection follow from the background that is `expected`.
    """

    table: TablePath | None = None
    column: str | None = None
    expected: ProjectedBackground | None = None
    ratio: PositiveFloat = 1.0

    @model_validator(mode="after")
    def _one_way(self) -> ControlRegionSpec:
        given = (self.table is not None, self.column is not None)
        if given[0] != given[1] or given[0] == (self.expected is not None):
            message = "give either table and column, or expected (the background of a projection)"
            raise ValueError(message)
        return self

    @property
    def counted(self) -> TableColumn | None:
        """Return the measured counts; None for a projection."""
        return None if self.table is None or self.column is None else TableColumn(table=self.table, column=self.column)


# --- systematics -------------------------------------------------------------------------------------------------------------------


class _Systematic(Spec):
    shared: bool = False
    enabled: bool = True
    description: str = ""


class Normalisation(_Systematic):
    """A log-normal factor 1 + sigma on some components."""

    kind: Literal["normalisation"]
    sigma: Fraction
    components: Annotated[tuple[Name, ...], Field(min_length=1)]


class ResponseVariant(_Systematic):
    """A re-evaluated response of the signal: fields of `response` that change at +1 and -1 sigma."""

    kind: Literal["response"]
    up: dict[str, Any]
    down: dict[str, Any]


class ArrivalShift(_Systematic):
    """The signal arrives later or earlier by `sigma`."""

    kind: Literal["arrival-shift"]
    sigma: Width


class TemplateVariant(_Systematic):
    """A released excursion of one component over all axes, renormalised to that component.

    For `cevns` the excursion acts as a ratio to the released `nominal` in each bin, cut at 1 +- limit. Without `down` it is mirrored.
    """

    kind: Literal["template"]
    component: Name
    table: TablePath
    nominal: str
    up: str
    down: str | None = None
    limit: Annotated[float, Field(gt=0, lt=1)] = 0.9


Systematic = Annotated[Normalisation | ResponseVariant | ArrivalShift | TemplateVariant, Field(discriminator="kind")]


class Released(Spec):
    """The collaboration's own signal template and priors, for the model `released-templates`."""

    signal: TableColumn
    counts: dict[Name, GaussianCount] = {}


class WorkspaceSpec(Spec):
    """A pyhf workspace that holds the counts and the backgrounds with their systematics.

    Its `signal` samples give way to the prediction; `shared` names parameters that other experiments have too.
    """

    file: Annotated[str, Field(pattern=WORKSPACE_PATTERN)]
    signal: tuple[str, ...] = ()
    shared: dict[str, Name] = {}


class ExperimentSpec(Spec):
    """One experiment, as its folder describes it."""

    schema_version: Literal[1]
    name: Name
    title: str
    status: Literal["data", "projection"] = "data"
    description: str = ""
    references: tuple[str, ...] = ()
    overlaps: tuple[Name, ...] = ()
    source: Source
    target: Target
    couplings: Literal["default", "cadeddu2020", "tree"] = "default"
    form_factor: Literal["helm", "klein-nystrand", "coherent", "symmetrised-fermi", "unity"] = "helm"
    axes: dict[str, AxisSpec]
    response: dict[Name, Stage] = {}
    auxiliary: dict[str, Auxiliary] = {}
    time_efficiency: TimeEfficiency | None = None
    observed: TableColumn | None = None
    control_region: dict[Name, ControlRegionSpec] = {}
    backgrounds: dict[Name, Background] = {}
    systematics: dict[Name, Systematic] = {}
    released: Released | None = None
    workspace: WorkspaceSpec | None = None

    @property
    def has_data(self) -> bool:
        """Return whether there are observed counts."""
        return self.observed is not None or self.workspace is not None

    def sees_electrons(self) -> bool:
        """Return whether electron recoils can lie in the window: no observable cuts them."""
        return all(entry.electrons is not None for entry in self.auxiliary.values())

    def parameter_name(self, systematic: str) -> str:
        """Return the name of a systematic's parameter: plain when shared, else prefixed with the experiment's."""
        entry = self.systematics.get(systematic)
        return systematic if entry is not None and entry.shared else f"{self.name}.{systematic}"
