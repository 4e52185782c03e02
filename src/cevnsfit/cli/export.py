"""`cevnsfit export`, `export-likelihood`, `report`, `cite` and `show`: numbers for other tools, a page for a colleague, what one cites, and where all comes from."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from cevnsfit.cli.command import argument, command, option
from cevnsfit.cli.options import GRID, AnalysisOptions, LevelsOptions, experiments_known, models_known
from cevnsfit.cli.output import Answer, progress

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES: Final = {
    "csv": "limits.csv",
    "json": "limits.json",
    "hepdata": "hepdata",
    "root": "limits.root",
    "darkcast": "darkcast",
    "netcdf": "limits.nc",
    "slha": "point.slha",
}


@command("result kind target attach point cl dof")
def export(
    result: Annotated[Path, argument("Folder of a scan (for slha of susy-scan), or limits exported as JSON.", "RESULT")],
    kind: Annotated[str, option("--to", "Format; see docs/formats.md.", "|".join(_NAMES))],
    levels: LevelsOptions,
    target: Annotated[Path | None, option("--output -o", "File, or folder for hepdata and darkcast; by default in RESULT.", "PATH")] = None,
    attach: Annotated[list[Path] | None, option("--attach", "Likelihood to go with a HEPData submission.", "FILE")] = None,
    point: Annotated[int | None, option("--point", "slha: which of the kept points, from 0.", "K")] = None,
) -> Answer:
    """Export the limits of a scan, with every branch of every boundary and its definition; or a point of a scan of superpartners."""
    from cevnsfit.io.exports.text import read_json
    from cevnsfit.studies import export as exports
    from cevnsfit.studies.scan import stored_scans
    from cevnsfit.studies.stored import stored_map
    from cevnsfit.studies.susy import stored_susy_scan

    _require_other(kind)
    path = (result if result.is_dir() else result.parent) / _NAMES.get(kind, "") if target is None else target
    if result.is_file():
        return Answer({}, files=exports.export(read_json(result), kind, path, cl=levels.cl, attach=attach))
    if kind == "slha":
        return Answer({}, files=exports.export(stored_susy_scan(result), kind, path, attach=attach, point=point))
    found = stored_map(result)
    if found is not None:
        name = {"hepdata": "hepdata", "csv": "critical_values.csv"}.get(kind, f"critical_values.{kind}")
        target = result / name if target is None else target
        return Answer({}, files=exports.export(found, kind, target, cl=levels.cl or None, dof=None, attach=attach, point=point))
    return Answer({}, files=exports.export(stored_scans(result), kind, path, cl=levels.cl, dof=levels.dof, attach=attach, point=point))


@command("experiments model kind target grid at profile profile_signal changes allow_overlap electrons constrain correlate record")
def export_likelihood(
    what: AnalysisOptions,
    kind: Annotated[str, option("--to", "Format; see docs/formats.md.", "pyhf|hs3|simplified")],
    target: Annotated[Path, option("--output -o", "FILE.json, or a folder.", "PATH")],
    grid: Annotated[
        list[str] | None, option("--grid", "pyhf: a patch for each value; simplified: the range of masses, 1 to 1000 MeV.", GRID)
    ] = None,
    record: Annotated[str | None, option("--inspire", "INSPIRE record of a patchset.", "insNNNNNNN")] = None,
) -> Answer:
    """Export a likelihood: a pyhf workspace (with a patchset over a mass), HS3, or a table of Delta chi2 that can be interpolated with numpy alone."""
    from cevnsfit.studies import export as exports
    from cevnsfit.studies.grids import parse_grids
    from cevnsfit.studies.setup import units_of

    _require_other(kind)
    held, grids = what.analysis.held, parse_grids(grid, units_of(what.model)) if grid else None
    with progress(f"export to {kind}"):
        files = exports.export(what.likelihood, kind, target, at=held, grid=grids, record=record)
    frozen = exports.frozen_in(files[0])
    return Answer({} if frozen is None else {"frozen": frozen}, () if frozen is None else (f"remark: {frozen}",), files)


@command("result target")
def report(
    result: Annotated[Path, argument("Folder of results.", "DIR")],
    target: Annotated[Path | None, option("--output -o", "File; DIR/report.html.", "FILE")] = None,
) -> Answer:
    """Write a folder of results as one page: figures, tables, data, provenance and citations in a file that needs no network."""
    from cevnsfit.studies import export as exports

    with progress("report"):
        return Answer({}, files=exports.export(result, "report", result / "report.html" if target is None else target))


@command("experiments model target")
def cite(
    experiments: Annotated[list[str], argument("Shipped experiments, or folders.", "EXP...", experiments_known)],
    model: Annotated[str, option("--model -m", "Signal model; see `cevnsfit models`.", "MODEL", models_known)] = "",
    target: Annotated[Path | None, option("--output -o", "File for the entries.", "FILE")] = None,
) -> Answer:
    """Print what one cites, as BibTeX: this program, the releases of experiments, the papers of a model, iminuit."""
    from cevnsfit.studies.citations import cited, write_entries

    found = cited(experiments, model)
    if target is not None:
        return Answer({"entries": found}, (), [write_entries(target, found)])
    return Answer({"entries": found}, ["\n".join(map(str, found)).rstrip()])


@command()
def show(result: Annotated[Path, argument("Folder of results, or a JSON file.", "RESULT")]) -> Answer:
    """Show where a result comes from: analysis, digests of all inputs, seed, versions."""
    from cevnsfit.studies.provenance import stored_provenance

    found = stored_provenance(result)
    return Answer(found, _lines(found))


def _require_other(kind: str) -> None:
    """Raise CevnsfitError for what has a command of its own."""
    from cevnsfit.core.errors import CevnsfitError

    commands = {"report": "report", "bibtex": "cite"}
    if kind in commands:
        message = f"{kind} is what `cevnsfit {commands[kind]}` writes"
        raise CevnsfitError(message)


def _lines(values: "Mapping[str, Any]", indent: str = "") -> list[str]:
    """Return nested values as indented lines."""
    lines: list[str] = []
    for key, value in values.items():
        if isinstance(value, dict) and value:
            lines += [f"{indent}{key}:", *_lines(value, f"{indent}  ")]
        elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
            lines.append(f"{indent}{key}:")
            for number, item in enumerate(value, 1):
                lines += [f"{indent}  {number}:", *_lines(item if isinstance(item, dict) else {"value": item}, f"{indent}    ")]
        else:
            lines.append(f"{indent}{key}: {', '.join(map(str, value)) if isinstance(value, list) else value}")
    return lines
