"""`cevnsfit cite`, and the same from Python."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import cevnsfit as cf
from cevnsfit.core.errors import CevnsfitError, KindError
from cevnsfit.studies.citations import METHODS, cited

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

LAR = "coherent-lar-2020"


def test_everything_that_is_used_is_cited(command: Callable[..., Result]) -> None:
    text = command("cite", LAR, "coherent-csi-2021", "--model", "lmu-ltau").stdout
    for key in ("cevnsfit", "Akimov:2003.10630", "Akimov:2110.07730", "arXiv:2006.12659", "Banerjee:2103.10196", "James:1975-10-343"):
        assert f"{{{key},\n" in text
    assert "doi = {10.5281/zenodo.3949207}" in text
    assert f"note = {{version {cf.__version__}}}" in text
    assert "Cadeddu" in text
    assert "Banerjee" not in command("cite", LAR).stdout


def test_json_has_the_fields(command: Callable[..., Result]) -> None:
    found = json.loads(command("cite", LAR, "--json").stdout)["entries"]
    assert found[1]["key"] == "Akimov:2003.10630"
    assert (found[1]["kind"], found[1]["fields"]["pages"]) == ("article", "012002")


def test_a_folder_of_ones_own_is_cited(command: Callable[..., Result], folder: Path, change: Callable[[str, str, str], None]) -> None:
    change("experiment.yaml", "references:\n", "references:\n  - 'Müller & Söhne, 100 % of it, unpublished'\n")
    text = command("cite", folder).stdout
    assert "@misc{Muller-Sohne-100,\n  note = {Müller \\& Söhne, 100 \\% of it, unpublished}\n}" in text


def test_files_and_python_say_the_same(command: Callable[..., Result], tmp_path: Path) -> None:
    printed = command("cite", LAR, "-m", "b-l").stdout
    assert command("cite", LAR, "-m", "b-l", "-o", tmp_path / "a.bib").stdout == f"{tmp_path / 'a.bib'}\n"
    (path,) = cf.export(cf.build_likelihood(LAR, model="b-l"), "bibtex", tmp_path / "new" / "b.bib")
    assert path.read_text(encoding="utf-8") == (tmp_path / "a.bib").read_text(encoding="utf-8") == printed


def test_methods_have_references_of_their_own() -> None:
    keys = [entry.key for entry in cited([], methods=[*METHODS, "profile"])]
    assert keys[1:4] == ["Feldman:physics-9711021", "Foreman-Mackey:1202.3665", "Speagle:1904.02180"]


def test_the_other_commands_name_this_one(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "`cevnsfit cite`" in refused("export", tmp_path, "--to", "bibtex")
    assert "`cevnsfit report`" in refused("export-likelihood", LAR, "-m", "sm", "--to", "report", "-o", tmp_path / "a.json")


def test_unknown_names_are_refused_with_near_matches(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "did you mean coherent-lar-2020" in refused("cite", "coherent-lr-2020")
    assert "did you mean lmu-ltau" in refused("cite", LAR, "-m", "lmu-lta")
    with pytest.raises(KindError, match="not a float"):
        cf.export(1.0, "bibtex", tmp_path / "a.bib")
    with pytest.raises(CevnsfitError, match=r"takes no cl \(it takes no options\)"):
        cf.export(cf.build_likelihood(LAR, model="sm"), "bibtex", tmp_path / "a.bib", cl=0.9)
