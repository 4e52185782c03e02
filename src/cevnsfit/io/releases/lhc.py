"""Limits of ATLAS and CMS on simplified models, and the cross sections of the LHC SUSY working group, to tables.

The limits are the maps on HEPData in the text form of a public database: entries `name: value`, in which `upperLimits` is a list of masses of
both chains of decays and a cross section, an entry a line. Nothing of it is executed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import Problem, SpecError
from cevnsfit.core.paths import read_bytes
from cevnsfit.io.releases.reading import LARGEST_FILE, PROBLEMS_PER_FILE, Arrays, Release, ReleasedFile
from cevnsfit.io.tables import Table

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_FEMTOBARN: Final = {"fb": 1.0, "pb": 1000.0}
_GEV: Final = {"GeV": 1.0, "TeV": 1000.0}
_FIELD: Final = re.compile(r"(\w+):")
_ENTRY: Final = re.compile(r"\[{3,4}([^\[\]]+)\],\[([^\[\]]+)\]\],([^\[\],]+)\]{1,2},?")
_QUANTITY: Final = re.compile(r"([0-9.]+(?:[eE][+-]?[0-9]+)?)\*(\w+)", re.ASCII)

_ANALYSES: Final = {
    "ATLAS-SUSY-2018-16": (
        "ATLAS, Phys. Rev. D 101 (2020) 052005, arXiv:1911.12606, doi 10.1103/PhysRevD.101.052005",
        {"TChiWZoff": "fig. aux. 41a", "TSlepSlep": "fig. aux. 44a"},
    ),
    "ATLAS-SUSY-2018-32": (
        "ATLAS, Eur. Phys. J. C 80 (2020) 123, arXiv:1908.08215, doi 10.1140/epjc/s10052-019-7594-6",
        {"TChiWW": "fig. aux. 3a", "TChipChimSlepSlep": "fig. 7b", "TSlepSlep": "fig. 7c"},
    ),
    "ATLAS-SUSY-2018-41": (
        "ATLAS, Phys. Rev. D 104 (2021) 112010, arXiv:2108.07586, doi 10.1103/PhysRevD.104.112010",
        {"TChiWH": "fig. aux. 8c", "TChiWW": "fig. aux. 8a", "TChiWZ": "fig. aux. 7b"},
    ),
    "ATLAS-SUSY-2018-42": ("ATLAS, arXiv:2205.06013", {"THSCPM1b": "fig. aux. 29e"}),
    "ATLAS-SUSY-2019-02": ("ATLAS, arXiv:2209.13935", {"TChiWW": "fig. aux. 5", "TSlepSlep": "fig. aux. 4"}),
    "ATLAS-SUSY-2019-08": (
        "ATLAS, Eur. Phys. J. C 80 (2020) 691, arXiv:1909.09226, doi 10.1140/epjc/s10052-020-8050-3",
        {"TChiWH": "fig. aux. 3"},
    ),
    "ATLAS-SUSY-2019-09": (
        "ATLAS, Eur. Phys. J. C 81 (2021) 1118, arXiv:2106.01676, doi 10.1140/epjc/s10052-021-09749-7",
        {"TChiWH": "fig. 17", "TChiWZ": "fig. aux. 6a", "TChiWZoff": "figs. aux. 6a and 6c"},
    ),
    "CMS-SUS-20-001": (
        "CMS, JHEP 04 (2021) 123, arXiv:2012.08600, doi 10.1007/JHEP04(2021)123",
        {"TChiWZ": "fig. 11", "TSlepSlep": "fig. 14"},
    ),
    "CMS-SUS-21-002": (
        "CMS, Phys. Lett. B 842 (2023) 137460, arXiv:2205.09597, doi 10.1016/j.physletb.2022.137460",
        {"TChiWH": "fig. 4c", "TChiWW": "fig. 4a", "TChiWZ": "fig. 4b"},
    ),
}
"""The publication of each analysis, and the figure of each topology."""

_MUONS: Final = "Assumes that as many muons as electrons or more are made: sigma(mu mu) >= sigma(e e)."
_REMARKS: Final = {
    "ATLAS-SUSY-2018-16.TChiWZoff": (
        "The cross section is that into Z* to e e or mu mu and W* to quarks (assumed, as in the public database); with it a pure wino is",
        "excluded to 223 GeV at a mass difference of 10 GeV, where the publication has 240 GeV.",
    ),
    "ATLAS-SUSY-2018-32.TChipChimSlepSlep": (
        "Assumes the three flavours alike: 4/9 of the cross section are in electrons and muons, half of these in e mu.",
        _MUONS,
    ),
    "ATLAS-SUSY-2018-32.TSlepSlep": (_MUONS,),
    "CMS-SUS-20-001.TSlepSlep": (_MUONS,),
}
_FINAL_STATES: Final = {
    "TSlepSlep": (
        ("slepton", "neutralino"),
        "pairs of sleptons, each to e or mu + neutralino; electrons and muons, left and right, are summed",
    ),
    "TChiWW": (("chargino", "neutralino"), "C1 C1, each to W + neutralino"),
    "TChiWZ": (("chargino", "neutralino"), "C1 N2 of one mass, to W + neutralino and Z + neutralino"),
    "TChiWH": (("chargino", "neutralino"), "C1 N2 of one mass, to W + neutralino and h(125) + neutralino"),
    "TChiWZoff": (("chargino", "neutralino"), "C1 N2 of one mass, to neutralinos and virtual W and Z"),
    "TChipChimSlepSlep": (
        ("chargino", "slepton", "neutralino"),
        "C1 C1 to leptons, neutrinos and neutralinos through sleptons or sneutrinos half way between the masses",
    ),
    "THSCPM1b": (("chargino",), "pairs of charged particles that leave the detector"),
}
"""The masses of a chain and the final state, by the name of the topology."""

_APART: Final = ("TChiWZoff",)
"""Topologies with a second plane, in which the masses of C1 and N2 differ."""


@dataclass(frozen=True, slots=True)
class LimitMap:
    """The file of one topology of one analysis, a `ReleasedContent`.

    Attributes
    ----------
    analysis, topology
        Their names; the file is `limits/ANALYSIS.TOPOLOGY.txt`.
    """

    analysis: str
    topology: str

    @property
    def name(self) -> str:
        """Return the name of the table."""
        return f"{self.analysis}.{self.topology}"

    @property
    def key(self) -> str:
        """Return the path of the file."""
        return f"limits/{self.name}.txt"

    def read(self, source: Path) -> NDArray[np.float64]:
        """Return the masses of both chains in GeV and the limit in fb, shape (rows, columns); SpecError with the first problems."""
        path = source / self.key
        content = read_bytes(path, LARGEST_FILE, "expected the limits of one topology").decode("utf-8", errors="replace")
        rows: list[tuple[int, list[float] | None]] = []
        inside = False
        for number, line in enumerate(content.splitlines(), 1):
            field = _FIELD.match(line)
            inside = field[1] == "upperLimits" if field else inside
            text = line[field.end() :].strip() if field else line.strip()
            if inside and text:
                rows.append((number, _entry(text)))
        wanted = "expected [[[MASS*GeV, ...],[MASS*GeV, ...]],LIMIT*fb or *pb]"
        problems = [Problem(str(path), number, "upperLimits", f"cannot be read; {wanted}") for number, row in rows if row is None]
        values = [row for _, row in rows if row is not None]
        names = _FINAL_STATES[self.topology][0]
        if not problems and {len(row) for row in values} != {2 * len(names) + 1}:
            problems = [Problem(str(path), None, "upperLimits", f"should have rows with the masses of {', '.join(names)} in each chain")]
        if problems:
            raise SpecError(problems[:PROBLEMS_PER_FILE])
        found = np.array(values)
        if self.topology not in _APART and np.any(found[:, : len(names)] != found[:, len(names) : -1]):
            raise SpecError([Problem(str(path), None, "upperLimits", "has chains of different masses; expected the same")])
        return found

    def about(self) -> tuple[str, ...]:
        """Return the comment lines of the table."""
        publication, figures = _ANALYSES[self.analysis]
        return (
            f"Upper limits on cross sections at 13 TeV, 95 % confidence level: {_FINAL_STATES[self.topology][1]}.",
            f"source: {publication}; {figures[self.topology]}, from HEPData through a public database (2024)",
            *_REMARKS.get(self.name, ()),
        )


def _entry(text: str) -> list[float] | None:
    """Return the masses of both chains and the limit, or None."""
    entry = _ENTRY.fullmatch(text)
    if entry is None:
        return None
    masses = [_quantity(mass, _GEV) for chain in (entry[1], entry[2]) for mass in chain.split(",")]
    limit = _quantity(entry[3], _FEMTOBARN)
    if limit is None or not 0.0 < limit < np.inf or len(masses) % 2:
        return None
    values = [mass for mass in masses if mass is not None]
    return [*values, limit] if len(values) == len(masses) else None


def _quantity(text: str, units: dict[str, float]) -> float | None:
    """Return a number with a unit in the unit of the tables, or None."""
    found = _QUANTITY.fullmatch(text.strip())
    return round(float(found[1]) * units[found[2]], 9) if found and found[2] in units else None


@dataclass(frozen=True, slots=True)
class CrossSections:
    """A table of cross sections with the file that says its units, a `ReleasedContent`.

    Attributes
    ----------
    name
        Of both files.
    process
        In words.
    """

    name: str
    process: str

    @property
    def key(self) -> str:
        """Return the path of the file with the units."""
        return f"cross-sections/{self.name}.info"

    def read(self, source: Path) -> NDArray[np.float64]:
        """Return masses in GeV, cross sections and their larger error in fb, shape (rows, 3); SpecError where units are not known."""
        path = source / self.key
        about = read_bytes(path, LARGEST_FILE, "expected the units of the columns").decode("utf-8", errors="replace")
        try:
            units = {column["name"]: column["unit"] for column in json.loads(about)["columns"]}
            mass, section, *errors = units
            scale = _FEMTOBARN[units[section]]
            relative = {"%": True, units[section]: False}
            kinds = [relative[units[name]] for name in errors]
            mass_scale = _GEV[units[mass]]
        except (ValueError, KeyError, TypeError):
            message = (
                "should list columns with name and unit: a mass [GeV], a cross section [fb] or [pb], errors [%] or as the cross section"
            )
            raise SpecError([Problem(str(path), None, "columns", message)]) from None
        rows = ReleasedFile(f"cross-sections/{self.name}.csv", tuple(units), lowest=-100.0).read(source)
        sizes = [abs(rows[:, 2 + k]) * (rows[:, 1] / 100.0 if kind else 1.0) for k, kind in enumerate(kinds)]
        return np.stack([rows[:, 0] * mass_scale, rows[:, 1] * scale, np.max(sizes, axis=0) * scale], axis=1)


_LIMITS: Final = tuple(LimitMap(analysis, topology) for analysis, (_, figures) in _ANALYSES.items() for topology in figures)

_SECTIONS: Final = {
    "sleptons_left.csv": CrossSections("13TeVslepslep_pdf4lhc15_ll", "pairs of left selectrons, PDF4LHC15"),
    "sleptons_right.csv": CrossSections("13TeVslepslep_pdf4lhc15_rr", "pairs of right selectrons, PDF4LHC15"),
    "wino_c1c1.csv": CrossSections("13TeVx1x1wino_envelope", "pairs of charginos, pure winos"),
    "wino_c1n2.csv": CrossSections("13TeVn2x1wino_envelope_pm", "chargino of either charge and neutralino, pure winos"),
    "higgsino_c1c1.csv": CrossSections("13TeVx1x1hino_deg_envelope", "pairs of charginos, pure higgsinos of one mass"),
    "higgsino_c1n2.csv": CrossSections(
        "13TeVn2x1hino_deg_envelope_pm", "chargino of either charge and one of two neutralinos, pure higgsinos of one mass"
    ),
}

_TRACKS: Final = Table(
    (
        "Reach of searches for disappearing tracks, 95 % confidence level: chargino mass of a pure state at its own lifetime.",
        "source: ATLAS, Eur. Phys. J. C 82 (2022) 606, arXiv:2201.02472, numbers of the abstract",
        "Lifetime of the higgsino: assumed, 0.03 ns for a mass difference of 0.34 GeV.",
    ),
    {"wino [1]": np.array([1.0, 0.0]), "lifetime [ns]": np.array([0.2, 0.03]), "chargino [GeV]": np.array([660.0, 210.0])},
)


def _tables(files: Arrays) -> dict[str, Table]:
    """Return the tables of all maps; where the masses of the two chains differ (higgsinos), a table of their own."""
    tables = {"ATLAS-SUSY-2018-19.disappearing.csv": _TRACKS}
    for entry in _LIMITS:
        rows = files[entry.key]
        names = _FINAL_STATES[entry.topology][0]
        half = len(names)
        alike = np.all(rows[:, :half] == rows[:, half:-1], axis=1)
        tables[f"{entry.name}.csv"] = Table(entry.about(), _columns(rows[alike][:, [*range(half), -1]], names))
        if not alike.all():
            # N2 first, C1 half way between it and the lightest one
            apart = rows[~alike][:, [2, 0, 1, -1]]
            about = (*entry.about(), "Higgsinos: the mass of C1 lies half way between those of both neutralinos.")
            tables[f"{entry.name}-higgsino.csv"] = Table(about, _columns(apart, ("chargino", "neutralino2", "neutralino")))
    for name, process in _SECTIONS.items():
        about = (
            f"Cross sections in pp collisions at 13 TeV, NLO + NLL, and the larger of their errors: {process.process}.",
            "source: LHC SUSY cross-section working group (Resummino), through a public package; B. Fuks et al., arXiv:1304.0790, J. Fiaschi and M. Klasen, arXiv:1805.11322",
        )
        mass, section, error = files[process.key].T
        tables[name] = Table(about, {"mass [GeV]": mass, "cross_section [fb]": section, "error [fb]": error})
    return tables


def _columns(rows: NDArray[np.float64], names: tuple[str, ...]) -> dict[str, NDArray[np.float64]]:
    return {f"{name} [GeV]": rows[:, k] for k, name in enumerate(names)} | {"limit [fb]": rows[:, -1]}


RELEASE: Final = Release(files=(*_LIMITS, *_SECTIONS.values()), tables=_tables)
