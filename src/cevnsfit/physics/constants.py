"""Physical constants in MeV, cm, g, s.

References
----------
S. Navas et al. (Particle Data Group), Phys. Rev. D 110, 030001 (2024), tables 1.1, 10.2 and the particle listings;
CODATA 2022 for the masses of the electron and of the atomic mass unit.
"""

from __future__ import annotations

from typing import Final

FERMI_CONSTANT: Final = 1.1663788e-11
"""G_F / (hbar c)^3 in MeV^-2 (PDG table 1.1)."""

FINE_STRUCTURE: Final = 1.0 / 137.035999178
"""alpha at q = 0 (CODATA 2022)."""

HBAR_C: Final = 1.973269804e-11
"""hbar c in MeV cm (exact, SI 2019, rounded)."""

FM: Final = 1e-13
"""One femtometre in cm."""

AVOGADRO: Final = 6.02214076e23
"""Particles per mol (exact, SI 2019)."""

ATOMIC_MASS_UNIT: Final = 931.49410372
"""Atomic mass unit in MeV (CODATA 2022)."""

ELECTRON_MASS: Final = 0.51099895069
"""m_e in MeV (CODATA 2022)."""

MUON_MASS: Final = 105.6583755
"""m_mu in MeV (PDG 2024)."""

TAU_MASS: Final = 1776.93
"""m_tau in MeV (PDG 2024)."""

W_MASS: Final = 80369.2
"""m_W in MeV (PDG 2024)."""

Z_MASS: Final = 91188.0
"""m_Z in MeV (PDG 2024)."""

HIGGS_MASS: Final = 125200.0
"""Mass of the Higgs boson in MeV (PDG 2024)."""

PION_MASS: Final = 139.57039
"""Mass of the charged pion in MeV (PDG 2024)."""

PION_LIFETIME: Final = 26.033e-9
"""Mean life of the charged pion in s (PDG 2024)."""

MUON_LIFETIME: Final = 2.1969811e-6
"""Mean life of the muon in s (PDG 2024)."""

SIN2_THETA_W: Final = 0.23863
"""s_W^2 at zero momentum transfer in the MS-bar scheme (PDG 2024, section 10.2)."""
