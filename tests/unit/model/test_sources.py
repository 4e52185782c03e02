"""Kinds of sources: each has a function, an unknown one is refused, and a further one needs its schema and its physics only."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import numpy as np
import pytest
from pydantic import Field

from cevnsfit.core.errors import SpecError, UnknownNameError
from cevnsfit.core.paths import data_root
from cevnsfit.model.build import likelihood_of
from cevnsfit.model.flux import flux_of, highest_energy
from cevnsfit.model.signal import contract, fold_signal
from cevnsfit.model.sources import SOURCES, source_of
from cevnsfit.physics.interactions.terms import sm_charge
from cevnsfit.physics.sources import BinnedArrival, Emission, NeutrinoSource, Spectrum, isotropic, pion_decay_at_rest
from cevnsfit.spec.load import load_experiment
from cevnsfit.spec.schema import ExperimentSpec
from cevnsfit.spec.sources import DecayAtRest, Source, SourceSpec
from cevnsfit.stats.joint import expected

if TYPE_CHECKING:
    from pathlib import Path

    from cevnsfit.spec.load import Experiment

ARGON = "ccm-200-recoil"
PROMPT = 3e22 * 0.0425
((LINE, _),) = pion_decay_at_rest()["nu_mu"].lines


class Lamp(SourceSpec):
    """Neutrinos of one energy, a number of them."""

    kind: Literal["lamp"]
    neutrinos: float
    energy: float


class LitSpec(ExperimentSpec):
    source: Annotated[DecayAtRest | Lamp, Field(discriminator="kind")]


def lamp(given: Lamp, _: object) -> NeutrinoSource:
    line = Spectrum(lines=((given.energy, 1.0),))
    fluence = isotropic(given.neutrinos, given.distance)
    return NeutrinoSource(fluence, (Emission("nu_mu", (line,), (BinnedArrival((1.0,)),), np.ones((1, 1))),))


@pytest.fixture(scope="module")
def shipped() -> Experiment:
    return load_experiment(ARGON)


@pytest.fixture
def lit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of an experiment at a lamp that shines as the prompt neutrinos of the Lujan source do."""
    monkeypatch.setattr("cevnsfit.spec.load.ExperimentSpec", LitSpec)
    monkeypatch.setattr("cevnsfit.spec.description.data_root", lambda: tmp_path)
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "desk.yaml").write_text(f"kind: lamp\nenergy: {LINE!r}\n", encoding="utf-8")
    folder = tmp_path / "lit"
    shutil.copytree(data_root() / "experiments" / ARGON, folder)
    file = folder / "experiment.yaml"
    before, _, after = file.read_text(encoding="utf-8").partition("source:\n")
    section = f"source:\n  name: desk\n  neutrinos: {PROMPT}\n  distance: 20 m\n\n"
    file.write_text(before + section + after[after.index("target:") :], encoding="utf-8")
    return folder


def test_a_further_kind_needs_its_schema_and_its_physics_only(shipped: Experiment, lit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SOURCES, "lamp", lamp)
    experiment = load_experiment(lit)
    joint = likelihood_of([experiment], "sm").at({})
    found = expected(joint, joint.parameters.defaults())[ARGON]["cevns"]
    assert highest_energy(experiment) == LINE
    assert experiment.spec.source.exposure("pot") is None

    signal = fold_signal(shipped)
    charges = np.concatenate([sm_charge(target, "mu") ** 2 for target in signal.targets])
    squares = np.zeros((1, len(signal.flux.flavours), len(charges), 1))
    squares[0, signal.flux.flavours.index("nu_mu"), :, 0] = charges
    np.testing.assert_allclose(found, contract(signal, squares)[0, 0].ravel(), rtol=1e-6, atol=1e-6 * found.max())


def test_problems_of_a_further_kind_name_file_line_and_field(lit: Path) -> None:
    file = lit / "experiment.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("distance: 20 m", "distance: 20 kg"), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load_experiment(lit)
    (problem,) = caught.value.problems
    assert (problem.line, problem.field) == (15, "source.distance")


def test_counts_that_grow_with_protons_need_protons(lit: Path) -> None:
    shape = {"kind": "product", "factors": {"t_recoil": {"kind": "uniform"}}}
    beam = {"shape": shape, "count": {"kind": "projected", "mean": 5.0, "at_pot": 1e21, "sigma": 0.1}}
    with pytest.raises(SpecError, match="a source of kind 'lamp' has no protons on target"):
        load_experiment(lit, {"backgrounds": {"beam": beam}})


def test_a_kind_without_a_function_is_refused_with_the_known_ones(lit: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown kind of source 'lamp'"):
        source_of(load_experiment(lit))


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SpecError, match=r"source.*'lamp'.*'decay-at-rest'"):
        load_experiment(ARGON, {"source.kind": "lamp"})


def test_the_kind_may_be_left_out() -> None:
    assert load_experiment(ARGON).spec.source == load_experiment(ARGON, {"source.kind": "decay-at-rest"}).spec.source


def test_every_kind_of_the_schema_has_a_function() -> None:
    union, *_ = get_args(Source)
    members = get_args(union) if get_args(union) else (union,)
    assert {kind for entry in members for kind in get_args(entry.model_fields["kind"].annotation)} == set(SOURCES)


def test_prompt_and_delayed_neutrinos_share_their_arrival_times() -> None:
    emissions = source_of(load_experiment("coherent-csi-2021")).emissions
    prompt, *delayed = (
        [emission.flavour for emission in emissions if emission.arrivals == arrivals]
        for arrivals in dict.fromkeys(e.arrivals for e in emissions)
    )
    assert (prompt, delayed) == (["nu_mu"], [["nubar_mu", "nu_e"]])
    assert flux_of(load_experiment("coherent-csi-2021")).arrivals == (0, 1, 1)
