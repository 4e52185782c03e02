"""Electrons of an atom as targets: how many of them a recoil energy can eject."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import Problem, SpecError
from cevnsfit.core.paths import data_root

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

Shells = tuple[tuple[int, float], ...]
"""Pairs (number of electrons, binding energy [MeV])."""

_COLUMNS: Final = ["Z [1]", "electrons [1]", "energy [eV]"]


def shells(z: int) -> Shells:
    """Return the shells of the element `z`; an element that is not in the shipped table has all electrons free.

    Raises
    ------
    SpecError
        If the shipped table is damaged.
    """
    table = _read_shells(data_root() / "nuclei" / "shells.csv")
    return tuple(table.get(z, [(z, 0.0)]))


def effective_charge(t: ArrayLike, bound: Shells) -> NDArray[np.float64]:
    """Return the number of electrons bound by less than the recoil energy `t` [MeV], in the shape of `t`.

    The stepping approximation treats those as free and at rest, the others as absent; atomic many-body calculations lie somewhat below
    it at recoils of the order of the binding energies.

    References
    ----------
    J.-W. Chen et al., Phys. Lett. B 774, 656 (2017), arXiv:1610.04177; M. Atzori Corona et al., JHEP 09 (2022) 164,
    arXiv:2205.09484.
    """
    recoil = np.asarray(t, dtype=np.float64)
    return np.asarray(np.sum([np.where(recoil > energy, float(number), 0.0) for number, energy in bound], axis=0))


def _read_shells(path: Path) -> dict[int, list[tuple[int, float]]]:
    rows = [(n, row) for n, row in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1) if row and not row.startswith("#")]
    table: dict[int, list[tuple[int, float]]] = {}
    problems: list[Problem] = []
    for number, row in rows[1:]:
        try:
            z, electrons, energy = next(csv.reader([row]))
            table.setdefault(int(z), []).append((int(electrons), 1e-6 * float(energy)))
        except ValueError:
            problems.append(Problem(path.name, number, "", f"expected {', '.join(_COLUMNS)}, got '{row}'"))
    problems += [
        Problem(path.name, None, "", f"the shells of Z = {z} hold not Z electrons") for z, s in table.items() if z != sum(n for n, _ in s)
    ]
    if problems:
        raise SpecError(problems)
    return table
