"""The background that a projection expects in its control region is checked as every other shape is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cevnsfit.spec.load import load_experiment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Path]
    Problems = Callable[..., list[str]]

PLACE = "control_region.steady.expected.shape"


def with_shape(make_folder: Make, shape: str, counts: tuple[tuple[str, str], ...] = ()) -> Path:
    region = f"control_region:\n  steady:\n    expected: {{mean: 100, at_pot: 1.0e+23, shape: {shape}}}\n    ratio: 2\n"
    return make_folder(("observed: {table: counts.csv, column: observed}\n", region), counts=counts)


@pytest.mark.parametrize(
    "shape",
    ["{kind: joint, table: counts.csv, column: beam}", "{kind: product, factors: {pe: {kind: uniform}, time: {kind: exponential, rate: 0.05 / us}}}"],
)  # fmt: skip
def test_a_shape_over_all_axes_is_accepted(make_folder: Make, shape: str) -> None:
    experiment = load_experiment(with_shape(make_folder, shape))
    assert experiment.spec.observed is experiment.spec.workspace is None
    assert experiment.spec.control_region["steady"].ratio == 2.0


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        ("{kind: joint, table: counts.csv, column: nothing}", "counts.csv"),
        ("{kind: product, factors: {pe: {kind: uniform}}}", "needs one factor for each axis (pe, time)"),
        (
            "{kind: product, factors: {pe: {kind: exponential, rate: 0.05 / us}, time: {kind: uniform}}}",
            "wanted 1/PE",
        ),
    ],
)
def test_a_shape_that_cannot_be_is_refused(make_folder: Make, problems: Problems, shape: str, wanted: str) -> None:
    found = problems(with_shape(make_folder, shape))
    assert any(PLACE in line and wanted in line for line in found), found


@pytest.mark.parametrize(("value", "wanted"), [("-1.5", "has 1 negative entries"), ("zero", "is zero in the whole window")])
def test_a_shape_of_impossible_numbers_is_refused(make_folder: Make, problems: Problems, value: str, wanted: str) -> None:
    rows = [
        ("0,1,3,1.5", "0,1,3,"),
        ("1,6,4,2", "1,6,4,"),
        ("0,1,5,1", "0,1,5,"),
        ("1,6,6,2.5", "1,6,6,"),
        ("0,1,2,0.5", "0,1,2,"),
        ("1,6,1,0.25", "1,6,1,"),
    ]
    counts = tuple((old, new + "0") for old, new in rows) if value == "zero" else ((rows[0][0], rows[0][1] + value),)
    found = problems(with_shape(make_folder, "{kind: joint, table: counts.csv, column: beam}", counts))
    assert any(PLACE in line and wanted in line for line in found), found
