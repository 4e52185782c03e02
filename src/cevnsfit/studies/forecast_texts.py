"""What is said of forecasts: lines of text, and tables with titles."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cevnsfit.infer.sensitivity import DISCOVERY
from cevnsfit.report.tables import Sheet, format_intervals
from cevnsfit.studies.forecast import lines_of, varied
from cevnsfit.studies.setup import units_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cevnsfit.studies.forecast import Forecast
    from cevnsfit.studies.whatif import WhatIf

    Parts = Iterator[str | Sheet]


def forecast(result: Forecast) -> Parts:
    """Yield the expected limit with its bands, and the discovery reach."""
    found = result.sensitivity
    poi, (low2, low1, _, high1, high2) = found.median.poi, found.bands
    reach = ", ".join(f"{_number(value)} at {sigma:g} sigma" for sigma, value in zip(DISCOVERY, found.discovery, strict=True))
    counts = ", ".join(f"{count:.1f} ({name})" for name, count in result.events.items())
    yield f"{result.about.label}: {poi} at {100 * found.median.cl:g} % CL, {found.median.dof} dof, {found.median.method}"
    yield f"  {result.data}; {counts} signal events of the Standard Model, {found.live_bins} bins"
    yield f"  median limit: {_number(found.limit)}, 68 % [{_number(low1)}, {_number(high1)}], 95 % [{_number(low2)}, {_number(high2)}]"
    yield f"  bands: {found.bands_method}{f', {found.failed} failed' if found.failed else ''}"
    yield f"  allowed:  {format_intervals(found.median.allowed)}"
    yield f"  excluded: {format_intervals(found.median.excluded)}"
    yield f"  discovery: {reach}"


def forecasts(several: Sequence[Forecast]) -> Parts:
    """Yield expected limits at each value of a held parameter, a table for each set of experiments; one after the other if all values are the same."""
    name = varied(several)
    if not name:
        for one in several:
            yield from forecast(one)
        return
    headers = (
        f"{name} [{units_of(several[0].about.model).get(name, '1')}]",
        "median",
        "68 %",
        "95 %",
        *(f"discovery at {z:g} sigma" for z in DISCOVERY),
    )
    for line in lines_of(several):
        first, median = line[0], line[0].sensitivity.median
        rows = [
            (f"{one.at[name]:.4g}", *_spread(one.sensitivity.limit, one.sensitivity.bands), *map(_number, one.sensitivity.discovery))
            for one in line
        ]
        yield Sheet(f"{first.about.label}: limit on {median.poi} at {100 * median.cl:g} % CL, {median.dof} dof", headers, rows)
        yield f"{first.data}; bands: {first.sensitivity.bands_method}"


def whatif(result: WhatIf) -> Parts:
    """Yield the expected limit at each setting of the fields."""
    headers = (*(f"{f.path} [{f.unit}]" for f in result.fields), "events (SM)", "median limit", "68 %", "95 %", "statistics alone", "ratio")
    rows = [
        (
            *(f"{value:.4g}" for value in row.values),
            f"{row.events:.1f}",
            *_spread(row.limit, row.bands),
            _number(row.statistics_only),
            _number(row.limit / row.statistics_only) if row.statistics_only > 0.0 else "none",
        )
        for row in result.rows
    ]
    held = "".join(f", {name} = {value:g}" for name, value in result.at.items())
    yield Sheet(f"{result.about.label}: limit on {result.poi} at {100 * result.cl:g} % CL, {result.dof} dof{held}", headers, rows)
    yield result.data


def _spread(limit: float, bands: Sequence[float]) -> tuple[str, str, str]:
    """Return a limit, and its 68 % and 95 % bands."""
    low2, low1, _, high1, high2 = map(_number, bands)
    return _number(limit), f"{low1} .. {high1}", f"{low2} .. {high2}"


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "none"
