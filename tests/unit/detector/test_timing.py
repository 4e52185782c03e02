"""Time-bin probabilities against closed forms."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy import stats

from cevnsfit.detector import timing

US = 1e-6
EDGES = np.array([0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1, 2, 4, 6]) * US
efficiency = functools.partial(timing.exponential_efficiency, start=0.52 * US, rate=0.0494 / US)


def test_gaussian_pulse() -> None:
    pulse = stats.norm(0.507 * US, 0.0505 * US)
    np.testing.assert_allclose(timing.bin_probabilities(pulse.pdf, EDGES), np.diff(pulse.cdf(EDGES)), atol=1e-10)


def test_muon_decay_with_an_efficiency_that_has_a_kink_inside_a_bin() -> None:
    tau, start, rate = 2.19698 * US, 0.52 * US, 0.0494 / US

    def integral(t: np.ndarray) -> np.ndarray:
        early = 1 - np.exp(-np.minimum(t, start) / tau)
        total = rate + 1 / tau
        late = np.exp(rate * start) / (tau * total) * (np.exp(-total * start) - np.exp(-total * np.maximum(t, start)))
        return early + late

    found = timing.bin_probabilities(lambda t: np.exp(-t / tau) / tau, EDGES, efficiency, kinks=[start])
    np.testing.assert_allclose(found, np.diff(integral(EDGES)), rtol=1e-12)


def test_finer_bins_add_up_to_coarser_ones() -> None:
    pulse = stats.norm(0.44 * US, 0.15 * US)
    fine = timing.bin_probabilities(pulse.pdf, np.linspace(0, 4 * US, 41), efficiency, kinks=[0.52 * US])
    coarse = timing.bin_probabilities(pulse.pdf, np.linspace(0, 4 * US, 5), efficiency, kinks=[0.52 * US])
    np.testing.assert_allclose(fine.reshape(4, 10).sum(axis=1), coarse, rtol=1e-9, atol=1e-14)


def test_the_unit_of_time_does_not_matter_to_the_efficiency() -> None:
    times = np.linspace(0, 6, 13)
    in_microseconds = timing.exponential_efficiency(times, 0.52, 0.0494)
    np.testing.assert_allclose(efficiency(times * US), in_microseconds, rtol=1e-14)
    assert np.all(in_microseconds[times < 0.52] == 1)


def test_kinks_outside_the_bins_are_ignored() -> None:
    pulse = stats.norm(0.44 * US, 0.15 * US)
    np.testing.assert_array_equal(
        timing.bin_probabilities(pulse.pdf, EDGES, kinks=[-1 * US, 20 * US]), timing.bin_probabilities(pulse.pdf, EDGES)
    )


@pytest.mark.parametrize(
    ("pulse", "delays", "window"),
    [((0.5, 0.1), ((9.0, 0.3), (12.0, 0.4)), (20.0, 23.0)), ((0.0, 5.0), ((0.0, 2.0), (2.4, 0.3)), (0.0, 4.0))],
    ids=["long", "earlier than they happen"],
)
def test_delays_add_up(pulse: tuple[float, float], delays: tuple[tuple[float, float], ...], window: tuple[float, float]) -> None:
    happening, edges = stats.norm(pulse[0] * US, pulse[1] * US), np.linspace(*window, 7) * US
    moved = [timing.gaussian_delay(mean * US, sigma * US) for mean, sigma in delays]
    density = timing.recorded(lambda t: happening.cdf(t) - happening.cdf(t[0]), moved, edges)
    times = np.linspace(*window, 31)[1:-1] * US
    mean, sigma = (sum(parts) for parts in zip(*((m, s**2) for m, s in (pulse, *delays)), strict=True))
    np.testing.assert_allclose(density(times), stats.norm(mean * US, np.sqrt(sigma) * US).pdf(times), rtol=1e-3)
