"""The schema of sources in experiment.yaml, one class for each kind; their spectra and arrival times are in `physics.sources`."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, PositiveFloat, ValidationInfo, field_validator, model_validator

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.units import UnitError, parse
from cevnsfit.spec.fields import BeamEnergy, Duration, FluxAtDetector, Length, Name, Power, Share, Spec, TableColumn, TablePath, Time, Width
from cevnsfit.spec.findings import binned, column

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cevnsfit.core.axes import Axis
    from cevnsfit.spec.findings import Finding
    from cevnsfit.spec.tables import InputTable

SOURCE_PATTERN: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*\.ya?ml$"
DEFAULT_KIND: Final = "decay-at-rest"
"""Kind of a source that does not name it."""


class SourceSpec(Spec):
    """What all sources have; `name` is a file in data/sources, `file` one beside the description, whose fields are the defaults of this section."""

    model_config = ConfigDict(json_schema_extra={"required": ["name"]})

    kind: str
    name: Name
    file: Annotated[str, Field(pattern=SOURCE_PATTERN)] | None = None
    distance: Length
    references: tuple[str, ...] = ()

    @property
    def spectra(self) -> tuple[str, ...]:
        """Return the names of the shipped spectra that it reads."""
        return ()

    def exposure(self, unit: Literal["pot", "gwh"]) -> float | None:
        """Return the exposure in protons on target or in GWh of beam; None where that means nothing or is not known."""
        del unit
        return None

    def findings(self, axes: Sequence[Axis], tables: Mapping[str, InputTable], written: Mapping[str, Any]) -> Iterator[Finding]:
        """Yield what is wrong with it on these axes; `written` is the section of the file, without the defaults of the facility."""
        del axes, tables, written
        yield from ()


# --- decay at rest -----------------------------------------------------------------------------------------------------------------


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


Flavour = Literal["nu_e", "nubar_e", "nu_mu", "nubar_mu", "nu_tau", "nubar_tau"]


class FluxSpec(Spec):
    """An imported flux: neutrinos per proton in bins of energy (e_nu), and of arrival time where the two do not factorise.

    `scale` multiplies the tables; `offset` is the time of their zero on the time axis of the experiment.
    """

    flavours: Annotated[dict[Flavour, TableColumn], Field(min_length=1)]
    scale: PositiveFloat = 1.0
    offset: Time = 0.0


_LEPTONS: Final = ("e", "mu", "tau")
"""What terms of models call the flavours of neutrinos."""


def _no_neutrino(name: str) -> str:
    if name in _LEPTONS or name.startswith("nu"):
        message = "this is the name of a neutrino; `flux` has those"
        raise ValueError(message)
    return name


class SpeciesSpec(TableColumn):
    """Particles beside the neutrinos: a curve of their number per proton and MeV in their total energy, and when they arrive.

    They come with neutrinos of pions or of muons, or at times whose density is a curve, and all by a `delay` later.
    """

    arrival: Annotated[Literal["prompt", "delayed"] | TableColumn, Field(union_mode="left_to_right")] = "prompt"
    delay: Time = 0.0

    def spectrum(self, table: InputTable, name: str) -> NDArray[np.float64]:
        """Return a column in particles per MeV; CevnsfitError if the table or its unit cannot be that."""
        _ = _increasing(table, "energy")
        return table.values_in(name, "1/MeV")

    def energies(self, table: InputTable) -> NDArray[np.float64]:
        """Return the total energies in MeV."""
        return table.values_in("energy", "MeV")

    def times(self, table: InputTable, name: str) -> NDArray[np.float64]:
        """Return the density of arrival times, in any normalisation; CevnsfitError if it is no curve in time."""
        _ = _increasing(table, "time")
        return table.values(name)


def _increasing(table: InputTable, axis: str) -> NDArray[np.float64]:
    """Return the places of the points of a curve; CevnsfitError if it is none."""
    if table.axes or axis not in table.columns or not all(low < high for low, high in pairwise(table.values(axis).tolist())):
        message = f"a curve with an increasing column {axis} is needed"
        raise CevnsfitError(message)
    return table.values(axis)


class DecayAtRest(SourceSpec):
    """Pions and muons that decay at rest where protons hit a target; the flux is that of muon decay, or imported."""

    kind: Literal["decay-at-rest"]
    spectrum: Literal["pion-decay-at-rest"] = "pion-decay-at-rest"
    exposure_pot: PositiveFloat | None = None
    exposure_gwh: PositiveFloat | None = None
    proton_energy: BeamEnergy | None = None
    flux: FluxSpec | None = None
    yield_per_pot: Annotated[PositiveFloat | None, Field(validate_default=True)] = None
    arrival: Annotated[GaussianArrival | RectangleArrival | TableArrival, Field(discriminator="kind")] | None = None
    species: dict[Annotated[Name, AfterValidator(_no_neutrino)], SpeciesSpec] = Field(default_factory=dict)

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
    def _exposed(self) -> DecayAtRest:
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

    def exposure(self, unit: Literal["pot", "gwh"]) -> float | None:
        """Return the exposure in protons on target or in GWh of beam; None where it is not known."""
        return self.protons if unit == "pot" else self.exposure_gwh

    def findings(self, axes: Sequence[Axis], tables: Mapping[str, InputTable], written: Mapping[str, Any]) -> Iterator[Finding]:
        """Yield what is wrong with its tables, and with fields that say the same twice."""
        time = [axis for axis in axes if axis.name == "time"]
        place = ("source", "arrival")
        if time and self.arrival is None and self.flux is None:
            yield place, "a time axis needs an arrival-time model"
        if time and isinstance(self.arrival, TableArrival):
            for name in (self.arrival.prompt, self.arrival.delayed):
                yield from binned(place, TableColumn(table=self.arrival.table, column=name), tables, time)
        if self.flux is not None:
            yield from self._imported(self.flux, tables, written, timed=bool(time))
        for name, entry in self.species.items():
            yield from column(("source", "species", name), entry, tables, entry.spectrum)
            if isinstance(entry.arrival, TableColumn):
                yield from column(("source", "species", name, "arrival"), entry.arrival, tables, entry.times)
            elif time and self.arrival is None:
                yield (
                    ("source", "species", name, "arrival"),
                    f"'{entry.arrival}' is with the pulse of source.arrival, which is not given; name a curve in time",
                )

    def _imported(self, flux: FluxSpec, tables: Mapping[str, InputTable], written: Mapping[str, Any], *, timed: bool) -> Iterator[Finding]:
        """Yield what is wrong with an imported flux; `timed` where the experiment has a time axis."""
        for flavour, ref in flux.flavours.items():
            yield from column(("source", "flux", "flavours", flavour), ref, tables, _flux_values)
        used = [tables[ref.table] for ref in flux.flavours.values() if ref.table in tables]
        kinds = {"time" in [axis.name for axis in table.axes] for table in used}
        if len(kinds) > 1:
            yield ("source", "flux"), "some tables have arrival times and some do not"
        if "spectrum" in written:
            yield ("source", "spectrum"), "leave it out: flux holds the spectra"
        if "arrival" in written and kinds == {True}:
            yield ("source", "arrival"), "leave it out: flux holds the arrival times"
        if timed and kinds == {False} and self.arrival is None:
            yield ("source", "arrival"), "a time axis needs an arrival-time model, or tables of flux with arrival times"


def _flux_values(table: InputTable, name: str) -> NDArray[np.float64]:
    names = sorted(axis.name for axis in table.axes)
    if names not in (["e_nu"], ["e_nu", "time"]):
        message = f"a flux is binned in e_nu, or in e_nu and time; this table in {', '.join(names) if names else 'nothing'}"
        raise CevnsfitError(message)
    if min(edge for axis in table.axes if axis.name == "e_nu" for edge in axis.edges) < 0:
        message = "the energies of neutrinos (e_nu) start below 0"
        raise CevnsfitError(message)
    return table.values(name)


# --- steady sources ----------------------------------------------------------------------------------------------------------------


class SteadySource(SourceSpec):
    """A source that is on for some time, whose neutrinos arrive at any time of it."""

    model_config = ConfigDict(json_schema_extra={"required": []})

    live_time: Duration

    def findings(self, axes: Sequence[Axis], tables: Mapping[str, InputTable], written: Mapping[str, Any]) -> Iterator[Finding]:
        """Yield that there is no arrival time on a time axis."""
        del tables, written
        if any(axis.name == "time" for axis in axes):
            yield ("axes", "time"), f"a source of kind '{self.kind}' has no arrival times"


Isotope = Literal["u235", "u238", "pu239", "pu241"]


class Reactor(SteadySource):
    """A reactor by its thermal power and the fractions of the fissions, or by the flux at the detector, which then has the shape of these."""

    kind: Literal["reactor"]
    name: Name = "reactor"
    fissions: Annotated[dict[Isotope, Share], Field(min_length=1)]
    power: Power | None = None
    flux: FluxAtDetector | None = None
    capture: bool = True

    @property
    def spectra(self) -> tuple[str, ...]:
        """Return the names of the shipped spectra that it reads."""
        return ("reactor", "capture") if self.capture else ("reactor",)

    @model_validator(mode="after")
    def _one_normalisation(self) -> Reactor:
        if (self.power is None) == (self.flux is None):
            message = "give either power (thermal), or flux (at the detector)"
            raise ValueError(message)
        if abs(sum(self.fissions.values()) - 1.0) > 0.01:
            message = f"the fractions of the fissions sum to {sum(self.fissions.values()):g}, not to 1"
            raise ValueError(message)
        return self


ASTRONOMICAL_UNIT: Final = 1.495978707e13
"""In cm (IAU 2012)."""


def _thirds() -> dict[Flavour, float | TableColumn]:
    """Return as many neutrinos of each flavour: near the survival probability of nu_e of 8B neutrinos."""
    return {"nu_e": 1.0 / 3.0, "nu_mu": 1.0 / 3.0, "nu_tau": 1.0 / 3.0}


class Sun(SteadySource):
    """The sun: fluxes at the Earth, all flavours together, and the fraction of each flavour there."""

    kind: Literal["solar"]
    name: Name = "sun"
    distance: Length = ASTRONOMICAL_UNIT
    fluxes: Annotated[dict[Literal["b8", "hep"], FluxAtDetector], Field(min_length=1)]
    fractions: Annotated[dict[Flavour, Annotated[Share | TableColumn, Field(union_mode="left_to_right")]], Field(min_length=1)] = Field(
        default_factory=_thirds
    )

    @property
    def spectra(self) -> tuple[str, ...]:
        """Return the names of the shipped spectra that it reads."""
        return tuple(self.fluxes)

    @model_validator(mode="after")
    def _whole(self) -> Sun:
        total = sum(fraction for fraction in self.fractions.values() if isinstance(fraction, float))
        if total > 1.0 + 1e-9:
            message = f"the fractions of the flavours sum to {total:g}, which is more than 1"
            raise ValueError(message)
        return self

    def findings(self, axes: Sequence[Axis], tables: Mapping[str, InputTable], written: Mapping[str, Any]) -> Iterator[Finding]:
        """Yield what is wrong with fractions that are curves."""
        yield from super().findings(axes, tables, written)
        for flavour, ref in self.fractions.items():
            if isinstance(ref, TableColumn):
                yield from column(("source", "fractions", flavour), ref, tables, _fraction_values)


class TabulatedSource(SteadySource):
    """A flux at the detector in curves of the energy: neutrinos per MeV, cm^2 and s (or in units of `flux`) by flavour."""

    kind: Literal["table"]
    name: Name = "table"
    flavours: Annotated[dict[Flavour, TableColumn], Field(min_length=1)]
    flux: FluxAtDetector | None = None

    def findings(self, axes: Sequence[Axis], tables: Mapping[str, InputTable], written: Mapping[str, Any]) -> Iterator[Finding]:
        """Yield what is wrong with its tables."""
        yield from super().findings(axes, tables, written)
        for flavour, ref in self.flavours.items():
            yield from column(("source", "flavours", flavour), ref, tables, self.spectrum)

    def spectrum(self, table: InputTable, name: str) -> NDArray[np.float64]:
        """Return a curve in neutrinos per MeV, and per cm^2 and s where no `flux` multiplies it; one in [1] is so already."""
        values, unit = _curve_values(table, name), table.units[name]
        wanted = "1/MeV" if self.flux is not None else "1/MeV/cm**2/s"
        try:
            return values if unit == "1" else values * parse(f"1 {unit}", wanted)
        except UnitError:
            message = f"column '{name}' is in [{unit}], but [{wanted}] is needed{'' if self.flux is None else ' (flux multiplies it)'}"
            raise CevnsfitError(message) from None


def _curve_values(table: InputTable, name: str) -> NDArray[np.float64]:
    _ = _increasing(table, "e_nu")
    return table.values(name)


def _fraction_values(table: InputTable, name: str) -> NDArray[np.float64]:
    values = _curve_values(table, name)
    if values.max() > 1.0:
        message = f"column '{name}' reaches {values.max():g}, and a fraction is at most 1"
        raise CevnsfitError(message)
    return values


# --- all kinds ---------------------------------------------------------------------------------------------------------------------

Source = Annotated[DecayAtRest | Reactor | Sun | TabulatedSource, Field(discriminator="kind")]
"""A source by its kind: a further one joins with `|`."""
