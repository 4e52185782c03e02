"""Limits on light bosons as DARKCAST recast them in 2022, and what is undone or added to make each one a limit of its model.

- NA64 with invisible decays, recast as if the boson decayed invisibly alone: right below 2 m_mu in L_mu - L_tau; in B-L 3/5 of the decays are invisible above
  2 m_e, which raises the limit on g by sqrt(5/3).
- BaBar, e+e- -> mu+ mu- Z' with Z' -> mu+ mu-: the published coupling of L_mu - L_tau was read as the kinetic mixing of a dark photon that electrons emit.
  Recast so to L_mu - L_tau the limit is a factor 100 too weak (0.03 to 0.09, where the paper has 7e-4 and more). The published coupling is found again from the recast
  to B-L, g_BL^2 BR_BL = (e g')^2 BR_dark, where the decays are known: from 2 m_mu to 400 MeV, leptons and, for the dark photon, pion pairs.
- Belle II is given for invisible decays; it does not depend on the model but for its charge of the muon, and is kept below 2 m_mu.
- In L_mu - L_tau the resonances at BaBar (photon and boson), CMS and LHCb couple through the loop alone; their limits, 0.016 and more, are weaker than tridents by a
  factor of 10 or above 1 and are not kept.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.io.overlays import MEV_PER_GEV, boundary
from cevnsfit.io.releases.reading import Release, ReleasedFile
from cevnsfit.io.tables import Table
from cevnsfit.physics.constants import ELECTRON_MASS, FINE_STRUCTURE, MUON_MASS, PION_MASS

if TYPE_CHECKING:
    from cevnsfit.core.arrays import Floats
    from cevnsfit.io.releases.reading import Arrays


_LARGEST: Final = 400.0
_RHO_MASS: Final = 775.26  # MeV, PDG 2024
_AS_IT_IS: Final = "recast by DARKCAST (arXiv:1801.04847, version of 2022) from the published curve; units changed"

# file, its columns, model, name, title, source
_TABLES: Final = (
    ("lmu-ltau-NA64_NA642019imj", 2, "lmu-ltau", "na64-e", "NA64 (electrons), invisible", "NA64, Phys. Rev. Lett. 123, 121801 (2019), arXiv:1906.00176, fig. 3"),
    ("lmu-ltau-BelleII_Adachi2019otg", 2, "lmu-ltau", "belle-ii", "Belle II, invisible", "Belle II, Phys. Rev. Lett. 124, 141801 (2020), arXiv:1912.11276, fig. 3"),
    ("b-l-BaBar_TheBABAR2016rlg", 2, "lmu-ltau", "babar-4mu", "BaBar, four muons", "BaBar, Phys. Rev. D 94, 011102 (2016), arXiv:1606.03501, fig. 5"),
    ("b-l-NA64_NA642019imj", 2, "b-l", "na64-e", "NA64 (electrons), invisible", "NA64, Phys. Rev. Lett. 123, 121801 (2019), arXiv:1906.00176, fig. 3"),
    ("b-l-NA64_Banerjee2019hmi", 3, "b-l", "na64-e-visible", "NA64 (electrons), visible", "NA64, Phys. Rev. D 101, 071101 (2020), arXiv:1912.11389"),
    ("b-l-BaBar_Lees2014xha", 2, "b-l", "babar-photon", "BaBar, photon and resonance", "BaBar, Phys. Rev. Lett. 113, 201801 (2014), arXiv:1406.2980, fig. 4"),
    ("b-l-LHCb_Aaij2017rft_prompt", 2, "b-l", "lhcb", "LHCb, prompt", "LHCb, Phys. Rev. Lett. 120, 061801 (2018), arXiv:1710.02867"),
    ("b-l-CMS_CMS2019kiy", 2, "b-l", "cms", "CMS, dimuons", "CMS, Phys. Rev. Lett. 124, 131802 (2020), arXiv:1912.04776"),
)  # fmt: skip

_LAGRANGIANS: Final = {
    "lmu-ltau": "L = g Z'_mu [mubar gamma^mu mu - taubar gamma^mu tau + neutrinos]",
    "b-l": "L = g Z'_mu [qbar gamma^mu q/3 - lbar gamma^mu l - nubar gamma^mu P_L nu]",
}


def _phase_space(mass: Floats, lepton: float) -> Floats:
    """Return the width into a pair of charged leptons of charge 1 over that of massless ones."""
    r = np.minimum((lepton / mass) ** 2, 0.25)
    return (1.0 + 2.0 * r) * np.sqrt(1.0 - 4.0 * r)


def _undone(limit: Floats) -> Floats:
    """Return the published coupling of four muons from its recast to B-L, see the module."""
    rows = limit[(limit[:, 0] > 2.0 * MUON_MASS) & (limit[:, 0] < _LARGEST)]
    mass, muons, electrons = rows[:, 0], _phase_space(rows[:, 0], MUON_MASS), _phase_space(rows[:, 0], ELECTRON_MASS)
    beta = np.sqrt(np.clip(1.0 - (2.0 * PION_MASS / mass) ** 2, 0.0, None))
    pions = 0.25 * beta**3 / (1.0 - (mass / _RHO_MASS) ** 2) ** 2
    ratio = (electrons + muons + pions) / (electrons + muons + 1.5)
    return np.column_stack([mass, rows[:, 1] * np.sqrt(ratio / (4.0 * math.pi * FINE_STRUCTURE))])


def _of_its_model(name: str, model: str, limit: Floats) -> tuple[Floats, str]:
    """Return a limit, columns in MeV and couplings, as one of its model, and how that was made."""
    if name == "babar-4mu":
        made = "its recast by DARKCAST (arXiv:1801.04847, version of 2022) to B-L undone: electron emission, e times the published coupling"
        return _undone(limit), made
    if name not in {"na64-e", "belle-ii"}:
        return limit, _AS_IT_IS
    below = limit[limit[:, 0] < 2.0 * MUON_MASS]
    if name == "belle-ii":  # flat up to its second point
        below = np.array([limit[0], [2.0 * MUON_MASS, *limit[0, 1:]]])
    if model == "b-l":
        electrons = np.where(below[:, 0] > 2.0 * ELECTRON_MASS, _phase_space(below[:, 0], ELECTRON_MASS), 0.0)
        raised = np.column_stack([below[:, 0], below[:, 1] * np.sqrt((1.5 + electrons) / 1.5)])
        return raised, f"{_AS_IT_IS}; over the root of the fraction of neutrinos"
    return below, f"{_AS_IT_IS}; kept below 2 m_mu, where all decays are invisible"


def _tables(files: Arrays) -> dict[str, Table]:
    """Return the table of each limit by its file name."""
    tables: dict[str, Table] = {}
    for stem, columns, model, name, title, source in _TABLES:
        kept, made = _of_its_model(name, model, files[f"{stem}.lmt"] * np.array([MEV_PER_GEV, 1.0, 1.0])[:columns])
        mass, coupling = boundary(kept).T
        comments = (
            f"title: {title}",
            f"source: {source}",
            f"model: {model}",
            "limit: 90 % CL",
            f"normalisation: {_LAGRANGIANS[model]}",
            f"made: {made}",
        )
        tables[f"{model}-{name}.csv"] = Table(comments, {"mass [MeV]": mass, "g [1]": coupling})
    return tables


RELEASE: Final = Release(
    files=tuple(ReleasedFile(f"{stem}.lmt", ("mass", "lower", "upper")[:columns]) for stem, columns, *_ in _TABLES),
    tables=_tables,
)
