from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest
from matplotlib.image import imread

import cevnsfit as cf
from cevnsfit.studies import fitting

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

CSI = "coherent-csi-2021"


@pytest.fixture(scope="module")
def summary() -> fitting.Fit:
    return cf.fit(cf.build_likelihood(CSI, model="signal-strength"))


def test_json(command: Callable[..., Result]) -> None:
    result = command("fit", CSI, "-m", "signal-strength", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert found["valid"] is True
    strength = found["parameters"]["signal_strength"]
    assert strength["lower"] < strength["value"] < strength["upper"]
    assert found["expected"][CSI]["cevns"] == pytest.approx(307.9, abs=1.0)
    assert found["observed"] == {CSI: 1567}
    assert found["significance"] == pytest.approx(11.21, abs=0.05)
    assert found["signal_significance"] == found["significance"]
    assert found["held"]["sns_flux"] == 0.0


def test_profiling_the_signal_widens_the_error(command: Callable[..., Result], summary: fitting.Fit) -> None:
    found = json.loads(command("fit", CSI, "-m", "signal-strength", "--profile-signal", "--json").stdout)
    assert found["parameters"]["signal_strength"]["error"] > 1.1 * summary.errors["signal_strength"]
    assert "sns_flux" in found["held"]


def test_the_tables_say_what_was_found(summary: fitting.Fit) -> None:
    text = str(cf.table(summary))
    assert all(part in text for part in ("signal_strength", "cevns", "observed", "1567", "-2 ln lambda / ndof = 90.", "11.", "sigma"))


def test_the_prefix_of_a_single_experiment_is_in_the_title(command: Callable[..., Result], folder: Path) -> None:
    text = command("fit", folder, "-m", "sm").stdout
    assert f"Parameters, {CSI}\n" in "".join(f"{line.rstrip()}\n" for line in text.splitlines())
    assert "  steady_state_norm " in text
    assert f"{CSI}.steady_state_norm" not in text
    assert f"{CSI}.steady_state_norm" in command("fit", CSI, "ccm-200", "-m", "sm", "--asimov").stdout
    assert f"Impact on g, {CSI}" in command("impacts", CSI, "-m", "lmu-ltau", "--at", "mass=100").stdout


def test_the_table_of_a_fit_names_the_values_that_it_holds(command: Callable[..., Result]) -> None:
    text = command("fit", CSI, "-m", "lmu-ltau", "--at", "mass=300").stdout
    assert "held by default: loop_sign = 1, slepton_log = 0" in text
    assert "held: mass = 300 MeV" in text
    assert "the Standard Model: +0." in text
    assert "Standard Model" not in command("fit", CSI, "-m", "sm").stdout


def test_an_invalid_fit_is_printed_and_ends_with_3(
    command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, summary: fitting.Fit
) -> None:
    bad = dataclasses.replace(summary, valid=False, reason="it wanders")
    monkeypatch.setattr(fitting, "fit", lambda likelihood, at, minos, blind, progress: bad)  # noqa: ARG005
    result = command("fit", CSI, "-m", "signal-strength", "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["valid"] is False
    assert "it wanders" in result.stderr


def test_a_held_strength_stays(command: Callable[..., Result]) -> None:
    found = json.loads(command("fit", CSI, "-m", "signal-strength", "--at", "signal_strength=1", "--json").stdout)
    assert found["held"]["signal_strength"] == 1.0
    assert "signal_strength" not in found["parameters"]


@pytest.mark.parametrize(
    ("experiments", "mass", "g"),
    [((CSI,), 300.0, 0.003), pytest.param((CSI, "coherent-lar-2020"), 30.0, 0.0012, marks=pytest.mark.slow)],
)
def test_asimov_data_return_the_truth(command: Callable[..., Result], experiments: tuple[str, ...], mass: float, g: float) -> None:
    options = ("--at", f"mass={mass}", "--asimov", "--true", f"g={g}")  # the mass is true as it is held
    found = json.loads(command("fit", *experiments, "-m", "lmu-ltau", *options, "--json").stdout)
    assert found["valid"] is True
    assert found["data"] == f"Asimov data at mass = {mass:g}, g = {g:g}"
    assert found["nll2"] == pytest.approx(0.0, abs=1e-6)
    assert found["parameters"]["g"]["value"] ** 2 == pytest.approx(g**2, rel=1e-4)
    assert found["parameters"]["sns_flux"]["value"] == pytest.approx(0.0, abs=1e-3)


def test_the_truth_has_units(command: Callable[..., Result]) -> None:
    options = ("fit", "ccm-200", "-m", "lmu-ltau", "--at", "mass=30", "--asimov", "--json")
    found = json.loads(command(*options, "--true", "mass=3e4 keV", "--true", "g=0.002").stdout)
    assert found["data"] == "Asimov data at mass = 30, g = 0.002"


def test_a_projection_can_be_fitted_to_a_toy(command: Callable[..., Result]) -> None:
    options = ("ccm-200", "-m", "signal-strength", "--true", "signal_strength=2", "--json")
    one, same, other = (json.loads(command("fit", *options, "--toy", seed).stdout) for seed in (4, 4, 5))
    assert one == same
    assert one["data"] == "toy of seed 4 at signal_strength = 2"
    assert one["observed"] != other["observed"]
    value, error = (one["parameters"]["signal_strength"][key] for key in ("value", "error"))
    assert abs(value - 2) < 4 * error


@pytest.mark.parametrize(
    ("options", "message"),
    [(("--asimov", "--toy", "1"), "choose one of"), (("--true", "g=1e-3"), "belongs to"), (("--toy", "-1"), "a seed is a whole number")],
)
def test_bad_pseudo_data(refused: Callable[..., str], options: tuple[str, ...], message: str) -> None:
    assert message in refused("fit", CSI, "-m", "lmu-ltau", *options)


def test_experiments_that_share_events_are_refused(refused: Callable[..., str]) -> None:
    message = refused("fit", "coherent-csi-2017", CSI, "-m", "signal-strength")
    assert "coherent-csi-2017" in message
    assert CSI in message
    assert "--allow-overlap" in message


def test_an_experiment_twice_is_refused(refused: Callable[..., str]) -> None:
    assert "is given twice" in refused("fit", CSI, CSI, "-m", "signal-strength")


def test_spectra(command: Callable[..., Result], tmp_path: Path) -> None:
    target = tmp_path / "new" / "spectra.png"
    result = command("spectra", CSI, "-m", "signal-strength", "-o", target, "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert found["files"] == [str(target)]
    assert found["fit"]["valid"] is True
    height, width, _ = imread(target).shape
    assert width == pytest.approx(160 * 2 * 4.3, abs=2)
    assert height > 160 * 4.0


def test_a_projection_is_drawn_as_it_is_expected(command: Callable[..., Result], refused: Callable[..., str], tmp_path: Path) -> None:
    target = tmp_path / "ccm.png"
    found = json.loads(command("spectra", "ccm-200", "-m", "signal-strength", "-o", target, "--style", "paper", "--json").stdout)
    assert found["rates"]["ccm-200"]["components"]["cevns"] > 100.0
    assert imread(target).shape[1] == pytest.approx(3.4 * 300, abs=2)
    message = refused("spectra", "ccm-200", "-m", "signal-strength", "-o", target, "--kind", "pulls")
    assert "a Rates has no picture 'pulls'; it has spectra, subtracted" in message
    found = json.loads(command("spectra", "ccm-200", "-m", "signal-strength", "-o", target, "--asimov", "--kind", "pulls", "--json").stdout)
    assert found["fit"]["parameters"]["signal_strength"]["value"] == pytest.approx(1.0, abs=1e-3)


def test_an_unknown_picture_is_refused_before_the_fit(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(fitting, "_significance")
    message = refused("spectra", CSI, "-m", "signal-strength", "-o", "spectra.png", "--kind", "corner")
    assert "a Fit has no picture 'corner'; it has spectra, subtracted, pulls, correlations" in message


def test_a_picture_of_an_unknown_kind_is_refused_before_the_fit(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(fitting, "_significance")
    assert "ends in .png, .pdf, .svg, .pgf" in refused("spectra", CSI, "-m", "signal-strength", "-o", "spectra.doc")


def test_intervals(command: Callable[..., Result]) -> None:
    result = command("intervals", CSI, "-m", "lmu-ltau", "--at", "mass=300", "--cl", "0.9", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (found["poi"], found["cl"], found["dof"], found["valid"]) == ("g", 0.9, 1, True)
    assert len(found["allowed"]) == len(found["minima"]) == 2
    text = command("intervals", CSI, "-m", "lmu-ltau", "--at", "mass=300").stdout
    assert f"[0, {found['allowed'][0][1]:.4g}]" in text
    assert "90 % CL, 1 dof" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--cl", "90", "--at", "mass=10"), "a confidence level lies between 0 and 1"),
        (("--dof", "0", "--at", "mass=10"), "needs dof >= 1"),
        ((), "--at mass=VALUE"),
        (("--at", "mass=10", "--poi", "gg"), "unknown parameter 'gg'"),
        (("--at", "mass=10", "--at", "g=1e-3", "--poi", "g"), "both held"),
        (("--at", "mass=10", "--poi", "mass"), "mass is both held (--at) and the parameter of interest"),
        (("--at", "mass=10", "--profile-signal"), "lmu-ltau profiles all of them without it"),
    ],
)
def test_bad_intervals(refused: Callable[..., str], options: tuple[str, ...], message: str) -> None:
    assert message in refused("intervals", CSI, "-m", "lmu-ltau", *options)


@pytest.mark.parametrize("name", ["significance", "impacts", "posterior", "forecast"])
def test_a_held_parameter_is_of_no_interest(refused: Callable[..., str], name: str) -> None:
    assert "mass is both held (--at) and" in refused(name, CSI, "-m", "lmu-ltau", "--at", "mass=10", "--poi", "mass")


@pytest.mark.parametrize("model", ["sm", "released-templates"])
def test_profile_signal_is_refused_where_it_does_nothing(refused: Callable[..., str], model: str) -> None:
    assert "`signal-strength` alone holds" in refused("gof", "coherent-lar-2020", "-m", model, "--profile-signal")


def test_intervals_profile_the_shapes_of_the_signal(command: Callable[..., Result]) -> None:
    options = ("intervals", "coherent-lar-2020", "-m", "signal-strength", "--json")
    widths = [high - low for extra in ((), ("--profile-signal",)) for low, high in json.loads(command(*options, *extra).stdout)["allowed"]]
    assert len(widths) == 2
    assert widths[1] != pytest.approx(widths[0], rel=1e-3)


def test_the_signal_s_shapes_are_profiled_and_its_rates_held(command: Callable[..., Result]) -> None:
    found = json.loads(command("fit", "coherent-lar-2020", "-m", "signal-strength", "--profile-signal", "--json").stdout)
    assert {"coherent-lar-2020.f90", "coherent-lar-2020.onset"} <= set(found["parameters"])
    assert {"sns_flux", "coherent-lar-2020.detection"} <= set(found["held"])
    assert found["expected"]["coherent-lar-2020"]["cevns"] == pytest.approx(140.6, rel=0.03)
    assert found["parameters"]["signal_strength"]["error"] * 122.08 == pytest.approx(40.7, rel=0.03)
    assert found["significance"] == pytest.approx(3.53, rel=0.03)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("experiments", "model"),
    [(("coherent-csi-2017", "coherent-lar-2020"), "lmu-ltau"), (("coherent-csi-2021",), "vector")],
)
def test_ends_beside_another_minimum_are_found_or_said_to_be_missing(
    command: Callable[..., Result], experiments: tuple[str, ...], model: str
) -> None:
    result = command("fit", *experiments, "--model", model, "--minos", "all", "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["valid"]
    for name, entry in answer["parameters"].items():
        for side in ("lower", "upper"):
            assert (entry[side] is None) == (f"{name}: no {side} end" in answer["reason"])
        low, high = (entry["value"] if entry[side] is None else entry[side] for side in ("lower", "upper"))
        assert low <= entry["value"] <= high
    if model == "lmu-ltau":
        # the mass follows the coupling along the mirror branch, which ends near 0.013
        assert answer["parameters"]["g"]["lower"] == pytest.approx(0.0129, rel=0.02)


@pytest.mark.slow
def test_minos_is_run_for_the_model_unless_asked(command: Callable[..., Result]) -> None:
    options = ("fit", CSI, "-m", "lmu-ltau", "--at", "mass=30", "--json")
    by_default = json.loads(command(*options).stdout)["parameters"]
    assert by_default["g"]["upper"] > by_default["g"]["value"]
    assert by_default["sns_flux"]["upper"] is None
    flux = json.loads(command(*options, "--minos", "sns_flux").stdout)["parameters"]
    assert flux["g"]["upper"] is None
    assert flux["sns_flux"]["lower"] < flux["sns_flux"]["value"] < flux["sns_flux"]["upper"]
    everything = json.loads(command(*options, "--minos", "all").stdout)["parameters"]
    assert all(entry["upper"] is not None for entry in everything.values())
