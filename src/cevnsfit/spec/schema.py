"""The schema of experiment.yaml: backgrounds and the whole; frozen pydantic classes in internal units (MeV, cm, g, s, PE)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    Field,
    PositiveFloat,
    model_validator,
)

from cevnsfit.spec.fields import WORKSPACE_PATTERN, FormFactorName, Name, Printed, RelativeError, Spec, TableAxes, TableColumn, TablePath
from cevnsfit.spec.instrument import AnyTimeEfficiency, Auxiliary, AxisSpec, ResponseMatrix, Stage, TimeStage
from cevnsfit.spec.observations import Observed
from cevnsfit.spec.shapes import Shape
from cevnsfit.spec.sources import Source
from cevnsfit.spec.systematics import Systematic
from cevnsfit.spec.target import TargetSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cevnsfit.core.axes import Axis

# --- backgrounds -------------------------------------------------------------------------------------------------------------------


class GaussianCount(Spec):
    """The count in the analysis window is mean +- sigma."""

    kind: Literal["gaussian"]
    mean: PositiveFloat
    sigma: PositiveFloat


class CountedCount(TableColumn):
    """The count is a sum over a measured table, with its Poisson error, divided by `ratio`."""

    kind: Literal["counted"]
    ratio: PositiveFloat = 1.0


class AbsoluteCount(Spec):
    """The shape is already in counts (per GWh of beam when `per_gwh`), with a relative error `sigma`."""

    kind: Literal["absolute"]
    sigma: RelativeError
    per_gwh: bool = False


class FreeCount(Spec):
    """The count is a free parameter, `mean` times a factor that starts at 1; all counts that name the same `shared` factor have it."""

    kind: Literal["free"]
    mean: PositiveFloat
    shared: Name | None = None


class KnownCount(Spec):
    """The count is known."""

    kind: Literal["known"]
    mean: PositiveFloat


class TiedCount(Spec):
    """The count is `ratio` times that of another background, with a relative error `sigma`; that of whole lines, also beyond the window."""

    kind: Literal["tied"]
    to: Name
    ratio: PositiveFloat
    sigma: RelativeError = 0.0


class Projected(Spec):
    """Counts expected in the analysis window: `mean` at an exposure of `at_pot` protons, in proportion to the exposure."""

    mean: PositiveFloat
    at_pot: PositiveFloat


class ProjectedCount(Projected):
    """The count of a projection, which grows with the exposure, with a relative error `sigma`."""

    kind: Literal["projected"]
    sigma: RelativeError


Count = Annotated[
    GaussianCount | CountedCount | AbsoluteCount | FreeCount | KnownCount | TiedCount | ProjectedCount, Field(discriminator="kind")
]


class Background(Spec):
    """A background with a known shape and a prior on its count; `group` is that of its uncertainties."""

    shape: Shape
    count: Count
    group: Name = "background"


class ProjectedBackground(Projected):
    """A background that a projection expects in its analysis window."""

    shape: Shape


class ControlRegionSpec(Spec):
    """A sample that measures one background in each bin: it expects ratio times that background.

    Its counts are a column of a table; those of a projection follow from the background that is `expected`.
    """

    table: TablePath | None = None
    column: str | None = None
    expected: ProjectedBackground | None = None
    ratio: PositiveFloat = 1.0

    @model_validator(mode="after")
    def _one_way(self) -> ControlRegionSpec:
        given = (self.table is not None, self.column is not None)
        if given[0] != given[1] or given[0] == (self.expected is not None):
            message = "give either table and column, or expected (the background of a projection)"
            raise ValueError(message)
        return self

    @property
    def counted(self) -> TableColumn | None:
        """Return the measured counts; None for a projection."""
        return None if self.table is None or self.column is None else TableColumn(table=self.table, column=self.column)


# --- the whole ---------------------------------------------------------------------------------------------------------------------


class Released(Spec):
    """The collaboration's own signal template and priors, for the model `released-templates`."""

    signal: TableColumn
    counts: dict[Name, GaussianCount] = Field(default_factory=dict)


class WorkspaceSpec(Spec):
    """A pyhf workspace that holds the counts and the backgrounds with their systematics.

    Its `signal` samples give way to the prediction, in its `channel`; `shared` names parameters that other experiments have too.
    """

    file: Annotated[str, Field(pattern=WORKSPACE_PATTERN)]
    signal: tuple[str, ...] = ()
    channel: str = ""
    measurement: str = ""
    shared: dict[str, Name] = Field(default_factory=dict)


class ExperimentSpec(Spec):
    """One experiment, as its folder describes it; its `channels` are taken apart before, see `spec.channels`."""

    schema_version: Literal[1]
    name: Name
    title: str
    label: Printed = ""
    status: Literal["data", "projection"] = "data"
    description: str = ""
    references: tuple[str, ...] = ()
    overlaps: tuple[Name, ...] = ()
    source: Source
    target: TargetSpec
    couplings: Literal["default", "cadeddu2020", "tree"] = "default"
    form_factor: FormFactorName = "helm"
    axes: dict[str, AxisSpec]
    response: dict[Name, Stage] = Field(default_factory=dict)
    auxiliary: dict[str, Auxiliary] = Field(default_factory=dict)
    time_response: dict[Name, TimeStage] = Field(default_factory=dict)
    time_efficiency: AnyTimeEfficiency | None = None
    observed: Observed | None = None
    control_region: dict[Name, ControlRegionSpec] = Field(default_factory=dict)
    backgrounds: dict[Name, Background] = Field(default_factory=dict)
    systematics: dict[Name, Systematic] = Field(default_factory=dict)
    released: Released | None = None
    workspace: WorkspaceSpec | None = None
    tables: dict[TablePath, TableAxes] = Field(default_factory=dict)
    channels: dict[Name, dict[str, Any]] = Field(default_factory=dict, exclude=True)

    @property
    def has_data(self) -> bool:
        """Return whether there are observed counts."""
        return self.observed is not None or self.workspace is not None

    def sees_electrons(self) -> bool:
        """Return whether electron recoils can lie in the window: no observable cuts them."""
        return all(entry.electrons is not None for entry in self.auxiliary.values())

    @property
    def has_matrix(self) -> bool:
        """Return whether the response goes from recoil energies straight to the bins."""
        return any(isinstance(stage, ResponseMatrix) for stage in self.response.values())

    def reached(self, axes: Sequence[Axis]) -> tuple[Axis, ...]:
        """Return those of its axes that the response reaches: of a response matrix all but time and the auxiliary ones, else the first."""
        if not self.has_matrix:
            return tuple(axes[:1])
        return tuple(axis for axis in axes if axis.name != "time" and axis.name not in self.auxiliary)

    def parameter_name(self, systematic: str) -> str:
        """Return how the names of a systematic's parameters start: plain when it is shared, else with the name of the experiment in front."""
        entry = self.systematics.get(systematic)
        return systematic if entry is not None and entry.shared else f"{self.name}.{systematic}"
