"""Cross sections for pairs of sleptons, charginos and neutralinos in pp collisions at 13 TeV, with the mixing of the states.

The tables (NLO + NLL, `data/lhc`) are of pure states. All pairs come from a virtual photon, Z or W, with squarks out of reach, so that the amplitude
of a mixed state is a sum of those of pure ones.

Sleptons: X_L^2 A_L + X_R^2 A_R for a pair of one state. Where both states have one mass and are summed, mixing changes nothing: sigma_L + sigma_R, pairs of one state of each
included, which is X_L^2 sigma_L + X_R^2 sigma_R for each state. Else X_L^4 sigma_L + X_R^4 sigma_R: the interference that is left out is positive, at most 38 % of it (leading
order, maximal mixing, u and d quarks 2 : 1): a lower bound.

C1 C1: the coupling is linear in w = (V_11^2 + U_11^2)/2, the wino's part (Haber and Kane, C38: O'L = -(1 + V_11^2)/2 + s_W^2), and the amplitudes of wino and
higgsino have one sign and the same quarks to within 5 %: sigma = (w sqrt(sigma_w) + (1 - w) sqrt(sigma_h))^2.

C1 N_j: O^L = N_j2 V_11 - N_j4 V_12/sqrt2 and O^R = N_j2 U_11 + N_j3 U_12/sqrt2 (C37), whose first and second terms are the wino's and the higgsino's; 1 and
1/2 for pure states. With eta the sign of the product of both masses the vector coupling is (O^L + eta O^R)/2. The axial one, of a higher power of the velocity
and absent from pure states, is left out: within 7 % of leading order where both masses are alike.

References
----------
H. E. Haber and G. L. Kane, Phys. Rept. 117, 75 (1985), appendix C. B. Fuks, M. Klasen, D. R. Lamprea, M. Rothering, Eur. Phys. J. C 73, 2480 (2013), arXiv:1304.0790.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.paths import data_root
from cevnsfit.moments.couplings import wino_share
from cevnsfit.moments.superpartners import GEV
from cevnsfit.spec.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cevnsfit.core.arrays import Bools, Floats
    from cevnsfit.moments.superpartners import Gauginos, Sleptons


_TABLES: Final = ("sleptons_left", "sleptons_right", "wino_c1c1", "wino_c1n2", "higgsino_c1c1", "higgsino_c1n2")


@dataclass(frozen=True, slots=True, eq=False)
class PureStates:
    """Cross sections of pure states: logarithms of masses [GeV] and of cross sections [fb] by the name of the table."""

    tables: Mapping[str, tuple[Floats, Floats]]

    def section(self, name: str, mass: Floats) -> Floats:
        """Return the cross section in fb at masses in GeV, interpolated in both logarithms; NaN outside of the table."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.exp(np.interp(np.log(mass), *self.tables[name], left=math.nan, right=math.nan))


def pure_states() -> PureStates:
    """Return the cross sections that ship."""
    columns = {name: read_table(data_root() / "lhc" / f"{name}.csv").columns for name in _TABLES}
    return PureStates({name: (np.log(table["mass"]), np.log(table["cross_section"])) for name, table in columns.items()})


def slepton_sections(sleptons: Sleptons, mass: Floats, together: Bools, pure: PureStates) -> Floats:
    """Return the cross sections in fb for pairs of each state of `mass` in GeV, shape (n, 2); of both states `together` where they are summed, shape (n,)."""
    left, right = (pure.section(f"sleptons_{side}", mass) for side in ("left", "right"))
    shares = np.where(together[:, None, None], sleptons.mixing**2, sleptons.mixing**4)
    return np.asarray(shares[..., 0] * left + shares[..., 1] * right)


def chargino_sections(fields: Gauginos, pure: PureStates) -> Floats:
    """Return the cross section in fb for C1 C1, shape (n,); `fields` from `couplings.ordered`."""
    mass, share = np.abs(fields.chargino_mass[:, 0]) / GEV, wino_share(fields)
    wino, higgsino = (np.sqrt(pure.section(f"{kind}_c1c1", mass)) for kind in ("wino", "higgsino"))
    return np.asarray((share * wino + (1.0 - share) * higgsino) ** 2)


def neutralino_sections(fields: Gauginos, pure: PureStates) -> Floats:
    """Return the cross sections in fb for C1 of either charge and N1, N2 or N3, at their mean mass, shape (n, 3); `fields` from `couplings.ordered`."""
    charged, neutral = fields.chargino_mass[:, :1], fields.neutralino_mass[:, :3]
    sign = np.sign(charged) * np.sign(neutral)
    rows, u, v = fields.neutralino[:, :3], fields.u[:, :1], fields.v[:, :1]
    wino = 0.5 * rows[..., 1] * (v[..., 0] + sign * u[..., 0])
    higgsino = (sign * rows[..., 2] * u[..., 1] - rows[..., 3] * v[..., 1]) / math.sqrt(2.0)
    mass = 0.5 * (np.abs(charged) + np.abs(neutral)) / GEV
    of_wino, of_higgsino = (np.sqrt(pure.section(f"{kind}_c1n2", mass)) for kind in ("wino", "higgsino"))
    return np.asarray((wino * of_wino + higgsino * of_higgsino) ** 2)
