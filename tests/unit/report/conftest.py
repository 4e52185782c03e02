"""Results in the shape of a light-mediator scan, with a narrow allowed band at large coupling."""

from __future__ import annotations

import numpy as np
import pytest

from cevnsfit.infer.planes import Plane, PlaneAxis, Projection, Region

MASS = np.geomspace(1.0, 1000.0, 31)
COUPLING = np.geomspace(1e-5, 1e-1, 41)


def _region(cl: float, threshold: float, limit: float, width: float) -> Region:
    """Return g < limit (1 or m/30 MeV), and above 150 MeV a band around 0.07 m/GeV."""
    lower = limit * np.fmax(1.0, MASS / 30.0)
    far = MASS[MASS > 150.0]
    low, high = (0.07 * far / 1000.0 * (1.0 + sign * width / 2.0) for sign in (-1.0, 1.0))
    limits = np.column_stack([MASS, lower])
    band = np.vstack([np.column_stack([far, low])[::-1], np.column_stack([far, high])])
    ceiling = np.array([[1000.0, 0.1], [1.0, 0.1]])
    floor = np.array([[1000.0, 1e-5], [1.0, 1e-5]])
    columns = tuple(
        ((0.0, end),) if m <= 150.0 else ((0.0, end), (7e-5 * m * (1 - width / 2), 7e-5 * m * (1 + width / 2)))
        for m, end in zip(MASS, lower, strict=True)
    )
    return Region(
        cl, 2, threshold, columns, ((np.vstack([limits, floor]),), (band,)), ((np.vstack([limits, ceiling]), band),), (limits, band)
    )


@pytest.fixture
def regions() -> list[Region]:
    return [_region(0.95, 5.991, 1.3e-3, 0.08), _region(0.90, 4.605, 1.2e-3, 0.06)]


@pytest.fixture
def plane() -> Plane:
    names = ("coherent-csi-2021", "coherent-lar-2020")
    valid = np.ones((len(MASS), len(COUPLING)), dtype=np.bool_)
    valid[3, 5:7] = False
    return Plane(
        label=" + ".join(names),
        experiments=names,
        model="lmu-ltau",
        x=PlaneAxis("mass", "MeV", MASS, "log"),
        y=PlaneAxis("g", "1", COUPLING, "log"),
        nll2=np.zeros(valid.shape),
        valid=valid,
        best={"mass": 30.0, "g": 7e-4, "nll2": 93.0},
        reference_nll2=95.0,
        fallbacks=0,
        caveat="CEvNS only",
    )


@pytest.fixture
def csi() -> Projection:
    edges = np.array([8.0, 12.0, 16.0, 24.0, 40.0, 60.0])
    components = {
        "cevns": np.array([90.0, 60.0, 40.0, 12.0, 0.0]),
        "brn": np.array([4.0, 3.0, 2.0, 1.0, 0.0]),
        "steady_state": np.array([160.0, 150.0, 270.0, 412.0, 0.0]),
    }
    return Projection("coherent-csi-2021", "pe", "PE", edges, np.array([260.0, 199.0, 330.0, 400.0, 0.0]), components)


@pytest.fixture
def forecast() -> Projection:
    edges = np.linspace(25.0, 150.0, 6)
    return Projection("ccm-200", "e_ee", "keVee", edges, None, {"cevns": np.array([250.0, 80.0, 0.0, 0.0, 0.0])})
