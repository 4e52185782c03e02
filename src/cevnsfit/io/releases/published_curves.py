"""Curves of papers that ours are compared with: -2 Delta ln L of LAr 2020, confidence levels of CsI 2017."""

from __future__ import annotations

from typing import Final

from cevnsfit.io.releases.reading import Arrays, Release, ReleasedFile
from cevnsfit.io.tables import Table

_LAR: Final = "lar-2020-fig8-analysis-a.csv"
_LEVELS: Final = {"ee": "7stats-fc-results_epsee_nomarg_144bins_newpull.txt", "mumu": "7stats-fc-results_epsmm_nomarg_144bins_newpull.txt"}
_FIGURE: Final = (
    "LAr 2020: -2 Delta ln L against counts of coherent scattering.",
    "Source: arXiv:2003.10630, fig. 8, analysis A, read from the vector figure.",
)
_FILES: Final = (
    "CsI 2017: confidence level at which eps_ee or eps_mumu (up and down quarks alike) is excluded, by a Feldman-Cousins construction.",
    "Source: P. B. Denton and J. Gehrlein, arXiv:2008.06062, files of the authors; percent made fractions.",
)


def _tables(files: Arrays) -> dict[str, Table]:
    counts, height = files[_LAR].T
    levels = {flavour: files[name] for flavour, name in _LEVELS.items()}
    return {
        "lar-2020-fig-8.csv": Table(_FIGURE, {"counts [1]": counts, "delta_nll2 [1]": height}),
        **{f"7stats-{name}.csv": Table(_FILES, {"eps [1]": rows[:, 0], "level [1]": rows[:, 1] / 100.0}) for name, rows in levels.items()},
    }


RELEASE: Final = Release(
    (ReleasedFile(_LAR, ("counts", "height")), *(ReleasedFile(name, ("eps", "level"), lowest=-1.0) for name in _LEVELS.values())), _tables
)
