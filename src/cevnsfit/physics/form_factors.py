"""Nuclear form factors F(q), with F(0) = 1 exactly.

Each is a function of the momentum transfer q [MeV], of any shape and returned in that shape, and of the rms radius R [cm] of the density it
belongs to; DomainError where R is too small for the surface. Lengths are in cm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cevnsfit.core.errors import DomainError, UnknownNameError
from cevnsfit.physics.constants import FM, HBAR_C

FormFactor = Callable[[ArrayLike, float, int], NDArray[np.float64]]
"""F(q [MeV], rms radius [cm], mass number A)."""

SKIN: Final = 0.9 * FM
"""Default surface thickness s of the Helm form factor in cm (Lewin and Smith, Astropart. Phys. 6, 87 (1996))."""

YUKAWA_RANGE: Final = 0.7 * FM
"""Default range a of the Klein-Nystrand form factor in cm."""

FERMI_DIFFUSENESS: Final = 2.30 / (4.0 * math.log(3.0)) * FM
"""Diffuseness of the symmetrised Fermi form factor in cm: a 90 %-10 % surface of 2.30 fm."""

_SERIES: Final = (1.0, -1.0 / 10.0, 1.0 / 280.0, -1.0 / 15120.0, 1.0 / 1330560.0, -1.0 / 172972800.0, 1.0 / 31135104000.0)


def _sphere(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 3 j_1(x)/x, the form factor of a uniform sphere; a series below x = 0.5."""
    small = np.abs(x) < 0.5
    y = np.where(small, x, 0.0) ** 2
    safe = np.where(small, 1.0, x)
    closed = 3.0 * (np.sin(safe) - safe * np.cos(safe)) / safe**3
    return np.asarray(np.where(small, np.polynomial.polynomial.polyval(y, _SERIES), closed))


def _squared(value: float, name: str, radius: float) -> float:
    if not value > 0.0:
        message = f"{name}: an rms radius of {radius / FM:g} fm is smaller than the surface thickness allows"
        raise DomainError(message)
    return value


def helm(q: ArrayLike, radius: float, *, s: float = SKIN) -> NDArray[np.float64]:
    """Return the Helm form factor 3 j_1(q R0)/(q R0) exp(-(q s)^2/2), R0^2 = 5/3 (R^2 - 3 s^2), with the surface thickness s.

    References
    ----------
    R. H. Helm, Phys. Rev. 104, 1466 (1956); Lewin and Smith, Astropart. Phys. 6, 87 (1996), section 4.
    """
    box = math.sqrt(_squared(5.0 / 3.0 * (radius**2 - 3.0 * s**2), "helm", radius))
    k = np.asarray(q, dtype=np.float64) / HBAR_C
    return np.asarray(_sphere(k * box) * np.exp(-0.5 * (k * s) ** 2))


def klein_nystrand(q: ArrayLike, radius: float, *, a: float = YUKAWA_RANGE) -> NDArray[np.float64]:
    """Return the Klein-Nystrand form factor 3 j_1(q R_A)/(q R_A) / (1 + (q a)^2), R_A^2 = 5/3 (R^2 - 6 a^2).

    References
    ----------
    S. Klein and J. Nystrand, Phys. Rev. C 60, 014903 (1999).
    """
    return _yukawa_sphere(q, math.sqrt(_squared(5.0 / 3.0 * (radius**2 - 6.0 * a**2), "klein-nystrand", radius)), a)


def coherent(q: ArrayLike, mass_number: int, *, a: float = YUKAWA_RANGE) -> NDArray[np.float64]:
    """Return the Klein-Nystrand form factor with R_A = 1.2 A^(1/3) fm, the preset of the COHERENT collaboration."""
    return _yukawa_sphere(q, 1.2 * FM * math.cbrt(mass_number), a)


def _yukawa_sphere(q: ArrayLike, sphere: float, a: float) -> NDArray[np.float64]:
    k = np.asarray(q, dtype=np.float64) / HBAR_C
    return np.asarray(_sphere(k * sphere) / (1.0 + (k * a) ** 2))


def symmetrised_fermi(q: ArrayLike, radius: float, *, a: float = FERMI_DIFFUSENESS) -> NDArray[np.float64]:
    """Return the form factor of the symmetrised Fermi density, in closed form.

    With the diffuseness a, y = q c, z = pi q a and c^2 = 5/3 R^2 - 7/3 (pi a)^2,

        F = 3 / (y (y^2 + z^2)) * z / sinh(z) * (z coth(z) sin(y) - y cos(y)).

    References
    ----------
    D. W. L. Sprung and J. Martorell, J. Phys. A 30, 6525 (1997); J. Piekarewicz et al., Phys. Rev. C 94, 034316
    (2016), which also gives the moments used below q c = 0.05.
    """
    w = math.pi * a
    c = math.sqrt(_squared(5.0 / 3.0 * radius**2 - 7.0 / 3.0 * w**2, "symmetrised-fermi", radius))
    k = np.asarray(q, dtype=np.float64) / HBAR_C
    small = np.abs(k * max(c, w)) < 0.05
    r4 = 3.0 / 7.0 * c**4 + 18.0 / 7.0 * (w * c) ** 2 + 31.0 / 7.0 * w**4
    r6 = c**6 / 3.0 + 11.0 / 3.0 * w**2 * c**4 + 239.0 / 15.0 * w**4 * c**2 + 127.0 / 5.0 * w**6
    series = np.polynomial.polynomial.polyval(np.where(small, k, 0.0) ** 2, (1.0, -(radius**2) / 6.0, r4 / 120.0, -r6 / 5040.0))
    safe = np.where(small, 1.0 / max(c, w), np.abs(k))
    y, z = safe * c, safe * w
    z_over_sinh = -2.0 * z * np.exp(-z) / np.expm1(-2.0 * z)
    wave = z / np.tanh(z) * np.sin(y) - y * np.cos(y)
    return np.where(small, series, 3.0 / (y * (y**2 + z**2)) * z_over_sinh * wave)


def unity(q: ArrayLike) -> NDArray[np.float64]:
    """Return 1: a point-like nucleus."""
    return np.ones_like(np.asarray(q, dtype=np.float64))


@dataclass(frozen=True, slots=True, eq=False)
class Tabulated:
    """Form factors of some nuclides from curves, for protons or for neutrons; others have an analytic one.

    For another rms radius R the curve is stretched, F(q R/R_0): the density keeps its shape.

    Attributes
    ----------
    curves
        By mass number: momentum transfers in MeV, F there, and the rms radius R_0 in cm that belongs to the curve.
    other
        The form factor of nuclides without a curve.
    """

    curves: Mapping[int, tuple[NDArray[np.float64], NDArray[np.float64], float]]
    other: FormFactor

    def __call__(self, q: ArrayLike, radius: float, mass_number: int) -> NDArray[np.float64]:
        """Return F(q), interpolated smoothly and without overshoot; DomainError beyond the end of the curve."""
        if mass_number not in self.curves:
            return self.other(q, radius, mass_number)
        from scipy.interpolate import PchipInterpolator

        known, values, own = self.curves[mass_number]
        stretched = np.asarray(q, dtype=np.float64) * (radius / own)
        if stretched.max(initial=0.0) > known[-1]:
            message = f"the form factor of A = {mass_number} is known up to q = {known[-1]:g} MeV, and is needed at {stretched.max():g} MeV"
            raise DomainError(message)
        return np.asarray(PchipInterpolator(known, values)(stretched))


FORM_FACTORS: Final[Mapping[str, FormFactor]] = {
    "helm": lambda q, radius, _: helm(q, radius),
    "klein-nystrand": lambda q, radius, _: klein_nystrand(q, radius),
    "symmetrised-fermi": lambda q, radius, _: symmetrised_fermi(q, radius),
    "coherent": lambda q, _, mass_number: coherent(q, mass_number),
    "unity": lambda q, _, __: unity(q),
}
"""Form factors by name; "coherent" and "unity" do not depend on the radius."""


def form_factor(name: str) -> FormFactor:
    """Return the named form factor; UnknownNameError lists the near matches."""
    if name not in FORM_FACTORS:
        kind = "form factor"
        raise UnknownNameError(kind, name, FORM_FACTORS)
    return FORM_FACTORS[name]
