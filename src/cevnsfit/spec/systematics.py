"""The schema of systematics in experiment.yaml; what they do to the counts is in `model.systematics`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from pydantic import BeforeValidator, Field, PositiveFloat, TypeAdapter, ValidationError, model_validator

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.units import split
from cevnsfit.spec.fields import SIGNAL, FormFactorName, Name, RelativeError, Spec, TableColumn, TablePath, Time, Width, in_unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from cevnsfit.spec.findings import Finding, Place
    from cevnsfit.spec.tables import InputTable


class SystematicSpec(Spec):
    """What all systematics have; what an experiment shares has the same parameters in all that name it."""

    kind: str
    shared: bool = False
    enabled: bool = True
    description: str = ""
    centre: Annotated[float, Field(ge=-4, le=4)] = 0.0
    group: Name | None = None

    @property
    def acts_on(self) -> tuple[str, ...]:
        """Return the components whose counts it changes."""
        return (SIGNAL,)

    @property
    def responses(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the fields of `response` that it changes, by side."""
        return {}

    @property
    def columns(self) -> Mapping[str, TableColumn]:
        """Return the columns of counts over all axes that it needs, by field."""
        return {}

    def findings(self, place: Place, tables: Mapping[str, InputTable]) -> Iterator[Finding]:
        """Yield what is wrong with further columns that it names."""
        del place, tables
        yield from ()

    @property
    def definition(self) -> str:
        """Return its kind, its size and its centre, in which experiments that share it must agree."""
        sizes = [size for size in (getattr(self, "sigma", None), getattr(self, "offset", None)) if size is not None]
        text = " and ".join(f"{size:.3g}" if isinstance(size, float) else str(size) for size in sizes)
        sized = f"{self.kind} of {text}" if sizes else self.kind
        return f"{sized} centred at {self.centre:g}" if self.centre else sized

    @property
    def about(self) -> str:
        """Return one line for people."""
        return self.description if self.description else self.definition


class RelativeSides(Spec):
    """A relative error that differs up and down."""

    up: RelativeError
    down: Annotated[RelativeError, Field(lt=1)]

    def __str__(self) -> str:
        return f"+{self.up:.3g} -{self.down:.3g}"


_SYMMETRIC: Final = TypeAdapter(RelativeError)


def _sized(value: object) -> object:
    """Return a relative error, or one for each side."""
    try:
        return RelativeSides.model_validate(value) if isinstance(value, Mapping) else _SYMMETRIC.validate_python(value)
    except ValidationError as error:
        texts = (": ".join((*map(str, detail["loc"]), detail["msg"].removeprefix("Value error, "))) for detail in error.errors())
        raise ValueError("; ".join(texts)) from None


class Normalisation(SystematicSpec):
    """A factor on some components: log-normal 1 + sigma, or 1 + up and 1 - down at one standard deviation."""

    kind: Literal["normalisation"]
    sigma: Annotated[float | RelativeSides, BeforeValidator(_sized, json_schema_input_type=float | str | RelativeSides)]
    components: Annotated[tuple[Name, ...], Field(min_length=1)]

    @property
    def acts_on(self) -> tuple[str, ...]:
        """Return the components that it scales."""
        return self.components


class ResponseVariant(SystematicSpec):
    """A re-evaluated response of the signal: fields of `response` that change at +1 and -1 sigma."""

    kind: Literal["response"]
    up: dict[str, Any]
    down: dict[str, Any]

    @property
    def responses(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the fields of `response` that it changes, by side."""
        return {"up": self.up, "down": self.down}


class ResponseNode(Spec):
    """The response with other fields, at some number of standard deviations from what it is."""

    at: float
    set: dict[str, Any]


class ResponseNodes(SystematicSpec):
    """The signal with other responses, and what is between them: `nodes` in standard deviations, or `values` of one number of `response`.

    The number `field` floats from the lowest to the highest of its values, in its own unit; with `sigma` it is a unit normal around what the response has.
    """

    kind: Literal["response-nodes"]
    nodes: tuple[ResponseNode, ...] = ()
    field: str | None = None
    values: tuple[float | str, ...] = ()
    sigma: float | str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> ResponseNodes:
        if bool(self.nodes) == (self.field is not None) or (self.field is not None) != bool(self.values):
            message = "give either nodes: [{at: -1, set: {...}}, ...], or field and values"
            raise ValueError(message)
        if self.nodes and (self.sigma is not None or any(node.at == 0.0 for node in self.nodes)):
            message = "nodes are in standard deviations, without sigma; at 0 is the response as it is"
            raise ValueError(message)
        units = {split(text)[1] if isinstance(text, str) else "" for text in (*self.values, *(() if self.sigma is None else (self.sigma,)))}
        if len({node.at for node in self.nodes}) < len(self.nodes) or len(set(self.values)) < len(self.values) or len(units) > 1:
            message = "nodes must be different, and their units the same"
            raise ValueError(message)
        free = self.field is not None and self.sigma is None
        ends = (0.0, *(node.at for node in self.nodes))
        if self.centre != 0.0 and (free or (self.nodes and not min(ends) <= self.centre <= max(ends))):
            message = "a number that floats freely has no centre" if free else "the centre must lie between the nodes"
            raise ValueError(message)
        return self

    @property
    def definition(self) -> str:
        """Return its kind, and its size or the ends between which it floats."""
        if self.field is None or self.sigma is not None:
            return super().definition
        ends = sorted(split(str(value)) for value in self.values)
        return f"{self.kind} from {ends[0][0]:g} to {ends[-1][0]:g} {ends[0][1]}".rstrip()

    @property
    def responses(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the fields of `response` at each node."""
        changes = [{self.field: value} for value in self.values] if self.field is not None else [node.set for node in self.nodes]
        return {f"node {number}": change for number, change in enumerate(changes, 1)}


class EnergyScale(SystematicSpec):
    """Reconstructed energies E of the `components` are E (1 + sigma) + offset at +1 sigma: the signal is folded again, shapes of backgrounds are stretched."""

    kind: Literal["energy-scale"]
    sigma: RelativeError = 0.0
    offset: float | str | None = None
    components: Annotated[tuple[Name, ...], Field(min_length=1)] = (SIGNAL,)

    @model_validator(mode="after")
    def _moves(self) -> EnergyScale:
        if self.sigma == 0.0 and self.offset is None:
            message = "give sigma (a relative error), offset (in the unit of the energy axis), or both"
            raise ValueError(message)
        return self

    @property
    def acts_on(self) -> tuple[str, ...]:
        """Return the components that it stretches."""
        return self.components


SHIPPED_ERRORS: Final = "b8"
"""The shipped spectrum that has errors of its shape."""

SHIPPED_SIGMAS: Final = 3.0
"""Standard errors by which its deviations differ from it."""


class FluxShape(SystematicSpec):
    """Spectra that differ with the energy: changes at +1 and -1 sigma against e_nu, of what `spectra` names or of all.

    The columns are relative changes, or, with a column `nominal`, spectra. Without `down` a change is mirrored; without a table it is the error of the
    shipped spectrum of 8B.
    """

    kind: Literal["flux-shape"]
    table: TablePath | None = None
    nominal: str | None = None
    up: str | None = None
    down: str | None = None
    spectra: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _given(self) -> FluxShape:
        if (self.table is None) != (self.up is None) or (self.table is None and self.spectra != (SHIPPED_ERRORS,)):
            message = f"give table and up (a column of changes against e_nu); only the spectrum of {SHIPPED_ERRORS} has errors that ship (spectra: [{SHIPPED_ERRORS}])"
            raise ValueError(message)
        return self

    def factors(self, table: InputTable, side: Literal["up", "down"]) -> NDArray[np.float64]:
        """Return what multiplies the spectra at +1 or -1 standard deviation, at the energies of the table."""
        names = {"nominal": self.nominal, "up": self.up, "down": self.down}
        if self.table is None:
            names = {"nominal": SHIPPED_ERRORS, **{key: f"{SHIPPED_ERRORS}_{key}" for key in ("up", "down")}}
        column, mirrored = names[side], names[side] is None
        values = table.values(str(names["up"] if column is None else column))
        if names["nominal"] is not None:
            nominal = table.values(names["nominal"])
            values = np.divide(values, nominal, out=np.ones_like(nominal), where=nominal > 0.0) - 1.0
        values = values / SHIPPED_SIGMAS if self.table is None else values
        return 1.0 - values if mirrored else 1.0 + values

    def findings(self, place: Place, tables: Mapping[str, InputTable]) -> Iterator[Finding]:
        """Yield what is wrong with the curves."""
        table = None if self.table is None else tables.get(self.table)
        if table is None:
            return
        try:
            if not np.all(np.diff(table.values("e_nu")) > 0.0):
                yield place, f"{self.table}: column 'e_nu' must increase"
            least = min(float(self.factors(table, side).min()) for side in ("up", "down"))
        except CevnsfitError as error:
            yield place, f"{self.table}: {error}"
            return
        if least < 0.0:
            yield (
                place,
                f"{self.table}: a change of {least - 1.0:.0%} leaves less than no neutrinos; changes are relative (0.02, or 2 in [%])",
            )


class FlatPrior(Spec):
    """Any value between two ends, which hold 0 between them."""

    kind: Literal["flat"]
    low: Time
    high: Time

    def __str__(self) -> str:
        return f"{1e9 * self.low:.4g} to {1e9 * self.high:.4g} ns"

    @model_validator(mode="after")
    def _around_zero(self) -> FlatPrior:
        if not self.low < 0.0 < self.high:
            message = "a flat prior needs low < 0 < high"
            raise ValueError(message)
        return self


class ArrivalShift(SystematicSpec):
    """The beam comes later or earlier, by `sigma` or anywhere within a flat `prior`, and with it the `components`; a sigma replaces the prior."""

    kind: Literal["arrival-shift"]
    sigma: Width | None = None
    prior: FlatPrior | None = None
    components: Annotated[tuple[Name, ...], Field(min_length=1)] = (SIGNAL,)

    @model_validator(mode="after")
    def _known(self) -> ArrivalShift:
        if self.sigma is None and self.prior is None:
            message = "give sigma (a normal prior), or prior: {kind: flat, low: -250 ns, high: 250 ns}"
            raise ValueError(message)
        if self.flat is not None and self.centre != 0.0:
            message = "a flat prior has no centre"
            raise ValueError(message)
        return self

    @property
    def definition(self) -> str:
        """Return its kind and its prior."""
        prior = self.flat
        return f"{self.kind} of {1e9 * self.sigma:.4g} ns" if prior is None and self.sigma is not None else f"{self.kind} within {prior}"

    @property
    def flat(self) -> FlatPrior | None:
        """Return the flat prior where it holds."""
        return None if self.sigma is not None else self.prior

    @property
    def acts_on(self) -> tuple[str, ...]:
        """Return the components that it moves."""
        return self.components


class TemplateVariant(SystematicSpec):
    """A released excursion of one component over all axes, or as ratios along one `axis`, renormalised to that component.

    For `cevns` the excursion acts as a ratio to the released `nominal` in each bin, cut at 1 +- limit. Without `down` it is mirrored.
    """

    kind: Literal["template"]
    component: Name
    table: TablePath
    nominal: str
    up: str
    down: str | None = None
    axis: str | None = None
    limit: Annotated[float, Field(gt=0, lt=1)] = 0.9

    @property
    def acts_on(self) -> tuple[str, ...]:
        """Return the component that it reshapes."""
        return (self.component,)

    @property
    def columns(self) -> Mapping[str, TableColumn]:
        """Return the released templates, by field."""
        given = {"nominal": self.nominal, "up": self.up, "down": self.down}
        return {side: TableColumn(table=self.table, column=column) for side, column in given.items() if column is not None}


class CovarianceVariant(SystematicSpec):
    """A covariance matrix between the bins of some components, relative to their counts or, of one component, in squared counts."""

    kind: Literal["covariance"]
    table: TablePath
    relative: bool = True
    components: Annotated[tuple[Name, ...], Field(min_length=1)] = (SIGNAL,)

    @model_validator(mode="after")
    def _one_component(self) -> CovarianceVariant:
        if not self.relative and len(self.components) > 1:
            message = "a covariance in counts acts on one component; a relative one may act on several"
            raise ValueError(message)
        if self.centre != 0.0 or self.shared:
            message = (
                "the modes of a covariance are centred at 0"
                if self.centre
                else "the modes of a covariance belong to its bins, and cannot be shared"
            )
            raise ValueError(message)
        return self

    @property
    def acts_on(self) -> tuple[str, ...]:
        """Return the components whose bins vary together."""
        return self.components


class FormFactorVariant(SystematicSpec):
    """Other densities of the nuclei: neutron radii that are larger by `sigma` at +1, or the form factor of another name, mirrored at -1."""

    kind: Literal["form-factor"]
    sigma: Annotated[PositiveFloat, in_unit("cm")] | None = None
    other: FormFactorName | None = None
    nuclei: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_way(self) -> FormFactorVariant:
        if (self.sigma is None) == (self.other is None):
            message = "give either sigma (of the neutron radii, such as 0.2 fm) or other (the name of a form factor)"
            raise ValueError(message)
        return self

    @property
    def definition(self) -> str:
        """Return what it changes, and where."""
        what = f"form factor {self.other}" if self.sigma is None else f"neutron radii +- {1e13 * self.sigma:.3g} fm"
        return f"{what}{' of ' if self.nuclei else ''}{', '.join(self.nuclei)}"


Systematic = Annotated[
    Normalisation
    | ResponseVariant
    | ResponseNodes
    | EnergyScale
    | FluxShape
    | ArrivalShift
    | TemplateVariant
    | CovarianceVariant
    | FormFactorVariant,
    Field(discriminator="kind"),
]
