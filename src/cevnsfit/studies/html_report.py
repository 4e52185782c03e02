"""One page for a colleague: figures, tables, data, provenance, caveats and citations of a result in a single file of HTML."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cevnsfit.core.documents import plain
from cevnsfit.core.errors import KindError, NoDataError
from cevnsfit.core.extras import optional
from cevnsfit.core.version import VERSION, package_versions
from cevnsfit.infer.intervals import levels_at
from cevnsfit.io.layouts import POSTERIOR, SCAN, SUSY
from cevnsfit.io.store import store_exists
from cevnsfit.report.style import style
from cevnsfit.report.tables import Sheet
from cevnsfit.studies.citations import cited
from cevnsfit.studies.exclusion import regions_of
from cevnsfit.studies.fitting import fit
from cevnsfit.studies.posterior import stored_posterior
from cevnsfit.studies.provenance import stored_provenance
from cevnsfit.studies.scan import stored_scans
from cevnsfit.studies.shown import notes_of, plot, table
from cevnsfit.studies.susy import stored_susy_scan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.figure import Figure

    from cevnsfit.studies.scan import Scan

_ROWS: Final = 200
"""Rows of a table of data that the page shows; the file that goes with it has all."""

_LARGEST: Final = 3_000_000
"""Bytes of a drawing beyond which its pixels are shown, and of a file beyond which it is named only."""

_PICTURES: Final = {".png": "image/png", ".svg": "image/svg+xml"}
"""Pictures of the folder; of one name the last."""

_DATA: Final = (".csv", ".json", ".md")
"""Files that go with the page."""

_REDRAWN: Final = {"exclusion", "spectra", "posterior", "susy-masses", "susy-scenarios"}
"""Pictures of results that are drawn anew; those of the folder, which may show limits of others, are folded."""


def write_report(what: object, path: Path) -> tuple[Path, ...]:
    """Write results, or what a folder of results holds, as one page of HTML that needs no other file and no network, and return the path.

    Raises
    ------
    ResultError
        If a folder holds no result.
    KindError
        If something else has no table.
    CevnsfitError
        If jinja2 is missing.
    """
    environment = optional("jinja2", "report").Environment(autoescape=True)
    template = environment.from_string((files("cevnsfit.report") / "report.html").read_text(encoding="utf-8"))
    page = _of_folder(Path(what)) if isinstance(what, str | Path) else _of_results(what)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(template.render(page), encoding="utf-8", newline="\n")
    return (path,)


def _of_results(what: object) -> dict[str, Any]:
    """Return the content of the page of results."""
    first = what
    while isinstance(first, Mapping | tuple | list) and first:
        first = next(iter(first.values() if isinstance(first, Mapping) else first))
    known = getattr(first, "about", None)
    origin = getattr(getattr(first, "likelihood", None), "origin", None)
    names = () if known is None else known.experiments if origin is None else origin.experiments
    model = "" if known is None else known.model
    provenance = {**({} if origin is None else plain(origin)), "packages": package_versions()}
    title = ": ".join(filter(None, (model, ", ".join(names))))
    return _page(title if title else type(first).__name__, [(type(first).__name__, what)], provenance, [cited(names, model)])


def _of_folder(folder: Path) -> dict[str, Any]:
    """Return the content of the page of a folder."""
    known = stored_provenance(folder)
    results = list(_stored(folder))
    parts = known.get("parts", [known, *([known["susy"]] if "susy" in known else [])])
    method = str(known.get("sampler", known.get("method", ""))).removesuffix("-region").partition(":")[0]
    experiments = list(dict.fromkeys(name for part in parts for name in (*part.get("experiments", ()), *part.get("existing", ()))))
    models = list(dict.fromkeys(str(part.get("model", "")) for part in parts))
    citations = [cited(experiments, model, [method]) for model in models]
    title = ": ".join(filter(None, (", ".join(models), ", ".join(known.get("planes", experiments)))))
    page = _page(title if title else f"{known['kind']}: {folder.name}", results, known, citations)
    pictures = {file.stem: file for kind in _PICTURES for file in sorted(folder.glob(f"*{kind}")) if file.stat().st_size < _LARGEST}
    sections = [
        {
            "title": name.replace("_", " ").capitalize(),
            "figures": [_shown(file.read_bytes(), _PICTURES[file.suffix])],
            "folded": bool(results) and name in _REDRAWN,
        }
        for name, file in pictures.items()
    ]
    along = [file for file in sorted(folder.iterdir()) if file.is_file() and file.suffix in _DATA and file.stat().st_size < _LARGEST]
    data = [_data(file, opened=not results) for file in along]
    said = [line for file in data for line in file["comments"] if line.startswith(("model: ", "caveat: "))]
    caveats = list(dict.fromkeys([*page["caveats"], *said]))
    made = f"Made by cevnsfit {VERSION} with: cevnsfit report {folder.resolve().name}"
    return {**page, "made": made, "caveats": caveats, "sections": [*page["sections"], *sections], "files": data}


def _page(
    title: str, results: Sequence[tuple[str, object]], provenance: Mapping[str, Any], citations: Sequence[Sequence[Any]]
) -> dict[str, Any]:
    sections = [
        {"title": name, "parts": table(result).parts, "figures": [*_figures(result, f"figure-{number}-")]}
        for number, (name, result) in enumerate(results, 1)
    ]
    single = [one for _, result in results for one in (result if isinstance(result, tuple | list) else [result])]
    doubts = [f"incomplete: {doubt}" for one in single if (doubt := getattr(one, "doubt", ""))]
    notes = [note for _, result in results for note in notes_of(result)]
    return {
        "title": title,
        "caveats": list(dict.fromkeys([*notes, *doubts])),
        "sections": sections,
        "files": [],
        "provenance": provenance,
        "bibtex": "\n".join(dict.fromkeys(str(entry) for several in citations for entry in several)),
        "made": f"Made by cevnsfit {VERSION}.",
    }


def _stored(folder: Path) -> Iterator[tuple[str, object]]:
    """Yield the results in a folder that can be opened, with titles; pseudo-experiments have left tables and pictures."""
    if store_exists(folder, SCAN):
        scans = stored_scans(folder)
        yield "Excluded regions", regions_of(scans, levels_at(None, 2))
        yield from ((f"Best fit, {scan.plane.label}", found) for scan in scans for found in _fits(scan))
    if store_exists(folder, POSTERIOR):
        yield "Posterior", stored_posterior(folder)
    if store_exists(folder, SUSY):
        yield "Superpartners", stored_susy_scan(folder)


def _fits(scan: Scan) -> Iterator[object]:
    """Yield the best fit of a plane, with the masses at those of the plane; nothing for a projection."""
    masses = {name: scan.plane.best[name] for name in scan.likelihood.nonlinear.names if name in scan.plane.best}
    try:
        yield fit(scan.likelihood, at={**scan.grid.at, **masses})
    except NoDataError:
        return


def _figures(result: object, name: str) -> Iterator[str]:
    """Yield the picture of a result as a drawing whose parts have names of their own, as pixels if that is too large; nothing for one that has none."""
    try:
        figure = plot(result)
    except KindError:
        return
    drawing = _saved(figure, "svg", {"Date": None}).decode("utf-8")
    if len(drawing) > _LARGEST:
        yield _shown(_saved(figure, "png", None), "image/png")
    else:
        yield re.sub(r'(\bid="|xlink:href="#|url\(#)', rf"\g<1>{name}", drawing[drawing.index("<svg") :])


def _saved(figure: Figure, kind: str, metadata: dict[str, Any] | None) -> bytes:
    from matplotlib import rc_context

    content = io.BytesIO()
    with style(), rc_context({"svg.hashsalt": "cevnsfit"}):
        figure.savefig(content, format=kind, metadata=metadata)
    return content.getvalue()


def _shown(content: bytes, kind: str) -> str:
    """Return a picture in which nothing acts."""
    return f'<img alt="" src="{_address(content, kind)}">'


def _address(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _data(file: Path, *, opened: bool) -> dict[str, Any]:
    """Return a file with its comment lines and its first rows."""
    content = file.read_bytes()
    address = _address(content, f"text/{file.suffix[1:]};charset=utf-8")
    found: dict[str, Any] = {"name": file.name, "href": address, "comments": (), "sheet": None, "open": opened}
    if file.suffix != ".csv":
        return found
    lines = content.decode("utf-8-sig", "replace").splitlines()
    comments = [line.lstrip("# ") for line in lines if line.startswith("#")]
    try:
        headers, *rows = csv.reader(line for line in lines if line and not line.startswith("#"))
    except (ValueError, csv.Error):  # no line at all, or none that is shown
        return {**found, "comments": comments}
    shown = [[*row, *([""] * len(headers))][: len(headers)] for row in rows[:_ROWS]]
    title = f"{len(rows)} rows" + (f", the first {_ROWS}" if len(rows) > _ROWS else "")
    return {**found, "comments": comments, "sheet": Sheet(title, headers, shown)}
