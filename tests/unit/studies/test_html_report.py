"""The page for a colleague: what is on it, and that strangers' words stay words; what it does in a browser is tried with the slow ones."""

from __future__ import annotations

import base64
import re
import shutil
import sys
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.testing import CliRunner

import cevnsfit as cf
from cevnsfit.cli.main import app
from cevnsfit.core.errors import CevnsfitError, KindError, ResultError
from cevnsfit.infer.intervals import levels_at
from cevnsfit.studies.analysis import read_study, run_study
from cevnsfit.studies.coverage import write_coverage
from cevnsfit.studies.exclusion import regions_of
from cevnsfit.studies.html_report import _data
from cevnsfit.studies.page import write_study
from cevnsfit.studies.scan import stored_scans

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("jinja2")
pytestmark = pytest.mark.slow  # the study takes seconds

LAR = "coherent-lar-2020"
LABEL = "a < b & \"c\" '<script>alert(1)</script>'"
VOID = {"meta", "br", "img", "link", "path", "use", "image"}


class Page(HTMLParser):
    """The tags and the text of a page; every tag that opens closes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.stack, self.wrong = "", list[str](), list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID and (not self.stack or self.stack.pop() != tag):
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data if self.stack[-1:] not in (["script"], ["style"]) else ""

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [found for tag, found in self.tags if tag == name]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a study of two planes, one with a label of ill will."""
    folder = tmp_path_factory.mktemp("study")
    file = folder / "study.yaml"
    quoted = LABEL.replace("'", "''")
    file.write_text(
        "schema_version: 1\ntitle: two\nmodel: universal\n"
        'grid: ["mass=10:100:3:log", "g=1e-6:1e-1:12:log"]\n'
        f"results:\n  - {{label: '{quoted}', experiments: [{LAR}]}}\n  - {{label: CCM, experiments: [ccm-200]}}\n",
        encoding="utf-8",
    )
    out = folder / "out"
    write_study(run_study(read_study(file), out), out)
    return out


@pytest.fixture(scope="module")
def page(study: Path) -> str:
    cf.export(study, "report", study.parent / "page.html")
    return (study.parent / "page.html").read_text(encoding="utf-8")


def test_the_page_has_everything_that_one_must_know(page: str) -> None:
    found = Page(page)
    assert (found.stack, found.wrong) == ([], [])
    for text in (
        "model: universal; L = g Z'_mu",
        "caveat: CEvNS only",
        "Excluded regions",
        "sns_flux",
        "signal at",
        "Provenance",
        "version: ",
    ):
        assert text in found.text
    assert len(found.all("svg")) == 2  # planes, and the fit of the one with data
    assert re.search(r"[0-9a-f]{64}", found.text)
    assert "@article{Akimov:2003.10630," in found.text
    assert "{cevnsfit," in found.text
    assert len(found.all("caption")) == 4  # parameters, counts, two tables of data


@pytest.mark.parametrize(
    ("content", "headers"), [(b"", None), (b"# only words\n", None), (b"a,b\n" + 200_000 * b"x", None), (b"\xef\xbb\xbf# c\na\n1\n", ["a"])]
)
def test_a_strangers_table_goes_along_even_if_it_cannot_be_shown(content: bytes, headers: list[str] | None, tmp_path: Path) -> None:
    file = tmp_path / "odd.csv"
    file.write_bytes(content)
    found = _data(file, opened=True)
    assert base64.b64decode(found["href"].partition(",")[2]) == content
    assert (None if found["sheet"] is None else found["sheet"].headers) == headers
    assert all(not comment.startswith("#") for comment in found["comments"])


def test_strangers_words_are_words(page: str) -> None:
    found = Page(page)
    assert len(found.all("script")) == 1
    assert LABEL in found.text
    assert f"Best fit, {LABEL}" in [attributes.get("aria-label") for attributes in found.all("figure")]
    assert "<script>alert" not in re.sub(r"<!--.*?-->", "", page, flags=re.DOTALL)


def test_nothing_comes_from_elsewhere(page: str) -> None:
    found = Page(page)
    for tag, attributes in found.tags:
        for name in ("src", "href", "xlink:href", "action", "data"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, value)
    assert not found.all("link")
    assert "@import" not in page
    names = [attributes["id"] for _, attributes in found.tags if attributes.get("id")]
    assert len(names) == len(set(names)), "parts of two drawings have the same name"


def test_the_data_can_be_saved(page: str, study: Path) -> None:
    saved = {str(one["download"]): str(one["href"]) for one in Page(page).all("a")}
    assert set(saved) == {"exclusion.csv", "exclusion_intervals.csv"}
    for name, address in saved.items():
        start, _, content = address.partition(",")
        assert start == "data:text/csv;charset=utf-8;base64"
        assert base64.b64decode(content) == (study / name).read_bytes()


def test_the_same_results_make_the_same_page(page: str, study: Path) -> None:
    (again,) = cf.export(study, "report", study.parent / "again.html")
    assert again.read_text(encoding="utf-8") == page


def test_files_of_others_in_the_folder_are_shown_as_they_are(study: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(study, folder)
    (folder / "empty.csv").write_text("# nothing & <b>no</b> rows\n", encoding="utf-8")
    (folder / "ragged.csv").write_bytes(b'a,b,c\n1\n1,2,3,4\n\xff,<i>,"x, y"\n')
    (folder / "long.csv").write_text("n\n" + "".join(f"{n}\n" for n in range(1000)), encoding="utf-8")
    (folder / "folder.csv").mkdir()
    (folder / "exclusion.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", encoding="utf-8")
    (path,) = cf.export(folder, "report", tmp_path / "page.html")
    found = Page(path.read_text(encoding="utf-8"))
    assert (found.stack, found.wrong, found.all("b"), found.all("i")) == ([], [], [], [])
    assert "nothing & <b>no</b> rows" in found.text
    assert "1000 rows, the first 200" in found.text
    assert [str(one["src"]).partition(";")[0] for one in found.all("img")] == ["data:image/svg+xml"]
    assert len(found.all("script")) == 1
    assert "Exclusion, as its command drew it" in found.text
    assert "<i>" in found.text
    rows = re.findall(r"<tr>((?:<td>[^<]*</td>){3})</tr>", path.read_text(encoding="utf-8"))
    assert "<td>1</td><td></td><td></td>" in rows


def test_points_without_a_minimum_are_told_at_the_top(study: Path) -> None:
    (plane, *_) = regions_of(stored_scans(study), levels_at(0.90, 2))
    assert plane.doubt == ""
    broken = np.zeros_like(plane.plane.valid)
    doubtful = replace(plane, plane=replace(plane.plane, valid=broken))
    (path,) = cf.export((doubtful,), "report", study.parent / "doubt.html")
    top = path.read_text(encoding="utf-8").partition("<h2>")[0]
    assert "points near the allowed region have no valid minimum" in top


def test_a_scan_that_excludes_nothing_has_a_page(tmp_path: Path) -> None:
    scan = cf.scan(
        cf.build_likelihood(LAR, model="lmu-ltau"), mass=[10.0, 20.0, 30.0], g=np.geomspace(1e-8, 1e-7, 4), store=tmp_path / "out"
    )
    assert not scan.contour(cl=0.90).branches
    (path,) = cf.export(tmp_path / "out", "report", tmp_path / "new" / "page.html")
    found = Page(path.read_text(encoding="utf-8"))
    assert "best fit mass" in found.text
    assert len(found.all("svg")) == 2


def test_pseudo_experiments_bring_their_table_and_picture(tmp_path: Path) -> None:
    likelihood = cf.build_likelihood(LAR, model="universal")
    study = cf.coverage(likelihood, "g", [1e-4], at={"mass": 100.0}, toys=cf.Toys(128), store=tmp_path / "out")
    write_coverage(study, tmp_path / "out")
    (path,) = cf.export(tmp_path / "out", "report", tmp_path / "page.html")
    found = Page(path.read_text(encoding="utf-8"))
    assert [one["src"][:22] for one in found.all("img") if one["src"]] == ["data:image/png;base64,"]
    assert all(text in found.text for text in ("caveat: CEvNS only", "seed: 1", "coverage [1]"))
    assert "open" in found.all("details")[0]
    (path,) = cf.export(study, "report", tmp_path / "drawn.html")
    assert len(Page(path.read_text(encoding="utf-8")).all("svg")) == 1


def test_results_in_memory_have_a_page(tmp_path: Path) -> None:
    likelihood = cf.build_likelihood(LAR, model="lmu-ltau")
    several: Any = [cf.fit(likelihood, at={"mass": 100.0}), cf.intervals(likelihood, at={"mass": 100.0})]
    for number, what in enumerate((several[0], several, cf.rates(likelihood, at={"mass": 100.0}))):
        (path,) = cf.export(what, "report", tmp_path / f"{number}.html")
        found = Page(path.read_text(encoding="utf-8"))
        assert all(text in found.text for text in ("lmu-ltau", LAR, "@misc{Banerjee:2103.10196"))


def test_a_folder_without_a_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="no result here"):
        cf.export(tmp_path, "report", tmp_path / "page.html")
    with pytest.raises(ResultError, match="no such file"):
        cf.export(tmp_path / "nowhere", "report", tmp_path / "page.html")
    with pytest.raises(KindError, match="a float has no table"):
        cf.export(1.0, "report", tmp_path / "page.html")
    assert not [*tmp_path.iterdir()]
    answer = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert (answer.exit_code, answer.stdout) == (2, "")


def test_the_command_writes_into_the_folder(study: Path) -> None:
    answer = CliRunner().invoke(app, ["report", str(study)])
    assert answer.stdout == f"{study / 'report.html'}\n"
    (study / "report.html").unlink()


def test_without_jinja2_the_extra_is_named(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(CevnsfitError, match=r"pip install 'cevnsfit\[report\]'"):
        cf.export(study, "report", study / "report.html")
