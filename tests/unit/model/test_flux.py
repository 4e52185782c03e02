"""Imported fluxes: tables of energy and time give what the analytic source gives, and keep what does not factorise."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core.errors import DomainError
from cevnsfit.core.paths import data_root
from cevnsfit.io.releases import import_release
from cevnsfit.io.tables import bin_columns, write_table
from cevnsfit.model.build import likelihood_of
from cevnsfit.model.flux import flux_of
from cevnsfit.physics.constants import MUON_LIFETIME, PION_LIFETIME
from cevnsfit.physics.pulses import Pulse
from cevnsfit.physics.sources import pion_decay_at_rest
from cevnsfit.spec.load import load_experiment
from cevnsfit.spec.tables import read_table
from cevnsfit.stats.joint import expected

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

CSI = "coherent-csi-2021"
YIELD = 0.0848
FLAVOURS = ("nu_mu", "nubar_mu", "nu_e")
ENERGIES = np.unique([*np.arange(0.0, 53.5, 0.75), 29.692, 29.892])  # the line is in the middle of a narrow bin
TIMES = np.append(np.arange(0.0, 6.0, 0.125), 6.0)

Tables = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def factorised() -> Tables:
    """Return the analytic flux in bins of time [us] and energy [MeV], in neutrinos per proton, by flavour."""
    arrival = load_experiment(CSI).spec.source.arrival
    weights, means, widths = zip(*((p.weight, p.mean, p.sigma) for p in arrival.pulses), strict=True)
    pulse = Pulse("gaussian", tuple(w / sum(weights) for w in weights), means, widths)
    tables = {}
    for flavour, spectrum in pion_decay_at_rest().items():
        cdf = pulse.prompt_cdf(TIMES * 1e-6) if flavour == "nu_mu" else pulse.delayed_cdf(TIMES * 1e-6)
        energies = np.histogram([line for line, _ in spectrum.lines], ENERGIES)[0].astype(float)
        for segment in spectrum.segments:
            ends = np.clip(ENERGIES, segment.low, segment.high)
            powers = np.arange(1, len(segment.coefficients) + 1)
            energies += np.diff((ends[:, None] ** powers * (np.array(segment.coefficients) / powers)).sum(axis=1))
        tables[flavour] = YIELD * np.diff(cdf)[:, None] * energies
    return tables


@pytest.fixture
def make_csi(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes the CsI experiment with a flux from tables."""

    def make(tables: Mapping[str, np.ndarray], *, name: str = "csi", extra: str = "", times: bool = True) -> Path:
        folder = tmp_path / name
        shutil.copytree(data_root() / "experiments" / CSI, folder)
        axes = {"time": TIMES, "e_nu": ENERGIES} if times else {"e_nu": ENERGIES}
        write_table(folder / "flux.csv", [], bin_columns(axes) | {f"{f} [1]": values.ravel() for f, values in tables.items()})
        lines = "".join(f"      {f}: {{table: flux.csv, column: {f}}}\n" for f in tables)
        file = folder / "experiment.yaml"
        text = re.sub(r"  yield_per_pot: .*\n", f"  flux:\n{extra}    flavours:\n{lines}", file.read_text(encoding="utf-8"))
        file.write_text(text, encoding="utf-8")
        return folder

    return make


def signal(folder: Path | str, overrides: Mapping[str, object] | None = None, **values: float) -> np.ndarray:
    """Return the counts of CEvNS in the Standard Model, shape (PE bins, time bins)."""
    joint = likelihood_of([load_experiment(folder, overrides)], "sm").at({})
    theta = joint.parameters.vector({name.replace("__", "."): value for name, value in values.items()})
    return expected(joint, theta)[joint.channels[0].name]["cevns"].reshape(9, 11)


@pytest.mark.slow
def test_a_table_of_the_analytic_flux_gives_the_analytic_counts(factorised: Tables, make_csi: Callable[..., Path]) -> None:
    analytic, found = signal(CSI), signal(make_csi(factorised))
    assert found.sum() == pytest.approx(analytic.sum(), rel=5e-4)
    np.testing.assert_allclose(found.sum(axis=0), analytic.sum(axis=0), rtol=1e-3)
    np.testing.assert_allclose(found.sum(axis=1)[:6], analytic.sum(axis=1)[:6], rtol=2e-3)


def test_energies_alone_arrive_with_the_pulse(factorised: Tables, make_csi: Callable[..., Path]) -> None:
    shares = {flavour: table.sum(axis=0) / table.sum() for flavour, table in factorised.items()}
    folder = make_csi(shares, extra=f"    scale: {YIELD}\n", times=False)
    analytic, found = signal(CSI), signal(folder)
    np.testing.assert_allclose(found.sum(axis=0), analytic.sum(axis=0), rtol=1e-3)
    assert flux_of(load_experiment(folder)).slices == 1


@pytest.mark.slow
def test_what_does_not_factorise_stays_apart(factorised: Tables, make_csi: Callable[..., Path]) -> None:
    """Early neutrinos below 30 MeV and late ones above: each time bin has the recoils of its own energies, and tables add up."""
    hard = ENERGIES[:-1] >= 30.0
    late = TIMES[:-1] >= 1.0
    only = {"nubar_mu": factorised["nubar_mu"]}
    soft_early = {"nubar_mu": only["nubar_mu"] * ~late[:, None] * ~hard}
    hard_late = {"nubar_mu": only["nubar_mu"] * late[:, None] * hard}
    both = {"nubar_mu": soft_early["nubar_mu"] + hard_late["nubar_mu"]}
    first, second, mixed = (signal(make_csi(t, name=n)) for n, t in (("a", soft_early), ("b", hard_late), ("c", both)))
    assert not first[:, 8:].any()
    assert not second[:, :8].any()
    np.testing.assert_allclose(mixed, first + second, rtol=1e-5, atol=1e-8)
    hardness = mixed[3:].sum(axis=0) / mixed[:1].sum(axis=0)
    assert hardness[8:].min() > 10 * hardness[:8].max()


@pytest.mark.slow
def test_offsets_and_shifts_move_the_arrival(factorised: Tables, make_csi: Callable[..., Path]) -> None:
    folder = make_csi(factorised)
    moved = signal(folder, {"source.flux.offset": "100 ns"})
    shifted = signal(folder, {"systematics.onset.enabled": True, "systematics.onset.sigma": "100 ns"}, **{f"{CSI}.onset": 1.0})
    np.testing.assert_allclose(shifted, moved, rtol=1e-12)
    early = moved[:, 2].sum()
    assert early < 0.7 * signal(folder)[:, 2].sum()


def test_nothing_arrives_in_the_window(factorised: Tables, make_csi: Callable[..., Path]) -> None:
    experiment = load_experiment(make_csi(factorised), {"source.flux.offset": "20 us"})
    with pytest.raises(DomainError, match=r"axes\.time: nothing is expected between 0 and 6 us \(no neutrino arrives"):
        likelihood_of([experiment], "sm")


@pytest.mark.slow
def test_the_released_flux_of_the_sns_agrees_with_muon_decay(shared_data: Path, make_csi: Callable[..., Path], factorised: Tables) -> None:
    folder = make_csi(factorised, extra="    offset: 0 ns\n")
    import_release("sns-flux", shared_data / "sns-flux", folder)
    analytic, found = signal(CSI), signal(folder)
    assert found.sum() == pytest.approx(analytic.sum(), rel=0.01)
    np.testing.assert_allclose(found.sum(axis=0)[2:], analytic.sum(axis=0)[2:], rtol=0.015)
    table = read_table(folder / "flux.csv")
    axes = {axis.name: axis.display_edges for axis in table.axes}
    at_rest = {f"{f} [1]": table.values(f) * (np.arange(59) < 53) * ((np.arange(59) == 29) | (f != "nu_mu")) for f in FLAVOURS}
    write_table(folder / "flux.csv", [], bin_columns(axes) | {name: values.ravel() for name, values in at_rest.items()})
    assert signal(folder).sum() == pytest.approx(analytic.sum(), rel=5e-4)


def test_the_simulated_emission_is_that_of_two_decays(shared_data: Path, tmp_path: Path) -> None:
    files = import_release("sns-flux-simulation", shared_data / "sns-flux", tmp_path)
    energy, emission = (read_table(path) for path in files)
    centres = (np.array(emission.axes[0].edges)[1:] + np.array(emission.axes[0].edges)[:-1]) / 2
    mean = {f: float(centres @ emission.values(f) / emission.values(f).sum()) for f in ("nu_mu", "nubar_mu")}
    assert mean["nubar_mu"] - mean["nu_mu"] == pytest.approx(MUON_LIFETIME, rel=0.02)
    assert PION_LIFETIME < mean["nu_mu"] < 3 * PION_LIFETIME
    edges = np.array(energy.axes[0].edges)
    line = energy.values("nu_mu")[np.searchsorted(edges, 29.792) - 1]
    assert line > 0.98
