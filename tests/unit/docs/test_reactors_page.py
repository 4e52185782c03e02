"""docs/reactors-and-sun.md: its commands print what it shows, and the numbers of its text are those of the fits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

import cevnsfit as cf

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

XENON = "xenonnt-s2only-2026"
BOTH = "xenonnt-b8-2026"


@pytest.fixture(scope="module")
def page(project_root: Path) -> str:
    return (project_root / "docs" / "reactors-and-sun.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_commands_print_what_the_page_says(page: str, check_commands: Callable[[str], list[str]]) -> None:
    assert check_commands(page) == ["rates", "intervals"] * 2


def test_predictions_of_the_runs_and_what_was_released(page: str) -> None:
    rows = re.findall(r"^\| SR(\d) \| (\S+) \| (\S+) \| (\S+) % \| (\S+) % \|$", page, re.MULTILINE)
    experiment = cf.load_experiment(XENON)
    counts = cf.rates(cf.build_likelihood(experiment, model="sm"))[XENON]
    assert [row[0] for row in rows] == ["0", "1", "2"]
    for (_, predicted, released, below, above), signal, (run, part) in zip(rows, counts.signal, experiment.channels.items(), strict=True):
        template = part.tables["backgrounds.csv"].values(f"cevns_{run}")
        assert (signal.sum(), template.sum()) == pytest.approx((float(predicted), float(released)), abs=0.006)
        deviation = 100 * np.abs(signal / template - 1)
        assert (deviation[:-1].max(), deviation[-1]) == pytest.approx((float(below), float(above)), abs=0.06)


def test_fits_of_the_page(page: str) -> None:
    text = " ".join(page.split())
    best = cf.fit(cf.build_likelihood(XENON, model="signal-strength"))
    assert f"The strength is {best.values['signal_strength']:.2f} +- {best.errors['signal_strength']:.2f}" in text
    assert f"the Standard Model {best.delta_nll2_sm:.2f} above it" in text
    moved = [best.values[f"{XENON}.{run}.cathode_norm"] for run in ("sr1", "sr2")]
    assert f"SR1 up by {moved[0]:.1f} and SR2 down by {-moved[1]:.1f} standard errors" in text
    angle = cf.fit(cf.build_likelihood(XENON, model="weak-mixing-angle"), minos=())
    assert angle.values["sin2_theta_w"] == 0.0
    assert f"0.2387 is {angle.delta_nll2_sm:.1f} above it" in text
    assert f"{best.observed[XENON]} events on" in text


@pytest.mark.slow
def test_fits_of_scintillation_and_ionisation(page: str) -> None:
    text = " ".join(page.split())
    spread = {"backgrounds.er.count.sigma": 0, "backgrounds.neutron.count.sigma": 0}
    held = spread | {f"channels.{run}.backgrounds.ac.count.sigma": 0 for run in ("sr0", "sr1", "sr2")}
    fits = {
        name: cf.fit(cf.build_likelihood(BOTH, model="signal-strength", changes=changes))
        for name, changes in (("all", {}), ("first", {"channels.sr2.enabled": "false"}), ("held", held))
    }
    counts = {name: best.counts[BOTH].totals["cevns"] for name, best in fits.items()}
    assert f"The fit has {counts['all']:.1f} counts of the signal at {fits['all'].significance:.2f} sigma" in text
    assert f"give {counts['first']:.1f} counts at {fits['first'].significance:.2f} sigma" in text
    assert f"{counts['first']:.1f} counts are {5.16 * fits['first'].values['signal_strength']:.1f}e6 here" in text
    strength = {end: getattr(fits["held"], end)["signal_strength"] for end in ("values", "lower", "upper")}
    sigma = fits["held"].significance
    assert f"strength is {strength['values']:.2f} ({strength['lower']:.2f} to {strength['upper']:.2f}) at {sigma:.2f} sigma" in text
    shapes = cf.fit(cf.build_likelihood(BOTH, model="signal-strength", signal_systematics="shapes"), minos=())
    value, error = (found["signal_strength"] for found in (shapes.values, shapes.errors))
    assert f"(`--profile-signal`), {value:.2f} +- {error:.2f} at {shapes.significance:.2f} sigma" in text
    angle = cf.fit(cf.build_likelihood(BOTH, model="weak-mixing-angle"), minos=())
    assert f"sin2 theta_W is {angle.values['sin2_theta_w']:.3f} +- {angle.errors['sin2_theta_w']:.3f}" in text
