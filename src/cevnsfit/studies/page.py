"""What a study leaves in its folder: tables, pictures, and its page: what was asked, what came out, and what the numbers are not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from cevnsfit.core.version import VERSION
from cevnsfit.core.words import visible
from cevnsfit.report.style import save_figures
from cevnsfit.report.tables import ResultTable, Sheet
from cevnsfit.studies.exclusion import exclusion_picture, write_tables
from cevnsfit.studies.pictures import spectra
from cevnsfit.studies.shown import table
from cevnsfit.studies.sleptons import MASSES, ORDERS, write_pictures
from cevnsfit.studies.slice import write_slice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cevnsfit.infer.limit import Limit
    from cevnsfit.studies.analysis import StudyResult
    from cevnsfit.studies.susy import SusyScan

PAGE: Final = "study.md"

_PLANE: Final = """\
Regions and lines of experiments enclose couplings that are excluded at the confidence levels in the picture, with every systematic profiled; boundaries are in
`exclusion.csv`, allowed intervals in `exclusion_intervals.csv`. Projections have the expectation of the Standard Model for data."""

_REST: Final = "What passes all limits and explains the moment (bands) is left. The table has all masses in `slice.csv`."

_POINTS: Final = """\
Points of the MSSM are drawn at random; those are kept whose sleptons, neutralinos and charginos explain the electron's moment and, together with some gauge boson of
L_mu - L_tau that passes the limits, the muon's. Both loops are exact at one loop with tree-level masses. How often a point is kept says how it was drawn; the ends of
what is kept say what is possible."""

_LHC: Final = """\
The LHC's word is that of simplified models: one pair of superpartners with one decay, its cross section against the limit of one analysis. A point is excluded where one of
these exceeds its limit. A point that no map reaches is *not tested*; nothing here is called allowed, and a full recast may exclude more."""

_EMPTY: Final = "**No point is kept**: nothing of what was drawn explains both moments, and there is nothing to draw."


def write_study(result: StudyResult, folder: Path, *, picture: bool = True) -> tuple[Path, ...]:
    """Write tables and pictures of a study into `folder`, and its page if it has further sections, and return their paths."""
    files = [*write_tables(result.planes, folder)]
    if result.remainders:
        files.append(write_slice(folder / "slice.csv", result.remainders[0].left))
    if picture:
        files += _pictures(result, folder)
    if result.remainders or result.superpartners is not None:
        files.append(_write_page(result, folder, files))
    return tuple(files)


def _pictures(result: StudyResult, folder: Path) -> Iterator[Path]:
    study = result.study
    look, further = study.look.titled(study.title), study.look.elsewhere()
    figure = exclusion_picture(result.planes, study.reference, curves=study.curves, look=look)
    yield from save_figures(figure, folder / "exclusion.png", look)
    if result.fits:
        yield from save_figures(spectra(result.fits, look=further), folder / "spectra.png", further)
    if result.superpartners is not None:
        yield from write_pictures(result.superpartners, folder, further)


def _write_page(result: StudyResult, folder: Path, files: Sequence[Path]) -> Path:
    """Write the page, with the pictures that are among the files of the folder."""
    path, names = folder / PAGE, {file.name for file in files}
    path.write_text("\n\n".join(part.strip() for part in _parts(result, names) if part) + "\n", encoding="utf-8", newline="\n")
    return path


def _parts(result: StudyResult, files: set[str]) -> Iterator[str]:
    study = result.study
    yield from (visible(text).replace("<", "\\<") for text in (f"# {study.title}", study.description))  # mark-up of Markdown, and no HTML
    yield f"Made by cevnsfit {VERSION}. Each number below was computed by the run that left this page; its inputs are in the file of the analysis."
    yield "## The plane of mass and coupling"
    yield from _picture("exclusion.png", "excluded regions", files)
    yield _PLANE
    yield table(result.planes).markdown()
    if result.signal_strengths:
        yield table(result.signal_strengths).markdown()
    yield from _picture("spectra.png", "data and best fits", files)
    applied = result.remainders[0].left.limits if result.remainders else ()
    if study.curves or applied:
        yield _limits(study.curves, applied)
    if result.remainders:
        yield "## What is left of the plane"
        yield _REST
        yield table(result.remainders).markdown()
    if result.superpartners is not None:
        yield from _points(result.superpartners, files)


def _limits(drawn: Sequence[Limit], applied: Sequence[Limit]) -> str:
    """Return where the limits come from that are drawn, and those that are applied to the plane."""
    names = {limit.name for limit in applied}
    both = {limit.name if limit.name else limit.label: limit for limit in (*drawn, *applied)}
    rows = [(one.label, one.level, one.source, one.made, "yes" if name in names else "no") for name, one in both.items()]
    headers = ("limit", "level", "source", "how it was made", "decides below what is left")
    return ResultTable((Sheet("Limits and bands of others", headers, rows),)).markdown()


def _points(scan: SusyScan, files: set[str]) -> Iterator[str]:
    yield "## Superpartners"
    yield _POINTS
    yield table(scan).markdown()
    if not scan.kept:
        yield _EMPTY
        return
    yield _LHC
    yield from _picture(MASSES, "selectron against neutralino mass, selectron mass against hierarchy, tan beta", files)
    yield from _picture(ORDERS, "M1, M2 and |mu| in each of their orders, with what the LHC says", files)


def _picture(name: str, text: str, files: set[str]) -> Iterator[str]:
    shown = [file for file in (name, Path(name).with_suffix(".svg").name) if file in files]
    if shown:
        yield f"![{text}]({shown[0]})"
