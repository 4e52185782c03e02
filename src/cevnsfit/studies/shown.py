"""Results as text and as pictures: which function shows results of which class.

A class that is new has a function, and a line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from inspect import signature
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cevnsfit.core.documents import About, notes_of_all
from cevnsfit.core.errors import CevnsfitError, KindError
from cevnsfit.report.style import SCREEN, Look
from cevnsfit.report.tables import ResultTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cevnsfit.report.tables import Sheet

Entry = TypeVar("Entry")

_TEXTS: Final[Mapping[str, str]] = {
    "Comparison": "comparison:text",
    "Compatibility": "texts:compatibility",
    "CoverageStudy": "texts:coverage",
    "CriticalValues": "texts:critical_values",
    "Discovery": "texts:discovery",
    "Exclusion": "texts:scanned",
    "Experiment": "listings:experiment",
    "Fit": "texts:fit",
    "GlobalSignificance": "texts:global_significance",
    "Goodness": "texts:goodness",
    "Intervals": "texts:intervals",
    "Limit": "listings:limit",
    "MomentBand": "listings:moment_band",
    "Posterior": "texts:posterior",
    "Ranking": "texts:ranking",
    "ChannelRates": "texts:channel_rates",
    "Rates": "texts:rates",
    "Scan": "texts:scanned",
    "SignalModel": "listings:model",
    "Slice": "listings:plane_slice",
    "SusyScan": "listings:sleptons",
    "ToyRegion": "texts:toy_region",
    "WhatIf": "whatif:text",
}
"""The function that yields lines and tables of one result of a class."""

_LISTS: Final[Mapping[str, str]] = {
    "Check": "listings:checks",
    "Experiment": "listings:experiments",
    "Forecast": "forecast:texts",
    "KnownLimit": "listings:known_limits",
    "Remainder": "listings:remainders",
    "SignalModel": "listings:models",
    "SignalStrength": "texts:strengths",
    "Statement": "listings:statements",
}
"""The function that yields those of several, of a class of which they are rows of one table."""

_PICTURES: Final[Mapping[str, Mapping[str, str]]] = {
    "Comparison": {"toys": "comparison:picture"},
    "Compatibility": {"toys": "pictures:toys"},
    "CriticalValues": {"map": "critical_values:critical_picture"},
    "CoverageStudy": {"coverage": "coverage:coverage_picture"},
    "Discovery": {"toys": "pictures:toys"},
    "Fit": {"pulls": "report.rankings:pulls_figure", "correlations": "report.rankings:correlations_figure"},
    "GlobalSignificance": {"scan": "report.toys:scan_figure", "toys": "pictures:toys"},
    "Goodness": {"toys": "pictures:toys"},
    "Intervals": {"profile": "pictures:interval"},
    "Posterior": {"density": "posterior:posterior_picture", "corner": "corner:corner_picture"},
    "Ranking": {"ranking": "report.rankings:ranking_figure", "groups": "report.rankings:groups_figure"},
    "SusyScan": {"points": "sleptons:sleptons"},
    "WhatIf": {"limits": "whatif:whatif_picture"},
}
"""The functions that return a picture of one result, by its kind; with an argument `ax` where one pair of axes is enough."""

_SPECTRA: Final[Mapping[str, str]] = {"spectra": "pictures:spectra", "subtracted": "pictures:subtracted"}
_PLANES: Final[Mapping[str, str]] = {"plane": "pictures:planes"}

_TOGETHER: Final[Mapping[str, Mapping[str, str]]] = {
    "Exclusion": _PLANES,
    "Fit": _SPECTRA,
    "Forecast": {"limits": "forecast:forecast_picture"},
    "Histogram": _SPECTRA,
    "ChannelRates": _SPECTRA,
    "Rates": _SPECTRA,
    "Scan": _PLANES,
    "ToyRegion": _PLANES,
}
"""The functions that return one picture of several results, by its kind. The first kind of a class, these before those of one result, is its picture."""

_ENDS: Final = ("xlim", "ylim")
_UNUSED: Final[Mapping[str, tuple[str, ...]]] = {
    "spectra": _ENDS,
    "subtracted": _ENDS,
    "pulls": ("ylim", "labels"),
    "correlations": (*_ENDS, "labels"),
    "density": ("labels",),
    "corner": (*_ENDS, "labels"),
    "coverage": ("labels",),
    "points": _ENDS,
    "map": ("labels",),
    "ranking": (*_ENDS, "labels"),
    "groups": ("ylim", "labels"),
    "toys": ("labels",),
}
"""Settings of a look that kinds of pictures have no use for."""


def table(result: object) -> ResultTable:
    """Return a result as text: what its command prints.

    Parameters
    ----------
    result
        What a verb returns, an experiment or a model; or several of them, as a tuple, list or mapping.

    Raises
    ------
    KindError
        If it has no table.

    Examples
    --------
    >>> import cevnsfit as cf
    >>> likelihood = cf.build_likelihood("coherent-lar-2020", model="lmu-ltau")
    >>> cf.table(cf.goodness(likelihood, at={"mass": 100.0}))
    -2 ln lambda / ndof = 1029.85 / 959; p = 0.0554 (asymptotic: chi-squared)
    model: lmu-ltau; L = g Z'_mu [q_l lbar gamma^mu l + q_l nubar_l gamma^mu P_L nu_l], q = +1 (mu), -1 (tau)
    held: mass = 100 MeV
    """
    return ResultTable(tuple(_parts(result)))


def plot(result: object, ax: Axes | None = None, *, kind: str | None = None, look: Look | Mapping[str, Any] = SCREEN) -> Figure:
    """Return the picture of a result, the same that its command writes.

    Scans and regions are drawn with their boundaries at 90 and 95 %, fits and rates as spectra, expected counts (`likelihood.counts`) as stacks;
    several of these, in a tuple or list, in one picture.

    Parameters
    ----------
    result
        What a verb returns, or expected counts.
    ax
        Axes to draw on, for a picture with a single pair of axes; by default a new figure, unknown to pyplot.
    kind
        Which of its pictures: of a fit "spectra" (by default), "subtracted" (minus backgrounds), "pulls" or "correlations", of a posterior "density" (by
        default) or "corner".
    look
        Style, title, labels, limits, as in the section `look` of an analysis file: `{"style": "paper", "xlim": (1, 1000)}`.

    Returns
    -------
    The figure, that of `ax` if given; `savefig` writes it.

    Raises
    ------
    KindError
        If it has no picture, or none of this kind.
    CevnsfitError
        If the picture needs its own axes.

    Examples
    --------
    >>> import cevnsfit as cf
    >>> likelihood = cf.build_likelihood("coherent-csi-2021", model="sm")
    >>> figure = cf.plot(likelihood.counts(components=True))
    >>> len(figure.axes)
    2
    """
    several = list(result) if isinstance(result, tuple | list) else [result]
    inner = [_inside(one) for one in several]
    name = _class_of(inner[0] if inner else result)
    of_all, of_one = _homes(inner[0] if inner else None, _TOGETHER), _homes(result, _PICTURES)
    look = Look.of(look)
    chosen = checked_kind(name, kind, look)
    home = {**of_one, **of_all}.get(chosen)
    if home is None:
        message = f"the picture {chosen!r} is one of a single {name}"
        raise KindError(message)
    if chosen in of_all and any(_homes(one, _TOGETHER).get(chosen) != home for one in inner):
        message = f"only results of one kind share a picture, not {', '.join(sorted({type(one).__name__ for one in inner}))}"
        raise KindError(message)
    draw = _function(home)
    if ax is not None and "ax" not in signature(draw).parameters:
        message = f"the picture of a {name} has several axes: draw it without `ax`"
        raise CevnsfitError(message)
    figure: Figure = draw(several if chosen in of_all else result, look=look, **({} if ax is None else {"ax": ax}))
    return figure


def checked_kind(name: str, kind: str | None, look: Look = SCREEN) -> str:
    """Return a kind of picture of a class, the first one by default.

    Raises
    ------
    KindError
        If the class has no picture, or not this one, or the look has a setting that the picture does not.
    """
    kinds = [*_TOGETHER.get(name, {}), *_PICTURES.get(name, {})]
    if not kinds:
        message = f"a {name} has no picture; these have one: {', '.join(sorted({*_PICTURES, *_TOGETHER}))}"
        raise KindError(message)
    if kind is not None and kind not in kinds:
        message = f"a {name} has no picture {kind!r}; it has {', '.join(kinds)}"
        raise KindError(message)
    chosen = kinds[0] if kind is None else kind
    unused = [setting for setting in _UNUSED.get(chosen, ()) if getattr(look, setting)]
    if unused:
        message = f"the picture {chosen!r} takes no {' and no '.join(unused)}"
        raise KindError(message)
    return chosen


def _inside(result: object) -> object:
    """Return the first result in mappings of results."""
    while isinstance(result, Mapping) and result:
        result = next(iter(result.values()))
    return result


def _parts(result: object) -> Iterator[str | Sheet]:
    """Yield what is said of results, and once below those in a row that have it in common what they are about."""
    if isinstance(result, Mapping):
        result = [*result.values()]
    several = result if isinstance(result, tuple | list) else [result]
    of_one, of_all = (_shown_by(several[0], homes) if several else None for homes in (_TEXTS, _LISTS))
    if of_all is not None and len(set(map(type, several))) == 1 and (of_one is None or several is result):
        yield from of_all(several)
        yield from notes_of(several)
        return
    for notes, group in groupby(several, notes_of):
        for each in group:
            yield from (part for part in _parts(each) if part not in notes) if isinstance(each, tuple | list | Mapping) else _said(each)
        yield from notes


def notes_of(result: object) -> tuple[str, ...]:
    """Return what results are about, in words, each text once; nothing for what knows no model."""
    return notes_of_all(_abouts(result))


def _abouts(result: object) -> list[About]:
    if isinstance(result, tuple | list | Mapping):
        return [about for each in (result.values() if isinstance(result, Mapping) else result) for about in _abouts(each)]
    known = getattr(result, "about", None)
    return [known] if isinstance(known, About) else []


def _said(result: object) -> Iterator[str | Sheet]:
    """Yield what is said of one result."""
    function = _shown_by(result, _TEXTS)
    if function is not None:
        yield from function(result)
    elif _shown_by(result, _LISTS) is not None:
        yield from _parts([result])
    else:
        message = f"a {type(result).__name__} has no table; these have one: {', '.join(sorted({*_TEXTS, *_LISTS}))}"
        raise KindError(message)


def _shown_by(result: object, homes: Mapping[str, str]) -> Callable[..., Any] | None:
    """Return the function for results of a class, or of one that it inherits from; None if there is none."""
    home = _of_class(result, homes)
    return None if home is None else _function(home)


def _homes(result: object, homes: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
    """Return where the functions for pictures of a class are, by their kinds."""
    found = _of_class(result, homes)
    return {} if found is None else found


def _of_class(result: object, homes: Mapping[str, Entry]) -> Entry | None:
    """Return the entry of a class, or of one that it inherits from."""
    return next((homes[name] for name in _names(result) if name in homes), None)


def _class_of(result: object) -> str:
    """Return the name of a class, or of the one that it inherits from that has a picture."""
    return next((name for name in _names(result) if name in _PICTURES or name in _TOGETHER), type(result).__name__)


def _names(result: object) -> list[str]:
    return [kind.__name__ for kind in type(result).__mro__ if kind.__module__.startswith("cevnsfit.")]


def _function(home: str) -> Callable[..., Any]:
    """Return the function of a module of studies, or of a package that is named before it."""
    module, _, name = home.partition(":")
    function: Callable[..., Any] = getattr(import_module(f"cevnsfit.{module if '.' in module else f'studies.{module}'}"), name)
    return function
