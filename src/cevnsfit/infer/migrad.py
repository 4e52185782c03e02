"""A local minimum by iminuit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.infer.objective import internal_domain, to_internal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iminuit import Minuit

    from cevnsfit.infer.objective import Objective


def minuit_at(objective: Objective, values: Mapping[str, float]) -> Minuit:
    """Return iminuit at the values of all parameters; those that are exactly at a limit are held there."""
    from iminuit import Minuit

    start = np.array([to_internal(p, values[p.name]) for p in objective.parameters])
    held = [p.kind != "nonlinear" and values[p.name] in (p.lower, p.upper) for p in objective.parameters]
    # with a parameter held iminuit 2.33 mistakes which rows of a given Hessian belong to the others; it then finds its own
    smooth = not any(held) and not objective.moving
    minuit = Minuit(objective.value, start, grad=objective.gradient, hessian=objective.hessian if smooth else None, name=objective.names)
    minuit.errordef = Minuit.LEAST_SQUARES
    minuit.throw_nan = True
    minuit.tol = 1e-4
    minuit.limits = [internal_domain(p) for p in objective.parameters]
    minuit.fixed = held
    return minuit


def migrad(minuit: Minuit) -> str:
    """Minimise and return why it failed, or an empty string."""
    if all(minuit.fixed):
        return ""
    try:
        minuit.migrad(ncall=50_000, iterate=5)
    except RuntimeError as error:
        return f"MIGRAD stopped: {error}"
    if minuit.valid:
        return ""
    return "MIGRAD did not converge" + (" (call limit)" if minuit.fmin is not None and minuit.fmin.has_reached_call_limit else "")
