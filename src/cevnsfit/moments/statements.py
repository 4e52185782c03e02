"""What the points of a scan say in a line each: the largest and smallest values that are left, with and without the LHC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from cevnsfit.core.documents import Document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Columns = Mapping[str, NDArray[np.float64]]
    Samples = Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True, slots=True, repr=False)
class Statement(Document):
    """The end, or both ends, of the values of one quantity in several samples of points.

    Attributes
    ----------
    quantity, unit
        What it is, in words.
    values
        One number, or smallest and largest, by sample; none in a sample without points.
    """

    quantity: str
    unit: str
    values: Mapping[str, tuple[float, ...]]


class _Asked(NamedTuple):
    quantity: str
    unit: str
    column: str
    smallest: bool = False
    largest: bool = False
    drawn: bool = False


_ASKED: Final = (
    _Asked("upper limit on the lightest selectron", "GeV", "selectron", largest=True),
    _Asked("upper limit on the lightest neutralino", "GeV", "neutralino", largest=True),
    _Asked("smallest hierarchy m_smuon/m_selectron", "1", "hierarchy", smallest=True),
    _Asked("smallest tan beta", "1", "tan_beta", smallest=True),
    _Asked("mass of the boson", "MeV", "boson_mass", smallest=True, largest=True, drawn=True),
    _Asked("coupling g of the boson", "1", "boson_g", smallest=True, largest=True, drawn=True),
)


def statements(columns: Columns, samples: Samples, drawn: Samples) -> tuple[Statement, ...]:
    """Return what the points say.

    Parameters
    ----------
    columns
        Shape (n,) each: selectron, neutralino, hierarchy, tan_beta; boson_mass and boson_g where there is a boson.
    samples
        Which points are in each sample, shape (n,).
    drawn
        Which points in each of them have a boson of their own that explains the muon within its limits, shape (n,): the others say nothing of it.
    """
    found = [Statement("points", "1", {name: (float(np.count_nonzero(mask)),) for name, mask in samples.items()})]
    for asked in _ASKED:
        if asked.column in columns:
            masks = drawn if asked.drawn else samples
            ends = {name: _ends(columns[asked.column][mask], asked) for name, mask in masks.items()}
            found.append(Statement(asked.quantity, asked.unit, ends))
    return tuple(found)


def _ends(values: NDArray[np.float64], asked: _Asked) -> tuple[float, ...]:
    if not values.size:
        return ()
    return tuple(float(end) for end, wanted in ((values.min(), asked.smallest), (values.max(), asked.largest)) if wanted)
