"""Names and notes as matplotlib prints them: formulas between dollar signs stay whole, and what is no formula is taken literally."""

from __future__ import annotations

import re
import textwrap
from typing import Final

_FORMULA: Final = r"(?<!\\)\$(?:[^$\\]|\\.)*\$"


def parses(text: str) -> bool:
    """Return whether the formulas in a text can be drawn; a dollar sign alone begins none."""
    if "$" not in text:
        return True
    from matplotlib.cbook import is_math_text
    from matplotlib.mathtext import MathTextParser

    try:
        return not is_math_text(text) or MathTextParser("path").parse(text) is not None
    except ValueError:
        return False


def literal(text: str) -> str:
    r"""Return `text` with its dollar signs escaped where they are not those of formulas that can be drawn.

    Examples
    --------
    >>> literal("$g_{Z'}$"), literal("a_b $x"), literal("$x_$")
    ("$g_{Z'}$", 'a_b \\$x', '\\$x_\\$')
    """
    dollars = re.findall(r"(?<!\\)\$", text)
    return text if len(dollars) % 2 == 0 and parses(text) else re.sub(r"(?<!\\)\$", r"\\$", text)


def wrapped(text: str, width: int = 30) -> str:
    r"""Return `text` broken at blanks, formulas kept whole, into lines of about `width` characters as they are seen.

    Examples
    --------
    >>> wrapped(r"limit on $g_{Z'}$ at 90 % CL", 16).splitlines()
    ["limit on $g_{Z'}$ at", '90 % CL']
    """
    text = literal(text)
    formulas = re.findall(_FORMULA, text)
    seen = [max(1, len(re.sub(r"[{}^_$ \\]", "", re.sub(r"\\[a-zA-Z]+", "x", formula)))) for formula in formulas]
    lengths, left = iter(seen), iter(formulas)
    kept = re.sub(_FORMULA, lambda _: "\0" * (next(lengths) - 1) + "\1", text)
    return re.sub("\0*\1", lambda _: next(left), textwrap.fill(kept, width, break_long_words=False, break_on_hyphens=False))
