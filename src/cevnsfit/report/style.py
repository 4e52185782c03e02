"""How figures look: style sheet, colours, names in print, and their way into a file."""

from __future__ import annotations

import math
import re
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, fields, replace
from importlib.resources import as_file, files
from itertools import product
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, get_args

from cevnsfit.core.errors import CevnsfitError, KindError, UnknownNameError
from cevnsfit.core.words import fault, literal, texts_for_latex, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cevnsfit.core.documents import About

    LineStyle = Literal["-", "--", "-.", ":"]

Style = Literal["screen", "paper", "talk"]

FORMATS: Final = ("png", "pdf", "svg", "pgf")
"""Formats of pictures."""

_DATELESS: Final[Mapping[str, Mapping[str, Any]]] = {".svg": {"metadata": {"Date": None}}, ".pdf": {"metadata": {"CreationDate": None}}}
_COLUMNS: Final = (3.4, 7.0)
_SLIDES: Final = (10.0, 13.3)
_ONE_COLUMN: Final = 8.0

PALETTE: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Colour-blind safe colours: M. Okabe and K. Ito, Color Universal Design (2008)."""

OVERLAYS: Final = ("#882255", "#332288", "#999933", "#CC6677", "#AA4499", "#117733", "#000000")
"""Colours of limits of others, none of them in `PALETTE` before the last: P. Tol, Colour Schemes, SRON/EPS/TN/09-002 (2021), "muted"."""

SIGNAL: Final = "#D55E00"
STEADY: Final = "#C4C4C4"
BACKGROUNDS: Final = ("#56B4E9", "#009E73", "#CC79A7", "#E69F00", "#0072B2")
"""Colours of the signal, the steady-state background and the others, in their order."""

BAND: Final = "#E69F00"

LINE_STYLES: Final[Mapping[float, LineStyle]] = {0.6827: ":", 0.68: ":", 0.90: "-", 0.95: "--", 0.99: "-."}
"""Line style of each confidence level."""

SYMBOLS: Final[Mapping[str, str]] = {
    "pe": "photoelectrons",
    "e_ee": "electron-equivalent energy",
    "t_recoil": "nuclear recoil energy",
    "f90": r"$F_{90}$",
    "time": "arrival time",
    "shadow": "shadow quantile",
    "cs2": "corrected S2",
    "exposure pot": "exposure [protons on target]",
    "s1_bdt": "S1 score",
    "s2_bdt": "S2 score",
}
"""Axes as they are printed; parameters have symbols of their own, see `core.documents.About.printed`."""

UNITS: Final[Mapping[str, str]] = {
    "us": r"$\mathrm{\mu}$s",
    "keVee": r"keV$_\mathrm{ee}$",
    "keVnr": r"keV$_\mathrm{nr}$",
    "1": "",
    "1e-32 cm2": r"$10^{-32}\,$cm$^2$",
    "1e-40 cm2": r"$10^{-40}\,$cm$^2$",
    "eV2": r"eV$^2$",
    "mu_B": r"$\mu_\mathrm{B}$",
}
"""Units as they are printed; any other unit is printed as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a picture looks.

    Attributes
    ----------
    style
        "screen"; "paper", 3.4 inches wide with the caption in a file of its own; "talk", a slide.
    columns
        Columns of a paper that a picture takes, 1 or 2; pictures of several axes take 2 in any case.
    title
        Title; by default that of the picture, and none in a paper.
    labels
        Names of what is drawn, in its order, in the place of those that it has.
    xlim, ylim
        Ends of the axes; by default they follow from what is drawn.
    best_fit
        Whether best fits are marked.
    formats
        Formats in which files are written, in the place of that of their name.
    printed
        Symbols and names in print, by what they are called elsewhere; `naming` adds those of a result (`core.documents.About.printed`).
    caveats
        What the predictions leave out, which `naming` adds; it is in the picture in every style.

    Raises
    ------
    KindError
        If the style or a format is unknown, there are more than two columns, an axis has no two different, finite ends, or a title or a label holds a formula
        that cannot be drawn.
    """

    style: Style = "screen"
    columns: int = 1
    title: str | None = None
    labels: tuple[str, ...] = ()
    xlim: tuple[float, float] | None = None
    ylim: tuple[float, float] | None = None
    best_fit: bool = True
    formats: tuple[str, ...] = ()
    printed: Mapping[str, str] = field(default_factory=dict)
    caveats: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.style not in get_args(Style):
            message = f"a style is one of {', '.join(get_args(Style))}, not {self.style!r}"
            raise KindError(message)
        if self.columns not in {1, 2}:
            message = f"a paper has 1 or 2 columns, not {self.columns!r}"
            raise KindError(message)
        unknown = sorted({*self.formats} - {*FORMATS})
        if unknown:
            message = f"a format is one of {', '.join(FORMATS)}, not {', '.join(unknown)}"
            raise KindError(message)
        for name, ends in (("xlim", self.xlim), ("ylim", self.ylim)):
            if ends is not None and not _are_ends(ends):
                message = f"{name} is two different numbers, the ends of an axis, not {ends!r}"
                raise KindError(message)
        for text in (self.title, *self.labels):
            if message := "" if text is None else fault(str(text)):
                raise KindError(message)

    @classmethod
    def of(cls, given: Look | Mapping[str, Any]) -> Look:
        """Return a look, or that of its values by name (`{"style": "paper"}`); UnknownNameError for an unknown name."""
        if isinstance(given, Look):
            return given
        known = [each.name for each in fields(cls) if each.name not in {"printed", "caveats"}]
        for name in given:
            if name not in known:
                kind = "setting of a look"
                raise UnknownNameError(kind, name, known)
        values: dict[str, Any] = {
            name: tuple(value) if hasattr(value, "__iter__") and not isinstance(value, str) else value for name, value in given.items()
        }
        alone = {name: (values[name],) for name in ("labels", "formats") if isinstance(values.get(name), str)}
        return cls(**{**values, **alone})

    def naming(self, *abouts: About) -> Look:
        """Return this look with the symbols, names and caveats that belong to results."""
        printed = {**self.printed, **{name: literal(text) for about in abouts for name, text in about.printed.items()}}
        named = replace(self, printed=printed)
        return replace(
            named, caveats=tuple(dict.fromkeys([*self.caveats, *(named.told(about.caveat) for about in abouts if about.caveat)]))
        )

    def name(self, name: str) -> str:
        """Return how a name is printed: that of a parameter, an axis, an experiment, a model or a Lagrangian; of what belongs to an experiment with its name."""
        owner, _, own = name.partition(".")
        known = f"{self.printed[owner]}: {own.replace('_', ' ').replace('.', ' ')}" if own and owner in self.printed else name
        return self.printed.get(name, SYMBOLS.get(name, known))

    def told(self, text: str) -> str:
        """Return a sentence with the names of experiments in it as they are printed."""
        return re.sub(r"\w+(?:-\w+)+", lambda found: self.printed.get(found[0], found[0]), text)

    def joined(self, names: Sequence[str]) -> str:
        """Return how names in a combination are printed, joined with " + "; a first word that the name before has too stands once.

        Examples
        --------
        >>> Look().joined(["COHERENT CsI 2021", "COHERENT LAr 2020", "CONUS+ 2025"])
        'COHERENT CsI 2021 + LAr 2020 + CONUS+ 2025'
        """
        printed = [self.name(name) for name in names]
        firsts = [text.partition(" ")[0] for text in printed]
        short = [
            text.partition(" ")[2] if text != first == before else text
            for text, first, before in zip(printed, firsts, ["", *firsts], strict=False)
        ]
        return " + ".join(short)

    def headline(self, about: About) -> str:
        """Return what a caption begins with: experiments, model, held parameters, and given constraints."""
        held = [self.given(*one) for one in about.held]
        return ", ".join(text for text in (self.joined(about.experiments), self.name(about.model), *held, self.told(about.given)) if text)

    def labelled(self, names: Sequence[str]) -> list[str]:
        """Return the labels of what is drawn: `labels`, and where there is none what is called by its name.

        Raises
        ------
        KindError
            If there are more labels than names.
        """
        if len(self.labels) > len(names):
            message = f"{len(self.labels)} labels, but {len(names)} to name: {', '.join(names)}"
            raise KindError(message)
        return [literal(text) for text in (*self.labels, *names[len(self.labels) :])]

    def titled(self, title: str | None) -> Look:
        """Return this look with a title where it has none of its own; a paper has none but that."""
        return self if self.style == "paper" or self.title is not None else replace(self, title=title and literal(title))

    def elsewhere(self) -> Look:
        """Return the look of a further picture: without title, labels and ends of axes, which belong to one."""
        return replace(self, title=None, labels=(), xlim=None, ylim=None)

    def finish(self, ax: Axes) -> None:
        """Give axes the title and the ends that were asked for, and ticks whose labels have room."""
        if self.title is not None:
            ax.set_title(self.title, loc="left", wrap=True)
        self.check_ends(ax.get_xscale(), ax.get_yscale())
        ax.set(**{name: ends for name, ends in (("xlim", self.xlim), ("ylim", self.ylim)) if ends is not None})
        _spell(ax)

    def check_ends(self, *scales: str) -> None:
        """Raise CevnsfitError where an axis of one of these scales, horizontal and vertical, cannot have the ends that were asked for."""
        for name, ends, scale in zip(("xlim", "ylim"), (self.xlim, self.ylim), scales, strict=True):
            if ends is not None and scale == "log" and min(ends) <= 0.0:
                message = f"{name} {ends[0]:g}:{ends[1]:g}: the axis is logarithmic, and its ends are positive"
                raise CevnsfitError(message)

    def axis(self, name: str, unit: str) -> str:
        """Return the label of a parameter or an axis with its unit in brackets.

        Examples
        --------
        >>> Look().axis("f90", "1"), Look().axis("pe", "PE"), Look(printed={"g": "$g_{Z'}$"}).axis("g", "1")
        ('$F_{90}$', 'photoelectrons [PE]', "$g_{Z'}$")
        """
        text = UNITS.get(unit, unit)
        return f"{self.name(name)} [{text}]" if text else self.name(name)

    def given(self, name: str, value: float, unit: str) -> str:
        """Return a value as it is printed: name, number, unit."""
        return f"{self.name(name)} = {value:g} {UNITS.get(unit, unit)}".rstrip()

    @property
    def captioned(self) -> bool:
        """Return whether the caption is part of the picture."""
        return self.style == "screen"


def _are_ends(ends: Any) -> bool:
    """Return whether something is two different, finite numbers."""
    return (
        isinstance(ends, tuple)
        and len(ends) == 2
        and all(isinstance(end, Real) and math.isfinite(end) for end in ends)
        and ends[0] != ends[1]
    )


def _spell(ax: Axes) -> None:
    """Label 1, 2 and 5 of a logarithmic horizontal axis that has no more than a decade, where their labels have room beside each other."""
    from matplotlib.ticker import FormatStrFormatter, LogLocator

    low, high = sorted(ax.get_xlim())
    if ax.get_xscale() != "log" or not 1e-4 < low < high < 1e5 or not 2.5 * low < high < 10.5 * low:
        return
    ax.xaxis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))
    for form in (ax.xaxis.set_major_formatter, ax.xaxis.set_minor_formatter):
        form(FormatStrFormatter("%g"))


SCREEN: Final = Look()
"""The look of pictures that nobody asked to look otherwise."""


@contextmanager
def style(look: Look = SCREEN) -> Iterator[None]:
    """Apply the style sheet inside a `with` block; the settings outside stay as they are."""
    from matplotlib.style import context as style_sheets

    with as_file(files("cevnsfit.report")) as folder:
        sheets = [folder / f"{name}.mplstyle" for name in ("cevnsfit", look.style) if name != "screen"]
        with style_sheets(sheets):
            yield


def setting(name: str) -> Any:
    """Return a setting of the style sheets in use, for example "legend.fontsize"."""
    from matplotlib import rcParams

    return rcParams[name]  # type: ignore[index]


@contextmanager
def smaller(factor: float) -> Iterator[None]:
    """Make text, marks and ticks smaller inside a `with` block, for panels that share a picture; call it inside `style`."""
    from matplotlib import rc_context

    names = [f"{part}.{what}size" for part, what in product(("xtick", "ytick"), ("label", "major.", "minor."))]
    names += ["font.size", "axes.labelsize", "axes.titlesize", "legend.fontsize", "legend.title_fontsize", "lines.markersize"]
    sizes: Any = {name: min(factor, 1.0) * setting(name) for name in names}
    with rc_context(sizes):
        yield


def new_figure(width: float, height: float, look: Look = SCREEN) -> Figure:
    """Return an empty figure, drawn by Agg and unknown to pyplot; call it inside `style`.

    Parameters
    ----------
    width, height
        Size on a screen, in inches; other styles keep the ratio of the two.
    look
        A paper has columns of 3.4 inches, and a picture wider than 8 takes two; a slide is 10 inches wide, 13.3 for such a picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = 2 if width > _ONE_COLUMN else look.columns
    wide = {"screen": width, "paper": _COLUMNS[columns - 1], "talk": _SLIDES[width > _ONE_COLUMN]}[look.style]
    figure = Figure(figsize=(wide, height * wide / width), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def axes_of_size(ax: Axes | None, width: float, height: float, look: Look = SCREEN) -> Axes:
    """Return the axes, or new ones in a figure of the given size in inches, see `new_figure`."""
    return new_figure(width, height, look).add_subplot() if ax is None else ax


def figure_of(ax: Axes) -> Figure:
    """Return the figure that axes lie in."""
    figure: Figure = ax.figure.canvas.figure
    return figure


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write `figure` to `path`, of one of `FORMATS` by its suffix, make the folder where it is missing, and return the path.

    The same figure is the same bytes. The caption of a figure that does not show it, which is its label, is written beside it with the suffix .txt.

    Raises
    ------
    CevnsfitError
        If the format needs a LaTeX that is not installed.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with style(), texts_for_latex(figure) if target.suffix == ".pgf" else nullcontext():
        try:
            figure.savefig(target, **_DATELESS.get(target.suffix, {}))
        except RuntimeError as error:
            if target.suffix != ".pgf":
                raise
            message = f"{target}: pgf needs LaTeX (pdflatex with the packages pgf and lmodern); without it write a pdf ({str(error).splitlines()[0]})"
            raise CevnsfitError(message) from None
    if figure.get_label():
        target.with_suffix(".txt").write_text(f"{figure.get_label()}\n", encoding="utf-8")
    return target


def save_figures(figure: Figure, path: Path, look: Look) -> list[Path]:
    """Write `figure` in the formats of a look beside each other, that of `path` without any, and return all files, the caption last."""
    known = path.suffix[1:].lower() in FORMATS
    targets = [path.with_name(f"{path.stem if known else path.name}.{name}") for name in look.formats] if look.formats else [path]
    paths = [save_figure(figure, target) for target in targets]
    return [*paths, *([paths[-1].with_suffix(".txt")] if figure.get_label() else [])]


def caption(figure: Figure, notes: Sequence[str] | None, look: Look = SCREEN) -> None:
    """Print lines and the caveats of a look below a figure, or keep them as its label, which `save_figure` writes beside it; nothing for None."""
    if notes is None:
        return
    notes = [*notes, *(f"caveat: {text}" for text in look.caveats)]
    if notes and look.captioned:
        text = "\n".join(wrapped(look.name(look.told(note)), 110) for note in notes)
        figure.supxlabel(text, fontsize="x-small", x=0.02, ha="left", color="0.3")
    elif notes:
        figure.set_label("\n".join(wrapped(look.told(note), 100) for note in notes))


class AxisLabel(NamedTuple):
    """Name and unit of what an axis shows."""

    name: str
    unit: str


def line_style(cl: float) -> LineStyle:
    """Return the line style of a confidence level: solid for 90 %, dashed for 95 %."""
    return LINE_STYLES.get(round(cl, 4), "-.")
