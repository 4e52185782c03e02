"""The planes of one scan: each experiment and their combination, what they share read once."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cevnsfit.spec.catalog import experiment_names
from cevnsfit.spec.load import load_experiment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cevnsfit.spec.load import Experiment
    from cevnsfit.studies.setup import Analysis


@dataclass(frozen=True, slots=True)
class Part:
    """One plane of a scan.

    Attributes
    ----------
    label
        Its name in the store, on plots and in tables.
    analysis
        What is fitted. Experiments without data take part with the expectation of the Standard Model (Asimov data).
    """

    label: str
    analysis: Analysis


def parts_of(analysis: Analysis, *, each: bool) -> tuple[Part, ...]:
    """Return the planes of an analysis: each single experiment when `each` and there are several, then the combination."""
    singles = analysis.experiments if each and len(analysis.experiments) > 1 else ()
    parts = [*(dataclasses.replace(analysis, experiments=(name,)) for name in singles), analysis]
    shipped = experiment_names()
    names = {name: name if name in shipped else load_experiment(name, dict(analysis.overrides)).name for name in analysis.experiments}
    return tuple(Part(" + ".join(names[name] for name in part.experiments), part) for part in parts)


def load_parts(parts: Sequence[Part]) -> dict[str, tuple[Experiment, ...]]:
    """Return the experiments of each part by its label; what several parts share is read once."""
    known: dict[tuple[str, tuple[tuple[str, str], ...]], Experiment] = {}
    for part in parts:
        for name in part.analysis.experiments:
            key = (name, part.analysis.overrides)
            if key not in known:
                known[key] = load_experiment(name, dict(part.analysis.overrides))
    return {part.label: tuple(known[name, part.analysis.overrides] for name in part.analysis.experiments) for part in parts}
