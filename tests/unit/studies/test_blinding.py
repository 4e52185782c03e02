"""Blinded fits: what they hide, what they keep, and that asking gives the fit itself."""

from __future__ import annotations

import json
import math
import pickle
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from typer.testing import CliRunner

import cevnsfit as cf
from cevnsfit.cli.main import app
from cevnsfit.core.documents import plain
from cevnsfit.core.errors import CevnsfitError, UnknownNameError
from cevnsfit.studies.blinding import offset

if TYPE_CHECKING:
    from pathlib import Path

    from cevnsfit.stats.likelihood import Likelihood

AT = {"mass": 100.0}
LINE = ["coherent-csi-2021", "-m", "lmu-ltau", "--at", "mass=100"]


@pytest.fixture(scope="module")
def likelihood() -> Likelihood:
    return cf.build_likelihood("coherent-csi-2021", model="lmu-ltau")


def numbers(text: str) -> np.ndarray:
    return np.array([float(found) for found in re.findall(r"-?\d+\.?\d*(?:[eE][-+]?\d+)?", text)])


def assert_hidden(text: str, *values: float) -> None:
    """Assert that no number in a text is one of these, to three digits."""
    found = numbers(text)
    for value in values:
        assert not np.isclose(found, value, rtol=1e-3, atol=0.0).any(), value


def test_nothing_shows_the_value_and_errors_stay(likelihood: Likelihood, tmp_path: Path) -> None:
    true, seen = cf.fit(likelihood, at=AT), cf.fit(likelihood, at=AT, blind=["g"])
    secrets = (true.values["g"], true.lower["g"], true.upper["g"], offset(likelihood, AT, "g", ""))
    cf.plot(seen, kind="pulls").savefig(tmp_path / "pulls.svg")
    for text in (repr(seen), str(cf.table(seen)), json.dumps(plain(seen)), seen._repr_html_(), str(seen.pulls)):
        assert_hidden(text, *secrets, true.significance)
    assert np.float64(true.values["g"]).tobytes() not in pickle.dumps(seen)
    assert seen.errors["g"] == pytest.approx((true.upper["g"] - true.lower["g"]) / 2)
    assert (seen.nll2, seen.ndof, seen.valid) == (true.nll2, true.ndof, True)
    others = [name for name in true.floating if name != "g"]
    assert [seen.values[name] for name in others] == [true.values[name] for name in others]
    with pytest.raises(CevnsfitError, match="hidden"):
        cf.plot(seen)


def test_the_offset_is_that_of_name_and_word(likelihood: Likelihood) -> None:
    true = cf.fit(likelihood, at=AT)
    for word in ("", "word"):
        seen = cf.fit(likelihood, at=AT, blind=[f"g={word}" if word else "g"])
        assert seen.values["g"] - offset(likelihood, AT, "g", word) == pytest.approx(true.values["g"], rel=1e-9)
        assert abs(offset(likelihood, AT, "g", word)) > 2.0 * seen.errors["g"]
    assert cf.fit(likelihood, at=AT, blind=["g"]).blind != seen.blind


def test_differences_of_blinded_fits_are_right(likelihood: Likelihood) -> None:
    other = likelihood.with_data("asimov", mass=100.0, g=0.01)
    true = [cf.fit(one, at=AT) for one in (likelihood, other)]
    seen = [cf.fit(one, at=AT, blind=["g"]) for one in (likelihood, other)]
    assert seen[0].blind == seen[1].blind
    assert seen[0].values["g"] - seen[1].values["g"] == pytest.approx(true[0].values["g"] - true[1].values["g"], rel=1e-9)


def test_an_end_of_the_domain_does_not_show(likelihood: Likelihood) -> None:
    few = likelihood.with_data("asimov", mass=100.0, g=0.0)
    true, seen = cf.fit(few, at=AT), cf.fit(few, at=AT, blind=["g"])
    assert true.values["g"] == pytest.approx(0.0, abs=1e-3)
    assert seen.at_limit == ()
    assert (math.isnan(seen.lower["g"]), math.isnan(seen.upper["g"])) == (True, True)
    assert seen.errors["g"] > 0
    assert np.isnan(seen.correlation[seen.floating.index("g")]).all()
    assert "g" not in seen.reason.split(":")


@pytest.mark.parametrize("names", [["g"], ["g=word"]])
def test_the_command_hides_it_too_and_without_the_option_it_does_not(names: list[str], likelihood: Likelihood) -> None:
    true = cf.fit(likelihood, at=AT)
    secrets = (true.values["g"], true.lower["g"], true.upper["g"], true.significance)
    for form in ([], ["--json"]):
        answer = CliRunner().invoke(app, ["-vv", "fit", *LINE, "--blind", *names, *form])
        assert answer.exit_code == 0
        assert_hidden(answer.output, *secrets)
        assert "word" not in answer.output
    shown = json.loads(CliRunner().invoke(app, ["fit", *LINE, "--json"]).stdout)
    assert shown["parameters"]["g"]["value"] == pytest.approx(true.values["g"])
    assert shown["blind"] == {}


def test_what_cannot_hide_a_value_says_so(likelihood: Likelihood) -> None:
    answer = CliRunner().invoke(app, ["intervals", *LINE, "--blind", "g"])
    assert answer.exit_code == 2
    assert "`cevnsfit intervals` would show the value of a blinded parameter" in answer.output
    with pytest.raises(CevnsfitError, match="`intervals` would show"):
        cf.intervals(likelihood, "g", at=AT, blind=["g"])  # type: ignore[call-arg]
    with pytest.raises(CevnsfitError, match="mass is held"):
        cf.fit(likelihood, at=AT, blind=["mass"])
    with pytest.raises(UnknownNameError, match="did you mean g"):
        cf.fit(likelihood, at=AT, blind=["gg"])
    with pytest.raises(CevnsfitError, match="blind is a list"):
        cf.fit(likelihood, at=AT, blind="g")
