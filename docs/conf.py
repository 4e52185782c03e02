"""How Sphinx builds the site: `make docs` runs it on the whole project, so that pages link to each other here as they do in the repository."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT / "src"), str(HERE / "ext")]

# Cells run in processes of their own, which find the package by this.
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})

import cevnsfit

project = "cevnsfit"
author = "The cevnsfit developers"
copyright = author
version = release = cevnsfit.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "mathml", "generated", "downloads"]
root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "notebooks/*.md",
    "data/README.md",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "CODE_OF_CONDUCT.md",
    "SECURITY.md",
]
exclude_patterns = [".*", "build", "out", "src", "tests"]
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]  # annotations name private modules, which have no page
default_role = "code"

myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 4

nb_execution_mode = "cache"
nb_execution_in_temp = True
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_output_stderr = "warn"

autodoc_typehints = "none"
autodoc_member_order = "bysource"
toc_object_entries = False
napoleon_google_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = "cevnsfit"
html_favicon = "_static/icon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_additional_pages = {"index": "start.html"}
html_copy_source = False
templates_path = ["_templates"]
html_math_renderer = "mathml"
