"""Signal models by name: the shipped ones, and those of other packages.

Another package adds a model with an entry point of the group "cevnsfit.models", named as the model, that points to a
`SignalModel` or to a function without arguments that returns one. It is loaded when the model is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cevnsfit.core.entries import given, plugins, usable
from cevnsfit.core.errors import UnknownNameError
from cevnsfit.core.parameters import Parameter
from cevnsfit.core.version import distribution_of
from cevnsfit.core.words import fault
from cevnsfit.physics.interactions import (
    axial,
    contact,
    electromagnetic,
    non_unitarity,
    nsi,
    production,
    scalar,
    spin_dependent,
    standard_model,
    sterile,
    upscattering,
    vector_mediators,
)
from cevnsfit.physics.interactions.terms import ElectronTarget, SignalModel, Target, Term, electrons_at, sm_charge, squared, target_at

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = [
    "ElectronTarget",
    "SignalModel",
    "Target",
    "Term",
    "electrons_at",
    "model_distribution",
    "model_names",
    "models",
    "signal_model",
    "sm_charge",
    "squared",
    "target_at",
]


def model_names() -> tuple[str, ...]:
    """Return the names of all models, shipped ones first; nothing is loaded."""
    shipped = _shipped()
    return (*shipped, *sorted(set(_plugins()) - set(shipped)))


def signal_model(name: str) -> SignalModel:
    """Return the named model; a shipped model takes precedence over a plug-in of the same name.

    Raises
    ------
    UnknownNameError
        If there is none; the message lists the near matches.
    CevnsfitError
        If a plug-in does not give a model of that name.
    """
    shipped = _shipped()
    if name in shipped:
        return shipped[name]
    added = _plugins()
    if name not in added:
        raise UnknownNameError("model", name, model_names())
    return given(added[name], SignalModel, f"a SignalModel named '{name}'", lambda found: _complete(found, name))


def models() -> list[SignalModel]:
    """Return all models but those of plug-ins that give none, which a warning names."""
    return usable(model_names(), signal_model, model_distribution)


def _complete(found: Any, name: str) -> object:
    """Return the model that a plug-in gives, or what it gives in the place of one with this name."""
    model = found() if callable(found) else found
    if not isinstance(model, SignalModel):
        return model
    texts = (model.title, model.lagrangian, model.label, model.label_unless_zero, model.latex, model.formula, *model.references)
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(one, Parameter) for one in model.parameters):
        return "one whose fields are of other types"
    wrong = [why for text in (model.title, model.latex, model.formula, *(one.latex for one in model.parameters)) if (why := fault(text))]
    return model if model.name == name and not wrong else f"one named '{model.name}'{''.join(f'; {why}' for why in wrong)}"


def model_distribution(name: str) -> str:
    """Return the distribution and its version that a plug-in model comes from; an empty text for a shipped one."""
    return "" if name in _shipped() else distribution_of(_plugins().get(name))


def _shipped() -> dict[str, SignalModel]:
    mediators = (vector_mediators, scalar, spin_dependent, contact, upscattering)
    families = (standard_model, axial, *mediators, nsi, electromagnetic, sterile, production, non_unitarity)
    return {model.name: model for family in families for model in family.models()}


def _plugins() -> dict[str, EntryPoint]:
    return plugins("cevnsfit.models")
