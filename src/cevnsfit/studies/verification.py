"""Pages of Markdown on which what a paper states stands beside what this code computes, one page a paper.

They hold neither times nor commits, and numbers are rounded to what their tolerance resolves: a page changes when a number does.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from cevnsfit.core.errors import Problem, SpecError
from cevnsfit.core.paths import data_root
from cevnsfit.core.version import VERSION
from cevnsfit.report.tables import ResultTable, Sheet
from cevnsfit.spec.yaml_source import read_yaml
from cevnsfit.studies.validate import problems_at, rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cevnsfit.studies.germanium import PublishedCurve
    from cevnsfit.studies.validate import Check

_INDEX: Final = "index.md"
_REST: Final = "independent.md"
_MADE: Final = "Made by `cevnsfit validate --pages`: change what it is made from, and run that."
_PROSE: Final = frozenset({"title", "label", "description", "references", "status", "latex"})
_PROGRAM: Final = "Numbers of an independent program, computed from the same inputs."


class Paper(BaseModel):
    """A paper that numbers are compared with, where it is found, and what is to be known of that; `inputs` are files and folders of the data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str = ""
    authors: str
    journal: str = ""
    arxiv: str = ""
    inputs: tuple[str, ...] = ()
    text: str = ""


def read_papers(folder: Path | None = None) -> dict[str, Paper]:
    """Return the papers of papers.yaml in a folder, data/published by default, by DOI, or "arXiv:" and the number; SpecError with all problems."""
    source = read_yaml((data_root() / "published" if folder is None else folder) / "papers.yaml")
    found: dict[str, Paper] = {}
    problems: list[Problem] = []
    for key, entry in source.data["papers"].items():
        try:
            found[key] = Paper.model_validate(dict(entry))
        except ValidationError as error:
            problems += problems_at(source, ("papers", key), error)
    if problems:
        raise SpecError(problems)
    return found


def write_pages(checks: Sequence[Check], folder: Path) -> tuple[Path, ...]:
    """Write the pages of all papers that have checks, and an index, into a folder, which is made if needed, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {folder / name: text for name, text in pages(checks).items()}
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8", newline="\n")
    return tuple(texts)


def pages(checks: Sequence[Check]) -> dict[str, str]:
    """Return the pages by file name: of each paper that has checks, of numbers without a paper, and the index."""
    papers = read_papers()
    groups = {key: [check for check in checks if check.paper == key] for key in papers}
    found = {file_name(key): _text(_page(key, papers[key], group)) for key, group in groups.items() if group}
    rest = [check for check in checks if check.paper is None]
    if rest:
        found[_REST] = _text(["# Numbers of no paper", _PROGRAM, *_comparison(rest), _MADE])
    return {**found, _INDEX: _text(_index({key: (papers[key], group) for key, group in groups.items() if group}, rest))}


def file_name(key: str) -> str:
    """Return the file of a paper's page.

    Examples
    --------
    >>> file_name("10.1126/science.aao0990"), file_name("arXiv:hep-ex/0101039")
    ('10.1126-science.aao0990.md', 'arXiv-hep-ex-0101039.md')
    """
    return re.sub(r"[^\w.]+", "-", key) + ".md"


def _text(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


def _page(key: str, paper: Paper, checks: Sequence[Check]) -> Iterator[str]:
    yield f"# {paper.name}"
    title = f"*{paper.title}*" if paper.title else ""
    links = [f"[arXiv:{paper.arxiv}](https://arxiv.org/abs/{paper.arxiv})"] if paper.arxiv else []
    links += [] if key.startswith("arXiv:") else [f"[doi:{key}](https://doi.org/{key})"]
    yield f"{', '.join(part for part in (paper.authors, title, paper.journal, *links) if part)}."
    yield paper.text
    for kind, heading, text in (("published", "What it states", ""), ("independent computation", "An independent program", _PROGRAM)):
        chosen = [check for check in checks if check.kind == kind]
        if chosen:
            yield from (f"## {heading}", text, *_comparison(chosen))
    for check in checks:
        if check.curve is not None:
            yield from _curve(check, check.curve)
    curves = [check.curve.file for check in checks if check.curve is not None]
    digests = dict(row for name in (*paper.inputs, *curves) for row in _digests(name))
    if digests:
        yield "## Inputs"
        yield "The SHA-256 of each table, and of the numbers in each description, begins with"
        yield _table(("file", "digest"), [*digests.items()])
    yield _MADE


def _comparison(checks: Sequence[Check]) -> Iterator[str]:
    """Yield the comparison of numbers, and why some do not agree."""
    alike = len({check.title for check in checks}) == 1
    cells = [
        (
            verdict,
            quantity if alike else f"{title}: {quantity}",
            *(number.replace("+-", "±") for number in numbers),
            f"{check.tolerance:.3g}",
            check.because,
        )
        for check, (verdict, title, quantity, *numbers, _) in zip(checks, rows(tuple(checks)), strict=True)
    ]
    yield _table(("", "quantity", "stated", "cevnsfit", "difference", "tolerance", "why"), cells)
    for check in checks:
        if check.disagrees:
            yield f"**{check.title}: {check.quantity}** does not agree, because {' '.join(check.disagrees.split())}"


def _curve(check: Check, curve: PublishedCurve) -> Iterator[str]:
    points = np.array(curve.points)
    largest = np.max(np.abs(points[:, 1]))
    digits = max(4 - math.floor(math.log10(largest)), 0) if largest > 0.0 else 4
    cells = [(f"{x:.10g}", f"{published:.10g}", f"{ours:.{digits}f}") for x, published, ours in points]
    yield f"## {check.title}: {check.quantity}"
    yield f"Point by point, from {check.source}."
    yield _table((*curve.columns, "cevnsfit"), cells)


def _table(headers: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    return ResultTable((Sheet("", headers, cells),)).markdown()


def _index(papers: Mapping[str, tuple[Paper, Sequence[Check]]], rest: Sequence[Check]) -> Iterator[str]:
    yield "# Verification"
    yield f"What {len(papers)} papers state, and what cevnsfit computes, one page each. `cevnsfit validate` compares all these numbers, and `cevnsfit validate --pages` writes these pages."
    yield (
        "A difference is in units of the published error, or of the tolerance where there is none. A tolerance is at most half the published error, and is not widened so that a number "
        "agrees: what does not agree stays so, with the reason. Numbers said to be assumed are from memory."
    )
    lines = [f"- [{paper.name}]({file_name(key)}): {_summary(checks)}" for key, (paper, checks) in papers.items()]
    yield "\n".join([*lines, *([f"- [numbers of no paper]({_REST}): {_summary(rest)}"] if rest else [])])
    yield f"Computed with cevnsfit {VERSION.partition('+')[0]}."
    yield _MADE


def _summary(checks: Sequence[Check]) -> str:
    """Return how many numbers agree, how many do not, and how many of them are curves."""
    agree, curves = (sum(map(bool, flags)) for flags in ([check.passed for check in checks], [check.curve for check in checks]))
    parts = [f"{agree} agree{'s' * (agree == 1)}"] if agree else []
    parts += [f"{len(checks) - agree} do{'es' * (len(checks) - agree == 1)} not"] if agree < len(checks) else []
    return ", ".join([*parts, *([f"{curves} of them {'curves' if curves > 1 else 'a curve'}"] if curves else [])])


def _digests(name: str) -> Iterator[tuple[str, str]]:
    """Yield file and digest of what a name in the folder of the data stands for: a file, or those of a folder."""
    path = data_root() / name
    for file in sorted(path.iterdir()) if path.is_dir() else (path,):
        content = (
            json.dumps(_numbers(read_yaml(file).data), sort_keys=True, default=str).encode()
            if file.suffix == ".yaml"
            else file.read_bytes()
        )
        yield file.relative_to(data_root()).as_posix(), hashlib.sha256(content).hexdigest()[:16]


def _numbers(value: Any) -> Any:
    """Return what a description says without its prose."""
    if isinstance(value, dict):
        return {key: _numbers(part) for key, part in value.items() if key not in _PROSE}
    return [_numbers(part) for part in value] if isinstance(value, list) else value
