from __future__ import annotations

import io
import math

import numpy as np
import pytest
from rich.console import Console

from cevnsfit.infer.results import FitResult
from cevnsfit.report.tables import fit_rows, format_intervals, format_value, markdown_table, print_table


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (159.8123, 42.611, "159.8 +- 42.6"),
        (0.9141, 0.1239, "0.914 +- 0.124"),
        (3133.1, 23.46, "3133.1 +- 23.5"),
        (-0.02, 0.99961, "-0.02 +- 1.00"),
        (10.0, 1234.0, "10 +- 1234"),
        (1.2e-5, 3.4e-6, "(1.200 +- 0.340)e-5"),
        (0.0, 2.5, "0.00 +- 2.50"),
        (93.8, None, "93.8"),
        (93.8, math.nan, "93.8"),
        (math.nan, 1.0, "nan"),
    ],
)
def test_error_has_three_digits_and_the_value_as_many_decimals(value: float, error: float | None, text: str) -> None:
    assert format_value(value, error) == text


def test_intervals_are_listed_one_by_one() -> None:
    assert format_intervals([(1.0, 2.0), (5.0, 7.5)], "MeV") == "[1, 2], [5, 7.5] MeV"
    assert format_intervals([]) == "none"


def test_fit_rows_list_the_floating_parameters() -> None:
    result = FitResult(
        valid=True,
        reason="",
        nll2=93.8,
        values={"strength": 0.9141, "mass": 10.0},
        errors={"strength": 0.1239},
        lower={"strength": 0.79},
        upper={"strength": math.nan},
        floating=("strength",),
        correlation=np.eye(1),
        ndof=98,
        at_limit=(),
        at_domain_end=(),
        on_edge=False,
        without_effect=("mass",),
        n_starts=1,
        n_minima=1,
    )
    assert fit_rows(result) == [("strength", "0.914 +- 0.124", "0.79", "-")]


def test_markdown_has_a_rule_and_columns_of_equal_width() -> None:
    lines = markdown_table(["quantity", "value"], [["P(a|b)", "1"], ["n", "159.8 +- 42.6"]]).splitlines()
    assert lines[1] == "|----------|---------------|"
    assert lines[2] == "| P(a\\|b)  | 1             |"
    assert {len(line) for line in lines} == {len(lines[0])}


def test_ragged_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="row 2 has 1 cells, the table 2 columns"):
        markdown_table(["a", "b"], [["1", "2"], ["3"]])
    with pytest.raises(ValueError, match="row 1"):
        print_table(Console(file=io.StringIO()), "t", ["a"], [[]])


def test_terminal_table_takes_brackets_literally() -> None:
    console = Console(file=io.StringIO(), width=80)
    print_table(console, "Limits", ["mass [MeV]", "allowed g"], [["10", "[0, 0.0012]"]])
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    for wanted in ("Limits", "mass [MeV]", "[0, 0.0012]"):
        assert wanted in text


NUMBERS = ["0.0003412 +- 0.000123", "0.0003412", "0.0001234 .. 0.0004321", "1.0001", "12345", "12345", "12"]
HEADERS = ["name", "mean +- sd", "median", "16 % .. 84 %", "R-hat", "ESS bulk", "ESS tail", "steps of autocorrelation"]


@pytest.mark.parametrize("width", [60, 80, 160])
def test_no_number_is_cut_and_no_line_is_too_long(width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    name = "coherent-csi-2021.neutrino_induced_neutrons_norm"
    print_table(console, "Posterior", HEADERS, [[name, *NUMBERS], ["g", *NUMBERS]])
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(text.count(number) >= 2 for number in NUMBERS)
    assert "…" not in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert text.count("Posterior") == 1
    parts = text.count("──\n") + text.count("── \n")
    assert text.count("g ") >= parts
    assert (parts > 1) == (width < 160)  # columns go on below, the first repeated


def test_words_are_folded_before_columns_go_on_below() -> None:
    console = Console(file=io.StringIO(), width=80)
    rows = [["coherent-csi-2021.neutrino_induced_neutrons_norm", "-0.056 +- 0.999", "-1.05", "0.94"]]
    print_table(console, "Parameters", ["name", "value +- error", "MINOS from", "to"], rows)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert len([line for line in text.splitlines() if line.strip()]) == 5
    assert "-0.056 +- 0.999" in text
