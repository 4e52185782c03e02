"""How figures look: style sheet, colours, names in print, and their way into a file."""

from __future__ import annotations

import re
import textwrap
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.resources import as_file, files
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, get_args

from cevnsfit.core.errors import KindError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cevnsfit.core.documents import About

    LineStyle = Literal["-", "--", "-.", ":"]

Style = Literal["screen", "paper", "talk"]

_COLUMNS: Final = (3.4, 7.0)
_SLIDE: Final = 10.0
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

COMPONENTS: Final[Mapping[str, str]] = {
    "cevns": r"CE$\mathrm{\nu}$NS",
    "steady_state": "steady state",
    "brn": "beam-related neutrons",
    "prompt_brn": "prompt beam neutrons",
    "delayed_brn": "delayed beam neutrons",
    "nin": "neutrino-induced neutrons",
    "ac": "accidental coincidences",
    "er": "electronic recoils",
}
"""Components as they are printed; any other name is printed with blanks for underscores."""


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
    printed
        Symbols and names in print, by what they are called elsewhere; those of a result (`core.documents.About.printed`) are added by `naming`.

    Raises
    ------
    KindError
        If the style is unknown, or there are more than two columns.
    """

    style: Style = "screen"
    columns: int = 1
    title: str | None = None
    labels: tuple[str, ...] = ()
    xlim: tuple[float, float] | None = None
    ylim: tuple[float, float] | None = None
    best_fit: bool = True
    printed: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.style not in get_args(Style):
            message = f"a style is one of {', '.join(get_args(Style))}, not {self.style!r}"
            raise KindError(message)
        if self.columns not in {1, 2}:
            message = f"a paper has 1 or 2 columns, not {self.columns!r}"
            raise KindError(message)

    def naming(self, *abouts: About) -> Look:
        """Return this look with the symbols and names that belong to results."""
        return replace(self, printed={**self.printed, **{name: text for about in abouts for name, text in about.printed.items()}})

    def name(self, name: str) -> str:
        """Return how a name is printed: that of a parameter, an axis, an experiment, a model or a Lagrangian; of what belongs to an experiment with its name."""
        owner, _, own = name.rpartition(".")
        known = f"{self.printed[owner]}: {own.replace('_', ' ')}" if owner in self.printed else name
        return self.printed.get(name, SYMBOLS.get(name, known))

    def axis(self, name: str, unit: str) -> str:
        """Return the label of a parameter or an axis with its unit in brackets.

        Examples
        --------
        >>> Look().axis("f90", "1"), Look().axis("pe", "PE"), Look(printed={"g": "$g_{Z'}$"}).axis("g", "1")
        ('$F_{90}$', 'photoelectrons [PE]', "$g_{Z'}$")
        """
        text = UNITS.get(unit, unit)
        return f"{self.name(name)} [{text}]" if text else self.name(name)

    @property
    def captioned(self) -> bool:
        """Return whether the caption is part of the picture."""
        return self.style == "screen"


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
        A paper has columns of 3.4 inches, and a picture wider than 8 takes two; a slide is 10 inches wide.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = 2 if width > _ONE_COLUMN else look.columns
    wide = {"screen": width, "paper": _COLUMNS[columns - 1], "talk": _SLIDE}[look.style]
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
    """Write `figure` to `path` (png, pdf, svg, by its suffix), make the folder where it is missing, and return the path.

    The caption of a figure that does not show it, which is its label, is written beside it with the suffix .txt.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with style():
        figure.savefig(target)
    if figure.get_label():
        target.with_suffix(".txt").write_text(f"{figure.get_label()}\n", encoding="utf-8")
    return target


class AxisLabel(NamedTuple):
    """Name and unit of what an axis shows."""

    name: str
    unit: str


def line_style(cl: float) -> LineStyle:
    """Return the line style of a confidence level: solid for 90 %, dashed for 95 %."""
    return LINE_STYLES.get(round(cl, 4), "-.")


def wrapped(text: str, width: int = 30) -> str:
    """Return `text` broken at blanks, formulas kept whole, into lines of at most `width` characters."""
    kept = re.sub(r"\$[^$]*\$", lambda formula: formula.group().replace(" ", "\0"), text)
    return textwrap.fill(kept, width, break_long_words=False, break_on_hyphens=False).replace("\0", " ")
