"""Cross sections of a signal model: differential, and averaged over a spectrum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.physics.interactions.terms import SignalModel, Target, evaluate, on_sources, squared, target_at
from cevnsfit.physics.kernels import fold_channel
from cevnsfit.physics.kinematics import panel_nodes, recoil_edges
from cevnsfit.physics.sources import source_flavours

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from cevnsfit.physics.sources import Spectrum


def differential_cross_section(
    model: SignalModel,
    target: Target,
    flavour: str,
    spectrum: Spectrum,
    values: Mapping[str, float] | None = None,
    *,
    baseline: float | None = None,
    edges: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return dsigma/dT on a nucleus, averaged over a spectrum (a line for one energy), in cm^2/MeV.

    Parameters
    ----------
    model
        The signal model.
    target
        The nuclide at recoil nodes.
    flavour
        Source flavour such as "nubar_mu", or a lepton flavour for its neutrinos.
    spectrum
        Spectrum of the neutrinos.
    values
        Values of parameters of the model that are not at their defaults.
    baseline
        Distance in cm, for models in which neutrinos oscillate.
    edges
        Edges of the panels that the nodes are in, for an integral over them, see `kernels.fold`.

    Returns
    -------
    The shape of the nodes.
    """
    given = {} if values is None else values
    couplings = {p.name: p.checked(given.get(p.name, p.default)) for p in model.parameters}
    total = np.zeros_like(target.t)
    source = source_flavours(flavour)[0]
    terms = on_sources(model.prepare(target)(model.shapes(given)), (source,))
    for (_, kind, kernel), polynomial in squared(terms).items():
        if kind == "nucleus":
            folded = fold_channel(kernel, source, [spectrum], target.nuclide.mass, target.t, baseline=baseline, edges=edges)[0]
            total = total + folded * evaluate(polynomial, couplings)
    return total


def flux_averaged_cross_section(
    model: SignalModel,
    target: Target,
    flavour: str,
    spectrum: Spectrum,
    values: Mapping[str, float] | None = None,
    *,
    kinks: Iterable[float] = (),
) -> float:
    """Return the cross section on a nucleus integrated over the recoil, averaged over a spectrum, in cm^2.

    The nuclide, couplings and form factor are those of `target`; its nodes are replaced by those that suit the spectrum.

    Parameters
    ----------
    model, target, flavour, spectrum, values
        As in `differential_cross_section`.
    kinks
        Further panel edges in MeV, see `kinematics.recoil_nodes`.
    """
    edges = recoil_edges(target.nuclide.mass, (spectrum,), kinks)
    t, weights = panel_nodes(edges)
    suited = target_at(target.nuclide, t, target.couplings, target.form_factor, of_protons=target.of_protons)
    return float(weights @ differential_cross_section(model, suited, flavour, spectrum, values, edges=edges))
