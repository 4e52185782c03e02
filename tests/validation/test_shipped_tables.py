"""The shipped tables of releases hold the released and published numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cevnsfit.core.paths import data_root
from cevnsfit.io.releases import RELEASES, import_release
from cevnsfit.spec.load import load_experiment

RELEASED = Path(__file__).parents[2].parent / "shared" / "data"
LAR_SHAPE = (12, 8, 10)
FOLDERS = {"coherent-ge-mini-2024": "coherent-ge-2024"}
EXPERIMENTS = [name for name in RELEASES if name.startswith(("coherent-", "xenonnt-"))]
Columns = dict[str, NDArray[np.float64]]


def shipped(experiment: str, name: str) -> Columns:
    lines = (data_root() / "experiments" / experiment / name).read_text(encoding="utf-8").splitlines()
    header, *rows = [line for line in lines if not line.startswith("#")]
    values = np.array([[float(field) for field in row.split(",")] for row in rows]).T
    return dict(zip((column.split(" [")[0] for column in header.split(",")), values, strict=True))


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_tables_are_what_the_importer_makes_of_the_release(experiment: str, tmp_path: Path) -> None:
    source = RELEASED / FOLDERS.get(experiment, experiment)
    if not source.is_dir():
        pytest.skip(f"the released files are not at {source}")
    for path in import_release(experiment, source, tmp_path):
        assert path.read_bytes() == (data_root() / "experiments" / experiment / path.name).read_bytes()


@pytest.mark.parametrize(
    ("name", "folder", "target"),
    [("reactor-spectra", "reactor", "spectra"), ("solar-spectra", "solar", "spectra"), ("lhc-limits", "lhc", "lhc")],
)
def test_spectra_and_limits_are_what_the_importer_makes(name: str, folder: str, target: str, tmp_path: Path) -> None:
    if not (RELEASED / folder).is_dir():
        pytest.skip(f"the released files are not at {RELEASED / folder}")
    for path in import_release(name, RELEASED / folder, tmp_path):
        assert path.read_bytes() == (data_root() / target / path.name).read_bytes()


def test_limits_of_the_lhc_ship_with_their_sources() -> None:
    """One table of each topology of each analysis; every one says where it is from."""
    paths = sorted((data_root() / "lhc").glob("*.csv"))
    assert len(paths) == 28
    for path in paths:
        assert "\n# source: " in path.read_text(encoding="utf-8"), path.name


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_tables_are_small(experiment: str) -> None:
    paths = list((data_root() / "experiments" / experiment).glob("*.csv"))
    assert paths
    assert max(path.stat().st_size for path in paths) < 1_000_000


def test_csi_2017_counts_in_the_analysis_region() -> None:
    table = shipped("coherent-csi-2017", "counts.csv")
    region = (table["pe_low"] >= 6) & (table["pe_high"] <= 30) & (table["time_high"] <= 6)
    assert region.sum() == 12 * 12
    found = {name: table[name][region].sum() for name in list(table)[4:]}
    assert found == {"coincident_on": 547, "anticoincident_on": 405, "coincident_off": 209, "anticoincident_off": 207}


def test_csi_2017_arrival_is_a_probability() -> None:
    table = shipped("coherent-csi-2017", "arrival.csv")
    sums = {name: table[name].sum() for name in ("prompt", "delayed", "prompt_neutrons")}
    assert sums == pytest.approx({"prompt": 1, "delayed": 1, "prompt_neutrons": 1}, abs=1e-9)
    assert table["delayed"][table["time_high"] <= 6].sum() == pytest.approx(0.914785, abs=1e-6)
    # beyond the proton pulse the delayed neutrinos fall as a muon does, with 2.19698 us
    late = table["delayed"][table["time_low"] >= 3]
    assert late[1:] / late[:-1] == pytest.approx(np.exp(-0.5 / 2.19698), rel=0.02)


def test_csi_2017_prompt_neutrons_after_acceptance() -> None:
    # acceptance of 1804.09459 at the centres of 1-PE bins, exposure 7.47594 GWh; all of them arrive before 6 us
    table = shipped("coherent-csi-2017", "prompt_neutrons.csv")
    centre = (table["pe_low"] + table["pe_high"]) / 2
    step = np.where(centre < 5, 0.0, np.where(centre < 6, 0.5, 1.0))
    accepted = table["counts_per_gwh"] * 7.47594 * step * 0.6655 / (1 + np.exp(-0.4942 * (centre - 10.8507)))
    assert accepted[(centre > 6) & (centre < 30)].sum() == pytest.approx(5.42, abs=0.005)
    arrival = shipped("coherent-csi-2017", "arrival.csv")
    assert arrival["prompt_neutrons"][arrival["time_high"] <= 6].sum() == pytest.approx(1, abs=1e-9)


def test_csi_2017_quenching_average() -> None:
    # the mean between 5 and 30 keVnr must lie within the released 0.0878 +- 0.0166
    table = shipped("coherent-csi-2017", "quenching_data.csv")
    assert np.bincount(table["set"].astype(int)).tolist() == [7, 12]
    between = (table["t_recoil"] >= 5) & (table["t_recoil"] <= 30)
    assert table["quenching"][between].mean() == pytest.approx(0.0878, abs=0.0166)
    # TUNL's first row: 41.6 keVnr + 2.5 - 2.9; the release gives the hi error first
    assert (table["t_recoil_minus"][7], table["t_recoil_plus"][7]) == (2.933797687, 2.500999719)
    assert (table["quenching_minus"][7], table["quenching_plus"][7]) == (0.001044956271, 0.001053899461)


def test_csi_2021_events() -> None:
    table = shipped("coherent-csi-2021", "events.csv")
    assert (table["coincident"].sum(), table["anticoincident"].sum()) == (5142, 4890)
    below = table["pe_high"] <= 60
    assert (table["coincident"][below].sum(), table["anticoincident"][below].sum()) == (1578, 1295)
    analysis = below & (table["pe_low"] >= 8)
    assert (table["coincident"][analysis].sum(), table["anticoincident"][analysis].sum()) == (1567, 1291)


def test_csi_2021_analysis_edges_are_edges_of_the_table() -> None:
    table = shipped("coherent-csi-2021", "events.csv")
    assert {8, 12, 16, 20, 24, 28, 32, 40, 50, 60} <= set(table["pe_low"])
    assert {0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1, 2, 4, 6} <= set(table["time_low"]) | {6.0}
    assert table["time_high"].max() == 6


def test_csi_2021_neutrons() -> None:
    pe, time = shipped("coherent-csi-2021", "neutrons_pe.csv"), shipped("coherent-csi-2021", "neutrons_time.csv")
    assert time["brn"].sum() == pytest.approx(27.63, abs=0.005)
    assert time["nin"].sum() == pytest.approx(7.565, abs=0.0005)
    below, recorded = pe["pe_high"] <= 60, (time["time_low"] >= 0) & (time["time_high"] <= 6)
    expected = {name: time[name][recorded].sum() * pe[name][below].sum() / pe[name].sum() for name in ("brn", "nin")}
    assert expected == pytest.approx({"brn": 18.4, "nin": 5.6}, abs=0.05)


def test_csi_2021_coefficients_give_opposite_excursions() -> None:
    table = shipped("coherent-csi-2021", "efficiency.csv")
    at_8_pe = table["a"] / (1 + np.exp(-table["b"] * (8.5 - table["c"]))) + table["d"]
    by_variation = dict(zip(table["variation"], at_8_pe, strict=True))
    assert by_variation[-1] < by_variation[0] < by_variation[1]
    table = shipped("coherent-csi-2021", "scintillation.csv")
    energy = 0.015
    light = np.sum([table[name] * energy**power for power, name in enumerate("abcd", start=1)], axis=0)
    by_component = dict(zip(zip(table["component"], table["variation"], strict=True), light, strict=True))
    for component in (1, 2):
        middle = (by_component[component, 1] + by_component[component, -1]) / 2
        assert middle == pytest.approx(by_component[0, 0], rel=1e-3)
        assert by_component[component, 1] != pytest.approx(by_component[0, 0], rel=1e-3)


def test_lar_2020_sums() -> None:
    table = shipped("coherent-lar-2020", "templates.csv")
    sums = {name: values.sum() for name, values in table.items() if not name.endswith(("_low", "_high"))}
    assert sums.pop("data") == 3752
    assert sums.pop("ss") == pytest.approx(3152, abs=1e-3)
    assert sums.pop("brn_delayed") == pytest.approx(33, abs=1e-3)
    assert sums.pop("brn_prompt_time_mean_up") == pytest.approx(523.67, abs=0.005)
    wanted = {name: 128 if name.startswith("cevns") else 497 for name in sums}
    assert len(wanted) == 9
    assert sums == pytest.approx(wanted, abs=1e-3)


# energydata1d, f90data1d, timingdata1d of the release: data less the fitted steady-state background, and the fitted CEvNS
PUBLISHED = {
    "e_ee": (
        [180.88, 168.285, 84.6046, 48.2399, 14.9452, 23.3383, 8.7051, 20.8055, 26.3034, 15.6286, 21.9738, 6.53702],
        [98.071, 46.0685, 12.3225, 2.94675, 0.0976767, 3.36944e-05, 0, 0, 0, 0, 0, 0],
    ),
    "f90": (
        [49.5358, 39.2249, 33.443, 114.679, 167.864, 171.096, 42.9102, 1.4931],
        [16.1211, 23.5352, 30.9663, 35.1116, 31.0895, 17.3876, 4.89222, 0.402871],
    ),
    "time": (
        [37.8246, 485.825, 73.8246, 14.8246, 5.82461, 10.8246, 6.82461, -13.1754, 18.8246, -21.1754],
        [13.8123, 49.5795, 23.3052, 18.5033, 14.788, 11.8215, 9.45151, 7.51642, 5.9665, 4.76226],
    ),
}


@pytest.mark.parametrize(("position", "axis"), list(enumerate(PUBLISHED)))
def test_lar_2020_projections_are_the_published_ones(position: int, axis: str) -> None:
    """The three projections agree only if the rows are read in the right order."""
    table = shipped("coherent-lar-2020", "templates.csv")
    others = tuple({0, 1, 2} - {position})
    project = {name: table[name].reshape(LAR_SHAPE).sum(axis=others) for name in ("data", "ss", "cevns")}
    data, cevns = PUBLISHED[axis]
    # the fitted totals of the same release: CEvNS 159.506; steady state 3131.8 (3131 when rounded, hence the tolerance)
    assert project["cevns"] * 159.506 / 128 == pytest.approx(cevns, rel=1e-4, abs=1e-7)
    assert project["data"] - project["ss"] * 3131 / 3152 == pytest.approx(data, abs=0.3)


def test_lar_2020_f90_given_energy() -> None:
    probability = shipped("coherent-lar-2020", "f90_given_energy.csv")["probability"].reshape(LAR_SHAPE[:2])
    assert probability.sum(axis=1) == pytest.approx(1, abs=1e-8)
    assert np.all(probability[5:] == probability[4])
    cevns = shipped("coherent-lar-2020", "templates.csv")["cevns"].reshape(LAR_SHAPE)
    # the released template factorises: counts = energy x P(F90 | energy) x time
    product = cevns.sum(axis=(1, 2))[:, None, None] * probability[:, :, None] * cevns.sum(axis=(0, 1)) / cevns.sum()
    assert product == pytest.approx(cevns, abs=2e-4)


def test_lar_2020_efficiency_axes_agree_with_the_quenching_factor() -> None:
    # released factor 0.246 + 0.00078 T: the table holds it before rounding
    table = shipped("coherent-lar-2020", "efficiency.csv")
    slope, offset = np.polyfit(table["t_recoil"], table["e_ee"] / table["t_recoil"], 1)
    assert offset == pytest.approx(0.246, abs=5e-4)
    assert slope == pytest.approx(0.00078, abs=5e-6)
    assert table["t_recoil"] * (offset + slope * table["t_recoil"]) == pytest.approx(table["e_ee"], rel=1e-5)
    assert np.all(np.diff(table["t_recoil"]) > 0)
    assert table["efficiency"].min() == 0
    assert table["efficiency"].max() < 1


def test_lar_2020_bounds_what_is_seen_of_electron_recoils() -> None:
    table = shipped("coherent-lar-2020", "f90_given_energy.csv")
    bound = table["electrons_at_most"].reshape(LAR_SHAPE[:2]).sum(axis=1)
    assert np.all(np.diff(bound) < 0.0)
    assert bound[[0, 1, 2, 11]] == pytest.approx([0.853, 0.263, 0.159, 0.032], abs=0.001)
    off_beam = shipped("coherent-lar-2020", "templates.csv")["ss"].reshape(LAR_SHAPE).sum(axis=(1, 2))
    # the decays behind the bound: more of them the higher the energy, 2.4 per keVee at the end
    decays = off_beam / bound
    assert np.all(np.diff(decays) > 0.0)
    assert decays[-1] == pytest.approx(0.940 * 24.4 * 6.12e9 * 3600 / 1.4e6 * 60 * 5e-6 * 0.0243 * 0.963, rel=0.01)


def test_xenonnt_events_and_backgrounds_of_each_run() -> None:
    events, expected = (shipped("xenonnt-s2only-2026", name) for name in ("events.csv", "backgrounds.csv"))
    assert [events[run].sum() for run in ("sr0", "sr1", "sr2")] == [583, 864, 1107]
    assert (events["cs2_low"][0], events["cs2_high"][-1]) == (80, 500)
    cathode = {run: expected[f"cathode_{run}"].sum() / years for run, years in (("sr0", 1.50), ("sr1", 2.44), ("sr2", 3.89))}
    assert cathode == pytest.approx({"sr0": 317.84, "sr1": 270.61, "sr2": 310.31}, abs=0.01)
    assert "ae_sr2" not in expected


def test_xenonnt_matrices_are_probabilities_that_grow_with_the_charge_yield() -> None:
    for run in ("sr0", "sr1", "sr2"):
        table = shipped("xenonnt-s2only-2026", f"response_{run}.csv")
        assert (table["t_recoil"][0], table["t_recoil"][-1], len(table["t_recoil"])) == (0.5, 5.0, 50)
        total = {name: sum(table[f"{name}_{k}"] for k in range(7)) for name in ("down", "bin", "up")}
        assert max(values.max() for values in total.values()) < 1.0
        threshold = table["t_recoil"] < 1.0
        assert np.all(total["down"][threshold] < total["bin"][threshold])
        assert np.all(total["bin"][threshold] < total["up"][threshold])


def test_xenonnt_counts_and_backgrounds_with_both_signals() -> None:
    found = {run: shipped("xenonnt-b8-2026", f"counts_{run}.csv") for run in ("sr0", "sr1", "sr2")}
    assert [table["observed"].sum() for table in found.values()] == [9, 28, 25]
    # published for the first two runs (arXiv:2408.02877): accidental coincidences 7.5 and 17.8
    assert [table["ac"].sum() for table in found.values()] == pytest.approx([7.48, 17.77, 14.87], abs=0.005)
    # bins of the observables hold a third of the accidental coincidences each
    assert found["sr0"]["ac"].reshape(3, 27).sum(axis=1) == pytest.approx([7.48 / 3] * 3, rel=0.01)
    for run, table in found.items():
        experiment = load_experiment("xenonnt-b8-2026").channels[run]
        lows = np.meshgrid(*(axis.edges[:-1] for axis in experiment.axes), indexing="ij")
        for axis, low in zip(experiment.axes, lows, strict=True):
            assert table[f"{axis.name}_low"].tolist() == low.ravel().tolist()


def test_xenonnt_efficiencies_of_four_observables() -> None:
    nodes = ("nominal", "light_up", "light_down", "charge_up", "charge_down")
    for run, highest in (("sr0", 0.1520), ("sr1", 0.1412), ("sr2", 0.1757)):
        table = shipped("xenonnt-b8-2026", f"response_{run}.csv")
        energies = table["t_recoil"].reshape(46, 81)
        assert np.array_equal(energies, np.repeat(np.linspace(0.5, 5.0, 46).round(1), 81).reshape(46, 81))
        total = {name: table[name].reshape(46, 81).sum(axis=1) / 100 for name in nodes}
        assert total["nominal"][36] == pytest.approx(highest, abs=1e-4)
        threshold = energies[:, 0] < 1.5
        for light in ("light", "charge"):
            assert np.all(total[f"{light}_down"][threshold] < total["nominal"][threshold])
            assert np.all(total["nominal"][threshold] < total[f"{light}_up"][threshold])


def test_rounded_efficiencies_and_edges_are_those_of_the_release() -> None:
    source = RELEASED / "xenonnt-b8-2026"
    if not source.is_dir():
        pytest.skip(f"the released files are not at {source}")
    h5py = pytest.importorskip("h5py")
    for run, energy in (("sr0", 0.5), ("sr1", 2.3), ("sr2", 5.0)):
        table = shipped("xenonnt-b8-2026", f"response_{run}.csv")
        with h5py.File(source / f"templates/{run}/mono/template_XENONnT_{run}_mono_{energy:.3f}_cevns_tly_0.0_tqy_-1.0.h5") as file:
            released = np.array(file["templates/template"]).ravel()
        assert table["charge_down"][table["t_recoil"] == energy] / 100 == pytest.approx(released, rel=6e-4, abs=0)
        axes = load_experiment("xenonnt-b8-2026").channels[run].axes
        written = (source / f"binning/{run}.yaml").read_text(encoding="utf-8").splitlines()
        edges = [float(line.removeprefix("- ")) for line in written if line.startswith("-")]
        assert [edge for axis in axes for edge in axis.edges] == pytest.approx(edges, rel=5e-6)
