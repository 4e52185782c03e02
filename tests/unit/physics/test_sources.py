from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from cevnsfit.core.errors import AxisError, CevnsfitError, DomainError, UnknownNameError
from cevnsfit.physics.constants import MUON_LIFETIME, MUON_MASS, PION_LIFETIME
from cevnsfit.physics.pulses import Pulse
from cevnsfit.physics.sources import Segment, Spectrum, histogram, lepton_flavour, pion_decay_at_rest

NS = 1e-9


def sns() -> Pulse:
    return Pulse(
        "gaussian",
        (0.7531, 0.2093, 0.0231, 0.0145),
        (507.00 * NS, 338.93 * NS, 728.72 * NS, 204.81 * NS),
        (123.59 * NS, 90.58 * NS, 76.20 * NS, 50.49 * NS),
    )


def rectangle() -> Pulse:
    return Pulse("rectangle", (1.0,), (145.0 * NS,), (290.0 * NS,))


PULSES = [sns(), rectangle(), Pulse("gaussian", (1.0,), (440 * NS,), (150 * NS,)), Pulse("gaussian", (1.0,), (0.0,), (1e-3 * NS,))]


def test_line_energy_and_means() -> None:
    spectra = pion_decay_at_rest()
    assert tuple(spectra) == ("nu_mu", "nubar_mu", "nu_e")
    assert spectra["nu_mu"].end == pytest.approx(29.792, abs=1e-3)
    assert spectra["nubar_mu"].mean() == pytest.approx(0.35 * MUON_MASS, rel=1e-6, abs=0.0)
    assert spectra["nu_e"].mean() == pytest.approx(0.3 * MUON_MASS, rel=1e-6, abs=0.0)


@pytest.mark.parametrize("flavour", ["nubar_mu", "nu_e"])
def test_muon_decay_spectra_hold_one_neutrino(flavour: str) -> None:
    spectrum = pion_decay_at_rest()[flavour]
    assert quad(lambda e: float(spectrum.density(e)), 0.0, spectrum.end)[0] == pytest.approx(1.0, rel=1e-9)
    assert spectrum.density([-1.0, 60.0]).tolist() == [0.0, 0.0]


def test_lepton_flavour() -> None:
    assert [lepton_flavour(flavour) for flavour in pion_decay_at_rest()] == ["mu", "mu", "e"]
    with pytest.raises(UnknownNameError, match="nubar_mu"):
        lepton_flavour("nu_bar_mu")


def test_histogram_is_scaled_and_keeps_its_shape() -> None:
    spectrum = histogram([0.0, 10.0, 30.0, 40.0], [2.0, 0.0, 6.0])
    assert spectrum.density([5.0, 20.0, 35.0]) == pytest.approx([0.025, 0.0, 0.075], rel=1e-6, abs=0.0)
    assert spectrum.end == 40.0
    assert spectrum.mean() == pytest.approx(0.25 * 5.0 + 0.75 * 35.0, rel=1e-6, abs=0.0)


@pytest.mark.parametrize(
    ("edges", "contents", "error"),
    [([0, 1], [1, 2], AxisError), ([0, 2, 1], [1, 2], AxisError), ([0, 1, 2], [1, -1], DomainError), ([0, 1], [0], DomainError)],
)
def test_histogram_refuses(edges: list[float], contents: list[float], error: type[CevnsfitError]) -> None:
    with pytest.raises(error, match="flux"):
        histogram(edges, contents)


def test_spectrum_refuses_another_normalisation() -> None:
    with pytest.raises(CevnsfitError, match=r"integrates to 0\.5"):
        Spectrum(lines=((30.0, 0.5),))
    with pytest.raises(DomainError, match="segment"):
        Segment(5.0, 5.0, (1.0,))


@pytest.mark.parametrize("pulse", PULSES)
@pytest.mark.parametrize("kind", ["prompt", "delayed"])
def test_arrival_times_are_distributions(pulse: Pulse, kind: str) -> None:
    cdf = {"prompt": pulse.prompt_cdf, "delayed": pulse.delayed_cdf}[kind]
    values = cdf(np.linspace(-1e-6, 60e-6, 5001))
    assert np.all(np.diff(values) >= -1e-15)
    assert values[0] == pytest.approx(0.0, abs=1e-14)
    assert values[-1] == pytest.approx(1.0, abs=1e-10)
    assert cdf(np.array([-1e3, 1e3])).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("pulse", PULSES[:3])
@pytest.mark.parametrize("kind", ["prompt", "delayed"])
def test_densities_integrate_to_the_distribution_and_its_mean(pulse: Pulse, kind: str) -> None:
    density = {"prompt": pulse.prompt_density, "delayed": pulse.delayed_density}[kind]
    cdf = {"prompt": pulse.prompt_cdf, "delayed": pulse.delayed_cdf}[kind]
    nodes, weights = np.polynomial.legendre.leggauss(30)
    edges = np.concatenate([np.arange(-1000, 2000, 10), np.geomspace(2000, 90000, 60)]) * NS
    half = np.diff(edges) / 2.0
    t = edges[:-1, None] + half[:, None] * (1.0 + nodes)
    w = half[:, None] * weights
    assert (w * density(t)).sum(axis=1) == pytest.approx(np.diff(cdf(edges)), abs=1e-9)
    decays = PION_LIFETIME + (MUON_LIFETIME if kind == "delayed" else 0.0)
    assert (w * t * density(t)).sum() == pytest.approx(pulse.mean() + decays, rel=1e-6, abs=0.0)


@pytest.mark.parametrize("t", [100 * NS, 400 * NS, 700 * NS, 3000 * NS])
def test_prompt_is_the_convolution(t: float) -> None:
    pulse = rectangle()
    expected = quad(lambda s: float(pulse.cdf(t - s)) * np.exp(-s / PION_LIFETIME) / PION_LIFETIME, 0.0, 1e-6, points=[t, t - 290 * NS])[0]
    assert float(pulse.prompt_cdf(t)) == pytest.approx(expected, rel=1e-7, abs=0.0)


@pytest.mark.parametrize("t", [100 * NS, 400 * NS, 1500 * NS])
def test_delayed_is_the_convolution_of_prompt(t: float) -> None:
    pulse = sns()
    expected = quad(lambda s: float(pulse.prompt_cdf(t - s)) * np.exp(-s / MUON_LIFETIME) / MUON_LIFETIME, 0.0, t + 500 * NS)[0]
    assert float(pulse.delayed_cdf(t)) == pytest.approx(expected, rel=1e-7, abs=0.0)


def test_sns_prompt_profile() -> None:
    t = np.arange(0.0, 1500.0, 0.1)
    density = sns().prompt_density(t * NS)
    above = t[density > density.max() / 2.0]
    assert t[density.argmax()] == pytest.approx(499.0, abs=1.0)
    assert above[-1] - above[0] == pytest.approx(365.0, abs=1.0)


@given(t=st.floats(-1.0, 1.0), sigma=st.floats(1e-12, 1e-3), mean=st.floats(-1e-3, 1e-3))
def test_gaussian_pulses_never_overflow(t: float, sigma: float, mean: float) -> None:
    pulse = Pulse("gaussian", (1.0,), (mean,), (sigma,))
    for value in (pulse.prompt_cdf(t), pulse.delayed_cdf(t)):
        assert 0.0 <= value <= 1.0 + 1e-12
    assert pulse.prompt_density(t) >= 0.0
    assert pulse.delayed_density(t) >= 0.0


@pytest.mark.parametrize(
    ("weights", "widths", "match"), [((0.5,), (1e-7,), "sum to 1"), ((1.0,), (0.0,), "positive widths"), ((0.5, 0.5), (1e-7,), "as many")]
)
def test_pulse_refuses(weights: tuple[float, ...], widths: tuple[float, ...], match: str) -> None:
    with pytest.raises(CevnsfitError, match=match):
        Pulse("gaussian", weights, (0.0,), widths)
