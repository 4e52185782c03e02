"""Results as text and as pictures: which function shows results of which class.

A class that is new has a function, and a line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any, Final

from cevnsfit.core.errors import CevnsfitError, KindError
from cevnsfit.report.style import SCREEN, Look
from cevnsfit.report.tables import ResultTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cevnsfit.report.tables import Sheet

_TEXTS: Final[Mapping[str, str]] = {
    "Compatibility": "texts:compatibility",
    "CoverageStudy": "texts:coverage",
    "Discovery": "texts:discovery",
    "Exclusion": "texts:scanned",
    "Experiment": "listings:experiment",
    "Fit": "texts:fit",
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
    "WhatIf": "texts:whatif",
}
"""The function that yields lines and tables of one result of a class."""

_LISTS: Final[Mapping[str, str]] = {
    "Check": "listings:checks",
    "Experiment": "listings:experiments",
    "Forecast": "texts:forecasts",
    "KnownLimit": "listings:known_limits",
    "Remainder": "listings:remainders",
    "SignalModel": "listings:models",
    "SignalStrength": "texts:strengths",
    "Statement": "listings:statements",
}
"""The function that yields those of several, of a class of which they are rows of one table."""

_PICTURES: Final[Mapping[str, str]] = {
    "CoverageStudy": "coverage:coverage_picture",
    "Intervals": "pictures:interval",
    "Posterior": "posterior:posterior_picture",
    "Ranking": "pictures:ranking",
    "SusyScan": "sleptons:sleptons",
    "WhatIf": "whatif:whatif_picture",
}
"""The function that returns the picture of one result; with an argument `ax` where one pair of axes is enough."""

_TOGETHER: Final[Mapping[str, str]] = {
    "Exclusion": "pictures:planes",
    "Fit": "pictures:spectra",
    "Forecast": "forecast:forecast_picture",
    "Histogram": "pictures:spectra",
    "ChannelRates": "pictures:spectra",
    "Rates": "pictures:spectra",
    "Scan": "pictures:planes",
    "ToyRegion": "pictures:planes",
}
"""The function that returns one picture of several results."""


def table(result: object) -> ResultTable:
    """Return a result as text: what its command prints.

    Parameters
    ----------
    result
        What a verb returns, an experiment or a model; or several of them, as a tuple, list or mapping.

    Raises
    ------
    KindError
        If it is nothing that has a table.

    Examples
    --------
    >>> import cevnsfit as cf
    >>> likelihood = cf.build_likelihood("coherent-lar-2020", model="lmu-ltau")
    >>> cf.table(cf.goodness(likelihood, at={"mass": 100.0}))
    -2 ln lambda / ndof = 1029.85 / 959; p = 0.0554 (asymptotic: chi-squared)
    """
    return ResultTable(tuple(_parts(result)))


def plot(result: object, ax: Axes | None = None, *, look: Look = SCREEN) -> Figure:
    """Return the picture of a result, one that its command writes.

    Scans and regions are drawn with their boundaries at 90 and 95 %, fits and rates as spectra, expected counts (`likelihood.counts`) as stacks;
    several of these, in a tuple or list, in one picture.

    Parameters
    ----------
    result
        What a verb returns, or expected counts.
    ax
        Axes to draw on, of a picture that has one pair of axes; in a new figure, unknown to pyplot, by default.
    look
        Style, title, labels and limits: `cf.Look(style="paper", xlim=(1, 1000))`.

    Returns
    -------
    The figure, that of `ax` where it is given; `savefig` writes it.

    Raises
    ------
    KindError
        If it is nothing that has a picture.
    CevnsfitError
        If the picture needs axes of its own.

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
    first = inner[0] if inner else None
    together, alone = _shown_by(first, _TOGETHER), _shown_by(result, _PICTURES)
    if together is not None and any(_shown_by(one, _TOGETHER) is not together for one in inner):
        message = f"results of one sort share a picture, not {', '.join(sorted({type(one).__name__ for one in inner}))}"
        raise KindError(message)
    draw = alone if together is None else together
    if draw is None:
        message = f"a {type(result).__name__} has no picture; these have one: {', '.join(sorted({*_PICTURES, *_TOGETHER}))}"
        raise KindError(message)
    if ax is not None and "ax" not in signature(draw).parameters:
        message = f"the picture of a {type(first).__name__} has several axes: draw it without `ax`"
        raise CevnsfitError(message)
    figure: Figure = draw(result if together is None else several, look=look, **({} if ax is None else {"ax": ax}))
    return figure


def _inside(result: object) -> object:
    """Return the first result in mappings of results."""
    while isinstance(result, Mapping) and result:
        result = next(iter(result.values()))
    return result


def _parts(result: object) -> Iterator[str | Sheet]:
    if isinstance(result, Mapping):
        result = [*result.values()]
    several = result if isinstance(result, tuple | list) else [result]
    of_one, of_all = (_shown_by(several[0], homes) if several else None for homes in (_TEXTS, _LISTS))
    if of_all is not None and len(set(map(type, several))) == 1 and (of_one is None or several is result):
        yield from of_all(several)
    elif several is result:
        for each in several:
            yield from _parts(each)
    elif of_one is not None:
        yield from of_one(result)
    else:
        message = f"a {type(result).__name__} has no table; these have one: {', '.join(sorted({*_TEXTS, *_LISTS}))}"
        raise KindError(message)


def _shown_by(result: object, homes: Mapping[str, str]) -> Callable[..., Any] | None:
    """Return the function for results of a class, or of one that it inherits from; None if there is none."""
    for kind in type(result).__mro__:
        if kind.__name__ in homes and kind.__module__.startswith("cevnsfit."):
            module, _, name = homes[kind.__name__].partition(":")
            function: Callable[..., Any] = getattr(import_module(f"cevnsfit.studies.{module}"), name)
            return function
    return None
