"""The schema of an analysis file: experiments, model, grid, statistics and pictures of one study, validated like experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from cevnsfit.core.analysis import Analysis, Constraint, Correlation
from cevnsfit.core.documents import plain
from cevnsfit.core.errors import CevnsfitError, Problem, SpecError
from cevnsfit.core.paths import inside
from cevnsfit.spec.catalog import located
from cevnsfit.spec.fields import Printed, Spec, details, explained

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cevnsfit.core.analysis import SignalSystematics
    from cevnsfit.spec.yaml_source import YamlSource


class _Section(Spec):
    model_config = ConfigDict(use_attribute_docstrings=True)


class ResultSpec(_Section):
    """One result of the figure: the experiments that are combined; those without data enter as Asimov data.

    The last combination is drawn filled, everything else as lines.
    """

    label: Printed
    """Its name on the picture, in the tables and in the store."""

    experiments: Annotated[tuple[str, ...], Field(min_length=1)]
    """Shipped names, or folders, relative to that of the file."""

    overrides: dict[str, str | float | int | bool] = Field(default_factory=dict)
    """Fields of experiment.yaml to change, by dotted path: in the experiments that have the field, or in one of them (EXP:PATH)."""


class Measurement(_Section):
    """An external measurement of a parameter, in the place of the constraint that it has."""

    value: float | str
    """Of a normalisation a factor on its nominal rate, of another unit normal in standard deviations, else in the unit of the parameter or another one."""

    error: float | str
    """Its standard error."""

    source: str = ""
    """Where it was measured."""


class CorrelationSpec(_Section):
    """The correlation of the constraints of two parameters."""

    between: tuple[str, str]
    """The parameters."""

    value: Annotated[float, Field(gt=-1, lt=1)]
    """Their correlation."""


def _worded(given: object) -> object:
    """Return a bare number, which lacks its error, as the text that says so."""
    return str(given) if isinstance(given, int | float) else given


def _readable(given: dict[str, str | Measurement]) -> dict[str, str | Measurement]:
    """Return measurements that can be read; ValueError for others."""
    try:
        _constraints(given)
    except CevnsfitError as error:
        raise ValueError(str(error)) from None
    return given


def _constraints(given: Mapping[str, str | Measurement]) -> tuple[Constraint, ...]:
    return tuple(Constraint.of(name, one.model_dump() if isinstance(one, Measurement) else one) for name, one in given.items())


class Confidence(_Section):
    """Threshold of a contour."""

    cl: Annotated[float, Field(gt=0, lt=1)]
    """Confidence level."""

    dof: Annotated[int, Field(ge=1, le=100)] = 2
    """Degrees of freedom of the threshold."""


class Overlay(_Section):
    """A limit: a CSV file with its source, a DARKCAST `.lmt` file, or one of the library."""

    label: Printed | None = None
    """Its name on the picture; that of the library or of the file by default."""

    file: str | None = None
    """A file in the folder of the analysis file, or below it."""

    name: str | None = None
    """A name of the library, see `cevnsfit overlays`."""

    computed: Literal["neutrino-trident"] | None = None
    """The name under which the tridents of CCFR were known."""

    @model_validator(mode="after")
    def _is_one(self) -> Overlay:
        if [self.file, self.name, self.computed].count(None) != 2:
            message = "an overlay is either a file or computed, or has the name of one of the library"
            raise ValueError(message)
        return self

    def source(self, folder: Path) -> str | Path:
        """Return the file, which lies in `folder`, or the name; CevnsfitError for a file elsewhere."""
        return inside(folder, self.file) if self.file is not None else self.name if self.name is not None else "neutrino-trident"


class LookSection(_Section):
    """How the pictures look."""

    style: Literal["screen", "paper", "talk"] = "screen"
    """For screens with a caption below; for a column of a paper, with the caption in a file beside; or for a slide."""

    columns: Literal[1, 2] = 1
    """Columns of a paper that a picture takes."""

    title: Printed | None = None
    """Title of the plane in the place of that of the study; a paper has only this one."""

    xlim: str | None = None
    """Ends of the horizontal axis of the plane, A:B with units or without; by default those of the grid."""

    ylim: str | None = None
    """Ends of the vertical axis; by default they follow from what is drawn."""

    best_fit: bool = True
    """Whether best fits are marked."""

    formats: Annotated[tuple[Literal["png", "pdf", "svg", "pgf"], ...], Field(min_length=1)] = ("png",)
    """Formats in which each picture is written."""


Sign = Literal[-1, 1, "both"]


class SuperpartnerScan(_Section):
    """A scan of superpartners and of the boson of L_mu - L_tau, as `susy-scan` makes it."""

    points: Annotated[int, Field(ge=1)] = 1_000_000
    """How many points are drawn."""

    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the points."""

    electron: str = "electron-rb-2020"
    """Prediction of the electron's moment."""

    electron_measured: str = "electron-2023"
    """Measurement of the electron's moment."""

    muon: str = "muon-2025"
    """Prediction of the muon's moment."""

    muon_measured: str = "muon-2025"
    """Measurement of the muon's moment."""

    sigmas: Annotated[float, Field(gt=0)] = 2.0
    """Largest distance from each deviation, in standard errors."""

    mu_sign: Sign = 1
    """Sign of mu."""

    m1_sign: Sign = 1
    """Sign of M1."""

    m2_sign: Sign = 1
    """Sign of M2."""

    ranges: dict[str, float | str] = Field(default_factory=dict)
    """Where parameters are drawn that are not drawn as by default: LOW:HIGH, LOW:HIGH:log or one value."""

    boson: bool = True
    """Whether there is a boson; its ranges are those of boson_mass and boson_g."""

    boson_limits: Annotated[tuple[str, ...], Field(min_length=1)] = ("all",)
    """Limits that it must pass, each as NAME or NAME:CL: all, none, names of `cevnsfit overlays`, or experiments."""

    experiments: tuple[str, ...] = ()
    """Experiments of coherent scattering whose limit belongs to all of them."""

    cl: Annotated[float, Field(gt=0, lt=1)] = 0.90
    """Confidence level of the limits of coherent scattering."""

    lightest_chargino: Annotated[float, Field(ge=0)] = 100.0
    """Points with a lighter chargino are dropped; in GeV."""

    lightest_slepton: Annotated[float, Field(ge=0)] = 0.0
    """Points with a lighter charged slepton are dropped; in GeV."""


class PlaneRest(_Section):
    """What limits and bands leave of the plane of mass and g, as `slice` finds it, and what results take from that."""

    limits: Annotated[tuple[str, ...], Field(min_length=1)]
    """Limits: names of the library, see `cevnsfit overlays`, or files in the folder of the analysis file, or below it."""

    bands: tuple[str, ...] = ()
    """Bands of a magnetic moment: the name of a prediction, alone or as MEASUREMENT/PREDICTION."""

    masses: str = "mass=10:200:191:log"
    """Masses at which it is printed, mass=START:STOP:COUNT[:log]."""

    cl: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Confidence level of limits that are computed and of results, one degree of freedom."""

    results: tuple[str, ...] = ()
    """Labels of results that are held against what is left, one by one."""


class AnalysisSpec(_Section):
    """One study in a file."""

    schema_version: Literal[1]
    """Version of this layout."""

    title: Printed
    """Title of the picture."""

    description: str = ""
    """Anything the reader should know; it stands on the page of the study."""

    model: str
    """Signal model, see `cevnsfit models`."""

    at: dict[str, float | str] = Field(default_factory=dict)
    """Parameters that are held, with their values: numbers, or texts with a unit."""

    profile: tuple[str, ...] = ()
    """Parameters that float although they are held by default."""

    profile_signal: bool = False
    """Profile the shapes of the signal in `signal-strength`; other models profile all."""

    electrons: bool = False
    """Add neutrino-electron scattering."""

    allow_overlap: bool = False
    """Combine experiments even if they share events."""

    constraints: Annotated[dict[str, Annotated[str | Measurement, BeforeValidator(_worded)]], AfterValidator(_readable)] = Field(
        default_factory=dict
    )
    """External measurements by parameter, VALUE +- ERROR or a section, each in the place of the constraint that the parameter has; in the results that have it."""

    correlations: tuple[CorrelationSpec, ...] = ()
    """Correlations of constraints, also of parameters of different experiments."""

    grid: tuple[str, str] | None = None
    """The two parameters of the plane, NAME=START:STOP:COUNT[:log] each, ends with or without units; the first is drawn horizontally. By default that of a light mediator."""

    results: Annotated[tuple[ResultSpec, ...], Field(min_length=1)]
    """The planes, each of one experiment or of a combination."""

    confidence: Annotated[tuple[Confidence, ...], Field(min_length=1)] = (Confidence(cl=0.90), Confidence(cl=0.95))
    """Thresholds of the contours."""

    g_2: Literal["2020", "2025", "muon-2020", "muon-2025", "electron-cs-2018", "electron-rb-2020", "none"] = "2025"
    """Prediction behind the band of a g-2."""

    overlays: tuple[str | Overlay, ...] = ()
    """Limits of others: names of the library, or sections."""

    spectra: tuple[str, ...] = ()
    """Experiments whose data are drawn against the best fit of the Standard Model."""

    look: LookSection = Field(default_factory=LookSection)
    """How the pictures look; options of `run` come before it."""

    slice: PlaneRest | None = None
    """What limits and bands leave of the plane; a file with this section has a page, `study.md`."""

    susy: SuperpartnerScan | None = None
    """A scan of superpartners and of the boson; a file with this section has a page, `study.md`."""

    @model_validator(mode="after")
    def _has_labels_of_its_own(self) -> AnalysisSpec:
        labels = [result.label for result in self.results]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            message = f"two results have the label {', '.join(twice)}"
            raise ValueError(message)
        return self

    def analyses(self, folder: Path, at: Mapping[str, float], signal_systematics: SignalSystematics | None) -> dict[str, Analysis]:
        """Return the analysis of each result by its label; folders of experiments are relative to `folder`, the values of `at` have the units of the parameters."""
        shared = {
            "model": self.model,
            "at": at,
            "floating": self.profile,
            "signal_systematics": signal_systematics,
            "electrons": self.electrons,
            "allow_overlap": self.allow_overlap,
            "constraints": plain(_constraints(self.constraints)),
            "correlations": plain([Correlation(*pair.between, pair.value) for pair in self.correlations]),
        }
        return {
            result.label: Analysis.of({**shared, "experiments": located(result.experiments, folder), "overrides": result.overrides})
            for result in self.results
        }


def analysis_of(source: YamlSource) -> AnalysisSpec:
    """Return the analysis in a YAML file.

    Raises
    ------
    SpecError
        With every problem of the file, with line and field.
    """
    try:
        return AnalysisSpec.model_validate(source.data)
    except ValidationError as error:
        found = [(detail["loc"], explained(detail, detail["loc"], AnalysisSpec)) for detail in details(error)]
    raise SpecError([Problem(source.name, source.line(loc), source.field(loc), text) for loc, text in found])
