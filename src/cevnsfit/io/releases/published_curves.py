"""Curves of papers that ours are compared with: -2 Delta ln L of LAr 2020, confidence levels of CsI 2017."""

from __future__ import annotations

from typing import Final

from cevnsfit.io.releases.reading import Arrays, Release, ReleasedFile
from cevnsfit.io.tables import Table

_LAR: Final = "lar-2020-fig8-analysis-a.csv"
_LEVELS: Final = {flavour: f"7stats-fc-results_eps{short}_nomarg_144bins_newpull.txt" for flavour, short in (("ee", "ee"), ("mumu", "mm"))}


def _tables(files: Arrays) -> dict[str, Table]:
    counts, height = files[_LAR].T
    found = {
        "lar-2020-fig-8.csv": Table(
            (
                "LAr 2020: -2 Delta ln L against counts of coherent scattering.",
                "Source: arXiv:2003.10630, fig. 8, analysis A, read from the vector figure.",
            ),
            {"counts [1]": counts, "delta_nll2 [1]": height},
        )
    }
    for flavour, name in _LEVELS.items():
        eps, level = files[name].T
        found[f"7stats-{flavour}.csv"] = Table(
            (
                f"CsI 2017: confidence level at which eps_{flavour} (up and down quarks alike) is excluded, by a Feldman-Cousins construction.",
                "Source: P. B. Denton and J. Gehrlein, arXiv:2008.06062, files of the authors; percent made fractions.",
            ),
            {"eps [1]": eps, "level [1]": level / 100.0},
        )
    return found


RELEASE: Final = Release(
    files=(
        ReleasedFile(_LAR, ("cevns_counts", "minus2_dlnL")),
        *(ReleasedFile(name, ("eps", "level"), lowest=-1.0) for name in _LEVELS.values()),
    ),
    tables=_tables,
)
