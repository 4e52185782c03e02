"""Text of others, and the places where it is shown: it acts in none of them."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest

from cevnsfit.cli.output import said
from cevnsfit.core.documents import brief
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.words import fault, for_latex, parses, visible
from cevnsfit.infer.limit import Limit
from cevnsfit.io.tables import write_rows
from cevnsfit.report.style import new_figure, style
from cevnsfit.report.tables import ResultTable, Sheet

if TYPE_CHECKING:
    from pathlib import Path

ACTS = "\x1b[31mred\x1b]0;title\x07 \u202eback \u2066in \x85 \x00 \u200b end"
HOSTILE = [
    ACTS,
    "[red]x[/red]",
    "<script>alert(1)</script>",
    "--><script>alert(1)</script>",
    "a|b\nc",
    "$x_{$",
    "\\input{/etc/passwd}",
    "=cmd|' /C calc'!A0",
]


def test_what_a_terminal_obeys_is_made_visible() -> None:
    text = visible(ACTS)
    assert text.startswith(r"\x1b[31mred\x1b]0;title\x07 \u202eback \u2066in \x85 \x00 \u200b end")
    assert (
        visible("CsI, 30 \u00b5s, \u03bd\u0305, \u4e2d\u5fae\u5b50\n\tnext") == "CsI, 30 \u00b5s, \u03bd\u0305, \u4e2d\u5fae\u5b50\n\tnext"
    )
    assert visible("a\nb", "") == r"a\nb"
    assert brief({"name": ACTS}).isprintable()


@pytest.mark.parametrize("text", HOSTILE)
def test_tables_take_text_literally(text: str) -> None:
    table = ResultTable((text, Sheet(text, (text,), [(text,)])))
    plain = "\n".join([str(table), table.text(400), table.markdown()])
    assert plain.replace("\n", "").isprintable()
    if "\n" not in text:
        assert table.text(400).count(visible(text)) == 4
    assert "<script" not in table._repr_html_() + table.markdown().replace(r"\<", "")


def test_messages_are_cut_where_nobody_would_read_on() -> None:
    assert said("short\nlines") == "short\nlines"
    assert len(said("error: " + 100_000 * "x")) < 2100
    assert said(100_000 * "x").endswith("... (100000 characters)")


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1+A1", "'+1+A1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("-label", "'-label"),
        ("-1.5e-3", "-1.5e-3"),
        ("-inf", "-inf"),
        (-2.5, "-2.5"),
        ("a,=b", "a,=b"),
        ('say "x"', 'say "x"'),
        ("\x1b[2J", r"\x1b[2J"),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula_and_numbers_stay_numbers(tmp_path: Path, cell: object, written: str) -> None:
    path = write_rows(tmp_path / "t.csv", [f"label: {cell},=1"], (str(cell), "n"), [(cell, 1)])
    head, *rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8").split("\n", 2)[2]))
    assert (head[0], rows[0][0]) == (written, written)
    comment = path.read_text(encoding="utf-8").splitlines()[0]
    assert not any(part.startswith(("=", "+", "-", "@")) for part in comment.split(","))


@pytest.mark.parametrize("text", ["$m_{Z'$", "a\nb", ACTS, 201 * "x", f"${95 * '{'}x{95 * '}'}$"])
def test_a_name_that_cannot_be_drawn_is_refused(text: str) -> None:
    assert fault(text)
    assert len(fault(text)) < 400
    with pytest.raises(CevnsfitError, match="the name of a limit"):
        Limit(text, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "CsI", "$m_{Z'}$", "5 $", r"\$5 of $x_$5", 200 * "x", "\u03bd floor, 90 % CL"])
def test_a_name_that_can_be_drawn_is_taken(text: str) -> None:
    assert (fault(text) == "") == parses(text)


def test_latex_acts_on_formulas_alone() -> None:
    assert for_latex(r"\input{x} $m_{Z'}$ 5 %") == r"\textbackslash{}input\textbraceleft{}x\textbraceright{} $m_{Z'}$ 5 \%"
    assert for_latex(r"\$\input{x}\$") == r"\textdollar{}\textbackslash{}input\textbraceleft{}x\textbraceright{}\textdollar{}"
    assert parses(r"$\input{x}$") is False


@pytest.mark.parametrize("text", HOSTILE[2:4])
def test_a_drawing_holds_no_script(tmp_path: Path, text: str) -> None:
    with style():
        figure = new_figure(4.0, 3.0)
        figure.add_subplot().set_title(text)
        figure.savefig(tmp_path / "x.svg")
    assert "<script" not in (tmp_path / "x.svg").read_text(encoding="utf-8")
