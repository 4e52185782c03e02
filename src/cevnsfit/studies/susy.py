"""Sleptons and the magnetic moments of electron and muon, and the CEvNS limit that follows for L_mu - L_tau."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.errors import DomainError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.physics.constants import ELECTRON_MASS, MUON_MASS
from cevnsfit.physics.slepton_loops import gauginos, slepton_contribution, slepton_masses
from cevnsfit.studies.fitting import run_intervals
from cevnsfit.studies.published import measured_moment, moment_difference, predicted_moment
from cevnsfit.studies.setup import Analysis
from cevnsfit.studies.workers import results

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor

    from numpy.typing import NDArray

    from cevnsfit.infer.intervals import Intervals

    Array = NDArray[np.float64]

GEV: Final = 1000.0
"""MeV in a GeV."""

MASSES: Final = ("M1", "M2", "mu", "selectron_L", "selectron_R", "smuon_L", "smuon_R")
"""Masses of a point, uniform between 100 GeV and 1 TeV each."""

CHUNK: Final = 10_000
"""Points that are computed together; fixed, so that a seed gives the same points in every scan."""

_LEP: Final = 100.0 * GEV  # charged particles are heavier: LEP SUSY working group, LEPSUSYWG/04-01.1 and /01-03.1, rounded


@dataclass(frozen=True, slots=True)
class Deviation:
    """A measured moment minus its prediction.

    Attributes
    ----------
    measured, predicted
        Names in data/published/anomalous_magnetic_moments.yaml.
    value, error
        The difference and its error.
    """

    measured: str
    predicted: str
    value: float
    error: float

    def explains(self, contribution: Array, sigmas: float) -> NDArray[np.bool_]:
        """Return where a contribution is within `sigmas` errors of the difference; never for NaN."""
        return np.asarray(np.abs(contribution - self.value) <= sigmas * self.error)


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

    def ranges(self) -> dict[str, tuple[float, float, float]]:
        """Return smallest value, median and largest value of each column; empty without points."""
        if self.kept == 0:
            return {}
        return {name: (float(x.min()), float(np.median(x)), float(x.max())) for name, x in self.columns.items()}

    def correlations(self) -> Array:
        """Return Spearman's rank correlations of the columns, shape (columns, columns); NaN with fewer than three points."""
        size = len(self.columns)
        if self.kept < 3:
            return np.full((size, size), np.nan)
        ranks = np.array([np.argsort(np.argsort(x)) for x in self.columns.values()], dtype=np.float64)
        return np.asarray(np.corrcoef(ranks))

    def slepton_logs(self) -> dict[str, float]:
        """Return the sum over both states of ln(m_stau^2/m_smuon^2) at the smallest, median and largest hierarchy."""
        ends = self.ranges()
        return {} if not ends else dict(zip(("min", "median", "max"), (4.0 * np.log(ends["hierarchy"])).tolist(), strict=True))


def deviation(measured: str, predicted: str) -> Deviation:
    """Return the difference of two named moments; errors as in `studies.published`."""
    value, error = moment_difference(measured_moment(measured), predicted_moment(predicted))
    return Deviation(measured, predicted, value, error)


@on_one_thread
def susy_scan(
    points: int,
    deviations: tuple[Deviation, Deviation],
    *,
    seed: int = 0,
    sigmas: float = 2.0,
    mu_sign: int = 1,
    progress: Callable[[int, int], None] | None = None,
    executor: Executor | None = None,
) -> SusyScan:
    """Return the points that explain both deviations.

    Masses (`MASSES`) are uniform in 100 GeV-1 TeV and tan beta in 10-50; the hierarchy m_stau/m_smuon is log-uniform in 1-100
    and common to both states, so that it decides the kinetic mixing of L_mu - L_tau and nothing else.

    Parameters
    ----------
    points
        How many to draw.
    deviations
        Those of electron and muon, from `deviation`.
    seed
        Of the points; chunks of `CHUNK` have streams of their own.
    sigmas
        Largest distance from each deviation in errors.
    mu_sign
        Sign of mu.
    progress
        Called with (finished, all) chunks.
    executor
        Where chunks are computed; this process by default. The numbers do not depend on it.

    Raises
    ------
    DomainError
        If a number is not positive or `mu_sign` is not 1 or -1.
    """
    if points < 1 or not sigmas > 0.0 or mu_sign not in {1, -1}:
        message = f"points and sigmas are positive and the sign of mu is 1 or -1, got {points}, {sigmas:g} and {mu_sign}"
        raise DomainError(message)
    tasks = [
        (number, min(CHUNK, points - start), (*deviations, sigmas), (seed, mu_sign)) for number, start in enumerate(range(0, points, CHUNK))
    ]
    found = results(executor, susy_chunk, tasks, progress)
    columns = {name: np.concatenate([kept[name] for kept, _ in found]) for name in found[0][0]}
    return SusyScan(columns, points, sum(physical for _, physical in found), *deviations, sigmas)


def susy_chunk(number: int, size: int, wanted: tuple[Deviation, Deviation, float], how: tuple[int, int]) -> tuple[dict[str, Array], int]:
    """Return the points of one chunk that explain both deviations, and the number of physical ones.

    Parameters
    ----------
    number, size
        Number of the chunk, and of its points.
    wanted
        Deviations of electron and muon, and the largest distance from each.
    how
        Seed, and sign of mu.
    """
    (electron, muon, sigmas), (seed, mu_sign) = wanted, how
    stream = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
    columns = {name: values[:size] for name, values in _drawn(stream, mu_sign).items()}
    good = _add_moments(columns)
    physical = int(good.sum())
    good &= electron.explains(columns["a_e"], sigmas) & muon.explains(columns["a_mu"], sigmas)
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
        columns[name] = slepton_contribution(left, right, fields, mass)
        good &= np.isfinite(columns[name]) & (slepton_masses(left, right, fields, mass)[0].min(axis=1) >= _LEP**2)
    return np.asarray(good, dtype=np.bool_)


@on_one_thread
def hierarchy_limits(scan: SusyScan, experiments: Sequence[str], *, mass: float, cl: float = 0.90) -> dict[str, Intervals]:
    """Return the CEvNS intervals of g in L_mu - L_tau at the smallest, median and largest hierarchy of the kept points.

    Parameters
    ----------
    scan
        The kept points; without any the result is empty.
    experiments
        Names or folders.
    mass
        Of the boson in MeV.
    cl
        Confidence level, one degree of freedom.
    """
    analysis = Analysis(tuple(experiments), "lmu-ltau")
    return {name: run_intervals(analysis, at={"mass": mass, "slepton_log": log}, cl=cl) for name, log in scan.slepton_logs().items()}


def susy_json(scan: SusyScan) -> dict[str, Any]:
    """Return a scan as JSON knows it, without its points."""
    return {
        "tried": scan.tried,
        "physical": scan.physical,
        "kept": scan.kept,
        "sigmas": scan.sigmas,
        "deviations": {
            lepton: {"measured": d.measured, "predicted": d.predicted, "value": d.value, "error": d.error}
            for lepton, d in (("e", scan.electron), ("mu", scan.muon))
        },
        "ranges": {name: {"min": low, "median": middle, "max": high} for name, (low, middle, high) in scan.ranges().items()},
        "columns": list(scan.columns),
        "correlations": scan.correlations(),
        "slepton_log": scan.slepton_logs(),
    }
