"""Forests of decision trees as plain arrays, so that a model is data: who loads one runs no code out of a file, and
needs none of the libraries that trained it.

All trees stand one after the other. ``feature`` is the column that a node asks, -1 for a leaf; a row goes ``left``
where its value is at most ``threshold``. As scikit-learn does it, values are 32-bit floats.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cryptoproxy.errors import OperatorError

Rows = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]
INTEGERS = ("feature", "left", "right")
ARRAYS = ("roots", "feature", "threshold", "left", "right", "value")
_EULER = 0.5772156649015329
_DEEPEST = 10_000


@dataclass(frozen=True, slots=True)
class Forest:
    """``value`` is a leaf's: what it adds to the sum over trees. ``base`` is added once, ``scale`` to each."""

    roots: npt.NDArray[np.int32]
    feature: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float64]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    value: npt.NDArray[np.float64]
    base: float = 0.0
    scale: float = 1.0

    def total(self, rows: Rows) -> Values:
        """The sum of all trees for each row."""
        found = np.full(len(rows), self.base)
        for root in self.roots:
            found += self.scale * self.value[self._leaves(root, rows)]
        return found

    def _leaves(self, root: int, rows: Rows) -> npt.NDArray[np.int32]:
        at = np.full(len(rows), root, dtype=np.int32)
        for _ in range(_DEEPEST):
            inner = np.flatnonzero(self.feature[at] >= 0)
            if not len(inner):
                return at
            node = at[inner]
            goes_left = rows[inner, self.feature[node]] <= self.threshold[node]
            at[inner] = np.where(goes_left, self.left[node], self.right[node])
        raise OperatorError("the model has a tree without an end", remedy="Roll back to the version before it")

    def part(self, first: int, count: int) -> Forest:
        """So many of its trees by themselves; all of them stand in the order of their roots."""
        end = first + count
        low, high = int(self.roots[first]), int(self.roots[end]) if end < len(self.roots) else len(self.feature)
        arrays: dict[str, Any] = {name: getattr(self, name)[low:high] for name in ARRAYS[1:]}
        arrays |= {name: arrays[name] - low for name in ("left", "right")}
        return Forest(roots=self.roots[first:end] - low, **arrays, base=self.base, scale=self.scale)

    def to_bytes(self) -> bytes:
        body = io.BytesIO()
        arrays: dict[str, Any] = {name: getattr(self, name) for name in ARRAYS}
        np.savez_compressed(body, **arrays, numbers=np.array([self.base, self.scale]))
        return body.getvalue()


def from_bytes(body: bytes, features: int) -> Forest:
    """
    Args:
        features: how many columns a row has.

    Raises:
        OperatorError: it is no forest, or one of other rows.
    """
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as stored:
            arrays: dict[str, Any] = {name: stored[name] for name in ARRAYS}
            base, scale = (float(each) for each in stored["numbers"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise OperatorError(
            f"that is no model of ours: {error}", remedy="Roll back to the version before it"
        ) from error
    nodes = len(arrays["feature"])
    inner = arrays["feature"] >= 0
    sides = np.concatenate([arrays["roots"], arrays["left"][inner], arrays["right"][inner]])
    whole = all(len(arrays[name]) == nodes for name in ARRAYS[1:]) and nodes and len(arrays["roots"])
    if not whole or arrays["feature"].max() >= features or sides.min() < 0 or sides.max() >= nodes:
        raise OperatorError(
            f"the model's trees do not fit together, or to {features} features",
            remedy="Roll back to the version before it",
        )
    return Forest(**arrays, base=base, scale=scale)


def joined(trees: Sequence[dict[str, Any]], *, base: float = 0.0, scale: float = 1.0) -> Forest:
    """Trees with node numbers of their own as one forest."""
    starts = np.cumsum([0, *(len(each["feature"]) for each in trees[:-1])])
    shifted = [
        {**each, "left": each["left"] + start, "right": each["right"] + start}
        for each, start in zip(trees, starts, strict=True)
    ]
    arrays: dict[str, Any] = {
        name: np.concatenate([each[name] for each in shifted]).astype(np.int32 if name in INTEGERS else np.float64)
        for name in ARRAYS[1:]
    }
    return Forest(roots=starts.astype(np.int32), **arrays, base=base, scale=scale)


def together(forests: Sequence[Forest]) -> Forest:
    """Several as one, in this order; :meth:`Forest.part` gives each again. Base and scale go into the leaves."""
    starts = np.cumsum([0, *(len(each.feature) for each in forests[:-1])])
    shifted: dict[str, list[Any]] = {name: [] for name in ARRAYS}
    for each, start in zip(forests, starts, strict=True):
        for name in ARRAYS:
            shifted[name].append(getattr(each, name) + (start if name in ("roots", "left", "right") else 0))
        shifted["value"][-1] = each.value * each.scale + each.base / len(each.roots)
    arrays: dict[str, Any] = {
        name: np.concatenate(some).astype(np.int32 if name in INTEGERS or name == "roots" else np.float64)
        for name, some in shifted.items()
    }
    return Forest(**arrays)


def probability(forest: Forest, rows: Rows) -> Values:
    """Of gradient-boosted trees: the chance of the second class, 0 to 1."""
    found: Values = 1 / (1 + np.exp(-forest.total(rows)))
    return found


def anomaly(forest: Forest, rows: Rows, samples: int) -> Values:
    """Of an isolation forest, whose leaves tell how deep they are: 0 to 1, and above 0.5 the stranger the higher.

    Args:
        samples: how many rows each tree was made of.
    """
    depth = forest.total(rows) / len(forest.roots)
    found: Values = 2.0 ** (-depth / expected_depth(samples))
    return found


def expected_depth(samples: int) -> float:
    """How deep a search in a random tree of so many rows goes on average."""
    if samples <= 2:
        return float(samples == 2)
    return 2 * (math.log(samples - 1) + _EULER) - 2 * (samples - 1) / samples
