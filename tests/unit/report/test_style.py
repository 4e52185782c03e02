"""How figures look, where their legends lie, and what is written with them."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core.documents import About
from cevnsfit.core.errors import CevnsfitError, KindError
from cevnsfit.core.words import literal, wrapped
from cevnsfit.report.legends import finish, place_legend
from cevnsfit.report.style import Look, caption, new_figure, save_figure, save_figures, style
from cevnsfit.studies.shown import checked_kind

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure


def drawn(look: Look, *, crowded: bool = False) -> Figure:
    with style(look):
        figure = new_figure(6.4, 4.8, look)
        ax = figure.add_subplot()
        ax.plot([0.0, 1.0], [0.0, 0.1], label="a line with a name of some length")
        for height in np.linspace(0.1, 1.0, 12) if crowded else ():
            ax.plot([0.0, 1.0], [height, height], color="0.5")
        ax.set(xlim=(0.0, 1.0), ylim=(0.0, 1.0))
        place_legend(ax, look=replace(look, caveats=("CEvNS only",)))
    return figure


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"style": "poster"}, "screen, paper, talk"),
        ({"columns": 3}, "1 or 2 columns"),
        ({"formats": ("pdf", "jpg")}, "png, pdf, svg, pgf, not jpg"),
        ({"xlim": (1.0, 1.0)}, "xlim is two different numbers"),
        ({"xlim": ("1", "10")}, "xlim is two different numbers"),
        ({"ylim": (0.0, float("nan"))}, "ylim is two different numbers"),
        ({"xlim": "12"}, "xlim is two different numbers"),
        ({"ylim": 5.0}, "ylim is two different numbers"),
        ({"title": "$x_$"}, "'\\$x_\\$' holds a formula that cannot be drawn"),
        ({"labels": ("fine $g$", "${$")}, "'\\$\\{\\$' holds a formula"),
    ],
)
def test_a_look_that_is_none_says_what_would_be_right(values: dict[str, object], words: str) -> None:
    with pytest.raises(KindError, match=words):
        Look(**values)  # type: ignore[arg-type]


def test_labels_come_before_names_and_there_are_not_more_of_them() -> None:
    look = Look(labels=("this work",), printed={"coherent-csi-2021": "COHERENT CsI 2021"})
    assert look.labelled(["one", "two"]) == ["this work", "two"]
    assert look.joined(["coherent-csi-2021", "mine"]) == "COHERENT CsI 2021 + mine"
    with pytest.raises(KindError, match="1 labels, but 0 to name"):
        look.labelled([])


def test_a_paper_has_no_title_but_its_own() -> None:
    assert Look().titled("study").title == "study"
    assert Look(title="own").titled("study").title == "own"
    assert Look(style="paper").titled("study").title is None
    assert Look(style="paper", title="own").titled("study").title == "own"


def test_ends_of_axes_are_those_that_were_asked_for_and_possible() -> None:
    ax = new_figure(3.0, 3.0).add_subplot()
    ax.set_yscale("log")
    Look(xlim=(-1.0, 2.0), ylim=(1e-3, 1.0), title="T").finish(ax)
    assert (ax.get_xlim(), ax.get_ylim(), ax.get_title(loc="left")) == ((-1.0, 2.0), (1e-3, 1.0), "T")
    with pytest.raises(CevnsfitError, match="ylim 0:1: the axis is logarithmic"):
        Look(ylim=(0.0, 1.0)).finish(ax)


@pytest.mark.parametrize(("name", "columns", "width"), [("screen", 1, 6.4), ("paper", 1, 3.4), ("paper", 2, 7.0), ("talk", 1, 10.0)])
def test_a_legend_lies_in_the_axes_where_it_hides_nothing(name: str, columns: int, width: float) -> None:
    figure = drawn(Look(style=name, columns=columns))  # type: ignore[arg-type]
    (ax,) = figure.axes
    legend = ax.get_legend()
    assert legend is not None
    assert legend.get_title().get_text() == "CEvNS only"
    figure.draw_without_rendering()
    box, room = legend.get_window_extent(), ax.get_window_extent()
    assert room.x0 <= box.x0 < box.x1 <= room.x1
    assert not ax.lines[0].get_path().transformed(ax.transData).intersects_bbox(box, filled=False)
    assert figure.get_figwidth() == pytest.approx(width)


@pytest.mark.parametrize("name", ["screen", "paper", "talk"])
def test_a_legend_that_would_hide_lines_lies_outside_within_the_figure(name: str) -> None:
    figure = drawn(Look(style=name), crowded=True)  # type: ignore[arg-type]
    (ax,), (legend,) = figure.axes, figure.legends
    figure.draw_without_rendering()
    box, room = legend.get_window_extent(), ax.get_window_extent()
    assert ax.get_legend() is None
    assert box.x0 >= room.x1 if name == "talk" else box.y0 >= room.y1
    assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
    assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1


def test_letters_of_a_paper_can_be_read() -> None:
    figure = drawn(Look(style="paper"))
    (ax,) = figure.axes
    figure.draw_without_rendering()
    legend = ax.get_legend()
    assert legend is not None
    sizes = [text.get_fontsize() for text in (*legend.get_texts(), ax.xaxis.label, *ax.get_xticklabels())]
    assert min(sizes) == 7.0
    assert max(sizes) == 9.0


def test_a_caption_is_drawn_on_screens_and_written_beside_elsewhere(tmp_path: Path) -> None:
    notes = ["L = g Z' J", "a long line " * 20]
    screen, paper = drawn(Look(printed={notes[0]: r"$\mathcal{L} = g$"})), drawn(Look(style="paper"))
    caption(screen, notes, Look(printed={notes[0]: r"$\mathcal{L} = g$"}))
    caption(paper, notes, Look(style="paper"))
    assert screen.get_supxlabel().startswith(r"$\mathcal{L} = g$")
    assert (screen.get_label(), paper.get_supxlabel()) == ("", "")
    assert paper.get_label().splitlines()[0] == "L = g Z' J"
    assert max(map(len, paper.get_label().splitlines())) <= 100
    look = Look(style="paper", formats=("pdf", "svg"))
    files = save_figures(paper, tmp_path / "new" / "v1.2", look)
    assert [path.name for path in files] == ["v1.2.pdf", "v1.2.svg", "v1.2.txt"]
    assert files[-1].read_text(encoding="utf-8") == f"{paper.get_label()}\n"
    assert [path.name for path in save_figures(screen, tmp_path / "a.png", look)] == ["a.pdf", "a.svg"]
    assert not (tmp_path / "a.txt").exists()


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_the_same_figure_is_the_same_bytes(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = save_figure(drawn(Look(style="paper")), tmp_path / f"a.{suffix}").read_bytes()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "12345")
    assert save_figure(drawn(Look(style="paper")), tmp_path / f"b.{suffix}").read_bytes() == first


def test_a_pgf_without_latex_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CevnsfitError, match=r"a\.pgf: pgf needs LaTeX \(pdflatex"):
        save_figure(drawn(Look(style="paper")), tmp_path / "a.pgf")


def test_lines_are_broken_where_they_are_seen_to_be_long() -> None:
    formula = r"$\mathcal{L} = g_\phi\,\phi\,[\bar{\nu}\nu]$"
    assert wrapped(f"{formula} and {formula}", 36) == f"{formula} and {formula}"
    assert wrapped(f"{formula} and {formula}", 12).splitlines() == [formula, "and", formula]


NAMES = ("a_b $x", "$x_$", "${$", "$\\nothing$", "50 % & <b> #1 ~ ^", "costs $5 and $6", "back\\slash")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_no_formula_is_drawn_as_it_is(name: str, tmp_path: Path) -> None:
    """Names of planes, of limits of others and of experiments come from files; a scan is not lost for a dollar sign."""
    look = Look().naming(About(("mine",), "m", printed={"mine": name, "m": name}))
    with style(look):
        figure = new_figure(4.0, 3.0, look)
        ax = figure.add_subplot()
        ax.plot([0.0, 1.0], label=name)
        ax.set_xlabel(look.axis("mine", "1"))
        finish(ax, [look.headline(About(("mine", "mine"), "m", held=(("g", 1.0, "1"),))), name], look.titled(name))
    save_figure(figure, tmp_path / "x.svg")
    assert literal(look.name("mine")) == look.name("mine")


def test_formulas_stay_formulas() -> None:
    assert literal(r"$g_{Z'}$ and \$5") == r"$g_{Z'}$ and \$5"
    assert Look().naming(About(printed={"g": "$g_{Z'}$"})).name("g") == "$g_{Z'}$"
    assert Look(labels=("a $5 note",)).labelled(["one"]) == [r"a \$5 note"]


def test_a_look_has_the_caveats_of_results_once_and_a_caption_ends_with_them() -> None:
    look = Look(style="paper").naming(About(("a",), caveat="CEvNS only"), About(("b",)), About(("c",), caveat="CEvNS only"))
    with style(look):
        figure = new_figure(4.0, 3.0, look)
        caption(figure, None, look)
        assert figure.get_label() == ""
        caption(figure, ["what"], look)
    assert figure.get_label() == "what\ncaveat: CEvNS only"


def test_names_of_experiments_in_a_sentence_are_those_in_print() -> None:
    look = Look(printed={"ccm-200": "CCM-200", "for": "wrong", "mass": "$m$"})
    assert look.told("Asimov data for ccm-200, ccm-200-recoil, mass") == "Asimov data for CCM-200, ccm-200-recoil, mass"
    assert (look.given("mass", 10.0, "MeV"), look.given("g", 0.5, "1")) == ("$m$ = 10 MeV", "g = 0.5")


@pytest.mark.parametrize(
    ("name", "kind", "setting"),
    [
        ("Fit", "spectra", "xlim"),
        ("Fit", "subtracted", "ylim"),
        ("Fit", "pulls", "labels"),
        ("Fit", "correlations", "xlim"),
        ("Posterior", "corner", "ylim"),
        ("Posterior", "density", "labels"),
        ("Ranking", None, "xlim"),
        ("CoverageStudy", None, "labels"),
        ("SusyScan", None, "ylim"),
        ("Goodness", None, "labels"),
    ],
)
def test_a_setting_without_effect_is_refused(name: str, kind: str | None, setting: str) -> None:
    with pytest.raises(KindError, match=f"takes no {setting}"):
        checked_kind(name, kind, Look.of({setting: ["a"] if setting == "labels" else (1.0, 2.0)}))
    assert checked_kind(name, kind, Look(title="a title")) == (kind if kind is not None else checked_kind(name, None))


def test_one_label_or_format_may_stand_alone() -> None:
    look = Look.of({"labels": "this work", "formats": "pdf", "xlim": [1, 10]})
    assert (look.labels, look.formats, look.xlim) == (("this work",), ("pdf",), (1, 10))


def test_labels_of_a_decade_do_not_lie_on_each_other() -> None:
    look = Look(style="paper")
    with style(look):
        ax = new_figure(6.4, 4.8, look).add_subplot()
        ax.set(xscale="log", xlim=(100.0, 1000.0))
        look.finish(ax)
        ax.figure.draw_without_rendering()  # type: ignore[union-attr]
    shown = [label for label in ax.get_xticklabels(which="both") if label.get_text() and 100.0 <= label.get_position()[0] <= 1000.0]
    assert sorted(label.get_text() for label in shown) == ["100", "1000", "200", "500"]
    boxes = [label.get_window_extent() for label in shown]
    assert not any(first.overlaps(second) for first, second in combinations(boxes, 2))
