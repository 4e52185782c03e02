"""Blinded fits: values that are moved by a hidden offset.

The offset is a normal number drawn from a digest of the name and a word, times a power of ten above the scale of the parameter. It is the same in every fit in which
both agree, which the digest of the offset tells: then the difference of two values is right. A value at an end of its domain must not be recognised: its
error is half the width of its interval, and the ends, its correlations, and whether it is at one are left out. Counts and significance say how much signal there is, and are left out too.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from cevnsfit.core.errors import CevnsfitError, KindError
from cevnsfit.infer.lines import coupling_scale

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cevnsfit.infer.results import FitResult
    from cevnsfit.stats.likelihood import Likelihood


def words_of(texts: Iterable[str], likelihood: Likelihood, at: Mapping[str, float]) -> dict[str, str]:
    """Return the word of each blinded parameter of texts "NAME" or "NAME=WORD"; CevnsfitError if one is no parameter that floats."""
    if isinstance(texts, str):
        message = f"blind is a list of names: [{texts!r}]"
        raise KindError(message)
    words = {name: word for name, _, word in (text.partition("=") for text in texts)}
    for name in words:
        parameter = likelihood.parameters[name]
        if name in at or parameter.fixed:
            message = f"{name} is held: a blinded parameter floats"
            raise CevnsfitError(message)
    return words


def offset(likelihood: Likelihood, at: Mapping[str, float], name: str, word: str) -> float:
    """Return the hidden offset of a parameter."""
    parameter = likelihood.parameters[name]
    if parameter.constrained:
        size = 1.0
    elif parameter.kind == "nonlinear":
        size = 0.1 * abs(parameter.default) if parameter.default else 1.0
    else:
        size = coupling_scale(likelihood.at({key: value for key, value in at.items() if key in likelihood.nonlinear}), name)
    seed = int.from_bytes(hashlib.sha256(f"{word}\0{name}".encode()).digest())
    return float(np.random.default_rng(seed).standard_normal() * 10.0 ** math.ceil(math.log10(size)))


def hidden(found: FitResult, likelihood: Likelihood, at: Mapping[str, float], words: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a `Fit` in the place of those that show the values of the blinded parameters, the keys of `words`; CevnsfitError if one has no effect."""
    idle = [name for name in words if name not in found.floating]
    if idle:
        message = f"{idle[0]} has no effect on these data: there is nothing to blind"
        raise CevnsfitError(message)
    moves = {name: offset(likelihood, at, name, word) for name, word in words.items()}
    correlation = found.correlation.copy()
    for name in words:
        place = found.floating.index(name)
        correlation[place], correlation[:, place] = np.nan, np.nan
    nothing = dict.fromkeys(words, math.nan)
    return {
        "values": {name: value + moves.get(name, 0.0) for name, value in found.values.items()},
        "errors": {**found.errors, **{name: (found.upper[name] - found.lower[name]) / 2.0 for name in words}},
        "lower": {**found.lower, **nothing},
        "upper": {**found.upper, **nothing},
        "correlation": correlation,
        "at_limit": tuple(name for name in found.at_limit if name not in words),
        "at_domain_end": tuple(name for name in found.at_domain_end if name not in words),
        "reason": "; ".join(part for part in found.reason.split("; ") if part.partition(":")[0] not in words),
        "counts": {},
        "significance": math.nan,
        "delta_nll2_sm": math.nan,
        "blind": {name: hashlib.sha256(repr(move).encode()).hexdigest()[:8] for name, move in moves.items()},
    }
