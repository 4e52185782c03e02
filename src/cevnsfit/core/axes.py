"""Named binned axes, in internal units (MeV, s, photoelectrons)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

import numpy as np

from cevnsfit.core.errors import AxisError
from cevnsfit.core.units import INTERNAL, UnitError, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

AXIS_UNITS: Final = {"t_recoil": "keVnr", "e_ee": "keVee", "pe": "PE", "time": "us", "e_nu": "MeV"}
"""Unit in which people read each quantity; files may use any unit of the same dimension. An axis of one of these names shows it."""

QUANTITIES: Final = {unit: quantity for quantity, unit in AXIS_UNITS.items()}
"""What an axis shows that is read in each of these units, whatever its name; other units belong to numbers."""

DISPLAY_SCALE: Final = {"keVnr": 1e-3, "keVee": 1e-3, "PE": 1.0, "us": 1e-6, "MeV": 1.0}
"""Internal value of one display unit (MeV, photoelectron, s)."""

SHOWN: Final = 5
"""Most edges that a message names."""

NUMBER: Final = "number"
"""The quantity of an axis without one of our own; its edges are as written."""


def unit_of(name: str, written: str) -> str:
    """Return the unit in which people read an axis of a name, given in another one: that of its quantity, or the one that is written."""
    if name in AXIS_UNITS:
        return AXIS_UNITS[name]
    for quantity, unit in AXIS_UNITS.items():
        try:
            parse(f"1 {written}", INTERNAL[quantity])
        except UnitError:
            continue
        return unit
    return written


def internal(values: NDArray[np.float64], name: str, written: str) -> NDArray[np.float64]:
    """Return values on an axis in internal units; UnitError if what is written is no unit of an axis of this name."""
    quantity = QUANTITIES.get(unit_of(name, written), NUMBER)
    try:
        return values if quantity == NUMBER else values * parse(f"1 {written}", INTERNAL[quantity])
    except UnitError:
        message = f"'{written}' is not a unit of {name}, which is given in {AXIS_UNITS[name]}"
        raise UnitError(message) from None


class AxisTraits(NamedTuple):
    """What kind of axis a plot has: one that wraps around, one of categories."""

    circular: bool = False
    discrete: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """One binned axis; a sequence of (low, high) of its bins in `unit`, as the protocol of histograms (UHI) asks for.

    Attributes
    ----------
    name
        Of the axis: a quantity (t_recoil, e_ee, pe, time, e_nu), or any other.
    edges
        Strictly increasing bin edges in internal units (MeV, PE, s), length nbins + 1.
    unit
        Unit in which people read it; by default that of the quantity, "1" where the name is none.
    """

    document: ClassVar[Mapping[str, str]] = {"edges": "display_edges"}

    name: str
    edges: tuple[float, ...]
    unit: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "unit", self.unit if self.unit else AXIS_UNITS.get(self.name, "1"))
        if len(self.edges) < 2 or not np.all(np.diff(self.edges) > 0):
            message = f"axis {self.name}: edges must be at least two and strictly increasing"
            raise AxisError(message)

    def __len__(self) -> int:
        return self.nbins

    def __iter__(self) -> Iterator[tuple[float, float]]:
        return pairwise(self.display_edges.tolist())

    def __getitem__(self, index: int) -> tuple[float, float]:
        return tuple(self)[index]

    @property
    def traits(self) -> AxisTraits:
        """Return that the axis neither wraps around nor has categories."""
        return AxisTraits()

    @property
    def label(self) -> str:
        """Return "name [unit]", the name alone where there is no unit."""
        return self.name if self.unit == "1" else f"{self.name} [{self.unit}]"

    @property
    def nbins(self) -> int:
        """Return the number of bins."""
        return len(self.edges) - 1

    @property
    def quantity(self) -> str:
        """Return what the axis shows, by its unit: t_recoil, e_ee, pe, time, e_nu, or a number."""
        return QUANTITIES.get(self.unit, NUMBER)

    @property
    def display_edges(self) -> NDArray[np.float64]:
        """Return the edges in `unit`, rounded to 12 digits so that 1e-6 s reads 1 us."""
        scaled = np.asarray(self.edges) / DISPLAY_SCALE.get(self.unit, 1.0)
        return np.array([float(f"{edge:.12g}") for edge in scaled])


def nest(fine: NDArray[np.float64], coarse: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the 0/1 matrix that sums fine bins into coarse ones.

    Parameters
    ----------
    fine
        Fine edges, shape (m + 1,).
    coarse
        Coarse edges, shape (n + 1,), each of which must be a fine edge.

    Returns
    -------
    Shape (n, m); fine bins outside the coarse range are dropped.

    Raises
    ------
    AxisError
        If a coarse edge cuts through a fine bin or lies outside the fine range.
    """
    tolerance = 1e-9 * float(np.max(np.abs(fine)))
    positions = np.abs(fine[None, :] - coarse[:, None]).argmin(axis=1)
    off = np.abs(fine[positions] - coarse) > tolerance
    if off.any():
        bad = ", ".join(f"{edge:g}" for edge in coarse[off][:SHOWN]) + (" and more" if off.sum() > SHOWN else "")
        message = f"edges {bad} are not edges of the table (which runs from {fine[0]:g} to {fine[-1]:g})"
        raise AxisError(message)
    index = np.arange(len(fine) - 1)
    inside: NDArray[np.bool_] = (index >= positions[:-1, None]) & (index < positions[1:, None])
    return inside.astype(np.float64)


def overlap(fine: NDArray[np.float64], coarse: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the fraction of each fine bin that lies in each coarse bin.

    Parameters
    ----------
    fine, coarse
        Edges, shapes (m + 1,) and (n + 1,).

    Returns
    -------
    Shape (n, m).

    Raises
    ------
    AxisError
        If the coarse bins reach beyond the fine ones.
    """
    tolerance = 1e-9 * float(np.max(np.abs(fine)))
    if coarse[0] < fine[0] - tolerance or coarse[-1] > fine[-1] + tolerance:
        message = f"bins from {coarse[0]:g} to {coarse[-1]:g} reach beyond the table, which runs from {fine[0]:g} to {fine[-1]:g}"
        raise AxisError(message)
    low = np.maximum(fine[:-1], coarse[:-1, None])
    high = np.minimum(fine[1:], coarse[1:, None])
    return np.asarray(np.clip(high - low, 0.0, None) / np.diff(fine))
