"""Numbers of single nuclides that data/published compares with: form factors, charges, cross sections."""

from __future__ import annotations

import math
from typing import Final

from cevnsfit.physics.constants import FM
from cevnsfit.physics.couplings import COUPLING_SETS, tree_level
from cevnsfit.physics.cross_sections import differential_cross_section, flux_averaged_cross_section
from cevnsfit.physics.form_factors import FORM_FACTORS
from cevnsfit.physics.interactions import signal_model
from cevnsfit.physics.interactions.terms import sm_charge, target_at
from cevnsfit.physics.kinematics import t_max
from cevnsfit.physics.nuclei import Nuclide, composition
from cevnsfit.physics.sources import lepton_flavour, pion_decay_at_rest

COMPOUNDS: Final = {"ar-40": "Ar[40]", "cs-133": "CsI", "i-127": "CsI"}
"""The nuclides, and materials that they are in."""


def unit_point(name: str, quantity: str) -> float:
    """Return a quantity of "ar-40", "cs-133" or "i-127" for nu_mu from pion decay, form factors and cross section at T = 10 keV.

    Parameters
    ----------
    name
        The nuclide.
    quantity
        "mass" in MeV, "t-max" in keV, "charge" Q_mu(0), "f-p", "f-n", or "dsigma-dt" in cm^2/MeV.
    """
    nuclide = _nuclide(name)
    line = pion_decay_at_rest()["nu_mu"]
    target = target_at(nuclide, [1e-12, 0.010], COUPLING_SETS["cadeddu2020"], FORM_FACTORS["helm"])
    values = {
        "mass": nuclide.mass,
        "t-max": 1e3 * t_max(line.end, nuclide.mass),
        "charge": sm_charge(target, "mu")[0],
        "f-p": target.zf[1] / nuclide.Z,
        "f-n": target.nf[1] / nuclide.N,
        "dsigma-dt": differential_cross_section(signal_model("sm"), target, "mu", line)[1],
    }
    return float(values[quantity])


def flux_average(name: str, flavour: str) -> float:
    """Return the flux-averaged cross section in 1e-40 cm^2 with tree-level couplings and one Helm radius, R0 = 1.2 A^(1/3) fm."""
    mass_number = int(name.partition("-")[2])
    radius = math.sqrt(0.6 * (1.2 * math.cbrt(mass_number)) ** 2 + 3.0 * 0.9**2) * FM
    target = target_at(_nuclide(name, radius), [0.01], tree_level(0.2312), FORM_FACTORS["helm"])
    neutrino = flavour.replace("-", "_")
    return 1e40 * flux_averaged_cross_section(signal_model("sm"), target, lepton_flavour(neutrino), pion_decay_at_rest()[neutrino])


def _nuclide(name: str, radius: float | None = None) -> Nuclide:
    title = name.capitalize()
    radii = None if radius is None else {title: (radius, radius)}
    return next(nuclide for nuclide, _ in composition(COMPOUNDS[name], radii) if nuclide.name == title)
