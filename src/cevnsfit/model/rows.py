"""Rows of a channel: a constant template and the factors that multiply it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from cevnsfit.stats.channel import SPLINES, Coefficients

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

MAX_NUMBERS: Final = 20_000_000
"""Most template entries, rows times bins."""

LINEAR: Final = 1
QUADRATIC: Final = 2


class Excursion(NamedTuple):
    """A template that a parameter adds: times a (`LINEAR`) or q(a) (`QUADRATIC`); with `nodes`, times the cardinal spline of the node number `kind`.

    A `partner` is a second spline, of another parameter, which multiplies the first.
    """

    parameter: str
    kind: int
    nodes: tuple[float, ...] = ()
    partner: Excursion | None = None


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
        for name in (
            *row.powers,
            *row.norms,
            *(entry.parameter for entry in (row.excursion, _partner(row.excursion)) if entry is not None),
        ):
            names.setdefault(name, len(names))
    for name in further:
        names.setdefault(name, len(names))
    shape = (len(factors), len(names))
    powers = np.zeros(shape, dtype=np.int64)
    high, low = np.ones(shape), np.ones(shape)
    for m, row in enumerate(factors):
        for name, power in row.powers.items():
            powers[m, names[name]] = power
        for name, value in row.norms.items():
            place = m, names[name]
            high[place], low[place] = value if isinstance(value, tuple) else (1.0 + value, 1.0 / (1.0 + value))
    return _with_excursions(Coefficients(tuple(names), powers, high, low, *np.array([[-1], [0]]).repeat(len(factors), axis=1)), factors)


def _with_excursions(rule: Coefficients, factors: Sequence[Factors]) -> Coefficients:
    """Return a rule with the excursions of its rows."""
    names = {name: place for place, name in enumerate(rule.parameters)}
    first, second = [row.excursion for row in factors], [_partner(row.excursion) for row in factors]
    nodes = tuple(dict.fromkeys(entry.nodes for entry in (*first, *second) if entry is not None and entry.nodes))
    starts = {(): 0} | dict(zip(nodes, SPLINES + np.cumsum([0, *map(len, nodes)]), strict=False))

    def numbered(excursions: Sequence[Excursion | None]) -> NDArray[np.int64]:
        found = [(-1, 0) if entry is None else (names[entry.parameter], starts[entry.nodes] + entry.kind) for entry in excursions]
        return np.array(found, dtype=np.int64).reshape(-1, 2).T

    index, kind = numbered(first)
    rule = replace(rule, excursion_index=index, excursion_kind=kind, nodes=nodes)
    if not any(second):
        return rule
    index, kind = numbered(second)
    return replace(rule, partner_index=index, partner_kind=kind)


def _partner(excursion: Excursion | None) -> Excursion | None:
    return None if excursion is None else excursion.partner


def excursions(
    parameter: str, nominal: NDArray[np.float64], up: NDArray[np.float64], down: NDArray[np.float64] | None
) -> tuple[tuple[Excursion, NDArray[np.float64]], ...]:
    """Return what a parameter adds to `nominal` so that it is `up` at 1 and `down` at -1 (code 4p); without `down` it is mirrored.

    These are a U with U = (up - down)/2 and q(a) V with V = (up + down - 2 nominal)/16.
    """
    if down is None:
        return ((Excursion(parameter, LINEAR), up - nominal),)
    return (Excursion(parameter, LINEAR), (up - down) / 2.0), (Excursion(parameter, QUADRATIC), (up + down - 2.0 * nominal) / 16.0)


def through_nodes(
    parameter: str, nodes: tuple[float, ...], nominal: int, values: Sequence[NDArray[np.float64]]
) -> tuple[tuple[Excursion, NDArray[np.float64]], ...]:
    """Return what a parameter adds to the values at the node number `nominal` so that sum_l c_l D_l runs through the values at all nodes."""
    return tuple((Excursion(parameter, k, nodes), value - values[nominal]) for k, value in enumerate(values) if k != nominal)


def bin_by_bin(
    parameter: str, nominal: NDArray[np.float64], relative: NDArray[np.float64]
) -> tuple[tuple[Excursion, NDArray[np.float64]], ...]:
    """Return what the parameters "PARAMETER[k]" add to each bin k that has a relative error (HistFactory's staterror)."""
    bins = np.arange(len(nominal))
    return tuple((Excursion(f"{parameter}[{k}]", LINEAR), nominal * error * (bins == k)) for k, error in enumerate(relative) if error > 0)


def through_grid(
    parameters: tuple[str, str], nodes: tuple[tuple[float, ...], tuple[float, ...]], nominal: tuple[int, int], values: NDArray[np.float64]
) -> tuple[tuple[Excursion, NDArray[np.float64]], ...]:
    """Return what two parameters add to the nominal values so that sum_kl c_k d_l D_kl runs through the values at all pairs of nodes, (nodes, nodes, ...)."""
    one, other = nominal
    mixed = values - values[one, None] - values[:, other, None] + values[one, other]
    return (
        *through_nodes(parameters[0], nodes[0], one, list(values[:, other])),
        *through_nodes(parameters[1], nodes[1], other, list(values[one])),
        *(
            (Excursion(parameters[0], k, nodes[0], Excursion(parameters[1], m, nodes[1])), mixed[k, m])
            for k in range(len(nodes[0]))
            for m in range(len(nodes[1]))
            if k != one and m != other
        ),
    )
