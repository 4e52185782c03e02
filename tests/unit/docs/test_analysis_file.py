"""docs/analysis-file.md: each field with its type, default and meaning as in the schema, each option of `scan`, and its example."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import typer

from cevnsfit.cli.main import app
from cevnsfit.spec.analysis import AnalysisSpec
from cevnsfit.studies.analysis import read_study

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCK = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
WHERE = {"--output", "-o", "--jobs", "-j", "--dask", "--no-plot", "--json", "--help"}
"""Options that say where and how, not what: `run` has them too."""


LOOKS = {"--style", "--columns", "--title", "--label", "--xlim", "--ylim", "--no-best-fit", "--format"}
"""Options of pictures, which stand in the section `look` for all commands."""


@pytest.fixture(scope="module")
def page(project_root: Path) -> str:
    return (project_root / "docs" / "analysis-file.md").read_text(encoding="utf-8")


def rows() -> Iterator[tuple[str, str, str, str]]:
    """Yield name, type, default and meaning of each field, in the order of the classes."""
    schema = AnalysisSpec.model_json_schema()
    names = ("ResultSpec", "Measurement", "CorrelationSpec", "Confidence", "Overlay", "LookSection", "PlaneRest", "SuperpartnerScan")
    for section in (schema, *(schema["$defs"][name] for name in names)):
        for name, field in section["properties"].items():
            default = "required" if name in section.get("required", ()) else in_words(field.get("default"))
            yield name, kind(field), default, field["description"]


def in_words(default: object) -> str:
    if default is None or default in ([], {}, ""):
        return "none"
    return f"`{json.dumps(default) if isinstance(default, bool) else str(default).replace(chr(39), '')}`"


def kind(field: dict[str, Any]) -> str:
    """Return the type of a field as the page calls it."""
    if "anyOf" in field:
        return " or ".join(kind(part) for part in field["anyOf"] if part.get("type") not in {"null", "integer"})
    if "enum" in field or "const" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if "prefixItems" in field:
        return "two texts"
    if field.get("type") == "array":
        return f"list of {' or '.join('sections' if '$ref' in part else kind(part) + 's' for part in field['items'].get('anyOf', [field['items']]))}"
    if field.get("type") == "object":
        return f"mapping to {kind(field['additionalProperties'])}"
    name = field.get("type", "section")
    return {"string": "text", "boolean": "true or false"}.get(name, name)


def test_each_field_is_on_the_page_with_its_type_and_default(page: str) -> None:
    found = [re.split(r" \| ", line.strip("| ")) for line in page.splitlines() if line.startswith("| `")]
    assert [(name.strip("`"), of, default, meaning) for name, of, default, _, meaning in found] == list(rows())


def test_each_option_of_scan_is_on_the_page_and_no_other(page: str) -> None:
    options = options_of("scan")
    named = set(re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", " ".join(re.findall(r"`([^`]*)`", page))))
    assert options - WHERE - named <= {"-m"}
    assert named <= options | options_of("slice") | options_of("susy-scan")


def test_each_option_of_a_section_is_on_the_page(page: str) -> None:
    for name, elsewhere in (("slice", {"--model", "-m"}), ("susy-scan", {"--mass", "-n"})):
        (section,) = re.findall(rf"### `{name.removesuffix('-scan')}`\n(.*?)(?=\n##)", page, re.DOTALL)
        named = set(re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", section))
        assert options_of(name) - WHERE - elsewhere - LOOKS == named


def options_of(name: str) -> set[str]:
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    return {option for parameter in command.params for option in parameter.opts if option.startswith("-")}


def test_the_example_is_read(page: str, tmp_path: Path) -> None:
    (text,) = BLOCK.findall(page)
    path = tmp_path / "radii.yaml"
    path.write_text(text, encoding="utf-8")
    study = read_study(path)
    assert list(study.grid) == ["r_n_cs", "r_n_i"]
    assert [*study.analyses] == ["CsI 2017", "CsI 2021"]
