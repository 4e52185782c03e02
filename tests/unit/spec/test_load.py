"""Folders to experiments: what is right loads, what is wrong is reported at once with file, line and field."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cevnsfit.core.errors import CevnsfitError, SpecError, UnknownNameError
from cevnsfit.core.paths import data_root
from cevnsfit.spec.catalog import experiment_names, resolve
from cevnsfit.spec.load import load_experiment
from cevnsfit.spec.tables import TableError, read_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Path]
    Problems = Callable[..., list[str]]


@pytest.mark.parametrize("name", experiment_names())
def test_every_shipped_experiment_loads_under_its_own_name(name: str) -> None:
    experiment = load_experiment(name)
    assert experiment.name == name
    spectra = {f"spectra/{spectrum}.csv" for spectrum in experiment.spec.source.spectra}
    assert set(experiment.digests) == {"experiment.yaml", *experiment.tables, *spectra}
    assert all(len(digest) == 64 for digest in experiment.digests.values())


@pytest.mark.parametrize(("name", "bins"), [("coherent-csi-2017", 144), ("coherent-csi-2021", 99), ("coherent-lar-2020", 960)])
def test_the_released_experiments_have_their_bins(name: str, bins: int) -> None:
    assert np.prod([axis.nbins for axis in load_experiment(name).axes]) == bins


def test_a_folder_and_its_file_name_are_the_same_experiment(make_folder: Make) -> None:
    folder = make_folder()
    assert resolve(folder / "experiment.yaml") == folder
    assert load_experiment(folder).digests == load_experiment(str(folder)).digests


def test_an_unknown_experiment_lists_the_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="coherent-lar-2020"):
        load_experiment("coherent-lar-2002")


def test_values_arrive_in_internal_units(make_folder: Make) -> None:
    spec = load_experiment(make_folder()).spec
    assert spec.source.distance == pytest.approx(2000.0)  # cm
    assert spec.target.mass == pytest.approx(1e4)  # g
    assert spec.time_efficiency is not None
    assert spec.time_efficiency.rate == pytest.approx(0.05e6)  # 1/s
    assert spec.response["light_yield"].value == pytest.approx(13e3)  # PE/MeVee
    assert spec.response["quenching"].slope == pytest.approx(1e-2)  # MeVee/MeVnr^2
    assert spec.systematics["flux"].sigma == pytest.approx(0.1)


def test_the_defaults_of_the_facility_fill_what_the_experiment_leaves_out(make_folder: Make) -> None:
    spec = load_experiment(make_folder()).spec
    assert spec.source.arrival is not None
    assert spec.source.arrival.kind == "gaussians"
    own = "  distance: 20 m\n  arrival: {kind: rectangle, start: 0 ns, width: 100 ns}"
    assert load_experiment(make_folder(("  distance: 20 m", own))).spec.source.arrival.kind == "rectangle"


@settings(max_examples=30)
@given(
    mass=st.floats(1e-3, 1e6),
    distance=st.floats(0.1, 1e3),
    edges=st.lists(st.integers(0, 500), min_size=2, max_size=8, unique=True),
    unit=st.sampled_from([("kg", 1e3), ("g", 1.0), ("t", 1e6)]),
)
def test_quantities_and_edges_survive_the_file(
    tmp_path_factory: pytest.TempPathFactory, mass: float, distance: float, edges: list[int], unit: tuple[str, float]
) -> None:
    folder = tmp_path_factory.mktemp("toy")
    name, factor = unit
    (folder / "experiment.yaml").write_text(
        "schema_version: 1\nname: toy\ntitle: A toy\n"
        f"source: {{name: sns, exposure_pot: 1e+20, yield_per_pot: 0.1, distance: {distance!r} m}}\n"
        f"target: {{compound: Ar, mass: {mass!r} {name}}}\n"
        f"axes:\n  t_recoil: {{unit: keVnr, edges: {sorted(edges)}}}\n",
        encoding="utf-8",
    )
    experiment = load_experiment(folder)
    assert experiment.spec.target.mass == pytest.approx(mass * factor, rel=1e-14)
    assert experiment.spec.source.distance == pytest.approx(distance * 100, rel=1e-14)
    np.testing.assert_allclose(experiment.axes[0].edges, np.sort(edges) * 1e-3, rtol=1e-14)
    np.testing.assert_array_equal(experiment.axes[0].display_edges, np.sort(edges))


def test_protons_follow_from_the_beam_energy_where_no_number_is_given(make_folder: Make) -> None:
    folder = make_folder(("exposure_pot: 1.0e+23", "exposure_gwh: 7.47594\n  proton_energy: 0.984 GeV"))
    joule = 7.47594e9 * 3600.0
    assert load_experiment(folder).spec.source.protons == pytest.approx(joule / (0.984e9 * 1.602176634e-19), rel=1e-12)


def test_a_number_of_protons_goes_before_the_energy(make_folder: Make) -> None:
    folder = make_folder(("exposure_pot: 1.0e+23", "exposure_pot: 1.0e+23\n  exposure_gwh: 7.47594"))
    assert load_experiment(folder).spec.source.protons == 1e23


def test_an_exposure_without_energy_or_number_is_refused(make_folder: Make, problems: Problems) -> None:
    (problem,) = problems(make_folder(("  exposure_pot: 1.0e+23\n", "")))
    assert problem.startswith("experiment.yaml:4: source: give exposure_pot")


def test_every_problem_is_reported_at_once(make_folder: Make, problems: Problems) -> None:
    folder = make_folder(
        ("  distance: 20 m", "  distance: 20"),
        ("yield_per_pot", "yield_per_pott"),
        ("13 PE/keVee", "13 PE/keVnr"),
        ("steepness: 0.5 / PE", "steepness: 0.5 / keVee"),
        ("position: 10 PE", "position: 10 keVee"),
        ("sigma: 3}", "sgma: 3}"),
        ("observed: {table: counts.csv", "observed: {table: nowhere.csv"),
        counts=(("5,10,1,6,4,2", "5,10,1,6,nan,2"),),
    )
    found = problems(folder)
    wanted = (
        ("experiment.yaml:4: source.yield_per_pot: ", "required"),
        ("experiment.yaml:7: source.yield_per_pott: ", "did you mean yield_per_pot"),
        ("experiment.yaml:8: source.distance: ", "no unit"),
        ("experiment.yaml:15: response.light_yield.value: ", "13 PE/keVnr"),
        ("experiment.yaml:21: response.acceptance.steepness: ", "0.5 / keVee"),
        ("experiment.yaml:22: response.acceptance.position: ", "10 keVee"),
        ("experiment.yaml:28: backgrounds.beam.count.sigma: ", "required"),
        ("experiment.yaml:28: backgrounds.beam.count.sgma: ", "did you mean sigma"),
        ("nowhere.csv: observed.table: ", "no such table"),
        ("counts.csv:4: ", "'nan' is not a finite number"),
    )
    for start, part in wanted:
        assert any(line.startswith(start) and part in line for line in found), (start, part, found)
    assert len(found) == len(wanted)


BROKEN = [
    pytest.param(
        (("title: A toy", "titel: A toy"),), (), "experiment.yaml:3: titel: unknown field 'titel'; did you mean title, label?", id="key"
    ),
    pytest.param((("title: A toy", "title: A toy\nlabel: '$x_{$'"),), (), r"experiment.yaml:4: label: '$x_{$' holds a formula", id="label"),
    pytest.param(
        (("amplitude: 0.7", "amplitude: 90"),), (), "response.acceptance: the efficiency reaches 90, and is at most 1", id="percent"
    ),
    pytest.param((("distance: 20 m", "distance: 1e300 m"),), (), "source: distance is 1e+302", id="magnitude"),
    pytest.param(
        (("exposure_pot: 1.0e+23", "exposure_pot: true"),), (), ": source.exposure_pot: 'True' should be a plain number", id="bool-number"
    ),
    pytest.param((("[0, 1, 6]", "[0, true, 6]"),), (), "experiment.yaml:12: axes.time.edges.1: ", id="bool-edge"),
    pytest.param((("unit: us", "unit: " + 100_000 * "x"),), (), "is not a unit of time", id="endless-unit"),
    pytest.param((("amplitude", "amplitud"),), (), "response.acceptance.amplitud: unknown field", id="key-in-stage"),
    pytest.param((("start: 0.5", "strat: 0.5"),), (), "did you mean start", id="key-in-optional-section"),
    pytest.param((("shared: true", "shard: true"),), (), "did you mean shared", id="key-in-systematic"),
    pytest.param((("distance: 20 m", "distance: true"),), (), "experiment.yaml:8: source.distance: 'true' is not a number", id="bool"),
    pytest.param((("distance: 20 m", "distance: 20 kg"),), (), "experiment.yaml:8: source.distance: ", id="dimension"),
    pytest.param((("slope: 1e-5 keVee/keVnr**2", "slope: 1e-5 keVnr/keVnr**2"),), (), "response.quenching.slope", id="keVnr-for-keVee"),
    pytest.param((("position: 10 PE", "position: null"),), (), "experiment.yaml:22: response.acceptance.position", id="null-on-axis"),
    pytest.param((("position: 10 PE", "position: [10 PE]"),), (), "experiment.yaml:22: response.acceptance.position", id="list-on-axis"),
    pytest.param((("axis: pe", "axis: f90"),), (), "experiment.yaml:19: response.acceptance.axis", id="no-energy-axis"),
    pytest.param((("axis: pe", "axis: [pe]"),), (), "experiment.yaml:19: response.acceptance.axis", id="list-of-axes"),
    pytest.param((("kind: poisson-smearing", "kind: poison-smearing"),), (), "experiment.yaml:16: response.smearing", id="kind"),
    pytest.param(
        (("compound: CsI,", "compound: CsI(Na),"),), (), "experiment.yaml:9: target.compound: 'CsI(Na)' is not a chemical", id="dopant"
    ),
    pytest.param(
        (("compound: CsI,", "compound: 133CsI,"),),
        (),
        "target.compound: '133CsI' is not a chemical formula; an isotope is written \"Cs[133]I\"",
        id="isotope",
    ),
    pytest.param(
        (("mass: 10 kg", "mass: 10 kg, isotopes: {Ge-76: 0.5}"),), (), "target.isotopes: Ge is not an element of CsI", id="no-such-isotope"
    ),
    pytest.param((("mass: 10 kg", "mass: 10 kg, isotopes: {I-127: 87}"),), (), "target.isotopes.I-127: ", id="isotope-of-87"),
    pytest.param(
        (("mass: 10 kg", "mass: 10 kg, dopants: {Tl: 60 %, Na: 40 %}"),), (), "target.dopants: the mass fractions", id="all-dopant"
    ),
    pytest.param(
        (("mass: 10 kg", "mass: 10 kg, radii: {Ge: {proton: 4 fm, neutron: 4 fm}}"),),
        (),
        "target.radii: Ge is not in the material, which has Cs, I",
        id="radii-of-others",
    ),
    pytest.param((("constant: 0.09", "constant: 9"),), (), "quenching.constant: '9' should be less than or equal to 1", id="quenching"),
    pytest.param((("column: observed", "column: obsreved"),), (), "experiment.yaml:24: observed: counts.csv: unknown column", id="column"),
    pytest.param((), (("20,40,1,6,1,0.25\n", ""),), "counts.csv: observed.table: 5 rows", id="table-shape"),
    pytest.param(
        (), (("5,10,0,1,3,", "5,10,0,1,-3,"),), "experiment.yaml:24: observed: counts.csv: column 'observed' has 1 neg", id="negative"
    ),
    pytest.param((), (("5,10,0,1,3,", "5,10,0,1,3.5,"),), "observed: counts.csv: column 'observed' must hold whole counts", id="fraction"),
    pytest.param((), (("3,1.5", "3,-1.5"),), "experiment.yaml:27: backgrounds.beam.shape: counts.csv", id="negative-shape"),
    pytest.param((), (("10,20,", "9,20,"),), "counts.csv: observed.table: the bins of axis pe overlap", id="overlap-in-table"),
    pytest.param((("[5, 10, 20, 40]", "[5, 10, 9, 40]"),), (), "experiment.yaml:11: axes.pe: edges must increase", id="overlap"),
    pytest.param((("unit: us", "unit: ns"),), (), "axis time [us]: edges 0.001, 0.006 are not edges of the table", id="ns-for-us"),
    pytest.param(
        (("components: [cevns]", "components: cevns"),), (), "flux.components: 'cevns' should be a list, such as [a, b]", id="no-list"
    ),
    pytest.param((("shared: true", "shared: flase"),), (), "flux.shared: 'flase' should be true or false", id="no-truth"),
    pytest.param((("name: toy", "name: A toy"),), (), "name: 'A toy' should have lower-case letters", id="name"),
    pytest.param((("[0, 1, 6]", "[0]"),), (), "axes.time.edges: at least 2 entries are needed, not 1", id="one-edge"),
    pytest.param((("{kind: light-yield", "{kind: light"),), (), "'light' is not a known kind: 'constant-q", id="no-such-kind"),
    pytest.param((("{kind: light-yield,", "{"),), (), "response.light_yield: a kind is required", id="no-kind"),
    pytest.param(
        (("table: counts.csv, column: observed", "table: count.csv, column: observed"),),
        (),
        "count.csv: observed.table: no such table; did you mean counts.csv?",
        id="file",
    ),
    pytest.param((("unit: us", "unit: keVee"),), (), "experiment.yaml:12: axes.time: ", id="unit-of-axis"),
    pytest.param((("[0, 1, 6]", "[0, .nan, 6]"),), (), "experiment.yaml:12: axes.time.edges.1", id="nan-edge"),
    pytest.param((("{unit: us, edges: [0, 1, 6]}", "{unit: us, start: 0, stop: 6, bins: 100000000000}"),), (), "axes.time.bins", id="bins"),
    pytest.param((("components: [cevns]", "components: [cevens]"),), (), "experiment.yaml:30: systematics.flux", id="component"),
    pytest.param((("{quenching.constant: 0.1}", "{quench.constant: 0.1}"),), (), "did you mean quenching", id="variant-stage"),
    pytest.param(
        (("{quenching.constant: 0.1}", "{quenching.constnt: 0.1}"),),
        (),
        "experiment.yaml:33: systematics.quenching.up: response.quenching.constnt: unknown field 'constnt'; did you mean constant?",
        id="variant-field",
    ),
    pytest.param(
        (("{quenching.constant: 0.1}", "{quenching.constant: -1}"),),
        (),
        "response.quenching.constant: '-1' should be greater than 0",
        id="variant-value",
    ),
]


@pytest.mark.parametrize(("changes", "counts", "wanted"), BROKEN)
def test_a_problem_names_file_line_and_field(
    make_folder: Make, problems: Problems, changes: tuple[tuple[str, str], ...], counts: tuple[tuple[str, str], ...], wanted: str
) -> None:
    found = problems(make_folder(*changes, counts=counts))
    assert any(wanted in line for line in found), found


YAML_TROUBLE = [
    pytest.param(("title: A toy", "title: A toy\ntitle: B"), "experiment.yaml:4: not valid YAML: found duplicate key", id="duplicate"),
    pytest.param(
        ("title: A toy", "title: A toy\nreferences: &a [x]\noverlaps: *a"), "experiment.yaml:5: aliases (*a) are not allowed", id="alias"
    ),
    pytest.param(("title: A toy", "title: [A toy"), "experiment.yaml:4: not valid YAML", id="bracket"),
    pytest.param(("title: A toy", "title: A \x07toy"), "experiment.yaml: not valid YAML: unacceptable character", id="control"),
    pytest.param(("title: A toy", "title: 2020-99-99"), "experiment.yaml: not valid YAML", id="impossible-date"),
    pytest.param(("title: A toy", "title: !!python/object/apply:os.system [ls]"), "experiment.yaml:3: title", id="python-object"),
    pytest.param(("title: A toy", "title: A toy\n---\nname: b"), "experiment.yaml:4: not valid YAML", id="two-documents"),
]


@pytest.mark.parametrize(("change", "wanted"), YAML_TROUBLE)
def test_yaml_that_is_not_one_plain_mapping_is_refused(make_folder: Make, problems: Problems, change: tuple[str, str], wanted: str) -> None:
    (problem,) = problems(make_folder(change))
    assert problem.startswith(wanted)


def test_an_alias_bomb_is_refused_before_it_grows(make_folder: Make, problems: Problems) -> None:
    levels = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 60)]
    (problem,) = problems(make_folder(files={"experiment.yaml": "\n".join(levels).encode()}))
    assert "aliases (*a0) are not allowed" in problem


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"", "must be a mapping"),
        (b"- a\n- b\n", "must be a mapping"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"#" * 1_000_001, "larger than 1000 kB"),
        (b"[" * 5000, "nested more than 30 levels"),
    ],
)
def test_a_file_that_is_no_description_is_refused(make_folder: Make, problems: Problems, content: bytes, wanted: str) -> None:
    (problem,) = problems(make_folder(files={"experiment.yaml": content}))
    assert wanted in problem


@pytest.mark.parametrize("target", ["/etc/hostname", "../outside.csv"])
def test_a_table_that_links_out_of_the_folder_is_not_read(make_folder: Make, problems: Problems, target: str) -> None:
    folder = make_folder()
    (folder / "counts.csv").unlink()
    (folder / "counts.csv").symlink_to(target)
    assert problems(folder) == ["counts.csv: observed.table: links out of the folder"]


def test_a_description_that_links_out_of_the_folder_is_not_read(make_folder: Make, problems: Problems) -> None:
    folder = make_folder()
    inside = folder / "inside"
    inside.mkdir()
    (inside / "experiment.yaml").symlink_to("../experiment.yaml")
    assert problems(inside) == ["experiment.yaml: links out of the folder"]


@pytest.mark.parametrize("table", ["../counts.csv", "/elsewhere/counts.csv", "counts.csv/../x.csv", "counts.txt"])
def test_a_table_is_named_by_a_plain_file_name(make_folder: Make, problems: Problems, table: str) -> None:
    found = problems(make_folder(("observed: {table: counts.csv", f"observed: {{table: {table}")))
    assert [line for line in found if line.startswith("experiment.yaml:24: observed.table")] == found


def test_a_folder_without_description_says_so(tmp_path: Path, problems: Problems) -> None:
    assert problems(tmp_path) == ["experiment.yaml: no such file"]


def test_no_events_at_all_are_data(make_folder: Make) -> None:
    zeros = tuple((f"{end},{n},", f"{end},0,") for end, n in (("0,1", 3), ("1,6", 4), ("0,1", 5), ("1,6", 6), ("0,1", 2), ("1,6", 1)))
    experiment = load_experiment(make_folder(counts=zeros))
    assert experiment.tables["counts.csv"].columns["observed"].sum() == 0


def test_a_variant_may_change_the_table_of_a_curve(make_folder: Make, problems: Problems) -> None:
    acceptance = "  acceptance: {kind: table-efficiency, axis: pe, table: eff.csv, column: efficiency}\n"
    start, end = "  acceptance:\n", "    position: 10 PE\n"
    old = start + "    kind: logistic-efficiency\n    axis: pe\n    amplitude: 0.7\n    steepness: 0.5 / PE\n" + end
    curve = b"pe [PE],efficiency [1],low [1]\n0,0,0\n40,1,0.8\n"
    changes = ((old, acceptance), ("up: {quenching.constant: 0.1}", "up: {acceptance.table: up.csv}"))
    folder = make_folder(*changes, files={"eff.csv": curve, "up.csv": curve})
    assert set(load_experiment(folder).tables) == {"counts.csv", "eff.csv", "up.csv"}
    (folder / "up.csv").unlink()
    assert problems(folder) == ["up.csv: systematics.quenching.up: no such table"]
    changes = (changes[0], ("up: {quenching.constant: 0.1}", "up: {acceptance.column: hgih}"))
    (problem,) = problems(make_folder(*changes, files={"eff.csv": curve}))
    assert problem.startswith("experiment.yaml:28: systematics.quenching.up: eff.csv: unknown column 'hgih'")


def test_a_variant_of_a_response_that_is_not_there_is_a_problem(tmp_path: Path, problems: Problems) -> None:
    (tmp_path / "experiment.yaml").write_text(
        "schema_version: 1\nname: toy\ntitle: A toy\n"
        "source: {name: sns, exposure_pot: 1e+20, yield_per_pot: 0.1, distance: 20 m}\n"
        "target: {compound: Ar, mass: 1 kg}\n"
        "axes:\n  t_recoil: {unit: keVnr, edges: [1, 20]}\n"
        "systematics:\n  q: {kind: response, up: {quenching.factor: 1}, down: {quenching.factor: 2}}\n",
        encoding="utf-8",
    )
    found = problems(tmp_path)
    assert [line.split(": ")[1] for line in found] == ["systematics.q.up", "systematics.q.down"]


# --- changes by the caller ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["23", 23.0, "23 m", "2300 cm", "0.023 km"])
def test_a_bare_number_takes_the_unit_of_the_file(make_folder: Make, value: object) -> None:
    experiment = load_experiment(make_folder(), {"source.distance": value})
    assert experiment.spec.source.distance == pytest.approx(2300.0)
    assert experiment.overrides == (("source.distance", str(value)),)


@pytest.mark.parametrize(
    ("path", "value", "get", "wanted"),
    [
        ("systematics.flux.sigma", "5", lambda s: s.systematics["flux"].sigma, 0.05),
        ("response.acceptance.steepness", "0.25", lambda s: s.response["acceptance"].steepness, 0.25),
        ("time_efficiency.rate", "0.1", lambda s: s.time_efficiency.rate, 0.1e6),
        ("axes.pe.edges.0", "6", lambda s: s.axes["pe"].edges[0], 6.0),
        ("source.exposure_pot", "1e-4", lambda s: s.source.exposure_pot, 1e-4),
        ("source.arrival.pulses.0.mean", "400", lambda s: s.source.arrival.pulses[0].mean, 400e-9),
        ("systematics.flux.enabled", "false", lambda s: s.systematics["flux"].enabled, False),
        ("form_factor", "unity", lambda s: s.form_factor, "unity"),
    ],
)
def test_fields_are_changed_by_their_path(
    make_folder: Make, path: str, value: str, get: Callable[[object], object], wanted: float | str
) -> None:
    folder = make_folder(counts=(("5,10,", "6,10,"),) if path.startswith("axes") else ())
    found = get(load_experiment(folder, {path: value}).spec)
    assert found == (pytest.approx(wanted) if isinstance(wanted, float) else wanted)


def test_another_facility_brings_its_own_fields(make_folder: Make) -> None:
    changes = {"source.arrival.width": "100", "source.name": "lujan"}
    spec = load_experiment(make_folder(), changes).spec
    assert spec.source.proton_energy == pytest.approx(800.0)
    assert spec.source.arrival is not None
    assert spec.source.arrival.width == pytest.approx(100e-9, rel=1e-6, abs=0.0)


def test_a_change_acts_on_the_variants_too(make_folder: Make) -> None:
    experiment = load_experiment(make_folder(), {"response.light_yield.value": "26"})
    for stages in experiment.variants["quenching"].values():
        assert stages["light_yield"].value == pytest.approx(26e3)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("source.distanc", "did you mean distance"),
        ("sorce.distance", "did you mean source"),
        ("response.quenching.constnt", "did you mean constant"),
        ("response.quench.constant", "did you mean quenching"),
        ("axes.pe.edges.9", "not an index of a list of 4"),
        ("axes.pe.edges.first", "not an index"),
        ("title.x", "has no fields"),
    ],
)
def test_an_unknown_path_lists_the_near_ones(make_folder: Make, path: str, wanted: str) -> None:
    with pytest.raises(CevnsfitError, match=wanted):
        load_experiment(make_folder(), {path: "3"})


@pytest.mark.parametrize(
    ("path", "value"), [("source.distance", "23 kg"), ("source.name", "lujn"), ("axes.pe.edges.0", "15"), ("observed.table", "../a.csv")]
)
def test_a_bad_change_is_blamed_on_the_change(make_folder: Make, problems: Problems, path: str, value: str) -> None:
    (problem,) = problems(make_folder(), {path: value})
    assert problem.startswith(f"--set {path}={value}: ")


def test_the_file_stays_as_it_was(make_folder: Make) -> None:
    folder = make_folder()
    before = (folder / "experiment.yaml").read_bytes()
    load_experiment(folder, {"source.distance": "30"})
    assert (folder / "experiment.yaml").read_bytes() == before
    assert load_experiment(folder).spec.source.distance == pytest.approx(2000.0)


PSD = (
    ("  time: {unit: us", "  psd: {unit: '1', edges: [0, 0.5, 1]}\n  time: {unit: us"),
    ("observed: {table: counts.csv, column: observed}\n", "auxiliary: {psd: {given: pe, table: psd.csv, column: p}}\n"),
    (
        "shape: {kind: joint, table: counts.csv, column: beam}",
        "shape: {kind: product, factors: {pe: {kind: uniform}, psd: {kind: uniform}, time: {kind: uniform}}}",
    ),
)


def test_an_auxiliary_axis_may_have_any_name(make_folder: Make) -> None:
    folder = make_folder(*PSD)
    (folder / "psd.csv").write_text(
        "pe_low [PE],pe_high [PE],psd_low [1],psd_high [1],p [%]\n0,50,0,0.5,30\n0,50,0.5,1,70\n", encoding="utf-8"
    )
    experiment = load_experiment(folder)
    found = experiment.tables["psd.csv"].given(experiment.axes[0], experiment.axes[1], "p")
    np.testing.assert_allclose(found, np.tile([0.3, 0.7], (3, 1)), rtol=1e-12)
    assert [(axis.name, axis.quantity, axis.unit) for axis in experiment.axes[:2]] == [("pe", "pe", "PE"), ("psd", "number", "1")]


def test_probabilities_in_finer_bins_are_averaged(make_folder: Make) -> None:
    folder = make_folder(*PSD)
    rows = [
        f"{low},{low + 5},{psd},{psd + 0.5},{p}"
        for low, first in ((5, 0.1), (10, 0.2), (15, 0.4), (20, 0.5), (25, 0.5), (30, 0.6), (35, 0.6))
        for psd, p in ((0, first), (0.5, 1 - first))
    ]
    (folder / "psd.csv").write_text("pe_low [PE],pe_high [PE],psd_low [1],psd_high [1],p [1]\n" + "\n".join(rows), encoding="utf-8")
    experiment = load_experiment(folder)
    found = experiment.tables["psd.csv"].given(experiment.axes[0], experiment.axes[1], "p")
    np.testing.assert_allclose(found, [[0.1, 0.9], [0.3, 0.7], [0.55, 0.45]], rtol=1e-12)


def test_probabilities_that_sum_to_more_than_1_are_a_slip(make_folder: Make, problems: Problems) -> None:
    folder = make_folder(*PSD)
    (folder / "psd.csv").write_text(
        "pe_low [PE],pe_high [PE],psd_low [1],psd_high [1],p [1]\n0,50,0,0.5,2\n0,50,0.5,1,1\n", encoding="utf-8"
    )
    (problem,) = problems(folder)
    assert "auxiliary.psd: psd.csv: the probabilities 'p' sum to 3 at 5 PE" in problem


def test_the_energy_axis_may_have_any_name_with_a_unit(make_folder: Make) -> None:
    folder = make_folder(("  pe: {unit: PE", "  cs2: {unit: PE"), counts=(("pe_low [PE],pe_high", "cs2_low [PE],cs2_high"),))
    axis = load_experiment(folder).axes[0]
    assert (axis.name, axis.quantity, axis.unit) == ("cs2", "pe", "PE")


def test_a_table_may_begin_as_spreadsheets_write_it(make_folder: Make) -> None:
    folder = make_folder()
    table = folder / "counts.csv"
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    assert load_experiment(folder).observed == load_experiment(make_folder()).observed


def test_columns_of_a_response_matrix_are_probabilities(make_folder: Make, problems: Problems) -> None:
    changes = (
        ("  quenching: {kind: linear-quenching, constant: 0.09, slope: 1e-5 keVee/keVnr**2}\n", ""),
        ("  light_yield: {kind: light-yield, value: 13 PE/keVee}\n", ""),
        ("  smearing: {kind: poisson-smearing}\n", "  matrix: {kind: response-matrix, table: response.csv, columns: [a, b, c]}\n"),
        ("  quenching:\n    kind: response\n    up: {quenching.constant: 0.1}\n    down: {quenching.constant: 0.08}\n", ""),
    )
    good = b"t_recoil [keVnr],a [1],b [%],c [1]\n1,0,10,0.2\n5,0.3,40,0.2\n"
    experiment = load_experiment(make_folder(*changes, files={"response.csv": good}))
    assert experiment.tables["response.csv"].values("b").tolist() == [0.1, 0.4]
    (problem,) = problems(make_folder(*changes, files={"response.csv": good.replace(b"c [1]", b"d [1]")}))
    assert "response.matrix: response.csv: unknown column 'c'" in problem
    (problem,) = problems(make_folder(*changes, files={"response.csv": good.replace(b"0,10", b"-1,10")}))
    assert "column 'a' has 1 negative entries" in problem


def test_an_efficiency_above_1_is_a_slip(make_folder: Make, problems: Problems) -> None:
    curve = "{kind: table-efficiency, axis: pe, table: eff.csv, column: eff}"
    change = ("smearing: {kind: poisson-smearing}", f"smearing: {{kind: poisson-smearing}}\n  further: {curve}")
    folder = make_folder(change, files={"eff.csv": b"pe [PE],eff [1]\n5,30\n40,80\n"})
    (problem,) = problems(folder)
    assert "response.further: eff.csv: column 'eff' reaches 80, and must not exceed 1; the unit of a percentage is [%]" in problem
    percent = load_experiment(make_folder(change, files={"eff.csv": b"pe [PE],eff [%]\n5,30\n40,80\n"}))
    assert percent.tables["eff.csv"].values("eff").tolist() == [0.3, 0.8]


def test_isotopes_and_dopants_are_fractions(make_folder: Make) -> None:
    target = load_experiment(
        make_folder(("mass: 10 kg", "mass: 10 kg, isotopes: {I-127: 90 %, I-129: 0.1}, dopants: {Tl: 0.1 %}"))
    ).spec.target
    assert (target.isotopes, target.dopants) == ({"I-127": 0.9, "I-129": 0.1}, {"Tl": pytest.approx(0.001)})


def test_a_copy_of_a_shipped_folder_is_the_same_experiment(tmp_path: Path) -> None:
    copied = shutil.copytree(data_root() / "experiments" / "coherent-csi-2021", tmp_path / "mine")
    assert load_experiment(copied).digests == load_experiment("coherent-csi-2021").digests
    (copied / "efficiency.csv").unlink(missing_ok=True)
    (copied / "events.csv").unlink()
    with pytest.raises(SpecError, match=r"events\.csv: observed\.table: no such table"):
        load_experiment(copied)


@pytest.mark.parametrize(
    ("axes", "wanted"),
    [
        ("  pe: {unit: PE, start: 5, stop: 40, bins: 5000}\n", "axes.pe: 5000 bins; at most 1000 are possible"),
        (
            "  pe: {unit: PE, start: 5, stop: 40, bins: 500}\n  time: {unit: us, start: 0, stop: 6, bins: 9000}\n",
            "axes: 4500000 bins in all; at most 100000 are possible",
        ),
        ("  pe: {unit: PE, start: 5, stop: 40, bins: 1000000000}\n", "axes.pe.bins"),
    ],
)
def test_too_many_bins_are_refused_before_they_are_made(make_folder: Make, problems: Problems, axes: str, wanted: str) -> None:
    old = "  pe: {unit: PE, edges: [5, 10, 20, 40]}\n  time: {unit: us, edges: [0, 1, 6]}\n"
    assert any(wanted in problem for problem in problems(make_folder((old, axes))))


# --- flux --------------------------------------------------------------------------------------------------------------------------

FLUX = """\
time_low [us],time_high [us],e_nu_low [MeV],e_nu_high [MeV],nu_e [1],bad [1]
0,3,0,20,0.01,0.01
0,3,20,50,0.02,-0.02
3,6,0,20,0.001,0
3,6,20,50,0.002,0
"""
ENERGIES = "e_nu_low [MeV],e_nu_high [MeV],nu_e [1]\n0,20,0.01\n20,50,0.02\n"
YIELD = "  yield_per_pot: 0.08\n"


def flux_section(column: str = "nu_e", table: str = "flux.csv", extra: str = "") -> str:
    return f"  flux: {{flavours: {{nu_e: {{table: {table}, column: {column}}}}}}}\n{extra}"


def test_a_flux_replaces_the_yield(make_folder: Make) -> None:
    experiment = load_experiment(make_folder((YIELD, flux_section()), files={"flux.csv": FLUX.encode()}))
    flux = experiment.spec.source.flux
    assert flux is not None
    assert (flux.scale, flux.offset, list(flux.flavours)) == (1.0, 0.0, ["nu_e"])
    assert "flux.csv" in experiment.digests
    assert [axis.name for axis in experiment.tables["flux.csv"].axes] == ["time", "e_nu"]


@pytest.mark.parametrize(
    ("section", "wanted"),
    [
        (flux_section() + YIELD, "source.yield_per_pot: leave it out"),
        (flux_section("nu_mu"), "source.flux.flavours.nu_e: flux.csv: unknown column 'nu_mu'"),
        (flux_section("bad"), "column 'bad' has 1 negative entries"),
        (flux_section("observed", "counts.csv"), "a flux is binned in e_nu, or in e_nu and time; this table in pe, time"),
        (flux_section(table="none.csv"), "no such table"),
        (flux_section(extra="  spectrum: pion-decay-at-rest\n"), "source.spectrum: leave it out"),
        (flux_section(extra="  arrival: {kind: rectangle, start: 0 ns, width: 1 us}\n"), "source.arrival: leave it out"),
        (flux_section().replace("nu_e:", "nu_x:"), "source.flux.flavours.nu_x"),
        ("  flux: {flavours: {}}\n", "source.flux.flavours"),
        (
            "  flux: {flavours: {nu_e: {table: flux.csv, column: nu_e}, nubar_e: {table: energies.csv, column: nu_e}}}\n",
            "some tables have arrival times and some do not",
        ),
    ],
)
def test_what_is_wrong_with_a_flux(make_folder: Make, problems: Problems, section: str, wanted: str) -> None:
    folder = make_folder((YIELD, section), files={"flux.csv": FLUX.encode(), "energies.csv": ENERGIES.encode()})
    assert any(wanted in problem for problem in problems(folder)), problems(folder)


def test_a_field_that_a_change_brings_is_named_without_its_kind(make_folder: Make, problems: Problems) -> None:
    rate = {"kind": "normalisation", "sigma": -1, "components": ["cevns"]}
    (problem,) = problems(make_folder(), {"systematics.rate": rate})
    assert "systematics.rate.sigma: " in problem


def test_a_missing_table_of_arrival_times_is_a_field(make_folder: Make, problems: Problems) -> None:
    """The kind of the section and the field have one name."""
    (problem,) = problems(make_folder(("  distance: 20 m", "  distance: 20 m\n  arrival: {kind: table, prompt: a, delayed: b}")))
    assert problem == "experiment.yaml:9: source.arrival.table: this field is required"


@pytest.mark.parametrize(
    ("rows", "message"), [("1,1e300,3\n", "the bins of axis e_ee reach beyond 1e+100"), ("", "the bins of axis e_ee have no rows")]
)
def test_bins_have_rows_and_edges_that_can_be_compared(tmp_path: Path, rows: str, message: str) -> None:
    """A list of events may be empty, but has no bins."""
    (tmp_path / "events.csv").write_text(f"e_ee_low [keVee],e_ee_high [keVee],on [1]\n{rows}", encoding="utf-8")
    with pytest.raises(TableError, match=re.escape(message)):
        read_table(tmp_path / "events.csv", empty=True)
