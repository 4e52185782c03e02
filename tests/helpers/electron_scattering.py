"""The cross section of an atom for scattering on its electrons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.physics.constants import ELECTRON_MASS
from cevnsfit.physics.interactions.terms import ElectronTarget, SignalModel, evaluate, on_sources, squared
from cevnsfit.physics.kernels import fold_channel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cevnsfit.physics.sources import Spectrum


def electron_cross_section(
    model: SignalModel, target: ElectronTarget, source: str, spectrum: Spectrum, values: Mapping[str, float] | None = None
) -> NDArray[np.float64]:
    """Return dsigma/dT of an atom for scattering on its electrons, averaged over a spectrum, in cm^2/MeV.

    Parameters
    ----------
    model
        The signal model.
    target
        The electrons at recoil nodes.
    source
        Source flavour, "nu_e" or "nubar_mu".
    spectrum
        Spectrum of the neutrinos.
    values
        Values of parameters of the model that are not at their defaults.

    Returns
    -------
    The shape of the nodes.

    Raises
    ------
    CevnsfitError
        If the model says nothing of electrons.
    """
    if model.electrons is None:
        message = f"the model '{model.name}' says nothing of neutrino-electron scattering"
        raise CevnsfitError(message)
    given = {} if values is None else values
    couplings = {p.name: p.checked(given.get(p.name, p.default)) for p in model.parameters}
    total = np.zeros_like(target.t)
    for (_, _, kernel), polynomial in squared(on_sources(model.electrons(target)(model.shapes(given)), (source,))).items():
        total = total + fold_channel(kernel, source, [spectrum], ELECTRON_MASS, target.t)[0] * evaluate(polynomial, couplings)
    return total
