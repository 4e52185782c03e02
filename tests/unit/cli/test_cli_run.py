"""An analysis file does what `scan` does: every option is a field, and the tables are the same to the last bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cevnsfit.core.analysis import LIGHT_MEDIATOR, Analysis
from cevnsfit.moments.measured import latest_deviation, moments
from cevnsfit.spec.analysis import AnalysisSpec
from cevnsfit.studies.analysis import Study, plane_grid, read_study
from cevnsfit.studies.grids import parse_grids
from cevnsfit.studies.setup import load_experiments

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

LAR, CSI = "coherent-lar-2020", "coherent-csi-2021"

ELECTRONS = """\
model: b-l
electrons: true
grid: ["mass=10:1000:3:log", "g=1e-4:1e-1:5:log"]
results: [{label: coherent-lar-2020, experiments: [coherent-lar-2020]}]
"""

RADII = """\
model: neutron-radii
grid: ["r_n_cs=3:9:5", "r_n_i=3:9:5"]
results: [{label: coherent-csi-2021, experiments: [coherent-csi-2021]}]
"""

COUPLINGS = """\
model: nsi
grid: ["eps_ee_u=-1:1:5", "eps_mumu_u=-0.5:0.5:5"]
at: {eps_ee_d: 0.1}
profile: [eps_mumu_d]
results:
  - {label: coherent-lar-2020, experiments: [coherent-lar-2020], overrides: {source.distance: 25 m}}
confidence: [{cl: 0.68, dof: 1}]
"""

OVERLAP = """\
model: universal
allow_overlap: true
grid: ["mass=100:1000:3:log", "g=1e-4:1e-1:5:log"]
results:
  - {label: coherent-csi-2017, experiments: [coherent-csi-2017]}
  - {label: coherent-csi-2021, experiments: [coherent-csi-2021]}
  - {label: coherent-csi-2017 + coherent-csi-2021, experiments: [coherent-csi-2017, coherent-csi-2021]}
"""

SHAPES = """\
model: signal-strength
profile_signal: true
grid: ["signal_strength=0.2:3:4", "coherent-lar-2020.steady_state_norm=-1:1:3"]
results: [{label: coherent-lar-2020, experiments: [coherent-lar-2020]}]
"""

TRIDENTS = """\
model: lmu-ltau
grid: ["mass=200:1000:3:log", "g=1e-3:8e-2:5:log"]
results: [{label: coherent-csi-2021, experiments: [coherent-csi-2021]}]
g_2: "2020"
overlays: [{label: "CCFR", computed: neutrino-trident}, {label: ours, file: limit.csv}]
"""

CASES = {
    "electrons": (ELECTRONS, (LAR, "-m", "b-l", "--electrons")),
    "radii": (RADII, (CSI, "-m", "neutron-radii")),
    "couplings": (
        COUPLINGS,
        *[
            (
                LAR,
                "-m",
                "nsi",
                "--at",
                "eps_ee_d=0.1",
                "--profile",
                "eps_mumu_d",
                "--set",
                "source.distance=25 m",
                "--cl",
                "0.68",
                "--dof",
                "1",
            )
        ],
    ),
    "overlap": (OVERLAP, ("coherent-csi-2017", CSI, "-m", "universal", "--each", "--allow-overlap")),
    "shapes": (SHAPES, (LAR, "-m", "signal-strength", "--profile-signal")),
    "overlays": (TRIDENTS, (CSI, "-m", "lmu-ltau", "--g-2", "2020", "--overlay", "CCFR=neutrino-trident", "--overlay", "ours=limit.csv")),
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "limit.csv").write_text("# source: us\nmass [GeV],g [1]\n0.2,0.01\n1,0.05\n", encoding="utf-8")
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "analysis.yaml"
    path.write_text(f"schema_version: 1\ntitle: a study\n{text}", encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.slow] * (case in {"overlap", "overlays", "radii"})) for case in CASES]
)
def test_the_file_gives_what_the_command_gives(command: Callable[..., Result], here: Path, case: str) -> None:
    text, options = CASES[case]
    path = write(here, text)
    grid = [part for name, values in grids(path) for part in ("--grid", f"{name}={values}")]
    written = json.loads(command("run", path, "-o", "file", "--json").stdout)
    printed = json.loads(command("scan", *options, *grid, "--title", "a study", "-o", "command", "--json").stdout)
    assert written["planes"] == printed["planes"]
    assert written["provenance"]["inputs"] == printed["provenance"]["inputs"]
    assert [Path(file).name for file in written["files"]] == [Path(file).name for file in printed["files"]]
    for name in ("exclusion.csv", "exclusion_intervals.csv", "exclusion.png"):
        assert (here / "file" / name).read_bytes() == (here / "command" / name).read_bytes(), name


def grids(path: Path) -> list[tuple[str, str]]:
    """Return name and values of the two grids of a file."""
    (line,) = (line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("grid: "))
    return [(name, values) for name, _, values in (text.partition("=") for text in json.loads(line.removeprefix("grid: ")))]


def origin(study: Study, place: int = 0) -> Analysis:
    """Return what is fitted in one plane."""
    return [*study.analyses.values()][place]


def test_a_field_changes_the_analysis(here: Path) -> None:
    with_electrons = origin(read_study(write(here, ELECTRONS)))
    without = origin(read_study(write(here, ELECTRONS.replace("electrons: true\n", ""))))
    assert with_electrons.electrons
    assert not without.electrons
    assert origin(read_study(write(here, COUPLINGS))).floating == ("eps_mumu_d",)
    assert origin(read_study(write(here, SHAPES))).signal_systematics == "shapes"
    assert origin(read_study(write(here, OVERLAP)), -1).allow_overlap


def test_held_values_take_units(refused: Callable[..., str], here: Path) -> None:
    text = TRIDENTS.replace('"mass=200:1000:3:log"', '"loop_sign=-1:1:3"').replace('g_2: "2020"', "at: {mass: 0.1 GeV, slepton_log: 2}")
    text = text[: text.index("overlays")]
    assert origin(read_study(write(here, text))).held == {"mass": pytest.approx(100.0), "slepton_log": 2.0}
    message = refused("run", write(here, text.replace("GeV", "fm")), "-o", "out")
    assert "analysis.yaml:6: at: mass: '0.1 fm' has the dimension length, not energy; wanted MeV" in message
    message = refused("run", write(here, ELECTRONS + "profile_signal: true\n"), "-o", "out")
    assert "analysis.yaml:7: profile_signal: " in message
    assert "b-l profiles all of them without it" in message


def test_grids_take_units(refused: Callable[..., str], here: Path) -> None:
    grid = ELECTRONS.replace("mass=10:1000", "mass=0.2GeV:1GeV")
    assert read_study(write(here, grid)).grid["mass"][[0, -1]] == pytest.approx([200.0, 1000.0])
    message = refused("run", write(here, grid.replace("0.2GeV", "1fm")), "-o", "out")
    assert "grid: mass: '1fm' has the dimension length, not energy; wanted MeV" in message
    assert "for example mass=1MeV" in message
    message = refused("scan", "coherent-csi-2021", "-m", "b-l", "--grid", "mass=1:10:3", "--grid", "g=1e-5:1e-3MeV:3", "-o", "out")
    assert "for example g=0.001" in message


def test_a_change_can_be_that_of_one_experiment(here: Path) -> None:
    text = "model: b-l\nresults: [{label: a, experiments: [ccm-200, coherent-lar-2020], overrides: {'ccm-200:source.distance': 30 m}}]\n"
    studies = [read_study(write(here, one)) for one in (text, text[: text.index(", over")] + "}]\n")]
    distances = [[entry.spec.source.distance for entry in load_experiments(origin(study))] for study in studies]
    assert distances[0] == [3000.0, distances[1][1]]
    assert distances[1][0] != 3000.0


def test_a_light_mediator_needs_no_grid(here: Path) -> None:
    study = read_study(write(here, "model: b-l\nresults: [{label: a, experiments: [ccm-200]}]\n"))
    for name, values in parse_grids(LIGHT_MEDIATOR).items():
        assert study.grid[name].tolist() == plane_grid("b-l", ())[name].tolist() == values.tolist()
    assert study.reference is not None


def test_every_prediction_of_a_moment_can_be_named(here: Path) -> None:
    names = AnalysisSpec.model_json_schema()["properties"]["g_2"]["enum"]
    short = [name.removeprefix("muon-") for name in moments("predictions")]
    assert set(names) == {*moments("predictions"), *short, "none"}
    for name in names:
        study = read_study(write(here, f"model: b-l\ng_2: '{name}'\nresults: [{{label: a, experiments: [ccm-200]}}]\n"))
        assert study.reference == latest_deviation(name)


def test_folders_are_relative_to_the_file(folder: Path, here: Path) -> None:
    (here / "studies").mkdir()
    folder.rename(here / "studies" / "mine")
    study = read_study(write(here / "studies", RADII.replace("[coherent-csi-2021]", "[mine]") + "spectra: [mine, ccm-200]\n"))
    assert origin(study).experiments == (str(here / "studies" / "mine"),)
    assert study.spectra == (str(here / "studies" / "mine"), "ccm-200")


def test_every_error_has_its_line_and_field(refused: Callable[..., str], here: Path) -> None:
    text = ELECTRONS.replace("10:1000:3:log", "10:1000").replace("[coherent-lar-2020]}", "[coherent-lar-2021]}") + "spectra: [ccm]\n"
    message = refused("run", write(here, text), "-o", "out")
    assert "analysis.yaml:5: grid: 'mass=10:1000' should read name=start:stop:count" in message
    assert "analysis.yaml:6: results.0.experiments.0: unknown experiment 'coherent-lar-2021'; did you mean coherent-lar-2020" in message
    assert "analysis.yaml:7: spectra.0: unknown experiment 'ccm'; did you mean ccm-200" in message
    message = refused("run", write(here, ELECTRONS.replace("b-l", "b-ll") + "overlays: [{label: a, file: none.csv}]\n"), "-o", "out")
    assert "analysis.yaml:3: model: unknown model 'b-ll'; did you mean b-l" in message
    message = refused("run", write(here, RADII.replace('grid: ["r_n_cs=3:9:5", "r_n_i=3:9:5"]\n', "")), "-o", "out")
    assert "neutron-radii needs two --grid" in message
    text = ELECTRONS.replace("b-l", "le-ltau") + "overlays: [{label: a, computed: neutrino-trident}]\n"
    message = refused("run", write(here, text), "-o", "out")
    assert "analysis.yaml:7: overlays.0: 'neutrino-trident' is a limit in (mass, g) of the models universal, b-l," in message
    assert not (here / "out").exists()


def test_overlays_of_the_command_line_are_checked(refused: Callable[..., str], here: Path) -> None:
    scan = ("scan", CSI, "-m", "lmu-ltau", "-o", here / "out", "--overlay")
    assert "should read NAME, FILE, LABEL=NAME or LABEL=FILE" in refused(*scan, "a=")
    assert "unknown overlay 'ccfr'; did you mean ccfr-trident" in refused(*scan, "ccfr")
    assert "is a limit in (mass, g) of the models b-l; for lmu-ltau" in refused(*scan, "cms")
    assert "none.csv: is missing" in refused(*scan, "a=none.csv")
    assert not (here / "out").exists()


@pytest.mark.slow
def test_a_scan_of_a_file_is_drawn_again_with_its_overlays(command: Callable[..., Result], here: Path) -> None:
    command("run", write(here, TRIDENTS), "-o", "out")
    first = (here / "out" / "exclusion.png").read_bytes()
    again = ("--g-2", "2020", "--title", "a study", "--overlay", "CCFR=neutrino-trident", "--overlay", "ours=limit.csv")
    assert command("plot", "out", *again).exit_code == 0
    assert (here / "out" / "exclusion.png").read_bytes() == first
    assert command("plot", "out", *again[:4]).exit_code == 0
    assert (here / "out" / "exclusion.png").read_bytes() != first


@pytest.mark.slow
def test_tables_alone(command: Callable[..., Result], here: Path) -> None:
    result = command("run", write(here, RADII), "-o", "out", "--no-plot")
    assert result.exit_code == 0
    assert "best fit r_n_cs" in result.stdout
    assert sorted(path.name for path in (here / "out").iterdir()) == ["exclusion.csv", "exclusion_intervals.csv", "scan.zarr"]
