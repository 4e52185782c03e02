"""References in words as BibTeX: what is said becomes fields, nothing is made up, and every entry can be read back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cevnsfit.io.exports.bibtex import Entry, entries, latex
from cevnsfit.physics.interactions import model_names, signal_model
from cevnsfit.spec.catalog import experiment_names
from cevnsfit.spec.load import load_experiment

KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9:.+-]*")
COHERENT = "Akimov et al. (COHERENT), Phys. Rev. Lett. 126, 012002 (2021), arXiv:2003.10630"


def one(text: str) -> Entry:
    (entry,) = entries([text])
    return entry


@pytest.mark.parametrize(("text", "key", "kind", "fields"), [
    (COHERENT, "Akimov:2003.10630", "article", {
        "author": "Akimov and others", "collaboration": "COHERENT", "journal": "Phys. Rev. Lett.", "volume": "126", "pages": "012002", "year": "2021",
        "eprint": "2003.10630", "archiveprefix": "arXiv"}),
    ("M. Cadeddu and A. B. de Roma, JHEP 01 (2021) 116, arXiv:2008.05022", "arXiv:2008.05022", "misc", {
        "journal": "JHEP", "volume": "01", "pages": "116", "year": "2021", "eprint": "2008.05022", "archiveprefix": "arXiv",
        "note": "M. Cadeddu and A. B. de Roma, JHEP 01 (2021) 116, arXiv:2008.05022"}),
    ("H. Banerjee, B. Dutta and S. Roy, arXiv:2103.10196", "Banerjee:2103.10196", "misc", {
        "author": "H. Banerjee and B. Dutta and S. Roy", "year": "2021", "eprint": "2103.10196", "archiveprefix": "arXiv"}),
    ("D. Z. Freedman, Phys. Rev. D 9, 1389 (1974)", "Freedman:1974-9-1389", "article", {
        "author": "D. Z. Freedman", "journal": "Phys. Rev. D", "volume": "9", "pages": "1389", "year": "1974"}),
    ("J. Bernabeu, J. Papavassiliou and J. Vidal, Nucl. Phys. B 680, 450 (2004), arXiv:hep-ph/0210055 (radii)", "Bernabeu:hep-ph-0210055", "article", {
        "author": "J. Bernabeu and J. Papavassiliou and J. Vidal", "journal": "Nucl. Phys. B", "volume": "680", "pages": "450", "year": "2004",
        "eprint": "hep-ph/0210055", "archiveprefix": "arXiv", "note": "(radii)"}),
    ("COHERENT data release, arXiv:2006.12659, doi:10.5281/zenodo.3903810", "arXiv:2006.12659", "misc", {
        "year": "2020", "eprint": "2006.12659", "archiveprefix": "arXiv", "doi": "10.5281/zenodo.3903810",
        "note": "COHERENT data release, arXiv:2006.12659, doi:10.5281/zenodo.3903810"}),
    ("data release of arXiv:2604.06002, doi 10.5281/zenodo.20576156, CC BY 4.0", "doi:10.5281-zenodo.20576156", "misc", {
        "doi": "10.5281/zenodo.20576156", "note": "data release of arXiv:2604.06002, doi 10.5281/zenodo.20576156, CC BY 4.0"}),
    ("F. James and M. Roos, Comput. Phys. Commun. 10, 343 (1975), doi:10.1016/0010-4655(75)90039-9", "James:1975-10-343", "article", {
        "author": "F. James and M. Roos", "journal": "Comput. Phys. Commun.", "volume": "10", "pages": "343", "year": "1975",
        "doi": "10.1016/0010-4655(75)90039-9"}),
    ("a talk", "a-talk", "misc", {"note": "a talk"}),
])  # fmt: skip
def test_a_reference_becomes_fields(text: str, key: str, kind: str, fields: dict[str, str]) -> None:
    assert one(text) == Entry(key, kind, fields)


def test_a_paper_stands_once_where_it_is_described_best() -> None:
    found = entries(["x: arXiv:2003.10630 (quenching)", f"{COHERENT} (quenching)", COHERENT])
    assert [(entry.key, entry.kind) for entry in found] == [("Akimov:2003.10630", "article")]


def test_several_papers_in_one_text_are_several_entries() -> None:
    found = entries(["analysis: arXiv:2604.06002; SR0 and SR1: arXiv:2408.02877", "A. Bell, arXiv:2003.10630 and arXiv:2006.12659 (a; b)"])
    assert [entry.fields["eprint"] for entry in found] == ["2604.06002", "2408.02877", "2003.10630", "2006.12659"]
    assert found[-1].fields["note"] == "(a; b)"


def test_keys_are_unique() -> None:
    found = entries(["A talk, given in May 2020", "A talk, given in May 2021", "...", "???"])
    assert [entry.key for entry in found] == ["A-talk-given-in-May", "A-talk-given-in-May-2", "reference", "reference-2"]
    assert [entry.key for entry in entries(["x y", "x-2", "x  y", "x, 2", "X 2"])] == ["x-y", "x-2", "x-y-2", "x-2-2", "X-2-3"]


def test_every_shipped_reference_is_valid_and_complete() -> None:
    references = [text for name in experiment_names() for text in load_experiment(name).spec.references]
    references += [text for name in model_names() for text in signal_model(name).references]
    found = entries(references)
    assert len({entry.key for entry in found}) == len(found)
    for entry in found:
        assert KEY.fullmatch(entry.key)
        assert "title" not in entry.fields
        assert {"eprint", "doi", "journal", "note"} & set(entry.fields)
    numbers = {number for text in references for number in re.findall(r"arXiv:(\S+?)(?:[,; )]|$)", text)}
    printed = "".join(map(str, found))
    assert [number for number in numbers if number not in printed] == []


@given(st.lists(st.text(min_size=1), max_size=4))
def test_any_text_makes_balanced_entries_with_unique_keys(texts: list[str]) -> None:
    found = entries(texts)
    assert len({entry.key.lower() for entry in found}) == len(found)
    for entry in found:
        assert KEY.fullmatch(entry.key)
        bare = re.sub(
            r"\\[{}\\]",
            "",
            str(entry).replace(r"\textbackslash{}", "").replace(r"\textasciitilde{}", "").replace(r"\textasciicircum{}", ""),
        )
        assert bare.count("{") == bare.count("}")


def test_what_latex_would_act_upon_is_escaped() -> None:
    assert (
        latex("5 % & m_Z, $x^2$ #1 {a} ~ \\b")
        == r"5 \% \& m\_Z, \$x\textasciicircum{}2\$ \#1 \textbraceleft{}a\textbraceright{} \textasciitilde{} \textbackslash{}b"
    )
    assert (
        str(Entry("a", "misc", {"author": "The A & B", "doi": "10.1/a_b"}))
        == "@misc{a,\n  author = {{The A \\& B}},\n  doi = {10.1/a_b}\n}\n"
    )


def test_braces_are_balanced_whatever_a_reference_says() -> None:
    """BibTeX counts them, even those after a backslash."""
    (entry,) = entries(["a note with } and {{ in it, 5 % & #1_2 $x ~ ^ \\\\"])
    assert str(entry).count("{") == str(entry).count("}")
    assert r"\textbraceright{} and \textbraceleft{}\textbraceleft{} in it, 5 \% \& \#1\_2 \$x" in str(entry)
