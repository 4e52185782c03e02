"""Compiled coefficient rules: amplitudes, Jacobian and second derivatives of many points at once.

Rows share their work: a row is F_u(theta) h(theta) with few distinct products F_u = monomial x normsys factors. Derivatives
of monomials are monomials (no division, exact at zero couplings); those of the positive normsys factors use ratios f'/f.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.stats.channel import SPLINES
from cevnsfit.stats.interpolation import Derivatives, Spline, code4_from, code4_polynomial, code4p, spline

if TYPE_CHECKING:
    from cevnsfit.core.arrays import Floats, Ints
    from cevnsfit.stats.channel import Coefficients


@dataclass(frozen=True, slots=True, eq=False)
class Monomials:
    """Monomials of U products with their derivatives: row `rows[k]` of `exponents` times `coefficients[k]` goes to place `places[k]`."""

    parameters: Ints
    exponents: Ints
    value_rows: Ints
    first_rows: Ints
    first_coefficients: Floats
    first_places: Ints
    second_rows: Ints
    second_coefficients: Floats
    second_places: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """The cardinal splines of one local parameter."""

    parameter: int
    splines: Spline


@dataclass(frozen=True, slots=True, eq=False)
class SplineProducts:
    """Rows with two splines: the columns of the second ones, (M,), the columns of the other spline for each of `Rule.excursion_rows`, and the rows in which both float.

    The latter are `rows` with the columns `pairs` (k, 2) of their splines and the matrix that adds them to their two places in (n, n).
    """

    second: Ints
    others: Ints
    rows: Ints
    pairs: Ints
    matrix: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """Coefficients compiled for derivatives with respect to the local parameters `floating` (n of them)."""

    floating: Ints
    group: Ints
    n_groups: int
    monomials: Monomials
    factor_parameters: Ints
    factor_polynomials: Floats
    factor_logs: Floats
    factor_products: Ints
    slope_factors: Ints
    slope_places: Ints
    excursion_parameters: Ints
    excursion_source: Ints
    excursion_rows: Ints
    excursion_columns: Ints
    excursion_places: Floats
    membership: Floats
    excursion_matrix: Floats
    slope_matrix: Floats
    curves: tuple[Curves, ...]
    excursion_own: Ints
    products: SplineProducts | None


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """What one evaluation leaves for the derivatives; P points, M rows, U products, n floating parameters."""

    amplitudes: Floats
    products: Floats
    product_slopes: Floats
    factors: Floats
    ratios: Floats
    ratio_slopes: Floats
    powers: Floats
    shape: Floats
    excursion_first: Floats
    excursion_second: Floats
    mixed: Floats


def _compile_monomials(powers: Ints, column: dict[int, int]) -> Monomials:
    """Return the monomials of powers (U, n_local) and their derivatives in the floating columns."""
    groups, size = len(powers), len(column)
    index: dict[tuple[int, ...], int] = {}

    def row(exponents: Ints) -> int:
        return index.setdefault(tuple(int(item) for item in exponents), len(index))

    values = [row(item) for item in powers]
    first: list[tuple[int, float, int]] = []
    second: list[tuple[int, float, int]] = []
    for u, exponents in enumerate(powers):
        for i, column_i in column.items():
            if exponents[i] == 0:
                continue
            lowered = exponents.copy()
            lowered[i] -= 1
            first.append((row(lowered), float(exponents[i]), column_i * groups + u))
            for j, column_j in column.items():
                if lowered[j] > 0:
                    twice = lowered.copy()
                    twice[j] -= 1
                    place = (column_i * size + column_j) * groups + u
                    second.append((row(twice), float(exponents[i] * lowered[j]), place))
    table = np.array(list(index), dtype=np.int64).reshape(len(index), powers.shape[1])
    used = np.flatnonzero(table.any(axis=0))

    def split(entries: list[tuple[int, float, int]]) -> tuple[Ints, Floats, Ints]:
        array = np.array(entries, dtype=np.float64).reshape(-1, 3)
        return array[:, 0].astype(np.int64), array[:, 1], array[:, 2].astype(np.int64)

    return Monomials(used, table[:, used], np.array(values, dtype=np.int64), *split(first), *split(second))


def _distinct(rows: Floats) -> tuple[Floats, Ints]:
    """Return the distinct rows in order of appearance, and the place of each row among them."""
    places: dict[bytes, int] = {}
    group = np.array([places.setdefault((row + 0.0).tobytes(), len(places)) for row in rows], dtype=np.int64)
    first = np.zeros(len(places), dtype=np.int64)
    first[group[::-1]] = np.arange(len(rows))[::-1]
    return rows[first], group


def _one_hot(places: Ints, size: int) -> Floats:
    """Return the matrix (k, size) with a 1 at each place."""
    result: Floats = (places[:, None] == np.arange(size)).astype(np.float64)
    return result


def compile_rule(coefficients: Coefficients, floating: Ints) -> Rule:
    """Return the rule prepared for derivatives with respect to the local parameters `floating`."""
    n = len(coefficients.parameters)
    key = np.concatenate([coefficients.powers, coefficients.norm_hi, coefficients.norm_lo], axis=1)
    unique, group = _distinct(key)
    powers, hi, lo = unique[:, :n].astype(np.int64), unique[:, n : 2 * n], unique[:, 2 * n :]
    column = {int(local): position for position, local in enumerate(floating)}
    factors: dict[tuple[int, float, float], int] = {}
    members: list[list[int]] = [[] for _ in unique]
    slopes: list[tuple[int, int]] = []
    for u, i in zip(*np.nonzero((hi != 1) | (lo != 1)), strict=True):
        factor = factors.setdefault((int(i), hi[u, i], lo[u, i]), len(factors))
        members[u].append(factor)
        if i in column:
            slopes.append((factor, column[int(i)] * len(unique) + int(u)))
    depth = max((len(item) for item in members), default=0)
    padded = np.array([item + [len(factors)] * (depth - len(item)) for item in members], dtype=np.int64).reshape(len(unique), depth)
    table = np.array(list(factors), dtype=np.float64).reshape(-1, 3)
    slope_table = np.array(slopes, dtype=np.int64).reshape(-1, 2)
    sources, shapes, curves = _compile_curves(coefficients)
    kinds = [np.where(np.isin(index, floating), kind, 0) for index, kind in coefficients.factors]
    rows = np.concatenate([np.flatnonzero(kind) for kind in kinds])
    slots = np.repeat(np.arange(len(kinds)), [np.count_nonzero(kind) for kind in kinds])
    indices = np.array([index for index, _ in coefficients.factors])
    columns = np.array([column[int(indices[slot, row])] for slot, row in zip(slots, rows, strict=True)], dtype=np.int64)
    both = np.flatnonzero(np.all(np.array(kinds) > 0, axis=0)) if len(kinds) > 1 else np.empty(0, dtype=np.int64)
    pairs = np.array([[column[int(local)] for local in indices[:, row]] for row in both], dtype=np.int64).reshape(-1, len(kinds))
    products = None
    if len(kinds) > 1:
        size = len(floating)
        matrix = _one_hot(size * pairs[:, 0] + pairs[:, 1], size**2) + _one_hot(size * pairs[:, 1] + pairs[:, 0], size**2)
        products = SplineProducts(sources[1], sources[1 - slots, rows], both, sources[:, both].T, matrix)
    return Rule(
        floating=np.asarray(floating, dtype=np.int64),
        group=group,
        n_groups=len(unique),
        monomials=_compile_monomials(powers, column),
        factor_parameters=table[:, 0].astype(np.int64),
        factor_polynomials=code4_polynomial(table[:, 1], table[:, 2]),
        factor_logs=np.log(table[:, 1:]),
        factor_products=padded.T.copy(),
        slope_factors=slope_table[:, 0],
        slope_places=slope_table[:, 1],
        excursion_parameters=shapes,
        excursion_source=sources[0],
        excursion_rows=rows,
        excursion_columns=columns,
        excursion_places=_one_hot(columns * len(unique) + group[rows], len(floating) * len(unique)),
        membership=_one_hot(group, len(unique)),
        excursion_matrix=_one_hot(columns, len(floating)),
        slope_matrix=_one_hot(slope_table[:, 1] // len(unique), len(floating)),
        curves=curves,
        excursion_own=sources[slots, rows],
        products=products,
    )


def _compile_curves(coefficients: Coefficients) -> tuple[Ints, Ints, tuple[Curves, ...]]:
    """Return the columns of `_excursions` that rows have, (1, M) or (2, M), the parameters of a and q(a), and the splines."""
    index, kind = coefficients.excursion_index, coefficients.excursion_kind
    bent = (kind > 0) & (kind < SPLINES)
    shapes, position = np.unique(index[bent], return_inverse=True)
    sources = np.zeros((len(coefficients.factors), len(kind)), dtype=np.int64)
    sources[0, bent] = 1 + position.reshape(-1) + len(shapes) * (kind[bent] - 1)
    known: dict[tuple[int, int], int] = {}
    end = 1 + 2 * len(shapes)
    for source, (index, kind) in zip(sources, coefficients.factors, strict=True):
        for row in np.flatnonzero(kind >= SPLINES).tolist():
            number, node = coefficients.spline_of(int(kind[row]))
            key = int(index[row]), number
            if key not in known:
                known[key] = end
                end += len(coefficients.nodes[number])
            source[row] = known[key] + node
    cardinal = [spline(nodes, np.eye(len(nodes))) for nodes in coefficients.nodes]
    return sources, shapes, tuple(Curves(local, cardinal[number]) for local, number in known)


def _power_products(monomials: Monomials, theta: Floats) -> Floats:
    """Return every monomial in the table, shape (P, rows)."""
    result = np.ones((len(theta), len(monomials.exponents)))
    for column, parameter in enumerate(monomials.parameters):
        exponents = monomials.exponents[:, column]
        powers = np.ones((len(theta), int(exponents.max(initial=0)) + 1))
        np.cumprod(np.repeat(theta[:, parameter, None], powers.shape[1] - 1, axis=1), axis=1, out=powers[:, 1:])
        result *= powers[:, exponents]
    return result


def _scatter(values: Floats, places: Ints, shape: tuple[int, ...]) -> Floats:
    """Return zeros of shape (P, *shape) with values (P, k) put at the flat places (k,)."""
    result = np.zeros((len(values), int(np.prod(shape))))
    result[:, places] = values
    return result.reshape(len(values), *shape)


def evaluate(rule: Rule, theta: Floats) -> Terms:
    """Return amplitudes (P, M) and what the derivatives need, at local parameters theta of shape (P, n_local)."""
    count, size = len(theta), (len(rule.floating), rule.n_groups)
    normsys = code4_from(theta[:, rule.factor_parameters], rule.factor_polynomials, rule.factor_logs)
    extended = np.concatenate([normsys.value, np.ones((count, 1))], axis=1)
    factors = np.ones((count, rule.n_groups))
    for members in rule.factor_products:
        factors *= extended[:, members]
    monomials = rule.monomials
    powers = _power_products(monomials, theta)
    products = powers[:, monomials.value_rows] * factors
    ratio = normsys.first / normsys.value
    ratios = _scatter(ratio[:, rule.slope_factors], rule.slope_places, size)
    bend = (normsys.second / normsys.value - ratio * ratio)[:, rule.slope_factors]
    slopes = ratios * products[:, None, :]
    if len(monomials.first_rows):
        raised = _scatter(powers[:, monomials.first_rows] * monomials.first_coefficients, monomials.first_places, size)
        slopes += raised * factors[:, None, :]
    value, first, second = _excursions(rule, theta)
    shape, own, mixed = value[:, rule.excursion_source], rule.excursion_own, np.empty((count, 0))
    steep, bowed = first[:, own], second[:, own]
    if rule.products is not None:
        shape, other = shape * value[:, rule.products.second], value[:, rule.products.others]
        steep, bowed = steep * other, bowed * other
        mixed = first[:, rule.products.pairs].prod(axis=2)
    return Terms(products[:, rule.group] * shape, products, slopes, factors, ratios, bend, powers, shape, steep, bowed, mixed)


def _excursions(rule: Rule, theta: Floats) -> Derivatives:
    """Return the functions h of all excursions with derivatives, shape (P, 1 + columns): 1, then a and q(a) of each parameter, then the splines."""
    nuisance = theta[:, rule.excursion_parameters]
    one, flat = np.ones((len(theta), 1)), np.zeros_like(nuisance)
    zero = np.zeros_like(one)
    known = [(one, zero, zero), (nuisance, flat + 1, flat), code4p(nuisance)]
    known += [entry.splines.at(theta[:, entry.parameter]) for entry in rule.curves]
    return Derivatives(*(np.concatenate(parts, axis=1) for parts in zip(*known, strict=True)))


def select(terms: Terms, rows: Ints) -> Terms:
    """Return the terms of some of the points."""
    return Terms(*(getattr(terms, name)[rows] for name in Terms.__slots__))


def jacobian(rule: Rule, terms: Terms) -> Floats:
    """Return dA_m/dtheta_i of the floating parameters, shape (P, n, M)."""
    result = terms.product_slopes[:, :, rule.group] * terms.shape[:, None, :]
    result[:, rule.excursion_columns, rule.excursion_rows] += terms.products[:, rule.group[rule.excursion_rows]] * terms.excursion_first
    return result


def _excursion_sums(rule: Rule, terms: Terms, slope: Floats) -> Floats:
    """Return sum over the rows of product u and nonlinear parameter i of slope x h', shape (P, n, U)."""
    weighted = slope[:, rule.excursion_rows] * terms.excursion_first
    return (weighted @ rule.excursion_places).reshape(len(slope), len(rule.floating), rule.n_groups)


def pull_back(rule: Rule, terms: Terms, slope: Floats) -> Floats:
    """Return the gradient (P, n) from slope = df/dA of shape (P, M)."""
    by_group = (slope * terms.shape) @ rule.membership
    sums = _excursion_sums(rule, terms, slope)
    gradient: Floats = np.einsum("piu,pu->pi", terms.product_slopes, by_group) + np.einsum("piu,pu->pi", sums, terms.products)
    return gradient


def curvature(rule: Rule, terms: Terms, slope: Floats) -> Floats:
    """Return sum_m slope_m d2A_m/dtheta_i dtheta_j, shape (P, n, n), from slope = df/dA of shape (P, M)."""
    n = len(rule.floating)
    by_group = (slope * terms.shape) @ rule.membership
    sums = _excursion_sums(rule, terms, slope)
    scaled = terms.ratios * by_group[:, None, :]
    half = terms.product_slopes @ sums.transpose(0, 2, 1)
    half += (terms.product_slopes - 0.5 * terms.ratios * terms.products[:, None, :]) @ scaled.transpose(0, 2, 1)
    result = half + half.transpose(0, 2, 1)
    bend = terms.ratio_slopes * (by_group * terms.products)[:, rule.slope_places % rule.n_groups]
    bow = slope[:, rule.excursion_rows] * terms.excursion_second * terms.products[:, rule.group[rule.excursion_rows]]
    result[:, np.arange(n), np.arange(n)] += bend @ rule.slope_matrix + bow @ rule.excursion_matrix
    if rule.products is not None:
        both = rule.products.rows
        mixed = slope[:, both] * terms.mixed * terms.products[:, rule.group[both]]
        result += (mixed @ rule.products.matrix).reshape(result.shape)
    monomials = rule.monomials
    if len(monomials.second_rows):
        twice = _scatter(
            terms.powers[:, monomials.second_rows] * monomials.second_coefficients, monomials.second_places, (n, n, rule.n_groups)
        )
        result += np.einsum("piju,pu->pij", twice, terms.factors * by_group)
    return result


def amplitudes(coefficients: Coefficients, theta: Floats) -> Floats:
    """Return A, shape (P, M), at local parameters theta of shape (P, n)."""
    return evaluate(compile_rule(coefficients, np.empty(0, dtype=np.int64)), theta).amplitudes
