"""Neutrino tridents: the cross section against a direct sum over the three-body phase space, limits, and the published bound."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import spherical_jn

from cevnsfit.core.errors import DomainError
from cevnsfit.physics import trident
from cevnsfit.physics.constants import FERMI_CONSTANT, FINE_STRUCTURE, HBAR_C, MUON_MASS
from cevnsfit.physics.trident import (
    TridentSpectrum,
    trident_limit,
    trident_spectrum,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

METRIC = np.array([1.0, -1.0, -1.0, -1.0])


def photon_cross_section(s: float, *, nodes: int = 64) -> tuple[float, float]:
    """Return what c_V^2 and c_A^2 multiply in the Standard Model's sigma(nu gamma -> nu mu mu), in MeV^-2, at s in MeV^2.

    Far above threshold both are G_F^2 alpha s/(9 pi^2) [ln(s/m^2) - 8/3].
    """
    t, w = trident._unit_nodes(nodes)
    low, high = math.log(1e-6), math.log(s - 4.0 * MUON_MASS**2)
    q2 = np.exp(low + (high - low) * t)
    vector, axial = (trident._at_q_squared(q2, np.array([s]), nodes, axial=flag)[:, 0] for flag in (False, True))
    scale = FERMI_CONSTANT**2 * FINE_STRUCTURE / (4.0 * math.pi**2) * (high - low)
    return float(scale * np.sum(w * q2 * vector)), float(scale * np.sum(w * q2 * axial))


def trident_ratio(g: ArrayLike, mass: ArrayLike, spectrum: TridentSpectrum) -> NDArray[np.float64]:
    """Return sigma/sigma_SM, in the shape of `g` and `mass` (MeV) broadcast."""
    interference, square = trident._moments(mass, spectrum)
    coupling = np.asarray(g, dtype=np.float64) ** 2
    return np.asarray(1.0 + 2.0 * coupling * interference + coupling**2 * square)


def heavy_trident_ratio(mass_over_g: ArrayLike) -> NDArray[np.float64]:
    """Return sigma/sigma_SM for a mediator much heavier than every Q and M/g in MeV.

    It is [1 + (1 + 4 s_W^2 + 2 v^2 g^2/M^2)^2]/[1 + (1 + 4 s_W^2)^2] (arXiv:1406.2332), where muon masses are neglected.
    """
    shift = 2.0 * trident._VACUUM / np.asarray(mass_over_g, dtype=np.float64) ** 2
    return np.asarray((1.0 + (2.0 * trident._VECTOR + shift) ** 2) / (1.0 + 4.0 * trident._VECTOR**2))


@pytest.fixture(scope="module")
def spectrum() -> TridentSpectrum:
    return trident_spectrum()


def gammas() -> tuple[np.ndarray, np.ndarray]:
    pauli = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    zero, one = np.zeros((2, 2)), np.eye(2)
    matrices = np.array([np.block([[one, zero], [zero, -one]]), *(np.block([[zero, s], [-s, zero]]) for s in pauli)])
    return matrices, np.block([[zero, one], [one, zero]]).astype(complex)


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * METRIC * b).sum(axis=-1)


def boosted(p: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Return p in the rest frame of `frame`; both of shape (n, 4)."""
    mass = np.sqrt(dot(frame, frame))
    energy = dot(p, frame) / mass
    factor = (p[:, 0] + energy) / (frame[:, 0] + mass)
    return np.concatenate([energy[:, None], p[:, 1:] - factor[:, None] * frame[:, 1:]], axis=1)


def summed_cross_section(s: float, nodes: tuple[int, int, int], *, axial: bool) -> float:
    """Return sigma(nu gamma -> nu mu mu) for c_V = 1, or c_A = 1, from traces of Dirac matrices over the phase space.

    Gauss-Legendre nodes in the mass of the pair and both polar angles; six azimuths do a polynomial of second degree exactly.
    """
    matrices, gamma5 = gammas()
    m, root = MUON_MASS, math.sqrt(s)
    rules = [np.polynomial.legendre.leggauss(number) for number in nodes]
    u = np.array(np.meshgrid(*(0.5 * (x + 1.0) for x, _ in rules), np.arange(6) / 6.0, indexing="ij")).reshape(4, -1)
    shares = np.einsum("i,j,k,l->ijkl", *(0.5 * w for _, w in rules), np.full(6, 1.0 / 6.0)).ravel()
    points = len(shares)

    def slash(p: np.ndarray) -> np.ndarray:
        return np.einsum("na,a,aij->nij", p, METRIC, matrices)

    span = math.log(s / (4.0 * m**2))
    w2 = 4.0 * m**2 * np.exp(span * u[0] ** 2)
    cosine, e_out = 2.0 * u[1] - 1.0, (s - w2) / (2.0 * root)
    sine, zero = np.sqrt(1.0 - cosine**2), np.zeros(points)
    photon = np.tile([root / 2.0, 0.0, 0.0, root / 2.0], (points, 1))
    incoming = np.tile([root / 2.0, 0.0, 0.0, -root / 2.0], (points, 1))
    outgoing = e_out[:, None] * np.stack([np.ones(points), sine, zero, cosine], axis=1)
    pair = photon + incoming - outgoing
    photon, incoming, outgoing = (boosted(p, pair) for p in (photon, incoming, outgoing))
    # muons in the rest frame of the pair, peaked along the photon
    b = np.sqrt(1.0 - 4.0 * m**2 / w2)
    eta = np.arctanh(b)
    c = np.tanh(eta * (2.0 * u[2] - 1.0)) / b
    jacobian = eta * (1.0 - (b * c) ** 2) / b
    z = photon[:, 1:] / photon[:, :1]
    x = np.cross(z, [0.3, 0.9, 0.2])
    x /= np.linalg.norm(x, axis=1)[:, None]
    angle = 2.0 * math.pi * u[3][:, None]
    transverse = np.cos(angle) * x + np.sin(angle) * np.cross(z, x)
    direction = c[:, None] * z + np.sqrt(np.clip(1.0 - c**2, 0.0, None))[:, None] * transverse
    energy = np.sqrt(w2)[:, None] / 2.0
    minus = np.concatenate([energy, energy * b[:, None] * direction], axis=1)
    plus = np.concatenate([energy, -minus[:, 1:]], axis=1)
    identity = m * np.eye(4)
    first = (slash(minus - photon) + identity) / -(2.0 * dot(minus, photon))[:, None, None]
    second = (slash(photon - plus) + identity) / -(2.0 * dot(plus, photon))[:, None, None]
    vertex = matrices @ gamma5 if axial else matrices
    amplitude = np.einsum("rij,njk,akl->naril", matrices, first, vertex, optimize=True)
    amplitude += np.einsum("aij,njk,rkl->naril", vertex, second, matrices, optimize=True)
    conjugate = matrices[0] @ amplitude.conj().swapaxes(-1, -2) @ matrices[0]
    left = np.einsum("nij,narjk,nkl->naril", slash(minus) + identity, amplitude, slash(plus) - identity, optimize=True)
    hadronic = -np.einsum("naril,nbrli,r->nab", left, conjugate, METRIC, optimize=True)
    k, q = incoming * METRIC, outgoing * METRIC
    leptonic = 8.0 * (k[:, :, None] * q[:, None] + q[:, :, None] * k[:, None] - np.diag(METRIC) * dot(incoming, outgoing)[:, None, None])
    squared = FERMI_CONSTANT**2 / 2.0 * 4.0 * math.pi * FINE_STRUCTURE * np.einsum("nab,nab->n", leptonic, hadronic).real
    phase_space = 2.0 * u[0] * span * w2 / (2.0 * math.pi) * (1.0 - w2 / s) / (8.0 * math.pi) * b / (8.0 * math.pi) * jacobian
    return float(shares @ (squared / 2.0 * phase_space) / (2.0 * s))


@pytest.mark.parametrize("axial", [False, True])
@pytest.mark.parametrize(
    ("s_over_threshold", "nodes", "digits"), [(1.2, (12, 6, 8), 1e-6), (3.0, (14, 8, 10), 1e-6), (30.0, (16, 16, 12), 3e-5)]
)
def test_the_cross_section_is_the_sum_over_the_phase_space(
    s_over_threshold: float, nodes: tuple[int, int, int], digits: float, axial: bool
) -> None:
    s = s_over_threshold * 4.0 * MUON_MASS**2
    summed = summed_cross_section(s, nodes, axial=axial)
    assert photon_cross_section(s, nodes=200)[int(axial)] == pytest.approx(summed, rel=digits, abs=0.0)


def test_shares_on_a_nucleus_are_those_of_the_equivalent_photons(spectrum: TridentSpectrum) -> None:
    """sigma = integral ds/s sigma(s) of both currents, with the photons of Helm's form factor of iron above q = s/(2 E)."""
    radius, thickness, energy, last = 3.737, 0.9, 160e3, 600.0
    sharp = math.sqrt(5.0 / 3.0 * (radius**2 - 3.0 * thickness**2))

    def squared(log_q: float) -> float:
        x = math.exp(log_q) * 1e-13 / HBAR_C
        form = 3.0 * spherical_jn(1, x * sharp) / (x * sharp) * math.exp(-((x * thickness) ** 2) / 2.0)
        return 2.0 * float(form) ** 2

    def photons(q: float) -> float:
        return quad(squared, math.log(q), math.log(1.5 * last), epsrel=1e-8, limit=200)[0]

    def total(current: int) -> float:
        def rate(log_s: float) -> float:
            s = math.exp(log_s)
            return photon_cross_section(s, nodes=48)[current] * photons(s / (2.0 * energy))

        return quad(rate, math.log(4.0 * MUON_MASS**2 * 1.0001), math.log(2.0 * energy * last), epsrel=1e-6, limit=100)[0]

    vector, axial = (0.5 + 2.0 * 0.23863) ** 2 * total(0), 0.25 * total(1)
    assert spectrum.axial == pytest.approx(axial / (vector + axial), rel=2e-4, abs=0.0)


def test_far_above_threshold_the_logarithm_is_left() -> None:
    # the massless structure functions integrate to ln(s/m^2) - 8/3
    s = 1e6 * MUON_MASS**2
    expected = FERMI_CONSTANT**2 * FINE_STRUCTURE * s / (9.0 * math.pi**2) * (math.log(1e6) - 8.0 / 3.0)
    np.testing.assert_allclose(photon_cross_section(s, nodes=100), expected, rtol=1e-3)


def test_the_quadrature_has_converged(spectrum: TridentSpectrum) -> None:
    masses = np.geomspace(1.0, 1e6, 13)
    np.testing.assert_allclose(trident_limit(masses, spectrum), trident_limit(masses, trident_spectrum(nodes=96)), rtol=1e-4)


def test_without_a_mediator_the_ratio_is_one(spectrum: TridentSpectrum) -> None:
    assert spectrum.vector.sum() + spectrum.axial == pytest.approx(1.0, rel=1e-12)
    assert trident_ratio(0.0, 10.0, spectrum) == 1.0


def test_a_heavy_mediator_is_a_contact_interaction(spectrum: TridentSpectrum) -> None:
    # M/g = 1 TeV; the formula without muon masses gives the vector current a slightly larger share
    ratios = trident_ratio(np.array([0.1, 1.0]), np.array([1e5, 1e6]), spectrum)
    np.testing.assert_allclose(ratios, ratios[-1], rtol=1e-4)
    assert ratios[-1] - 1.0 == pytest.approx(float(heavy_trident_ratio(1e6)) - 1.0, rel=0.03, abs=0.0)
    assert heavy_trident_ratio(np.inf) == 1.0


def test_the_published_bound_on_heavy_mediators(spectrum: TridentSpectrum) -> None:
    # arXiv:1406.2332: M/g > 550 GeV at 95 % CL for a heavy boson; the rounding of the text and of s_W^2 is 3 %
    assert 1e6 / trident_limit(1e6, spectrum) == pytest.approx(550e3, rel=0.03, abs=0.0)


def test_the_limit_is_where_the_ratio_reaches_the_end_of_the_interval(spectrum: TridentSpectrum) -> None:
    masses = np.geomspace(1.0, 1e5, 11)
    limit = trident_limit(masses, spectrum)
    np.testing.assert_allclose(trident_ratio(limit, masses, spectrum), 0.82 + 1.959964 * 0.28, rtol=1e-6)
    assert np.all(np.diff(limit) > 0.0)
    assert np.all(trident_limit(masses, spectrum, cl=0.9) < limit)


def test_outside_the_domain(spectrum: TridentSpectrum) -> None:
    with pytest.raises(DomainError, match=r"0\.5 MeV"):
        trident_limit([10.0, 0.5], spectrum)
    with pytest.raises(DomainError, match="excludes the Standard Model"):
        trident_limit(10.0, spectrum, measured=(0.5, 0.1))
    with pytest.raises(DomainError, match="muon pairs"):
        trident_spectrum(50.0)
