"""References in words as BibTeX: what a text says becomes fields, and what it does not say stays out; there are no titles.

A reference reads "A. Author, B. Author and C. Author, Journal Volume, Page (Year), arXiv:number (what was taken from it)", any part of which may be missing.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from cevnsfit.core.words import latex

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_ARXIV: Final = re.compile(r"(?<!of )arXiv:((?:[a-z-]+/\d{7})|(?:\d{4}\.\d{4,5}))")
_DOI: Final = re.compile(r"doi[: ]\s*(10\.\d+/[^\s,;]+)")
_JOURNAL: Final = re.compile(
    r"(?P<journal>[A-Z][A-Za-z. ]*[A-Za-z.]) (?P<volume>\d+)(?:, (?P<pages>\w+) \((?P<year>\d{4})\)| \((?P<year_2>\d{4})\) (?P<pages_2>\w+))"
)
_PARTS: Final = re.compile(r"; (?![^()]*\))")
_LABEL: Final = re.compile(r"^[A-Za-z0-9 ]+: (?=\S)")
_NAME: Final = re.compile(r"(?:[A-Z]\.[ -]?)*[A-Z][\w'-]+(?: [A-Z][\w'-]+)*")
_GROUP: Final = re.compile(r" \(([^()]+)\)$")
_VERBATIM: Final = ("doi", "eprint")
"""Fields that are no text."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a bibliography.

    Attributes
    ----------
    key, kind
        Its key, and "article" or "misc".
    fields
        Its fields, as they are before anything is escaped for LaTeX; a team is one author, and begins with "The".
    """

    key: str
    kind: str
    fields: Mapping[str, str]

    def __str__(self) -> str:
        texts = {name: text if name in _VERBATIM else latex(text) for name, text in self.fields.items()}
        lines = [f"  {name} = {{{f'{{{text}}}' if text.startswith('The ') else text}}}" for name, text in texts.items()]
        return ",\n".join([f"@{self.kind}{{{self.key}", *lines]) + "\n}\n"


def entries(references: Iterable[str]) -> tuple[Entry, ...]:
    """Return the entries of references in words, each paper once, where it is described best, under a key of its own."""
    found: dict[str, Entry] = {}
    for entry in (entry for text in references for part in _PARTS.split(text) for entry in _entries(part)):
        name = entry.fields.get("eprint", entry.fields.get("doi", str(sorted(entry.fields.items()))))
        if name not in found or (found[name].kind == "misc" and entry.kind == "article"):
            found[name] = entry
    keys: dict[str, Entry] = {}
    for entry in found.values():
        names = itertools.chain([entry.key], (f"{entry.key}-{number}" for number in itertools.count(2)))
        key = next(name for name in names if name.lower() not in keys)
        keys[key.lower()] = replace(entry, key=key)
    return tuple(keys.values())


def _entries(text: str) -> Iterator[Entry]:
    """Yield the entries of one reference: one for each number of the arXiv in it."""
    numbers, doi, journal = _ARXIV.findall(text), _DOI.search(text), _JOURNAL.search(text)
    marks = [found for found in (journal, _ARXIV.search(text), doi) if found is not None]
    head = text[: min((found.start() for found in marks), default=0)].rstrip(", ")
    authors = _authors(_LABEL.sub("", head))
    end = max((found.end() for found in (*_ARXIV.finditer(text), *marks)), default=0)
    for number in numbers if numbers else [""]:
        fields = dict(authors)
        if journal is not None and len(numbers) < 2:
            fields |= {key.removesuffix("_2"): value for key, value in journal.groupdict().items() if value}
        elif number:
            fields["year"] = _year(number)
        fields |= {"eprint": number, "archiveprefix": "arXiv"} if number else {}
        fields |= {"doi": doi[1]} if doi is not None and len(numbers) < 2 else {}
        rest = text[end:].strip(" ,") if authors and marks else text
        fields |= {"note": rest} if rest else {}
        yield Entry(_key(fields, text), "article" if "journal" in fields and authors else "misc", fields)


def _authors(head: str) -> dict[str, str]:
    """Return authors and collaboration of the beginning of a reference, nothing where it is no list of names."""
    group = _GROUP.search(head)
    names = re.split(r", | and ", head if group is None else head[: group.start()])
    others = names[-1].endswith(" et al.")
    names[-1] = names[-1].removesuffix(" et al.")
    if not all(map(_NAME.fullmatch, names)):
        return {}
    found = {"author": " and ".join([*names, *(["others"] if others else [])])}
    return found if group is None else {**found, "collaboration": group[1]}


def _year(number: str) -> str:
    """Return the year of a number of the arXiv, which began in 1991."""
    digits = number.rpartition("/")[2][:2]
    return f"{'19' if digits > '90' else '20'}{digits}"


def _key(fields: Mapping[str, str], text: str) -> str:
    """Return a key: first author and the number of the paper, or its first words."""
    first = fields.get("author", "").split(" and ")[0].split(". ")[-1]
    known = (fields.get("eprint"), "-".join(fields[key] for key in ("year", "volume", "pages") if key in fields), fields.get("doi"))
    number = next(filter(None, known), "")
    start = first if first else "arXiv" if "eprint" in fields else "doi"
    plain = unicodedata.normalize("NFKD", f"{start}:{number}" if number else " ".join(text.split()[:5])).encode("ascii", "ignore").decode()
    key = re.sub(r"[^A-Za-z0-9:.+-]+", "-", plain).strip(":.+-")
    return key if key else "reference"
