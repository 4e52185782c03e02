"""The scan of superpartners and a boson: against a few independent lines, its limits, its store, its command."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING
from unittest.mock import ANY

import numpy as np
import pytest
from typer.testing import CliRunner

import cevnsfit as cf
from cevnsfit.cli.main import app
from cevnsfit.core.documents import plain
from cevnsfit.core.errors import CevnsfitError, DomainError, ResultError, UnknownNameError
from cevnsfit.io.layouts import SUSY
from cevnsfit.moments.boson_loops import vector_contribution
from cevnsfit.moments.boson_window import BosonLimit, boson_window
from cevnsfit.moments.bprime import bprime_lifetime
from cevnsfit.moments.decays import LSP_KINDS, decays
from cevnsfit.moments.lhc import judge
from cevnsfit.moments.measured import deviation
from cevnsfit.moments.ranges import RANGES, Range
from cevnsfit.moments.slepton_loops import slepton_contribution
from cevnsfit.moments.sleptons import CHUNK, COLUMNS, COUNTS, shipped_maps
from cevnsfit.moments.superpartners import superpartners
from cevnsfit.physics.borexino import borexino_limit
from cevnsfit.physics.constants import MUON_MASS
from cevnsfit.physics.trident import trident_limit, trident_spectrum
from cevnsfit.studies.susy import SusyScan, stored_susy_scan, susy_scan
from cevnsfit.studies.susy_inputs import SusyInputs, boson_limits, draw_of, parse_range

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STUDY = SusyInputs(
    electron_measured="electron-2008", electron="electron-cs-2018", muon_measured="muon-2006", muon="muon-2020", mu_sign=-1, seed=3
)
OPTIONS = [
    *("--electron-measured", "electron-2008", "--electron", "electron-cs-2018"),
    *("--muon-measured", "muon-2006", "--muon", "muon-2020", "--mu-sign", "-1"),
]


@pytest.fixture(scope="module")
def scan() -> SusyScan:
    return susy_scan(25_000, STUDY)


def test_the_deviations_of_the_study() -> None:
    electron, muon = deviation("electron-2008", "electron-cs-2018"), deviation("muon-2006", "muon-2020")
    assert (electron.value, electron.error) == (pytest.approx(-8.76e-13, abs=1e-15), pytest.approx(3.62e-13, abs=1e-15))
    assert (muon.value, muon.error) == (pytest.approx(27.9e-10, abs=1e-12), pytest.approx(7.6e-10, abs=1e-11))


@pytest.mark.slow
def test_the_counts_are_those_of_a_few_lines(scan: SusyScan) -> None:
    points = [draw_of(STUDY).points(number, size) for number, size in ((0, 10_000), (1, 10_000), (2, 5_000))]
    columns = {name: np.concatenate([part[name] for part in points]) for name in RANGES}
    partners = superpartners(columns)
    physical = (np.abs(partners.gauginos.chargino_mass).min(axis=1) >= 1e5) & partners.sleptons["e"].stable & partners.sleptons["mu"].stable
    a_e, a_mu = (slepton_contribution(partners.sleptons[lepton], partners.gauginos) for lepton in ("e", "mu"))
    explained = physical & (np.abs(a_e + 8.76e-13) <= 2.0 * np.hypot(28.0, 23.0) * 1e-14)
    # some boson: every mass and coupling of a dense grid, under the strongest limit
    mass = np.geomspace(10.0, 200.0, 400)
    most = np.minimum(trident_limit(mass, trident_spectrum()), borexino_limit(mass))
    g = np.geomspace(5e-4, 2e-3, 400)[:, None]
    given = np.where(g <= most, vector_contribution(1.0, mass, MUON_MASS) * g**2, np.nan)
    low, high = np.nanmin(given), np.nanmax(given)
    wanted, error = 27.9e-10 - a_mu, 2.0 * np.hypot(63.0, 43.0) * 1e-11
    kept = explained & (wanted + error >= low) & (wanted - error <= high)
    assert (scan.physical, scan.electron_explained) == (physical.sum(), explained.sum())
    assert scan.kept == pytest.approx(kept.sum(), abs=2)
    assert scan.kept_without_boson == (explained & (np.abs(wanted) <= error)).sum() == 0
    assert 400 < scan.kept < scan.kept_ranges <= scan.electron_explained
    assert scan.smallest_hierarchy == scan.columns["hierarchy"].min() > scan.smallest_hierarchy_ranges >= 1.0


@pytest.mark.slow
def test_the_drawn_boson(scan: SusyScan) -> None:
    x = scan.columns
    np.testing.assert_allclose(x["a_boson"], vector_contribution(x["boson_g"], x["boson_mass"], MUON_MASS), rtol=1e-5)
    passes = x["boson_g"] <= np.minimum(trident_limit(x["boson_mass"], trident_spectrum()), borexino_limit(x["boson_mass"]))
    both = passes & scan.draw.muon.explains(x["a_mu"] + x["a_boson"], 2.0)
    assert scan.kept_drawn == both.sum() > 50


def test_what_is_alive(scan: SusyScan) -> None:
    x = scan.columns
    partners = superpartners(x)
    verdicts = judge(partners, decays(partners), shipped_maps())
    np.testing.assert_allclose(x["lhc_ratio"], verdicts.ratio, rtol=1e-9)
    np.testing.assert_array_equal(x["lhc_analysis"], verdicts.analysis)
    np.testing.assert_allclose(x["lifetime"], bprime_lifetime(partners, x), rtol=1e-9)
    charged = np.isin(x["lsp"], [LSP_KINDS.index(kind) for kind in ("charged slepton", "chargino")])
    assert scan.kept_alive == (~charged & ~verdicts.excluded & ~(x["lifetime"] > 1.0)).sum() < scan.kept
    assert scan.lsp is not None
    assert scan.lhc is not None
    assert scan.bbn is not None
    assert sum(scan.lsp.values()) == pytest.approx(1.0)
    assert scan.lsp["charged slepton"] == pytest.approx(charged.mean())
    assert 0.3 < scan.lhc["tested"] < 1.0
    assert sum(scan.lhc["by_analysis"].values()) == pytest.approx(scan.lhc["excluded"]) == pytest.approx(verdicts.excluded.mean())
    assert 0.0 < scan.bbn["relevant"] == np.isfinite(x["lifetime"]).mean() < 0.1


def test_the_points_lie_within_their_ranges(scan: SusyScan) -> None:
    assert tuple(scan.columns) == COLUMNS
    for name, chosen in RANGES.items():
        values = np.abs(scan.columns[name])
        assert chosen.low <= values.min() <= values.max() <= chosen.high
    assert scan.columns["mu"].max() < 0.0 < scan.columns["M1"].min()
    assert np.all(scan.columns["chargino"] >= 100.0)


@pytest.mark.slow
def test_a_seed_gives_the_same_points_whatever_their_number_and_the_ranges_of_others(scan: SusyScan) -> None:
    again = susy_scan(10_500, STUDY)
    np.testing.assert_array_equal(again.columns["a_mu"], scan.columns["a_mu"][: again.kept])
    points = draw_of(replace(STUDY, ranges={"tan_beta": "20:30"})).points(0, 50)
    np.testing.assert_array_equal(points["M1"], draw_of(STUDY).points(0, CHUNK)["M1"][:50])
    assert not np.array_equal(draw_of(replace(STUDY, seed=4)).points(0, 50)["M1"], points["M1"])


@pytest.mark.slow
def test_limits_leave_fewer_points(scan: SusyScan) -> None:
    free, ccfr, none = (
        susy_scan(25_000, replace(STUDY, **change))
        for change in ({"boson_limits": ("none",)}, {"boson_limits": ("ccfr-trident",)}, {"boson": False})
    )
    assert none.kept == none.kept_without_boson == 0 < scan.kept < ccfr.kept < free.kept == scan.kept_ranges
    assert set(scan.columns["a_mu"]) < set(ccfr.columns["a_mu"]) < set(free.columns["a_mu"])
    assert none.to_dict()["boson"] is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limits", "value", "mass", "decided"),
    [
        (("all",), 7.7e-9, 25.0, ("ccfr-trident", "borexino")),
        (("ccfr-trident:0.9", "borexino"), 6.5e-9, 24.0, ("ccfr-trident", "borexino")),
        (("ccfr-trident",), 8.8e-9, 10.0, ("ccfr-trident",)),
        (("none",), 4.0e-8, 10.0, ()),
    ],
)
def test_the_limit_that_decides(limits: tuple[str, ...], value: float, mass: float, decided: tuple[str, ...]) -> None:
    window = draw_of(replace(STUDY, boson_limits=limits)).window
    assert window is not None
    largest = window.largest
    assert largest is not None
    assert largest.value == pytest.approx(value, rel=0.02, abs=0.0)
    assert largest.mass == pytest.approx(mass, rel=0.1)
    assert largest.decided_by == decided
    assert vector_contribution(largest.g, largest.mass, MUON_MASS) == pytest.approx(largest.value, rel=1e-9, abs=0.0)


@pytest.mark.slow
def test_a_heavier_stau_changes_the_mixing() -> None:
    # the electron couples through eps + slepton_log/24: heavier staus strengthen Borexino, tridents know nothing of it
    windows = [
        draw_of(replace(STUDY, boson_limits=("borexino",), ranges={"stau_ratio": text})).window for text in ("1", "100", "1:100:log")
    ]
    light, heavy, both = (window.largest for window in windows if window is not None)
    assert light is not None
    assert heavy is not None
    assert both is not None
    assert light.value == both.value > 1.2 * heavy.value
    window = windows[2]
    assert window is not None
    masses, logs = np.array([30.0, 80.0, 80.0]), 4.0 * np.log([1.0, 7.3, 55.0])
    most = borexino_limit(masses, slepton_log=logs)
    assert window.passes(masses, most * 0.9998, logs).all()
    assert not window.passes(masses, most * 1.0002, logs).any()


def test_bosons_in_two_islands_leave_a_gap() -> None:
    def holed(mass: np.ndarray, log: np.ndarray) -> np.ndarray:
        return np.where((mass > 12.0) & (mass < 150.0), 1e-5, 1e-3) + 0.0 * log

    window = boson_window(Range(10.0, 200.0, log=True), Range(9e-4, 1e-3), np.zeros(2), {BosonLimit("holed", 0.95, ""): holed})
    light, heavy = (vector_contribution(1e-3, mass, MUON_MASS) for mass in (12.0, 150.0))
    middle = np.array([0.5 * (light + heavy)])
    assert window.reach.shape == (1, 2, 2)
    assert not window.explains(middle, middle, np.zeros(1))[0]
    assert window.explains(0.99 * np.array([heavy]), middle, np.zeros(1))[0]
    assert window.free.explains(middle, middle, np.zeros(1))[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "holds"),
    [
        ({"mu_sign": "both"}, lambda x: 0.3 < (x["mu"] > 0).mean() < 0.7),
        ({"m1_sign": -1}, lambda x: np.all(x["M1"] < 0.0)),
        ({"ranges": {"A": "-500:500"}}, lambda x: x["A"].min() < -400.0 < 400.0 < x["A"].max()),
        ({"ranges": {"hierarchy": "2"}}, lambda x: np.all(x["hierarchy"] == 2.0)),
        ({"ranges": {"stau_ratio": 0.5}, "boson_limits": "borexino"}, lambda x: np.all(x["stau_ratio"] == 0.5)),
        ({"ranges": {"M2": "100000MeV:200GeV"}}, lambda x: np.all(x["M2"] <= 200.0)),
        ({"ranges": {"boson_g": Range(6e-4, 7e-4)}}, lambda x: np.all((x["boson_g"] >= 6e-4) & (x["boson_g"] <= 7e-4))),
    ],
)
def test_every_parameter_is_an_option(change: dict[str, object], holds: Callable[[dict[str, np.ndarray]], bool]) -> None:
    assert holds(draw_of(replace(STUDY, **change)).points(0, 1000))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"mu_sign": 2}, DomainError, "a sign is -1, 1 or both"),
        ({"ranges": {"Mo": "1:2"}}, UnknownNameError, "did you mean"),
        ({"ranges": {"M1": "3:2"}}, DomainError, "M1: a range needs LOW <= HIGH"),
        ({"ranges": {"M1": "nan:2"}}, DomainError, "M1: a range needs LOW <= HIGH"),
        ({"ranges": {"hierarchy": "0:2:log"}}, DomainError, "positive on a log scale"),
        ({"ranges": {"M1": "-5:3"}}, DomainError, "M1 must be positive"),
        ({"ranges": {"M1": "1:2:3"}}, CevnsfitError, "should read LOW:HIGH"),
        ({"ranges": {"A": "100:log"}}, CevnsfitError, "should read LOW:HIGH"),
        ({"ranges": {"M1": "1s:2s"}}, CevnsfitError, "M1"),
        ({"boson_limits": ("nutev",)}, UnknownNameError, "limit on the boson"),
        ({"boson_limits": ("none", "ccfr-trident")}, CevnsfitError, "'none' or some"),
        ({"boson_limits": ("ccfr-trident:x",)}, CevnsfitError, "NAME:CL"),
        ({"boson": False, "boson_limits": ("borexino",)}, CevnsfitError, "no boson that could pass borexino"),
        ({"boson_limits": ("ccfr-trident:2",)}, CevnsfitError, "confidence level"),
        ({"boson_limits": ("babar-photon",)}, CevnsfitError, "for lmu-ltau there is no exact recast"),
        ({"boson_limits": ("babar-4mu:0.9",)}, CevnsfitError, "a confidence level of its own: 90 % CL"),
        ({"boson_limits": ("muon-2020",)}, CevnsfitError, "a band and no limit"),
        ({"sigmas": 0.0}, DomainError, "sigmas are positive"),
        ({"electron": "muon-2020", "electron_measured": "muon-2006"}, CevnsfitError, "a moment of mu, not of e"),
        ({"electron": "muon-2020"}, CevnsfitError, "one of mu"),
    ],
)
def test_bad_input_is_named(change: dict[str, object], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        susy_scan(10, replace(STUDY, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize("points", [0, -5, 1.5, np.nan, np.inf])
def test_the_number_of_points_is_whole(points: float) -> None:
    with pytest.raises(DomainError, match="positive and whole"):
        susy_scan(points, STUDY)  # type: ignore[arg-type]


def test_a_limit_of_another_model_is_refused_before_anything_is_drawn() -> None:
    with pytest.raises(CevnsfitError, match="for lmu-ltau there is no exact recast"):
        boson_limits(replace(STUDY, boson_limits=("cms",)))


@pytest.mark.slow
def test_only_relative_signs_count(scan: SusyScan) -> None:
    # a change of the phase of all gauginos and higgsinos turns M1, M2 and mu together, and nothing that is measured
    turned = susy_scan(25_000, replace(STUDY, m1_sign=-1, m2_sign=-1, mu_sign=1))
    for name in COUNTS:
        assert getattr(turned, name) == getattr(scan, name)
    for name in ("a_e", "a_mu", "neutralino", "chargino", "smuon"):
        np.testing.assert_allclose(turned.columns[name], scan.columns[name], rtol=1e-9)
    np.testing.assert_array_equal(turned.columns["lsp"], scan.columns["lsp"])


@pytest.mark.slow
def test_no_point_is_an_answer() -> None:
    nothing = susy_scan(100, replace(STUDY, lightest_chargino=2000.0))
    assert (nothing.kept, nothing.physical, nothing.ranges, nothing.slepton_logs) == (0, 0, {}, {})
    found = plain(nothing)
    assert found["smallest_hierarchy"] is found["smallest_hierarchy_ranges"] is found["lsp"] is None
    assert "0 explain both moments" in str(cf.table(nothing))
    assert parse_range("M1", "5") == Range(5.0, 5.0)


@pytest.mark.slow
def test_a_stored_scan_goes_on(tmp_path: Path, scan: SusyScan, caplog: pytest.LogCaptureFixture) -> None:
    told: list[tuple[int, int]] = []
    susy_scan(15_000, STUDY, store=tmp_path)
    whole = susy_scan(25_000, STUDY, store=tmp_path, progress=lambda *counts: told.append(counts))
    assert whole.to_dict() == scan.to_dict()
    points = tmp_path / f"{SUSY}.zarr" / "points" / "c" / "1"
    page = next(file for file in points.rglob("*") if file.is_file())
    page.write_bytes(page.read_bytes()[:-9])
    with pytest.raises(ResultError, match=r"chunk 1 of the points is damaged or not whole; run the same scan again"):
        cf.open(tmp_path)
    again = susy_scan(25_000, STUDY, store=tmp_path)
    assert "damaged" in caplog.text
    for found in (again, cf.open(tmp_path)):
        assert isinstance(found, SusyScan)
        for name, values in scan.columns.items():
            np.testing.assert_array_equal(found.columns[name], values)
    shutil.rmtree(tmp_path / f"{SUSY}.zarr" / "status" / "c" / "1")
    assert cf.open(tmp_path).tried == 10_000
    assert "chunk 1 of the points is missing, and those behind it are left out" in caplog.text
    text = susy_scan(25_000, replace(STUDY, mu_sign="-1", ranges={"M1": "100:1000"}), store=tmp_path)
    np.testing.assert_array_equal(text.columns["a_mu"], scan.columns["a_mu"])
    with pytest.raises(ResultError, match=r"holds another analysis .*mu_sign"):
        susy_scan(25_000, replace(STUDY, mu_sign=1), store=tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cevnsfit.studies.susy.CODES", {})  # what the numbers of a column stood for
        with pytest.raises(ResultError, match=r"changed \(codes: "):
            cf.open(tmp_path)
    shown = CliRunner().invoke(app, ["show", str(tmp_path), "--json"], catch_exceptions=False)
    assert json.loads(shown.stdout)["susy"]["ranges"]["hierarchy"] == {"low": 1.0, "high": 100.0, "log": True}


@pytest.mark.slow
def test_a_chunk_of_which_everything_is_kept_is_stored_whole(tmp_path: Path) -> None:
    wide = SusyInputs(sigmas=50.0, ranges={"hierarchy": "10:100:log"})
    scan = susy_scan(3_000, wide, store=tmp_path)
    assert 2_500 < scan.kept <= 3_000
    np.testing.assert_array_equal(stored_susy_scan(tmp_path).columns["a_mu"], scan.columns["a_mu"])


@pytest.mark.slow
def test_the_command(tmp_path: Path) -> None:
    arguments = ["susy-scan", "coherent-lar-2020", *OPTIONS, "-n", "2000", "--seed", "5", "--mass", "50", "--stau-ratio", "1:100:log"]
    result = CliRunner().invoke(app, [*arguments, "--boson-limits", "ccfr-trident", "-o", str(tmp_path), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    ends = [found["limits"][name]["allowed"][-1][1] for name in ("min", "median", "max")]
    assert len(set(ends)) == 3
    assert found["slepton_log"]["max"] > found["slepton_log"]["median"] > found["slepton_log"]["min"] >= 0.0
    assert found["tried"] == 2000 > found["physical"] > found["electron_explained"] >= found["kept"] > 0
    assert found["boson"]["limits"][0] == {"name": "ccfr-trident", "cl": 0.95, "about": ANY}
    assert found["drawn_within"]["stau_ratio"] == {"low": 1.0, "high": 100.0, "log": True}
    text = CliRunner().invoke(app, [*arguments, "--boson-limits", "ccfr-trident", "-o", str(tmp_path)], catch_exceptions=False).stdout
    assert f"90 % CL, max m_stau/m_smuon (slepton_log = {found['slepton_log']['max']:.3f}): allowed" in text
    text = (
        CliRunner().invoke(app, ["susy-scan", "-n", "2000", "--boson", "mass=100:200", "--boson", "g=5e-4"], catch_exceptions=False).stdout
    )
    assert "of 2000 points" in text
    assert "mass 100:200 MeV, g 0.0005" in text
    assert "selectron_L [GeV]" in text
    assert "whether it passes or not" in text
    shown = " ".join(CliRunner().invoke(app, ["susy-scan", "--help"], env={"COLUMNS": "400"}).stdout.split())
    assert "hierarchy (1 to 100, log)" in shown  # Rich makes a picture of :100:
    bare = CliRunner().invoke(app, ["susy-scan", "-n", "500", "--boson", "none", "--boson", "g=1"])
    assert bare.exit_code == 2


@pytest.mark.slow
def test_two_deviations_that_are_compatible_with_nothing() -> None:
    # the white paper of 2025 and rubidium: 2.1 and 0.6 errors
    found = susy_scan(200, SusyInputs(sigmas=3.0))
    assert found.compatible == {"e": True, "mu": True}
    assert "both deviations are compatible with 0" in str(cf.table(found))
    assert "both deviations" not in str(cf.table(susy_scan(200, STUDY)))


def test_the_package_names_the_scan() -> None:
    assert cf.moments.susy_scan is susy_scan
    with pytest.raises(AttributeError, match="no attribute 'susyscan'"):
        cf.moments.susyscan  # noqa: B018


@pytest.mark.slow
def test_cevns_limits_the_boson() -> None:
    free, limited = (
        draw_of(replace(STUDY, boson_limits=limits, ranges={"boson_g": "5e-4:1e-2:log"})).window
        for limits in (("ccfr-trident",), ("ccfr-trident", "coherent-lar-2020"))
    )
    assert free is not None
    assert limited is not None
    likelihood = cf.build_likelihood("coherent-lar-2020", model="lmu-ltau")
    ends = [cf.intervals(likelihood, at={"mass": mass}, cl=0.90).allowed[0][1] for mass in (17.0, 130.0)]
    masses, logs = np.array([17.0, 130.0]), np.zeros(2)
    alone = replace(limited, limits=limited.limits[1:], ceilings=limited.ceilings[1:])
    assert alone.passes(masses, np.array(ends) * 0.99, logs).all()
    assert not alone.passes(masses, np.array(ends) * 1.01, logs).any()
    assert limited.limits[1].cl == 0.90


def read_slha(text: str) -> dict[str, dict[tuple[int, ...], float | str]]:
    """Return the blocks of a text in the SUSY Les Houches Accord, read by its own rules: numbers, blanks, comments behind a hash."""
    blocks: dict[str, dict[tuple[int, ...], float | str]] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words and words[0].upper() == "BLOCK":
            block = blocks.setdefault(words[1].upper(), {})
        elif words:
            value = words[-1]
            block[tuple(map(int, words[:-1]))] = float(value) if value[-1].isdigit() and value.count(".") == 1 else value
    return blocks


@pytest.mark.slow
@pytest.mark.parametrize("m2_sign", [1, -1])
def test_a_point_comes_back_from_an_slha_text(tmp_path: Path, m2_sign: int) -> None:
    scan = susy_scan(
        5_000, replace(STUDY, m2_sign=m2_sign, sigmas=3.0, ranges={"A": "-500:500", "stau_ratio": "1:3"}), store=tmp_path / "points"
    )
    file = tmp_path / "point.slha"
    arguments = ["export", str(tmp_path / "points"), "--to", "slha", "--point", "7", "-o", str(file)]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
    blocks, point = read_slha(file.read_text()), {name: float(x[7]) for name, x in scan.columns.items()}
    m1, m2, mu, tan_beta = (blocks["EXTPAR"][1,], blocks["EXTPAR"][2,], blocks["EXTPAR"][23,], blocks["MINPAR"][3,])
    assert (m1, m2, mu, tan_beta) == tuple(pytest.approx(point[name], rel=1e-8) for name in ("M1", "M2", "mu", "tan_beta"))
    assert (blocks["AE"][1, 1], blocks["MSOFT"][32,]) == (
        pytest.approx(point["A"]),
        pytest.approx(point["hierarchy"] * point["selectron_L"]),
    )
    masses, beta, w_mass = blocks["MASS"], np.arctan(point["tan_beta"]), blocks["MASS"][24,]
    matrix = {name: np.array([[blocks[name][i, j] for j in range(1, n + 1)] for i in range(1, n + 1)]) for name, n in
              (("NMIX", 4), ("UMIX", 2), ("VMIX", 2), ("SMUMIX", 2))}  # fmt: skip
    # the mass matrices of the accord (hep-ph/0311123, eqs. 21 and 22): NMIX^T diag NMIX, UMIX^T diag VMIX
    neutral = np.array([masses[code,] for code in (1000022, 1000023, 1000025, 1000035)])
    charged = np.array([masses[code,] for code in (1000024, 1000037)])
    assert np.all(np.diff(np.abs(neutral)) > 0.0)
    assert 0.0 < charged[0] < charged[1]
    rebuilt, tangent = matrix["NMIX"].T @ np.diag(neutral) @ matrix["NMIX"], np.sqrt(0.23129 / (1.0 - 0.23129))
    sin, cos = np.sin(beta), np.cos(beta)
    rows = [[point["M1"], 0.0, -cos * tangent * w_mass, sin * tangent * w_mass], [0.0, point["M2"], cos * w_mass, -sin * w_mass]]
    np.testing.assert_allclose(rebuilt[:2], rows, atol=1e-4)
    np.testing.assert_allclose(rebuilt[2:, 2:], [[0.0, -point["mu"]], [-point["mu"], 0.0]], atol=1e-4)
    chargino = matrix["UMIX"].T @ np.diag(charged) @ matrix["VMIX"]
    np.testing.assert_allclose(chargino, [[point["M2"], 2**0.5 * w_mass * sin], [2**0.5 * w_mass * cos, point["mu"]]], atol=1e-4)
    smuon = matrix["SMUMIX"].T @ np.diag([masses[1000013,] ** 2, masses[2000013,] ** 2]) @ matrix["SMUMIX"]
    assert smuon[0, 1] == pytest.approx(0.1056583755 * (point["A"] - point["mu"] * point["tan_beta"]), rel=1e-4)
    assert masses[1000016,] == pytest.approx(point["stau_ratio"] * masses[1000014,])
    assert masses[1000015,] <= masses[2000015,]
    assert f"#  lsp {LSP_KINDS[int(point['lsp'])]}" in file.read_text()
    assert "#  boson_mass" in file.read_text()
    code = int(point["lhc_analysis"])
    assert f"#  lhc_analysis {shipped_maps()[code].analysis if code >= 0 else 'none'}\n" in file.read_text()


def test_only_a_kept_point_is_exported(tmp_path: Path, scan: SusyScan) -> None:
    for point in (None, -1, scan.kept):
        with pytest.raises(CevnsfitError, match=f"one of the {scan.kept} kept points"):
            cf.export(scan, "slha", tmp_path / "x", point=point)
    with pytest.raises(CevnsfitError, match="csv is a format of limits; here it is one of slha"):
        cf.export(scan, "csv", tmp_path / "x")
    with pytest.raises(CevnsfitError, match="slha takes no cl"):
        cf.export(scan, "slha", tmp_path / "x", point=0, cl=0.9)


def test_the_band_of_an_older_measurement() -> None:
    found = {}
    for options in ([], ["--measured", "muon-2006"]):
        result = CliRunner().invoke(app, ["g-2", "muon-2020", *options, "--json"], catch_exceptions=False)
        found[len(options)] = json.loads(result.stdout)["difference"]
    assert found == {0: pytest.approx(261.5e-11, abs=1e-13), 2: pytest.approx(279e-11, abs=1e-13)}
    wrong = CliRunner().invoke(app, ["g-2", "muon-2020", "--measured", "electron-2008"])
    assert wrong.exit_code == 2
    assert "a moment of e" in wrong.stderr


@pytest.mark.parametrize(("coupling", "written"), [("axial", False), ("vector", True)])
def test_a_band_without_points_is_no_file(coupling: str, written: bool, tmp_path: Path) -> None:
    file = tmp_path / "band.csv"
    result = CliRunner().invoke(app, ["g-2", "muon-2020", "--coupling", coupling, "--grid", "mass=1:100:3:log", "-o", str(file)])
    assert (result.exit_code, file.exists()) == ((0, True) if written else (3, False))
    assert "coupling within 2 sigma" in result.stdout
    reason = f"incomplete: {file} is not written: no axial coupling explains the moment at these masses\n"
    assert result.stderr == ("" if written else reason)
