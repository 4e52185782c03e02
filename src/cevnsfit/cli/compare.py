"""`cevnsfit compare`: two models of the same data."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

from cevnsfit.cli.command import command, option
from cevnsfit.cli.options import LOOK, AnalysisOptions, LookOptions, ToyOptions, WorkerOptions, assignments, drawn, models_known, picture
from cevnsfit.cli.output import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class PairOptions(AnalysisOptions):
    """What is analysed, with two models."""

    model: Annotated[list[str], option("--model -m", "The two models: -m A -m B.", "MODEL", models_known)]  # type: ignore[assignment]

    def each(self) -> list[AnalysisOptions]:
        """Return what is analysed with each model: held and floating parameters are for those that have them.

        Raises
        ------
        CevnsfitError
            If there are not two models.
        """
        from cevnsfit.core.errors import CevnsfitError
        from cevnsfit.studies.setup import units_of

        if len(self.model) != 2:
            message = f"two models are compared, -m A -m B, not {len(self.model)}"
            raise CevnsfitError(message)
        own = [{*units_of(model)} for model in self.model]
        given = {field.name: getattr(self, field.name) for field in fields(AnalysisOptions)}

        def kept(texts: list[str] | None, k: int) -> list[str]:
            names = [(text, text.partition("=")[0]) for text in texts or ()]
            return [text for text, name in names if name in own[k] or name not in own[1 - k]]

        return [
            AnalysisOptions(**{**given, "model": model, "at": kept(self.at, k), "profile": kept(self.profile, k)})
            for k, model in enumerate(self.model)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceOptions(LookOptions):
    """The evidences, and the picture."""

    evidence: Annotated[bool, option("--evidence", "Give the ratio of the evidences by nested sampling, which depends on the priors.")] = (
        False
    )
    prior: Annotated[
        list[str] | None,
        option("--prior", "Prior of a parameter, as of `posterior`; repeatable.", "NAME=LOW:HIGH[:log]|NAME=gaussian:MEAN:SIGMA"),
    ] = None
    target: Annotated[Path | None, option("--plot", "Picture of the toys of both models: png, pdf, svg or pgf.", "FILE")] = None


@command(
    f"experiments model at profile profile_signal evidence prior toys seed jobs dask folder changes allow_overlap electrons constrain correlate target {LOOK}"
)
def compare(what: PairOptions, asked: EvidenceOptions, toys: ToyOptions, workers: WorkerOptions) -> Answer:
    """Compare two models of the same data: likelihood ratio, its p-value from toys of each model, and evidence ratio.

    Couplings and masses float in both unless held. p of a model: how often its toys speak as clearly against it as the data do.
    """
    from cevnsfit.studies import comparison

    look, (first, second) = asked.over(), what.each()
    path = None if asked.target is None else picture(asked.target, look)
    priors = (asked.prior or ()) if asked.evidence or asked.prior else None
    held = assignments(first.at, first.model) | assignments(second.at, second.model)
    with workers.running() as where:
        result = comparison.compare(
            first.likelihood, second.likelihood, at=held, toys=toys.asked, priors=priors, store=toys.folder, **where
        )
    return Answer(result, files=drawn(result, path, look) or None, analysis=first.analysis, seed=toys.used_seed)
