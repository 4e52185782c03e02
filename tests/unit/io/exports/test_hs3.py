"""HS3 documents: what they say, what comes back, what is refused."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cevnsfit.core.errors import CevnsfitError, ResultError
from cevnsfit.io.exports.histfactory import workspace
from cevnsfit.io.exports.hs3 import hs3_document, read_hs3, write_hs3
from cevnsfit.stats.data import asimov_data, observed_data
from cevnsfit.stats.engine import nll2

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cevnsfit.stats.joint import Joint

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")

COUPLING = {"default": 0.0, "lower": 0.0, "upper": float("inf"), "unit": "1", "scale": "log", "fixed": False, "description": ""}


def metadata(joint: Joint, **held: float) -> dict[str, Any]:
    monomials = workspace(joint, observed_data(joint), {}).monomials
    about = {"model": "toy", "experiments": ["a", "b"], "version": "1", "caveat": "CEvNS only"}
    return {**about, "normfactors": monomials, "couplings": {"g": COUPLING}, "held": held}


@pytest.fixture
def made(make_joint: Callable[..., Joint]) -> dict[str, Any]:
    joint = make_joint()
    return hs3_document(workspace(joint, observed_data(joint), {}).spec, metadata(joint))


def channel(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(entry for entry in document["distributions"] if entry["name"] == name)


def test_codes_functions_and_ranges_are_stored(made: dict[str, Any]) -> None:
    modifiers = [modifier for sample in channel(made, "a")["samples"] for modifier in sample["modifiers"]]
    codes = {(entry["type"], entry["data"]["interpolation"]) for entry in modifiers if "data" in entry}
    assert codes == {("normsys", "code4"), ("histosys", "code4p")}
    assert {entry["name"]: entry["factors"] for entry in made["functions"]} == {"g2": ["g", "g"], "g4": ["g"] * 4}
    points = {entry["name"]: entry for entry in made["parameter_points"][0]["parameters"]}
    assert points["g"] == {"name": "g", "value": 0.0, "const": False}
    assert points["flux"]["const"] is False
    assert "g2" not in points
    ranges = {entry["name"]: entry for entry in made["domains"][0]["axes"]}
    assert ranges["g"] == {"name": "g", "min": 0.0}
    assert sum(name.startswith("b.measured_background_") for name in points) == 12
    assert made["analyses"][0]["parameters_of_interest"] == ["g"]
    assert made["metadata"]["description"].endswith("CEvNS only")


def test_a_held_coupling_is_constant(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    document = hs3_document(workspace(joint, observed_data(joint), {"g": 0.5}).spec, metadata(joint, g=0.5))
    (entry,) = [entry for entry in document["parameter_points"][0]["parameters"] if entry["name"] == "g"]
    assert entry == {"name": "g", "value": 0.5, "const": True}
    assert document["analyses"][0]["parameters_of_interest"] == []


def test_a_constraint_off_zero_is_refused(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    data = asimov_data(joint, joint.parameters.vector({"flux": 0.5}))
    with pytest.raises(CevnsfitError, match="flux is not centred at 0"):
        hs3_document(workspace(joint, data, {}).spec, metadata(joint))


@pytest.mark.usefixtures("needs_pyhs3")
def test_what_comes_back_is_the_same_function(make_joint: Callable[..., Joint], made: dict[str, Any], tmp_path: Path) -> None:
    joint = make_joint()
    (file,) = write_hs3(made, tmp_path / "hs3.json")
    again = read_hs3(file).at({})
    assert set(again.parameters.names) == set(joint.parameters.names) - {"norm"}
    theta = np.random.default_rng(5).uniform(0.2, 1.0, (20, len(joint.parameters.names)))
    theta[:, joint.parameters.index("norm")] = 1.0
    order = [joint.parameters.index(name) for name in again.parameters.names]
    np.testing.assert_allclose(nll2(again, theta[:, order], observed_data(again)), nll2(joint, theta, observed_data(joint)), rtol=1e-12)


def test_bins_where_nothing_can_be_are_left_out(made: dict[str, Any], make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    spec = copy.deepcopy(workspace(joint, observed_data(joint), {}).spec)
    (region,) = [entry for entry in spec["channels"] if entry["name"] == "a"]
    (seen,) = [entry for entry in spec["observations"] if entry["name"] == "a"]
    seen["data"][3] = 0.0
    for sample in region["samples"]:
        sample["data"][3] = 0.0
        for modifier in sample["modifiers"]:
            if modifier["type"] == "histosys":
                modifier["data"]["hi_data"][3] = modifier["data"]["lo_data"][3] = 0.0
    document = hs3_document(spec, metadata(joint))
    assert document["misc"]["cevnsfit"]["bins"]["a"] == [k for k in range(20) if k != 3]
    assert channel(document, "a")["axes"][0]["nbins"] == 19
    assert channel(made, "a")["axes"][0]["nbins"] == 20


def first(document: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(m for s in channel(document, "a")["samples"] for m in s["modifiers"] if m["type"] == kind)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d.pop("analyses"), "KeyError: 'analyses'"),
        (lambda d: d["analyses"][0].update(likelihood="other"), "not enough values"),
        (lambda d: d["likelihoods"][0].update(aux_distributions=["x"]), "auxiliary distributions have no counterpart"),
        (lambda d: d["functions"][0].update(type="generic_function", expression="g**2"), "g2 is not a product"),
        (lambda d: d["functions"][0].update(factors=[2.0, "g"]), "g2 is not a product"),
        (lambda d: first(d, "normsys")["data"].update(interpolation="code1"), "interpolation code1"),
        (lambda d: first(d, "histosys")["data"].update(interpolation="code0"), "interpolation code0"),
        (lambda d: first(d, "normsys").update(constraint="Poisson"), "constraint Poisson"),
        (lambda d: first(d, "histosys").update(type="staterror"), "a staterror has no counterpart"),
        (lambda d: channel(d, "a")["samples"][0]["data"]["contents"].append(1.0), "of different lengths"),
        (lambda d: channel(d, "a").update(samples=3), "TypeError"),
        (lambda d: channel(d, "a").update(type="gaussian_dist"), "the gaussian_dist a has no counterpart"),
        (lambda d: d["data"][0].update(type="unbinned"), "the unbinned data a.data have no counterpart"),
        (
            lambda d: d["analyses"].append({**d["analyses"][0], "name": "other"}),
            "choose the analysis with measurement=...: there are analysis, other",
        ),
        (lambda d: first(d, "normsys").update(parameter="b.measured_background_0"), "is shared by modifiers of different names"),
        (lambda d: d["parameter_points"][0]["parameters"][-2].update(const=True), "are constant and others are not"),
        (lambda d: d["data"][0].update(contents=[["x"]]), "not a workspace"),
    ],
    ids=range(17),
)
def test_documents_that_are_refused(made: dict[str, Any], change: Callable[[dict[str, Any]], object], reason: str, tmp_path: Path) -> None:
    document = copy.deepcopy(made)
    change(document)
    path = tmp_path / "hs3.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ResultError, match=reason):
        read_hs3(path)


@pytest.mark.parametrize("content", [b"", b"{", b"\x80\x04", b"[" * 100_000, b'{"a": NaN}'], ids=["empty", "cut", "binary", "deep", "NaN"])
def test_files_that_are_no_documents(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "hs3.json"
    path.write_bytes(content)
    with pytest.raises(ResultError):
        read_hs3(path)


@pytest.mark.usefixtures("needs_pyhs3")
def test_a_document_that_pyhs3_does_not_accept_is_not_written(made: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(CevnsfitError, match="pyhs3 does not accept"):
        write_hs3({**made, "likelihoods": [{"name": "likelihood", "distributions": ["none"], "data": ["none"]}]}, tmp_path / "hs3.json")
    assert not (tmp_path / "hs3.json").exists()


def test_the_extra_is_named(made: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyhs3", None)
    with pytest.raises(CevnsfitError, match=r"install 'cevnsfit\[hs3\]'"):
        write_hs3(made, tmp_path / "hs3.json")
