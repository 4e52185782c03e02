"""Anomalous magnetic moments of electron and muon: measurements, the loops of bosons and sleptons, and what explains a deviation."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

__all__ = ["SusyInputs", "susy_scan"]

_HOME: Final = "cevnsfit.studies.susy"


def __getattr__(name: str) -> Any:
    if name not in __all__:
        message = f"module '{__name__}' has no attribute '{name}'"
        raise AttributeError(message)
    return getattr(import_module(_HOME), name)
