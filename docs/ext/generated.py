"""What pages hold where they say `<!-- generated: NAME -->`: references made from the code that they describe.

Links to folders, which a repository shows and a site has not, become their text.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import commands
import models
import schemas
from pygments.lexers.special import TextLexer

import cevnsfit
from cevnsfit import moments, plugins

if TYPE_CHECKING:
    from collections.abc import Callable

    from sphinx.application import Sphinx

ASKED = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)

DOCS = Path(__file__).parents[1]

GUIDES = ("CONTRIBUTING", "CODE_OF_CONDUCT", "SECURITY")

VERIFICATION = "docs/verification/index"

OBJECTS = (
    "stats.likelihood.Likelihood",
    "core.histograms.Histogram",
    "studies.fitting.Fit",
    "infer.intervals.Intervals",
    "studies.scan.Scan",
    "infer.planes.Region",
    "studies.toy_regions.ToyRegion",
    "infer.critical.CriticalValues",
    "infer.discovery.Discovery",
    "infer.elsewhere.GlobalSignificance",
    "infer.goodness.Goodness",
    "infer.compatibility.Compatibility",
    "studies.comparison.Comparison",
    "infer.impacts.Ranking",
    "infer.breakdown.GroupError",
    "studies.coverage.CoverageStudy",
    "studies.posterior.Posterior",
    "studies.forecast.Forecast",
    "studies.whatif.WhatIf",
    "studies.rates.Rates",
    "studies.susy.SusyScan",
    "studies.validate.Check",
    "spec.load.Experiment",
    "physics.interactions.terms.SignalModel",
    "report.tables.ResultTable",
    "core.documents.About",
)
"""What public functions return; these classes have no public name."""


def public() -> str:
    """Return the reference of all public names."""
    names = [name for name in cevnsfit.__all__ if callable(getattr(cevnsfit, name))]
    return "\n\n".join(_entry("cevnsfit", name) for name in sorted(names, key=str.lower))


def of_moments() -> str:
    """Return the reference of the names of cevnsfit.moments."""
    return _module(moments)


def of_plugins() -> str:
    """Return the reference of what plug-ins import."""
    return _module(plugins)


def objects() -> str:
    """Return the reference of what public functions return."""
    return "\n\n".join(_entry(*f"cevnsfit.{path}".rsplit(".", 1)) for path in OBJECTS)


def _module(module: Any) -> str:
    text = re.sub(r"\n>>> .*", "", inspect.getdoc(module), flags=re.DOTALL)
    names = [name for name in sorted(module.__all__, key=str.lower) if name not in cevnsfit.__all__ and _described(getattr(module, name))]
    return "\n\n".join([text, *(_entry(module.__name__, name) for name in names)])


def _described(found: object) -> bool:
    return inspect.isroutine(found) or inspect.isclass(found)


def _entry(module: str, name: str) -> str:
    found = getattr(import_module(module), name)
    directive = "autoclass" if inspect.isclass(found) else "autofunction"
    members = "\n   :members:" if inspect.isclass(found) and not issubclass(found, BaseException) else ""
    return f"## `{name}`\n\n```{{eval-rst}}\n.. {directive}:: {module}.{name}{members}\n```"


def verification(docs: Path = DOCS) -> str:
    """Return the navigation to the pages of verification; a command writes these, and there may be none."""
    return _navigation("Verification", ["verification/index"] if (docs / "verification" / "index.md").exists() else [])


def others(docs: Path = DOCS) -> str:
    """Return the navigation to the pages of the folder, and to those for contributors, that the first page does not name."""
    named = (docs / "index.md").read_text(encoding="utf-8").split()
    pages = [path.stem for path in sorted(docs.glob("*.md"))] + [f"../{name}" for name in GUIDES if (docs.parent / f"{name}.md").exists()]
    return _navigation("More", [page for page in pages if page not in {*named, "index"}])


def _navigation(caption: str, pages: list[str]) -> str:
    return "\n".join(["```{toctree}", f":caption: {caption}", ":hidden:", "", *pages, "```"]) if pages else ""


PARTS: dict[str, Callable[[], str]] = {
    "analysis": lambda: schemas.markdown("analysis"),
    "commands": commands.commands,
    "experiments": models.experiments,
    "experiment": lambda: schemas.markdown("experiment"),
    "models": models.models,
    "moments": of_moments,
    "objects": objects,
    "others": others,
    "plugins": of_plugins,
    "public": public,
    "verification": verification,
}


def fill(app: Sphinx, name: str, content: list[str]) -> None:
    """Put generated parts where a page asks for them, pages of verification below the first of them, and take links to folders away."""
    folder = app.env.doc2path(name).parent

    def link(found: re.Match[str]) -> str:
        return found.group(1) if (folder / found.group(2)).is_dir() else found.group(0)

    text = ASKED.sub(lambda found: PARTS[found.group(1)](), content[0])
    if name == VERIFICATION:
        text += "\n```{toctree}\n:hidden:\n:glob:\n\n*\n```\n"
    content[0] = re.sub(r"\[([^][]+)\]\((\.\.?/[^)#]+)\)", link, text)


def unsigned(_app: Sphinx, _what: str, name: str, *_: object) -> tuple[str, None] | None:
    """Return no arguments for what functions return and nobody makes."""
    return ("", None) if name.removeprefix("cevnsfit.") in OBJECTS else None


def always(app: Sphinx, *_: object) -> list[str]:
    """Return the pages that are read again in each build: what is generated may have changed while their text has not."""
    return [name for name in app.env.found_docs if name == VERIFICATION or ASKED.search(app.env.doc2path(name).read_text(encoding="utf-8"))]


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to the reading of pages."""
    app.connect("autodoc-process-signature", unsigned)
    app.connect("env-get-outdated", always)
    app.connect("source-read", fill)
    app.add_lexer("csv", TextLexer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
