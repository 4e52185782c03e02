"""Tables of HEPData and histograms of ROOT files where a CSV could be named."""

from __future__ import annotations

import lzma
import zlib
from typing import TYPE_CHECKING, Any

import cramjam
import numpy as np
import pytest
import uproot

from cevnsfit.core.errors import SpecError
from cevnsfit.model.build import likelihood_of
from cevnsfit.spec.foreign import read_any
from cevnsfit.spec.load import load_experiment
from cevnsfit.spec.root import read_histogram
from cevnsfit.stats.joint import expected

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Path]
    Problems = Callable[..., list[str]]

CSV = ("table: counts.csv, column: observed", "table: counts.csv, column: beam")
ROWS = [(5, 10, 0, 1), (5, 10, 1, 6), (10, 20, 0, 1), (10, 20, 1, 6), (20, 40, 0, 1), (20, 40, 1, 6)]
OBSERVED = [3.0, 4.0, 5.0, 6.0, 7.0, 8.0]


def hepdata(
    rows: list[tuple[float, ...]] = ROWS, headers: tuple[str, str] = ("{name: Light, units: PE}", "{name: 'Time [us]'}"), **extra: str
) -> str:
    """Return a table in light and time with a column of events."""
    lines = ["independent_variables:"]
    for k, header in enumerate(headers):
        lines += [f"- header: {header}", "  values:", *(f"  - {{low: {row[2 * k]}, high: {row[2 * k + 1]}}}" for row in rows)]
    lines += ["dependent_variables:", "- header: {name: Events, units: counts}", "  values:"]
    values = dict(zip(ROWS, OBSERVED, strict=True))
    return "\n".join([*lines, *(f"  - {{value: {extra.get('value', values[row])}{extra.get('errors', '')}}}" for row in rows)]) + "\n"


@pytest.fixture
def refused(make_folder: Make) -> Callable[..., str]:
    """Return a function that puts a file in the folder, names it for the observed counts, and gives the problems."""

    def run(reference: str, content: str | dict[str, Any], *changes: tuple[str, str], column: str = "Events") -> str:
        folder = make_folder((CSV[0], f"table: '{reference}', column: '{column}'"), *changes)
        file = folder / reference.partition(":")[0]
        if isinstance(content, str):
            file.write_text(content, encoding="utf-8")
        else:
            written(file, content)
        with pytest.raises(SpecError) as caught:
            load_experiment(folder)
        return str(caught.value)

    return run


def written(file: Path, histograms: dict[str, Any], titles: tuple[str, ...] = ()) -> None:
    """Write histograms (contents, edges, ...) to a ROOT file, with titles of their axes."""
    with uproot.recreate(file) as root:
        for name, (contents, *edges) in histograms.items():
            axes = [
                uproot.writing.identify.to_TAxis(
                    f"axis{k}", titles[k] if titles else "", len(e) - 1, e[0], e[-1], fXbins=np.asarray(e, float)
                )
                for k, e in enumerate(edges)
            ]
            flow = np.pad(np.asarray(contents, float), 1)
            make = uproot.writing.identify.to_TH1x if len(axes) == 1 else uproot.writing.identify.to_TH2x
            common = {"fName": name, "fTitle": "", "data": flow.T.ravel(), "fEntries": 1.0, "fTsumw": flow.sum(), "fTsumw2": flow.sum()}
            moments = dict.fromkeys(("fTsumwx", "fTsumwx2", *(("fTsumwy", "fTsumwy2", "fTsumwxy") if len(axes) == 2 else ())), 0.0)
            named = dict(zip(("fXaxis", "fYaxis"), axes, strict=False))
            root[name] = make(**common, **moments, fSumw2=flow.T.ravel(), **named)


def test_a_table_of_hepdata_is_read_under_the_names_of_the_axes(make_folder: Make) -> None:
    folder = make_folder((CSV[0], "table: release.yaml, column: Events"))
    (folder / "release.yaml").write_text(hepdata(), encoding="utf-8")
    experiment = load_experiment(folder)
    assert experiment.observed == 33
    np.testing.assert_array_equal(experiment.tables["release.yaml"].on(experiment.axes, "Events").ravel(), OBSERVED)
    assert len(experiment.digests["release.yaml"]) == 64


def test_the_order_of_the_rows_and_of_the_axes_does_not_matter(make_folder: Make) -> None:
    folder = make_folder((CSV[0], "table: release.yaml, column: Events"))
    shuffled = [ROWS[k] for k in (4, 1, 0, 5, 3, 2)]
    (folder / "release.yaml").write_text(hepdata(shuffled), encoding="utf-8")
    experiment = load_experiment(folder)
    np.testing.assert_array_equal(experiment.tables["release.yaml"].on(experiment.axes, "Events").ravel(), OBSERVED)


def test_axes_that_say_nothing_are_named_in_the_description(make_folder: Make) -> None:
    text = hepdata(headers=("{name: Energy, units: keV}", "{name: Delay, units: ''}"))
    changes = [(CSV[0], "table: release.yaml, column: Events"), ("axes:\n", "tables: {release.yaml: {axes: {pe: PE, time: us}}}\naxes:\n")]
    folder = make_folder(*changes)
    (folder / "release.yaml").write_text(text, encoding="utf-8")
    assert load_experiment(folder).observed == 33
    folder = make_folder(changes[0])
    (folder / "release.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(
        SpecError,
        match=r"observed: release\.yaml: the table has no axis 'pe' \(it has e_nu, Delay\); name its axes, with their units, in 'tables'",
    ):
        load_experiment(folder)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ("{pe: PE}", "release.yaml: observed.table: the table has 2 axes (Light, Time); name each, with its unit, in 'tables'"),
        ("{pe: PE, time: keVee}", "observed.table: 'keVee' is not a unit of time, which is given in us"),
        ("{pe: PE, time: ns}", "axis time [us]: edges 1, 6 are not edges of the table (which runs from 0 to 0.006)"),
    ],
)
def test_wrong_names_of_axes(refused: Callable[..., str], axes: str, message: str) -> None:
    assert message in refused("release.yaml", hepdata(), ("axes:\n", f"tables: {{release.yaml: {{axes: {axes}}}}}\naxes:\n"))


def test_errors_are_columns(make_folder: Make) -> None:
    errors = ", errors: [{symerror: 3, label: stat}, {asymerror: {minus: -4, plus: '40%'}, label: sys}]"
    folder = make_folder((CSV[0], "table: release.yaml, column: Events"))
    (folder / "release.yaml").write_text(hepdata(errors=errors, value="20"), encoding="utf-8")
    table = load_experiment(folder).tables["release.yaml"]
    names = ("error_down", "error_up", "stat error", "sys error_down", "sys error_up")
    assert [float(table.values(f"Events {name}")[0, 0]) for name in names] == pytest.approx([5.0, np.hypot(3, 8), 3.0, 4.0, 8.0])
    assert "Events error" not in table.columns


def test_events_may_be_a_table_of_hepdata(make_folder: Make) -> None:
    """Observables are independent or dependent variables, each in its own unit."""
    folder = make_folder((f"observed: {{{CSV[0]}}}", "observed: {events: events.yaml}"))
    text = """independent_variables:
- header: {name: pe, units: PE}
  values: [{value: 7}, {value: 12}, {value: 12}, {value: 50}]
dependent_variables:
- header: {name: time, units: ns}
  values: [{value: 500}, {value: 2000}, {value: 3000}, {value: 500}]
"""
    (folder / "events.yaml").write_text(text, encoding="utf-8")
    experiment = load_experiment(folder)
    assert experiment.observation is not None
    assert experiment.observation.values.tolist() == [1, 0, 0, 2, 0, 0]
    assert experiment.outside == 1


def test_a_column_that_is_missing_is_no_question_of_axes(refused: Callable[..., str]) -> None:
    message = refused("release.yaml", hepdata(errors=", errors: [{symerror: 1}]"), column="Events', error: 'Events sys")
    assert "unknown column 'Events sys'; did you mean Events, Events error, Events error_up, Events error_down?" in message
    assert "name its axes" not in message


def test_a_curve_may_be_a_table_of_hepdata(make_folder: Make) -> None:
    """The numbers are quoted, the bins stand for their centres, and the second value has no error."""
    stage = "    kind: logistic-efficiency\n    axis: pe\n    amplitude: 0.7\n    steepness: 0.5 / PE\n    position: 10 PE\n"
    folder = make_folder((stage, "    {kind: table-efficiency, axis: pe, table: efficiency.yml, column: Efficiency}\n"))
    text = """dependent_variables:
- header: {name: Efficiency, units: '%'}
  values: [{value: '25', errors: [{asymerror: {minus: -0.1, plus: 0.2}, label: stat}]}, {value: 1.0E+01}]
independent_variables:
- header: {name: Photoelectrons, units: PE}
  values: [{high: '10', low: 0}, {high: 20, low: 10}]
"""
    (folder / "efficiency.yml").write_text(text, encoding="utf-8")
    experiment = load_experiment(folder)
    table = experiment.tables["efficiency.yml"]
    np.testing.assert_allclose(table.values("pe"), [5.0, 15.0])
    np.testing.assert_allclose(table.values("Efficiency"), [0.25, 0.1])
    assert likelihood_of([experiment], "sm").nominal is not None


TWO = """- header: {name: Events}
  qualifiers: [{name: SAMPLE, value: data}, {name: BEAM, value: on}]
  values: [{value: 1}, {value: 2}, {value: 3}, {value: 4}, {value: 5}, {value: 6}]
"""


def test_qualifiers_tell_columns_of_one_name_apart(refused: Callable[..., str], make_folder: Make) -> None:
    text = hepdata() + TWO
    message = refused("release.yaml", hepdata() + TWO + TWO.replace("value: data", "value: toys"))
    assert "release.yaml: unknown column 'Events'; did you mean Events, " in message
    for column, events in (("Events, no qualifier", 33), ("Events, BEAM = on, SAMPLE = data", 21)):
        folder = make_folder((CSV[0], f'table: release.yaml, column: "{column}"'))
        (folder / "release.yaml").write_text(text, encoding="utf-8")
        assert load_experiment(folder).observed == events
    assert "BEAM = on, SAMPLE = data: no qualifier tells it from another" in refused("release.yaml", hepdata() + TWO + TWO)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("dependent_variables: []\n", "observed.table: is not a HEPData table: expected independent_variables and dependent_variables"),
        ("- 1\n", "the file must be a mapping"),
        ("a: &a 1\nb: *a\n", "is not a HEPData table: expected independent_variables"),
        (
            hepdata().replace("{value: 4.0}", "{value: '-'}"),
            "observed.table dependent_variables.0.values.1.value: is '-'; expected a finite number",
        ),
        (
            hepdata(errors=", errors: [{symerror: big}]"),
            "values.0.errors: expected symerror: SIGMA, or asymerror: {minus: -DOWN, plus: UP}",
        ),
        (
            hepdata(errors=", errors: [{asymerror: {minus: 4, plus: 2}}]"),
            "values.0.errors: expected symerror: SIGMA, or asymerror: {minus: -DOWN, plus: UP}",
        ),
        (hepdata().replace("{value: 4.0}", "{value: null}"), "values.1.value: is missing; expected a finite number"),
        (hepdata().replace("{value: 4.0}", "{value: [4.0]}"), "values.1.value: is not one value; expected a finite number"),
        (
            hepdata().replace("{value: 4.0}", "{value: 4.0, value: 5.0}"),
            "release.yaml:22: observed.table: a key is repeated, merged (<<), or no text",
        ),
        (hepdata().replace("{value: 4.0}", "{value: *x}"), "release.yaml:22: observed.table: the alias *x stands for nothing above it"),
        (
            hepdata().replace("{value: 4.0}", "&x {<<: {value: 4.0}}"),
            "release.yaml:22: observed.table: a key is repeated, merged (<<), or no text",
        ),
        (hepdata().replace("- {value: 4.0}", "- &x [*x]"), "release.yaml:22: observed.table: the alias *x stands for nothing above it"),
        ("a: " + 31 * "[" + 31 * "]", "release.yaml:1: observed.table: nested more than 30 levels deep"),
        (
            "comment: a\n---\nname: t\ndata_file: t1.yaml\n---\ndata_file: t2.yaml\n",
            "lists the tables of a record; name the file of one of them: t1.yaml, t2.yaml",
        ),
        (hepdata() + "---\na: 1\n", "holds 2 documents; expected one table"),
        ("a: 'b\n", "release.yaml:2: observed.table: not valid YAML: found unexpected end of stream"),
        ("", "release.yaml:1: observed.table: the file must be a mapping of fields"),
        (hepdata(ROWS[:-1]), "5 rows, but pe(3) x time(2) need 6"),
        (hepdata([*ROWS, ROWS[2]]), "7 rows, but pe(3) x time(2) need 6; 1 appear twice, the first at pe_low = 10 PE, time_low = 0 us"),
        (hepdata(value="-1"), "column 'Events' has 6 negative entries"),
        (hepdata().replace("Events", "Evnts"), "release.yaml: unknown column 'Events'; did you mean Evnts?"),
    ],
)
def test_tables_of_hepdata_that_are_wrong(refused: Callable[..., str], content: str, message: str) -> None:
    assert message in refused("release.yaml", content)


def test_aliases_of_other_tools_are_read(make_folder: Make) -> None:
    """Some writers of YAML refer to a value that was there before."""
    text = (
        hepdata(errors=", errors: [{symerror: '5%', label: stat}]", value="'2.0e+01'")
        .replace("{symerror: '5%', label: stat}", "*e")
        .replace("*e", "&e {symerror: '5 %', label: stat}", 1)
    )
    assert text.count("*e") == 5
    folder = make_folder((CSV[0], "table: release.yaml, column: Events"), files={"release.yaml": text.encode("utf-8-sig")})
    experiment = load_experiment(folder)
    assert experiment.observed == 120
    np.testing.assert_allclose(experiment.tables["release.yaml"].values("Events stat error"), 1.0)


def test_aliases_of_aliases_are_counted(refused: Callable[..., str]) -> None:
    laughs = "".join(f"b{k}: &a{k + 1} [{', '.join([f'*a{k}'] * 9)}]\n" for k in range(30))
    message = refused("release.yaml", "a: &a0 [x, x, x, x, x, x, x, x, x]\n" + laughs + hepdata())
    assert "release.yaml:7: observed.table: holds more than 5000000 values, with those that aliases repeat" in message


def test_a_table_of_megabytes_is_read(tmp_path: Path) -> None:
    """A covariance matrix of 100 bins as HEPData has it: a row for each pair."""
    n = 100
    rows = "".join(f"  - {{value: {k}.5}}\n" for k in range(n * n))
    axes = "".join(
        f"- header: {{name: bin{a}}}\n  values:\n"
        + "".join(f"  - {{low: {k // n if a else k % n}, high: {(k // n if a else k % n) + 1}}}\n" for k in range(n * n))
        for a in (0, 1)
    )
    (tmp_path / "v.yaml").write_text(
        f"dependent_variables:\n- header: {{name: V, units: ''}}\n  values:\n{rows}{'  # all rows of the matrix' * 30_000}\nindependent_variables:\n{axes}"
    )
    assert (tmp_path / "v.yaml").stat().st_size > 1_000_000
    table = read_any(tmp_path, "v.yaml", {"a": "1", "b": "1"}, {"a": "1", "b": "1"}, empty=False)
    np.testing.assert_array_equal(table.values("V").T, np.arange(n * n).reshape(n, n) + 0.5)


def test_bins_of_recoil_energy_are_no_response_matrix(tmp_path: Path) -> None:
    """The one axis of a counting release is often the recoil energy."""
    text = """schema_version: 1
name: counting
title: counts in recoil energy
source: {name: sns, exposure_pot: 1.0e+23, yield_per_pot: 0.08, distance: 20 m}
target: {compound: Ar, mass: 10 kg}
axes: {t_recoil: {unit: keVnr, edges: [20, 40, 100]}}
observed: {table: release.yaml, column: Events}
backgrounds:
  neutrons: {shape: {kind: joint, table: 'r.root:h', column: content, errors: error}, count: {kind: absolute, sigma: 20 %}}
"""
    table = """independent_variables:
- {header: {name: Recoil energy, units: keVnr}, values: [{low: 20, high: 40}, {low: 40, high: 100}]}
dependent_variables:
- {header: {name: Events}, values: [{value: 7}, {value: 4}]}
"""
    (tmp_path / "experiment.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "release.yaml").write_text(table, encoding="utf-8")
    written(tmp_path / "r.root", {"h": ([1.0, 2.0, 3.0], [20.0, 30.0, 40.0, 100.0])}, ("Recoil energy [keVnr]",))
    experiment = load_experiment(tmp_path)
    np.testing.assert_array_equal(experiment.tables["release.yaml"].on(experiment.axes, "Events"), [7.0, 4.0])
    np.testing.assert_array_equal(experiment.tables["r.root:h"].on(experiment.axes, "content"), [3.0, 3.0])


EDGES = [[5.0, 10.0, 20.0, 40.0], [0.0, 1.0, 6.0]]
CONTENT = np.reshape(OBSERVED, (3, 2))


@pytest.mark.parametrize("titles", [(), ("Light [PE]", "time (us)"), ("", "Time [us]")])
def test_a_histogram_of_a_root_file(make_folder: Make, titles: tuple[str, ...]) -> None:
    named = "tables: {'release.root:run1/h': {axes: {pe: PE, time: us}}}\n" if titles and not titles[0] else ""
    folder = make_folder((CSV[0], "table: 'release.root:run1/h', column: content"), ("axes:\n", f"{named}axes:\n"))
    written(folder / "release.root", {"run1/h": (CONTENT, *EDGES)}, titles)
    experiment = load_experiment(folder)
    table = experiment.tables["release.root:run1/h"]
    np.testing.assert_array_equal(table.on(experiment.axes, "content"), CONTENT)
    np.testing.assert_allclose(table.values("error"), np.sqrt(CONTENT))
    assert {"release.root", "counts.csv"} < set(experiment.digests)


def test_a_covariance_matrix_may_be_a_histogram_of_two_axes(make_folder: Make) -> None:
    root = np.linspace(-0.1, 0.4, 36).reshape(6, 6)
    matrix, numbers = root @ root.T + 0.1 * np.eye(6), np.arange(7.0)
    entry = "  bins: {kind: covariance, table: 'cov.root:V'}\ntables: {'cov.root:V': {axes: {row: '1', bin: '1'}}}\n"
    end = "    down: {quenching.constant: 0.08}\n"
    folder = make_folder((end, end + entry))
    written(folder / "cov.root", {"V": (matrix, numbers, numbers)})
    joint = likelihood_of([load_experiment(folder)], "sm").at({})
    theta = joint.parameters.defaults()
    nominal = expected(joint, theta)["toy"]["cevns"]
    places = [k for k, name in enumerate(joint.parameters.names) if ".bins_" in name]
    modes = np.array([expected(joint, theta + np.eye(len(theta))[k])["toy"]["cevns"] / nominal - 1.0 for k in places])
    np.testing.assert_allclose(modes.T @ modes, matrix, rtol=1e-5, atol=1e-6)
    written(folder / "cov.root", {"V": (matrix[:5], numbers[:6], numbers)})
    with pytest.raises(SpecError, match="a covariance matrix of 6 bins has 6 rows of 6 columns, not a table binned in 5 x 6"):
        load_experiment(folder)


def test_a_histogram_of_two_axes_is_summed_over_one_but_is_no_curve(make_folder: Make) -> None:
    product = "shape: {kind: product, factors: {pe: {kind: table, table: 'r.root:h', column: content}, time: {kind: uniform}}}"
    folder = make_folder(("shape: {kind: joint, table: counts.csv, column: beam}", product))
    written(folder / "r.root", {"h": (CONTENT, *EDGES)}, ("Light [PE]", "time [us]"))
    experiment = load_experiment(folder)
    np.testing.assert_array_equal(experiment.tables["r.root:h"].on(experiment.axes[:1], "content"), CONTENT.sum(axis=1))
    stage = "    kind: logistic-efficiency\n    axis: pe\n    amplitude: 0.7\n    steepness: 0.5 / PE\n    position: 10 PE\n"
    folder = make_folder((stage, "    {kind: table-efficiency, axis: pe, table: 'r.root:h', column: content}\n"))
    with pytest.raises(SpecError, match=r"r\.root:h: a curve or bins of pe are needed, this table has pe x time; name its axes"):
        load_experiment(folder)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("r.root:x", "r.root: observed.table x: does not exist; the file has h, line"),
        ("r.root:line", "axis"),
        ("missing.root:h", "missing.root: observed.table: is missing; expected a ROOT file"),
        (
            "r.root",
            "'r.root' is not a table; write the name of a file of this folder: NAME.csv, NAME.yaml (HEPData) or NAME.root:HISTOGRAM",
        ),
        ("../r.root:h", "'../r.root:h' is not a table"),
        ("data.xlsx", "'data.xlsx' is not a table"),
    ],
)
def test_histograms_that_are_not_there(make_folder: Make, reference: str, message: str) -> None:
    folder = make_folder((CSV[0], f"table: '{reference}', column: content"))
    written(folder / "r.root", {"h": (CONTENT, *EDGES), "line": ([1.0, 2.0], [0.0, 1.0, 2.0])})
    with pytest.raises(SpecError) as caught:
        load_experiment(folder)
    assert message in str(caught.value)


COMPRESSIONS = {"zlib": uproot.ZLIB(9), "lzma": uproot.LZMA(4), "lz4": uproot.LZ4(4), "zstd": uproot.ZSTD(4), "none": None}
FILLED = (np.arange(1000.0), np.linspace(0.0, 40.0, 1001))


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_a_histogram_of_every_compression_and_damaged_ones(tmp_path: Path, name: str) -> None:
    with uproot.recreate(tmp_path / "r.root", compression=COMPRESSIONS[name]) as root:
        root["h"] = FILLED
    np.testing.assert_array_equal(read_histogram(tmp_path / "r.root", "h").values, FILLED[0])
    with uproot.open(tmp_path / "r.root") as root:
        key = root.key("h")
        start, stop = key.fSeekKey + key.fKeylen, key.fSeekKey + key.fNbytes
    content = bytearray((tmp_path / "r.root").read_bytes())
    damaged = [bytes(content[: stop - 40])] + (
        [content[:start] + b"CS" + content[start + 2 :], content[: start + 9] + b"?" * 40 + content[start + 49 :]] if name != "none" else []
    )
    for k, text in enumerate(damaged):
        (tmp_path / f"{k}.root").write_bytes(text)
        with pytest.raises(SpecError, match=r"is damaged, not a ROOT file, or compressed in a way that cannot be read here \("):
            read_histogram(tmp_path / f"{k}.root", "h")


@pytest.mark.parametrize(
    ("name", "pack"), [("zlib", zlib.compress), ("lzma", lzma.compress), ("zstd", lambda data: bytes(cramjam.zstd.compress(data)))]
)
def test_a_block_that_holds_more_than_it_says(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    with uproot.recreate(tmp_path / "r.root", compression=COMPRESSIONS[name]) as root:
        root["h"] = FILLED
    with uproot.open(tmp_path / "r.root") as root:
        start = root.key("h").fSeekKey + root.key("h").fKeylen
    content, bomb = bytearray((tmp_path / "r.root").read_bytes()), pack(bytes(1_000_000))
    content[start + 3 : start + 6] = len(bomb).to_bytes(3, "little")
    content[start + 9 : start + 9 + len(bomb)] = bomb
    (tmp_path / "r.root").write_bytes(content)
    with pytest.raises(SpecError, match=r"holds more than the \d+ that it says|failed to write whole buffer"):
        read_histogram(tmp_path / "r.root", "h")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is damaged, not a ROOT file"),
        (b"root", "is damaged"),
        (b"PK\x03\x04", "is damaged, not a ROOT file"),
        (b"root" + bytes(500), "does not exist; the file has nothing"),
    ],
)
def test_files_that_are_no_root_file(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "r.root").write_bytes(content)
    with pytest.raises(SpecError, match=message):
        read_histogram(tmp_path / "r.root", "h")


def test_objects_that_are_no_histogram(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "r.root") as root:
        root["d/h"] = FILLED
        root["text"] = "a text"
        root.mktree("tree", {"x": "f8"}).extend({"x": np.arange(3.0)})
    for name, kind in (("d", "TDirectory"), ("text", "TObjString"), ("tree", "TTree")):
        with pytest.raises(SpecError, match=rf"r\.root: {name}: is a {kind} of \d+ bytes; expected a histogram"):
            read_histogram(tmp_path / "r.root", name)


def test_a_csv_names_its_axes_itself(make_folder: Make) -> None:
    folder = make_folder(("axes:\n", "tables: {counts.csv: {axes: {pe: PE, time: us}}}\naxes:\n"))
    with pytest.raises(SpecError, match="the header of a CSV file names its axes"):
        load_experiment(folder)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",", ";", "counts.csv:2: observed.table"),
        (",", ";", "its cells are separated by semicolons: use commas, and points in numbers"),
        ("3,1.5", "3,1,5", "counts.csv:3: 7 cells, but the header names 6 columns"),
        ("3,1.5", "\u22123,1.5", "counts.csv: column 'observed' has 1 negative entries"),
        ("3,1.5", "\u20133,1.5", "counts.csv: column 'observed' has 1 negative entries"),
        ("3,1.5", "3;1.5", "counts.csv:3: 5 cells, but the header names 6 columns; its cells are separated by semicolons"),
        ("3,1.5", "3,1,5", "6 columns (commas are neither decimal points nor part thousands)"),
        ("3,1.5", "3 000,1.5", "counts.csv:3: '3 000' is not a finite number"),
        ("3,1.5", "3_000,1.5", "counts.csv:3: '3_000' is not a finite number"),
        ("beam [1]", "beam [10^-3]", "counts.csv:2: '[10^-3]' is a factor and no unit: write the numbers themselves, with [1]"),
        ("beam [1]", "beam [x1000]", "counts.csv:2: '[x1000]' is a factor and no unit"),
        ("beam [1]", "beam (1)", "counts.csv:2: the header must read 'name [unit],name [unit],...'"),
    ],
)
def test_sheets_of_other_countries(make_folder: Make, old: str, new: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_experiment(make_folder(counts=((old, new),)))
    assert message.replace(": observed.table", "") in str(caught.value)


def test_a_sheet_of_excel_is_read(make_folder: Make) -> None:
    plain = load_experiment(folder := make_folder())
    text = (
        (folder / "counts.csv")
        .read_text(encoding="utf-8")
        .replace("5,10,0,1,3,1.5", '"5",10,0,1,"3",1.5')
        .replace("pe_low [PE]", '"pe_low [PE]"')
    )
    text = (
        text.replace("time_low [us]", "time_low [\u03bcs]")
        .replace("time_high [us]", "time_high [\u00b5s]")
        .replace("pe_high [PE]", "pe_high [\u00a0PE]")
    )
    text = '"# a toy, of ours",,,,,\n' + text.partition("\n")[2].replace("20,40", "\uff12\uff10,\u200940") + ",,,,,\n"
    (folder / "counts.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load_experiment(folder).observed == plain.observed
    (folder / "counts.csv").write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(SpecError, match="save the sheet as 'CSV UTF-8'"):
        load_experiment(folder)


def test_the_first_problems_of_a_table_come_at_once(make_folder: Make, problems: Problems) -> None:
    found = problems(make_folder(counts=(("3,1.5", "three,1.5"), ("4,2", "4"), ("6,2.5", "6,nan"))))
    assert found == [
        "counts.csv:3: 'three' is not a finite number",
        "counts.csv:4: 5 cells, but the header names 6 columns",
        "counts.csv:6: 'nan' is not a finite number",
    ]
