"""The scan of sleptons: reproducible, inside its ranges, and true to the deviations it was given."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from cevnsfit.cli.main import app
from cevnsfit.core.errors import CevnsfitError, DomainError
from cevnsfit.moments.measured import Deviation, deviation
from cevnsfit.moments.sleptons import MASSES, SusyScan
from cevnsfit.studies.susy import susy_json, susy_scan

ELECTRON = Deviation("e", "here", "there", 0.0, 1e-13)
MUON = Deviation("mu", "here", "there", 2.5e-9, 0.6e-9)


@pytest.fixture(scope="module")
def scan() -> SusyScan:
    return susy_scan(12_000, (ELECTRON, MUON), seed=3)


def test_kept_points_explain_both_deviations(scan: SusyScan) -> None:
    assert 0 < scan.kept < scan.physical < scan.tried == 12_000
    assert np.all(np.abs(scan.columns["a_mu"] - 2.5e-9) <= 1.2e-9)
    assert np.all(np.abs(scan.columns["a_e"]) <= 2e-13)
    for name in MASSES:
        assert 100.0 <= scan.columns[name].min() <= scan.columns[name].max() <= 1000.0
    assert 10.0 <= scan.columns["tan_beta"].min() <= scan.columns["tan_beta"].max() <= 50.0


def test_a_seed_gives_the_same_points_whatever_their_number(scan: SusyScan) -> None:
    again = susy_scan(10_500, (ELECTRON, MUON), seed=3)
    np.testing.assert_array_equal(again.columns["a_mu"], scan.columns["a_mu"][: again.kept])
    assert not np.array_equal(susy_scan(1000, (ELECTRON, MUON), seed=4).columns["a_mu"][:5], scan.columns["a_mu"][:5])


def test_the_hierarchy_is_free_of_the_moments(scan: SusyScan) -> None:
    low, median, high = scan.slepton_logs().values()
    assert 0.0 <= low < 1.0
    assert median == pytest.approx(2.0 * np.log(100.0), rel=0.1)
    assert 17.0 < high <= 4.0 * np.log(100.0)
    names = list(scan.columns)
    matrix = scan.correlations()
    np.testing.assert_allclose(np.diag(matrix), 1.0)
    assert abs(matrix[names.index("hierarchy"), names.index("a_mu")]) < 0.1
    # inside the window heavier smuons still give smaller moments
    assert matrix[names.index("smuon_L"), names.index("a_mu")] < -0.2


def test_the_sign_of_mu_is_the_sign_of_the_moment() -> None:
    negative = Deviation("mu", "here", "there", -2.5e-9, 0.6e-9)
    assert susy_scan(3000, ((ELECTRON, negative)), mu_sign=-1).kept > 20 * max(susy_scan(3000, (ELECTRON, negative)).kept, 1)


def test_no_point_is_an_answer() -> None:
    nothing = susy_scan(100, (ELECTRON, Deviation("mu", "here", "there", 1.0, 1e-9)))
    assert nothing.kept == 0
    assert nothing.ranges() == nothing.slepton_logs() == {}
    assert susy_json(nothing)["kept"] == 0


def test_bad_input_is_named() -> None:
    with pytest.raises(DomainError, match="sign of mu"):
        susy_scan(10, (ELECTRON, MUON), mu_sign=0)
    with pytest.raises(CevnsfitError, match="one of mu"):
        deviation("electron-2023", "muon-2025")


def test_the_command_gives_the_limits_of_the_kept_hierarchy() -> None:
    arguments = ["susy-scan", "coherent-lar-2020", "-n", "2000", "--muon", "muon-2020", "--mass", "50", "--json"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    ends = [found["limits"][name]["allowed"][-1][1] for name in ("min", "median", "max")]
    assert len(set(ends)) == 3
    assert found["slepton_log"]["max"] > found["slepton_log"]["median"] > found["slepton_log"]["min"] >= 0.0
    text = CliRunner().invoke(app, ["susy-scan", "-n", "2000"], catch_exceptions=False).stdout
    assert "tan_beta" in text
    assert "of 2000 points" in text
    assert "strongest rank correlations: selectron_L with a_e -" in text
