"""Channels of a folder: what each changes, what the caller changes, and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cevnsfit.core.errors import SpecError, UnknownNameError
from cevnsfit.spec.load import has_field, load_experiment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Path]
    Find = Callable[..., list[str]]

END = "    down: {quenching.constant: 0.08}\n"
TWO = f"""{END}channels:
  near:
    target.mass: 4 kg
    response.acceptance.position: 12 PE
  far: {{source.distance: 30 m, systematics.flux.sigma: 12 %, axes.pe: {{unit: PE, edges: [10, 20, 40]}}}}
"""


@pytest.fixture
def two(make_folder: Make) -> Path:
    return make_folder((END, TWO))


def test_a_channel_is_the_shared_description_with_its_own_fields(two: Path) -> None:
    experiment = load_experiment(two)
    near, far = experiment.channels.values()
    assert [part.label for part in experiment.parts] == ["toy.near", "toy.far"]
    assert (experiment.label, experiment.name, experiment.channel) == ("toy", "toy", "")
    assert (near.spec.target.mass, far.spec.target.mass) == (4e3, 10e3)
    assert (near.spec.source.distance, far.spec.source.distance) == (2e3, 3e3)
    assert near.spec.response["acceptance"].position == 12.0
    assert far.spec.response["acceptance"].position == 10.0
    assert far.spec.systematics["flux"].sigma == pytest.approx(0.12)
    assert experiment.bins == 6 + 4
    assert experiment.observed == 21 + 14
    assert experiment.target == "CsI, 4 kg; CsI, 10 kg"
    assert experiment.to_dict()["channels"] == ["near", "far"]
    assert set(experiment.digests) == {"experiment.yaml", "counts.csv"}


def test_an_ordinary_folder_has_no_channels(make_folder: Make) -> None:
    experiment = load_experiment(make_folder())
    assert experiment.channels == {}
    assert experiment.parts == (experiment,)
    assert "channels" not in experiment.to_dict()
    assert "channels" not in experiment.spec.model_dump()


def test_a_folder_with_one_channel(make_folder: Make) -> None:
    folder = make_folder((END, f"{END}channels: {{only: {{}}}}\n"))
    (only,) = load_experiment(folder).parts
    assert only.label == "toy.only"
    assert only.spec.target.mass == 10e3


@pytest.mark.parametrize(
    ("changes", "masses", "distances"),
    [
        ({"source.distance": "25 m"}, (4.0, 10.0), (25.0, 30.0)),
        ({"target.mass": 7}, (4.0, 7.0), (20.0, 30.0)),
        ({"channels.near.target.mass": 6}, (6.0, 10.0), (20.0, 30.0)),
        ({"target": {"compound": "CsI", "mass": "1 kg"}}, (4.0, 1.0), (20.0, 30.0)),
        ({"target": "{compound: Ge, mass: 1 kg}", "channels.far.target.mass": "2 kg"}, (4.0, 2.0), (20.0, 30.0)),
    ],
)
def test_a_change_acts_on_what_is_shared_before_the_channels_or_on_one(
    two: Path, changes: dict[str, object], masses: tuple[float, float], distances: tuple[float, float]
) -> None:
    before = {key: dict(value) if isinstance(value, dict) else value for key, value in changes.items()}
    experiment = load_experiment(two, changes)
    specs = [part.spec for part in experiment.parts]
    assert tuple(spec.target.mass / 1e3 for spec in specs) == pytest.approx(masses)
    assert tuple(spec.source.distance / 1e2 for spec in specs) == pytest.approx(distances)
    assert dict(experiment.overrides) == {path: str(value) for path, value in changes.items()}
    assert changes == before


def test_a_change_that_every_channel_has_for_itself_is_refused(make_folder: Make, problems: Find) -> None:
    folder = make_folder((END, f"{END}channels: {{a: {{target.mass: 4 kg}}, b: {{target.mass: 5 kg}}}}\n"))
    assert problems(folder, {"target.mass": "1 kg"}) == [
        "--set target.mass=1 kg: target.mass: every channel has its own: change channels.NAME.PATH"
    ]


def test_a_change_of_an_unknown_channel(two: Path) -> None:
    with pytest.raises(UnknownNameError, match="near"):
        load_experiment(two, {"channels.nera.target.mass": "1 kg"})
    with pytest.raises(SpecError, match=r"channels\.NAME\.PATH"):
        load_experiment(two, {"channels": "{}"})


def test_problems_name_file_line_and_field_of_a_channel(make_folder: Make, problems: Find) -> None:
    wrong = f"""{END}channels:
  near:
    target.mass: 4 m
    response.acceptance: {{kind: logistic-efficiency, axis: pe,
      amplitude: 0.7, steepness: 0.5 / PE, position: 12 keVee}}
  far:
    observed.column: seen
    systematics.gain: {{kind: normalisation, sigma: 3 %, components: [cevnt]}}
"""
    lines = {text: number for number, text in enumerate(make_folder((END, wrong)).joinpath("experiment.yaml").read_text().splitlines(), 1)}
    found = problems(make_folder((END, wrong)))
    wanted = {
        "channels.near.target.mass": "    target.mass: 4 m",
        "channels.near.response.acceptance.position": "      amplitude: 0.7, steepness: 0.5 / PE, position: 12 keVee}",
        "channels.far.observed.column": "    observed.column: seen",
        "channels.far.systematics.gain": "    systematics.gain: {kind: normalisation, sigma: 3 %, components: [cevnt]}",
    }
    for field, line in wanted.items():
        assert any(text.startswith(f"experiment.yaml:{lines[line]}: {field}: ") for text in found), (field, found)
    assert len(found) == len(wanted)


def test_what_is_shared_is_reported_once(make_folder: Make, problems: Find) -> None:
    found = problems(make_folder((END, TWO), ("distance: 20 m", "distance: 20")))
    assert len(found) == 1
    assert found[0].startswith("experiment.yaml:8: source.distance: ")


@pytest.mark.parametrize(
    ("section", "wanted"),
    [
        ("channels: 3", "channels: give each channel by its name"),
        ("channels: {}", "channels: give each channel by its name"),
        ("channels: {A: {}}", "channels.A: 'A' is not a valid name"),
        ("channels: {a: 3}", "channels.a: give the fields"),
        ("channels: {a: {title: other}}", "channels.a.title: belongs to the experiment"),
        ("channels: {a: {3: other}}", "channels.a.3: this is not a dotted path"),
        ("channels: {a: {targt.mass: 3 kg}}", "channels.a.targt.mass: unknown field in 'targt.mass' 'targt'"),
        ("channels: {a: {target.mas: 3 kg}}", "channels.a.target.mas: unknown field 'mas'; did you mean mass"),
    ],
)
def test_what_is_wrong_with_the_section(make_folder: Make, problems: Find, section: str, wanted: str) -> None:
    (found,) = problems(make_folder((END, f"{END}{section}\n")))
    line = (make_folder() / "experiment.yaml").read_text(encoding="utf-8").count("\n") + 1
    assert found.startswith(f"experiment.yaml:{line}: {wanted}"), found


def test_fields_of_channels(two: Path) -> None:
    assert has_field(two, "source.distance", {})
    assert has_field(two, "channels.near.response.acceptance.position", {})
    assert has_field(two, "channels.far.target.radii", {})
    assert not has_field(two, "channels.middle.target.mass", {})
    assert not has_field(two, "source.exposure_gigawatt", {})


def test_a_channel_changes_what_the_facility_gives(make_folder: Make, problems: Find) -> None:
    later = f"{END}channels: {{early: {{}}, late: {{source.arrival.pulses.0.mean: 500 ns}}}}\n"
    early, late = load_experiment(make_folder((END, later))).parts
    assert late.spec.source.arrival.pulses[0].mean == pytest.approx(500e-9)
    assert early.spec.source.arrival.pulses[0].mean != late.spec.source.arrival.pulses[0].mean
    assert early.spec.source.arrival.pulses[1:] == late.spec.source.arrival.pulses[1:]
    line = (make_folder() / "experiment.yaml").read_text(encoding="utf-8").count("\n") + 1
    (wrong,) = problems(make_folder((END, later.replace("500 ns", "500 m"))))
    assert wrong.startswith(f"experiment.yaml:{line}: channels.late.source.arrival.pulses.0.mean: ")
    (unknown,) = problems(make_folder((END, later.replace("arrival", "arival"))))
    assert unknown.startswith(f"experiment.yaml:{line}: channels.late.source.arival.pulses.0.mean: unknown field")


def test_a_channel_that_is_not_enabled_is_left_out(two: Path, make_folder: Make, problems: Find) -> None:
    for disabled in (False, "false"):
        experiment = load_experiment(two, {"channels.near.enabled": disabled, "target.mass": "7 kg"})
        assert [part.label for part in experiment.parts] == ["toy.far"]
        assert (experiment.bins, experiment.parts[0].spec.target.mass) == (4, 7e3)
    assert has_field(two, "channels.near.enabled", {})
    assert not has_field(two, "channels.other.enabled", {})
    assert not has_field(two, "enabled", {})
    with pytest.raises(UnknownNameError, match="other"):
        load_experiment(two, {"channels.other.enabled": "false"})
    assert "channels.near.enabled: is 'no'; expected true or false" in problems(two, {"channels.near.enabled": "no"})[0]
    broken = make_folder((END, TWO.replace("  near:\n", "  near:\n    enabled: 0\n")))
    assert problems(broken)[0].endswith("channels.near.enabled: is 0; expected true or false")
    make_folder((END, TWO))
    assert problems(two, {f"channels.{name}.enabled": "false" for name in ("near", "far")})[0].endswith("none is enabled (near, far)")
    # what only the other channel could take has no effect then
    (idle,) = problems(two, {"channels.near.enabled": "false", "source.distance": "9 m"})
    assert "every channel has its own" in idle
    folder = make_folder((END, TWO.replace("  near:\n", "  near:\n    enabled: false\n")))
    assert list(load_experiment(folder).channels) == ["far"]
    assert list(load_experiment(folder, {"channels.near.enabled": "true"}).channels) == ["near", "far"]
