from __future__ import annotations

from pathlib import Path

import pytest
import typer

from cevnsfit.cli import output
from cevnsfit.cli.options import analysis, confidence, picture
from cevnsfit.core.errors import CevnsfitError


def test_an_incomplete_result_ends_with_3(capsys: pytest.CaptureFixture[str]) -> None:
    output.stop_if(False, "fine")
    with pytest.raises(typer.Exit) as stop:
        output.stop_if(True, "half of it")
    assert stop.value.exit_code == 3
    assert capsys.readouterr().err == "incomplete: half of it\n"


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress("work") as step:
        step(1, 2)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


def test_levels_are_sorted_and_unique() -> None:
    assert confidence([0.95, 0.68, 0.95], 1) == [(0.68, 1), (0.95, 1)]
    assert confidence(None, 2) == confidence([], 2) == [(0.90, 2), (0.95, 2)]


def test_pictures_have_a_known_suffix() -> None:
    assert picture(Path("a.PDF")) == Path("a.PDF")
    with pytest.raises(CevnsfitError, match="png"):
        picture(Path("a"))


def test_folders_become_absolute_and_names_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "coherent-lar-2020").mkdir()
    monkeypatch.chdir(tmp_path)
    found = analysis(["mine", "coherent-lar-2020", "absent"], "sm", ["a.b=1"])
    assert found.experiments == (str(tmp_path / "mine"), "coherent-lar-2020", "absent")
    assert dict(found.overrides) == {"a.b": "1"}
