"""`init` writes a file that runs; `schema` describes the files that are read, and no others."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from cevnsfit.core.paths import data_root
from cevnsfit.core.units import parse, split
from cevnsfit.spec.analysis import AnalysisSpec
from cevnsfit.studies.analysis import read_study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from typer.testing import Result


@pytest.fixture(scope="module")
def schemas(command: Callable[..., Result]) -> dict[str, Any]:
    return {kind: json.loads(command("schema", kind).stdout) for kind in ("analysis", "experiment")}


def problems(schema: dict[str, Any], text: str) -> list[str]:
    """Return what a schema says against a YAML text, inside the branches of its unions too."""
    found = list(jsonschema.Draft202012Validator(schema).iter_errors(YAML(typ="safe", pure=True).load(text)))
    for error in found:
        found.extend(error.context)
    return [error.message for error in found]


@pytest.mark.slow
def test_the_file_of_init_runs_as_it_stands(command: Callable[..., Result], tmp_path: Path) -> None:
    path = tmp_path / "studies" / "analysis.yaml"
    assert command("init", path).exit_code == 0
    result = command("run", path, "-o", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert [plane["label"] for plane in found["planes"]] == ["CsI", "LAr", "CsI + LAr"]
    assert (tmp_path / "out" / "exclusion.png").is_file()


@pytest.mark.slow
def test_its_comments_are_fields_that_are_read(command: Callable[..., Result], schemas: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "analysis.yaml"
    command("init", path)
    text = re.sub(r"^# ?(?=[a-z_0-9]+: |  overrides)", "  ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    text = re.sub(r"^  (?=[a-z_0-9]+: )", "", text, flags=re.MULTILINE)
    path.write_text(text, encoding="utf-8")
    assert problems(schemas["analysis"], text) == []
    assert set(YAML(typ="safe", pure=True).load(text)) == set(AnalysisSpec.model_fields)
    study = read_study(path)
    first = next(iter(study.analyses.values()))
    assert (first.held, first.floating, first.electrons, first.allow_overlap) == ({"loop_sign": -1.0}, ("slepton_log",), True, True)
    assert first.overrides == (("source.distance", "19.3 m"),)
    assert [limit.label for limit in study.curves] == ["CCFR tridents", "Borexino 7Be"]


def test_init_overwrites_nothing(command: Callable[..., Result], refused: Callable[..., str], tmp_path: Path) -> None:
    path = tmp_path / "analysis.yaml"
    path.write_text("precious", encoding="utf-8")
    assert "exists already" in refused("init", path)
    assert path.read_text(encoding="utf-8") == "precious"
    assert json.loads(command("init", tmp_path / "other.yaml", "--json").stdout) == {"files": [str(tmp_path / "other.yaml")]}


def test_schemas_describe_what_ships(command: Callable[..., Result], schemas: dict[str, Any], project_root: Path, tmp_path: Path) -> None:
    command("new-experiment", "mine", "-o", tmp_path / "mine")
    for path in (*(data_root() / "experiments").glob("*/experiment.yaml"), tmp_path / "mine" / "experiment.yaml"):
        assert problems(schemas["experiment"], path.read_text(encoding="utf-8")) == [], path
    shipped = list((project_root / "analyses").glob("*.yaml"))
    assert shipped
    for path in shipped:
        assert problems(schemas["analysis"], path.read_text(encoding="utf-8")) == [], path


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("distance: 19.3 m", "distance: 19.3", "19.3 is not of type 'string'"),
        ("target: ", "targets: ", "'targets' was unexpected"),
        ("kind: poisson-smearing", "kind: poisson-smearin", "poisson-smearin"),
    ],
)
def test_the_schema_of_an_experiment_refuses_what_the_reader_does(schemas: dict[str, Any], old: str, new: str, wrong: str) -> None:
    text = (data_root() / "experiments" / "coherent-csi-2017" / "experiment.yaml").read_text(encoding="utf-8")
    assert old in text
    assert any(wrong in message for message in problems(schemas["experiment"], text.replace(old, new, 1)))


def test_the_schema_of_an_analysis_refuses_what_the_reader_does(schemas: dict[str, Any]) -> None:
    found = problems(schemas["analysis"], 'schema_version: 1\ntitle: t\nmodell: b-l\ngrid: ["g=0:1:3"]\nresults: []\ng_2: "1999"\n')
    for part in ("'modell' was unexpected", "'model' is a required property", "'1999' is not one of", "should be non-empty"):
        assert any(part in message for message in found), (part, found)


def test_every_section_and_every_field_of_an_analysis_is_described(schemas: dict[str, Any]) -> None:
    for section in (schemas["analysis"], *schemas["analysis"]["$defs"].values()):
        assert section["description"]
        assert all(field["description"] for field in section["properties"].values())
    assert all(section["description"] for section in schemas["experiment"]["$defs"].values())


def test_examples_of_numbers_with_a_unit_are_read(schemas: dict[str, Any]) -> None:
    examples = {example for node in nodes(schemas["experiment"]) for example in node.get("examples", ())}
    assert {"1 cm", "1 /s", "1 PE/MeVee"} <= examples
    for example in examples:
        value, unit = split(example)
        assert value == parse(example, unit) == 1.0


def nodes(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(inner)


def test_an_unknown_schema_lists_the_known_ones(refused: Callable[..., str]) -> None:
    assert "unknown schema 'analyses'; did you mean analysis" in refused("schema", "analyses")
