"""Time-bin probabilities against closed forms."""

from __future__ import annotations

import functools

import numpy as np
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


def test_long_delays_add_up() -> None:
    pulse, delays = stats.norm(0.5 * US, 0.1 * US), (timing.gaussian_delay(9 * US, 0.3 * US), timing.gaussian_delay(12 * US, 0.4 * US))
    edges = np.linspace(20, 23, 7) * US
    density = timing.recorded(lambda t: pulse.cdf(t) - pulse.cdf(t[0]), delays, edges)
    times = np.linspace(20, 23, 31) * US
    whole = stats.norm(21.5 * US, np.sqrt(0.1**2 + 0.3**2 + 0.4**2) * US)
    np.testing.assert_allclose(density(times), whole.pdf(times), rtol=1e-3)
