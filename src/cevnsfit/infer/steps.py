"""Newton steps of many points together: plain, and within a trust region."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


def newton(matrix: Floats, gradient: Floats, stuck: Bools) -> Floats:
    """Return -H^-1 g with the stuck parameters left out, shape (P, n); scaled to unit diagonal, parameters without effect stay."""
    diagonal = np.abs(np.einsum("pii->pi", matrix))
    scale = np.where((diagonal > 0) & ~stuck, 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), 0.0)
    scaled = matrix * scale[:, :, None] * scale[:, None, :]
    place = np.arange(gradient.shape[1])
    scaled[:, place, place] += np.where(scale > 0, 1e-12, 1.0)
    step: Floats = -scale * np.linalg.solve(scaled, (gradient * scale)[:, :, None])[:, :, 0]
    return step


def trust_region(matrix: Floats, gradient: Floats, stuck: Bools, metric: Floats, radius: Floats) -> Floats:
    """Return the minimiser of the quadratic model within a radius, shape (P, n), also where the matrix is indefinite.

    In the eigenvectors of the scaled matrix the step is -c/(e + d); the damping d solves |step| = radius.

    References
    ----------
    Moré and Sorensen, SIAM J. Sci. Stat. Comput. 4 (1983) 553, eqs. 3.1-3.4.
    """
    scale = np.where(stuck, 0.0, 1 / metric)
    scaled = matrix * scale[:, :, None] * scale[:, None, :]
    values, vectors = np.linalg.eigh(scaled)
    pull = np.einsum("pji,pj->pi", vectors, gradient * scale)
    floor = 1e-9 * np.maximum(np.abs(values).max(axis=1), np.maximum(np.abs(pull).max(axis=1) / radius, 1e-290))
    damping = np.maximum(-values[:, 0], 0.0) + floor
    for _ in range(12):
        shifted = values + damping[:, None]
        length = np.sqrt(np.einsum("pi,pi->p", pull / shifted, pull / shifted))
        if np.all(length < 1.05 * radius):
            break
        slope = np.einsum("pi,pi->p", pull**2, shifted**-3.0)
        change = length**2 / np.where(slope > 0, slope, 1.0) * (length / radius - 1)
        damping = np.where(length > radius, damping + change, damping)
    step: Floats = -scale * np.einsum("pij,pj->pi", vectors, pull / (values + damping[:, None]))
    return step
