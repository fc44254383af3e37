"""Where the variance comes from: splits, seeds, items, samples."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Components(NamedTuple):
  """Variance components of the success of one sample.

  Method of moments: unbiased, so a component that is small may come out
  negative. NaN where the design cannot tell (one split, one seed, one sample).

  Attributes:
    split: Between splits.
    seed: Between training seeds of a split.
    item: Between items of a split, common to its seeds.
    seed_item: Items that are hard for one seed and easy for another.
    sample: Between samples of one seed and item, p (1 - p) on average.
  """

  split: float
  seed: float
  item: float
  seed_item: float
  sample: float

  def variance(
    self, splits: int, seeds: int, items: int, samples: int
  ) -> float:
    """Variance of the mean success of a planned design.

    Negative components count as 0.

    Args:
      splits: How many there are to be.
      seeds: Training seeds of each split.
      items: Items of each split.
      samples: Of each seed and item.
    """
    split, seed, item, seed_item, sample = np.maximum(self, 0)
    cell = seed_item + sample / samples
    within = seed / seeds + item / items + cell / (seeds * items)
    return float((split + within) / splits)


def components(correct: Sequence[np.ndarray], samples: int) -> Components:
  """Components of a design of splits, with seeds crossed with items in each.

  Args:
    correct: For each split, correct_SxI of n samples; the numbers of seeds and
      items may differ.
    samples: n.
  """
  # Sums of squares over all splits and their degrees of freedom.
  noise = df_noise = cross = df_cross = 0.0
  seed_terms, item_terms, means = [], [], []
  for correct_SxI in correct:
    rate_SxI = np.asarray(correct_SxI) / samples
    seeds, items = rate_SxI.shape
    mean = rate_SxI.mean()
    seed_S, item_I = rate_SxI.mean(axis=1), rate_SxI.mean(axis=0)
    rest_SxI = rate_SxI - seed_S[:, None] - item_I + mean
    noise += np.sum(rate_SxI * (1 - rate_SxI)) * samples
    df_noise += rate_SxI.size * (samples - 1)
    cross += np.sum(rest_SxI**2)
    df_cross += (seeds - 1) * (items - 1)
    seed_terms.append((np.sum((seed_S - mean) ** 2), seeds, items))
    item_terms.append((np.sum((item_I - mean) ** 2), items, seeds))
    means.append((mean, seeds, items))
  sample = _ratio(noise, df_noise)
  cell = _ratio(cross, df_cross)  # of one seed and item: with sample / n
  seed, item = _main(seed_terms, cell), _main(item_terms, cell)
  within = np.mean([seed / s + item / i + cell / (s * i) for _, s, i in means])
  mean_R = np.array([mean for mean, _, _ in means])
  between = _ratio(np.sum((mean_R - mean_R.mean()) ** 2), len(mean_R) - 1)
  return Components(
    float(between - within), seed, item, cell - sample / samples, sample
  )


def _main(terms: list[tuple[float, int, int]], cell: float) -> float:
  """A main effect: squares of its means, less what the cells put into them.

  Args:
    terms: Sum of squares of the L means, L, and cells in each mean.
    cell: Variance of one cell.
  """
  squares = sum(square - (n - 1) * cell / m for square, n, m in terms)
  return _ratio(squares, sum(n - 1 for _, n, _ in terms))


def _ratio(squares: float, degrees: float) -> float:
  return float(squares / degrees) if degrees > 0 else float('nan')
