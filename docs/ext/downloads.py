"""A notebook to download beside each executed page, and a link to it below the title."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jupytext

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def link(app: Sphinx, pagename: str, _template: str, context: dict[str, Any], _doctree: object) -> None:
    """Write the notebook of a page that has cells, and link to it."""
    if pagename not in app.env.all_docs or app.env.metadata[pagename].get("kernelspec") is None:
        return
    target = Path(app.outdir, pagename).with_suffix(".ipynb")
    target.parent.mkdir(parents=True, exist_ok=True)
    jupytext.write(jupytext.read(os.fspath(app.env.doc2path(pagename))), target)
    shown = f'</h1>\n<p><a class="notebook" href="{target.name}" download>Download this page as a Jupyter notebook</a></p>'
    context["body"] = context["body"].replace("</h1>", shown, 1)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to the writing of pages."""
    app.connect("html-page-context", link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
