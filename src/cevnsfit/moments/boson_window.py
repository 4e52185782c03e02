"""The light boson of L_mu - L_tau within ranges and limits: which contributions to the muon's moment it can give.

A limit is an upper one on g at each mass and kinetic mixing. Of limits with several allowed branches the one that begins at g = 0 counts: a
boson beyond it is taken to be excluded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
from scipy.interpolate import RegularGridInterpolator

from cevnsfit.moments.boson_loops import vector_contribution
from cevnsfit.physics.constants import MUON_MASS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cevnsfit.core.arrays import Bools, Floats
    from cevnsfit.moments.ranges import Range

    Ceiling = Callable[[Floats, Floats], Floats]

MASSES: Final = 2001
LOGS: Final = 65
"""Nodes along the mass, and along slepton_log where it varies: between them ln g is linear, and the largest moment is too small by 0.04 % at most."""

_LARGEST: Final = 1e3  # stands for no limit


@dataclass(frozen=True, slots=True)
class BosonLimit:
    """An upper limit on g: its name, its confidence level (None for one that says it in words), and what it is."""

    name: str
    cl: float | None
    about: str


@dataclass(frozen=True, slots=True)
class LargestMoment:
    """The largest contribution to the muon's moment that a boson of a window can give, where, and the limits without which it would be larger."""

    value: float
    mass: float
    g: float
    decided_by: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class BosonWindow:
    """Bosons within ranges and limits.

    Attributes
    ----------
    mass, g
        The ranges, MeV and 1.
    limits
        What else is asked of them.
    masses, logs
        Nodes in MeV, shape (m,), and of slepton_log, shape (k,).
    ceilings
        ln g of each limit, shape (k, m).
    loop
        Contribution at g = 1, shape (m,).
    """

    document: ClassVar[Mapping[str, str | None]] = {**dict.fromkeys(("masses", "logs", "ceilings", "loop")), "largest_moment": "largest"}

    mass: Range
    g: Range
    limits: tuple[BosonLimit, ...]
    masses: Floats
    logs: Floats
    ceilings: tuple[Floats, ...]
    loop: Floats

    @property
    def free(self) -> BosonWindow:
        """Return the ranges without limits."""
        return replace(self, limits=(), ceilings=())

    @property
    def ceiling(self) -> Floats:
        """Return ln g of the strongest limit, shape (k, m)."""
        return np.asarray(np.min([np.full((len(self.logs), len(self.masses)), math.log(_LARGEST)), *self.ceilings], axis=0))

    @property
    def _tops(self) -> Floats:
        """Return the largest contributions at each node, shape (k, m); NaN where no g is allowed."""
        ceiling = self.ceiling
        top = np.minimum(ceiling, math.log(self.g.high))
        return np.where(ceiling >= math.log(self.g.low), np.exp(2.0 * top) * self.loop, np.nan)

    @property
    def largest(self) -> LargestMoment | None:
        """Return the largest contribution for the most favourable mixing; None where no boson is left."""
        tops = self._tops
        if np.isnan(tops).all():
            return None
        k, m = np.unravel_index(np.nanargmax(tops), tops.shape)
        value = float(tops[k, m])
        names = [limit.name for limit in self.limits]
        without = [replace(self, limits=(), ceilings=self.ceilings[:i] + self.ceilings[i + 1 :]) for i in range(len(names))]
        decide = tuple(name for name, other in zip(names, without, strict=True) if np.nanmax(other._tops) > value * 1.001)
        return LargestMoment(value, float(self.masses[m]), math.sqrt(value / self.loop[m]), decide)

    @property
    def reach(self) -> Floats:
        """Return the contributions that bosons can give at each slepton_log: intervals, shape (k, n, 2), with NaN where there are fewer than n.

        The couplings of neighbouring masses overlap, so that a run of masses with allowed ones gives one interval.
        """
        lowest = self.g.low**2 * self.loop
        runs = [(top, np.ma.clump_unmasked(np.ma.masked_invalid(top))) for top in self._tops]  # type: ignore[no-untyped-call]
        found = [[(lowest[run].min(), top[run].max()) for run in each] for top, each in runs]
        filled = np.full((len(found), max(1, *map(len, found)), 2), np.nan)
        for row, ends in zip(filled, found, strict=True):
            row[: len(ends)] = ends
        return filled

    def explains(self, low: Floats, high: Floats, logs: Floats) -> Bools:
        """Return where some boson contributes between `low` and `high` at its mixing, shape (n,)."""
        ends = RegularGridInterpolator((self.logs,), self.reach)(np.clip(logs, *self.logs[[0, -1]])[:, None])
        return np.asarray(((ends[..., 1] >= low[:, None]) & (ends[..., 0] <= high[:, None])).any(axis=1))

    def moment(self, mass: Floats, g: Floats) -> Floats:
        """Return the contributions of bosons, shape (n,)."""
        return np.asarray(g**2 * np.exp(np.interp(np.log(mass), np.log(self.masses), np.log(self.loop))))

    def passes(self, mass: Floats, g: Floats, logs: Floats) -> Bools:
        """Return which bosons no limit excludes, shape (n,)."""
        nodes = (self.logs, np.log(self.masses))
        place = [np.clip(values, *ends[[0, -1]]) for values, ends in zip((logs, np.log(mass)), nodes, strict=True)]
        return np.asarray(np.log(g) <= RegularGridInterpolator(nodes, self.ceiling)(np.column_stack(place)))


def boson_window(mass: Range, g: Range, logs: Floats, limits: Mapping[BosonLimit, Ceiling]) -> BosonWindow:
    """Return the bosons within ranges and limits.

    Parameters
    ----------
    mass, g
        The ranges, MeV and 1.
    logs
        Ends of slepton_log.
    limits
        The limits, each a function of masses, shape (m,), and slepton_log, shape (k, 1), that returns the largest g, of a shape that broadcasts with (k, m).
    """
    masses = np.geomspace(mass.low, mass.high, MASSES) if mass.low < mass.high else np.array([mass.low])
    nodes = np.linspace(logs[0], logs[1], LOGS) if logs[0] < logs[1] else np.array([logs[0]])
    shape = (len(nodes), len(masses))
    ceilings = [np.log(np.minimum(np.broadcast_to(limit(masses, nodes[:, None]), shape), _LARGEST)) for limit in limits.values()]
    return BosonWindow(mass, g, tuple(limits), masses, nodes, tuple(ceilings), vector_contribution(1.0, masses, MUON_MASS))
