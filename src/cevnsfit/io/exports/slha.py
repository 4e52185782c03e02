"""A point of a scan of superpartners as a text in the SUSY Les Houches Accord, for other programs.

Conventions are those of the accord: NMIX is real and masses of neutralinos have their sign, charginos are positive, states are in the order of their masses; of
the first two families the states are named after what they mostly are. What the study does not have is left out: squarks, gluino and heavy Higgs bosons.

References
----------
P. Z. Skands et al., JHEP 0407, 036 (2004), arXiv:hep-ph/0311123.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.version import VERSION
from cevnsfit.moments.couplings import ordered
from cevnsfit.moments.ranges import UNITS
from cevnsfit.moments.sleptons import CODES, shipped_maps
from cevnsfit.moments.superpartners import GEV, superpartners
from cevnsfit.physics.constants import FERMI_CONSTANT, HIGGS_MASS, TAU_MASS, W_MASS, Z_MASS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from cevnsfit.core.arrays import Floats
    from cevnsfit.moments.superpartners import Gauginos, Sleptons


_NEUTRALINOS: Final = (1000022, 1000023, 1000025, 1000035)
_CHARGINOS: Final = (1000024, 1000037)
_SLEPTONS: Final = {"e": (1000011, 2000011, 1000012), "mu": (1000013, 2000013, 1000014), "tau": (1000015, 2000015, 1000016)}
_MIXINGS: Final = {"e": "SELMIX", "mu": "SMUMIX", "tau": "STAUMIX"}


def write_slha(path: Path, columns: Mapping[str, Floats], point: int) -> Path:
    """Write one point as text and return the path.

    Parameters
    ----------
    path
        The file.
    columns
        Of a scan (`moments.sleptons.COLUMNS`).
    point
        The place of the point among them, from 0.
    """
    values = {name: float(column[point]) for name, column in columns.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(_lines(values, point)) + "\n", encoding="utf-8", newline="\n")
    return path


def _lines(values: Mapping[str, float], point: int) -> Iterator[str]:
    partners = superpartners({name: np.array([value]) for name, value in values.items()})
    fields = ordered(partners.gauginos)
    yield f"# point {point} of a scan by cevnsfit: masses and mixings at tree level; squarks, gluino and heavy Higgs bosons are not part of it"
    yield from _block("SPINFO", {"1": "cevnsfit", "2": VERSION})
    yield from _block("MODSEL", {"1": 0})
    yield from _block(
        "SMINPUTS", {"1": 127.93, "2": FERMI_CONSTANT * GEV**2, "4": Z_MASS / GEV, "7": TAU_MASS / GEV}, "1/alpha(M_Z), G_F, M_Z, m_tau"
    )
    left, right, ratio = values["selectron_L"], values["selectron_R"], values["hierarchy"]
    soft = {"1": values["M1"], "2": values["M2"], "31": left, "32": ratio * left, "34": right, "35": ratio * right}
    yield from _block("MINPAR", {"3": values["tan_beta"]}, "tan beta")
    yield from _block(
        "EXTPAR", {**soft, "13": values["A"], "23": values["mu"]}, "soft masses, A, mu; those of staus follow from their masses"
    )
    yield from _block("MASS", _masses(fields, partners.sleptons), "GeV")
    yield from _matrix("NMIX", fields.neutralino[0])
    signs = np.sign(fields.chargino_mass[0])
    yield from _matrix("UMIX", fields.u[0])
    yield from _matrix("VMIX", signs[:, None] * fields.v[0])
    for name, block in _MIXINGS.items():
        yield from _matrix(block, partners.sleptons[name].mixing[0][_order(partners.sleptons[name], name)])
    scale = f"Q= {_number(Z_MASS / GEV)}"
    yield from _block(f"HMIX {scale}", {"1": values["mu"], "2": values["tan_beta"]}, "mu, tan beta")
    yield from _block(f"MSOFT {scale}", soft)
    yield from _block(f"AE {scale}", {f"{k} {k}": values["A"] for k in (1, 2, 3)})
    yield "# the boson of L_mu - L_tau, and what is known of the point"
    for name, value in values.items():
        yield f"#  {name} {_known(name, value)} {UNITS.get(name, '')}".rstrip()


def _known(name: str, value: float) -> str:
    if name == "lhc_analysis":
        return shipped_maps()[int(value)].analysis if value >= 0.0 else "none"
    return CODES[name][int(value)] if name in CODES else _number(value)


def _masses(fields: Gauginos, sleptons: Mapping[str, Sleptons]) -> dict[str, float]:
    """Return the masses in GeV by PDG code."""
    found = {24: W_MASS, 25: HIGGS_MASS}
    found |= dict(zip(_NEUTRALINOS, fields.neutralino_mass[0].tolist(), strict=True))
    found |= dict(zip(_CHARGINOS, np.abs(fields.chargino_mass[0]).tolist(), strict=True))
    for name, codes in _SLEPTONS.items():
        states = sleptons[name].squared[0][_order(sleptons[name], name)]
        found |= dict(zip(codes, np.sqrt([*states, sleptons[name].sneutrino[0]]).tolist(), strict=True))
    return {str(code): mass / GEV for code, mass in found.items()}


def _order(sleptons: Sleptons, name: str) -> list[int]:
    """Return the order of the states: of staus by mass, else the mostly left one first."""
    first = sleptons.squared[0].argmin() if name == "tau" else np.abs(sleptons.mixing[0, :, 0]).argmax()
    return [int(first), 1 - int(first)]


def _block(name: str, entries: Mapping[str, float | str], about: str = "") -> list[str]:
    lines = [f"  {key:>9} {value if isinstance(value, int | str) else _number(value)}" for key, value in entries.items()]
    return [f"BLOCK {name}{f'  # {about}' if about else ''}", *lines]


def _matrix(name: str, values: Floats) -> list[str]:
    return _block(name, {f"{i + 1} {j + 1}": float(value) for (i, j), value in np.ndenumerate(values)})


def _number(value: float) -> str:
    return f"{value:.8e}" if math.isfinite(value) else "unknown"
