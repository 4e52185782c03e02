"""What limits leave of a plane: ends by what closes them, against closed forms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.core.errors import CevnsfitError, DomainError
from cevnsfit.infer.limit import Limit
from cevnsfit.studies.shown import table
from cevnsfit.studies.slice import named_slice, plane_slice, scan_limits, write_slice

if TYPE_CHECKING:
    from pathlib import Path

MASS = np.geomspace(1.0, 100.0, 21)
RISING = Limit("rising", np.array([[1.0, 1e-4], [100.0, 1e-2]]))
FLAT = Limit("flat", np.array([[1.0, 3e-3], [100.0, 3e-3]]))
BAND = Limit("band", np.array([[1.0, 1e-3], [100.0, 1e-3], [np.nan, np.nan], [1.0, 2e-3], [100.0, 2e-3]]), "band")


def test_ends_in_mass_are_found_between_the_steps() -> None:
    found = plane_slice([RISING, BAND], MASS)
    ((low, high),) = found.masses
    assert low == pytest.approx(10.0, rel=1e-6)
    assert high == 100.0
    assert found.masses_closed_by == ((("rising", "band"), ("range",)),)
    assert found.coupling == (pytest.approx(1e-3), pytest.approx(2e-3))
    assert found.coupling_closed_by == (("band",), ("band",))


def test_nothing_left_is_said() -> None:
    found = plane_slice([Limit("low", np.array([[1.0, 1e-4], [100.0, 1e-4]])), BAND], MASS)
    assert found.masses == ()
    assert found.coupling is None
    assert found.to_dict()["g"] is None
    assert "nothing is left" in str(table(found))


def test_limits_alone_leave_small_couplings() -> None:
    found = plane_slice([FLAT, RISING], MASS)
    assert found.coupling == (0.0, pytest.approx(3e-3))
    assert found.columns[0].closed_by == (((), ("rising",)),)


def test_a_limit_that_covers_some_masses_leaves_the_others() -> None:
    short = Limit("short", np.array([[10.0, 1e-5], [20.0, 1e-5]]))
    found = plane_slice([short, BAND], MASS)
    assert np.array(found.masses).ravel() == pytest.approx([1.0, 10.0, 20.0, 100.0], rel=1e-6)
    assert found.masses_closed_by[0] == (("range",), ("short",)) or found.masses_closed_by[0][1] == ("short", "band")


@pytest.mark.slow
def test_the_study_of_both_moments() -> None:
    found = named_slice("lmu-ltau", ["ccfr-trident", "borexino"], ["muon-2020"], np.geomspace(10.0, 200.0, 31))
    ((low, high),) = found.masses
    assert (low, high) == (pytest.approx(10.67, rel=5e-3), 200.0)
    assert set(found.masses_closed_by[0][0]) == {"borexino", "muon-2020"}
    nothing = named_slice("le-ltau", ["borexino"], ["electron-cs-2018"], np.geomspace(10.0, 200.0, 5))
    assert nothing.masses == ()
    lower_end_zero = named_slice("lmu-ltau", ["ccfr-trident"], ["muon-2025"], np.geomspace(10.0, 200.0, 5))
    assert lower_end_zero.coupling is not None
    assert lower_end_zero.coupling[0] == 0.0


def test_a_stored_scan_is_one_more_limit(tmp_path: Path) -> None:
    likelihood = cf.build_likelihood("coherent-csi-2021", model="lmu-ltau")
    scan = cf.scan(likelihood, mass=[20.0, 60.0, 200.0], g=np.geomspace(1e-4, 1e-1, 25), store=tmp_path / "scan")
    (limit,) = scan_limits(tmp_path / "scan")
    for mass, intervals in zip((20.0, 60.0, 200.0), scan.contour(cl=0.95, dof=1).columns, strict=True):
        (found, *_) = limit.excluded(mass)
        assert found[0] == pytest.approx(intervals[0][1], rel=2e-3)
        assert limit.excluded(mass)[-1][1] == math.inf
    with pytest.raises(CevnsfitError, match="mass and g in b-l are needed"):
        scan_limits(tmp_path / "scan", model="b-l")
    path = write_slice(tmp_path / "a.csv", plane_slice([limit, BAND], [20.0, 60.0, 200.0], "lmu-ltau"))
    assert "mass [MeV],interval,g_low [1],g_high [1],low_closed_by,high_closed_by" in path.read_text(encoding="utf-8")


def test_what_cannot_be_sliced_is_named(tmp_path: Path) -> None:
    with pytest.raises(CevnsfitError, match="needs limits or bands"):
        plane_slice([], MASS)
    with pytest.raises(CevnsfitError, match="no side of these curves is excluded: a"):
        plane_slice([Limit("a", np.array([[1.0, 1.0]]), "line")], MASS)
    for mass in ([1.0], [2.0, 1.0], [0.0, 1.0], [1.0, math.nan]):
        with pytest.raises(DomainError, match="positive and increasing"):
            plane_slice([FLAT], mass)
    with pytest.raises(CevnsfitError, match="is a limit, not a band"):
        named_slice("lmu-ltau", [], ["borexino"], MASS)
    with pytest.raises(CevnsfitError):
        named_slice("lmu-ltau", ["borexino"], [], MASS, scans=[tmp_path / "none"])
