"""Magnetic moments of electron and muon: which couplings explain a measurement minus a prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from cevnsfit.core.errors import DomainError, UnknownNameError
from cevnsfit.core.version import VERSION
from cevnsfit.moments import boson_loops
from cevnsfit.physics.constants import ELECTRON_MASS, MUON_MASS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from cevnsfit.moments.measured import Deviation

COUPLINGS: Final[Mapping[str, Callable[[ArrayLike, ArrayLike, float], NDArray[np.float64]]]] = {
    "vector": boson_loops.vector_contribution,
    "axial": boson_loops.axial_contribution,
    "scalar": boson_loops.scalar_contribution,
    "pseudoscalar": boson_loops.pseudoscalar_contribution,
}
"""One-loop contributions by the coupling of the mediator to the charged lepton."""

LAGRANGIANS: Final[Mapping[str, str]] = {
    "vector": "L = g Z'_mu lbar gamma^mu l",
    "axial": "L = g Z'_mu lbar gamma^mu gamma_5 l",
    "scalar": "L = g phi lbar l",
    "pseudoscalar": "L = g phi lbar i gamma_5 l",
}
"""What g is in each of them, see `boson_loops`."""

_MASSES: Final[Mapping[str, float]] = {"e": ELECTRON_MASS, "mu": MUON_MASS}


def moment_band(
    reference: Deviation, mass: ArrayLike, coupling: str = "vector", *, charge: float = 1.0, sigmas: float = 2.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Return the ends of the couplings g with which a_exp - a_theory is explained within some standard errors.

    Delta a = (q g)^2 L(M), so g = sqrt(Delta a/L)/\|q\|; a lower end of 0 allows every smaller coupling, NaN stands where none explains it.

    Parameters
    ----------
    reference
        The difference.
    mass
        Masses of the mediator in MeV, shape (n,).
    coupling
        One of `COUPLINGS`: "vector" and "scalar" raise a, "axial" and "pseudoscalar" lower it.
    charge
        Charge q of the lepton in units of g.
    sigmas
        Largest distance in standard errors.

    Raises
    ------
    UnknownNameError
        If there is no such coupling.
    DomainError
        If a mass, the charge or `sigmas` does not suit.
    """
    if coupling not in COUPLINGS:
        kind = "coupling"
        raise UnknownNameError(kind, coupling, COUPLINGS)
    if charge == 0.0 or not sigmas > 0.0:
        message = f"the charge is not zero and sigmas are positive, got {charge:g} and {sigmas:g}"
        raise DomainError(message)
    loop = COUPLINGS[coupling](charge, mass, _MASSES[reference.lepton])
    ends = np.sort([(reference.value + side * sigmas * reference.error) / loop for side in (-1.0, 1.0)], axis=0)
    none = ends[1] < 0.0
    low, high = np.sqrt(np.maximum(ends, 0.0))
    return np.where(none, np.nan, low), np.where(none, np.nan, high)


@dataclass(frozen=True, slots=True, eq=False)
class MomentBand:
    """The couplings that explain a deviation, see `moment_band`.

    Attributes
    ----------
    reference
        The deviation.
    coupling, sigmas
        Coupling of the mediator to the lepton, and the largest distance in standard errors.
    mass
        Masses of the mediator in MeV, shape (n,).
    low, high
        Ends of the band, shape (n,); a lower end of 0 allows every smaller coupling, NaN stands where none explains it.
    """

    document: ClassVar[Mapping[str, str | None]] = {
        **{key: f"reference.{key}" for key in ("lepton", "error", "label")},
        "difference": "reference.value",
        "reference": None,
    }

    reference: Deviation
    coupling: str
    sigmas: float
    mass: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @property
    def explains(self) -> bool:
        """Return whether some coupling above 0 explains the deviation at some mass."""
        return bool(np.any(self.high > 0.0))


def band_of(reference: Deviation, mass: NDArray[np.float64], coupling: str, sigmas: float) -> MomentBand:
    """Return the couplings, of charge 1, that explain a deviation within some standard errors."""
    return MomentBand(reference, coupling, sigmas, mass, *moment_band(reference, mass, coupling, sigmas=sigmas))


def write_band(path: Path, band: MomentBand) -> Path:
    """Write the ends of a band as a curve of two pieces that an analysis can overlay, and return the path."""
    title = band.reference.label.replace("$", "").replace("\\", "")
    lines = [
        f"# source: computed by cevnsfit {VERSION}",
        "# kind: band",
        f"# normalisation: {LAGRANGIANS[band.coupling]}",
        f"# {title}, {band.sigmas:g} sigma, {band.coupling} coupling",
        "mass [MeV],g [1]",
    ]
    for number, ends in enumerate((band.low, band.high)):
        lines += [""] * number + [f"{m:.10g},{g:.10g}" for m, g in zip(band.mass, ends, strict=True) if g > 0.0]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    return path
