"""COHERENT CsI[Na] 2021: event lists, neutron shapes, efficiency and scintillation coefficients (arXiv:2110.07730)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.io.releases.reading import Arrays, Release, ReleasedFile
from cevnsfit.io.tables import Table, bin_columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SOURCE: Final = "Source: COHERENT Collaboration, ancillary files of arXiv:2110.07730."
_EVENTS: Final = {"coincident": "dataBeamOnC.txt", "anticoincident": "dataBeamOnAC.txt"}
_NEUTRONS_PE: Final = {"brn": "brnPE.txt", "nin": "ninPE.txt"}
_NEUTRONS_TIME: Final = {"brn": "brnTrec.txt", "nin": "ninTrec.txt"}
_EFFICIENCY: Final = "effCoefficients.txt"
_SCINTILLATION: Final = "scintRespCoefficients.txt"
_PE_BINS: Final = 250
_TIME_BINS: Final = 48
_BINS_PER_US: Final = 8


def _histogram(events: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Return the counts in bins of 1 PE and 1/8 us, shape (250 * 48,), and the number of events outside.

    An event on an edge belongs to the upper bin. All edges are exact in binary, and a decimal number rounds to an edge only
    if it is that edge, so the floor is exact.
    """
    pe, time = np.floor(events[:, 0]), np.floor(events[:, 1] * _BINS_PER_US)
    inside = (pe >= 0) & (pe < _PE_BINS) & (time >= 0) & (time < _TIME_BINS)
    flat = (pe * _TIME_BINS + time)[inside].astype(np.int64)
    counts = np.bincount(flat, minlength=_PE_BINS * _TIME_BINS).astype(np.float64)
    return counts, int(np.count_nonzero(~inside))


def _event_table(files: Arrays) -> Table:
    histograms = {column: _histogram(files[name]) for column, name in _EVENTS.items()}
    outside = ", ".join(f"{column} {dropped}" for column, (_, dropped) in histograms.items())
    axes = {"pe": np.arange(_PE_BINS + 1.0), "time": np.arange(_TIME_BINS + 1) / _BINS_PER_US}
    return Table(
        (
            "CsI 2021: histogram of the released event lists; an event on an edge belongs to the upper bin.",
            f"Events outside these bins, left out: {outside}.",
            _SOURCE,
        ),
        bin_columns(axes) | {f"{column} [1]": counts for column, (counts, _) in histograms.items()},
    )


def _coefficient_tables(files: Arrays) -> dict[str, Table]:
    a, b, c, d = files[_EFFICIENCY].T
    efficiency = {"variation [1]": np.array([0.0, 1.0, -1.0]), "a [1]": a, "b [1/PE]": b, "c [PE]": c, "d [1]": d}
    a, b, c, d = files[_SCINTILLATION].T
    scintillation = {
        "component [1]": np.array([0.0, 1.0, 1.0, 2.0, 2.0]),
        "variation [1]": np.array([0.0, 1.0, -1.0, 1.0, -1.0]),
        "a [MeVee/MeVnr]": a,
        "b [MeVee/MeVnr**2]": b,
        "c [MeVee/MeVnr**3]": c,
        "d [MeVee/MeVnr**4]": d,
    }
    return {
        "efficiency.csv": Table(
            (
                "CsI 2021: efficiency(pe) = a / (1 + exp(-b (pe - c))) + d in reconstructed photoelectrons, negative values read as 0.",
                "variation: 0 nominal, 1 and -1 the one-sigma excursions (the second block titled '+1 sigma' in the release is -1 sigma).",
                _SOURCE,
            ),
            efficiency,
        ),
        "scintillation.csv": Table(
            (
                "CsI 2021: E_ee = a T + b T^2 + c T^3 + d T^4 with the recoil energy T.",
                "component: 0 nominal, 1 and 2 the released principal components 0 and 1; variation: their +1 and -1 sigma.",
                _SOURCE,
            ),
            scintillation,
        ),
    }


def _tables(files: Arrays) -> dict[str, Table]:
    pe = {f"{column} [1]": files[name][:, 1] for column, name in _NEUTRONS_PE.items()}
    time = {f"{column} [1]": files[name][:, 1] for column, name in _NEUTRONS_TIME.items()}
    return {
        "events.csv": _event_table(files),
        "neutrons_pe.csv": Table(
            (
                "CsI 2021: shapes of beam-related (brn) and neutrino-induced (nin) neutrons in photoelectrons, as released.",
                "The efficiency in photoelectrons is inside; the sum below 60 PE is 1.",
                _SOURCE,
            ),
            bin_columns({"pe": np.arange(_PE_BINS + 1.0)}) | pe,
        ),
        "neutrons_time.csv": Table(
            (
                "CsI 2021: counts below 250 PE of beam-related (brn) and neutrino-induced (nin) neutrons in time, as released.",
                "The efficiency in time is not inside. The part below 60 PE is the inverse of the sum of neutrons_pe.csv.",
                _SOURCE,
            ),
            bin_columns({"time": np.arange(-25, 626) / 100.0}) | time,
        ),
        **_coefficient_tables(files),
    }


RELEASE: Final = Release(
    files=(
        *(ReleasedFile(name, ("pe", "time")) for name in _EVENTS.values()),
        *(ReleasedFile(name, ("pe", "shape"), grid=(tuple(k + 0.5 for k in range(_PE_BINS)),)) for name in _NEUTRONS_PE.values()),
        *(ReleasedFile(name, ("time", "counts"), grid=(tuple(-0.245 + 0.01 * k for k in range(650)),)) for name in _NEUTRONS_TIME.values()),
        ReleasedFile(_EFFICIENCY, ("a", "b", "c", "d"), rows=3, lowest=-1e6),
        ReleasedFile(_SCINTILLATION, ("a", "b", "c", "d"), rows=5, lowest=-1e6),
    ),
    tables=_tables,
)
