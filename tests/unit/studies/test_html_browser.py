"""The page for a colleague in a browser: it asks for nothing, complains of nothing, sorts, and fits a phone and a sheet of paper."""

from __future__ import annotations

import base64
import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import cevnsfit as cf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow
pytest.importorskip("jinja2")
webdriver: Any = pytest.importorskip("selenium.webdriver")

ROWS = "return [...document.querySelectorAll('table')[arguments[0]].tBodies[0].rows].map(row => row.cells[arguments[1]].textContent)"
HEAD = "document.querySelectorAll('table')[arguments[0]].querySelectorAll('th button')[arguments[1]]"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Return a browser without a window that notes what it asks for and complains of."""
    programs = shutil.which("chromium") or shutil.which("chromium-browser"), shutil.which("chromedriver")
    if None in programs:
        pytest.skip("there is no Chromium here, or no chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(programs[1]))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    likelihood = cf.build_likelihood("coherent-csi-2021", model="b-l")
    cf.scan(likelihood, mass=[10.0, 30.0, 100.0], g=np.geomspace(1e-6, 1e-1, 12), store=folder / "scan")
    (path,) = cf.export(folder / "scan", "report", folder / "page.html")
    return path


def show(browser: Any, page: Path, width: int) -> None:
    browser.get_log("performance")
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page.as_uri())


def test_it_asks_for_nothing_and_complains_of_nothing(browser: Any, page: Path) -> None:
    show(browser, page, 1200)
    assert browser.get_log("browser") == []
    sent = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [entry["params"]["request"]["url"] for entry in sent if entry["method"] == "Network.requestWillBeSent"]
    assert {address.partition(":")[0] for address in asked} <= {"file", "data"}
    assert [address for address in asked if address.startswith("file")] == [page.as_uri()]


@pytest.mark.parametrize("width", [360, 1200])
def test_figures_show_and_the_page_is_no_wider_than_the_screen(browser: Any, page: Path, width: int) -> None:
    show(browser, page, width)
    sizes = browser.execute_script("return [...document.querySelectorAll('figure svg')].map(e => [e.clientWidth, e.clientHeight])")
    assert len(sizes) == 2
    assert all(0.4 * min(width, 960) < wide <= width and high > 0.2 * wide for wide, high in sizes)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    drawn = browser.execute_script(
        "return [...document.querySelectorAll('figure svg use')].filter(e => e.getBoundingClientRect().width > 0).length"
    )
    assert drawn > 20  # letters: a name that leads nowhere draws nothing


def test_tables_are_sorted_by_number_and_by_word_and_back(browser: Any, page: Path) -> None:
    show(browser, page, 1200)
    numbers = lambda: [float(text.split()[0]) for text in browser.execute_script(ROWS, 0, 1)]
    before = numbers()
    assert before != sorted(before)
    browser.execute_script(f"{HEAD}.click()", 0, 1)
    assert numbers() == sorted(before)
    assert browser.execute_script(f"return {HEAD}.parentElement.getAttribute('aria-sort')", 0, 1) == "ascending"
    browser.execute_script(f"{HEAD}.click()", 0, 1)
    assert numbers() == sorted(before, reverse=True)
    browser.execute_script(f"{HEAD}.click()", 0, 0)
    names = browser.execute_script(ROWS, 0, 0)
    assert names == sorted(names, key=str.lower)
    assert browser.execute_script(f"return {HEAD}.parentElement.getAttribute('aria-sort')", 0, 1) is None


def test_it_prints_with_all_that_is_folded(browser: Any, page: Path) -> None:
    show(browser, page, 1200)
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert browser.execute_script("return [...document.querySelectorAll('details')].every(e => e.open)")
    printed = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    assert printed.startswith(b"%PDF")
    assert printed.count(b"/Type /Page\n") >= 3 or len(printed) > 50_000


def test_data_are_saved_under_their_names(browser: Any, page: Path) -> None:
    show(browser, page, 1200)
    links = browser.execute_script("return [...document.querySelectorAll('a[download]')].map(e => [e.download, e.href.slice(0, 5)])")
    assert links == []  # a scan in Python leaves no tables
    assert "@misc{cevnsfit" in browser.execute_script("return document.getElementById('bibtex').textContent")
