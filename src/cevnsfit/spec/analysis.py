"""The schema of an analysis file: experiments, model, grid, statistics and pictures of one study, validated like experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cevnsfit.core.analysis import Analysis
from cevnsfit.core.errors import Problem, SpecError
from cevnsfit.spec.yaml_source import read_yaml

if TYPE_CHECKING:
    from pathlib import Path


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ResultSpec(_Section):
    """One result of the figure: the experiments that are combined; those without data enter as Asimov data.

    The last combination is drawn filled, everything else as lines.
    """

    label: str
    experiments: Annotated[tuple[str, ...], Field(min_length=1)]
    overrides: dict[str, str | float | int | bool] = {}


class Confidence(_Section):
    """Threshold of a contour."""

    cl: Annotated[float, Field(gt=0, lt=1)]
    dof: Annotated[int, Field(ge=1)] = 2


class Overlay(_Section):
    """A curve: a CSV file with its source, a DARKCAST `.lmt` file, or one that is computed."""

    label: str
    file: str | None = None
    computed: Literal["neutrino-trident"] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Overlay:
        if (self.file is None) == (self.computed is None):
            message = "an overlay is either a file or computed"
            raise ValueError(message)
        return self


class AnalysisSpec(_Section):
    """One study in a file."""

    schema_version: Literal[1]
    title: str
    description: str = ""
    model: str
    at: dict[str, float] = {}
    grid: Annotated[tuple[str, ...], Field(min_length=2, max_length=2)]
    results: Annotated[tuple[ResultSpec, ...], Field(min_length=1)]
    confidence: Annotated[tuple[Confidence, ...], Field(min_length=1)] = (Confidence(cl=0.90), Confidence(cl=0.95))
    g_2: Literal["2020", "2025", "electron-cs-2018", "electron-rb-2020", "none"] = "none"
    overlays: tuple[Overlay, ...] = ()
    spectra: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _has_labels_of_its_own(self) -> AnalysisSpec:
        labels = [result.label for result in self.results]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            message = f"two results have the label {', '.join(twice)}"
            raise ValueError(message)
        return self

    @property
    def analyses(self) -> dict[str, Analysis]:
        """Return the analysis of each result by its label."""
        shared = {"model": self.model, "at": self.at}
        return {result.label: Analysis.of({**shared, **result.model_dump(exclude={"label"})}) for result in self.results}


def load_analysis(path: Path) -> AnalysisSpec:
    """Return the analysis in a YAML file.

    Raises
    ------
    SpecError
        With every problem of the file, with line and field.
    """
    source = read_yaml(path)
    try:
        return AnalysisSpec.model_validate(source.data)
    except ValidationError as error:
        problems = []
        for detail in error.errors():
            text = "unknown field" if detail["type"] == "extra_forbidden" else detail["msg"].removeprefix("Value error, ")
            problems.append(Problem(source.name, source.line(detail["loc"]), source.field(detail["loc"]), text))
    raise SpecError(problems)
