"""Reactions beside CEvNS, with a cross section in a table: their section of the target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import numpy as np
from pydantic import AfterValidator, Field

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.formulas import Atom, checked, parse_nuclide
from cevnsfit.spec.fields import Spec, TablePath, in_unit
from cevnsfit.spec.sources import Flavour
from cevnsfit.spec.tables import NEUTRINO, SEEN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cevnsfit.spec.tables import InputTable

AREA: Final = "cm**2"


def _atom(text: str) -> Atom:
    return parse_nuclide(text) if "-" in text else checked(text, 0)


def _known(text: str) -> str:
    """Return the name of an element or nuclide; ValueError, which pydantic collects, for another text."""
    try:
        _atom(text)
    except CevnsfitError as error:
        raise ValueError(str(error)) from None
    return text


class ReactionSpec(Spec):
    """A reaction of neutrinos on one element or nuclide, by a column for each source flavour: into bins of the visible energy, or as E - Q."""

    on: Annotated[str, AfterValidator(_known)]
    table: TablePath
    flavours: Annotated[dict[Flavour, str], Field(min_length=1)]
    q_value: Annotated[float, in_unit("MeV")] | None = None

    def is_on(self, symbol: str, mass_number: int) -> bool:
        """Return whether it happens on a nuclide."""
        atom = _atom(self.on)
        return atom.symbol == symbol and atom.isotope in {0, mass_number}

    def cross_section(self, table: InputTable, name: str) -> NDArray[np.float64]:
        """Return a column in cm^2, shape (energies,) or (energies, bins); CevnsfitError if the table or its unit cannot be one of cross sections."""
        seen, energies = [axis.quantity for axis in table.axes], table.columns.get(NEUTRINO)
        if energies is None or seen != ([SEEN] if self.q_value is None else []):
            message = "a cross section is a curve (e_nu, with the field q_value), or a row for each e_nu and bin of visible energy (e_nu, e_ee_low, e_ee_high, without it)"
            raise CevnsfitError(message)
        if len(energies) < 2 or energies[0] < 0.0 or not np.all(np.diff(energies) > 0.0):
            message = f"column '{NEUTRINO}' must increase, from 0 or more, in two rows or more"
            raise CevnsfitError(message)
        return table.values_in(name, AREA)
