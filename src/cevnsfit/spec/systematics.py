"""The schema of systematics in experiment.yaml; what they do to the counts is in `model.systematics`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from pydantic import Field, model_validator

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.spec.fields import SIGNAL, Name, RelativeError, Spec, TableColumn, TablePath, Time, Width

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from cevnsfit.spec.findings import Finding, Place
    from cevnsfit.spec.tables import InputTable


class SystematicSpec(Spec):
    """What all systematics have; what an experiment shares has the same parameters in all that name it."""

    kind: str
    shared: bool = False
    enabled: bool = True
    description: str = ""

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
    def about(self) -> str:
        """Return one line for people."""
        sigma = getattr(self, "sigma", None)
        kind = self.kind if sigma is None else f"{self.kind} of {sigma:.3g}"
        return self.description if self.description else kind


class Normalisation(SystematicSpec):
    """A log-normal factor 1 + sigma on some components."""

    kind: Literal["normalisation"]
    sigma: RelativeError
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
        return self

    @property
    def flat(self) -> FlatPrior | None:
        """Return the flat prior where it holds."""
        return None if self.sigma is not None else self.prior

    @property
    def acts_on(self) -> tuple[str, ...]:
        """Return the components that it moves."""
        return self.components


class TemplateVariant(SystematicSpec):
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

    @property
    def acts_on(self) -> tuple[str, ...]:
        """Return the component that it reshapes."""
        return (self.component,)

    @property
    def columns(self) -> Mapping[str, TableColumn]:
        """Return the released templates, by field."""
        given = {"nominal": self.nominal, "up": self.up, "down": self.down}
        return {side: TableColumn(table=self.table, column=column) for side, column in given.items() if column is not None}


Systematic = Annotated[Normalisation | ResponseVariant | FluxShape | ArrivalShift | TemplateVariant, Field(discriminator="kind")]
