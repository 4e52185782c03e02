from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import cevnsfit as cf
from cevnsfit.studies.start import LIKE

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

FILES = ["background.csv", "counts.csv", "efficiency.csv", "experiment.yaml", "neutron_time.csv"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_passes_the_check(command: Callable[..., Result], here: Path) -> None:
    written = command("new-experiment", "my-argon")
    assert written.exit_code == 0
    assert sorted(path.name for path in (here / "my-argon").iterdir()) == FILES
    checked = json.loads(command("experiments", "check", "my-argon", "--json").stdout)
    assert (checked["valid"], checked["name"]) == (True, "my-argon")
    assert checked["observed"] == pytest.approx(sum(checked["expected"].values()), abs=2 * checked["observed"] ** 0.5)


@pytest.mark.usefixtures("here")
def test_it_is_fitted_near_the_standard_model(command: Callable[..., Result]) -> None:
    command("new-experiment", "mine", "-o", "some/where")
    fitted = cf.fit(cf.build_likelihood(Path("some/where"), model="signal-strength"))
    assert fitted.valid
    assert fitted.values["signal_strength"] == pytest.approx(1.0, abs=2 * fitted.errors["signal_strength"])


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("like", LIKE)
def test_each_kind_passes_the_check_and_is_fitted_near_the_standard_model(command: Callable[..., Result], like: str) -> None:
    written = command("new-experiment", "mine", "--like", like)
    assert written.exit_code == 0
    text = Path("mine/experiment.yaml").read_text(encoding="utf-8")
    assert "(invented counts)" in text
    assert all("nvented" in file.read_text(encoding="utf-8") for file in Path("mine").iterdir())
    assert json.loads(command("experiments", "check", "mine", "--json").stdout)["valid"]
    fitted = cf.fit(cf.build_likelihood("mine", model="signal-strength"))
    assert fitted.valid
    assert fitted.values["signal_strength"] == pytest.approx(1.0, abs=2 * fitted.errors["signal_strength"])


def test_python_writes_the_same(here: Path) -> None:
    files = cf.new_experiment("mine", like="counting")
    assert files == (Path("mine/experiment.yaml"), Path("mine/counts.csv"))
    assert cf.load_experiment(here / "mine").bins == 1


def test_an_unknown_kind_lists_the_known_ones(refused: Callable[..., str], here: Path) -> None:
    assert "unknown kind of experiment 'xenon'; known: counting, csi" in refused("new-experiment", "mine", "--like", "xenon")
    assert list(here.iterdir()) == []


def test_the_alternatives_in_the_comments_work(command: Callable[..., Result], here: Path) -> None:
    command("new-experiment", "mine")
    path = here / "mine" / "experiment.yaml"
    text = path.read_text(encoding="utf-8")
    block = text[text.index("  steady_state:  ") : text.index("  neutrons:")]
    text = text.replace(block, "").replace("# control_region:\n#   steady_state", "control_region:\n  steady_state")
    text = text.replace("# overlaps: [OTHER]", "overlaps: [ccm-200]")
    path.write_text(text, encoding="utf-8")
    changed = cf.load_experiment("mine")
    assert list(changed.spec.control_region) == ["steady_state"]
    assert changed.spec.overlaps == ("ccm-200",)
    assert cf.fit(cf.build_likelihood(changed, model="sm")).valid


def test_files_are_listed(command: Callable[..., Result], here: Path) -> None:
    printed = json.loads(command("new-experiment", "mine", "-o", here / "a" / "b", "--json").stdout)
    assert printed["name"] == "mine"
    assert sorted(Path(file).relative_to(here / "a" / "b").name for file in printed["files"]) == FILES
    assert all(Path(file).is_file() for file in printed["files"])


def test_nothing_is_overwritten(command: Callable[..., Result], refused: Callable[..., str], here: Path) -> None:
    command("new-experiment", "mine")
    changed = here / "mine" / "counts.csv"
    changed.write_text("precious", encoding="utf-8")
    assert "exists already" in refused("new-experiment", "mine")
    assert "exists already" in refused("new-experiment", "other", "-o", changed)
    assert changed.read_text(encoding="utf-8") == "precious"


def test_an_empty_folder_is_used(command: Callable[..., Result], here: Path) -> None:
    (here / "empty").mkdir()
    assert command("new-experiment", "mine", "-o", "empty").exit_code == 0
    assert (here / "empty" / "experiment.yaml").is_file()


@pytest.mark.parametrize("name", ["My", "1st", "a b", "a/b", "", "../up", "ä"])
def test_names_that_an_experiment_cannot_have(refused: Callable[..., str], here: Path, name: str) -> None:
    assert "lower-case letter" in refused("new-experiment", name)
    assert list(here.iterdir()) == []


def test_names_that_are_taken(refused: Callable[..., str], here: Path) -> None:
    assert "there is an experiment 'ccm-200' already" in refused("new-experiment", "ccm-200")
    assert list(here.iterdir()) == []
