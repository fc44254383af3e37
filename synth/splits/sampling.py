"""Drawing classes with given chances, without replacement.

Weights become inclusion probabilities, these are raked to margins if wished,
and a fixed number of classes is drawn so that each is in with its probability
(to a good approximation). So the law of a training set is known class by class,
and with it how well it can stand for any test law (methods: 1.2 D1).
"""

from collections.abc import Sequence

import numpy as np

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

  Iterative proportional fitting.

  Args:
    probability_N: Inclusion probabilities.
    margins: For each margin the cell of every class (small integers).

  Returns:
    The new probabilities, and the largest relative error of a cell that is
    expected to get at least one class.
  """
  number = probability_N.sum()
  share = number / len(probability_N)
  probability_N = probability_N.copy()
  error = 0.0
  for _ in range(_RAKING_ROUNDS):
    error = 0.0
    for cell_N in margins:
      wanted = share * np.bincount(cell_N)
      have = np.bincount(cell_N, probability_N)
      counted = wanted >= 1
      ratio = wanted / np.where(have > 0, have, 1)
      error = max(error, float(np.abs(ratio[counted] - 1).max(initial=0)))
      probability_N = np.minimum(probability_N * ratio[cell_N], 1.0)
    probability_N = inclusion(
      np.log(np.maximum(probability_N, 1e-300)), round(number)
    )
    if error < _RAKING_ERROR:
      break
  return probability_N, error


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
