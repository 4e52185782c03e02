"""What an experiment observed: counts, values with errors, lists of events, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core.errors import SpecError
from cevnsfit.spec.load import load_experiment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Path]
    Find = Callable[..., list[str]]

COUNTS = "observed: {table: counts.csv, column: observed}"
HEADER = "pe_low [PE],pe_high [PE],time_low [us],time_high [us],rate [1],up [1],down [1],zero [1]\n"
BINS = [(5, 10, 0, 1), (5, 10, 1, 6), (10, 20, 0, 1), (10, 20, 1, 6), (20, 40, 0, 1), (20, 40, 1, 6)]
RATES = [(-0.5, 0.3, 0.2), (1.25, 0.4, 0.3), (0.0, 0.1, 0.1), (2.5, 0.5, 0.4), (0.75, 0.6, 0.5), (-1.0, 0.7, 0.6)]


def table(rates: list[tuple[float, float, float]] = RATES) -> bytes:
    rows = (",".join(map(str, (*edges, *rate, 0.0))) for edges, rate in zip(BINS, rates, strict=True))
    return (HEADER + "\n".join(rows) + "\n").encode()


def matrix(values: np.ndarray) -> bytes:
    header = ",".join(f"b{k} [1]" for k in range(values.shape[1]))
    return (header + "\n" + "\n".join(",".join(map(repr, row)) for row in values.tolist()) + "\n").encode()


def positive() -> np.ndarray:
    root = np.random.default_rng(1).normal(size=(6, 6))
    return root @ root.T + np.eye(6)


def given(make_folder: Make, observed: str, **files: bytes) -> Path:
    return make_folder(
        (COUNTS, f"observed: {observed}"), files={"rates.csv": table(), **{f"{name}.csv": content for name, content in files.items()}}
    )


def test_values_with_errors(make_folder: Make) -> None:
    folder = given(make_folder, "{table: rates.csv, column: rate, errors: {up: up, down: down}, scale: 200 %}")
    experiment = load_experiment(folder)
    found = experiment.observation
    assert found is not None
    assert found.values == pytest.approx([2 * rate[0] for rate in RATES])
    assert found.up == pytest.approx([2 * rate[1] for rate in RATES])
    assert found.down == pytest.approx([2 * rate[2] for rate in RATES])
    assert experiment.observed == pytest.approx(6.0)


def test_errors_of_finer_bins_are_added_in_quadrature(make_folder: Make) -> None:
    folder = given(make_folder, "{table: rates.csv, column: rate, error: up}")
    found = load_experiment(folder, {"axes.time.edges": [0, 6]}).observation
    assert found is not None
    assert found.values == pytest.approx([0.75, 2.5, -0.25])
    assert found.up == pytest.approx([0.5, np.hypot(0.1, 0.5), np.hypot(0.6, 0.7)])
    assert found.down is not None
    assert found.down == pytest.approx(found.up)


def test_a_covariance_matrix(make_folder: Make) -> None:
    folder = given(make_folder, "{table: rates.csv, column: rate, covariance: {table: cov.csv}, scale: 3}", cov=matrix(positive()))
    found = load_experiment(folder).observation
    assert found is not None
    assert found.covariance == pytest.approx(9.0 * positive())
    assert "cov.csv" in load_experiment(folder).digests


@pytest.mark.parametrize(
    ("observed", "text"),
    [
        ("{table: rates.csv, column: rate}", "column 'rate' has 2 negative entries"),
        ("{table: rates.csv, column: up}", "must hold whole counts; values with errors need the column"),
        (
            "{table: rates.csv, column: rate, error: zero}",
            "experiment.yaml:24: observed: rates.csv: column 'zero' has 6 errors that are not positive (a bin without events has none",
        ),
        ("{table: rates.csv, column: rate, error: rate}", "column 'rate' has 3 errors that are not positive"),
        (
            "{table: percent.csv, column: rate, error: up}",
            "percent.csv: column 'up' is in [%], but the values 'rate' are in [1]: errors have the unit of their values",
        ),
        ("{table: rates.csv, column: rate, error: upp}", "unknown column 'upp'; did you mean up?"),
        ("{table: rates.csv, column: rate, error: up, errors: {up: up, down: down}}", "give one of error, errors and covariance"),
        ("{table: rates.csv, column: rate, error: up, covariance: {table: cov.csv}}", "give one of error, errors and covariance"),
        ("{table: counts.csv, column: observed, scale: 2}", "scaled counts are not counts"),
        ("{table: rates.csv, column: rate, error: up, scale: 0}", "greater than 0"),
        ("{table: rates.csv}", "give either table and column, or events"),
        ("{table: rates.csv, column: rate, events: rates.csv}", "give either table and column, or events"),
        ("{table: rates.csv, column: rate, error: up, weight: up}", "weight is a column of events"),
        ("{events: events.csv, error: up}", "none with events"),
        ("{events: none.csv}", "none.csv: observed.events: no such table"),
    ],
)
def test_nonsense_is_refused(make_folder: Make, problems: Find, observed: str, text: str) -> None:
    found = problems(
        given(
            make_folder,
            observed,
            cov=matrix(positive()),
            events=b"pe [PE],time [us]\n7,0.5\n",
            percent=table().replace(b"up [1]", b"up [%]"),
        )
    )
    assert any(text in problem for problem in found), found


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (positive()[:5], "a covariance matrix of 6 bins has 6 rows of 6 columns, not 5 rows of 6 columns"),
        (positive()[:, :5], "not 6 rows of 5 columns"),
        (positive() + np.eye(6, k=2), "is not symmetric"),
        (np.ones((6, 6)), "is not positive definite"),
        (positive() * np.array([0, 1, 1, 1, 1, 1]) * np.array([[0, 1, 1, 1, 1, 1]]).T, "is not positive definite"),
        (-np.eye(6), "is not positive definite"),
    ],
)
def test_a_matrix_that_is_no_covariance_is_refused(make_folder: Make, problems: Find, values: np.ndarray, text: str) -> None:
    folder = given(make_folder, "{table: rates.csv, column: rate, covariance: {table: cov.csv}}", cov=matrix(values))
    (problem,) = problems(folder)
    assert text in problem
    assert ":24: observed.covariance: cov.csv: " in problem


def test_a_control_region_goes_with_counts(make_folder: Make, problems: Find) -> None:
    new = "observed: {table: rates.csv, column: rate, error: up}\ncontrol_region: {off: {table: counts.csv, column: observed}}"
    (problem,) = problems(make_folder((COUNTS, new), files={"rates.csv": table()}))
    assert "a control region measures a background of counts" in problem


def test_a_list_of_events_is_binned(make_folder: Make) -> None:
    """An event on an edge belongs to the bin above it, on the last edge to the last bin; others are outside."""
    events = b"time [ns],pe [PE],f90 [1]\n0,5,1\n1000,5,1\n999,9.999,1\n500,10,1\n6000,40,1\n6001,40,1\n500,4.99,1\n-1,7,1\n500,40.01,1\n3000,20,1\n"
    experiment = load_experiment(given(make_folder, "{events: events.csv}", events=events))
    found = experiment.observation
    assert found is not None
    assert found.values.tolist() == [2, 1, 1, 0, 0, 2]
    assert experiment.observed == 6
    assert experiment.outside == 4
    assert found.up is None


def test_edges_of_equal_bins_hold_after_a_change_of_unit(make_folder: Make) -> None:
    """0.3 us is no binary number: all 61 events lie in the bins that their decimals say."""
    axis = ("{unit: us, edges: [0, 1, 6]}", "{unit: us, start: 0, stop: 6, bins: 60}")
    rows = "".join(f"7,{k / 10}\n" for k in range(61))
    folder = make_folder(
        (COUNTS, "observed: {events: events.csv}"),
        axis,
        ("backgrounds:", "unused:"),
        files={"events.csv": f"pe [PE],time [us]\n{rows}".encode()},
    )
    text = (folder / "experiment.yaml").read_text()
    start = text.index("unused:")
    (folder / "experiment.yaml").write_text(text[:start] + text[text.index("systematics:") :])
    found = load_experiment(folder).observation
    assert found is not None
    assert found.values.reshape(3, 60)[0].tolist() == [1.0] * 59 + [2.0]


def test_a_list_without_events_is_no_error(make_folder: Make) -> None:
    experiment = load_experiment(given(make_folder, "{events: events.csv}", events=b"pe [PE],time [us]\n"))
    assert experiment.observed == 0


def test_weighted_events_have_errors(make_folder: Make) -> None:
    rows = "".join(f"{(low + high) / 2},{(a + b) / 2},{w}\n" for low, high, a, b in BINS for w in (0.5, 1.5))
    experiment = load_experiment(given(make_folder, "{events: events.csv, weight: w}", events=f"pe [PE],time [us],w [1]\n{rows}".encode()))
    found = experiment.observation
    assert found is not None
    assert found.values == pytest.approx([2.0] * 6)
    assert found.up == pytest.approx([np.sqrt(2.5)] * 6)


@pytest.mark.parametrize(
    ("events", "text"),
    [
        (b"pe [PE]\n7\n", "unknown column 'time'"),
        (b"pe [PE],time [m]\n7,1\n", "events.csv"),
        (b"pe [PE],time [us]\n7,x\n", "events.csv:2: 'x' is not a finite number"),
    ],
)
def test_a_bad_list_is_refused(make_folder: Make, problems: Find, events: bytes, text: str) -> None:
    found = problems(given(make_folder, "{events: events.csv}", events=events))
    assert any(text in problem for problem in found), found


def test_events_on_an_axis_of_another_name(make_folder: Make) -> None:
    changes = (COUNTS, "observed: {events: events.csv}"), ("  pe: {unit: PE, edges", "  s2: {unit: PE, edges")
    folder = make_folder(*changes, files={"events.csv": b"s2 [PE],time [us]\n7,0.5\n25,2\n"})
    text = (folder / "experiment.yaml").read_text()
    start = text.index("backgrounds:")
    (folder / "experiment.yaml").write_text(text[:start] + text[text.index("systematics:") :])
    found = load_experiment(folder).observation
    assert found is not None
    assert found.values.tolist() == [1, 0, 0, 0, 0, 1]
    (folder / "events.csv").write_text("s2 [keVee],time [us]\n7,0.5\n")
    with pytest.raises(SpecError, match=r"events.csv: column 's2' is in keVee, its axis in PE"):
        load_experiment(folder)


def test_an_error_outside_the_window_may_be_zero(make_folder: Make) -> None:
    rates = [*RATES[:4], (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)]
    folder = given(make_folder, "{table: rates.csv, column: rate, error: up}")
    (folder / "rates.csv").write_bytes(table(rates))
    found = load_experiment(folder, {"axes.pe.edges": [5, 10, 20]}).observation
    assert found is not None
    assert found.up == pytest.approx([rate[1] for rate in RATES[:4]])


def test_an_empty_bin_of_weighted_events_is_refused(make_folder: Make) -> None:
    folder = given(make_folder, "{events: events.csv, weight: w}", events=b"pe [PE],time [us],w [1]\n7,0.5,0.2\n")
    with pytest.raises(SpecError, match="5 bins hold no weighted event"):
        load_experiment(folder)
