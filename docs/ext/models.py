"""Models and experiments as Markdown: what there is, with parameters, units and sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cevnsfit
from cevnsfit.core.entries import usable
from cevnsfit.physics.interactions import model_distribution
from cevnsfit.spec.catalog import experiment_distribution

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cevnsfit.core.parameters import Parameter


def models() -> str:
    """Return all models with their Lagrangians and parameters."""
    return "\n\n".join(usable(cevnsfit.model_names(), _model, model_distribution))


def experiments() -> str:
    """Return all experiments with their targets, bins and references."""
    return "\n\n".join(usable(cevnsfit.experiment_names(), _experiment, experiment_distribution))


def _model(name: str) -> str:
    head = f"## `{name}`"
    if name == "released-templates":
        return f"{head}\n\nThe signal templates of the collaborations with a free strength, for experiments that released one."
    model = cevnsfit.signal_model(name)
    notes = [f"{model.title}.", f"Caveat: {model.label}." if model.label else "", f"`{model.lagrangian}`" if model.lagrangian else ""]
    sources = "\n".join(f"- {reference}" for reference in model.references)
    return "\n\n".join(filter(None, [head, *notes, _parameters(model.parameters), sources]))


def _parameters(parameters: Iterable[Parameter]) -> str:
    rows = [
        f"| `{p.name}` | {p.unit} | {p.default:g} | {p.lower:g} to {p.upper:g} | {p.description} |".replace("inf", "∞") for p in parameters
    ]
    return "\n".join(["| parameter | unit | default | domain | what it is |", "|---|---|---|---|---|", *rows]) if rows else ""


def _experiment(name: str) -> str:
    experiment = cevnsfit.load_experiment(name)
    spec = experiment.spec
    axes = ", ".join(f"{axis.name} ({axis.nbins} bins, {axis.unit})" for axis in experiment.axes)
    facts = {
        "data": "observed" if experiment.has_data else "none: a projection",
        "target": f"{spec.target.mass / 1e3:g} kg of {spec.target.compound}",
        "axes": axes,
        "systematics": ", ".join(f"`{key}`" for key in spec.systematics),
        "shares events with": ", ".join(f"`{other}`" for other in spec.overlaps),
    }
    table = "\n".join(["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in facts.items() if value)])
    sources = "\n".join(f"- {reference}" for reference in spec.references)
    return "\n\n".join(filter(None, [f"## `{name}`", f"{spec.title}. {spec.description}".strip(), table, sources]))
