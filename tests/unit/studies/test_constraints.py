"""External constraints on real data: independent fits, parameters that rebuild templates, and every way in."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from iminuit import Minuit
from typer.testing import CliRunner

import cevnsfit as cf
from cevnsfit.cli.main import app
from cevnsfit.cli.options import correlated_known, measured_known
from cevnsfit.core.analysis import Analysis, Constraint, Correlation
from cevnsfit.core.documents import plain
from cevnsfit.core.errors import CevnsfitError, ResultError, SpecError, UnknownNameError
from cevnsfit.io.description import unlike
from cevnsfit.report.style import Look
from cevnsfit.stats.fingerprint import differences, fingerprint
from cevnsfit.studies.agreement import signal_strengths
from cevnsfit.studies.analysis import read_study
from cevnsfit.studies.constraints import parse_constraints, parse_correlations
from cevnsfit.studies.setup import build, build_each, labelled
from cevnsfit.studies.verbs import about

if TYPE_CHECKING:
    from pathlib import Path

CSI, LAR = "coherent-csi-2021", "coherent-lar-2020"
QUENCHING = f"{CSI}.quenching_0"


@pytest.mark.slow
def test_a_measured_flux_against_an_independent_fit() -> None:
    """The release's (10 %) unit normal goes, and ((a - a_0)/s)^2 comes, both by hand, with f(a_0) = 0.95 and s = 0.03/f'(a_0)."""
    plain_one = cf.build_likelihood(CSI, model="signal-strength", signal_systematics="profile")
    given = cf.build_likelihood(CSI, model="signal-strength", signal_systematics="profile", constraints={"sns_flux": "0.95 +- 0.03"})
    names = list(plain_one.names)
    place, log = names.index("sns_flux"), math.log(1.1)
    a0, s = math.log(0.95) / log, 0.03 / (0.95 * log)  # code 4 differs from the exponential by 1e-5

    def height(x: np.ndarray) -> float:
        return float(-2.0 * plain_one.logpdf(x) - x[place] ** 2 + ((x[place] - a0) / s) ** 2)

    def slope(x: np.ndarray) -> np.ndarray:
        found = -2.0 * plain_one.logpdf(x, gradient=True)[1]
        found[place] += 2.0 * (x[place] - a0) / s**2 - 2.0 * x[place]
        return np.asarray(found)

    minuit = Minuit(height, [plain_one.parameters[name].default for name in names], grad=slope, name=names)
    minuit.errordef, minuit.tol = 1.0, 1e-4
    minuit.limits = [(p.lower, p.upper) for p in plain_one.parameters if p.name in names]
    minuit.migrad()
    minuit.hesse()
    found = cf.fit(given)
    assert found.nll2 == pytest.approx(minuit.fval, abs=1e-4)
    for name in ("signal_strength", "sns_flux", QUENCHING):
        assert found.values[name] == pytest.approx(minuit.values[name], abs=2e-3)
        assert found.errors[name] == pytest.approx(minuit.errors[name], rel=1e-2)
    assert found.errors["signal_strength"] < 0.95 * cf.fit(plain_one).errors["signal_strength"]
    assert found.about.notes[1].startswith(
        "constraint: sns_flux = 0.95 +- 0.03 times its nominal rate, -0.538 +- 0.331 standard deviations"
    )
    assert json.loads(json.dumps(found.to_dict()))["constraints"] == list(given.constraints)
    theta = {"sns_flux": -0.3}
    shift = ((-0.3 - a0) / s) ** 2 - 0.09
    assert -2.0 * (given.logpdf(theta) - plain_one.logpdf(theta)) == pytest.approx(shift, abs=1e-4)


def test_no_correlation_changes_no_digit() -> None:
    free, zero = (cf.build_likelihood(CSI, model="lmu-ltau", correlations=pairs) for pairs in ({}, {("sns_flux", QUENCHING): 0.0}))
    points = np.random.default_rng(1).uniform(0.1, 0.5, (20, len(free.names)))
    points[:, 1] = 20.0
    np.testing.assert_array_equal(free.logpdf(points), zero.logpdf(points))
    assert differences(fingerprint(free), fingerprint(zero)) == []


@pytest.mark.slow
def test_correlated_experiments() -> None:
    """What two experiments have in common makes the combination worse: the error of the strength grows with the correlation."""
    pair = (f"{CSI}.form_factor", f"{LAR}.detection")
    errors = [
        cf.fit(
            cf.build_likelihood(CSI, LAR, model="signal-strength", signal_systematics="profile", correlations={pair: rho}), minos=()
        ).errors["signal_strength"]
        for rho in (-0.9, 0.0, 0.9)
    ]
    assert errors[0] < errors[1] < errors[2]


def test_a_parameter_that_rebuilds_the_templates() -> None:
    """A radius that is held by default floats with its constraint: beside data that say little, it stays where it was measured."""
    likelihood = cf.build_likelihood(CSI, model="neutron-radii", constraints={"r_n_cs": "5.2+-0.05"})
    found = cf.fit(likelihood, minos=())
    assert found.valid
    assert "r_n_cs" in found.floating
    assert found.values["r_n_cs"] == pytest.approx(5.2, abs=0.02)
    assert found.errors["r_n_cs"] == pytest.approx(0.05, rel=0.03)
    (pull,) = [pull for pull in found.pulls if pull.name == "r_n_cs"]
    assert (pull.constrained, pull.centre, pull.sigma) == (True, 5.2, pytest.approx(0.05))
    assert likelihood.logpdf({"r_n_cs": 5.3}) - cf.build_likelihood(CSI, model="neutron-radii").logpdf({"r_n_cs": 5.3}) == pytest.approx(
        -2.0
    )
    toy = likelihood.with_data("toy", {"r_n_cs": 5.2}, seed=1)
    assert toy.at({}).channels[-1].observed != pytest.approx(5.2, abs=1e-6)
    with pytest.raises(CevnsfitError, match="r_n_cs has a constraint and rebuilds the templates"):
        cf.goodness(likelihood)
    with pytest.raises(CevnsfitError, match=r"r_n_cs cannot be both held .* and constrained"):
        cf.fit(likelihood, at={"r_n_cs": 5.0})


def test_what_is_expected_is_centred_too() -> None:
    nominal, given = (cf.build_likelihood(CSI, model="sm", constraints=known) for known in ({}, {"sns_flux": (0.9, 0.02)}))
    totals = [next(iter(cf.rates(one).values())).totals["cevns"] for one in (nominal, given)]
    assert totals[1] == pytest.approx(0.9 * totals[0], rel=1e-9)
    assert given.counts()[CSI].values().sum() < nominal.counts()[CSI].values().sum()


@pytest.mark.slow
def test_signal_strengths_know_the_constraints() -> None:
    free, given = (cf.build_likelihood(CSI, LAR, model="lmu-ltau", constraints=known) for known in ({}, {"sns_flux": "0.7+-0.01"}))
    before, after = signal_strengths(free), signal_strengths(given)
    assert [one.label for one in after] == [one.label for one in before] == [CSI, LAR, f"{CSI} + {LAR}"]
    assert after[0].strength == pytest.approx(before[0].strength, rel=1e-6)  # the signal's systematics are held
    assert after[0].pull > before[0].pull + 1.0
    assert after[2].expected < before[2].expected + 1e-9


@pytest.mark.slow
def test_stores_and_fingerprints_know_them(tmp_path: Path) -> None:
    free, given, again = (
        cf.build_likelihood(CSI, model="lmu-ltau", constraints=known)
        for known in ({}, {"sns_flux": "0.95+-0.03"}, {"sns_flux": {"value": 0.95, "error": 0.03}})
    )
    assert differences(fingerprint(given), fingerprint(again)) == []
    assert differences(fingerprint(free), fingerprint(given))
    grid = {"mass": [10.0, 30.0, 100.0], "g": [1e-4, 1e-3, 1e-2]}
    cf.scan(given, store=tmp_path, **grid)
    cf.scan(again, store=tmp_path, **grid)
    with pytest.raises(ResultError, match="constraints"):
        cf.scan(free, store=tmp_path, **grid)
    found = cf.open(tmp_path)
    assert any("sns_flux = 0.95" in note for note in found.about.notes)


def test_results_of_before_there_were_constraints() -> None:
    known = {key: value for key, value in plain(Analysis((CSI,), "sm")).items() if key not in {"constraints", "correlations"}}
    assert unlike(known, plain(Analysis((CSI,), "sm"))) == ""
    assert "constraints" in unlike(known, plain(Analysis((CSI,), "sm", constraints=(Constraint("sns_flux", 1.0, 0.1),))))
    assert Analysis.of(known) == Analysis((CSI,), "sm")


@pytest.mark.slow
def test_each_plane_has_those_of_its_parameters() -> None:
    analysis = Analysis(
        (CSI, LAR),
        "lmu-ltau",
        constraints=(Constraint("sns_flux", 0.95, 0.03),),
        correlations=(Correlation(QUENCHING, f"{LAR}.detection", 0.5),),
    )
    found = build_each(labelled(analysis, each=True))
    assert [len(likelihood.constraints) for likelihood in found.values()] == [1, 1, 2]
    assert [len(likelihood.origin.correlations) for likelihood in found.values() if likelihood.origin is not None] == [0, 0, 1]
    apart = {name: replace(analysis, experiments=(name,)) for name in (CSI, LAR)}
    with pytest.raises(
        CevnsfitError, match=r"quenching_0,coherent-lar-2020\.detection = 0\.5 is one of parameters that are together in no result"
    ):
        build_each(apart)
    with pytest.raises(UnknownNameError, match="did you mean sns_flux"):
        build_each(labelled(Analysis((CSI, LAR), "sm", constraints=(Constraint("sns_flx", 1.0, 0.1),)), each=True))


FILE = """\
schema_version: 1
title: A study
model: lmu-ltau
results:
  - {label: CsI, experiments: [coherent-csi-2021]}
constraints:
  sns_flux: 0.95 +- 0.03
  coherent-csi-2021.efficiency: {value: 0.1, error: 0.5, source: a calibration}
correlations:
  - {between: [sns_flux, coherent-csi-2021.quenching_0], value: 0.5}
"""


def test_an_analysis_file(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(FILE, encoding="utf-8")
    (analysis,) = read_study(path).analyses.values()
    assert analysis.constraints == (Constraint("sns_flux", 0.95, 0.03), Constraint(f"{CSI}.efficiency", 0.1, 0.5, source="a calibration"))
    assert analysis.correlations == (Correlation("sns_flux", QUENCHING, 0.5),)
    assert "(a calibration)" in build(analysis).constraints[1]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("0.95 +- 0.03", "0.95"), r"study.yaml:6: constraints: the constraint sns_flux=0.95 should read VALUE \+- ERROR"),
        (("0.95 +- 0.03", "0.95 +- -1"), "constraints.* error above 0"),
        (("value: 0.5}", "value: 1.5}"), "study.yaml:10: correlations.0.value: it should be less than 1"),
        (("source:", "sorce:"), "study.yaml:8: constraints.coherent-csi-2021.efficiency.sorce: unknown field"),
    ],
)
def test_files_that_are_wrong(change: tuple[str, str], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(FILE.replace(*change), encoding="utf-8")
    with pytest.raises(SpecError, match=reason):
        read_study(path)


def test_options() -> None:
    assert parse_constraints(["sns_flux=0.95\u00b10.03"]) == (Constraint("sns_flux", 0.95, 0.03),)
    assert parse_correlations(["a, b=0.8"]) == (Correlation("a", "b", 0.8),)
    for text in ("a=0.5", "a,b", "a,b,c=0.5", "a,b=x"):
        with pytest.raises(CevnsfitError, match="should read NAME,NAME=VALUE"):
            parse_correlations([text])
    line = {"experiments": [CSI, "nowhere"], "model": "lmu-ltau"}
    assert {"sns_flux=", "mass=", f"{QUENCHING}="} <= {*measured_known(line)}
    assert f"sns_flux,{QUENCHING}=" in correlated_known(line)


def test_the_command_says_it() -> None:
    options = ("--constrain", "sns_flux=0.95+-0.03", "--correlate", f"sns_flux,{QUENCHING}=0.5")
    text = CliRunner().invoke(app, ["fit", CSI, "-m", "lmu-ltau", "--at", "mass=20", *options], catch_exceptions=False).output
    assert "constraint: sns_flux = 0.95 +- 0.03 times its nominal rate" in text
    assert f"constraint: correlation of sns_flux and {QUENCHING} = 0.5" in text


def test_captions_say_it_in_few_words() -> None:
    likelihood = cf.build_likelihood(CSI, model="sm", constraints={"sns_flux": "0.95+-0.03"}, correlations={("sns_flux", QUENCHING): 0.5})
    look = Look(printed={CSI: "CsI"})
    text = "CsI, sm, sns_flux = 0.95 \u00b1 0.03, correlation of sns_flux and CsI.quenching_0 = 0.5"
    assert look.headline(about(likelihood, {})) == text
