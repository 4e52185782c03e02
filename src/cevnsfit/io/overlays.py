"""Limits of others as curves in a plane: CSV files with their provenance, and DARKCAST `.lmt` files.

References
----------
P. Ilten, Y. Soreq, M. Williams, W. Xue, JHEP 06, 004 (2018), arXiv:1801.04847 (DARKCAST).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import Problem, SpecError
from cevnsfit.core.units import UnitError, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Rows = list[tuple[int, list[float]]]
    PlaneUnits = tuple[tuple[str, str], tuple[str, str]]

MEV_PER_GEV: Final = 1000.0
NO_LIMIT: Final = 1e5
"""Coupling at which DARKCAST stops looking for a limit (its default `gmax`)."""

_LARGEST: Final = 10_000_000
_HEADER: Final = re.compile(r"([A-Za-z]\w*) \[([^\[\]]+)\]", re.ASCII)
_MASS_AND_COUPLING: Final = (("mass", "MeV"), ("g", "1"))


def read_overlay(path: Path, plane: PlaneUnits = _MASS_AND_COUPLING) -> NDArray[np.float64]:
    """Return the points of a curve, shape (n, 2); a row of NaN parts two pieces.

    Parameters
    ----------
    path
        A `.lmt` file, or a CSV file: comment lines with `# source: ...`, the header `NAME [unit],NAME [unit]`, then rows of two
        numbers; an empty line parts two pieces.
    plane
        Name and unit of the two parameters of the plane; the columns of a CSV file are converted to them.

    Raises
    ------
    SpecError
        With every problem of the file: it is missing or too large, has no source, is of another plane, or a row is not numbers.
    """
    if not path.is_file() or path.stat().st_size > _LARGEST:
        raise SpecError([Problem(str(path), None, "", "no such file, or larger than 10 MB")])
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    if path.suffix.lower() == ".lmt":
        return _read_lmt(path, lines, plane)
    return _read_csv(path, lines, plane)


def _read_csv(path: Path, lines: Sequence[str], plane: PlaneUnits) -> NDArray[np.float64]:
    problems: list[Problem] = []
    if not any(re.match(r"#\s*source:\s*\S", line) for line in lines):
        problems.append(Problem(str(path), None, "", "a comment line '# source: ...' should say where the curve comes from"))
    content = [(number, line.strip()) for number, line in enumerate(lines, 1) if not line.startswith("#")]
    while content and not content[0][1]:
        content.pop(0)
    if not content:
        raise SpecError([*problems, Problem(str(path), None, "", "a curve needs a header and at least one row of two numbers")])
    (number, header), *rows = content
    scales = _scales(path, number, header, plane, problems)
    pieces = [_numbers(path, piece, ",", (2,), problems) for piece in _pieces(rows)]
    if not any(pieces):
        problems.append(Problem(str(path), None, "", "a curve needs at least one row of two finite numbers"))
    if problems:
        raise SpecError(problems)
    return _joined([np.array([values for _, values in piece]) * scales for piece in pieces])


def _scales(path: Path, number: int, header: str, plane: PlaneUnits, problems: list[Problem]) -> NDArray[np.float64]:
    """Return the factors, shape (2,), that bring the columns to the units of the plane."""
    names = " and ".join(f"{name} [{unit}]" for name, unit in plane)
    columns = [_HEADER.fullmatch(cell.strip()) for cell in header.split(",")]
    found = [column.groups() for column in columns if column is not None]
    if len(columns) != 2 or [name for name, _ in found] != [name for name, _ in plane]:
        problems.append(Problem(str(path), number, "", f"the header '{header[:60]}' should name the two columns {names}"))
        return np.ones(2)
    scales = np.ones(2)
    for index, ((_, given), (_, wanted)) in enumerate(zip(found, plane, strict=True)):
        try:
            scales[index] = 1.0 if given == wanted else parse(f"1 {given}", "" if wanted == "1" else wanted)
        except UnitError as error:
            problems.append(Problem(str(path), number, "", str(error)))
    return scales


def _read_lmt(path: Path, lines: Sequence[str], plane: PlaneUnits) -> NDArray[np.float64]:
    """Return a limit in (mass, g): an open line when it has a lower end only, a closed loop when it has both."""
    problems: list[Problem] = []
    if plane != _MASS_AND_COUPLING:
        problems.append(Problem(str(path), None, "", "a DARKCAST limit is a curve in (mass, g), the grids of this analysis are others"))
    rows = _numbers(
        path, [(n, line) for n, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")], None, (2, 3), problems
    )
    widths = {len(values) for _, values in rows}
    if len(widths) != 1:
        problems.append(Problem(str(path), None, "", "a limit needs rows of mass and lower end, or of mass, lower and upper end"))
    problems += [Problem(str(path), n, "", "masses and couplings are positive") for n, values in rows if min(values) <= 0.0]
    if problems:
        raise SpecError(problems)
    table = np.array([values for _, values in rows])
    table[:, 0] *= MEV_PER_GEV
    limited = table[:, 1] < NO_LIMIT
    if not limited.any():
        raise SpecError([Problem(str(path), None, "", "there is no limit at any mass")])
    pieces = [piece[ok] for piece, ok in _runs(table, limited) if ok[0]]
    return _joined([piece if piece.shape[1] == 2 else _loop(piece) for piece in pieces])


def _loop(piece: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the closed curve along the lower ends and back along the upper ones; `piece` has the columns mass, lower, upper."""
    there, back = piece[:, :2], piece[::-1, ::2]
    return np.concatenate([there, back, there[:1]])


def _runs(table: NDArray[np.float64], good: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
    edges = np.flatnonzero(np.diff(good)) + 1
    return zip(np.split(table, edges), np.split(good, edges), strict=True)


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
    """Return the rows as numbers, and add those that are not to `problems`."""
    read: Rows = []
    for number, line in rows:
        try:
            values = [float(cell) for cell in line.split(separator)]
        except ValueError:
            values = []
        if len(values) not in widths or not np.isfinite(values).all():
            wanted = " or ".join(map(str, widths))
            problems.append(Problem(str(path), number, "", f"'{line[:60]}' is not {wanted} finite numbers"))
            continue
        read.append((number, values))
    return read


def _joined(pieces: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    gap = np.full((1, 2), np.nan)
    return np.concatenate([part for piece in pieces for part in (gap, piece)][1:])
