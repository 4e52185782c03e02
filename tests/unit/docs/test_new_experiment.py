"""docs/new-experiment.md: its folder is made as it stands there and used; its errors, fields and kinds are those of the code."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest
import uproot
from pydantic import BaseModel

import cevnsfit as cf
from cevnsfit.core.errors import SpecError
from cevnsfit.io.releases import RELEASES
from cevnsfit.io.releases.reading import read_files
from cevnsfit.spec.schema import ExperimentSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FILE = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def page(project_root: Path) -> str:
    return (project_root / "docs" / "new-experiment.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILE.findall(page):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "my-germanium"


def blocks(page: str, language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(page) if found == language]


def test_commands_print_what_the_page_says(page: str, folder: Path, check_commands: Callable[[str], list[str]]) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["background.csv", "counts.csv", "experiment.yaml"]
    assert check_commands(page) == ["experiments", "fit", "experiments", "fit"]


def test_ccm120_of_the_study_of_both_moments_is_that_of_the_page(page: str, project_root: Path) -> None:
    files = {name: text for name, text in FILE.findall(page) if name.startswith("ccm-120/")}
    assert len(files) == 2
    assert all((project_root / "analyses" / name).read_text(encoding="utf-8") == text for name, text in files.items())


@pytest.mark.usefixtures("folder")
def test_the_fit_of_ccm120_has_the_published_excess(page: str) -> None:
    """16.5 +- 338.9 events (arXiv:2105.14020)."""
    likelihood = cf.build_likelihood("ccm-120", model="signal-strength")
    best, expected = cf.fit(likelihood), cf.rates(likelihood)["ccm-120"].totals["cevns"]
    assert best.values["signal_strength"] * expected == pytest.approx(16.5, abs=0.05)
    assert best.errors["signal_strength"] * expected == pytest.approx(338.9, rel=5e-3)
    assert "The strength is 0.5 +- 9.8." in page


@pytest.mark.usefixtures("folder")
def test_python_gives_the_limit_at_its_threshold(page: str) -> None:
    code, _ = blocks(page, "python")
    found: dict[str, object] = {}
    exec(code, found)  # noqa: S102 (the code of the page)
    allowed = found["allowed"]
    assert isinstance(allowed, tuple)
    (low, high) = allowed[0]
    likelihood = cf.build_likelihood("my-germanium", model="lmu-ltau")
    at_limit, best = (cf.fit(likelihood, at={"mass": 10.0, **at}, minos=()) for at in ({"g": high}, {}))
    assert low == 0.0
    assert at_limit.nll2 - best.nll2 == pytest.approx(2.7055, abs=2e-3)


def test_errors_read_as_on_the_page(page: str, folder: Path) -> None:
    broken = folder.parent / "broken"
    shutil.copytree(folder, broken)
    changes = {
        "experiment.yaml": (("distance: 20 m", "distance: 20"), ("compound: Ge", "compund: Ge"), ("constant-quenching", "constant-quench")),
        "counts.csv": (("2,4,1,3,16,29", "2,4,1,3,sixteen,29"),),
    }
    for name, pairs in changes.items():
        text = (broken / name).read_text(encoding="utf-8")
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new, 1)
        (broken / name).write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        cf.load_experiment("broken")
    (printed,) = (text for text in blocks(page, "text") if text.startswith("error: "))
    assert f"error: {caught.value}" == printed.rstrip("\n")


def test_every_field_and_kind_of_the_schema_is_on_the_page(page: str) -> None:
    words = set(re.findall(r"[A-Za-z0-9_-]+", page))
    names = set(_names(ExperimentSpec, set()))
    assert len(names) > 80
    assert sorted(names - words) == []


def _names(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[str]:
    """Yield the fields of a class and of all classes in it, and the values of `kind`."""
    seen.add(model)
    for name, field in model.model_fields.items():
        yield name if field.alias is None else field.alias
        if name == "kind":
            yield from get_args(field.annotation)
        for inner in _models(field.annotation):
            if inner not in seen:
                yield from _names(inner, seen)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def test_importer_of_the_page_reads_text_root_and_hepdata(page: str, tmp_path: Path) -> None:
    source = tmp_path / "release"
    source.mkdir()
    (source / "events.txt").write_text("9.5 0.375\n12 1\n", encoding="utf-8")
    with uproot.recreate(source / "flux.root") as file:
        file["energies"] = np.array([1.0, 3.0]), np.array([0.0, 10.0, 50.0])
    (source / "efficiency.yaml").write_text(
        "independent_variables: [{header: {name: PE}, values: [{low: 0, high: 10}, {value: 20}]}]\n"
        "dependent_variables: [{header: {name: Efficiency}, values: [{value: 0.5}, {value: 0.75}]}]\n",
        encoding="utf-8",
    )
    _, code = blocks(page, "python")
    found: dict[str, Any] = {}
    exec(code, found)  # noqa: S102 (the code of the page)
    tables = found["RELEASE"].tables(read_files(source, found["RELEASE"].files))
    assert tables["events.csv"].columns["observed [1]"].tolist() == [1, 1, 0, 0, 0, 0]
    assert tables["flux.csv"].columns["e_nu_high [MeV]"].tolist() == [10, 50]
    assert tables["flux.csv"].columns["nu_e [1]"].tolist() == [1, 3]
    assert tables["efficiency.csv"].columns["pe [PE]"].tolist() == [5, 20]
    assert tables["efficiency.csv"].columns["efficiency [1]"].tolist() == [0.5, 0.75]


def test_importers_that_ship_are_named(page: str) -> None:
    assert all(f"`{name}`" in page for name in RELEASES)
