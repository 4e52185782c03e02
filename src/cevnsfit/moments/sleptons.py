"""Points of the MSSM whose sleptons explain the magnetic moments of electron and muon."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from cevnsfit.moments.slepton_loops import slepton_contribution
from cevnsfit.moments.superpartners import GEV, family, gauginos
from cevnsfit.physics.constants import ELECTRON_MASS, MUON_MASS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cevnsfit.moments.measured import Deviation

    Array = NDArray[np.float64]

MASSES: Final = ("M1", "M2", "mu", "selectron_L", "selectron_R", "smuon_L", "smuon_R")
"""Masses of a point, uniform between 100 GeV and 1 TeV each."""

CHUNK: Final = 10_000
"""Points that are computed together; fixed, so that a seed gives the same points in every scan."""

_LEP: Final = 100.0 * GEV  # charged particles are heavier: LEP SUSY working group, LEPSUSYWG/04-01.1 and /01-03.1, rounded


@dataclass(frozen=True, slots=True, eq=False)
class SusyScan:
    """The points of a scan that explain both deviations.

    Attributes
    ----------
    columns
        Values of the kept points by name, shape (n,) each: masses in GeV, tan_beta, hierarchy m_stau/m_smuon, a_e and a_mu.
    tried, physical
        How many points were drawn, and how many of them have no tachyon and no charged particle below 100 GeV.
    electron, muon
        The deviations.
    sigmas
        Largest distance of a kept point from each of them, in errors.
    """

    document: ClassVar[Mapping[str, str | None]] = {
        **{key: key for key in ("kept", "deviations", "ranges", "correlations")},
        "columns": "names",
        "slepton_log": "slepton_logs",
        "electron": None,
        "muon": None,
    }

    columns: Mapping[str, Array]
    tried: int
    physical: int
    electron: Deviation
    muon: Deviation
    sigmas: float

    @property
    def kept(self) -> int:
        """Return the number of kept points."""
        return len(self.columns["a_mu"])

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        return tuple(self.columns)

    @property
    def deviations(self) -> dict[str, Deviation]:
        """Return the deviations by lepton."""
        return {"e": self.electron, "mu": self.muon}

    @property
    def ranges(self) -> dict[str, dict[str, float]]:
        """Return smallest value, median and largest value of each column; empty without points."""
        if self.kept == 0:
            return {}
        return {name: {"min": float(x.min()), "median": float(np.median(x)), "max": float(x.max())} for name, x in self.columns.items()}

    @property
    def correlations(self) -> Array:
        """Return Spearman's rank correlations of the columns, shape (columns, columns); NaN with fewer than three points."""
        size = len(self.columns)
        if self.kept < 3:
            return np.full((size, size), np.nan)
        ranks = np.array([np.argsort(np.argsort(x)) for x in self.columns.values()], dtype=np.float64)
        return np.asarray(np.corrcoef(ranks))

    @property
    def slepton_logs(self) -> dict[str, float]:
        """Return the sum over both states of ln(m_stau^2/m_smuon^2) at the smallest, median and largest hierarchy."""
        return {key: 4.0 * math.log(value) for key, value in self.ranges.get("hierarchy", {}).items()}


@dataclass(frozen=True, slots=True)
class Draw:
    """What points are drawn, and which of them are kept.

    Attributes
    ----------
    electron, muon
        The deviations that they explain.
    sigmas
        Largest distance from each of them, in errors.
    seed
        Of the points; chunks of `CHUNK` have streams of their own.
    mu_sign
        Sign of mu.
    """

    electron: Deviation
    muon: Deviation
    sigmas: float
    seed: int
    mu_sign: int


def susy_chunk(draw: Draw, number: int, size: int) -> tuple[dict[str, Array], int]:
    """Return the first `size` points of one chunk that explain both deviations, and the number of physical ones."""
    stream = np.random.default_rng(np.random.SeedSequence(draw.seed, spawn_key=(number,)))
    columns = {name: values[:size] for name, values in _drawn(stream, draw.mu_sign).items()}
    good = _add_moments(columns)
    physical = int(good.sum())
    good &= draw.electron.explains(columns["a_e"], draw.sigmas) & draw.muon.explains(columns["a_mu"], draw.sigmas)
    return {name: values[good] for name, values in columns.items()}, physical


def _drawn(stream: np.random.Generator, mu_sign: int) -> dict[str, Array]:
    """Return one chunk of points; masses in GeV."""
    columns = {name: stream.uniform(100.0, 1000.0, CHUNK) for name in MASSES}
    columns["mu"] *= mu_sign
    columns["tan_beta"] = stream.uniform(10.0, 50.0, CHUNK)
    columns["hierarchy"] = 100.0 ** stream.random(CHUNK)
    return columns


def _add_moments(columns: dict[str, Array]) -> NDArray[np.bool_]:
    """Add a_e and a_mu to a chunk and return which points are physical."""
    fields = gauginos(columns["M1"] * GEV, columns["M2"] * GEV, columns["mu"] * GEV, columns["tan_beta"])
    good = np.abs(fields.chargino_mass).min(axis=1) >= _LEP
    for name, lepton, mass in (("a_e", "electron", ELECTRON_MASS), ("a_mu", "muon", MUON_MASS)):
        left, right = (columns[f"s{lepton}_{side}"] * GEV for side in "LR")
        sleptons = family(left, right, fields, mass)
        columns[name] = slepton_contribution(sleptons, fields)
        good &= np.isfinite(columns[name]) & (sleptons.squared.min(axis=1) >= _LEP**2)
    return np.asarray(good, dtype=np.bool_)
