"""Sign-flip test over seeds, equivalence, and Holm's correction."""

from typing import NamedTuple

import numpy as np

from synth.statistics import small_sample
from synth.statistics.design import Contrast
from synth.statistics.design import Interval

MOST_UNITS = 40  # 2^20 sums of either half: 8 MB each


def sign_flip(difference_U: np.ndarray) -> float:
  """Exact two-sided p of paired differences, by all 2^U patterns of signs.

  The share of sign patterns whose sum is at least as far from 0 as the
  observed one. Its null hypothesis: each difference is as likely as its
  negative. The smallest p is 2 / 2^U: 0.0078 with 8 seeds, and never under
  0.05 with 5.

  Args:
    difference_U: A paired difference of each seed or split
      (`design.by_unit`).

  Raises:
    ValueError: if there are no or more than 40 differences.
  """
  units = len(difference_U)
  if not 1 <= units <= MOST_UNITS:
    raise ValueError(f'{units} differences, not 1..{MOST_UNITS}')
  difference_U = np.asarray(difference_U, float)
  slack = 1e-12 * np.abs(difference_U).sum()  # sums that differ by rounding
  least = abs(difference_U.sum()) - slack
  if least <= 0:
    return 1.0
  # A pattern and its opposite have sums of one size: the first sign is fixed.
  # Patterns of the two halves meet by binary search, not one by one.
  half = units - units // 2
  left_P = _sums(difference_U[:1], difference_U[1:half])
  right_Q = np.sort(_sums(np.zeros(1), difference_U[half:]))
  above = len(right_Q) - np.searchsorted(right_Q, least - left_P, 'left')
  below = np.searchsorted(right_Q, -least - left_P, 'right')
  return float((above + below).sum() / (len(left_P) * len(right_Q)))


def _sums(start: np.ndarray, difference_U: np.ndarray) -> np.ndarray:
  """All sums of `start` and the differences, each added or subtracted."""
  for value in difference_U:
    start = np.concatenate([start + value, start - value])
  return start


class Equivalence(NamedTuple):
  """Whether a contrast is within a margin of 0.

  Attributes:
    interval: Of level 1 - 2 alpha.
    margin: The largest difference that counts as none.
    equivalent: Whether the interval lies inside (-margin, margin).
  """

  interval: Interval
  margin: float
  equivalent: bool


def equivalence(
  contrast: Contrast, margin: float, alpha: float = 0.05
) -> Equivalence:
  """Two one-sided tests (Schuirmann 1987): is there no difference to speak of?

  Both reject at alpha exactly if the interval of level 1 - 2 alpha (90 %) is
  inside the margin. The interval is `small_sample.careful`: the bootstrap's is
  too short with few seeds and would declare equivalence too often.

  Args:
    contrast: What is compared with 0.
    margin: The largest difference that counts as none.
    alpha: Level of each test.

  Raises:
    ValueError: if the margin is not positive.
  """
  if margin <= 0:
    raise ValueError(f'a margin is positive, not {margin}')
  interval = small_sample.careful(contrast, 1 - 2 * alpha)
  inside = -margin < interval.low and interval.high < margin
  return Equivalence(interval, margin, inside)


def holm(p_M: np.ndarray) -> np.ndarray:
  """Holm's (1979) adjusted p of a family of M tests, in their order.

  Rejecting where the adjusted p is at most alpha keeps the chance of any false
  rejection at alpha, however the tests depend on each other.
  """
  p_M = np.asarray(p_M, float)
  order_M = np.argsort(p_M, kind='stable')
  scaled_M = p_M[order_M] * np.arange(len(p_M), 0, -1)
  adjusted_M = np.empty_like(p_M)
  adjusted_M[order_M] = np.minimum(np.maximum.accumulate(scaled_M), 1)
  return adjusted_M
