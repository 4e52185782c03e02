"""JSON schemas as Markdown: a table for each section of a file."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from cevnsfit.studies.start import json_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minLength": "{} characters or more",
    "minItems": "{} or more",
}


def markdown(kind: str) -> str:
    """Return the reference of an analysis file ("analysis") or of experiment.yaml ("experiment")."""
    schema = json_schema(kind)
    return "\n\n".join([_table(schema), *(_section(schema["$defs"][name]) for name in _named(schema))])


def _named(schema: dict[str, Any]) -> list[str]:
    """Return the names of all sections, those first that are nearest to the top of the file."""
    found, asked = [], [schema]
    for entry in asked:
        for name in re.findall(r'"#/\$defs/(\w+)"', json.dumps(entry.get("properties", {}))):
            if name not in found:
                found.append(name)
                asked.append(schema["$defs"][name])
    return found


def _section(entry: dict[str, Any]) -> str:
    return f"## {entry['title']}\n\n{entry.get('description', '')}\n\n{_table(entry)}"


def _table(entry: dict[str, Any]) -> str:
    if "properties" not in entry:
        return f"A {_sort(entry)}."
    required = entry.get("required", [])
    described = any("description" in field for field in entry["properties"].values())
    columns = ["field", "type", "default", *(["what it says"] if described else [])]
    rows = [_row(name, field, name in required)[: len(columns)] for name, field in entry["properties"].items()]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [columns, ["---"] * len(columns), *rows])


def _row(name: str, field: dict[str, Any], required: bool) -> list[str]:
    cells = [f"`{name}`", _sort(field), _default(field, required), field.get("description", "")]
    return [cell.replace("|", "\\|") for cell in cells]


def _default(field: dict[str, Any], required: bool) -> str:
    """Return what holds where a field is left out."""
    if required:
        return "required"
    if "const" in field and "default" not in field:
        return "optional"
    if "default" not in field and field.get("type") != "object":
        return "required, here or in the file of the source"
    default = field.get("default")
    return "none" if default in (None, "", [], {}) else f"`{json.dumps(default, ensure_ascii=False)}`"


def _sort(field: dict[str, Any]) -> str:
    """Return what may stand in a field, in words."""
    limits = [text.format(field[key]) for key, text in LIMITS.items() if key in field]
    return ", ".join([" or ".join(dict.fromkeys(_sorts(field))), *limits])


def _sorts(field: dict[str, Any]) -> Iterator[str]:
    if "$ref" in field:
        yield _link(field["$ref"])
    elif "discriminator" in field:
        yield from (_link(place, f"`{kind}`") for kind, place in field["discriminator"]["mapping"].items())
    elif "const" in field:
        yield f"`{field['const']}`"
    elif "enum" in field:
        yield from (f"`{value}`" for value in field["enum"])
    elif "anyOf" in field or "oneOf" in field:
        for each in [*field.get("anyOf", ()), *field.get("oneOf", ())]:
            if each.get("type") != "null":
                yield _sort(each)
    else:
        yield _plain(field)


def _link(place: str, label: str | None = None) -> str:
    name = place.rpartition("/")[2]
    return f"[{name if label is None else label}](#{name.lower()})"


def _plain(field: dict[str, Any]) -> str:
    sort = field.get("type", "anything")
    if sort == "array":
        inner = field.get("items", {})
        return f"list of {_sort(inner)}" if inner else "values"
    if sort == "object":
        inner = [*field.get("patternProperties", {}).values()] or [field.get("additionalProperties")]
        return f"mapping of names to {_sort(inner[0])}" if isinstance(inner[0], dict) and inner[0] else "mapping"
    if "examples" in field:
        return f"quantity such as `{field['examples'][0]}`"
    if re.search("csv|ya", field.get("pattern", "")):
        return "name of a file"
    return {"string": "text", "boolean": "true or false"}.get(sort, sort)
