"""The planes of one scan: each experiment and their combination, what they share read once."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cevnsfit.spec.load import load_experiment
from cevnsfit.studies.setup import changes_of, digest_of, load_experiments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.spec.load import Experiment


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One plane of a scan.

    Attributes
    ----------
    label
        Its name in the store, on plots and in tables.
    analysis
        What is fitted. Experiments without data take part with the expectation of the Standard Model (Asimov data).
    experiments
        Its experiments, as they were read.
    """

    label: str
    analysis: Analysis
    experiments: tuple[Experiment, ...]

    @property
    def digest(self) -> str:
        """Return the digest of all files of the experiments."""
        return digest_of(self.experiments)


def parts_of(analysis: Analysis, *, each: bool) -> tuple[Part, ...]:
    """Return the planes of an analysis: each single experiment when `each` and there are several, then the combination."""
    loaded = load_experiments(analysis)
    combination = Part(" + ".join(entry.name for entry in loaded), analysis, loaded)
    if not each or len(loaded) == 1:
        return (combination,)
    singles = (
        Part(entry.name, dataclasses.replace(analysis, experiments=(name,), overrides=entry.overrides), (entry,))
        for name, entry in zip(analysis.experiments, loaded, strict=True)
    )
    return (*singles, combination)


def load_parts(analyses: Mapping[str, Analysis]) -> tuple[Part, ...]:
    """Return the planes of several analyses by their labels; experiments that several of them share are read once."""
    known: dict[tuple[str, tuple[tuple[str, str], ...]], Experiment] = {}
    parts = []
    for label, analysis in analyses.items():
        keys = [(name, tuple(changes.items())) for name, changes in zip(analysis.experiments, changes_of(analysis), strict=True)]
        for name, changes in keys:
            if (name, changes) not in known:
                known[name, changes] = load_experiment(name, dict(changes))
        parts.append(Part(label, analysis, tuple(known[key] for key in keys)))
    return tuple(parts)
