"""Statistical inference with coherent elastic neutrino-nucleus scattering.

>>> import cevnsfit as cf
>>> likelihood = cf.build_likelihood("coherent-csi-2021", model="lmu-ltau")
>>> scan = cf.scan(likelihood, mass=[10.0, 30.0, 100.0], g=[1e-4, 1e-3, 1e-2])  # doctest: +SKIP
>>> scan.contour(cl=0.90, dof=2).columns  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cevnsfit import moments
    from cevnsfit.core.errors import CevnsfitError
    from cevnsfit.infer.toys import Toys
    from cevnsfit.io.releases import import_release
    from cevnsfit.physics.interactions import signal_model
    from cevnsfit.spec.catalog import experiment_names
    from cevnsfit.spec.load import load_experiment
    from cevnsfit.studies.agreement import compatibility, goodness, impacts
    from cevnsfit.studies.comparison import compare
    from cevnsfit.studies.coverage import coverage
    from cevnsfit.studies.critical_values import critical_values
    from cevnsfit.studies.export import export
    from cevnsfit.studies.fitting import fit
    from cevnsfit.studies.forecast import forecast
    from cevnsfit.studies.limits import global_significance, intervals, significance
    from cevnsfit.studies.posterior import posterior
    from cevnsfit.studies.rates import rates
    from cevnsfit.studies.scan import scan
    from cevnsfit.studies.setup import all_models as model_names
    from cevnsfit.studies.setup import build_likelihood
    from cevnsfit.studies.shown import plot, table
    from cevnsfit.studies.start import new_experiment
    from cevnsfit.studies.stored import load_likelihood, open
    from cevnsfit.studies.toy_regions import region
    from cevnsfit.studies.validate import validate

    __version__: str

__all__ = [
    "CevnsfitError",
    "Toys",
    "__version__",
    "build_likelihood",
    "compare",
    "compatibility",
    "coverage",
    "critical_values",
    "experiment_names",
    "export",
    "fit",
    "forecast",
    "global_significance",
    "goodness",
    "impacts",
    "import_release",
    "intervals",
    "load_experiment",
    "load_likelihood",
    "model_names",
    "moments",
    "new_experiment",
    "open",
    "plot",
    "posterior",
    "rates",
    "region",
    "scan",
    "signal_model",
    "significance",
    "table",
    "validate",
]

_HOMES: Final = {
    "CevnsfitError": "core.errors:CevnsfitError",
    "Toys": "infer.toys:Toys",
    "build_likelihood": "studies.setup:build_likelihood",
    "compare": "studies.comparison:compare",
    "compatibility": "studies.agreement:compatibility",
    "coverage": "studies.coverage:coverage",
    "experiment_names": "spec.catalog:experiment_names",
    "critical_values": "studies.critical_values:critical_values",
    "export": "studies.export:export",
    "fit": "studies.fitting:fit",
    "forecast": "studies.forecast:forecast",
    "global_significance": "studies.limits:global_significance",
    "goodness": "studies.agreement:goodness",
    "impacts": "studies.agreement:impacts",
    "import_release": "io.releases:import_release",
    "intervals": "studies.limits:intervals",
    "load_experiment": "spec.load:load_experiment",
    "load_likelihood": "studies.stored:load_likelihood",
    "model_names": "studies.setup:all_models",
    "moments": "moments",
    "new_experiment": "studies.start:new_experiment",
    "open": "studies.stored:open",
    "plot": "studies.shown:plot",
    "posterior": "studies.posterior:posterior",
    "rates": "studies.rates:rates",
    "region": "studies.toy_regions:region",
    "scan": "studies.scan:scan",
    "signal_model": "physics.interactions:signal_model",
    "significance": "studies.limits:significance",
    "table": "studies.shown:table",
    "validate": "studies.validate:validate",
}
"""Where each public name lives; it is imported when it is first asked for (PEP 562)."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from cevnsfit.core.version import VERSION

        return VERSION
    if name not in _HOMES:
        message = f"module 'cevnsfit' has no attribute '{name}'"
        raise AttributeError(message)
    module, _, attribute = _HOMES[name].partition(":")
    home = import_module(f"cevnsfit.{module}")
    return getattr(home, attribute) if attribute else home


def __dir__() -> list[str]:
    return sorted(__all__)
