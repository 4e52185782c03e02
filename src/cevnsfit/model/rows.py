"""Rows of a channel: a constant template and the factors that multiply it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from cevnsfit.stats.channel import Coefficients

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

LINEAR: Final = 1
QUADRATIC: Final = 2


class Excursion(NamedTuple):
    """A template that a parameter adds: times a (`LINEAR`) or times q(a) (`QUADRATIC`)."""

    parameter: str
    kind: int


@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """What multiplies one template.

    Attributes
    ----------
    component
        The component that the template belongs to.
    powers
        Monomial in the polynomial parameters, by name.
    norms
        Log-normal factors by parameter name: the relative error, or the factors at +1 and at -1.
    excursion
        How a parameter adds it; None for a nominal template.
    """

    component: str
    powers: Mapping[str, int]
    norms: Mapping[str, float | tuple[float, float]]
    excursion: Excursion | None = None


class TemplateRow(NamedTuple):
    """A row: what multiplies it, and its template, shape (bins,)."""

    factors: Factors
    template: NDArray[np.float64]


def coefficients(factors: Sequence[Factors], further: Sequence[str] = ()) -> Coefficients:
    """Return the rule A_m(theta) for rows with these factors; local parameters in order of appearance, then `further` ones, on which no row depends."""
    names: dict[str, int] = {}
    for row in factors:
        excursion = () if row.excursion is None else (row.excursion[0],)
        for name in (*row.powers, *row.norms, *excursion):
            names.setdefault(name, len(names))
    for name in further:
        names.setdefault(name, len(names))
    shape = (len(factors), len(names))
    powers = np.zeros(shape, dtype=np.int64)
    high, low = np.ones(shape), np.ones(shape)
    index = np.full(len(factors), -1, dtype=np.int64)
    kind = np.zeros(len(factors), dtype=np.int64)
    for m, row in enumerate(factors):
        for name, power in row.powers.items():
            powers[m, names[name]] = power
        for name, value in row.norms.items():
            place = m, names[name]
            high[place], low[place] = value if isinstance(value, tuple) else (1.0 + value, 1.0 / (1.0 + value))
        if row.excursion is not None:
            index[m], kind[m] = names[row.excursion[0]], row.excursion[1]
    return Coefficients(tuple(names), powers, high, low, index, kind)


def excursions(
    parameter: str, nominal: NDArray[np.float64], up: NDArray[np.float64], down: NDArray[np.float64] | None
) -> tuple[tuple[Excursion, NDArray[np.float64]], ...]:
    """Return what a parameter adds to `nominal` so that it is `up` at 1 and `down` at -1 (code 4p); without `down` it is mirrored.

    These are a U with U = (up - down)/2 and q(a) V with V = (up + down - 2 nominal)/16.
    """
    if down is None:
        return ((Excursion(parameter, LINEAR), up - nominal),)
    return (Excursion(parameter, LINEAR), (up - down) / 2.0), (Excursion(parameter, QUADRATIC), (up + down - 2.0 * nominal) / 16.0)
