from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core.errors import SpecError
from cevnsfit.physics import atoms
from cevnsfit.physics.atoms import effective_charge, shells

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("z", [11, 14, 18, 32, 53, 54, 55])
def test_shipped_shells_are_full_atoms_bound_less_and_less(z: int) -> None:
    numbers, energies = zip(*shells(z), strict=True)
    assert sum(numbers) == z
    assert list(energies) == sorted(energies, reverse=True)
    assert energies[0] == pytest.approx(13.6e-6 * (z - 1) ** 2, rel=0.25, abs=0.0)


def test_charge_steps_up_to_the_whole_atom() -> None:
    t = np.geomspace(1e-7, 1.0, 300).reshape(3, 100)
    charge = effective_charge(t, shells(55))
    assert charge.shape == t.shape
    assert np.all(np.diff(charge.ravel()) >= 0.0)
    assert (charge[0, 0], charge[-1, -1]) == (0.0, 55.0)


def test_unlisted_elements_are_free_electrons() -> None:
    assert effective_charge([1e-6, 1.0], shells(74)).tolist() == [74.0, 74.0]


def test_a_damaged_table_names_the_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nuclei").mkdir()
    (tmp_path / "nuclei" / "shells.csv").write_text("# table\nZ [1],electrons [1],energy [eV]\n2,1,24.6\n3,x,5\n", encoding="utf-8")
    monkeypatch.setattr(atoms, "data_root", lambda: tmp_path)
    with pytest.raises(SpecError, match=r"shells\.csv:4.*\n.*Z = 2"):
        shells(2)
