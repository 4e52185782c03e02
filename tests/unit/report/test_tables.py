from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.infer.results import FitResult
from cevnsfit.report.tables import ResultTable, Sheet, format_intervals, format_value
from cevnsfit.studies import texts


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
    assert texts._parameters(result).rows == [("strength", "0.914 +- 0.124", "0.79", "-")]


def test_ragged_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="row 2 has 1 cells, the table 2 columns"):
        Sheet("t", ["a", "b"], [["1", "2"], ["3"]])


def test_brackets_are_taken_literally() -> None:
    text = str(ResultTable((Sheet("Limits", ["mass [MeV]", "allowed g"], [["10", "[0, 0.0012]"]]),)))
    for wanted in ("Limits", "mass [MeV]", "[0, 0.0012]"):
        assert wanted in text


def test_lines_and_tables_keep_their_order_and_are_shown_as_html_too() -> None:
    shown = ResultTable(("a < b", Sheet("T", ["x"], [["1"]]), "after"))
    lines = [line.strip() for line in repr(shown).splitlines() if line.strip()]
    assert (lines[0], lines[1], lines[-1]) == ("a < b", "T", "after")
    assert shown._repr_html_() == ("<p>a &lt; b</p><table><caption>T</caption><tr><th>x</th></tr><tr><td>1</td></tr></table><p>after</p>")


def test_columns_of_numbers_are_numbers_in_a_data_frame() -> None:
    shown = ResultTable(("line", Sheet("T", ["name", "value"], [["a", "1.5"], ["b", "2"]]), Sheet("U", ["x"], [["1 +- 2"]])))
    frame = shown.to_dataframe()
    assert list(frame["value"]) == [1.5, 2.0]
    assert frame["value"].dtype == float
    assert (list(frame["name"]), frame.attrs["title"]) == (["a", "b"], "T")
    assert list(shown.to_dataframe(1)["x"]) == ["1 +- 2"]
    with pytest.raises(CevnsfitError, match="no table 2 here, of 2"):
        shown.to_dataframe(2)


def test_a_data_frame_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(CevnsfitError, match=r"pip install 'cevnsfit\[dataframe\]'"):
        ResultTable((Sheet("T", ["x"], [["1"]]),)).to_dataframe()


NUMBERS = ["0.0003412 +- 0.000123", "0.0003412", "0.0001234 .. 0.0004321", "1.0001", "12345", "12345", "12"]
HEADERS = ["name", "mean +- sd", "median", "16 % .. 84 %", "R-hat", "ESS bulk", "ESS tail", "steps of autocorrelation"]


@pytest.mark.parametrize("width", [60, 80, 160])
def test_no_number_is_cut_and_no_line_is_too_long(width: int) -> None:
    name = "coherent-csi-2021.neutrino_induced_neutrons_norm"
    text = ResultTable((Sheet("Posterior", HEADERS, [[name, *NUMBERS], ["g", *NUMBERS]]),)).text(width) + "\n"
    assert all(text.count(number) >= 2 for number in NUMBERS)
    assert "…" not in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert text.count("Posterior") == 1
    parts = text.count("──\n") + text.count("── \n")
    assert text.count("g ") >= parts
    assert (parts > 1) == (width < 160)  # columns go on below, the first repeated


def test_words_are_folded_before_columns_go_on_below() -> None:
    rows = [["coherent-csi-2021.neutrino_induced_neutrons_norm", "-0.056 +- 0.999", "-1.05", "0.94"]]
    text = ResultTable((Sheet("Parameters", ["name", "value +- error", "MINOS from", "to"], rows),)).text(80)
    assert len([line for line in text.splitlines() if line.strip()]) == 5
    assert "-0.056 +- 0.999" in text
