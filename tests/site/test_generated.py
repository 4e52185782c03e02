"""What the build of the site makes from the code, without the build."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

import cevnsfit as cf
from cevnsfit.studies.start import json_schema

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def generated(project_root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the module that fills pages."""
    pytest.importorskip("sphinx", reason="the extra [docs] is not installed")
    monkeypatch.syspath_prepend(project_root / "docs" / "ext")
    return pytest.importorskip("generated")


def test_every_page_asks_for_a_part_that_exists(generated: Any, project_root: Path) -> None:
    asked = [
        name
        for page in (project_root / "docs").rglob("*.md")
        for name in re.findall(r"^<!-- generated: (\w+) -->$", page.read_text(), re.MULTILINE)
    ]
    assert sorted(asked) == sorted(generated.PARTS)


@pytest.mark.parametrize("kind", ["analysis", "experiment"])
def test_schemas_hold_every_section_and_field_once(generated: Any, kind: str) -> None:
    schema = json_schema(kind)
    first, *sections = re.split(r"^## (?=\w+$)", generated.PARTS[kind](), flags=re.MULTILINE)
    assert {section.split("\n")[0] for section in sections} == {*schema["$defs"]}
    assert len(sections) == len(schema["$defs"])
    for text, entry in [(first, schema), *((section, schema["$defs"][section.split("\n")[0]]) for section in sections)]:
        assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == [*entry.get("properties", {})]
    assert {*re.findall(r"\]\(#(\w+)\)", "".join([first, *sections]))} <= {name.lower() for name in schema["$defs"]}


def test_words_of_a_schema(generated: Any) -> None:
    page = generated.PARTS["experiment"]()
    assert "| `distance` | quantity such as `1 cm` | required, here or in the file of the source |" in page
    assert "[`lindhard-quenching`](#lindhardquenching)" in page


@pytest.mark.slow
def test_references_name_all(generated: Any) -> None:
    assert re.findall(r"^## `(.*)`$", generated.PARTS["models"](), re.MULTILINE) == [*cf.model_names()]
    assert re.findall(r"^## `(.*)`$", generated.PARTS["experiments"](), re.MULTILINE) == [*cf.experiment_names()]
    commands = re.findall(r"^## `cevnsfit (.*)`$", generated.PARTS["commands"](), re.MULTILINE)
    assert {"fit", "scan", "experiments check", "schema"} <= {*commands}
    assert len(commands) == len({*commands})


def test_pages_of_verification_may_be_absent(generated: Any, tmp_path: Path) -> None:
    assert generated.verification(tmp_path) == ""
    (tmp_path / "verification").mkdir()
    assert generated.verification(tmp_path) == ""
    (tmp_path / "verification" / "index.md").write_text("# Verification\n")
    assert "\nverification/index\n" in generated.verification(tmp_path)


def test_a_page_that_the_first_page_does_not_name_is_in_the_navigation(generated: Any, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    for name in ("physics", "statistics"):
        (docs / f"{name}.md").write_text(f"# {name}\n")
    (docs / "index.md").write_text("# Start\n\nphysics\nstatistics\n")
    assert generated.others(docs) == ""
    (docs / "weight.md").write_text("# Weight\n")
    (tmp_path / "CONTRIBUTING.md").write_text("# Contribute\n")
    assert "\nweight\n../CONTRIBUTING\n" in generated.others(docs)
