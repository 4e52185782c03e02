"""Neutrino sources: spectra, flavours, normalisation and arrival times; pions and muons that decay at rest."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import AxisError, CevnsfitError, DomainError, UnknownNameError
from cevnsfit.physics.constants import MUON_MASS, PION_MASS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

_LEPTONS: Final[Mapping[str, str]] = {f"{nu}_{lepton}": lepton for nu in ("nu", "nubar") for lepton in ("e", "mu", "tau")}


def lepton_flavour(flavour: str) -> str:
    """Return the lepton flavour that couples to a source flavour: "mu" for "nubar_mu"; another species of the beam is itself."""
    if flavour.startswith("nu") and flavour not in _LEPTONS:
        kind = "neutrino flavour"
        raise UnknownNameError(kind, flavour, _LEPTONS)
    return _LEPTONS.get(flavour, flavour)


def source_flavours(flavour: str) -> tuple[str, ...]:
    """Return the source flavours that a flavour stands for, neutrinos first; another species of the beam is itself.

    Examples
    --------
    >>> source_flavours("mu"), source_flavours("nubar_mu")
    (('nu_mu', 'nubar_mu'), ('nubar_mu',))
    """
    found = tuple(source for source, lepton in _LEPTONS.items() if flavour in {source, lepton})
    if not found and (flavour.startswith("nu") or not flavour):
        kind = "neutrino flavour"
        raise UnknownNameError(kind, flavour, (*dict.fromkeys(_LEPTONS.values()), *_LEPTONS))
    return found if found else (flavour,)


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a continuum, polynomial in the neutrino energy.

    Attributes
    ----------
    low, high
        Ends in MeV.
    coefficients
        c_0, c_1, ... of sum_k c_k E^k in MeV^-(k + 1).
    """

    low: float
    high: float
    coefficients: tuple[float, ...]

    def __post_init__(self) -> None:
        if not 0.0 <= self.low < self.high < math.inf or not all(map(math.isfinite, self.coefficients)):
            message = f"a segment from {self.low:g} to {self.high:g} MeV is not a piece of a spectrum"
            raise DomainError(message)

    def density(self, energy: ArrayLike) -> NDArray[np.float64]:
        """Return the polynomial at `energy` [MeV], in 1/MeV, whatever the ends."""
        return np.asarray(np.polynomial.polynomial.polyval(np.asarray(energy, dtype=np.float64), self.coefficients))

    @property
    def integral(self) -> float:
        """Return the integral between the ends."""
        primitive = np.polynomial.polynomial.polyint(self.coefficients)
        ends = np.polynomial.polynomial.polyval([self.low, self.high], primitive)
        return float(ends[1] - ends[0])


@dataclass(frozen=True, slots=True)
class Spectrum:
    """A neutrino spectrum normalised to one neutrino: lines and a piecewise polynomial continuum.

    Attributes
    ----------
    lines
        Pairs (energy [MeV], weight).
    segments
        Pieces of the continuum.
    """

    lines: tuple[tuple[float, float], ...] = ()
    segments: tuple[Segment, ...] = ()

    def __post_init__(self) -> None:
        total = sum(weight for _, weight in self.lines) + sum(segment.integral for segment in self.segments)
        if not math.isclose(total, 1.0, rel_tol=1e-9):
            message = f"a spectrum must integrate to one neutrino; this one integrates to {total:.12g}"
            raise CevnsfitError(message)

    @property
    def end(self) -> float:
        """Return the largest energy in MeV."""
        return max([energy for energy, _ in self.lines] + [segment.high for segment in self.segments])

    def density(self, energy: ArrayLike) -> NDArray[np.float64]:
        """Return the continuum (without the lines) at `energy` [MeV], in 1/MeV."""
        values = np.asarray(energy, dtype=np.float64)
        total = np.zeros_like(values)
        for segment in self.segments:
            inside = (values >= segment.low) & (values < segment.high)
            total = total + np.where(inside, segment.density(values), 0.0)
        return total

    @property
    def jumps(self) -> tuple[float, ...]:
        """Return the energies in MeV, but for the end, at which the continuum is not continuous."""
        ends = {segment.high: float(segment.density(segment.high)) for segment in self.segments}
        starts = [(segment.low, float(segment.density(segment.low))) for segment in self.segments]
        return tuple(low for low, value in starts if not math.isclose(value, ends.get(low, 0.0), rel_tol=1e-9, abs_tol=1e-12))

    def mean(self) -> float:
        """Return the mean energy in MeV."""
        moments = [Segment(s.low, s.high, (0.0, *s.coefficients)).integral for s in self.segments]
        return sum(energy * weight for energy, weight in self.lines) + sum(moments)


def histogram(edges: ArrayLike, contents: ArrayLike) -> Spectrum:
    """Return the spectrum of a binned flux, flat inside each bin, scaled to one neutrino.

    Parameters
    ----------
    edges
        Energy edges in MeV, shape (n + 1,).
    contents
        Neutrinos in each bin, shape (n,), in any normalisation.

    Raises
    ------
    AxisError
        If the shapes differ or the edges do not increase.
    DomainError
        If a bin is negative or all are empty.
    """
    bounds, counts = np.asarray(edges, dtype=np.float64), np.asarray(contents, dtype=np.float64)
    if bounds.shape != (counts.size + 1,) or not np.all(np.diff(bounds) > 0.0):
        message = f"a flux of {counts.size} bins needs {counts.size + 1} increasing edges, got {bounds.size}"
        raise AxisError(message)
    if not (np.all(np.isfinite(counts)) and np.all(counts >= 0.0) and counts.sum() > 0.0):
        message = "a flux must have no negative bins and at least one that is not empty"
        raise DomainError(message)
    densities = counts / counts.sum() / np.diff(bounds)
    bins = zip(bounds[:-1], bounds[1:], densities, strict=True)
    return Spectrum(segments=tuple(Segment(float(low), float(high), (float(d),)) for low, high, d in bins if d > 0.0))


def smooth(energies: ArrayLike, densities: ArrayLike) -> tuple[Spectrum, float]:
    """Return the spectrum of one neutrino through points of a density, and the integral of that.

    Between the points it is a cubic that is monotonic where they are, with a continuous slope; beyond them there is nothing.

    Parameters
    ----------
    energies
        Increasing energies in MeV, shape (n,).
    densities
        Densities there, not negative, in any normalisation, shape (n,).

    Raises
    ------
    AxisError
        If the energies do not increase or are fewer than two.
    DomainError
        If a density is negative or all are 0.

    References
    ----------
    Fritsch and Butland, SIAM J. Sci. Stat. Comput. 5 (1984) 300.
    """
    from scipy.interpolate import PchipInterpolator

    points, values = np.asarray(energies, dtype=np.float64), np.asarray(densities, dtype=np.float64)
    if len(points) < 2 or points[0] < 0.0 or not np.all(np.diff(points) > 0.0):
        message = "a spectrum needs at least two increasing energies"
        raise AxisError(message)
    if not (np.all(np.isfinite(values)) and np.all(values >= 0.0) and values.max() > 0.0):
        message = "a spectrum must have no negative densities and at least one that is not 0"
        raise DomainError(message)
    curve = PchipInterpolator(points, values)
    total = float(curve.integrate(points[0], points[-1]))
    segments = []
    for low, high, local in zip(points[:-1], points[1:], curve.c.T[:, ::-1] / total, strict=True):
        shifted = np.polynomial.Polynomial(local)(np.polynomial.Polynomial([-low, 1.0]))
        segments.append(Segment(float(low), float(high), tuple(float(c) for c in shifted.coef)))
    return Spectrum(segments=tuple(segments)), total


@dataclass(frozen=True, slots=True, eq=False)
class SpectralFactor:
    """A factor of a spectrum, linear in the energy between points and constant beyond them.

    Attributes
    ----------
    energies, factors
        Increasing energies in MeV and factors there, not negative, shape (n,).
    """

    energies: NDArray[np.float64]
    factors: NDArray[np.float64]

    def __call__(self, spectrum: Spectrum) -> tuple[Spectrum, float]:
        """Return a spectrum times the factor, of one neutrino again, and what is left of the one; the spectrum as it is where nothing is."""
        lines = [(energy, weight * float(np.interp(energy, self.energies, self.factors))) for energy, weight in spectrum.lines]
        segments = [piece for segment in spectrum.segments for piece in self._pieces(segment)]
        total = sum(weight for _, weight in lines) + sum(segment.integral for segment in segments)
        if not total > 0.0:
            return spectrum, 0.0
        scaled = (Segment(s.low, s.high, tuple(c / total for c in s.coefficients)) for s in segments)
        return Spectrum(tuple((energy, weight / total) for energy, weight in lines), tuple(scaled)), total

    def _pieces(self, segment: Segment) -> list[Segment]:
        inner = self.energies[(self.energies > segment.low) & (self.energies < segment.high)]
        pieces = []
        for low, high in pairwise([segment.low, *inner.tolist(), segment.high]):
            start, stop = np.interp([low, high], self.energies, self.factors)
            slope = (stop - start) / (high - low)
            product = np.polynomial.polynomial.polymul(segment.coefficients, (start - slope * low, slope))
            pieces.append(Segment(low, high, tuple(product.tolist())))
        return pieces


@dataclass(frozen=True, slots=True)
class Arrival:
    """When neutrinos arrive, as a density in time.

    Attributes
    ----------
    density
        Density in 1/s at times in s, shape (n,) to shape (n,).
    kinks
        Times in s at which it is not smooth.
    """

    density: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    kinks: tuple[float, ...] = ()


def flat(low: float, high: float) -> Arrival:
    """Return an arrival at any time between two times [s]."""
    return Arrival(lambda t: np.where((t >= low) & (t < high), 1.0 / (high - low), 0.0), (low, high))


@dataclass(frozen=True, slots=True)
class BinnedArrival:
    """When neutrinos arrive, as probabilities of bins.

    Attributes
    ----------
    probabilities
        Of each bin of the analysis.
    edges, contents
        The table that they come from, in its own bins [s]; empty without a time axis.
    """

    probabilities: tuple[float, ...]
    edges: tuple[float, ...] = ()
    contents: tuple[float, ...] = ()

    def moved(self, edges: NDArray[np.float64], shift: float) -> NDArray[np.float64]:
        """Return the probabilities of bins [s] when all arrive `shift` [s] later; the integral of the table is a monotonic cubic between its edges."""
        return np.diff(cumulative(self.edges, self.contents)(edges - shift))


def cumulative(edges: ArrayLike, contents: ArrayLike) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return the integral of a histogram up to a place, a monotonic cubic through its values at the edges, constant beyond them."""
    from scipy.interpolate import PchipInterpolator

    bounds = np.asarray(edges, dtype=np.float64)
    curve = PchipInterpolator(bounds, np.append(0.0, np.cumsum(contents)))
    return lambda x: np.asarray(curve(np.clip(x, bounds[0], bounds[-1])))


ArrivalTimes = Arrival | BinnedArrival


def later(arrival: ArrivalTimes, delay: float, edges: NDArray[np.float64]) -> ArrivalTimes:
    """Return arrival times some `delay` [s] later, in the bins of an analysis with some edges [s]."""
    if delay == 0.0:
        return arrival
    if isinstance(arrival, BinnedArrival):
        moved = tuple(arrival.moved(edges, delay).tolist())
        return replace(arrival, probabilities=moved, edges=tuple(edge + delay for edge in arrival.edges))
    return Arrival(lambda t: arrival.density(t - delay), tuple(kink + delay for kink in arrival.kinks))


@dataclass(frozen=True, slots=True, eq=False)
class Emission:
    """The neutrinos of one flavour, or other particles of the beam.

    Attributes
    ----------
    flavour
        Such as "nubar_mu"; the name of another species.
    spectra
        Spectra of one neutrino each.
    arrivals
        Arrival times; more than one where energy and time do not factorise.
    weights
        Neutrinos by arrival and spectrum in units of the source's fluence, shape (arrivals, spectra).
    names
        Of the spectra, empty where they have none.
    """

    flavour: str
    spectra: tuple[Spectrum, ...]
    arrivals: tuple[ArrivalTimes, ...]
    weights: NDArray[np.float64]
    names: tuple[str, ...] = ()

    def reshaped(self, factor: SpectralFactor, of: Sequence[str] = ()) -> Emission:
        """Return the neutrinos with their spectra times a factor, those of some flavours and names or all; DomainError if none are left."""
        names, every = self.names if self.names else ("",) * len(self.spectra), not of or self.flavour in of
        known = {spectrum: factor(spectrum) for name, spectrum in zip(names, self.spectra, strict=True) if every or name in of}
        spectra, totals = zip(*(known.get(spectrum, (spectrum, 1.0)) for spectrum in self.spectra), strict=True)
        weights = self.weights * np.array(totals)
        if self.weights.any() and not weights.any():
            message = f"a factor of 0 at all energies leaves no neutrinos (of {self.flavour})"
            raise DomainError(message)
        return replace(self, spectra=spectra, weights=weights)


@dataclass(frozen=True, slots=True, eq=False)
class NeutrinoSource:
    """What reaches a detector in the whole exposure.

    Attributes
    ----------
    fluence
        Neutrinos per cm^2 for a weight of 1.
    emissions
        The neutrinos, by flavour.
    """

    fluence: float
    emissions: tuple[Emission, ...]

    def reshaped(self, factor: SpectralFactor, of: Sequence[str]) -> NeutrinoSource:
        """Return the source with a factor on the spectra of some flavours and names, or on all."""
        return replace(self, emissions=tuple(emission.reshaped(factor, of) for emission in self.emissions))


def isotropic(number: float, distance: float) -> float:
    """Return the fluence in 1/cm^2 of `number` neutrinos that leave in all directions, at `distance` [cm]."""
    return number / (4.0 * math.pi * distance**2)


def decay_arrivals(prompt: ArrivalTimes, delayed: ArrivalTimes) -> dict[str, ArrivalTimes]:
    """Return the arrival times of each flavour behind a proton pulse: the neutrino of the pion is prompt, those of the muon are delayed."""
    return {flavour: prompt if flavour == "nu_mu" else delayed for flavour in _LEPTONS}


def decay_at_rest(fluence: float, arrivals: Mapping[str, ArrivalTimes]) -> NeutrinoSource:
    """Return the source with the flavours and spectra of pions and muons at rest, as many neutrinos of each flavour."""
    one = np.ones((1, 1))
    return NeutrinoSource(fluence, tuple(Emission(f, (s,), (arrivals[f],), one) for f, s in pion_decay_at_rest().items()))


def pion_decay_at_rest() -> Mapping[str, Spectrum]:
    """Return the spectra of pi+ -> mu+ nu_mu, mu+ -> e+ nu_e nubar_mu at rest, one neutrino of each flavour.

    The line lies at (m_pi^2 - m_mu^2)/(2 m_pi) = 29.79 MeV. With x = E/m_mu < 1/2 (Michel spectra, m_e = 0)

        nu_e: (192/m_mu) x^2 (1/2 - x);    nubar_mu: (64/m_mu) x^2 (3/4 - x).

    References
    ----------
    PDG 2024, review of muon decay parameters (rho = delta = 3/4); COHERENT, arXiv:1804.09459.
    """
    line = (PION_MASS**2 - MUON_MASS**2) / (2.0 * PION_MASS)
    m, end = MUON_MASS, MUON_MASS / 2.0
    nubar_mu = Segment(0.0, end, (0.0, 0.0, 48.0 / m**3, -64.0 / m**4))
    nu_e = Segment(0.0, end, (0.0, 0.0, 96.0 / m**3, -192.0 / m**4))
    return {"nu_mu": Spectrum(lines=((line, 1.0),)), "nubar_mu": Spectrum(segments=(nubar_mu,)), "nu_e": Spectrum(segments=(nu_e,))}
