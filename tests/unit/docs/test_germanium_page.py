"""docs/germanium.md: its commands print what it shows, and the numbers of its tables are those of the fits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

import cevnsfit as cf

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DIODES, REACTOR = "coherent-ge-mini-2024", "conus-plus-2025"
FIVE = ("coherent-csi-2021", "coherent-lar-2020", DIODES, REACTOR, "xenonnt-s2only-2026")
ONSET = "coherent-csi-2021:systematics.onset.enabled"


@pytest.fixture(scope="module")
def page(project_root: Path) -> str:
    return (project_root / "docs" / "germanium.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_commands_print_what_the_page_says(page: str, check_commands: Callable[[str], list[str]]) -> None:
    assert check_commands(page) == ["rates", "rates", "fit", "rates", "fit", "fit"]


def test_the_drawn_signal_and_ours(page: str) -> None:
    rows = re.findall(r"^\| (\d+) \| (\d+\.\d+) \| (\d+\.\d+) \|$", page, re.MULTILINE)
    experiment = cf.load_experiment(DIODES)
    drawn = sum(experiment.tables["counts.csv"].on(experiment.axes, f"drawn_{part}").ravel() for part in ("prompt", "delayed"))
    (ours,) = (counts.sum(axis=0) for counts in cf.rates(cf.build_likelihood(experiment, model="sm"))[DIODES].signal[None])
    ours = ours * (np.sum(drawn) / ours.sum())
    assert [int(low) for low, _, _ in rows] == [0, 2, 4, 6, 8, 10, 12]
    for low, theirs, computed in rows:
        place = (int(low) + 4) // 2
        assert (np.asarray(drawn)[place], ours[place]) == pytest.approx((float(theirs), float(computed)), abs=6e-4)
    assert np.max(np.abs(ours - drawn)) < 0.10


@pytest.mark.slow
@pytest.mark.parametrize(("name", "column"), [(DIODES, 1), (REACTOR, 3)])
def test_strengths_against_lindhard_k(page: str, name: str, column: int) -> None:
    rows = [row.strip("| ").split(" | ") for row in re.findall(r"^\| 0\.1\d* .*\|$|^\| 0\.20 .*\|$", page, re.MULTILINE)]
    assert len(rows) == 8
    for row in (rows[0], rows[3], rows[-1]):
        changes = {"response.quenching.k": float(row[0])}
        best = cf.fit(cf.build_likelihood(name, model="signal-strength", changes=changes))
        value, *errors = (float(number) for number in re.findall(r"\d+\.\d+", row[column + 1]))
        counts = sum(entry.totals["cevns"] for entry in cf.rates(cf.build_likelihood(name, model="sm", changes=changes)).values())
        assert counts == pytest.approx(float(row[column]), abs=0.06)
        assert best.values["signal_strength"] == pytest.approx(value, abs=1e-3)
        if len(errors) > 1:
            assert best.upper["signal_strength"] - best.values["signal_strength"] == pytest.approx(errors[0], abs=2e-3)
        assert best.values["signal_strength"] - best.lower["signal_strength"] == pytest.approx(errors[-1], abs=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("free", "column"), [("true", 1), ("false", 2)])
def test_five_experiments_together(page: str, free: str, column: int) -> None:
    for model, label in (("weak-mixing-angle", "sin2 theta_W"), ("signal-strength", "signal strength")):
        (row,) = re.findall(rf"^\| {label} \| .*\|$", page, re.MULTILINE)
        value, error = (float(number) for number in re.findall(r"\d\.\d+", row.split(" | ")[column]))
        best = cf.fit(cf.build_likelihood(*FIVE, model=model, changes={ONSET: free}), minos=())
        name = "sin2_theta_w" if model == "weak-mixing-angle" else "signal_strength"
        assert (best.values[name], best.errors[name]) == pytest.approx((value, error), abs=6e-4 if value > 0.5 else 1.1e-4)
    (row,) = re.findall(r"^\| L_mu - L_tau, g at 10 MeV \| .*\|$", page, re.MULTILINE)
    ((_, high),) = cf.intervals(cf.build_likelihood(*FIVE, model="lmu-ltau", changes={ONSET: free}), "g", at={"mass": 10.0}).allowed
    assert high == pytest.approx(float(row.split(" | ")[column].strip("< |")), rel=2e-3)


LINDHARD = {"kind": "lindhard-quenching", "z": 32}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("label", "quenching"),
    [
        ("iron-filtered neutrons", {"response.quenching.column": "fef"}),
        ("photoneutrons", {"response.quenching.column": "ybe"}),
        ("Lindhard, k = 0.157", {"response.quenching": {**LINDHARD, "k": 0.157}}),
        ("Lindhard, k = 0.18", {"response.quenching": {**LINDHARD, "k": 0.18}}),
    ],
)
def test_strengths_of_dresden(page: str, label: str, quenching: dict[str, object]) -> None:
    (row,) = re.findall(rf"^\| {label}.* \|$", page, re.MULTILINE)
    _, rate, strength, _ = (cell.strip() for cell in row.strip("|").split("|"))
    value, error = (float(number) for number in strength.split(" +- "))
    likelihood = cf.build_likelihood("dresden-ii-2022", model="signal-strength", changes=quenching, signal_systematics="profile")
    best = cf.fit(likelihood, minos=())
    assert cf.rates(likelihood)["dresden-ii-2022"].totals["cevns"] / 96.4 == pytest.approx(float(rate), abs=0.06)
    assert best.values["signal_strength"] == pytest.approx(value, abs=6e-3 if value < 3.0 else 0.06)
    assert best.errors["signal_strength"] == pytest.approx(error, abs=0.06 if value > 3.0 else 6e-3)


def test_k_floats(page: str) -> None:
    found = re.search(r"`--set 'systematics.quenching=(\{.*?\})'`: in the Standard Model CONUS\+ prefers (\S+) \+- (\S+)\.\n", page)
    assert found is not None
    likelihood = cf.build_likelihood(REACTOR, model="sm", changes={"systematics.quenching": found.group(1)})
    best = cf.fit(likelihood, minos=())
    name = f"{REACTOR}.quenching"
    assert (best.values[name], best.errors[name]) == pytest.approx((float(found.group(2)), float(found.group(3))), abs=6e-4)
