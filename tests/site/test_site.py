"""The site builds without a warning, its cells run, and each page is right in a browser that has no network."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

import cevnsfit as cf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

NOTEBOOKS: Final = {
    "docs/gallery": 13,
    "docs/tutorials/global-fit": 1,
    "docs/tutorials/phenomenologist": 2,
    "notebooks/01-first-fit": 3,
    "notebooks/02-new-release": 2,
    "notebooks/03-ccm-forecast": 3,
}
"""Pages with cells, and how many figures these draw at least."""

WIDE: Final = """
const scrolling = "pre, .table-wrapper, div.math, .text_html, .sidebar-drawer, .toc-drawer";
return [...document.querySelectorAll("body *")]
  .filter(e => e.getBoundingClientRect().right > 391 && e.getClientRects().length && !e.parentElement.closest(scrolling))
  .filter(e => !e.matches(".sidebar-drawer, .toc-drawer"))
  .map(e => e.outerHTML.slice(0, 120));
"""
"""What reaches beyond the screen of a phone, other than inside of what scrolls."""

SPELT: Final = r"""
const copy = document.body.cloneNode(true);
copy.querySelectorAll("pre, code, script").forEach(e => e.remove());
return copy.textContent.match(/\\(frac|sqrt|mathcal|bar|varepsilon)\b|\$\$/);
"""
"""A formula that stands on a page as it was written."""


@pytest.fixture
def screen(browser: Any) -> Iterator[Any]:
    """Yield the function that sets the width of the window, that of a desk until it is called."""

    def wide(width: int) -> None:
        metrics = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    wide(1200)
    yield wide
    wide(1200)


def pages(site: Path) -> list[str]:
    """Return the addresses of all pages but the one that leads to the first."""
    return sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html") if path != site / "index.html")


def waited(browser: Any, script: str, seconds: float = 20.0) -> Any:
    """Return what a script finds, as soon as it finds something."""
    end = time.monotonic() + seconds
    while not (found := browser.execute_script(script)) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def test_every_page_with_cells_draws_its_figures(site: Path, project_root: Path) -> None:
    with_cells = [
        path for folder in ("docs", "notebooks") for path in (project_root / folder).rglob("*.md") if "{code-cell}" in path.read_text()
    ]
    assert {path.relative_to(project_root).with_suffix("").as_posix() for path in with_cells} == {*NOTEBOOKS}
    for name, least in NOTEBOOKS.items():
        outputs = "".join(
            re.findall(
                r'<div class="cell_output.*?(?=<div class="cell docutils|</section>)', (site / f"{name}.html").read_text(), re.DOTALL
            )
        )
        assert outputs.count("<img") >= least, name
        assert "&lt;Figure size" not in outputs, name
        cells = json.loads((site / f"{name}.ipynb").read_text())["cells"]
        assert cells[0]["source"][0].startswith("# ")
        assert any(cell["cell_type"] == "code" for cell in cells)


def test_references_hold_every_name(site: Path) -> None:
    functions = (site / "docs/reference/api.html").read_text()
    assert [name for name in cf.__all__ if name not in {"__version__", "moments"} and f'id="cevnsfit.{name}"' not in functions] == []
    models = (site / "docs/reference/models.html").read_text()
    assert [name for name in cf.model_names() if f'<span class="pre">{name}</span></code><a class="headerlink"' not in models] == []
    experiment, analysis = ((site / f"docs/reference/{kind}.html").read_text() for kind in ("experiment", "analysis"))
    assert 'href="#lindhardquenching"' in experiment
    assert 'id="lindhardquenching"' in experiment
    assert '<span class="pre">overlays</span>' in analysis


def test_pages_render_without_errors_and_without_a_network(site: Path, address: str, browser: Any, screen: Any) -> None:
    screen(1200)
    formulae = figures = 0
    for page in pages(site):
        browser.get_log("browser")
        browser.get(f"{address}/{page}")
        assert page == "search.html" or browser.find_element("css selector", ".content h1").text, page
        assert browser.get_log("browser") == [], page
        fetched = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
        assert [name for name in fetched if not name.startswith((address, "data:"))] == [], page
        broken = "return [...document.images].filter(i => !i.complete || i.naturalWidth === 0).map(i => i.src)"
        browser.execute_script("[...document.images].forEach(i => { i.loading = 'eager'; })")
        waited(browser, "return [...document.images].every(i => i.complete)")
        assert browser.execute_script(broken) == [], page
        sizes = browser.execute_script("return [...document.querySelectorAll('math')].map(m => m.getBoundingClientRect().width)")
        assert all(width > 0 for width in sizes), page
        assert browser.execute_script(SPELT) is None, page
        formulae += len(sizes)
        figures += browser.execute_script("return document.querySelectorAll('article img').length")
    assert formulae > 20
    assert figures > 20


def test_a_formula_is_set_and_not_spelt(address: str, browser: Any) -> None:
    browser.get(r"data:text/html,<body><p>$\frac{1}{2}$</p><pre>\sqrt</pre>")
    assert browser.execute_script(SPELT)[0] == r"\frac"
    browser.get(f"{address}/docs/conventions.html")
    above, below = browser.execute_script("return [...document.querySelector('mfrac').children].map(e => e.getBoundingClientRect().top)")
    assert above < below


def test_nothing_is_wider_than_a_phone(site: Path, address: str, browser: Any, screen: Any) -> None:
    screen(390)
    for page in pages(site):
        browser.get(f"{address}/{page}")
        assert browser.execute_script("return [innerWidth, document.documentElement.scrollWidth]") == [390, 390], page
        assert browser.execute_script(WIDE) == [], page


def test_what_is_too_wide_is_noticed(browser: Any, screen: Any) -> None:
    screen(390)
    browser.get("data:text/html,<meta name=viewport content='width=device-width,initial-scale=1'><body><div style='width:600px'>wide</div>")
    assert len(browser.execute_script(WIDE)) == 1


def test_search_finds_feldman(address: str, browser: Any) -> None:
    browser.get(f"{address}/search.html?q=Feldman")
    for page in ("docs/statistics.html", "docs/glossary.html"):
        assert waited(browser, f"return document.querySelector('#search-results ul.search li a[href^=\"{page}\"]')?.textContent"), page
    browser.get(f"{address}/search.html?q=xyzzyplugh")
    assert "did not match" in waited(browser, "return document.querySelector('#search-results p')?.textContent")


def test_the_root_leads_to_the_first_page(address: str, browser: Any) -> None:
    browser.get(f"{address}/")
    assert waited(browser, "return location.pathname.endsWith('/docs/index.html')")
    links = [link.get_attribute("href") for link in browser.find_elements("css selector", "article table a")]
    assert len(links) >= 7
    for link in links:
        browser.get(link)
        assert browser.find_element("css selector", "article h1").text
