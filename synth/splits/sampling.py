"""Drawing classes with given chances, without replacement.

Weights become inclusion probabilities, these are raked to margins if wished,
and a fixed number of classes is drawn so that each is in with its probability
(to a good approximation). So the law of a training set is known class by class,
and with it how well it can stand for any test law.
"""

from collections.abc import Sequence

import numpy as np

_ALL = 1 << 15  # up to so many places all are taken,
_SOME = 1 << 13  # of more a sample of this size
_RAKING_ROUNDS = 200
_RAKING_ERROR = 0.01  # relative, of the worst cell


def some(
  number: int, rng: np.random.Generator, enough: int = _SOME
) -> np.ndarray:
  """All places 0..number-1, or a random sample of them if they are many.

  For searches of neighbours, which take hours among millions of points of many
  dimensions, and for fits that more points would hardly change.

  Args:
    number: Of all places.
    rng: Draws the sample; not used if all are taken.
    enough: Size of the sample. All places are taken if they are no more than
      this, or no more than 32,768.

  Returns:
    Places, ascending.
  """
  if number <= max(_ALL, enough):
    return np.arange(number)
  return np.sort(rng.choice(number, enough, replace=False))


def inclusion(log_weight_N: np.ndarray, number: int) -> np.ndarray:
  """Probabilities min(1, c * weight), with the c that makes their sum `number`.

  Args:
    log_weight_N: Logarithms of the classes' weights, all finite.
    number: The sum, at most N.

  Returns:
    probability_N.
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
  """Changes probabilities so that every margin is that of a uniform sample.

  A margin cuts the classes into cells, say by size. Each cell shall get as many
  classes as if all classes were equally probable: iterative proportional
  fitting, until all cells are within 1 %, or for 200 rounds.

  Args:
    probability_N: Inclusion probabilities.
    margins: For each margin the cell of every class, cell_N (small integers).

  Returns:
    The new probabilities, with the same sum, and the largest relative error
    that the last round met, of cells that ought to get at least one class.
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
  """Draws exactly `number` of N classes without replacement.

  Pareto sampling (Rosen 1997, J. Statist. Plann. Inference 62): a class has the
  rank u / (1 - u) * (1 - p) / p, with u its uniform number and p its
  probability, and the `number` classes of smallest rank are taken. Each is then
  in the sample with probability p to a good approximation. With the same
  uniform numbers, samples under different laws overlap as much as they can.

  Args:
    probability_N: Inclusion probabilities in [0, 1], which sum to `number`
      (`inclusion`).
    number: How many classes to draw, at most N.
    uniform_N: Independent uniform numbers in [0, 1).

  Returns:
    Places 0..N-1 of the drawn classes, int64, ascending.
  """
  odds_N = uniform_N / (1 - uniform_N)
  with np.errstate(divide='ignore'):
    rank_N = odds_N * (1 - probability_N) / probability_N
  return np.sort(np.argpartition(rank_N, number - 1)[:number])
