"""Released text files to tables: what is wrong is reported at once, what is right is written as it is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest
import uproot

from cevnsfit.core.errors import AxisError, CevnsfitError, DomainError, SpecError, UnknownNameError
from cevnsfit.io.releases import RELEASES, import_release
from cevnsfit.io.releases.hdf5 import Hdf5Table
from cevnsfit.io.releases.hepdata import HepdataTable
from cevnsfit.io.releases.lar_2020 import f90_given_energy
from cevnsfit.io.releases.reading import PROBLEMS_PER_FILE, Release, ReleasedFile, read_files
from cevnsfit.io.releases.root import RootHistogram
from cevnsfit.io.tables import Table, bin_columns, write_table

if TYPE_CHECKING:
    from collections.abc import Callable

COUNTS = ReleasedFile("counts.txt", ("pe", "time", "counts"), grid=((1.0, 3.0), (0.25, 0.75)), whole=True)
SHAPE = ReleasedFile("shape.txt", ("time", "probability"), grid=((0.25, 0.75),))
EVENTS = ReleasedFile("events.txt", ("pe", "time"))
COEFFICIENTS = ReleasedFile("coefficients.txt", ("a", "b"), rows=2, lowest=-1e6)
LAYOUTS = (COUNTS, SHAPE, EVENTS, COEFFICIENTS)

GOOD = {
    "counts.txt": "PE,time,Counts\n1.0, 0.25, 4\n1.0, 0.75, 0\n3.0, 0.25, 2\n3.0, 0.75, 1\n",
    "shape.txt": "# time, probability\r\n0.25 0.4\r\n0.75 0.6\r\n\r\n",
    "events.txt": "9.5 0.375\n",
    "coefficients.txt": "# nominal\n1 -2\n\n# up\n1 -3\n",
}


def release(folder: Path, **changed: str | None) -> Path:
    """Return a folder with the good files, those named (without ending) replaced or, for None, left out."""
    for name, text in GOOD.items():
        content = changed.get(name.removesuffix(".txt"), text)
        if content is not None:
            (folder / name).write_bytes(content.encode())
    return folder


def problems_of(folder: Path) -> list[str]:
    with pytest.raises(SpecError) as caught:
        read_files(folder, LAYOUTS)
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def test_good_files_are_read_with_titles_comments_commas_and_blank_lines(tmp_path: Path) -> None:
    arrays = read_files(release(tmp_path), LAYOUTS)
    assert arrays["counts.txt"][:, 2].tolist() == [4, 0, 2, 1]
    assert arrays["shape.txt"].tolist() == [[0.25, 0.4], [0.75, 0.6]]
    assert arrays["events.txt"].tolist() == [[9.5, 0.375]]
    assert arrays["coefficients.txt"][:, 1].tolist() == [-2, -3]


def test_all_problems_of_all_files_come_at_once(tmp_path: Path) -> None:
    folder = release(
        tmp_path,
        counts="1.0, 0.25, 4\n1.0, 0.75, -1\n3.0, 0.25, 1.5\n3.0, 0.75, x\n",
        shape="0.25 nan\n0.75\n",
        events=None,
        coefficients="1 inf\n1 1_0\n",
    )
    assert problems_of(folder) == [
        "counts.txt:2: counts: is -1; expected at least 0",
        "counts.txt:3: counts: is 1.5; expected a whole number",
        "counts.txt:4: counts: is not a number",
        "shape.txt:1: probability: is nan; expected a finite number below 1e+09",
        "shape.txt:2: 1 values where 2 were expected (time, probability)",
        "events.txt: is missing; expected the released file with the columns pe, time",
        "coefficients.txt:1: b: is inf; expected a finite number below 1e+09",
        "coefficients.txt:2: b: is not a number",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.25 1\n", "holds 1 rows of numbers; 2 were expected"),
        ("0.25 1\n0.75 0\n0.75 0\n", "holds 3 rows of numbers; 2 were expected"),
        ("", "holds 0 rows of numbers; 2 were expected"),
        ("title time\nother title\n0.25 1\n0.75 0\n", ":2: time: is not a number"),
        ("nan nan\n0.75 0\n", ":1: time: is nan"),
        ("0.75 0\n0.25 1\n", ":1: the grid is incomplete or out of order: 0.75 where time 0.25 was expected"),
        ("0.25 1\n1.25 0\n", ":2: the grid is incomplete or out of order: 1.25 where time 0.75 was expected"),
        ("0.25 1e300\n0.75 0\n", ":1: probability: is 1e+300; expected a finite number"),
        ("0.25 \u0661\n0.75 0\n", ":1: probability: is not a number"),
        pytest.param("#" * 1_000_001, "is larger than 1000000 bytes", id="too large"),
    ],
)
def test_a_bad_file_is_refused_with_the_reason(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in problems_of(release(tmp_path, shape=text))[0]


def test_an_event_list_needs_an_event(tmp_path: Path) -> None:
    assert problems_of(release(tmp_path, events="# nothing\n")) == ["events.txt: holds 0 rows of numbers; at least one was expected"]


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    release(tmp_path)
    (tmp_path / "shape.txt").write_bytes(b"\xff\xfe\x00")
    assert "is not text" in problems_of(tmp_path)[0]


def test_a_hopeless_file_does_not_fill_the_report(tmp_path: Path) -> None:
    assert len(problems_of(release(tmp_path, events="-1 -1\n" * 1000))) == PROBLEMS_PER_FILE


@pytest.mark.parametrize("name", RELEASES)
def test_an_empty_folder_lists_every_missing_file_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    with pytest.raises(SpecError) as caught:
        import_release(name, source, target)
    assert {Path(problem.file).relative_to(source).as_posix() for problem in caught.value.problems} == {
        piece.key.partition(":")[0] for piece in RELEASES[name].files
    }
    assert not target.exists()


def test_a_missing_folder_is_one_problem(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="is not a folder"):
        import_release("coherent-csi-2017", tmp_path / "nowhere", tmp_path)


def test_an_unknown_release_names_the_near_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown release 'coherent-csi-2018'; did you mean .*coherent-csi-2017"):
        import_release("coherent-csi-2018", tmp_path, tmp_path)


def synthetic_csi_2021(folder: Path, events: str) -> Path:
    def lines(first: float, step: float, count: int) -> str:
        return "".join(f"{first + step * k:.3f} 1\n" for k in range(count))

    for name in ("dataBeamOnC.txt", "dataBeamOnAC.txt"):
        (folder / name).write_text(events)
    for name in ("brnPE.txt", "ninPE.txt"):
        (folder / name).write_text(lines(0.5, 1.0, 250))
    for name in ("brnTrec.txt", "ninTrec.txt"):
        (folder / name).write_text(lines(-0.245, 0.01, 650))
    (folder / "effCoefficients.txt").write_text("1 2 3 4\n" * 3)
    (folder / "scintRespCoefficients.txt").write_text("1 2 3 -4\n" * 5)
    return folder


def test_events_on_an_edge_belong_to_the_upper_bin_and_those_outside_are_counted(tmp_path: Path) -> None:
    events = "8 0.375\n7.99999 0.374\n0 0\n249.9 5.999\n250 1\n10 6\n"
    paths = import_release("coherent-csi-2021", synthetic_csi_2021(tmp_path, events), tmp_path / "tables")
    text = next(path for path in paths if path.name == "events.csv").read_text()
    filled = [line for line in text.splitlines()[4:] if line.endswith("1,1")]
    assert filled == ["0,1,0,0.125,1,1", "7,8,0.25,0.375,1,1", "8,9,0.375,0.5,1,1", "249,250,5.875,6,1,1"]
    assert "left out: coincident 2, anticoincident 2" in text


def test_f90_of_thin_energy_bins_is_that_of_the_last_populated_one() -> None:
    template = np.zeros((4, 2, 3))
    template[0, 0], template[0, 1] = 1.0, 3.0
    template[1, 0], template[1, 1] = 2.0, 2.0
    template[2, 0] = 0.01
    assert f90_given_energy(template).tolist() == [[0.25, 0.75], [0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]
    with pytest.raises(DomainError, match="no energy bin holds"):
        f90_given_energy(template[2:])


def test_bin_columns_run_in_c_order() -> None:
    columns = bin_columns({"pe": np.array([0.0, 2.0, 4.0]), "time": np.array([0.0, 0.5, 1.0])})
    assert list(columns) == ["pe_low [PE]", "pe_high [PE]", "time_low [us]", "time_high [us]"]
    assert columns["pe_low [PE]"].tolist() == [0, 0, 2, 2]
    assert columns["time_high [us]"].tolist() == [0.5, 1, 0.5, 1]
    with pytest.raises(UnknownNameError, match="unknown axis 'energy'"):
        bin_columns({"energy": np.array([0.0, 1.0])})


def test_a_table_is_written_in_the_format_of_the_project(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_table(path, ["Title.", "two\nlines"], {"e_ee [keVee]": np.array([0.1 + 0.2, 1e-7]), "efficiency [1]": np.array([-0.0, 1.0])})
    assert path.read_bytes() == b"# Title.\n# two\n# lines\ne_ee [keVee],efficiency [1]\n0.3,0\n1e-07,1\n"


@pytest.mark.parametrize("header", ["counts", "counts[1]", "counts [1],x [1]", "counts [1]\n", "2x [1]", "counts []"])
def test_a_header_without_name_and_unit_is_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(DomainError, match="is not of the form"):
        write_table(tmp_path / "table.csv", [], {header: np.array([1.0])})
    assert not (tmp_path / "table.csv").exists()


def test_columns_that_do_not_match_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AxisError, match="of one length"):
        write_table(tmp_path / "table.csv", [], {"a [1]": np.zeros(2), "b [1]": np.zeros(3)})
    with pytest.raises(AxisError, match="one-dimensional"):
        write_table(tmp_path / "table.csv", [], {"a [1]": np.zeros((2, 2))})
    with pytest.raises(AxisError):
        write_table(tmp_path / "table.csv", [], {})
    with pytest.raises(DomainError, match="not finite"):
        write_table(tmp_path / "table.csv", [], {"a [1]": np.array([np.nan])})


# --- ROOT --------------------------------------------------------------------------------------------------------------------------

ENERGIES = RootHistogram("flux.root", "energies", ("low", "high", "neutrinos"))


@pytest.fixture
def root_file(tmp_path: Path) -> Path:
    path = tmp_path / "flux.root"
    with uproot.recreate(path) as file:
        file["energies"] = np.array([1.0, 3.0, 0.5]), np.array([0.0, 10.0, 20.0, 50.0])
        file["plane/both"] = np.arange(6.0).reshape(2, 3), np.array([0.0, 1.0, 2.0]), np.array([0.0, 10.0, 20.0, 50.0])
        file["negative"] = np.array([1.0, -3.0]), np.array([0.0, 10.0, 50.0])
        file["broken"] = np.array([1.0, np.nan]), np.array([0.0, 10.0, 50.0])
        file["points"] = {"x": np.zeros(3)}
    return path


def test_histograms_are_rows_of_edges_and_contents(root_file: Path) -> None:
    plane = RootHistogram("flux.root", "plane/both", ("t_low", "t_high", "e_low", "e_high", "neutrinos"))
    arrays = read_files(root_file.parent, (ENERGIES, plane))
    assert arrays["flux.root:energies"].tolist() == [[0, 10, 1], [10, 20, 3], [20, 50, 0.5]]
    assert arrays["flux.root:plane/both"][[0, 1, 5]].tolist() == [[0, 1, 0, 10, 0], [0, 1, 10, 20, 1], [1, 2, 20, 50, 5]]


@pytest.mark.parametrize(
    ("histogram", "wanted"),
    [
        ("energy", "energy: does not exist; the file has energies"),
        ("plane/both", "plane/both: has 2 axes; expected the columns low, high, neutrinos"),
        ("negative", "negative: has contents that are not finite numbers from 0"),
        ("broken", "broken: has contents that are not finite"),
        ("points", r"points: is a .* expected a histogram"),
    ],
)
def test_a_histogram_that_is_not_as_declared_is_refused(root_file: Path, histogram: str, wanted: str) -> None:
    with pytest.raises(SpecError, match=wanted):
        RootHistogram("flux.root", histogram, ("low", "high", "neutrinos")).read(root_file.parent)


def refused_of_damaged(file: Path, table: RootHistogram | Hdf5Table) -> int:
    """Return how many of 52 damaged copies of a file are refused, each with an error that names the file."""
    content = file.read_bytes()
    rng = np.random.default_rng(4)
    damaged = [content[: len(content) * k // 12] for k in range(12)]
    for _ in range(40):
        changed = bytearray(content)
        for place in rng.integers(0, len(content), 60):
            changed[place] = int(rng.integers(0, 256))
        damaged.append(bytes(changed))
    refused = 0
    for data in damaged:
        file.write_bytes(data)
        try:
            table.read(file.parent)
        except SpecError as error:
            assert str(file) in str(error)  # noqa: PT017 (what is not refused may be read)
            refused += 1
    return refused


def test_damaged_root_files_are_one_problem_each(root_file: Path) -> None:
    assert refused_of_damaged(root_file, ENERGIES) >= 12


def test_a_histogram_with_too_many_bytes_is_not_unpacked(root_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cevnsfit.spec.root.LARGEST_HISTOGRAM", 100)
    with pytest.raises(SpecError, match=r"is a TH1D of \d+ bytes"):
        ENERGIES.read(root_file.parent)


# --- HEPData -----------------------------------------------------------------------------------------------------------------------

# --- HDF5 --------------------------------------------------------------------------------------------------------------------------

RATES = Hdf5Table("rates.h5", "group/rates", ("x", "y"))


@pytest.fixture
def hdf5_file(tmp_path: Path) -> Path:
    path = tmp_path / "rates.h5"
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["rates"] = np.ones((2, 3))
    with h5py.File(path, "w") as file:
        file["group/rates"] = np.arange(6.0).reshape(2, 3)
        file["x"], file["y"], file["back"] = [0, 1, 4], [0.0, 0.5, 1.0, 2.0], [0, 4, 1]
        file["negative"], file["broken"] = -np.ones((2, 3)), np.full((2, 3), np.nan)
        file["words"] = np.array([[b"a"] * 3] * 2)
        file["group/outside"] = h5py.ExternalLink("other.h5", "rates")
        file["inside"] = h5py.SoftLink("/group/rates")
    return path


def test_arrays_are_rows_of_edges_and_contents(hdf5_file: Path) -> None:
    rows = read_files(hdf5_file.parent, (RATES,))["rates.h5:group/rates"]
    assert rows[[0, 2, 5]].tolist() == [[0, 1, 0, 0.5, 0], [0, 1, 1, 2, 2], [1, 4, 1, 2, 5]]


@pytest.mark.parametrize(
    ("array", "edges", "wanted"),
    [
        ("rate", ("x", "y"), "has no array 'rate'"),
        ("group", ("x", "y"), "has no array of numbers 'group'"),
        ("group/rates/deep", ("x", "y"), "has no array 'group/rates/deep'"),
        ("words", ("x", "y"), "has no array of numbers 'words'"),
        ("group/rates", ("x", "z"), "has no array 'z'"),
        ("group/rates", ("y", "x"), r"has the shape \(2, 3\), but its edges need \(3, 2\)"),
        ("group/rates", ("x",), r"has the shape \(2, 3\), but its edges need \(2,\)"),
        ("group/rates", ("back", "y"), "has edges that do not increase"),
        ("negative", ("x", "y"), "has contents that are not finite numbers from 0"),
        ("broken", ("x", "y"), "has contents that are not finite"),
        ("group/outside", ("x", "y"), "has a link in the place of 'group/outside'"),
        ("inside", ("x", "y"), "has a link in the place of 'inside'"),
    ],
)
def test_an_array_that_is_not_as_declared_is_refused(hdf5_file: Path, array: str, edges: tuple[str, ...], wanted: str) -> None:
    with pytest.raises(SpecError, match=wanted):
        Hdf5Table("rates.h5", array, edges).read(hdf5_file.parent)


def test_damaged_hdf5_files_are_one_problem_each(hdf5_file: Path) -> None:
    assert refused_of_damaged(hdf5_file, RATES) >= 12


def test_a_large_array_is_not_read_and_a_missing_package_is_named(hdf5_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cevnsfit.io.releases.hdf5.LARGEST_ARRAY", 40)
    with pytest.raises(SpecError, match="has 48 bytes in 'group/rates'; at most 40 are read"):
        RATES.read(hdf5_file.parent)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(CevnsfitError, match=r"h5py is missing: pip install 'cevnsfit\[releases\]'"):
        RATES.read(hdf5_file.parent)


TABLE = HepdataTable("table.yaml", independent=("E",), dependent=("Efficiency",))
YAML = """\
independent_variables:
- header: {name: E, units: MeV}
  values:
  - {low: 0, high: 10}
  - {value: 20.5}
dependent_variables:
- header: {name: Other}
  values: [{value: 7}, {value: 8}]
- header: {name: Efficiency}
  values:
  - {value: 0.5, errors: [{symerror: 0.1}]}
  - {value: 0.75}
"""


def test_a_table_of_hepdata_is_rows_of_ends_and_values(tmp_path: Path) -> None:
    (tmp_path / "table.yaml").write_text(YAML)
    assert TABLE.read(tmp_path).tolist() == [[0, 10, 0.5], [20.5, 20.5, 0.75]]


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("name: Efficiency", "name: Eff", r"dependent_variables: has no variable 'Efficiency' \(it has: Other, Eff\)"),
        ("value: 0.75", "value: '-'", r"table.yaml:12: dependent_variables.1.values.1.value: is '-'; expected a finite number"),
        ("value: 0.75", "value: -0.75", "is '-0.75'; expected a finite number of at least 0"),
        ("value: 0.75", "value: .nan", "is '.nan'; expected a finite number"),
        ("  - {value: 0.75}\n", "", "the variables have 1, 2 values"),
        ("{value: 0.75}", "&a {value: 0.75}\n  - *a", "the variables have 2, 3 values"),
        ("independent_variables:\n- header", "independent_variables: 3\nx:\n- header", "independent_variables: has no variable 'E'"),
        (YAML, "[1, 2", "not valid YAML"),
        (YAML, "a: " + "[" * 100, "levels deep"),
    ],
)
def test_a_table_of_hepdata_that_is_not_as_declared_is_refused(tmp_path: Path, old: str, new: str, wanted: str) -> None:
    assert old in YAML
    (tmp_path / "table.yaml").write_text(YAML.replace(old, new))
    with pytest.raises(SpecError, match=wanted):
        TABLE.read(tmp_path)


# --- plug-ins ----------------------------------------------------------------------------------------------------------------------


class Point:
    """An entry point that gives an object."""

    value, dist = "somewhere:RELEASE", None

    def __init__(self, name: str, given: object) -> None:
        self.name, self.given = name, given

    def load(self) -> object:
        return self.given


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    def install(given: object) -> None:
        monkeypatch.setattr(
            "cevnsfit.core.entries.entry_points", lambda group: [Point("mine", given)] if group == "cevnsfit.releases" else []
        )

    return install


def test_an_importer_of_another_package_is_used(tmp_path: Path, plug_in: Callable[[object], None]) -> None:
    plug_in(Release((EVENTS,), lambda files: {"events.csv": Table((), {"pe [PE]": files["events.txt"][:, 0]})}))
    (path,) = import_release("mine", release(tmp_path), tmp_path / "tables")
    assert path.read_text() == "pe [PE]\n9.5\n"
    with pytest.raises(UnknownNameError, match="did you mean mine"):
        import_release("mime", tmp_path, tmp_path)


def test_an_importer_that_is_none_is_refused(tmp_path: Path, plug_in: Callable[[object], None]) -> None:
    plug_in("release")
    with pytest.raises(CevnsfitError, match=r"somewhere:RELEASE, .* should give a Release, it gives 'release'"):
        import_release("mine", tmp_path, tmp_path)


TWO = """
independent_variables: [{header: {name: PE, units: PE}, values: [{low: '0', high: 10}, {low: 10, high: 20}]}]
dependent_variables:
- header: {name: Counts}
  qualifiers: [{name: SAMPLE, value: background}]
  values: [{value: '10.0'}, {value: 2E1}]
- header: {name: Counts}
  qualifiers: [{name: SAMPLE, value: data}]
  values: [{value: 11}, {value: 25}]
"""


def test_qualifiers_choose_among_variables_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(TWO, encoding="utf-8")
    with pytest.raises(SpecError, match=r"has 2 variables 'Counts'.*SAMPLE = background; SAMPLE = data"):
        HepdataTable("two.yaml", ("PE",), ("Counts",)).read(tmp_path)
    with pytest.raises(SpecError, match="exactly one"):
        HepdataTable("two.yaml", ("PE",), ("Counts",), qualifiers=(("SAMPLE", "signal"),)).read(tmp_path)
    read = {
        value: HepdataTable("two.yaml", ("PE",), ("Counts",), qualifiers=(("SAMPLE", value),)).read(tmp_path)
        for value in ("background", "data")
    }
    assert read["data"].tolist() == [[0, 10, 11], [10, 20, 25]]
    assert read["background"].tolist() == [[0, 10, 10], [10, 20, 20]]


LABELLED = ReleasedFile("backgrounds.csv", ("bin 0", "bin 1"), labels=("signal", "neutrons"))


def test_rows_may_begin_with_words(tmp_path: Path) -> None:
    (tmp_path / "backgrounds.csv").write_text("background,bin_0,bin_1\nsignal,1,2\nneutrons,3,4\n", encoding="utf-8")
    assert read_files(tmp_path, [LABELLED])["backgrounds.csv"].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("background,bin_0,bin_1\nneutrons,3,4\nsignal,1,2\n", "backgrounds.csv:2: begins with neutrons where signal was expected"),
        ("signal,1,2\n", "backgrounds.csv: holds 1 rows of numbers; 2 were expected"),
        ("signal,1,2\nneutrons,3,4\nmuons,5,6\n", "backgrounds.csv:3: 3 values where 2 were expected (bin 0, bin 1)"),
        ("signal,1,many\nneutrons,3,4\n", "backgrounds.csv:1: bin 1: is not a number"),
    ],
)
def test_what_is_wrong_with_rows_that_begin_with_words(tmp_path: Path, text: str, wanted: str) -> None:
    (tmp_path / "backgrounds.csv").write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        read_files(tmp_path, [LABELLED])
    assert str(caught.value.problems[0]).removeprefix(f"{tmp_path}/") == wanted
