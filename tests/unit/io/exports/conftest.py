"""Limits made by hand: two planes, a region with an island, one without branches, NaN where nothing is known."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from cevnsfit.infer.planes import Plane, PlaneAxis, Region
from cevnsfit.io.exports.limits import Limits


@pytest.fixture
def limits() -> Limits:
    x = PlaneAxis("mass", "MeV", np.array([1.0, 10.0, 100.0]), "log")
    y = PlaneAxis("g", "1", np.array([1e-5, 1e-4, 1e-3, 1e-2]), "log")
    nll2 = np.array([[10.0, 12.5, 30.0, np.nan], [10.1, 10.0 + 1.0 / 3.0, 55.5, 1e9], [10.1, 10.2, 9.5, 44.0]])
    ring = np.array([[1.0, 1e-5], [10.0, 2e-5], [100.0, 1e-3], [1.0, 1e-5]])
    first = Region(
        cl=0.9,
        dof=2,
        threshold=4.6,
        columns=(((1e-5, 2e-5),), ((1e-5, 3e-5), (1e-4, 2e-4)), ()),
        allowed=((ring, ring[:3] * 1.01),),
        excluded=(),
        branches=(np.array([[1.0, 2e-5], [10.0, 3e-5]]), np.array([[10.0, 1e-4], [10.0, 2e-4], [11.0, 1.5e-4]])),
    )
    whole = ((1e-5, 1e-2),)
    second = Region(cl=0.95, dof=2, threshold=6.0, columns=(whole, whole, whole), allowed=((ring,),), excluded=(), branches=())
    plane = Plane(
        label="one",
        experiments=("one",),
        model="b-l",
        x=x,
        y=y,
        nll2=nll2,
        valid=np.isfinite(nll2),
        best={"mass": 100.0, "g": 1e-3, "nll2": 9.5},
        reference_nll2=float("nan"),
        fallbacks=2,
        caveat="CEvNS only",
    )
    other = Plane("one + two", ("one", "two"), "b-l", x, y, nll2 + 1.0, plane.valid, {"mass": 100.0, "g": 1e-3, "nll2": 10.5}, 11.0, 0)
    metadata = {
        "model": "b-l",
        "lagrangian": "L = g Z'",
        "held": {"loop_sign": -1.0},
        "inputs": {"one": {"experiment.yaml": "aa"}, "two": {"experiment.yaml": "bb"}},
        "version": "1.2",
    }
    return Limits(((plane, (first, second)), (other, (first, second))), metadata)


@pytest.fixture
def needs_pyhs3() -> None:
    """Skip where the extra is missing; pyhs3 is not imported here, which would disable every logger."""
    if find_spec("pyhs3") is None:
        pytest.skip("the extra [hs3] is not installed")
