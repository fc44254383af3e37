"""Estimators and intervals: pure functions of arrays.

Letters: S training seeds, I items (tasks), n samples a task.
"""

from collections.abc import Sequence

import numpy as np

_RESAMPLES = 2000
_LEVEL = 0.95


def pass_at_k(correct_xI: np.ndarray, samples: int, k: int) -> np.ndarray:
  """Unbiased pass@k of each item (Chen et al. 2021, arXiv 2107.03374).

  1 - C(n - c, k) / C(n, k), computed as 1 - prod_{j = n - c + 1}^{n} (1 - k/j).

  Args:
    correct_xI: Numbers of correct samples, any shape, each 0..n.
    samples: Independent samples of each item, n.
    k: 1..n.

  Raises:
    ValueError: if k is not in 1..n.
  """
  if not 1 <= k <= samples:
    raise ValueError(f'pass@{k} needs 1..n samples, n = {samples}')
  j_n = np.arange(1, samples + 1)
  # fail[c]: probability that k samples without replacement are all wrong.
  factor_n = np.maximum(1 - k / j_n, 0)[::-1]
  fail = np.concatenate([[1.0], np.cumprod(factor_n)])
  return 1 - fail[np.asarray(correct_xI)]


def coverage_at_k(correct_xIxn: np.ndarray, k: int) -> np.ndarray:
  """Whether one of the first k candidates of each item is right: 0 or 1.

  For candidates that are not independent draws (a beam, draws without
  replacement), where pass@k would be biased.

  Args:
    correct_xIxn: Whether candidates are right, in the order they are verified.
    k: 1..n.

  Raises:
    ValueError: if k is not in 1..n.
  """
  samples = correct_xIxn.shape[-1]
  if not 1 <= k <= samples:
    raise ValueError(f'coverage@{k} needs 1..n candidates, n = {samples}')
  return correct_xIxn[..., :k].any(axis=-1).astype(float)


def crossed_bootstrap(
  terms: Sequence[tuple[float, np.ndarray]], rng: np.random.Generator
) -> tuple[float, float, float]:
  """A weighted sum of means over seeds and items, with its 95 % interval.

  `[(1, v)]` is a mean, `[(1, a - b)]` a paired difference, `[(1, a - b),
  (-1, c - d)]` a difference in differences. Seeds (jointly for all terms) and
  the items of each term are resampled independently (pigeonhole bootstrap,
  Owen 2007, percentiles), so the interval covers new seeds *and* new items.
  With few seeds it understates the spread between seeds: show them as points.

  Args:
    terms: (weight, value_SxI) pairs; all with the same S.
    rng: Source of randomness.

  Returns:
    Estimate, low, high.
  """
  seeds = len(terms[0][1])
  draws = np.zeros(_RESAMPLES)
  for i in range(_RESAMPLES):
    weight_S = np.bincount(rng.integers(0, seeds, seeds), minlength=seeds)
    for weight, value_SxI in terms:
      items = value_SxI.shape[1]
      weight_I = np.bincount(rng.integers(0, items, items), minlength=items)
      mean = weight_S @ value_SxI @ weight_I / (seeds * items)
      draws[i] += weight * mean
  tail = (1 - _LEVEL) / 2
  low, high = np.quantile(draws, [tail, 1 - tail])
  estimate = sum(weight * value_SxI.mean() for weight, value_SxI in terms)
  return float(estimate), float(low), float(high)
