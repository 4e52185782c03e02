"""Plug-ins that are broken: they are named once, all else goes on, and only who asks for one of them is refused."""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from cevnsfit.cli.main import app
from cevnsfit.physics.interactions import model_distribution, model_names
from cevnsfit.spec.catalog import experiment_names

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

MODULE = r"""
from cevnsfit.plugins import Parameter, SignalModel
class Exit(BaseException): pass
def raises(): raise RuntimeError("no luck")
def exits(): raise SystemExit(3)
def worse(): raise Exit("worse")
def odd(): return 3
def other(): return SignalModel(name="another", title="t", lagrangian="", parameters=(), prepare=None)
def typed(): return SignalModel(name="typed", title=None, lagrangian="", parameters=(), prepare=None)
def drawn(): return SignalModel(name="drawn", title="t", lagrangian="", prepare=None, parameters=(Parameter("x", "nuisance", 0.0, latex="$x_{$"),))
NOWHERE = "/nowhere/at/all"
NUMBER = 3
"""

MODELS = {
    "gone": ("no_such_package:model", "ModuleNotFoundError: No module named 'no_such_package'"),
    "missing": ("MODULE:missing", "AttributeError"),
    "raises": ("MODULE:raises", "RuntimeError: no luck"),
    "exits": ("MODULE:exits", "SystemExit: 3"),
    "worse": ("MODULE:worse", "Exit: worse"),
    "odd": ("MODULE:odd", "should give a SignalModel named 'odd', it gives 3"),
    "other": ("MODULE:other", "it gives \"one named 'another'"),
    "typed": ("MODULE:typed", "one whose fields are of other types"),
    "drawn": ("MODULE:drawn", "holds a formula that cannot be drawn"),
    "malformed": ("not valid!!", "cannot be loaded"),
}
EXPERIMENTS = {
    "gone-exp": ("no_such_package:FOLDER", "ModuleNotFoundError"),
    "number-exp": ("MODULE:NUMBER", "should give the path of a folder, it gives 3"),
    "nowhere-exp": ("MODULE:NOWHERE", "no such file"),
}


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of an installed package whose plug-ins are all broken."""
    module = f"sick_{abs(hash(tmp_path))}"
    (tmp_path / f"{module}.py").write_text(MODULE, encoding="utf-8")
    about = tmp_path / "sick-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: sick\nVersion: 1.0\n", encoding="utf-8")
    groups = (("models", MODELS), ("experiments", EXPERIMENTS))
    lines = [
        line for group, named in groups for line in (f"[cevnsfit.{group}]", *(f"{name} = {value}" for name, (value, _) in named.items()))
    ]
    (about / "entry_points.txt").write_text("\n".join(lines).replace("MODULE", module), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("listing", "broken"), [("models", MODELS), ("experiments", EXPERIMENTS)])
@pytest.mark.usefixtures("plugins")
def test_a_list_goes_on_and_names_each_once(command: Callable[..., Result], listing: str, broken: dict[str, tuple[str, str]]) -> None:
    result = command(listing, "--json")
    assert result.exit_code == 0, result.output
    names = {entry["name"] for entry in json.loads(result.stdout)}
    assert {"sm", "coherent-csi-2021"} & names
    assert not {*broken} & names
    for name, (_, why) in broken.items():
        wanted = re.compile(rf"{name} of sick 1\.0( \(code [0-9a-f]{{12}}\))? is left out: ")
        (line,) = [one for one in result.stderr.splitlines() if wanted.match(one)]
        assert why in (line if name != "nowhere-exp" else result.stderr)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.usefixtures("plugins")
def test_who_asks_for_a_broken_model_is_told_why(refused: Callable[..., str], name: str) -> None:
    message = refused("rates", "coherent-csi-2021", "-m", name)
    assert MODELS[name][1] in message
    assert "sick 1.0" in message


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.usefixtures("plugins")
def test_who_asks_for_a_broken_experiment_is_told_why(refused: Callable[..., str], name: str) -> None:
    assert EXPERIMENTS[name][1] in refused("rates", name, "-m", "sm")


@pytest.mark.usefixtures("plugins")
def test_what_needs_no_plugin_says_nothing_of_them(command: Callable[..., Result]) -> None:
    result = command("rates", "coherent-csi-2021", "-m", "sm")
    assert (result.exit_code, result.stderr) == (0, "")
    assert {*MODELS} <= {*model_names()}
    assert {*EXPERIMENTS} <= {*experiment_names()}


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize(
    ("words", "wanted"), [("cevnsfit models show rai", "raises"), ("cevnsfit rates coherent-csi-2021 -m exits --at m", "")]
)
def test_a_shell_completes(words: str, wanted: str) -> None:
    environment = {"_CEVNSFIT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    result = CliRunner().invoke(app, [], prog_name="cevnsfit", env=environment)
    assert (result.stdout.strip(), result.stderr) == (wanted, "")


@pytest.mark.parametrize("content", [b"[cevnsfit.models]\nno equals sign\n", b"\xff\xfe[cevnsfit.models]\nshy = shy:shy\n"])
def test_metadata_that_cannot_be_read_leave_other_plugins_alone(plugins: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    about = plugins / "torn-1.0.dist-info"
    about.mkdir()
    (about / "entry_points.txt").write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert {*MODELS} <= {*model_names()}
    assert "torn-1.0.dist-info" in caplog.text
    assert model_distribution("gone") == "sick 1.0"


def test_a_package_without_a_name_is_still_named(plugins: Path) -> None:
    (plugins / "sick-1.0.dist-info" / "METADATA").unlink()
    assert model_distribution("gone") == "0+unknown"
