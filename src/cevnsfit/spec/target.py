"""The material of a detector in experiment.yaml: its nuclei, their densities, and what scatters on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
from pydantic import AfterValidator, Field, PositiveFloat, ValidationInfo, field_validator

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.formulas import parse_formula, parse_nuclide
from cevnsfit.core.units import parse
from cevnsfit.spec.fields import Mass, Name, Share, Spec, TableColumn, TablePath, in_unit
from cevnsfit.spec.reactions import ReactionSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from cevnsfit.spec.tables import InputTable

MOMENTUM: Final = "q"
"""The column of momentum transfers of a table of form factors."""


class Radii(Spec):
    """Rms radii of one element or nuclide that replace the shipped ones."""

    proton: Annotated[PositiveFloat, in_unit("cm")]
    neutron: Annotated[PositiveFloat, in_unit("cm")]


class FormFactorTable(Spec):
    """Form factors of the protons and neutrons of one element or nuclide: two columns of a curve in the momentum transfer."""

    table: TablePath
    protons: str
    neutrons: str

    def of(self, table: InputTable) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return momentum transfers in MeV, and both form factors there; CevnsfitError if the table has no curves that begin with 1 at 0."""
        q, protons, neutrons = (table.values(name) for name in (MOMENTUM, self.protons, self.neutrons))
        if q.ndim != 1 or len(q) < 4 or q[0] != 0.0 or not np.all(np.diff(q) > 0.0):
            message = f"column '{MOMENTUM}' must begin with 0 and increase, in four rows or more"
            raise CevnsfitError(message)
        for name, values in ((self.protons, protons), (self.neutrons, neutrons)):
            if abs(values[0] - 1.0) > 1e-6 or np.max(np.abs(values)) > 1.0 + 1e-6:
                message = f"column '{name}' must be 1 at {MOMENTUM} = 0, and nowhere more"
                raise CevnsfitError(message)
        return q * parse(f"1 {table.units[MOMENTUM]}", "MeV"), protons, neutrons


def _formula(text: str) -> str:
    return _known(text, parse_formula)


def _nuclide(text: str) -> str:
    return _known(text, parse_nuclide)


def _known(text: str, read: Callable[[str], object]) -> str:
    """Return a text that can be read; ValueError, which pydantic collects, if it cannot."""
    try:
        read(text)
    except CevnsfitError as error:
        raise ValueError(str(error)) from None
    return text


def elements_of(formulas: Iterable[str]) -> set[str]:
    """Return the symbols of the elements in some formulas."""
    return {atom.symbol for text in formulas if text for atom in parse_formula(text)}


class TargetSpec(Spec):
    """The detector material: a formula, atom fractions of isotopes where an element is enriched, mass fractions of what is not in the formula."""

    compound: Annotated[str, AfterValidator(_formula)]
    mass: Mass
    isotopes: dict[Annotated[str, AfterValidator(_nuclide)], Share] = Field(default_factory=dict)
    dopants: dict[Annotated[str, AfterValidator(_formula)], Share] = Field(default_factory=dict)
    radii: dict[str, Radii] = Field(default_factory=dict)
    form_factors: dict[str, FormFactorTable] = Field(default_factory=dict)
    electrons: dict[str, TableColumn] = Field(default_factory=dict)
    reactions: dict[Name, ReactionSpec] = Field(default_factory=dict)
    cevns: bool = True

    @field_validator("isotopes")
    @classmethod
    def _of_the_compound(cls, value: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        mixtures = {atom.symbol for atom in parse_formula(info.data["compound"]) if not atom.isotope} if "compound" in info.data else None
        for symbol in {parse_nuclide(name).symbol for name in value}:
            if mixtures is not None and symbol not in mixtures:
                message = f"{symbol} is not an element of {info.data['compound']} that is a mixture of isotopes"
                raise ValueError(message)
            total = sum(fraction for name, fraction in value.items() if parse_nuclide(name).symbol == symbol)
            if total > 1.0 + 1e-9:
                message = f"the atom fractions of {symbol} sum to {total:g}, which is more than 1"
                raise ValueError(message)
        return value

    @field_validator("dopants")
    @classmethod
    def _a_part(cls, value: dict[str, float]) -> dict[str, float]:
        if sum(value.values()) >= 1.0:
            message = "the mass fractions of dopants leave nothing for the compound"
            raise ValueError(message)
        return value

    @field_validator("radii", "form_factors", "electrons")
    @classmethod
    def _of_the_material(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        inside = elements_of([info.data.get("compound", ""), *info.data.get("dopants", {})])
        for name in value:
            if inside and name.partition("-")[0] not in inside:
                message = f"{name} is not in the material, which has {', '.join(sorted(inside))}"
                raise ValueError(message)
        return value
