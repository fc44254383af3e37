"""The crossed design of the study: splits, training seeds in them, and items.

A contrast is, for each split, a weighted sum of means over training seeds and
items; its estimate is the plain mean of the splits. `[[Term(v)]]` is a mean,
`[[Term(a - b)]]` a paired difference, `[[Term(a - b), Term(c - d, -1)]]` a
difference in differences, and a longer outer list has one entry a split.
"""

from collections.abc import Sequence
import dataclasses
from typing import NamedTuple

import numpy as np


@dataclasses.dataclass(frozen=True)
class Term:
  """One mean of a contrast.

  Attributes:
    value_SxI: A value for every training seed and item of one split.
    weight: What the mean is multiplied by.
    cluster_I: Labels of items that belong together. Equal labels are one
      cluster wherever they occur: in another term (matched pairs) or another
      split (one item tested twice). Without labels every item is on its own.
  """

  value_SxI: np.ndarray
  weight: float = 1.0
  cluster_I: np.ndarray | None = None


Contrast = Sequence[Sequence[Term]]


class Interval(NamedTuple):
  """An estimate with the ends of its interval."""

  estimate: float
  low: float
  high: float


class Cells(NamedTuple):
  """A term, its items summed by cluster.

  Attributes:
    split: The place of its split.
    weight: What its mean is multiplied by.
    total_SxG: Sums of the values of a cluster.
    size_G: Items in a cluster.
    stratum: The pool from which its clusters are drawn.
    column_G: Places of its clusters in that pool.
  """

  split: int
  weight: float
  total_SxG: np.ndarray
  size_G: np.ndarray
  stratum: int
  column_G: np.ndarray


class Design(NamedTuple):
  """A contrast, ready for resampling.

  Attributes:
    cells: All terms of all splits.
    seeds_R: Training seeds of each split.
    strata: Number of clusters in each pool: one for all labelled terms
      together, one for every other term.
  """

  cells: list[Cells]
  seeds_R: np.ndarray
  strata: list[int]

  def by_seed(self) -> list[np.ndarray]:
    """The contrast of every training seed of every split: R arrays of S."""
    value = [np.zeros(seeds) for seeds in self.seeds_R]
    for cell in self.cells:
      mean_S = cell.total_SxG.sum(axis=1) / cell.size_G.sum()
      value[cell.split] += cell.weight * mean_S
    return value


def of(contrast: Contrast) -> Design:
  """The design of a contrast.

  Raises:
    ValueError: if a split has no term, a term no items or no seeds, or two
      terms of one split have different seeds.
  """
  terms = [(r, term) for r, split in enumerate(contrast) for term in split]
  if not terms or {r for r, _ in terms} != set(range(len(contrast))):
    raise ValueError('a contrast needs at least one split, and each a term')
  labels = [t.cluster_I for _, t in terms if t.cluster_I is not None]
  name_G = np.unique(np.concatenate(labels)) if labels else np.zeros(0)
  strata = [len(name_G)] if labels else []
  seeds_R = np.zeros(len(contrast), np.int64)
  cells = []
  for r, term in terms:
    value_SxI = np.asarray(term.value_SxI, float)
    if value_SxI.ndim != 2 or not value_SxI.size:
      raise ValueError(f'split {r}: values of shape {value_SxI.shape}, not SxI')
    seeds, items = value_SxI.shape
    if seeds_R[r] not in (0, seeds):
      raise ValueError(f'split {r}: terms of {seeds_R[r]} and {seeds} seeds')
    seeds_R[r] = seeds
    if term.cluster_I is None:
      size_G, column_G = np.ones(items), np.arange(items)
      cells.append(
        Cells(r, term.weight, value_SxI, size_G, len(strata), column_G)
      )
      strata.append(items)
    else:
      own_G, place_I = np.unique(term.cluster_I, return_inverse=True)
      column_G = np.searchsorted(name_G, own_G)
      size_G = np.bincount(place_I).astype(float)
      total_SxG = np.stack([np.bincount(place_I, v_I) for v_I in value_SxI])
      cells.append(Cells(r, term.weight, total_SxG, size_G, 0, column_G))
  return Design(cells, seeds_R, strata)


def by_unit(contrast: Contrast) -> np.ndarray:
  """The contrast of every independent unit, for tests over them.

  Units are the splits, or the training seeds where there is only one split.
  """
  by_seed = of(contrast).by_seed()
  if len(by_seed) == 1:
    return by_seed[0]
  return np.array([value_S.mean() for value_S in by_seed])
