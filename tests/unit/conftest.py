"""Two small channels that have everything a likelihood can have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.stats.channel import Channel, Coefficients, ControlRegion
from cevnsfit.stats.data import asimov_data, toy_data
from cevnsfit.stats.joint import join

if TYPE_CHECKING:
    from collections.abc import Callable

    from cevnsfit.stats.joint import Joint

Row = tuple[np.ndarray, dict[str, int], dict[str, float], tuple[str, int] | None]


def make_channel(name: str, rows: list[Row], control: ControlRegion | None = None) -> Channel:
    """Return a channel from (template, powers, normsys widths, (shape nuisance, kind)) rows."""
    used = [key for _, powers, norms, shape in rows for key in (*powers, *norms, *(() if shape is None else (shape[0],)))]
    names = tuple(dict.fromkeys(used))
    powers = np.array([[row[1].get(key, 0) for key in names] for row in rows], dtype=np.int64)
    hi = np.array([[1 + row[2].get(key, 0.0) for key in names] for row in rows])
    index = np.array([-1 if row[3] is None else names.index(row[3][0]) for row in rows], dtype=np.int64)
    kind = np.array([0 if row[3] is None else row[3][1] for row in rows], dtype=np.int64)
    templates = np.array([row[0] for row in rows])
    components = tuple("background" if "norm" in row[1] else "signal" for row in rows)
    return Channel(name, templates, Coefficients(names, powers, hi, 1 / hi, index, kind), components, None, control, (templates.shape[1],))


def signal_rows(shape: np.ndarray, hardness: np.ndarray, norms: dict[str, float], tilt: str | None) -> list[Row]:
    """Return rows of shape x (1 - g^2 hardness)^2 with one excursion."""
    rows: list[Row] = []
    for power, template in ((0, shape), (2, -2 * shape * hardness), (4, shape * hardness**2)):
        powers = {"g": power} if power else {}
        rows.append((template, powers, norms, None))
        if tilt is not None:
            line = np.linspace(-1, 1, len(shape))
            up, down = template * (1 + 0.15 * line), template * (1 - 0.1 * line)
            rows.append(((up - down) / 2, powers, norms, (tilt, 1)))
            rows.append(((up + down - 2 * template) / 16, powers, norms, (tilt, 2)))
    return rows


@pytest.fixture(scope="session")
def make_joint() -> Callable[..., Joint]:
    """Return a builder of the two-channel likelihood, observed at g = 0 or elsewhere, by Asimov or fluctuated counts."""

    def build(seed: int | None = 1, *, g: float = 0.0, hard: float = 1.0) -> Joint:
        x, y = np.linspace(0, 1, 20), np.linspace(0, 1, 12)
        first = signal_rows(60 * np.exp(-2 * x), hard * (1.5 - x), {"flux": 0.1, "a.rate": 0.05}, "a.tilt")
        first.append((8 + 20 * np.exp(-5 * x), {"a.norm": 1, "norm": 0}, {}, None))
        second = signal_rows(12 * np.exp(-3 * y), hard * (1.2 - 0.5 * y), {"flux": 0.1}, None)
        second.append((0.3 * np.exp(-y), {"norm": 0}, {"b.brn": 0.3}, None))
        control = ControlRegion(np.round(12 * np.exp(-1.5 * y)), 2.5)
        channels = (make_channel("a", first), make_channel("b", second, control))
        parameters = ParameterSet(
            (
                Parameter("g", "polynomial", 0.0, lower=0.0, scale="log"),
                Parameter("norm", "nuisance", 1.0, fixed=True),
                Parameter("flux", "nuisance", 0.0, constrained=True),
                Parameter("a.rate", "nuisance", 0.0, constrained=True),
                Parameter("a.tilt", "nuisance", 0.0, constrained=True),
                Parameter("a.norm", "nuisance", 1.0, lower=0.0),
                Parameter("b.brn", "nuisance", 0.0, constrained=True),
            )
        )
        joint = join(parameters, channels)
        truth = parameters.vector({"g": g})
        data = asimov_data(joint, truth) if seed is None else toy_data(joint, truth, np.random.default_rng(seed), 1)
        observed = tuple(replace(channel, observed=np.atleast_2d(counts)[0]) for channel, counts in zip(channels, data.counts, strict=True))
        return join(parameters, observed)

    return build
