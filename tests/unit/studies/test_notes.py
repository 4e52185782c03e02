"""Under every table, and above all numbers in a file: the Lagrangian that couplings are those of, and the caveat."""

from __future__ import annotations

import functools
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
import uproot

import cevnsfit as cf
from cevnsfit.core.documents import About, notes_of_all
from cevnsfit.infer.intervals import levels_at
from cevnsfit.infer.limit import Limit
from cevnsfit.infer.toys import Toys
from cevnsfit.moments.bands import LAGRANGIANS, band_of, write_band
from cevnsfit.moments.measured import latest_deviation
from cevnsfit.report.style import SCREEN
from cevnsfit.studies import shown
from cevnsfit.studies.coverage import write_coverage
from cevnsfit.studies.critical_values import write_critical
from cevnsfit.studies.exclusion import regions_of, write_tables
from cevnsfit.studies.export import writers
from cevnsfit.studies.forecast import write_forecast
from cevnsfit.studies.posterior import write_posterior
from cevnsfit.studies.sections import Remainder
from cevnsfit.studies.slice import plane_slice, scan_limits, write_slice
from cevnsfit.studies.susy import susy_scan
from cevnsfit.studies.susy_inputs import SusyInputs
from cevnsfit.studies.toy_regions import write_region
from cevnsfit.studies.whatif import write_whatif

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CSI, LAR = "coherent-csi-2021", "coherent-lar-2020"
MODEL: Final = "universal"
AT: Final = {"mass": 100.0}
GRID: Final = {"mass": [20.0, 50.0, 100.0], "g": np.geomspace(1e-5, 1e-1, 8)}
LAGRANGIAN: Final = "L = g Z'_mu [q_nu nubar gamma^mu P_L nu + q_q qbar gamma^mu q]"
NO_MODEL: Final = {"Check", "Comparison", "Experiment", "KnownLimit", "Limit", "MomentBand", "SignalModel", "SignalStrength", "Statement"}
"""What is about no model, or is one, or says itself how its couplings are normalised."""


@functools.cache
def likelihood(*names: str) -> Any:
    return cf.build_likelihood(*names, model=MODEL)


@functools.cache
def scanned() -> Any:
    return cf.scan(likelihood(CSI), **GRID)


@functools.cache
def sliced() -> Any:
    return plane_slice([Limit("flat", np.array([[1.0, 3e-3], [100.0, 3e-3]]))], np.geomspace(1.0, 100.0, 5), MODEL)


def _posterior() -> Any:
    pytest.importorskip("emcee")
    pytest.importorskip("arviz_stats")
    return cf.posterior(likelihood(CSI), at=AT, ensembles=2, steps=100, walkers=48)


MAKERS: Final[dict[str, Callable[[], Any]]] = {
    "ChannelRates": lambda: cf.rates(likelihood("conus-plus-2025"), at={**AT, "g": 1e-4}),
    "Compatibility": lambda: cf.compatibility(likelihood(CSI, LAR), at=AT),
    "CoverageStudy": lambda: cf.coverage(likelihood(CSI), "g", [1e-4], at=AT, toys=Toys(128)),
    "CriticalValues": lambda: cf.critical_values(likelihood(CSI), at=AT, g=[1e-4, 5e-4, 1e-3], toys=Toys(128)),
    "Discovery": lambda: cf.significance(likelihood(CSI), at=AT, toys=Toys(128)),
    "Exclusion": lambda: regions_of([scanned()], levels_at(0.90, 2)),
    "Fit": lambda: cf.fit(likelihood(CSI), at=AT),
    "Forecast": lambda: cf.forecast(likelihood(CSI), at=AT),
    "GlobalSignificance": lambda: cf.global_significance(likelihood(CSI), mass=[30.0, 100.0, 300.0]),
    "Goodness": lambda: cf.goodness(likelihood(CSI), at=AT),
    "Intervals": lambda: cf.intervals(likelihood(CSI), at=AT),
    "Posterior": _posterior,
    "Ranking": lambda: cf.impacts(likelihood(LAR), at=AT),
    "Rates": lambda: cf.rates(likelihood(CSI), at={**AT, "g": 1e-4}),
    "Remainder": lambda: [Remainder("", sliced(), 0.1)],
    "Scan": scanned,
    "Slice": sliced,
    "SusyScan": lambda: susy_scan(1000, SusyInputs()),
    "ToyRegion": lambda: cf.region(likelihood(CSI), toys=Toys(128), mass=[20.0, 50.0, 100.0], g=np.geomspace(1e-5, 1e-1, 6)),
    "WhatIf": lambda: cf.forecast(likelihood(CSI), at=AT, vary={"source.distance": [19.3, 30.0]}),
}
LONG: Final = {"Compatibility", "CoverageStudy", "Posterior", "ToyRegion", "WhatIf"}
"""Made by the slow tests."""
NO_CAVEAT: Final = {"Remainder", "Slice", "SusyScan"}
"""Of limits each has its own."""
NO_MASS: Final = NO_CAVEAT | {"ChannelRates", "Exclusion", "GlobalSignificance", "Rates", "Scan", "ToyRegion"}
"""The mass is scanned, or stands with the counts."""


@functools.cache
def made(kind: str) -> Any:
    return MAKERS[kind]()


def test_every_result_that_has_a_text_is_here() -> None:
    assert {*MAKERS} | NO_MODEL == {*shown._TEXTS, *shown._LISTS}
    assert not {*MAKERS} & NO_MODEL


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=[pytest.mark.slow] if kind in LONG else []) for kind in MAKERS])
def test_the_lagrangian_and_the_caveat_stand_once_under_every_table(kind: str) -> None:
    text = cf.table(made(kind)).parts
    notes = [part for part in text if isinstance(part, str) and part.startswith(("model: ", "held: ", "caveat: "))]
    lagrangian = "lmu-ltau; L = g Z'_mu [q_l" if kind == "SusyScan" else f"{MODEL}; {LAGRANGIAN}"
    assert notes[0].startswith(f"model: {lagrangian}")
    held = [] if kind in NO_MASS else ["held: mass = 100 MeV"]
    assert notes[1:] == held + ([] if kind in NO_CAVEAT else ["caveat: CEvNS only"])
    assert text[-len(notes) :] == tuple(notes)


def test_a_comparison_has_the_lagrangian_of_each_model() -> None:
    text = cf.table(cf.compare(cf.build_likelihood(CSI, model="sm"), likelihood(CSI), at=AT)).parts
    assert f"{MODEL}: {LAGRANGIAN}" in " ".join(part for part in text if isinstance(part, str))
    assert text[-1] == "caveat: CEvNS only"


def test_results_in_a_row_share_their_notes_and_others_have_their_own() -> None:
    standard = cf.rates(cf.build_likelihood(CSI, model="sm"))
    parts = [part for part in cf.table([scanned(), scanned(), made("Fit"), made("Intervals"), standard]).parts if isinstance(part, str)]
    assert [part.partition(";")[0] for part in parts if part.startswith(("model", "held", "caveat"))] == [
        f"model: {MODEL}",
        "caveat: CEvNS only",
        f"model: {MODEL}",
        "held: mass = 100 MeV",
        "caveat: CEvNS only",
        "model: sm",
    ]


def test_a_likelihood_that_was_built_by_hand_has_no_notes() -> None:
    assert About(("a",)).notes == ()
    assert About(("a",), "m", "", "c").notes == ("model: m", "caveat: c")


def test_the_mass_that_a_model_holds_is_told_unless_it_is_asked_for() -> None:
    """Limits on a coupling to a heavy lepton mean nothing without its mass; several results tell what they have in common."""
    heavy = cf.build_likelihood(CSI, model="upscatter-vector")
    default, other = (cf.intervals(heavy, "g", at={"mass": 100.0, **at}).about for at in ({}, {"m_n": 20.0}))
    assert "held: mass = 100 MeV, m_n = 10 MeV" in default.notes
    assert "held: mass = 100 MeV, m_n = 20 MeV" in other.notes
    assert "held: mass = 100 MeV" in notes_of_all([default, other])
    assert SCREEN.naming(default).headline(default).endswith(f"{SCREEN.naming(default).name('m_n')} = 10 MeV")
    assert all("m_n" not in note for note in cf.intervals(heavy, "m_n", at={"mass": 100.0, "g": 1e-4}).about.notes[1:])


WRITERS: Final[dict[str, Callable[[Any, Path], Any]]] = {
    "CoverageStudy": write_coverage,
    "CriticalValues": write_critical,
    "Exclusion": write_tables,
    "Forecast": lambda found, folder: [write_forecast([found], "mass", folder / "forecast.csv")],
    "Posterior": lambda found, folder: [write_posterior(found, folder)],
    "Slice": lambda found, folder: [write_slice(folder / "slice.csv", found)],
    "ToyRegion": write_region,
    "WhatIf": lambda found, folder: [write_whatif(found, folder / "whatif.csv")],
}


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=[pytest.mark.slow] if kind in LONG else []) for kind in WRITERS])
def test_both_stand_above_the_numbers_of_every_file(kind: str, tmp_path: Path) -> None:
    files = [file for file in WRITERS[kind](made(kind), tmp_path) if file.suffix == ".csv"]
    assert files
    for file in files:
        comments = [line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
        assert sum(line.startswith(f"# model: {MODEL}; {LAGRANGIAN}") for line in comments) == 1
        assert comments.count("# caveat: CEvNS only") == (0 if kind in NO_CAVEAT else 1)


@pytest.mark.parametrize("kind", [*writers()])
def test_both_are_part_of_every_export_of_limits(kind: str, tmp_path: Path) -> None:
    if kind == "hepdata":
        pytest.importorskip("hepdata_lib")
    files = cf.export(scanned(), kind, tmp_path / f"limits.{kind}")
    for file in files if kind != "hepdata" else [tmp_path / "limits.hepdata" / "submission.yaml"]:
        text = " ".join((_metadata_of_root(file) if kind == "root" else file.read_bytes().decode(errors="replace")).split())
        assert "g Z'_mu [q_nu nubar gamma^mu" in text.replace("''", "'")
        assert "CEvNS only" in text


def _metadata_of_root(file: Path) -> str:
    with uproot.open(file) as content:
        return str(content["metadata"])


def test_both_go_with_data_frames_and_data_sets() -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("xarray")
    notes = [f"model: {MODEL}; {LAGRANGIAN}", "caveat: CEvNS only"]
    assert [note.partition(", q_u")[0] for note in scanned().to_dataframe().attrs["notes"]] == notes
    assert cf.table(made("Fit")).to_dataframe().attrs["lines"][-1] == notes[1]
    assert (scanned().to_xarray().attrs["lagrangian"][: len(LAGRANGIAN)], scanned().to_xarray().attrs["caveat"]) == (
        LAGRANGIAN,
        "CEvNS only",
    )


@pytest.mark.parametrize("kind", ["pyhf", "hs3", "simplified"])
def test_both_are_part_of_every_export_of_a_likelihood(kind: str, tmp_path: Path) -> None:
    if kind == "hs3" and find_spec("pyhs3") is None:  # its import disables all loggers
        pytest.skip("pyhs3 is missing")
    options = {"grid": {"mass": [50.0, 100.0]}} if kind == "simplified" else {"at": AT}
    files = cf.export(likelihood(LAR), kind, tmp_path / "likelihood.json", **options)
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    assert "g Z'_mu [q_nu" in text
    assert "CEvNS only" in text


def test_a_scan_as_a_limit_brings_both_along(tmp_path: Path) -> None:
    cf.scan(likelihood(CSI), **GRID, store=tmp_path)
    (limit,) = scan_limits(tmp_path, model=MODEL)
    text = str(cf.table(limit))
    assert f"normalisation: {LAGRANGIAN}" in text
    assert "CEvNS only" in text


@pytest.mark.parametrize("coupling", [*LAGRANGIANS])
def test_a_band_says_what_its_coupling_is(coupling: str, tmp_path: Path) -> None:
    reference = latest_deviation("muon-2020" if coupling in {"vector", "scalar"} else "electron-cs-2018")
    assert reference is not None
    band = band_of(reference, np.array([10.0, 100.0]), coupling, 2.0)
    assert str(cf.table(band)).endswith(f"normalisation: {LAGRANGIANS[coupling]}")
    assert f"# normalisation: {LAGRANGIANS[coupling]}\n" in write_band(tmp_path / "band.csv", band).read_text(encoding="utf-8")
