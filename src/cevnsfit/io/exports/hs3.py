"""Likelihoods as HS3 documents: the samples of a HistFactory workspace, with monomials of couplings as functions and interpolation codes stored.

A normfactor that stands for a monomial of couplings ("g2", "g4") is a product function of the couplings, which therefore float; every normsys and
histosys names its interpolation code. Bins in which nothing is ever expected and nothing was seen are left out, because log(0) enters
there; the document names the bins that it keeps.

References
----------
HEP Statistics Serialization Standard (HS3), version 0.2: histfactory_dist and product; the codes are those of Heinrich, Feickert, Stark, JOSS 6
(2021) 2823 (pyhf).
"""

from __future__ import annotations

import logging
import math
import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.documents import plain, read_document, write_document
from cevnsfit.core.errors import CevnsfitError, ResultError
from cevnsfit.core.extras import optional
from cevnsfit.io.exports.histfactory import VERSION
from cevnsfit.model.workspace import MALFORMED, likelihood_of
from cevnsfit.spec.workspaces import MAX_BYTES, validate
from cevnsfit.stats.constraints import CONSTRAINTS, Constraints, constraining

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from cevnsfit.stats.likelihood import Likelihood

    Spec = Mapping[str, Any]
    Values = dict[str, Any]

HS3_VERSION: Final = "0.2"
LIKELIHOOD: Final = "likelihood"
ANALYSIS: Final = "analysis"
OURS: Final = "cevnsfit"
"""The name under `misc` of what HS3 has no place for."""

WIDE: Final = 1e6
"""An end of a range that is not given, in a workspace."""

_CODES: Final = {"normsys": "code4", "histosys": "code4p"}
_NUMBER: Final = re.compile(r"\((-?\d[\d.e+-]*)\)")
"""A number in an expression of ours."""

_DOMAIN, _START = "default_domain", "default_values"


def hs3_document(workspace: Spec, metadata: Spec) -> Values:
    """Return a HistFactory workspace as an HS3 document.

    Parameters
    ----------
    workspace
        The workspace, from `histfactory.workspace`.
    metadata
        What the numbers are, with `normfactors` (monomials behind normfactors) and `couplings`; it goes into `misc`.

    Raises
    ------
    CevnsfitError
        If a constraint is not centred at 0, which the histfactory_dist of HS3 cannot say.
    """
    monomials = {name: powers for name, powers in metadata["normfactors"].items() if powers != {name: 1}}
    observed = {entry["name"]: np.array(entry["data"]) for entry in workspace["observations"]}
    kept = {channel["name"]: _kept(channel, observed[channel["name"]]) for channel in workspace["channels"]}
    channels = [_channel(channel, kept[channel["name"]]) for channel in workspace["channels"]]
    names = [channel["name"] for channel in channels]
    block, aliases = _block(metadata.get("constraints"), workspace["channels"])
    beside = {"aux_distributions": [CONSTRAINTS]} if block else {}
    data = [
        {"name": f"{name}.data", "type": "binned", "axes": _axes(name, len(kept[name])), "contents": observed[name][kept[name]].tolist()}
        for name in names
    ]
    couplings = list(_couplings(metadata["couplings"], metadata["held"]))
    parameters = [*(p for p in _parameters(workspace, monomials) if p["name"] not in metadata["couplings"]), *couplings]
    free = [entry["name"] for entry in couplings if not entry["const"]]
    analysis = {"name": ANALYSIS, "likelihood": LIKELIHOOD, "domains": [_DOMAIN], "init": _START, "parameters_of_interest": free}
    return {
        "metadata": _metadata(metadata),
        "distributions": [*channels, *block],
        "functions": [*(_product(name, powers) for name, powers in monomials.items()), *aliases],
        "data": data,
        "likelihoods": [{"name": LIKELIHOOD, "distributions": names, "data": [entry["name"] for entry in data], **beside}],
        "domains": [{"name": _DOMAIN, "type": "product_domain", "axes": [_range(entry) for entry in parameters]}],
        "parameter_points": [
            {"name": _START, "parameters": [{key: entry[key] for key in ("name", "value", "const")} for entry in parameters]}
        ],
        "analyses": [analysis],
        "misc": {OURS: {**plain(metadata), "bins": {name: bins.tolist() for name, bins in kept.items()}}},
    }


def _metadata(metadata: Spec) -> Values:
    caveat = f"; {metadata['caveat']}" if metadata.get("caveat") else ""
    return {
        "hs3_version": HS3_VERSION,
        "packages": [{"name": OURS, "version": str(metadata["version"])}],
        "description": f"{metadata['model']}: {', '.join(metadata['experiments'])}{caveat}",
    }


def _kept(channel: Spec, counts: np.ndarray) -> np.ndarray:
    """Return the bins in which something is expected or was seen."""
    used = counts > 0
    for sample in channel["samples"]:
        used |= np.array(sample["data"]) != 0
        for modifier in sample["modifiers"]:
            if modifier["type"] == "histosys":
                used |= (np.array(modifier["data"]["hi_data"]) != 0) | (np.array(modifier["data"]["lo_data"]) != 0)
    return np.flatnonzero(used)


def _axes(channel: str, bins: int) -> list[Values]:
    """Return the one axis of a channel: the number of its bin, in C order of the axes of the experiment."""
    return [{"name": f"{channel}.bin", "min": 0, "max": bins, "nbins": bins}]


def _channel(channel: Spec, kept: np.ndarray) -> Values:
    samples = [
        {
            "name": sample["name"],
            "data": {"contents": _pick(sample["data"], kept)},
            "modifiers": [_modifier(modifier, kept) for modifier in sample["modifiers"]],
        }
        for sample in channel["samples"]
    ]
    return {"name": channel["name"], "type": "histfactory_dist", "axes": _axes(channel["name"], len(kept)), "samples": samples}


def _modifier(modifier: Spec, kept: np.ndarray) -> Values:
    name, kind, data = modifier["name"], modifier["type"], modifier["data"]
    if kind == "shapefactor":
        return {"name": name, "type": kind, "parameters": [_in_bin(name, k) for k in kept]}
    entry = {"name": name, "type": kind, "parameter": name}
    if kind == "normfactor":
        return entry
    entry["constraint"] = "Gauss"
    if kind == "normsys":
        return {**entry, "data": {"hi": data["hi"], "lo": data["lo"], "interpolation": _CODES[kind]}}
    sides = {side: {"contents": _pick(data[f"{side}_data"], kept)} for side in ("hi", "lo")}
    return {**entry, "data": {**sides, "interpolation": _CODES[kind]}}


def _pick(values: Sequence[float], kept: np.ndarray) -> list[float]:
    return [float(value) for value in np.array(values)[kept]]


def _in_bin(name: str, k: int) -> str:
    return f"{name}_{k}"


def _block(constraints: Spec | None, channels: Sequence[Spec]) -> tuple[list[Values], list[Values]]:
    """Return a block of constraints as a distribution, over the unit normals that its parameters have, and plain names for these; none without one."""
    if not constraints:
        return [], []
    normal = {m["name"] for c in channels for s in c["samples"] for m in s["modifiers"] if m["type"] in _CODES}
    names, precision = constraints["names"], np.linalg.inv(np.array(constraints["covariance"])).tolist()
    away = [f"({CONSTRAINTS}_{k} - ({centre!r}))" for k, centre in enumerate(constraints["centres"])]
    terms = [f"({value!r})*{away[i]}*{away[j]}" for i, row in enumerate(precision) for j, value in enumerate(row)]
    terms += [f"(-1.0)*{CONSTRAINTS}_{k}**2" for k, name in enumerate(names) if name in normal]
    aliases = [{"name": f"{CONSTRAINTS}_{k}", "type": "product", "factors": [name]} for k, name in enumerate(names)]
    return [{"name": CONSTRAINTS, "type": "generic_dist", "expression": f"exp(-0.5*({' + '.join(terms)}))"}], aliases


def _product(name: str, powers: Mapping[str, int]) -> Values:
    return {"name": name, "type": "product", "factors": [coupling for coupling, power in powers.items() for _ in range(power)]}


def _parameters(workspace: Spec, monomials: Spec) -> Iterator[Values]:
    """Yield name, value, const, min and max of every parameter that is no coupling; one for each bin of a shapefactor."""
    measured = {m["name"] for c in workspace["channels"] for s in c["samples"] for m in s["modifiers"] if m["type"] == "shapefactor"}
    for entry in workspace["measurements"][0]["config"]["parameters"]:
        name = entry["name"]
        if any(centre != 0.0 for centre in entry.get("auxdata", [])):
            message = f"the constraint of {name} is not centred at 0, which HS3 cannot say of a histfactory_dist"
            raise CevnsfitError(message)
        if name in monomials:
            continue
        for k, (value, (low, high)) in enumerate(zip(entry["inits"], entry["bounds"], strict=True)):
            label = _in_bin(name, k) if name in measured else name
            yield {"name": label, "value": value, "const": bool(entry.get("fixed", False)), "min": low, "max": high}


def _couplings(couplings: Mapping[str, Spec], held: Spec) -> Iterator[Values]:
    """Yield the same for the couplings; a held one is constant at its value."""
    for name, entry in couplings.items():
        value = float(held.get(name, entry["default"]))
        const = bool(entry["fixed"]) or name in held
        yield {"name": name, "value": value, "const": const, "min": entry["lower"], "max": entry["upper"]}


def _range(entry: Spec) -> Values:
    """Return the range of a parameter; an end that is infinite is left out."""
    ends = {
        end: float(entry[end])
        for end in ("min", "max")
        if entry[end] is not None and abs(entry[end]) < math.inf and abs(entry[end]) != WIDE
    }
    return {"name": entry["name"], **ends}


# --- files -------------------------------------------------------------------------------------------------------------------------


def write_hs3(document: Spec, path: Path) -> tuple[Path, ...]:
    """Write an HS3 document that pyhs3 accepts.

    Raises
    ------
    CevnsfitError
        If pyhs3 is not installed or does not accept the document.
    """
    library = load_pyhs3()
    try:
        library.Workspace(**document)
    except (ValueError, TypeError, library.exceptions.HS3Exception) as error:
        message = f"pyhs3 does not accept the document: {' '.join(str(error).split())[:300]}"
        raise CevnsfitError(message) from None
    write_document(path, document)
    return (path,)


def load_pyhs3() -> Any:
    """Return the package pyhs3, which checks HS3 documents, with loggers as they were before it was imported."""
    with _loggers_kept():
        optional("pyhs3.exceptions", "hs3")
        return optional("pyhs3", "hs3")


@contextmanager
def _loggers_kept() -> Iterator[None]:
    """Undo what an import does to logging: pyhs3 disables every logger that exists and puts handlers of its own on the root."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    known = {name: entry for name, entry in logging.root.manager.loggerDict.items() if isinstance(entry, logging.Logger)}
    disabled = {name: entry.disabled for name, entry in known.items()}
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        for name, entry in known.items():
            entry.disabled = disabled[name]


def read_hs3(path: Path, analysis: str = "") -> Likelihood:
    """Return the likelihood of an analysis, or the only one, of an HS3 document of histfactory_dist channels; products of parameters are monomials of couplings.

    Raises
    ------
    ResultError
        If the file is not readable, too large, not such a document, or holds what has no counterpart here.
    """
    document = read_document(path, MAX_BYTES)
    try:
        spec, metadata = _workspace(document, analysis)
        validate(spec, "workspace")
        return _constrained(likelihood_of(spec, metadata), metadata.get("constraints"))
    except (*MALFORMED, CevnsfitError) as error:
        message = f"{path}: cannot be used as an HS3 likelihood ({type(error).__name__}: {' '.join(str(error).split())[:300]})"
        raise ResultError(message) from None


def _constrained(likelihood: Likelihood, constraints: Spec | None) -> Likelihood:
    """Return a likelihood with a block of constraints, if there is one."""
    if constraints is None:
        return likelihood
    block = Constraints(tuple(constraints["names"]), *(np.array(constraints[key], dtype=np.float64) for key in ("centres", "covariance")))
    texts = tuple(
        f"{name} = {a:g} +- {s:g}" for name, a, s in zip(block.names, block.centres, np.sqrt(np.diag(block.covariance)), strict=True)
    )
    for name in block.names:
        likelihood.parameters.index(name)
    return replace(likelihood, build=constraining(likelihood.build, block, ()), constraints=texts)


def _workspace(document: Spec, chosen: str) -> tuple[Values, Values]:
    """Return a document as a HistFactory workspace, and the metadata that name its couplings."""
    named = {kind: {entry["name"]: entry for entry in document.get(kind, ())} for kind in ("distributions", "data", "functions")}
    analyses = {entry["name"]: entry for entry in document["analyses"]}
    if chosen not in analyses and (chosen or len(analyses) > 1):
        message = f"choose the analysis with measurement=...: there are {', '.join(analyses)}"
        raise ValueError(message)
    analysis = analyses[chosen] if chosen else next(iter(analyses.values()))
    (likelihood,) = (entry for entry in document["likelihoods"] if entry["name"] == analysis["likelihood"])
    pairs = [(named["distributions"][d], named["data"][k]) for d, k in zip(likelihood["distributions"], likelihood["data"], strict=True)]
    ours = document.get("misc", {}).get(OURS, {})
    given = ours.get("constraints")
    known, aliases = _block(given, [named["distributions"][name] for name in likelihood["distributions"]])
    beside = [named["distributions"].get(name, {}) for name in likelihood.get("aux_distributions", ())]
    strange = ["auxiliary distributions have"] * (not _alike(beside, known))
    strange += [f"the {d['type']} {d['name']} has" for d, _ in pairs if d["type"] != "histfactory_dist"]
    strange += [f"the {data['type']} data {data['name']} have" for _, data in pairs if data["type"] != "binned"]
    if strange:
        message = f"{strange[0]} no counterpart"
        raise ValueError(message)
    points = {p["name"]: p for entry in document["parameter_points"] if entry["name"] == analysis["init"] for p in entry["parameters"]}
    ranges = {a["name"]: a for entry in document["domains"] if entry["name"] in analysis["domains"] for a in entry["axes"]}
    monomials: dict[str, dict[str, int]] = {
        name: _powers(function) for name, function in named["functions"].items() if function not in aliases
    }
    monomials |= {name: {name: 1} for name in analysis.get("parameters_of_interest", ()) if not any(name in m for m in monomials.values())}
    ours = ours.get("couplings", {})
    names = dict.fromkeys(name for powers in monomials.values() for name in powers)
    couplings = {name: {**ours.get(name, {}), **_setting(points.get(name, {}), ranges.get(name, {}))} for name in names}
    channels = [{"name": d["name"], "samples": [_sample(sample) for sample in d["samples"]]} for d, _ in pairs]
    members = _members([d for d, _ in pairs])
    config = [_settings(name, own, points, ranges) for name, own in members.items() if name not in {**couplings, **monomials}]
    spec = {
        "channels": channels,
        "observations": [{"name": d["name"], "data": data["contents"]} for d, data in pairs],
        "measurements": [{"name": OURS, "config": {"poi": "", "parameters": config}}],
        "version": VERSION,
    }
    return spec, {"normfactors": monomials, "couplings": couplings, "constraints": given}


def _alike(given: Sequence[Spec], known: Sequence[Spec]) -> bool:
    """Return whether distributions are those that are known, but for the last digits of the numbers in their expressions."""
    one, other = (_NUMBER.split(" ".join(str(entry.get("expression")) for entry in entries)) for entries in (given, known))
    return one[::2] == other[::2] and np.allclose([float(x) for x in one[1::2]], [float(x) for x in other[1::2]], rtol=1e-9, atol=1e-12)


def _members(distributions: Sequence[Spec]) -> dict[str, list[str]]:
    """Return the parameters behind the name of each modifier, those of the bins of a shapefactor."""
    found: dict[str, list[str]] = {}
    for modifier in (m for d in distributions for sample in d["samples"] for m in sample["modifiers"]):
        name, own = modifier["parameter" if "parameter" in modifier else "name"], modifier.get("parameters", [modifier.get("parameter")])
        if found.setdefault(name, own) != own or (modifier["type"] == "shapefactor") != ("parameters" in modifier):
            message = f"{name} has different parameters in two places"
            raise ValueError(message)
    everything = [name for own in found.values() for name in own]
    if twice := [name for name, number in Counter(everything).items() if number > 1]:
        message = f"{twice[0]} is shared by modifiers of different names"
        raise ValueError(message)
    return found


def _settings(name: str, members: Sequence[str], points: Spec, ranges: Spec) -> Values:
    """Return what a document says of a parameter, or of those of all bins, as a measurement of a workspace says it."""
    known, limits = [points.get(member, {}) for member in members], [ranges.get(member, {}) for member in members]
    found: Values = {"name": name, "bounds": [[entry.get("min", -math.inf), entry.get("max", math.inf)] for entry in limits]}
    if all("value" in entry for entry in known):
        found["inits"] = [entry["value"] for entry in known]
    held = {bool(entry.get("const", False)) for entry in known}
    if len(held) > 1:
        message = f"some of the parameters of {name} are constant and others are not"
        raise ValueError(message)
    return {**found, "fixed": held.pop()}


def _powers(function: Spec) -> dict[str, int]:
    if function["type"] != "product" or not all(isinstance(factor, str) for factor in function["factors"]):
        message = f"the function {function['name']} is not a product of parameters"
        raise ValueError(message)
    return dict(Counter(function["factors"]))


def _setting(point: Spec, limits: Spec) -> Values:
    found = {"lower": limits.get("min"), "upper": limits.get("max"), "default": point.get("value"), "fixed": point.get("const")}
    return {key: value for key, value in found.items() if value is not None}


def _sample(sample: Spec) -> Values:
    return {"name": sample["name"], "data": sample["data"]["contents"], "modifiers": [_histfactory(m) for m in sample["modifiers"]]}


def _histfactory(modifier: Spec) -> Values:
    """Return a modifier of HS3 as one of HistFactory."""
    kind, data = modifier["type"], modifier.get("data", {})
    if kind not in {"normfactor", "shapefactor", *_CODES}:
        message = f"{modifier['name']}: a {kind} has no counterpart"
        raise ValueError(message)
    if kind == "shapefactor":
        return {"name": modifier["name"], "type": kind, "data": None}
    entry = {"name": modifier["parameter"], "type": kind, "data": None}
    if kind == "normfactor":
        return entry
    code, constraint = data["interpolation"], modifier.get("constraint", "Gauss")
    if code != _CODES[kind] or constraint != "Gauss":
        message = f"{modifier['name']}: a {kind} with the interpolation {code} and the constraint {constraint} has no counterpart"
        raise ValueError(message)
    if kind == "normsys":
        return {**entry, "data": {"hi": data["hi"], "lo": data["lo"]}}
    return {**entry, "data": {f"{side}_data": data[side]["contents"] for side in ("hi", "lo")}}
