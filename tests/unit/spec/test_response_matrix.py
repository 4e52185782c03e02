"""A response matrix from recoil energy to several axes: what is read, what it predicts, and what is wrong with it."""

from __future__ import annotations

from itertools import pairwise, product
from typing import TYPE_CHECKING

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.spec.load import load_experiment
from cevnsfit.stats.joint import expected

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Path]
    Find = Callable[..., list[str]]

SCORE, SIZE = (0.0, 0.4, 1.0), (2.0, 5.0, 9.0, 20.0)
ENERGIES = (5.0, 8.0, 20.0, 40.0)
RESPONSE = """\
  quenching: {kind: linear-quenching, constant: 0.09, slope: 1e-5 keVee/keVnr**2}
  light_yield: {kind: light-yield, value: 13 PE/keVee}
  smearing: {kind: poisson-smearing}
  acceptance:
    kind: logistic-efficiency
    axis: pe
    amplitude: 0.7
    steepness: 0.5 / PE
    position: 10 PE
"""
QUENCHING = "  quenching:\n    kind: response\n    up: {quenching.constant: 0.1}\n    down: {quenching.constant: 0.08}\n"
BEAM = "    shape: {kind: joint, table: counts.csv, column: beam}\n"
FACTORS = "    shape: {kind: product, factors: {size: {kind: uniform}, score: {kind: uniform}, time: {kind: uniform}}}\n"
MATRIX = "  matrix: {kind: response-matrix, table: long.csv, column: nominal}\n"
VARIED = "  gain: {kind: response, up: {matrix.column: up}, down: {matrix.column: down}}\n"
SPLIT = """\
  matrix: {kind: response-matrix, table: wide.csv, columns: [n0, n1, n2]}
auxiliary: {score: {given: size, table: score.csv, column: p}}
"""
AXES = (
    (
        "  pe: {unit: PE, edges: [5, 10, 20, 40]}\n",
        f'  size: {{unit: "1", edges: {list(SIZE)}}}\n  score: {{unit: "1", edges: {list(SCORE)}}}\n',
    ),
    ("observed: {table: counts.csv, column: observed}\n", ""),
    (BEAM, FACTORS),
)

RNG = np.random.default_rng(3)
PROBABILITIES = RNG.uniform(0.01, 0.3, (3, len(ENERGIES), 3))
"""Of sizes, at the nominal gain and one standard error off."""

SCORES = RNG.uniform(0.1, 0.5, (3, 2))


def long_table(scores: np.ndarray = SCORES) -> list[str]:
    rows = ["t_recoil [keVnr],size_low [1],size_high [1],score_low [1],score_high [1],nominal [1],up [1],down [%]"]
    for k, energy in enumerate(ENERGIES):
        for (i, size), (j, score) in product(enumerate(pairwise(SIZE)), enumerate(pairwise(SCORE))):
            nominal, up, down = PROBABILITIES[:, k, i] * scores[i, j]
            cells = (energy, *size, *score, nominal, up, 100 * down)
            rows.append(",".join(repr(float(cell)) for cell in cells))
    return rows


def files(rows: list[str]) -> dict[str, bytes]:
    names = [f"{name}{k}" for name in "nud" for k in range(3)]
    wide = [",".join(["t_recoil [keVnr]", *(f"{name} [1]" for name in names)])]
    for k, energy in enumerate(ENERGIES):
        wide.append(",".join(repr(float(cell)) for cell in (energy, *PROBABILITIES[:, k].ravel())))
    score = ["size_low [1],size_high [1],score_low [1],score_high [1],p [1]"]
    for (i, size), (j, ends) in product(enumerate(pairwise(SIZE)), enumerate(pairwise(SCORE))):
        score.append(",".join(repr(float(cell)) for cell in (*size, *ends, SCORES[i, j])))
    return {name: "\n".join(lines).encode() for name, lines in (("long.csv", rows), ("wide.csv", wide), ("score.csv", score))}


def changes(response: str = MATRIX, systematic: str = VARIED) -> tuple[tuple[str, str], ...]:
    return (*AXES, (RESPONSE, response), (QUENCHING, systematic))


def test_several_axes_give_what_one_axis_and_a_conditional_one_give(make_folder: Make) -> None:
    folder = make_folder(*changes(), files=files(long_table()))
    both = load_experiment(folder)
    assert [axis.name for axis in both.reached] == ["size", "score"]
    found = cf.build_likelihood(both, model="sm")
    columns = VARIED.replace("column: up", "columns: [u0, u1, u2]").replace("column: down", "columns: [d0, d1, d2]")
    split = load_experiment(make_folder(*changes(SPLIT, columns), files=files(long_table())))
    assert [axis.name for axis in split.reached] == ["size"]
    wanted = cf.build_likelihood(split, model="sm")
    for gain in (0.0, 1.0, -1.0, 0.4):
        joints = [one.at({}) for one in (found, wanted)]
        counts, others = (expected(joint, joint.parameters.vector({"toy.gain": gain}))["toy"]["cevns"] for joint in joints)
        assert counts.shape == (3 * 2 * 2,)
        assert counts == pytest.approx(others, rel=1e-12)
        assert counts.sum() > 0.1


def test_one_bin_and_one_number_of_electrons(make_folder: Make) -> None:
    factors = FACTORS.replace("size", "electrons").replace(" score: {kind: uniform},", "")
    axes = ((AXES[0][0], '  electrons: {unit: "1", edges: [0, 1000]}\n'), AXES[1], (BEAM, factors))
    table = b"t_recoil [keVnr],seen [%]\n5,10\n1000,10\n"
    matrix = "  matrix: {kind: response-matrix, table: seen.csv, columns: [seen]}\n"
    folder = make_folder(*axes, (RESPONSE, matrix), (QUENCHING, ""), files={"seen.csv": table})
    flat = cf.rates(cf.build_likelihood(load_experiment(folder), model="sm"))["toy"].signal
    (folder / "seen.csv").write_bytes(table.replace(b"10\n", b"20\n"))
    assert flat.shape == (1, 2)
    assert cf.rates(cf.build_likelihood(load_experiment(folder), model="sm"))["toy"].signal == pytest.approx(2 * flat, rel=1e-12)


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        (
            lambda rows: rows[:9] + rows[10:],
            "23 rows, but t_recoil(4) x size(3) x score(2) need 24; 1 missing, the first at t_recoil = 8 keVnr, size_low = 5 1, score_low = 0 1",
        ),
        (lambda rows: [*rows, rows[-1]], "25 rows, but t_recoil(4) x size(3) x score(2) need 24"),
        (lambda rows: [rows[0], *rows[:0:-1]], "rows must run through the bins with the last axis fastest (t_recoil, size, score)"),
        (lambda rows: rows[:1], "the table has a header but no rows"),
        (lambda rows: [rows[0].replace("keVnr", "keVee"), *rows[1:]], "t_recoil"),
    ],
)
def test_a_table_that_is_incomplete_says_what_is_missing(
    make_folder: Make, problems: Find, rows: Callable[[list[str]], list[str]], wanted: str
) -> None:
    found = problems(make_folder(*changes(), files=files(rows(long_table()))))
    assert any(problem.startswith("long.csv") and wanted in problem for problem in found), found


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("edges: [0.0, 0.4, 1.0]", "edges: [0, 0.5, 1]", "response.matrix: long.csv: the bins size(3) x score(2) of the table must be those of the axes size(3) x score(2), with the same edges"),
        ("column: nominal", "columns: [nominal]", "response.matrix: long.csv: the table has a row for each recoil energy and bin: give its column"),
        ("column: nominal", "column: nominl", "response.matrix: long.csv: unknown column 'nominl'; did you mean nominal"),
        ("column: nominal", "column: nominal, columns: [up]", "response.matrix: give either columns (one for each bin), or column"),
        ("table: long.csv, column: nominal", "table: wide.csv, column: n0", "response.matrix: wide.csv: a row for each recoil energy and bin is needed: t_recoil, and NAME_low"),
        ("table: long.csv, column: nominal", "table: wide.csv, columns: [n0, n1]", "response.matrix: wide.csv: 2 columns for 6 bins of the axes size(3) x score(2)"),
        ("score: {kind: uniform}, ", "score: {kind: table, table: score.csv, column: p, efficiency: true}, ", "backgrounds.beam.shape.factors.score.efficiency: the response matrix holds the efficiency"),
        (FACTORS, BEAM.replace("counts.csv, column: beam", "long.csv, column: up"), "the table has a row for each recoil energy and bin, so that it is a response matrix"),
        ("edges: [2.0, 5.0, 9.0, 20.0]", "start: 2, stop: 20, bins: 501", "axes.size: 1002 bins; at most 1000 are possible"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_matrix_is_a_problem(make_folder: Make, problems: Find, old: str, new: str, wanted: str) -> None:
    edited = [(a, b.replace(old, new)) for a, b in changes()]
    assert edited != list(changes())
    found = problems(make_folder(*edited, files=files(long_table())))
    assert any(wanted in problem for problem in found), found


def test_another_unit_is_another_axis(make_folder: Make, problems: Find) -> None:
    header, *rows = long_table()
    found = problems(make_folder(*changes(), files=files([header.replace("size_low [1]", "size_low [PE]"), *rows])))
    assert any("of the table must be those of the axes size(3) x score(2), with the same edges and units" in problem for problem in found)


def test_probabilities_that_cannot_be(make_folder: Make, problems: Find) -> None:
    found = problems(make_folder(*changes(), files=files(long_table(20 * SCORES))))
    assert any("response.matrix: long.csv: the probabilities sum to" in problem and "which is more than 1" in problem for problem in found)
    found = problems(make_folder(*changes(), files=files(long_table(SCORES * [[-1, 1]] * 3))))
    assert any("response.matrix: long.csv: column 'nominal' has 12 negative entries" in problem for problem in found)
    one = [row for row in long_table() if row.startswith(("t_recoil", "8.0"))]
    found = problems(make_folder(*changes(), files=files(one)))
    assert any("column 't_recoil' must hold two recoil energies or more" in problem for problem in found)


def test_auxiliary_axes_do_not_go_with_several_of_a_matrix(make_folder: Make, problems: Find) -> None:
    auxiliary = f"{MATRIX}auxiliary: {{score: {{given: size, table: score.csv, column: p}}}}\n"
    third = (AXES[0][0], f'{AXES[0][1]}  third: {{unit: "1", edges: [0, 1]}}\n')
    found = problems(make_folder(third, *changes(auxiliary)[1:], files=files(long_table())))
    assert any("the axes of a response matrix come first; one for several axes holds all of them but time" in problem for problem in found)


def test_electrons_and_an_empty_window_are_refused_in_words(make_folder: Make) -> None:
    experiment = load_experiment(make_folder(*changes(), files=files(long_table())))
    with pytest.raises(CevnsfitError, match="electron recoils cannot be added to a response without quenching"):
        cf.build_likelihood(experiment, model="sm", electrons=True)
    empty = load_experiment(make_folder(*changes(), files=files(long_table(0 * SCORES))))
    with pytest.raises(CevnsfitError, match=r"axes.size, score: nothing is expected between 2 and 20 1, 0 and 1 1"):
        cf.build_likelihood(empty, model="sm")


def test_an_efficiency_stands_before_a_matrix_of_several_axes(make_folder: Make) -> None:
    half = "  part: {kind: constant-efficiency, axis: t_recoil, value: 0.5}\n"
    whole = cf.rates(cf.build_likelihood(load_experiment(make_folder(*changes(), files=files(long_table()))), model="sm"))["toy"].signal
    folder = make_folder(*changes(half + MATRIX), files=files(long_table()))
    assert cf.rates(cf.build_likelihood(load_experiment(folder), model="sm"))["toy"].signal == pytest.approx(whole / 2, rel=1e-12)
    after = load_experiment(make_folder(*changes(MATRIX + half.replace("t_recoil", "pe")), files=files(long_table())))
    with pytest.raises(CevnsfitError, match="a weight acts on the axis 'pe', but the response is on 'size x score' there"):
        cf.build_likelihood(after, model="sm")
