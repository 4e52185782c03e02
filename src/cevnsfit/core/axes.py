"""Named binned axes, in internal units (MeV, s, photoelectrons)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

import numpy as np

from cevnsfit.core.errors import AxisError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

AXIS_UNITS: Final = {
    "t_recoil": "keVnr",
    "e_ee": "keVee",
    "pe": "PE",
    "f90": "1",
    "time": "us",
    "e_nu": "MeV",
}
"""Unit in which people read each axis; files may use any unit of the same dimension."""

DISPLAY_SCALE: Final = {"keVnr": 1e-3, "keVee": 1e-3, "PE": 1.0, "1": 1.0, "us": 1e-6, "MeV": 1.0}
"""Internal value of one display unit (MeV, photoelectron, s)."""


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
        One of `AXIS_UNITS`.
    edges
        Strictly increasing bin edges in internal units (MeV, PE, s), length nbins + 1.
    """

    document: ClassVar[Mapping[str, str]] = {"edges": "display_edges", "unit": "unit"}

    name: str
    edges: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.name not in AXIS_UNITS:
            message = f"unknown axis '{self.name}'; known: {', '.join(AXIS_UNITS)}"
            raise AxisError(message)
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
    def unit(self) -> str:
        """Return the unit in which people read this axis."""
        return AXIS_UNITS[self.name]

    @property
    def display_edges(self) -> NDArray[np.float64]:
        """Return the edges in `unit`, rounded to 12 digits so that 1e-6 s reads 1 us."""
        scaled = np.asarray(self.edges) / DISPLAY_SCALE[self.unit]
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
        bad = ", ".join(f"{edge:g}" for edge in coarse[off])
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
