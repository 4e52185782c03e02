"""`cevnsfit report` and `cite`: a page for a colleague, and what one cites."""

from pathlib import Path
from typing import Annotated

from cevnsfit.cli.command import argument, command, option
from cevnsfit.cli.options import experiments_known, models_known
from cevnsfit.cli.output import Answer, progress


@command("result target")
def report(
    result: Annotated[Path, argument("Folder of results.", "DIR")],
    target: Annotated[Path | None, option("--output -o", "File; DIR/report.html.", "FILE")] = None,
) -> Answer:
    """Write a folder of results as one page: figures, tables, data, provenance and citations in a file that needs no network."""
    from cevnsfit.studies.export import export

    with progress("report"):
        return Answer({}, files=export(result, "report", result / "report.html" if target is None else target))


@command("experiments model target")
def cite(
    experiments: Annotated[list[str], argument("Shipped experiments, or folders.", "EXP...", experiments_known)],
    model: Annotated[str, option("--model -m", "Signal model; see `cevnsfit models`.", "MODEL", models_known)] = "",
    target: Annotated[Path | None, option("--output -o", "File for the entries.", "FILE")] = None,
) -> Answer:
    """Print what one cites, as BibTeX: this program, the releases of experiments, the papers of a model, iminuit."""
    from cevnsfit.studies.citations import cited

    found = cited(experiments, model)
    text = "\n".join(map(str, found))
    if target is not None:
        target.write_text(text, encoding="utf-8")
    return Answer({"entries": found}, () if target is not None else [text.rstrip()], None if target is None else [target])
