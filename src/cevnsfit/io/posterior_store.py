"""Ensembles of a posterior on disk: a zarr store in which each finished block of steps is one chunk of an array.

Layout: `chain` (ensemble, step, walker, parameter) holds the coordinates of the sampler (logarithms where a prior is flat in them), `log_density`
(ensemble, step, walker), `accepted` (ensemble, block, walker), and `done` (ensemble, block), written last. The arrays are as long as they may
become; only what is finished takes space.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.errors import ResultError
from cevnsfit.infer.posterior import BLOCK, Block
from cevnsfit.io.store import check_same

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import zarr

FILE: Final = "posterior.zarr"

BLOCKS: Final = 1 << 14
"""Most blocks of an ensemble."""


@dataclass(frozen=True, slots=True, eq=False)
class PosteriorStore:
    """An open store of ensembles: its path, and its root group."""

    path: Path
    group: zarr.Group


def open_posterior(folder: Path, analysis: Mapping[str, object], names: Sequence[str], size: tuple[int, int]) -> PosteriorStore:
    """Return the store of ensembles in `folder`, made or continued.

    Parameters
    ----------
    folder
        Where it lies or will lie.
    analysis
        What identifies the posterior: everything but the number of steps.
    names
        The parameters.
    size
        Ensembles and walkers.

    Raises
    ------
    ResultError
        If the folder holds another posterior, or something that cannot be read.
    """
    import zarr

    path = folder / FILE
    described = json.dumps(analysis, sort_keys=True)
    if path.exists():
        store = _read(path)
        check_same(path, "another posterior", json.loads(str(store.group.attrs["analysis"])), json.loads(described))
        return store
    folder.mkdir(parents=True, exist_ok=True)
    group = zarr.open_group(path, mode="w-")
    ensembles, walkers = size
    steps, count = BLOCKS * BLOCK, len(names)
    options: dict[str, Any] = {"dtype": "f8", "fill_value": np.nan}
    chain = group.create_array(
        "chain",
        shape=(ensembles, steps, walkers, count),
        chunks=(1, BLOCK, walkers, count),
        dimension_names=("ensemble", "step", "walker", "parameter"),
        **options,
    )
    chain.attrs["parameters"] = list(names)
    group.create_array(
        "log_density",
        shape=(ensembles, steps, walkers),
        chunks=(1, BLOCK, walkers),
        dimension_names=("ensemble", "step", "walker"),
        **options,
    )
    group.create_array(
        "accepted",
        shape=(ensembles, BLOCKS, walkers),
        chunks=(1, 1, walkers),
        dimension_names=("ensemble", "block", "walker"),
        **options,
    )
    group.create_array("done", shape=(ensembles, BLOCKS), chunks=(1, 1), dtype="i1", fill_value=0, dimension_names=("ensemble", "block"))
    group.attrs["analysis"] = described
    return PosteriorStore(path, group)


def _read(path: Path) -> PosteriorStore:
    import zarr

    try:
        group = zarr.open_group(path, mode="r+")
        for name, axes in (("chain", 4), ("log_density", 3), ("accepted", 3), ("done", 2)):
            array = group[name]
            if not isinstance(array, zarr.Array) or array.ndim != axes:
                message = f"{name} is not an array with {axes} axes"
                raise TypeError(message)  # noqa: TRY301
        _ = json.loads(str(group.attrs["analysis"]))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        message = f"{path}: not a readable posterior ({type(error).__name__}: {error}); remove it to start anew"
        raise ResultError(message) from None
    return PosteriorStore(path, group)


def save_block(store: PosteriorStore, ensemble: int, block: int, found: Block) -> None:
    """Write one finished block; the mark that it is done comes last, so that an interrupted write is no block."""
    steps = slice(block * BLOCK, (block + 1) * BLOCK)
    arrays: dict[str, Any] = {name: store.group[name] for name in ("chain", "log_density", "accepted", "done")}
    arrays["chain"][ensemble, steps] = found.coordinates
    arrays["log_density"][ensemble, steps] = found.log_density
    arrays["accepted"][ensemble, block] = found.accepted
    arrays["done"][ensemble, block] = 1


def load_blocks(store: PosteriorStore, ensemble: int, most: int) -> list[Block]:
    """Return the first finished blocks of an ensemble, at most `most`."""
    arrays: dict[str, Any] = {name: store.group[name] for name in ("chain", "log_density", "accepted", "done")}
    done = np.asarray(arrays["done"][ensemble, :most]) == 1
    finished = most if done.all() else int(np.argmin(done))
    blocks = []
    for block in range(finished):
        steps = slice(block * BLOCK, (block + 1) * BLOCK)
        parts = (arrays["chain"][ensemble, steps], arrays["log_density"][ensemble, steps], arrays["accepted"][ensemble, block])
        blocks.append(Block(*(np.asarray(part, dtype=np.float64) for part in parts)))
    return blocks
