"""Statements on points, against columns of which the ends are seen by eye."""

from __future__ import annotations

import numpy as np
import pytest

from cevnsfit.studies.sleptons import statements

COLUMNS = {
    "selectron": np.array([120.0, 300.0, 500.0]),
    "neutralino": np.array([90.0, 250.0, 110.0]),
    "hierarchy": np.array([3.0, 1.5, 40.0]),
    "tan_beta": np.array([48.0, 31.0, 12.0]),
    "boson_mass": np.array([20.0, 150.0, 11.0]),
    "boson_g": np.array([1e-3, 5e-4, 9e-4]),
}
SAMPLES = {"kept": np.array([True, True, True]), "left": np.array([True, True, False]), "none": np.zeros(3, dtype=bool)}
DRAWN = {name: mask & np.array([True, False, True]) for name, mask in SAMPLES.items()}


def test_the_ends_are_those_of_the_columns() -> None:
    found = {one.quantity: one.values for one in statements(COLUMNS, SAMPLES, DRAWN)}
    assert found["points"] == {"kept": (3.0,), "left": (2.0,), "none": (0.0,)}
    assert found["upper limit on the lightest selectron"] == {"kept": (500.0,), "left": (300.0,), "none": ()}
    assert found["upper limit on the lightest neutralino"] == {"kept": (250.0,), "left": (250.0,), "none": ()}
    assert found["smallest hierarchy m_smuon/m_selectron"] == {"kept": (1.5,), "left": (1.5,), "none": ()}
    assert found["smallest tan beta"] == {"kept": (12.0,), "left": (31.0,), "none": ()}
    assert found["bosons drawn that pass"] == {"kept": (2.0,), "left": (1.0,), "none": (0.0,)}
    assert found["mass of these bosons"] == {"kept": (11.0, 20.0), "left": (20.0, 20.0), "none": ()}
    assert found["coupling g of these bosons"]["kept"] == pytest.approx((9e-4, 1e-3))


def test_without_a_boson_nothing_is_said_of_it() -> None:
    columns = {name: values for name, values in COLUMNS.items() if "boson" not in name}
    assert [one.quantity for one in statements(columns, SAMPLES, DRAWN)][-1] == "smallest tan beta"
