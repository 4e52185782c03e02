"""What a detector does to arrival times: delays, and efficiencies in time, in energy, and in both."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest
from scipy import stats

from cevnsfit.core.errors import CevnsfitError, SpecError
from cevnsfit.detector import timing
from cevnsfit.model.build import likelihood_of
from cevnsfit.model.times import DELAYS
from cevnsfit.physics import pulses
from cevnsfit.spec.instrument import TimeStage
from cevnsfit.spec.load import load_experiment
from cevnsfit.stats.joint import expected

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

US = 1e-6
EDGES = np.linspace(-4, 12, 9) * US

ARRIVAL = "  arrival: {kind: gaussians, pulses: [{mean: 500 ns, sigma: 150 ns}]}\n"
FOLDER = """
schema_version: 1
name: germanium
title: made up
status: projection
source:
  name: sns
  exposure_pot: 1.0e+24
  yield_per_pot: 0.1
  distance: 20 m
  arrival: {kind: gaussians, pulses: [{mean: 500 ns, sigma: 150 ns}]}
target: {compound: Ge, mass: 10 kg}
axes:
  e_ee: {unit: keVee, edges: [1, 2, 5]}
  time: {unit: us, start: -4, stop: 12, bins: 8}
response: {quenching: {kind: lindhard-quenching, k: 0.157, z: 32}}
systematics: {onset: {kind: arrival-shift, sigma: 100 ns}}
"""


@pytest.fixture
def counts(tmp_path: Path) -> Callable[..., np.ndarray]:
    """Return the counts of the Standard Model in a made-up detector with some fields changed, and the beam some standard deviations late."""

    def found(changes: dict[str, object] | None = None, tables: dict[str, str] | None = None, late: float = 0.0) -> np.ndarray:
        imported = tables is not None and "flux.csv" in tables
        (tmp_path / "experiment.yaml").write_text(FOLDER.replace(ARRIVAL, "") if imported else FOLDER, encoding="utf-8")
        for name, text in ({} if tables is None else tables).items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        joint = likelihood_of([load_experiment(tmp_path, changes)], "sm").at({})
        values = {"germanium.onset": late} if "germanium.onset" in joint.parameters.names else {}
        return np.asarray(expected(joint, joint.parameters.vector(values))["germanium"]["cevns"]).reshape(2, 8)

    return found


def cumulative(distribution: object) -> Callable[[np.ndarray], np.ndarray]:
    return lambda grid: np.append(0.0, np.cumsum(np.diff(distribution.cdf(grid))))  # type: ignore[attr-defined]


def late(distribution: object, *delays: timing.Delay) -> np.ndarray:
    return timing.bin_probabilities(timing.recorded(cumulative(distribution), delays, EDGES), EDGES)


def test_delays_against_closed_forms() -> None:
    pulse, sigma = stats.norm(0.5 * US, 0.15 * US), 0.15
    exponential = stats.exponnorm(0.77 / sigma, loc=1.67 * US, scale=sigma * US)
    assert late(pulse, timing.exponential_delay(1.17 * US, 0.77 * US)) == pytest.approx(np.diff(exponential.cdf(EDGES)), abs=3e-6)
    wider = stats.norm(2.5 * US, 0.85 * US)
    assert late(pulse, timing.gaussian_delay(2 * US, np.sqrt(0.85**2 - sigma**2) * US)) == pytest.approx(
        np.diff(wider.cdf(EDGES)), abs=3e-6
    )
    flat = timing.tabulated_delay(np.array([1.0, 3.0]) * US, np.array([7.0, 7.0]))
    fine = np.linspace(1, 3, 20_001) * US
    mean = np.trapezoid(pulse.cdf(EDGES[:, None] - fine), fine, axis=1) / (2 * US)
    assert late(pulse, flat) == pytest.approx(np.diff(mean), abs=3e-6)
    assert late(pulse, flat).sum() == pytest.approx(1.0, abs=1e-9)


def test_delays_commute_and_a_sharp_one_is_a_shift() -> None:
    pulse, first, second = stats.norm(0.0, 0.3 * US), timing.exponential_delay(0.0, US), timing.gaussian_delay(US, 0.5 * US)
    assert late(pulse, first, second) == pytest.approx(late(pulse, second, first), abs=1e-12)
    assert late(pulse, timing.exponential_delay(2 * US, 1e-12)) == pytest.approx(np.diff(stats.norm(2 * US, 0.3 * US).cdf(EDGES)), abs=3e-6)


def test_every_kind_of_delay_has_a_function() -> None:
    (union, *_) = get_args(TimeStage)
    assert {get_args(kind.model_fields["kind"].annotation)[0] for kind in get_args(union)} == set(DELAYS)


def test_collection_keeps_the_counts_and_moves_with_the_beam(counts: Callable[..., np.ndarray]) -> None:
    """A shift commutes with the delay: a beam that is 300 ns late is a pulse whose mean is 300 ns later."""
    collection = {"time_response": {"collection": {"kind": "exponential", "delay": "1 us", "decay": "0.8 us"}}}
    prompt = counts()
    slow = counts(collection)
    assert slow.sum() == pytest.approx(prompt.sum(), rel=0.02)  # the window ends
    assert slow[:, :3].sum() < 0.5 * prompt[:, :3].sum()
    pulse = {"source.arrival.pulses": [{"mean": "800 ns", "sigma": "150 ns"}]}
    assert counts(collection, late=3.0) == pytest.approx(counts({**collection, **pulse}), rel=2e-5, abs=1e-7)


def test_a_table_of_arrival_times_is_collected_too(counts: Callable[..., np.ndarray]) -> None:
    edges, pulse = np.linspace(-4, 12, 161), pulses.Pulse("gaussian", (1.0,), (0.5 * US,), (0.15 * US,))
    values = [np.diff(cdf(edges * US)) for cdf in (pulse.prompt_cdf, pulse.delayed_cdf)]
    rows = [f"{low:g},{high:g},{a},{b}" for low, high, a, b in zip(edges[:-1], edges[1:], *values, strict=True)]
    table = "\n".join(["time_low [us],time_high [us],prompt [1],delayed [1]", *rows]) + "\n"
    collection = {"time_response": {"collection": {"kind": "exponential", "delay": "1 us", "decay": "0.8 us"}}}
    tabulated = {"source.arrival": {"kind": "table", "table": "arrival.csv", "prompt": "prompt", "delayed": "delayed"}}
    assert counts({**collection, **tabulated}, {"arrival.csv": table}) == pytest.approx(counts(collection), rel=2e-3, abs=1e-4)


BOTH = "e_ee_low [keVee],e_ee_high [keVee],time_low [us],time_high [us],seen [1]\n1,2,-4,0,1\n1,2,0,12,0.25\n2,5,-4,0,1\n2,5,0,12,0.75\n"


@pytest.mark.parametrize("late", [0.0, 2.0])
@pytest.mark.parametrize("collected", [False, True])
def test_an_efficiency_in_energy_and_time_is_a_factor_in_each_bin(counts: Callable[..., np.ndarray], collected: bool, late: float) -> None:
    changes = {"time_response": {"collection": {"kind": "gaussian", "delay": "1 us", "sigma": "0.8 us"}}} if collected else {}
    seen = counts({**changes, "time_efficiency": {"kind": "table", "table": "seen.csv", "column": "seen"}}, {"seen.csv": BOTH}, late)
    factors = np.array([[1.0] * 2 + [0.25] * 6, [1.0] * 2 + [0.75] * 6])
    assert seen == pytest.approx(counts(changes, late=late) * factors, rel=1e-9, abs=1e-12)


FLUX = "e_nu_low [MeV],e_nu_high [MeV],time_low [us],time_high [us],nu_mu [1]\n" + "\n".join(
    f"{low},{low + 10},{t},{t + 1},{n}"
    for low, row in ((20, (0.04, 0.01, 0.0)), (30, (0.02, 0.02, 0.01)))
    for t, n in zip((0, 1, 2), row, strict=True)
)


def test_a_flux_that_does_not_factorise_is_recorded_late_and_seen_in_part(counts: Callable[..., np.ndarray]) -> None:
    tables = {"flux.csv": FLUX + "\n", "seen.csv": BOTH}
    source = {
        "name": "sns",
        "exposure_pot": "1.0e+24",
        "distance": "20 m",
        "flux": {"flavours": {"nu_mu": {"table": "flux.csv", "column": "nu_mu"}}},
    }
    base = {"source": source, "systematics": {}}
    at_once = counts(base, tables)
    later = counts({**base, "time_response": {"cable": {"kind": "gaussian", "delay": "2 us", "sigma": "10 ns"}}}, tables)
    assert later[:, 3:5] == pytest.approx(at_once[:, 2:4], rel=2e-2)  # one bin of 2 us later, but for the edges
    assert later.sum() == pytest.approx(at_once.sum(), rel=1e-4)
    seen = counts({**base, "time_efficiency": {"kind": "table", "table": "seen.csv", "column": "seen"}}, tables)
    assert seen == pytest.approx(at_once * np.array([[1.0] * 2 + [0.25] * 6, [1.0] * 2 + [0.75] * 6]), rel=1e-9, abs=1e-12)
    moved = {"source": {**source, "flux": {**source["flux"], "offset": "200 ns"}}}  # type: ignore[dict-item]
    collection = {"time_response": {"collection": {"kind": "exponential", "delay": "1 us", "decay": "0.8 us"}}}
    onset = {"systematics": {"onset": {"kind": "arrival-shift", "sigma": "100 ns"}}}
    assert counts({**base, **onset, **collection}, tables, late=2.0) == pytest.approx(
        counts({**base, **moved, **collection}, tables), rel=1e-3
    )


def test_an_efficiency_in_time_alone(counts: Callable[..., np.ndarray]) -> None:
    steps = "time_low [us],time_high [us],seen [1]\n-4,3,1\n3,12,0.5\n"
    given = {"time_efficiency": {"kind": "table", "table": "seen.csv", "column": "seen"}}
    halved = counts(given, {"seen.csv": steps})
    fine = counts({"axes.time.bins": 8})
    assert halved[:, 4:] == pytest.approx(0.5 * fine[:, 4:], rel=1e-9, abs=0.0)
    assert np.all((halved[:, 3] > 0.5 * fine[:, 3]) & (halved[:, 3] < fine[:, 3]))  # a step at 3 us, in the middle of the bin
    times = np.linspace(0.5, 12, 400)
    curve = "time [us],seen [1]\n" + "".join(f"{t:.6f},{np.exp(-0.2 * (t - 0.5)):.9f}\n" for t in times)
    exact = counts({"time_efficiency": {"start": "0.5 us", "rate": "0.2 / us"}})
    assert counts(given, {"seen.csv": curve}) == pytest.approx(exact, rel=1e-4, abs=0.0)


def test_an_efficiency_in_energy_with_steps_between_the_bins(counts: Callable[..., np.ndarray]) -> None:
    """What is left out of a wide bin is what bins of its own would hold, behind a resolution or without one."""
    steps = {"seen.csv": "e_ee_low [keVee],e_ee_high [keVee],seen [1]\n1,1.7,1\n1.7,2.9,0\n2.9,5,1\n"}
    quenching = {"kind": "lindhard-quenching", "k": 0.157, "z": 32}
    for resolution in ({}, {"resolution": {"kind": "gaussian-smearing", "noise": "0.05 keVee"}}):
        stages = {"quenching": quenching, **resolution}
        efficiency = {"kind": "table-efficiency", "axis": "e_ee", "table": "seen.csv", "column": "seen"}
        left = counts({"response": {**stages, "selection": efficiency}}, steps)
        pieces = (
            counts({"response": stages, "axes.e_ee.edges": [1, 1.7, 2.9]})[0],
            counts({"response": stages, "axes.e_ee.edges": [1.7, 2.9, 5]})[1],
        )
        assert left[0] == pytest.approx(pieces[0], rel=1e-6, abs=1e-12)
        assert left[1] == pytest.approx(pieces[1], rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(
    ("changes", "table", "wanted"),
    [
        (
            {"axes": {"e_ee": {"unit": "keVee", "edges": [1, 2]}}, "time_response": {"a": {"kind": "exponential", "decay": "1 us"}}},
            "",
            "a delay needs a time axis",
        ),
        ({"time_response": {"a": {"kind": "exponential", "decay": "1 m"}}}, "", "time_response.a"),
        ({"time_response": {"a": {"kind": "slow"}}}, "", "time_response.a"),
        (
            {"time_response": {"a": {"kind": "table", "table": "t.csv", "column": "p"}}},
            "time [us],p [1]\n1,1\n",
            "a density needs two points",
        ),
        (
            {"time_response": {"a": {"kind": "table", "table": "t.csv", "column": "p"}}},
            "time [us],p [1]\n1,0\n2,0\n",
            "zero in the whole window",
        ),
        ({"time_efficiency": {"kind": "table", "table": "t.csv", "column": "p"}}, "time [us],p [1]\n1,1\n2,90\n", "must not exceed 1"),
        (
            {"time_efficiency": {"kind": "table", "table": "t.csv", "column": "p"}},
            "e_ee_low [keVee],e_ee_high [keVee],p [1]\n1,2,1\n",
            "bins of time or e_ee x time",
        ),
        (
            {"time_efficiency": {"kind": "table", "table": "t.csv", "column": "p"}},
            BOTH.replace("1,2,", "1,3,").replace("2,5,", "3,5,").replace("seen", "p"),
            "must be edges of the axis",
        ),
        (
            {
                "source.arrival": {"kind": "table", "table": "t.csv", "prompt": "p", "delayed": "p"},
                "time_efficiency": {"start": "1 us", "rate": "0.1 / us"},
            },
            "time_low [us],time_high [us],p [1]\n" + "".join(f"{t},{t + 2},1\n" for t in range(-4, 12, 2)),
            "leave it out: the table of arrival times has the efficiency in it",
        ),
        (
            {"axes": {"e_ee": {"unit": "keVee", "edges": [1, 2]}}, "time_efficiency": {"start": "1 us", "rate": "0.1 / us"}},
            "",
            "an efficiency in time needs a time axis",
        ),
        ({"time_efficiency": {"start": "1 us"}}, "", "time_efficiency.rate"),
        ({"time_efficiency": {"kind": "linear"}}, "", "time_efficiency"),
    ],
)
def test_what_is_refused(counts: Callable[..., np.ndarray], changes: dict[str, object], table: str, wanted: str) -> None:
    with pytest.raises(SpecError, match=wanted):
        counts({"systematics": {}, **changes}, {"t.csv": table} if table else {})


def test_delayed_times_are_known_beyond_a_short_window() -> None:
    """A shift of 1 us is longer than the window."""
    edges, delays = np.array([0.2, 0.4, 0.7]) * US, [timing.exponential_delay(0.0, 0.1 * US)]
    pulse = pulses.Pulse("gaussian", (1.0,), (0.5 * US,), (0.1 * US,))
    recorded = timing.recorded(pulse.delayed_cdf, delays, edges)
    for shift in (-1.0 * US, -0.3 * US, 0.3 * US):
        later = pulses.Pulse("gaussian", (1.0,), (0.5 * US + shift,), (0.1 * US,))
        direct = timing.bin_probabilities(timing.recorded(later.delayed_cdf, delays, edges), edges)
        np.testing.assert_allclose(timing.bin_probabilities(lambda t, s=shift: recorded(t - s), edges), direct, rtol=1e-4)


SHAPES = {
    "two numbers, which do not multiply": {
        "kind": "polynomial",
        "slope": {"value": -0.3, "low": -0.6, "high": 0.1},
        "curvature": {"value": 0.1, "low": 0, "high": 0.3},
    },
    "a line that leaves the window": {
        "kind": "line",
        "position": {"value": "4.5 keVee", "low": "4.5 keVee", "high": "5.2 keVee"},
        "width": "0.1 keVee",
    },
}
PROFILE = "time_low [us],time_high [us],n [1]\n" + "".join(f"{t},{t + 2},{np.exp(-((t / 4) ** 2))}\n" for t in range(-4, 12, 2))


@pytest.mark.parametrize("name", SHAPES)
def test_a_background_moves_whose_shape_in_energy_floats(tmp_path: Path, name: str) -> None:
    """Differences of its shapes are rounding where two numbers do not multiply, and nowhere positive where a line leaves."""
    (tmp_path / "experiment.yaml").write_text(FOLDER, encoding="utf-8")
    (tmp_path / "t.csv").write_text(PROFILE, encoding="utf-8")
    factors = {"e_ee": SHAPES[name], "time": {"kind": "table", "table": "t.csv", "column": "n"}}
    changes = {
        "backgrounds": {"beam": {"shape": {"kind": "product", "factors": factors}, "count": {"kind": "free", "mean": 100}}},
        "systematics.onset.components": ["cevns", "beam"],
    }
    joint = likelihood_of([load_experiment(tmp_path, changes)], "sm").at({})
    ends = {parameter: joint.parameters[parameter].upper for parameter in joint.parameters.names if parameter.startswith("germanium.beam_")}
    ends["germanium.beam_norm"] = 1.0

    def beam(**values: float) -> np.ndarray:
        return np.asarray(expected(joint, joint.parameters.vector({**ends, **values}))["germanium"]["beam"]).reshape(2, 8)

    moved, still = beam(**{"germanium.onset": 1.5}), beam()
    product = np.outer(moved.sum(axis=1), moved.sum(axis=0)) / moved.sum()
    np.testing.assert_allclose(moved, product, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(moved.sum(axis=1) / moved.sum(), still.sum(axis=1) / still.sum(), rtol=1e-9, atol=1e-12)
    assert moved[1] @ np.arange(8) / moved[1].sum() > still[1] @ np.arange(8) / still[1].sum() + 0.05


def test_a_signal_whose_bins_vary_stands_still_while_a_background_moves(tmp_path: Path) -> None:
    (tmp_path / "experiment.yaml").write_text(FOLDER, encoding="utf-8")
    (tmp_path / "t.csv").write_text(PROFILE, encoding="utf-8")
    rows = [[f"c{k} [1]" for k in range(16)], *((0.01 * np.eye(16)).astype(str).tolist())]
    (tmp_path / "cov.csv").write_text("\n".join(",".join(row) for row in rows) + "\n", encoding="utf-8")
    factors = {"e_ee": {"kind": "uniform"}, "time": {"kind": "table", "table": "t.csv", "column": "n"}}
    changes = {
        "backgrounds": {"beam": {"shape": {"kind": "product", "factors": factors}, "count": {"kind": "free", "mean": 100}}},
        "systematics.onset.components": ["beam"],
        "systematics.bins": {"kind": "covariance", "table": "cov.csv"},
    }
    joint = likelihood_of([load_experiment(tmp_path, changes)], "sm").at({})
    late, nominal = (expected(joint, joint.parameters.vector({"germanium.onset": shift}))["germanium"] for shift in (1.0, 0.0))
    np.testing.assert_array_equal(late["cevns"], nominal["cevns"])
    assert np.abs(late["beam"] - nominal["beam"]).max() > 0.1
    with pytest.raises(
        CevnsfitError, match=r"systematics.onset: a signal with released excursions of its shape, or a covariance of its bins, cannot"
    ):
        likelihood_of([load_experiment(tmp_path, {**changes, "systematics.onset.components": ["cevns"]})], "sm")
