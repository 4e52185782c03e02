from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer

from cevnsfit.cli import output
from cevnsfit.cli.options import AnalysisOptions, picture
from cevnsfit.cli.output import Answer, emit
from cevnsfit.core.analysis import Analysis
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.infer.intervals import levels_at
from cevnsfit.report.style import SCREEN

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize(("as_json", "printed"), [(True, '{"a": null}\n'), (False, "one\ntwo\n")])
def test_an_incomplete_result_is_printed_and_ends_with_3(capsys: pytest.CaptureFixture[str], as_json: bool, printed: str) -> None:
    answer = Answer({"a": math.nan}, ("one", "two"))
    emit(answer, as_json=as_json)
    assert capsys.readouterr().out == printed
    with pytest.raises(typer.Exit) as stop:
        emit(dataclasses.replace(answer, incomplete="half of it"), as_json=as_json)
    assert stop.value.exit_code == 3
    assert capsys.readouterr() == (printed, "incomplete: half of it\n")


def test_files_are_a_key_of_the_document_and_the_last_lines_of_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    answer = Answer({"a": 1}, ["one"], [Path("x/y.csv"), Path("z.png")])
    emit(answer, as_json=True)
    emit(answer, as_json=False)
    emit(Answer({"a": 1}, files=[]), as_json=True)
    assert capsys.readouterr().out == '{"a": 1, "files": ["x/y.csv", "z.png"]}\none\nx/y.csv\nz.png\n{"a": 1, "files": []}\n'


def test_the_provenance_of_a_document_has_the_seed(capsys: pytest.CaptureFixture[str]) -> None:
    emit(Answer({}, analysis=Analysis(("coherent-lar-2020",), "sm", at=(("x", 2.0),)), seed=7), as_json=True)
    found = json.loads(capsys.readouterr().out)["provenance"]
    assert (found["experiments"], found["model"], found["at"], found["seed"]) == (["coherent-lar-2020"], "sm", {"x": 2.0}, 7)
    assert list(found["inputs"]) == ["coherent-lar-2020"]


def test_text_is_not_made_for_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    asked = []

    def text() -> Iterator[str]:
        asked.append("text")
        yield "words"

    emit(Answer([1], text()), as_json=True)
    assert (asked, capsys.readouterr().out) == ([], "[1]\n")


def test_an_error_is_raised_or_printed_as_a_document_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    answer = Answer({"valid": False}, error=CevnsfitError("wrong"))
    with pytest.raises(CevnsfitError, match="wrong"):
        emit(answer, as_json=False)
    with pytest.raises(typer.Exit) as stop:
        emit(answer, as_json=True)
    assert stop.value.exit_code == 2
    assert capsys.readouterr().out == '{"valid": false}\n'


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress("work") as step:
        step(1, 2)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


def test_levels_are_sorted_and_unique() -> None:
    assert levels_at([0.95, 0.68, 0.95], 1) == [(0.68, 1), (0.95, 1)]
    assert levels_at(None, 2) == levels_at([], 2) == [(0.90, 2), (0.95, 2)]


def test_pictures_have_a_known_suffix() -> None:
    assert picture(Path("a.PDF"), SCREEN) == Path("a.PDF")
    with pytest.raises(CevnsfitError, match="png"):
        picture(Path("a"), SCREEN)


def test_folders_become_absolute_and_names_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "coherent-lar-2020").mkdir()
    monkeypatch.chdir(tmp_path)
    found = AnalysisOptions(experiments=["mine", "coherent-lar-2020", "absent"], model="sm", changes=["a.b=1"]).analysis
    assert found.experiments == (str(tmp_path / "mine"), "coherent-lar-2020", "absent")
    assert dict(found.overrides) == {"a.b": "1"}
