"""Every number in data/published is reproduced within its tolerance."""

from __future__ import annotations

import math

import pytest

from cevnsfit.moments.measured import deviation, moment, moments
from cevnsfit.studies.checks import checks
from cevnsfit.studies.validate import absolute, read_published, rows, validate
from cevnsfit.studies.verification import read_papers

NUMBERS = read_published()


@pytest.mark.slow
def test_every_number_is_reproduced_and_shown() -> None:
    found = validate()
    assert [check.id for check in found] == [number.id for number in NUMBERS]
    failed = [
        f"{check.id}: {check.ours:g} +- {check.our_error}, {check.source}: {check.published:g} +- {check.error}; {check.because}"
        for check in found
        if check.verdict == "FAILS"
    ]
    assert failed == []
    table = rows(found)
    assert len(table) == len(NUMBERS)
    assert {row[0] for row in table} == {"ok", "differs"}
    assert [check.id for check in found if not check.passed] == [number.id for number in NUMBERS if number.disagrees]


def test_every_number_has_a_check_and_every_check_a_number() -> None:
    assert sorted(checks()) == sorted(number.id for number in NUMBERS)


def test_tolerances_on_published_results_are_tighter_than_their_errors() -> None:
    loose = [n.id for n in NUMBERS if n.error is not None and absolute(n.tolerance, n.value) > 0.5 * n.error]
    assert loose == []


def test_published_numbers_cite_a_paper() -> None:
    published = [number for number in NUMBERS if number.kind == "published"]
    assert len(published) >= 50
    papers = read_papers()
    assert [number.id for number in published if number.paper not in papers] == []


def test_an_independent_program_is_never_said_to_differ() -> None:
    assert [number.id for number in NUMBERS if number.disagrees and number.kind != "published"] == []


def test_muon_moment_agrees_with_the_lattice_and_not_with_the_dispersive_prediction() -> None:
    new, old = ((found.value, found.error) for found in (deviation("muon-2025", name) for name in ("muon-2025", "muon-2020")))
    assert new == pytest.approx((38.5e-11, 63.7e-11), rel=1e-3)
    assert old == pytest.approx((261.5e-11, 45.4e-11), rel=1e-3)


def test_electron_moment_lies_between_the_two_predictions() -> None:
    found = [deviation("electron-2023", name) for name in ("electron-cs-2018", "electron-rb-2020")]
    caesium, rubidium = ((one.value, one.error) for one in found)
    assert caesium == pytest.approx((-101.6e-14, 26.4e-14), rel=2e-3)
    assert rubidium == pytest.approx((33.8e-14, 16.1e-14), rel=2e-3)


def test_electron_predictions_differ_as_the_fine_structure_constants_do() -> None:
    # a = alpha/(2 pi) + ...: a relative change of alpha changes the leading term, 0.0011614, by as much; later terms by 0.15 % of it
    change = (137.035999206 - 137.035999046) / 137.035999206 / (2 * math.pi * 137.036)
    difference = moment("predictions", "electron-cs-2018").value - moment("predictions", "electron-rb-2020").value
    assert difference == pytest.approx(change, rel=0.01)


def test_moment_names() -> None:
    measured, predicted = moments("measurements"), moments("predictions")
    assert [moment("measurements", name).id for name in measured] == list(measured)
    assert [moment("predictions", name).id for name in predicted] == list(predicted)
