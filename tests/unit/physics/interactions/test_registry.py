from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints

import pytest

from cevnsfit.core import entries
from cevnsfit.core.errors import CevnsfitError, UnknownNameError
from cevnsfit.core.parameters import ParameterSet, merge
from cevnsfit.physics import interactions
from cevnsfit.physics.interactions import model_names, signal_model

SHIPPED = (
    "sm signal-strength weak-mixing-angle neutron-radius universal b-l b-3l-e b-3l-mu b-3l-tau b-2l-e-l-mu "
    "b-y-l-mu-l-tau lmu-ltau le-lmu le-ltau vector nsi scalar-universal scalar magnetic-moment charge-radius "
    "millicharge cross-section flavour-strengths neutron-radii neutron-skin sterile sm-axial axial pseudoscalar tensor contact "
    "dipole-portal upscatter-vector upscatter-scalar upscatter-tensor electroweak "
    "source-strengths muon-decay sterile-mixing non-unitarity nsi-nucleons nsi-eta dark-photon lmu-ltau-mixing"
)


@pytest.mark.parametrize("name", SHIPPED.split())
def test_shipped_models_are_complete(name: str) -> None:
    model = signal_model(name)
    assert model.name == name
    assert name in model_names()
    assert model.title
    assert model.lagrangian.startswith("L = ")
    assert model.references
    assert len(ParameterSet(model.parameters)) == len(model.parameters)


def test_parameters_of_one_name_are_one_parameter() -> None:
    assert {"g", "mass", "loop_sign"} <= set(merge(signal_model(name).parameters for name in model_names()).names)


def test_models_with_a_tree_level_electron_coupling_are_labelled() -> None:
    labelled = {name for name in SHIPPED.split() if signal_model(name).label == "CEvNS only"}
    mediators = {"scalar-universal", "universal", "b-l", "b-3l-e", "b-2l-e-l-mu", "le-lmu", "le-ltau", "dark-photon", "lmu-ltau-mixing"}
    with_a_charge = {"vector": "q_e", "scalar": "q_e", "nsi-eta": "phi"}
    assert labelled == mediators | {*with_a_charge} | {"magnetic-moment", "charge-radius", "millicharge", "dipole-portal"}
    for name in labelled - {*with_a_charge}:
        assert signal_model(name).caveat({}) == "CEvNS only"
    for name, charge in with_a_charge.items():
        assert [signal_model(name).caveat(values) for values in ({}, {charge: 0.0}, {charge: -1.0})] == ["", "", "CEvNS only"]
        assert signal_model(name).caveat({}, free=("g", charge)) == "CEvNS only"


def test_unknown_model_lists_near_matches() -> None:
    with pytest.raises(UnknownNameError, match="lmu-ltau"):
        signal_model("lmu_ltau")


def _plugins(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    points = EntryPoints([EntryPoint(name, value, "cevnsfit.models")])
    monkeypatch.setattr(entries, "entry_points", lambda group: points.select(group=group))


def test_a_plugin_of_another_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _plugins(monkeypatch, "mine", "cevnsfit.physics.interactions.standard_model:standard_model")
    assert model_names()[-1] == "mine"
    with pytest.raises(CevnsfitError, match="named 'mine'"):
        signal_model("mine")


def test_a_plugin_is_loaded_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interactions, "_shipped", dict)
    _plugins(monkeypatch, "sm", "cevnsfit.physics.interactions.standard_model:standard_model")
    assert signal_model("sm").title == "Standard Model"


@pytest.mark.parametrize("value", ["no_such_package:model", "???", "", ".relative:model", "__main__:no_such_model"])
def test_a_broken_plugin_hurts_only_who_asks_for_it(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    _plugins(monkeypatch, "broken", value)
    with pytest.raises(CevnsfitError, match=r"the plug-in 'broken' .* cannot be loaded"):
        signal_model("broken")
    assert signal_model("sm").name == "sm"
    assert "broken" in model_names()
