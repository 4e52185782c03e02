"""Limits of others in a plane: CSV files with their provenance, and DARKCAST `.lmt` files.

References
----------
P. Ilten, Y. Soreq, M. Williams, W. Xue, JHEP 06, 004 (2018), arXiv:1801.04847 (DARKCAST).
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import Problem, SpecError
from cevnsfit.core.units import UnitError, parse, plain_number
from cevnsfit.infer.limit import Limit
from cevnsfit.spec.tables import content, separator_hint, sheet_lines

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Rows = list[tuple[int, list[float]]]
    PlaneUnits = tuple[tuple[str, str], tuple[str, str]]

MEV_PER_GEV: Final = 1000.0
NO_LIMIT: Final = 1e5
"""Coupling at which DARKCAST stops looking for a limit (its default `gmax`)."""

PROBLEMS: Final = 10
"""Most of one file that are told."""

_LARGEST: Final = 10_000_000
_SAID: Final = re.compile(r"#\s*(title|kind|source|model|limit|normalisation|made):\s*(\S.*)")
_HEADER: Final = re.compile(r"([A-Za-z]\w*) \[([^\[\]]+)\]", re.ASCII)
MASS_AND_COUPLING: Final = (("mass", "MeV"), ("g", "1"))


def read_overlay(path: Path, plane: PlaneUnits = MASS_AND_COUPLING, label: str | None = None) -> Limit:
    """Return a limit; in planes other than (mass, g), and where a coupling is not positive, it is a line of which no side is meant.

    Parameters
    ----------
    path
        A `.lmt` file, or a CSV file: comment lines with `# source: ...`, the header `NAME [unit],NAME [unit]`, then rows of two
        numbers; an empty line parts two pieces.
    plane
        Name and unit of the two parameters of the plane; the columns of a CSV file are converted to them.
    label
        Its name; that in the file ("title") or of the file by default.

    Raises
    ------
    SpecError
        With every problem of the file: it is missing or too large, has no source, is of another plane, or a row is not numbers.
    """
    lines = sheet_lines(path, _LARGEST)
    said = {found[1]: found[2].strip() for found in map(_SAID.match, lines) if found is not None}
    called = said.get("title", path.stem) if label is None else label
    if path.suffix.lower() == ".lmt":
        points, remarks = _read_lmt(path, lines, plane)
        said.setdefault("source", path.name)
    else:
        points, remarks = _read_csv(path, lines, plane, sourced="source" in said), []
    known = plane == MASS_AND_COUPLING and not np.any(points <= 0.0)
    return Limit(
        called,
        points,
        ("band" if said.get("kind") == "band" else "limit") if known else "line",
        model=said.get("model", ""),
        level=said.get("limit", ""),
        source=said.get("source", ""),
        normalisation=said.get("normalisation", ""),
        made=said.get("made", ""),
        remarks=tuple(f"{called}: {text}" for text in remarks),
    )


def _read_csv(path: Path, lines: Sequence[str], plane: PlaneUnits, *, sourced: bool) -> NDArray[np.float64]:
    problems: list[Problem] = []
    if not sourced:
        problems.append(Problem(str(path), None, "", "a comment line '# source: ...' should say where the curve comes from"))
    found = list(itertools.dropwhile(lambda row: not row[1], content(lines)))
    if not found:
        raise SpecError([*problems, Problem(str(path), None, "", "a curve needs a header and at least one row of two numbers")])
    (number, header), *rows = found
    scales = _scales(path, number, header, plane, problems)
    pieces = [_numbers(path, piece, ",", (2,), problems) for piece in _pieces(rows)]
    if not any(pieces):
        problems.append(Problem(str(path), None, "", "a curve needs at least one row of two finite numbers"))
    if problems:
        raise SpecError(problems[:PROBLEMS])
    return _joined([np.array([values for _, values in piece]) * scales for piece in pieces])


def _scales(path: Path, number: int, header: str, plane: PlaneUnits, problems: list[Problem]) -> NDArray[np.float64]:
    """Return the factors, shape (2,), that bring the columns to the units of the plane."""
    names = " and ".join(f"{name} [{unit}]" for name, unit in plane)
    columns = [_HEADER.fullmatch(cell.strip()) for cell in header.split(",")]
    found = [column.groups() for column in columns if column is not None]
    if len(columns) != 2 or [name for name, _ in found] != [name for name, _ in plane]:
        problems.append(Problem(str(path), number, "", f"the header should name the two columns {names}{separator_hint(header)}"))
        return np.ones(2)
    scales = np.ones(2)
    for index, ((_, given), (_, wanted)) in enumerate(zip(found, plane, strict=True)):
        try:
            scales[index] = 1.0 if given == wanted else parse(f"1 {given}", "" if wanted == "1" else wanted)
        except UnitError as error:
            problems.append(Problem(str(path), number, "", str(error)))
    return scales


def _read_lmt(path: Path, lines: Sequence[str], plane: PlaneUnits) -> tuple[NDArray[np.float64], list[str]]:
    """Return a limit in (mass, g), an open line where it has a lower end only and closed loops where it has both, and what was left out."""
    problems: list[Problem] = []
    if plane != MASS_AND_COUPLING:
        problems.append(Problem(str(path), None, "", "a DARKCAST limit is a curve in (mass, g), the grids of this analysis are others"))
    rows = _numbers(path, [(n, line) for n, line in content(lines) if line], None, (2, 3), problems)
    if len({len(values) for _, values in rows}) != 1:
        problems.append(Problem(str(path), None, "", "a limit needs rows of mass and lower end, or of mass, lower and upper end"))
    massless = [n for n, values in rows if values[0] == 0.0]
    kept = [(n, values) for n, values in rows if values[0] != 0.0]
    problems += [Problem(str(path), n, "", "masses and couplings are positive") for n, values in kept if min(values) <= 0.0]
    if not kept and not problems:
        problems.append(Problem(str(path), None, "", "there is no limit at any mass"))
    if problems:
        raise SpecError(problems[:PROBLEMS])
    remarks = [f"line {n}: a row of mass 0 is left out" for n in massless]
    table = np.array([values for _, values in kept]).reshape(len(kept), -1) * np.array([MEV_PER_GEV, 1.0, 1.0])[: len(rows[0][1])]
    if any(re.fullmatch(r"#\s*mass\s+\S+\s+r\s*", line) for line in lines):
        table = _ratio_ends(path, kept, table)
        remarks.append(
            "ratios of the expected to the excluded signal; what is excluded are those above 1, to the end of the couplings in the file"
        )
    else:
        again = [n for (_, (before, *_)), (n, (mass, *_)) in itertools.pairwise(kept) if mass == before]
        if again and table.shape[1] == 3:
            text = "repeats the mass of the row above; rows of mass, coupling and ratio r need the comment line '# mass g r'"
            raise SpecError([Problem(str(path), again[0], "", text)])
    if np.all(table[:, 1] >= NO_LIMIT):
        raise SpecError([Problem(str(path), None, "", "there is no limit at any mass")])
    return boundary(table), remarks


def _ratio_ends(path: Path, rows: Rows, table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each mass the ends of the couplings whose ratio exceeds 1, with straight lines in both logarithms between those of the file."""
    found: list[tuple[float, float, float]] = []
    for mass in np.unique(table[:, 0]):
        at = table[table[:, 0] == mass][:, 1:]
        g, r = np.log(at[np.argsort(at[:, 0])]).T
        above = np.flatnonzero(r > 0.0)
        if len(above) and np.any(np.diff(above) > 1):
            line = next(n for n, values in rows if values[0] * MEV_PER_GEV == mass)
            raise SpecError([Problem(str(path), line, "", f"at {mass:g} MeV the ratio exceeds 1 in several intervals; one is understood")])
        start = end = np.inf
        if len(above):
            low, high = above[0], above[-1]
            start = g[low] if low == 0 else g[low] - r[low] * (g[low] - g[low - 1]) / (r[low] - r[low - 1])
            end = g[high] if high == len(g) - 1 else g[high] - r[high] * (g[high + 1] - g[high]) / (r[high + 1] - r[high])
        found.append((mass, np.exp(start), np.exp(end)))
    return np.array(found)


def boundary(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the boundary of rows of mass, lower and perhaps upper end: a line or a loop for each run of masses that have a limit."""
    slices = np.ma.clump_unmasked(np.ma.masked_greater_equal(table[:, 1], NO_LIMIT))  # type: ignore[no-untyped-call]
    runs = (table[run] for run in slices)
    return _joined([run if run.shape[1] == 2 else np.concatenate([run[:, :2], run[::-1, ::2], run[:1, :2]]) for run in runs])


def _pieces(rows: Sequence[tuple[int, str]]) -> list[list[tuple[int, str]]]:
    """Return the rows between empty lines."""
    pieces: list[list[tuple[int, str]]] = [[]]
    for number, line in rows:
        if line:
            pieces[-1].append((number, line))
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def _numbers(path: Path, rows: Sequence[tuple[int, str]], separator: str | None, widths: tuple[int, ...], problems: list[Problem]) -> Rows:
    """Return the rows as numbers, and add those that are not to `problems`, without their text: the file may be none of ours."""
    read: Rows = []
    for number, line in rows:
        values = [plain_number(cell) for cell in line.split(separator)]
        if len(values) not in widths or not np.isfinite(values).all():
            wanted = " or ".join(map(str, widths))
            found = f"{np.isfinite(values).sum()} (cells: {len(values)})"
            hint = "" if separator is None else separator_hint(line)
            problems.append(Problem(str(path), number, "", f"expected {wanted} finite numbers, found {found}{hint}"))
            continue
        read.append((number, values))
    return read


def _joined(pieces: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    gap = np.full((1, 2), np.nan)
    return np.concatenate([part for piece in pieces for part in (gap, piece)][1:])
