"""Every command with every model and two data sets, each alone and both together, on one and two threads of BLAS: none ends in a bug.

A sample in which each two values meet runs with the slow tests, all of it with `make nightly`.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest
import smoke

from cevnsfit.studies.setup import all_models

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the packages that check what is exported

LONG = {"validate"}
"""Entries that take minutes."""


def test_every_command_is_in_the_matrix() -> None:
    commands = [*smoke.commands()]
    assert [name for name in commands if not smoke.entries_of(name)] == []
    assert sorted(entry for name in commands for entry in smoke.entries_of(name)) == sorted((*smoke.MATRIX, *smoke.ONCE))


def test_each_two_values_meet_in_the_sample() -> None:
    rows = [
        (case.entry, next(name for name, models in smoke.families().items() if case.model in models), case.data, n)
        for case, n in smoke.sample()
    ]
    axes = (smoke.MATRIX, smoke.families(), smoke.DATA, smoke.THREADS)
    for i, j in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)):
        assert {(row[i], row[j]) for row in rows} == set(product(axes[i], axes[j]))
    assert {case.model for case, _ in smoke.sample()} == set(all_models())
    assert len(rows) < 250


@pytest.mark.slow
@pytest.mark.parametrize(("case", "threads"), smoke.sample(), ids=str)
def test_no_command_ends_in_a_bug(case: smoke.Case, threads: int, tmp_path: Path) -> None:
    answer = smoke.tried(smoke.MATRIX[case.entry](case, tmp_path), tmp_path, threads)
    assert answer.wrong == ()


@pytest.mark.slow
@pytest.mark.parametrize("entry", [pytest.param(name, marks=[pytest.mark.nightly] * (name in LONG)) for name in smoke.ONCE])
def test_commands_without_a_model(entry: str, tmp_path: Path) -> None:
    if entry == "export slha":
        smoke.tried([word.format(out=tmp_path) for word in smoke.ONCE["susy-scan"]], tmp_path)
    answer = smoke.tried([word.format(out=tmp_path) for word in smoke.ONCE[entry]], tmp_path)
    assert answer.wrong == ()
    assert answer.code == (smoke.REFUSED if entry == "import-release" else smoke.ANSWERED), answer.text


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize("entry", smoke.MATRIX)
def test_each_kind_of_call_is_answered_for_some_mediator(entry: str, tmp_path: Path) -> None:
    """A call that is refused everywhere would try nothing."""
    cases = [smoke.Case(entry, model, data) for data in ("csi", "both") for model in ("universal", "scalar-universal")]
    folders = [tmp_path / str(n) for n, _ in enumerate(cases)]
    for folder in folders:
        folder.mkdir()
    assert any(smoke.tried(smoke.MATRIX[entry](case, out), out).code != smoke.REFUSED for case, out in zip(cases, folders, strict=True))


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize("model", all_models())
@pytest.mark.parametrize("entry", smoke.MATRIX)
def test_no_command_ends_in_a_bug_and_threads_do_not_change_its_numbers(entry: str, model: str, tmp_path: Path) -> None:
    wrong: list[str] = []
    for data in smoke.DATA:
        case, answers = smoke.Case(entry, model, data), []
        for threads in smoke.THREADS:
            out = tmp_path / data / str(threads)
            out.mkdir(parents=True)
            answers.append(smoke.tried(smoke.MATRIX[entry](case, out), out, threads))
        wrong += [f"{data}: {text}" for answer in answers for text in answer.wrong]
        wrong += [f"{data}: {text}" for text in smoke.differences(answers[0].document, answers[1].document)]
        wrong += [f"{data}: codes {answers[0].code}, {answers[1].code}"] if answers[0].code != answers[1].code else []
    assert wrong == []
