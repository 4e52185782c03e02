"""Signal models by name: the shipped ones, and those of other packages.

Another package adds a model with an entry point of the group "cevnsfit.models", named as the model, that points to a
`SignalModel` or to a function without arguments that returns one. It is loaded when the model is asked for.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from cevnsfit.core.errors import CevnsfitError, UnknownNameError
from cevnsfit.core.version import distribution_of
from cevnsfit.physics.interactions import axial, electromagnetic, nsi, scalar, standard_model, sterile, vector_mediators
from cevnsfit.physics.interactions.terms import ElectronTarget, SignalModel, Target, Term, electrons_at, sm_charge, squared, target_at

__all__ = [
    "ElectronTarget",
    "SignalModel",
    "Target",
    "Term",
    "electrons_at",
    "model_distribution",
    "model_names",
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
    plugins = _plugins()
    if name not in plugins:
        raise UnknownNameError("model", name, model_names())
    loaded = plugins[name].load()
    model = loaded() if callable(loaded) else loaded
    if not isinstance(model, SignalModel) or model.name != name:
        message = f"the plug-in {plugins[name].value} should give a SignalModel named '{name}', it gives {model!r}"
        raise CevnsfitError(message)
    return model


def model_distribution(name: str) -> str:
    """Return the distribution and its version that a plug-in model comes from; an empty text for a shipped one."""
    return "" if name in _shipped() else distribution_of(_plugins().get(name))


def _shipped() -> dict[str, SignalModel]:
    families = (standard_model, axial, vector_mediators, nsi, scalar, electromagnetic, sterile)
    return {model.name: model for family in families for model in family.models()}


def _plugins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group="cevnsfit.models")}
