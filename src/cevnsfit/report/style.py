"""How figures look: style sheet, colours, names in print, and their way into a file."""

from __future__ import annotations

import re
import textwrap
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    LineStyle = Literal["-", "--", "-.", ":"]

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
    "mass": r"$m_{Z'}$",
    "g": r"$g_{Z'}$",
    "pe": "photoelectrons",
    "e_ee": "electron-equivalent energy",
    "t_recoil": "nuclear recoil energy",
    "f90": r"$F_{90}$",
    "time": "arrival time",
    "shadow": "shadow quantile",
    "s1_bdt": "S1 score",
    "s2_bdt": "S2 score",
}
"""Parameters and axes as they are printed; any other name is printed as it is."""

UNITS: Final[Mapping[str, str]] = {"us": r"$\mathrm{\mu}$s", "keVee": r"keV$_\mathrm{ee}$", "keVnr": r"keV$_\mathrm{nr}$", "1": ""}
"""Units as they are printed; any other unit is printed as it is."""

MODELS: Final[Mapping[str, str]] = {
    "lmu-ltau": r"$L_\mu - L_\tau$",
    "le-lmu": r"$L_e - L_\mu$",
    "le-ltau": r"$L_e - L_\tau$",
    "universal": r"universal $Z'$",
    "b-l": r"$B - L$",
    "b-3l-e": r"$B - 3L_e$",
    "b-3l-mu": r"$B - 3L_\mu$",
    "b-3l-tau": r"$B - 3L_\tau$",
    "b-2l-e-l-mu": r"$B - 2L_e - L_\mu$",
    "b-y-l-mu-l-tau": r"$B_y + L_\mu + L_\tau$",
}
"""Models as they are printed; any other name is printed as it is."""

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


@contextmanager
def style() -> Iterator[None]:
    """Apply the style sheet inside a `with` block; the settings outside stay as they are."""
    import matplotlib as mpl

    with as_file(files("cevnsfit.report") / "cevnsfit.mplstyle") as sheet, mpl.rc_context(fname=sheet):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of the given size in inches, drawn by Agg and unknown to pyplot; call it inside `style`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def axes_of_size(ax: Axes | None, width: float, height: float) -> Axes:
    """Return the axes, or new ones in a figure of the given size in inches, see `new_figure`."""
    return new_figure(width, height).add_subplot() if ax is None else ax


def figure_of(ax: Axes) -> Figure:
    """Return the figure that axes lie in."""
    figure: Figure = ax.figure.canvas.figure
    return figure


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write `figure` to `path` (png, pdf, svg, by its suffix), make the folder where it is missing, and return the path."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with style():
        figure.savefig(target)
    return target


class AxisLabel(NamedTuple):
    """Name and unit of what an axis shows."""

    name: str
    unit: str


def axis_label(name: str, unit: str) -> str:
    """Return the label of a parameter or an axis with its unit in brackets.

    Examples
    --------
    >>> axis_label("f90", "1")
    '$F_{90}$'
    >>> axis_label("pe", "PE")
    'photoelectrons [PE]'
    """
    symbol, printed = SYMBOLS.get(name, name), UNITS.get(unit, unit)
    return f"{symbol} [{printed}]" if printed else symbol


def line_style(cl: float) -> LineStyle:
    """Return the line style of a confidence level: solid for 90 %, dashed for 95 %."""
    return LINE_STYLES.get(round(cl, 4), "-.")


def wrapped(text: str, width: int = 30) -> str:
    """Return `text` broken at blanks, formulas kept whole, into lines of at most `width` characters."""
    kept = re.sub(r"\$[^$]*\$", lambda formula: formula.group().replace(" ", "\0"), text)
    return textwrap.fill(kept, width, break_long_words=False, break_on_hyphens=False).replace("\0", " ")
