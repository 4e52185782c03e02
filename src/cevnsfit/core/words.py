"""Text of others where it is shown: formulas between dollar signs stay whole in pictures, and what would act on a terminal is made visible."""

from __future__ import annotations

import functools
import re
import textwrap
import unicodedata
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

_ROOM: Final = 200
"""Characters of a name in pictures."""

_ACTING: Final = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Categories of characters that move the cursor, change the direction of text, or are none."""

_COMMANDS: Final = {"\\": "backslash", "~": "asciitilde", "^": "asciicircum", "{": "braceleft", "}": "braceright"}
_SPECIAL: Final = {**{c: f"\\text{name}{{}}" for c, name in _COMMANDS.items()}, **{c: f"\\{c}" for c in "&%$#_"}}
"""What stands for a character in LaTeX; BibTeX counts braces even where they are escaped."""

_FORMULA: Final = r"(?<!\\)\$(?:[^$\\]|\\.)*\$"


@functools.lru_cache(maxsize=256)
def parses(text: str) -> bool:
    """Return whether the formulas in a text can be drawn; a dollar sign alone begins none."""
    if "$" not in text:
        return True
    from matplotlib.cbook import is_math_text
    from matplotlib.mathtext import MathTextParser

    try:
        return not is_math_text(text) or MathTextParser("path").parse(text) is not None
    except (ValueError, RecursionError):
        return False


def visible(text: str, kept: str = "\n\t") -> str:
    r"""Return `text` with an escape in the place of each character that a terminal would obey, or that nobody sees, but for those `kept`.

    Examples
    --------
    >>> visible("CsI\x1b[31m 2021\u202e")
    'CsI\\x1b[31m 2021\\u202e'
    """
    if text.isascii() and text.isprintable():
        return text
    acts = {letter for letter in set(text) - set(kept) if unicodedata.category(letter) in _ACTING}
    return text.translate({ord(letter): letter.encode("unicode_escape").decode("ascii") for letter in acts})


def fault(text: str) -> str:
    """Return why a text cannot be a name or a title in pictures; empty where it can."""
    if len(text) > _ROOM or visible(text, "") != text:
        return f"'{visible(text[:40], '')}{'...' * (len(text) > 40)}' is not one line of at most {_ROOM} characters that can be seen"
    return "" if parses(text) else f"'{text}' holds a formula that cannot be drawn; a dollar sign that begins none is written \\$"


def latex(text: str) -> str:
    r"""Return a text in which what LaTeX would act upon is escaped.

    Examples
    --------
    >>> latex("R&D, 5 % of m_Z")
    'R\\&D, 5 \\% of m\\_Z'
    """
    return "".join(_SPECIAL.get(character, character) for character in text)


def for_latex(text: str) -> str:
    r"""Return a text of pictures for LaTeX: formulas as they are, the rest taken literally; matplotlib turns an escaped dollar sign back into one.

    Examples
    --------
    >>> for_latex(r"50 % of $g_{Z'}$ for \$5")
    "50 \\% of $g_{Z'}$ for \\textdollar{}5"
    """
    parts = re.split(f"({_FORMULA})", text) if parses(text) else [text]
    return "".join(
        part if place % 2 else latex(part.replace(r"\$", "$")).replace(r"\$", r"\textdollar{}") for place, part in enumerate(parts)
    )


@contextmanager
def texts_for_latex(figure: Figure) -> Iterator[None]:
    """Escape what LaTeX would act upon in the texts of a figure, but for formulas, inside a `with` block."""
    from matplotlib.text import Text

    texts: Any = [(text, text.get_text()) for text in figure.findobj(Text)]
    try:
        for text, known in texts:
            text.set_text(for_latex(known))
        yield
    finally:
        for text, known in texts:
            text.set_text(known)


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
