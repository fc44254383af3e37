"""Drawing classes with given chances, without replacement.

Weights become inclusion probabilities, these are raked to margins if wished,
and a fixed number of classes is drawn so that each is in with its probability
(to a good approximation). So the law of a training set is known class by class,
and with it how well it can stand for any test law (methods: 1.2 D1).
"""

from collections.abc import Sequence

import numpy as np

from synth.splits import cells

_ALL, _SOME = 1 << 15, 1 << 13  # so many are searched, of more only a sample
_RAKING_ROUNDS = 200
_RAKING_ERROR = 0.01  # relative, of the worst cell


def some(
  number: int, rng: np.random.Generator, enough: int = _SOME
) -> np.ndarray:
  """All places up to `number`, or a sorted sample of `enough` if they are many.

  For searches of neighbours, which take hours among millions of points of many
  dimensions, and for fits that more points would hardly change.
  """
  if number <= max(_ALL, enough):
    return np.arange(number)
  return np.sort(rng.choice(number, enough, replace=False))


def inclusion(log_weight_N: np.ndarray, number: int) -> np.ndarray:
  """Probabilities min(1, c * weight) that sum to `number`.

  Args:
    log_weight_N: Logarithms of positive weights.
    number: At most N.
  """
  weight_N = np.exp(log_weight_N - log_weight_N.max())
  certain_N = np.zeros(len(weight_N), bool)
  while True:
    rest = number - certain_N.sum()
    scale = rest / weight_N[~certain_N].sum() if rest > 0 else 0.0
    more_N = ~certain_N & (weight_N * scale >= 1)
    if not more_N.any():
      return np.where(certain_N, 1.0, weight_N * scale)
    certain_N |= more_N


def rake(
  probability_N: np.ndarray, margins: Sequence[np.ndarray]
) -> tuple[np.ndarray, float]:
  """Changes probabilities so that margins are those of equal probabilities.

  Iterative proportional fitting. Classes of one cell of every margin (a
  *group*; millions of classes have a thousand) are all multiplied by the same
  ratios and cut off at 1, so min(factor * probability, limit) is what becomes
  of them: a group has a factor and a limit, and its sum comes from sorted
  probabilities.

  Args:
    probability_N: Inclusion probabilities.
    margins: For each margin the cell of every class (small integers).

  Returns:
    The new probabilities, and the largest relative error of a cell that is
    expected to get at least one class.
  """
  number = probability_N.sum()
  share = number / len(probability_N)
  group_N = cells.combine(margins)
  order_N = np.lexsort((probability_N, group_N))
  sorted_N = probability_N[order_N]
  sum_N1 = np.concatenate([[0], np.cumsum(sorted_N)])
  end_G = np.cumsum(np.bincount(group_N))
  start_G = np.concatenate([[0], end_G[:-1]])
  factor_G, limit_G = np.ones(len(end_G)), np.ones(len(end_G))

  def total_G() -> np.ndarray:
    cut_G = _first_above(sorted_N, start_G, end_G, limit_G / factor_G)
    below_G = factor_G * (sum_N1[cut_G] - sum_N1[start_G])
    return below_G + limit_G * (end_G - cut_G)

  error = 0.0
  for _ in range(_RAKING_ROUNDS):
    error = 0.0
    for cell_N in margins:
      wanted = share * np.bincount(cell_N)
      cell_G = cell_N[order_N[start_G]]
      have = np.bincount(cell_G, total_G(), len(wanted))
      counted = wanted >= 1
      ratio = wanted / np.where(have > 0, have, 1)
      error = max(error, float(np.abs(ratio[counted] - 1).max(initial=0)))
      factor_G *= ratio[cell_G]
      limit_G = np.minimum(limit_G * ratio[cell_G], 1)
    if error < _RAKING_ERROR:
      break
  raked_N = np.minimum(factor_G[group_N] * probability_N, limit_G[group_N])
  log_N = np.log(np.maximum(raked_N, 1e-300))
  return inclusion(log_N, round(number)), error


def _first_above(
  sorted_N: np.ndarray,
  start_G: np.ndarray,
  end_G: np.ndarray,
  value_G: np.ndarray,
) -> np.ndarray:
  """In each sorted part of an array the first place above a value, or its end.

  np.searchsorted, for all parts at once.
  """
  low_G, high_G = start_G, end_G
  while (open_G := low_G < high_G).any():
    middle_G = (low_G + high_G) // 2
    above_G = sorted_N[np.where(open_G, middle_G, 0)] > value_G
    low_G = np.where(open_G & ~above_G, middle_G + 1, low_G)
    high_G = np.where(open_G & above_G, middle_G, high_G)
  return low_G


def draw(
  probability_N: np.ndarray, number: int, uniform_N: np.ndarray
) -> np.ndarray:
  """Exactly `number` places, each with about its inclusion probability.

  Pareto sampling (Rosen, 1997): the smallest of odds of a uniform number over
  odds of the probability. With the same uniform numbers, samples of different
  laws overlap as much as they can.

  Returns:
    Places, sorted.
  """
  odds_N = uniform_N / (1 - uniform_N)
  with np.errstate(divide='ignore'):
    rank_N = odds_N * (1 - probability_N) / probability_N
  return np.sort(np.argpartition(rank_N, number - 1)[:number])
