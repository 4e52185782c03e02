"""COHERENT Ge-Mini 2024: counts in time with the beam on and off, and the signal's time shape, from a figure (arXiv:2406.13806)."""

from __future__ import annotations

from typing import Final

import numpy as np

from cevnsfit.io.releases.reading import Arrays, Release, ReleasedFile
from cevnsfit.io.tables import Table, bin_columns

_SOURCE: Final = "Source: COHERENT Collaboration, arXiv:2406.13806, fig. 4, read from the vector figure by a third party; no release by the collaboration."
_TIME: Final = np.arange(-4.0, 35.0, 2.0)
_FILE: Final = "counts_time.csv"
_LINES: Final = np.array([1.5, 8.5, 11.0, 20.0])
"""Ends in keVee of the fit range, between which the second bin, with two lines of germanium, is left out."""

_PARTS: Final = {"selected": [1.0, 0.0, 1.0], "below": [1.0, 0.0, 0.0], "above": [0.0, 0.0, 1.0]}


def _tables(files: Arrays) -> dict[str, Table]:
    _, _, on, off, prompt, delayed = files[_FILE].T
    counts = {"on": on, "off": off, "drawn_prompt": prompt, "drawn_delayed": delayed}
    return {
        "counts.csv": Table(
            (
                "Ge-Mini 2024: events from 1.5 to 20 keVee without 8.5 to 11.0 keVee, in bins of recorded time, with the beam on and off.",
                "drawn: the signal as drawn in the figure at the fitted normalisation (21.0 counts), prompt and delayed neutrinos.",
                _SOURCE,
            ),
            bin_columns({"e_ee": _LINES[[0, -1]], "time": _TIME}) | {f"{name} [1]": values for name, values in counts.items()},
        ),
        "selection.csv": Table(
            ("Ge-Mini 2024: the parts of the energy range that are fitted, below and above the lines at 8.98 and 10.37 keV.", _SOURCE),
            bin_columns({"e_ee": _LINES}) | {f"{name} [1]": np.array(values) for name, values in _PARTS.items()},
        ),
    }


RELEASE: Final = Release(
    files=(ReleasedFile(_FILE, ("time", "end", "on", "off", "prompt", "delayed"), grid=(tuple(_TIME[:-1]),), lowest=-4.0),),
    tables=_tables,
)
